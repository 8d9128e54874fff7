"""How tests are collected: each worker does it anew, so little is done."""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage meanwhile; what is imported and collected stays to the end, so it is not looked at again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples where a prompt is: to find none in a module, it would be imported and walked through."""
    found = yield
    if file_path.suffix == ".py" and b">>>" not in file_path.read_bytes():
        found = [collector for collector in found if type(collector) is pytest.Module]
    return found
