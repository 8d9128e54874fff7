"""Compiling a plain numerical function when it is first needed, so that importing a module loads no compiler."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled by numba; the machine code is kept on disk where there is a place for it."""
    import numba

    try:
        fast: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder to keep compiled code in
        fast = numba.njit(nogil=True, error_model="numpy")(function)
    return fast
