"""Optional packages: what lacks one says so in one line, with the command that installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import MissingExtra

EXTRAS = {
    "torch": "models",
    "matplotlib": "plots",
    "h5py": "matlab",
    "skimage": "skimage",
    "pymovements": "gaze",
    "dask": "distributed",
    "distributed": "distributed",
    "fsspec": "cloud",
    "s3fs": "cloud",
}
"""Importable name of a package -> the extra of vidsal that brings it."""


def lacking(error: ImportError) -> MissingExtra | None:
    """Return the error to show where an import failed for want of an optional package; None if that was not it.

    >>> str(lacking(ModuleNotFoundError(name="h5py")))
    "this needs h5py, which is not installed: pip install 'vidsal[matlab]'"
    """
    package = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in EXTRAS:
        return None
    return MissingExtra(f"this needs {package}, which is not installed: pip install 'vidsal[{EXTRAS[package]}]'")


@contextmanager
def optional_packages() -> Iterator[None]:
    """Name the extra where an import inside fails; a `with` block, or a decorator of a function.

    Raises:
        MissingExtra: an optional package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (named := lacking(error)) is None:
            raise
        raise named from error
