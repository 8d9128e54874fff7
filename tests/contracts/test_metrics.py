"""What every registered metric keeps: it declares itself, stays in its range, points the way it says. New ones are found
by themselves."""

from __future__ import annotations

import inspect
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from vidsal.benchmark.metrics import find
from vidsal.benchmark.metrics.base import NOT_SCORED, REGISTRY, Metric
from vidsal.benchmark.metrics.maps import as_density

ARGUMENTS = {"saliency", "log_density", "fixated", "negatives", "density", "baseline"}
SCORED = sorted(name for name, entry in REGISTRY.items() if entry.params != NOT_SCORED)
EACH = pytest.mark.parametrize("metric_id", SCORED)

numbers = st.binary(min_size=35, max_size=35).map(lambda drawn: np.frombuffer(drawn, np.uint8).reshape(5, 7))
"""One draw: an array drawn number by number takes ten times as long as most metrics."""
maps = numbers.map(lambda drawn: (drawn % 10).astype(float))
varied = maps.filter(lambda m: m.min() < m.max())
fixations = numbers.map(lambda drawn: drawn % 2 == 1).filter(lambda m: 0 < m.sum() < m.size)
weights = numbers.map(lambda drawn: (drawn % 4).astype(np.int64)).filter(lambda m: m.sum() > 0)


def score(entry: Metric, saliency: np.ndarray, **others: np.ndarray) -> float:
    """Score a map, and its logarithms where a metric reads those."""
    with np.errstate(divide="ignore"):
        return entry(saliency=saliency, log_density=np.log(as_density(saliency)), **others)


@pytest.fixture(scope="module")
def frame() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "fixated": rng.random((14, 17)) < 0.06,
        "negatives": rng.poisson(0.4, (14, 17)),
        "density": rng.random((14, 17)) ** 3,
        "baseline": rng.random((14, 17)) + 0.1,
    }


@pytest.mark.parametrize("metric_id", sorted(REGISTRY))
def test_it_declares_itself(metric_id: str) -> None:
    entry = find(metric_id)
    assert entry.id == metric_id
    assert entry.source
    assert entry.degenerate
    assert entry.unit
    assert entry.summary.endswith(".")
    assert entry.version >= 1
    assert entry.range[0] < entry.range[1]
    assert set(entry.needs) <= ARGUMENTS
    assert pickle.loads(pickle.dumps(entry)) == entry  # noqa: S301


@EACH
def test_its_arguments_are_those_that_it_needs(metric_id: str) -> None:
    entry = find(metric_id)
    assert tuple(inspect.signature(entry.function).parameters) == entry.needs


@EACH
def test_a_prediction_that_is_the_truth_beats_its_reverse(metric_id: str, frame: dict[str, np.ndarray]) -> None:
    entry = find(metric_id)
    truth = stats.rankdata(frame["density"]).reshape(frame["density"].shape)
    looked_at = truth > np.quantile(truth, 0.9)
    named = {"fixated": looked_at, "negatives": ~looked_at, "density": truth, "baseline": 1 + truth * 1e-3}
    good, bad = (score(entry, s, **named) for s in (truth, truth.max() + 1 - truth))
    assert (good > bad) == entry.higher_is_better, (good, bad)


@EACH
def test_a_declared_number_for_chance_is_what_a_constant_map_gives(
    metric_id: str, frame: dict[str, np.ndarray]
) -> None:
    entry = find(metric_id)
    value = score(entry, np.ones(frame["density"].shape), **frame)
    if entry.chance == "NaN":
        assert math.isnan(value)
    elif isinstance(entry.chance, float) and "baseline" not in entry.needs and not math.isnan(value):
        assert value == pytest.approx(entry.chance, abs=1e-12)
    else:
        assert isinstance(entry.chance, str) or "constant" in entry.degenerate or "baseline" in entry.needs


@EACH
@settings(max_examples=25, deadline=None)
@given(maps, fixations, weights, varied)
def test_it_stays_in_its_range(metric_id: str, s: np.ndarray, f: np.ndarray, w: np.ndarray, g: np.ndarray) -> None:
    entry = find(metric_id)
    value = score(entry, s, fixated=f, negatives=w, density=g, baseline=g + 1)
    low, high = entry.range
    assert math.isnan(value) or low - 1e-9 <= value <= high + 1e-9


@EACH
def test_nobody_looked(metric_id: str, frame: dict[str, np.ndarray]) -> None:
    entry = find(metric_id)
    if "fixated" in entry.needs:
        none = np.zeros(frame["density"].shape, bool)
        value = score(entry, frame["density"], **{**frame, "fixated": none})
        assert value == 1 if entry.scores_no_fixation else math.isnan(value)
