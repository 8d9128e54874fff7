"""How a prediction is judged: the predictor protocol, metrics, protocols, runs and results."""

if __name__ != "vidsal.benchmark":
    raise ImportError(
        "this folder is a part of the package vidsal and is not imported by its own name: "
        "install the project and write `import vidsal.benchmark`"
    )
