"""Agreement with pysaliency where its definitions coincide with ours; skipped where it is not installed."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark import metrics, score_frame

pytestmark = pytest.mark.filterwarnings("ignore:divide by zero encountered in log")


@pytest.fixture(scope="module")
def pysaliency() -> Iterator[Any]:
    """pysaliency's functions. Its package still names pkg_resources and np.trapz, which today's releases lack."""
    if importlib.util.find_spec("pysaliency") is None:
        pytest.skip("pysaliency is not installed; it is only compared with")
    patch = pytest.MonkeyPatch()
    if importlib.util.find_spec("pkg_resources") is None:
        stub = types.ModuleType("pkg_resources")
        stub.resource_string = stub.resource_listdir = None  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "pkg_resources", stub)
    if not hasattr(np, "trapz"):
        patch.setattr(np, "trapz", np.trapezoid, raising=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = [importlib.import_module(f"pysaliency.{name}") for name in ("metrics", "roc")]
        yield types.SimpleNamespace(metrics=loaded[0], roc=loaded[1])
    except ImportError as fault:
        pytest.skip(f"pysaliency does not import here: {fault}")
    finally:
        patch.undo()


@pytest.fixture(params=[0, 1, 2, 3])
def frame(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(request.param)
    p = rng.random((40, 60)) if request.param % 2 else rng.integers(0, 6, (40, 60)).astype(float)
    return {
        "p": p if request.param < 2 else p - 0.3,
        "g": rng.random((40, 60)) ** 4,
        "xy": np.concatenate([rng.random((15, 2)) * (60, 40), np.full((3, 2), 7.5)]),
        "others": rng.random((80, 2)) * (60, 40),
    }


def test_the_tuebingen_protocol_is_pysaliency_s(pysaliency: Any, frame: dict[str, np.ndarray]) -> None:
    p, g, xy, others = (frame[k] for k in ("p", "g", "xy", "others"))
    column, row = np.floor(xy).astype(int).T
    other_column, other_row = np.floor(others).astype(int).T
    scores = score_frame(p, xy, g, others, "tuebingen-1")
    functions = pysaliency.metrics
    expected = {
        "AUC-J": pysaliency.roc.general_roc(p[row, column], p.ravel(), judd=0)[0],
        "sAUC": pysaliency.roc.general_roc(p[row, column], p[other_row, other_column], judd=0)[0],
        "NSS": functions.NSS(p, column, row).mean(),
        "CC": functions.CC(p, g),
        "SIM": functions.SIM(p, g),
        "KLD": functions.MIT_KLDiv(p, g),
    }
    for name, value in expected.items():
        assert scores[name] == pytest.approx(float(value), abs=1e-9), name


def test_exact_1_is_pysaliency_s_with_distinct_pixels(pysaliency: Any, frame: dict[str, np.ndarray]) -> None:
    p, g, xy = frame["p"], frame["g"], np.unique(np.floor(frame["xy"]), axis=0) + 0.5
    column, row = np.floor(xy).astype(int).T
    fixated = np.zeros(p.shape, bool)
    fixated[row, column] = True
    scores = score_frame(p, frame["xy"], g)
    assert scores["AUC-J"] == pytest.approx(pysaliency.roc.general_roc(p[fixated], p[~fixated], judd=0)[0], abs=1e-9)
    assert scores["NSS"] == pytest.approx(pysaliency.metrics.NSS(p, column, row).mean(), abs=1e-9)
    assert scores["CC"] == pytest.approx(pysaliency.metrics.CC(p, g), abs=1e-9)
    assert scores["SIM"] == pytest.approx(pysaliency.metrics.SIM(p, g), abs=1e-9)


def test_plain_divergence(pysaliency: Any) -> None:
    rng = np.random.default_rng(9)
    p, g = rng.random((20, 30)) + 0.1, rng.random((20, 30))
    expected = pysaliency.metrics.probabilistic_image_based_kl_divergence(np.log(p / p.sum()), np.log(g / g.sum()))
    assert metrics.kld_plain(p, g) == pytest.approx(expected, abs=1e-9)
