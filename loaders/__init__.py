"""Data sets: from what lies on disk to one Parquet schema, and from that to records."""

if __name__ != "vidsal.loaders":
    raise ImportError(
        "this folder is a part of the package vidsal and is not imported by its own name: "
        "install the project and write `import vidsal.loaders`"
    )
