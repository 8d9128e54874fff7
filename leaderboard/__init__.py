"""How results become a static site."""

if __name__ != "vidsal.leaderboard":
    raise ImportError(
        "this folder is a part of the package vidsal and is not imported by its own name: "
        "install the project and write `import vidsal.leaderboard`"
    )
