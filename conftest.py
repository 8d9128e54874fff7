"""How tests are collected: each worker does it anew, so little is done."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from itertools import groupby
from pathlib import Path

import pytest


class Backward:
    """Collects from the last file to the first, then puts them in their order again, on which workers must agree.

    Every other worker does: where no bytecode is there yet, as after each clone, they meet in the middle, and each
    finds the other half compiled.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Turn the order of folders and files; within a file it stays."""
        report = yield
        if isinstance(collector, (pytest.Session, pytest.Directory)):
            report.result.reverse()
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Turn it back."""
        files = [list(group) for _, group in groupby(items, lambda item: item.getparent(pytest.File))]
        items[:] = [item for group in reversed(files) for item in group]


def pytest_configure(config: pytest.Config) -> None:
    """Let every other worker collect backward, unless single files are asked for."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    if int(worker) % 2 and all(os.path.isdir(place) for place in config.args):
        config.pluginmanager.register(Backward())


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
