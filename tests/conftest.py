"""Where the tests find real files: beside the checkout, else they skip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing import forkserver, get_context
from pathlib import Path

import pytest

import vidsal

collect_ignore = ["warm.py"]  # imported by processes whose forks tests start

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no real files here: the folder shared/{name} does not lie beside the checkout")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept for a next time lies in a folder of the tests; a test that counts work takes one of its own."""
    before = os.environ.get("VIDSAL_CACHE")
    os.environ["VIDSAL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["VIDSAL_CACHE"]
    else:
        os.environ["VIDSAL_CACHE"] = before


@pytest.fixture(scope="module")
def quick_demo() -> Iterator[None]:
    """`vidsal demo` with the quickest of its predictors: all six take five times as long, and tests/cli/test_cli.py runs
    them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vidsal.cli.demo.MODELS", ("uniform", "center_prior"))
        yield


@pytest.fixture(scope="session")
def _nursery() -> None:
    """The process that `warm_children` start from, of this checkout."""
    source, here = Path(vidsal.__file__).resolve().parents[1], Path(__file__).resolve().parent
    get_context("forkserver").set_forkserver_preload(["warm", "torch"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (source, here))))
        forkserver.ensure_running()


@pytest.fixture(scope="module")
def warm_children(_nursery: None) -> Iterator[None]:
    """Children that a run starts are forks of one that is ready: three seconds of imports less, each.

    For tests that are not about processes. They have the environment of the first test, and print to its stderr.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vidsal.benchmark.evaluation.children.get_context", lambda _: get_context("forkserver"))
        yield


@pytest.fixture
def cold_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children start from nothing, also in a module of which other tests take `warm_children`."""
    monkeypatch.setattr("vidsal.benchmark.evaluation.children.get_context", get_context)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real files of the data sets."""
    return _folder("samples")


@pytest.fixture(scope="session")
def goldens() -> Path:
    """Reference numbers."""
    return _folder("goldens")
