"""What predicts: the published models and the reference predictors, one module each."""

if __name__ != "vidsal.baselines":
    raise ImportError(
        "this folder is a part of the package vidsal and is not imported by its own name: "
        "install the project and write `import vidsal.baselines`"
    )

from .registry import build_module, load_model

__all__ = ["build_module", "load_model"]
