"""The compiled kernels where numba works, else nothing: the definitions give the same scores, more slowly."""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib import import_module
from types import ModuleType


@lru_cache(maxsize=1)
def kernels() -> ModuleType | None:
    """Return the module of kernels, or None (with one warning) on a machine where numba does not work."""
    try:
        module = import_module("vidsal.benchmark.scoring.kernels.pixels")
        module.probe()
    except Exception as fault:  # whatever numba or LLVM raises
        logging.getLogger(__name__).warning(
            "numba does not work here (%s: %s); scores are computed by their definitions, about twenty times "
            "slower, and their last bits are others (2e-14); run.json says so",
            type(fault).__name__,
            fault,
        )
        return None
    return module


def map_kernels() -> ModuleType | None:
    """Return the module of kernels that make maps, or None as `kernels` does."""
    return None if kernels() is None else import_module("vidsal.benchmark.scoring.kernels.maps")


def block_kernels() -> ModuleType | None:
    """Return the module of sums over some blocks of a map, or None as `kernels` does."""
    return None if kernels() is None else import_module("vidsal.benchmark.scoring.kernels.blocks")
