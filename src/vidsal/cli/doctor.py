"""`vidsal doctor`: does this machine have what is needed."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import click

from vidsal._version import __version__
from vidsal.loaders.io.extras import EXTRAS

from .output import json_option, print_json

_PACKAGES = ("numpy", "pandas", "pyarrow", "scipy", "av", "numba", "pillow")
_OPTIONAL = {
    "torch": "torch",
    "matplotlib": "matplotlib",
    "h5py": "h5py",
    "scikit-image": "skimage",
    "pymovements": "pymovements",
}
"""Distribution -> the package that is imported."""


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say which versions and devices are here, and whether the parts work."""
    facts: dict[str, str] = {
        "vidsal": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "free disk": f"{shutil.disk_usage('.').free / 2**30:.1f} GiB",
    }
    for name in _PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    for name, package in _OPTIONAL.items():
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = f"not installed (optional: pip install 'vidsal[{EXTRAS[package]}]')"
    facts |= {k: v for k, v in sorted(os.environ.items()) if k.startswith("VIDSAL_")}
    checks = {name: _try(check) for name, check in _CHECKS.items()}
    if as_json:
        print_json({"facts": facts, "checks": checks})
    else:
        for key, value in facts.items():
            click.echo(f"{key:<12} {value}")
        for key, problem in checks.items():
            click.echo(f"{'ok  ' if problem is None else 'FAIL'} {key}" + (f": {problem}" if problem else ""))
    if any(checks.values()):
        sys.exit(1)


def _try(check: Callable[[], object]) -> str | None:
    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _score() -> None:
    import numpy as np

    from vidsal.benchmark import score_frame

    scores = score_frame(np.array([[0.0, 1.0], [0.0, 0.0]]), [(1.5, 0.5)])
    if scores["AUC-J"] != 1.0:
        raise RuntimeError(f"a perfect prediction scores AUC-J {scores['AUC-J']}")


def _parquet() -> None:
    from io import BytesIO

    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = BytesIO()
    pq.write_table(pa.table({"a": [1]}), buffer, compression="zstd")


def _video() -> None:
    import av

    if "mpeg4" not in av.codecs_available or "h264" not in av.codecs_available:
        raise RuntimeError("this build of PyAV lacks the mpeg4 or h264 decoder")


def _torch() -> None:
    try:
        import torch
    except ModuleNotFoundError:  # it is optional, and stands among the facts as not installed
        return
    torch.zeros(2) + 1


_CHECKS: dict[str, Callable[[], object]] = {
    "a frame is scored": _score,
    "Parquet with zstd is written": _parquet,
    "videos can be decoded": _video,
    "torch, where it is installed, computes": _torch,
}
