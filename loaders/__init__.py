"""Data sets: from what lies on disk to one Parquet schema, and from that to records.

The public names are loaded when they are first used, so `import vidsal.loaders` stays light. Converting is
`vidsal.loaders.conversion.convert.convert`: the module has the name that the function would need here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if __name__ != "vidsal.loaders":
    raise ImportError(
        "this folder is a part of the package vidsal and is not imported by its own name: "
        "install the project and write `import vidsal.loaders`"
    )

if TYPE_CHECKING:
    from .records import Frame, Truth
    from .release.release import Release, Stimulus, load

_LAZY = {
    "Frame": "records",
    "Release": "release.release",
    "Stimulus": "release.release",
    "Truth": "records",
    "load": "release.release",
}

__all__ = ["Frame", "Release", "Stimulus", "Truth", "load"]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
