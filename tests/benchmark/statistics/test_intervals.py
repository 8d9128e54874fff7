"""Intervals: closed forms, an independent bootstrap, laws, corners; how often they hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vidsal.benchmark.statistics import Interval, by_attribute, cluster_bootstrap, gap_share, intervals, seed_of
from vidsal.loaders.errors import WrongUse

Rng = np.random.Generator


@pytest.fixture
def rng() -> Rng:
    return np.random.default_rng(7)


def test_many_normal_groups_give_the_interval_of_normal_theory(rng: Rng) -> None:
    values = rng.normal(2.0, 3.0, 400)
    low, high = cluster_bootstrap(values, range(400))
    half = stats.t.ppf(0.975, 399) * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.04 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.04 * half)


def test_a_wider_level_is_wider_as_in_normal_theory(rng: Rng) -> None:
    values = rng.normal(size=300)
    low, high = cluster_bootstrap(values, range(300), level=0.8)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.9, 299) * values.std(ddof=1) / np.sqrt(300), rel=0.04)


def test_skewed_values_agree_with_scipys_bca(rng: Rng) -> None:
    values = rng.exponential(size=250)
    other = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="BCa", rng=rng).confidence_interval
    low, high = cluster_bootstrap(values, range(250))
    width = other.high - other.low
    assert low == pytest.approx(other.low, abs=0.03 * width)
    assert high == pytest.approx(other.high, abs=0.03 * width)
    assert high - values.mean() > values.mean() - low  # leans to the long tail


def test_stimuli_of_a_group_stay_together(rng: Rng) -> None:
    """Ten copies of each value in one group say no more than one; taken for independent, they would seem to."""
    values = rng.normal(size=40)
    copies = np.repeat(values, 10)
    single = cluster_bootstrap(values, range(40))
    assert cluster_bootstrap(copies, np.repeat(np.arange(40), 10)) == pytest.approx(single)
    low, high = cluster_bootstrap(copies, range(400))
    assert high - low < 0.4 * (single[1] - single[0])


def test_groups_of_unequal_size_weigh_by_their_stimuli(rng: Rng) -> None:
    """The spread of a ratio of sums, by the delta method."""
    sizes = rng.integers(1, 9, 200)
    groups = np.repeat(np.arange(200), sizes)
    values = rng.normal(size=200)[groups] + rng.normal(size=len(groups))
    mean = values.mean()
    residuals = np.bincount(groups, values - mean)
    error = np.sqrt((residuals**2).sum()) / len(groups)
    low, high = cluster_bootstrap(values, groups)
    assert (high - low) / 2 == pytest.approx(1.97 * error, rel=0.05)
    assert low < mean < high


def test_the_same_seed_gives_the_same_interval_in_any_order(rng: Rng) -> None:
    values, groups = rng.normal(size=60), np.array([f"film{i % 12:02}" for i in range(60)])
    once = cluster_bootstrap(values, groups, seed=5)
    order = rng.permutation(60)
    assert cluster_bootstrap(values[order], groups[order], seed=5) == pytest.approx(once, rel=1e-12)
    assert cluster_bootstrap(values, groups, seed=6) != once
    assert cluster_bootstrap(values, list(groups), seed=5) == once


def test_the_draws_never_change() -> None:
    """A result that is stored today must be found again by every later version."""
    assert cluster_bootstrap(
        np.sqrt(np.arange(10.0)), range(10), seed=seed_of("0123456789abcdef" * 4)
    ) == pytest.approx(FROZEN, rel=1e-9)


FROZEN = (1.0699550426880504, 2.4635891370985257)


def test_columns_share_resamples_and_equal_single_ones(rng: Rng) -> None:
    values = rng.normal(size=(50, 3))
    values[4, 1] = np.nan
    groups = np.arange(50) // 2
    together = intervals(values, groups, seed=3)
    for column, found in zip(values.T, together, strict=True):
        assert cluster_bootstrap(column, groups, seed=3) == pytest.approx((found.low, found.high), rel=1e-12)
    assert [i.stimuli for i in together] == [50, 49, 50]
    shifted = intervals(np.column_stack([values[:, 0], values[:, 0] + 1]), groups)
    assert shifted[1].low == pytest.approx(shifted[0].low + 1)


def test_a_stimulus_without_a_value_is_left_out() -> None:
    values, groups = np.arange(12.0), np.arange(12) // 2
    holes = np.append(values, [np.nan, np.nan])
    assert cluster_bootstrap(holes, np.append(groups, [0, 77])) == cluster_bootstrap(values, groups)


@pytest.mark.parametrize(
    ("values", "groups", "note"),
    [
        ([1.0, 2.0, 3.0, 4.0], "abcd", "4 groups of stimuli; an interval needs at least 5"),
        ([1.0] * 9, "a" * 9, "1 group of stimuli; an interval needs at least 5"),
        ([1.0, 2.0, 3.0, 4.0, np.nan], "abcde", "4 groups of stimuli; an interval needs at least 5"),
        ([np.nan] * 6, "abcdef", "no stimulus has a value"),
        ([], "", "no stimulus has a value"),
    ],
)
def test_too_few_groups_give_no_interval_and_say_so(values: list[float], groups: str, note: str) -> None:
    assert cluster_bootstrap(values, groups) == (None, None)
    (found,) = intervals(values, groups)
    assert (found.low, found.high, found.note) == (None, None, note)


def test_equal_values_give_a_point() -> None:
    assert cluster_bootstrap([0.1] * 8, range(8)) == pytest.approx((0.1, 0.1), abs=1e-15)


def test_one_outlier_does_not_break_it() -> None:
    low, high = cluster_bootstrap([0.0] * 9 + [1e9], range(10))
    assert 0 <= low < 1e8 < high <= 1e9


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (([1.0, np.inf, 2.0], "abc"), {}, "infinite"),
        (([1.0, 2.0], "abc"), {}, "2 values and 3 groups"),
        ((["x", 2.0], "ab"), {}, "not numbers"),
        (([[1.0], [2.0]], "ab"), {}, "one a stimulus"),
        (([1.0, 2.0], [None, "b"]), {}, "no group"),
        (([1.0, 2.0], "ab"), {"level": 95}, "level is 95"),
        (([1.0, 2.0], "ab"), {"level": 1}, "level is 1"),
        (([1.0, 2.0], "ab"), {"level": float("nan")}, "level is nan"),
        (([1.0, 2.0] * 4, "abcdefgh"), {"resamples": 0}, "resamples is 0"),
        (([1.0, 2.0] * 4, "abcdefgh"), {"resamples": 10.5}, "whole number"),
        (([1.0, 2.0] * 4, "abcdefgh"), {"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_input_is_named(arguments: tuple[Any, Any], options: dict[str, Any], match: str) -> None:
    with pytest.raises(WrongUse, match=match):
        cluster_bootstrap(*arguments, **options)


def test_a_seed_comes_from_a_digest() -> None:
    assert seed_of("00000000000000ff" + "a" * 48) == 255
    with pytest.raises(WrongUse, match="no digest"):
        seed_of("frames")


SHAPES: dict[str, tuple[Callable[[Rng, tuple[int, int]], np.ndarray], float]] = {
    "normal": (lambda r, s: r.normal(size=s), 0.0),
    "exponential": (lambda r, s: r.exponential(size=s), 1.0),
    "gamma, shape 2": (lambda r, s: r.gamma(2.0, size=s), 2.0),
    "lognormal, sigma 0.5": (lambda r, s: r.lognormal(sigma=0.5, size=s), float(np.exp(0.125))),
}


def coverage(name: str, simulations: int, rng: Rng) -> float:
    draw, truth = SHAPES[name]
    held = 0
    for _ in range(0, simulations, 500):
        found = intervals(draw(rng, (40, 500)), range(40), resamples=4000, seed=int(rng.integers(1 << 40)))
        held += sum(i.low <= truth <= i.high for i in found if i.low is not None and i.high is not None)
    return held / simulations


@pytest.mark.parametrize("name", ["normal", "exponential"])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str, rng: Rng) -> None:
    assert 0.92 < coverage(name, 500, rng) < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_intervals_hold_the_truth_between_93_and_97_in_100(name: str, rng: Rng) -> None:
    assert 0.93 < coverage(name, 5000, rng) < 0.97


def test_the_share_of_the_gap(rng: Rng) -> None:
    center, human = rng.normal(1, 0.1, 60), rng.normal(3, 0.1, 60)
    half = gap_share((center + human) / 2, center, human, range(60))
    assert half.value == pytest.approx(0.5)
    assert (half.low, half.high) == pytest.approx((0.5, 0.5))
    model = rng.normal(2.5, 0.1, 60)
    found = gap_share(model, center, human, range(60))
    assert found.value == pytest.approx((model.mean() - center.mean()) / (human.mean() - center.mean()))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high < found.low + 0.1  # type: ignore[operator]
    falling = gap_share(-model, -center, -human, range(60), higher_is_better=False)
    assert (falling.value, falling.low, falling.high) == pytest.approx((found.value, found.low, found.high))


@pytest.mark.parametrize(
    ("human", "note"),
    [(np.zeros(9), "people are not better"), (np.full(9, np.nan), "no stimulus has a value of all three")],
)
def test_no_gap_no_share(human: np.ndarray, note: str) -> None:
    found = gap_share(np.ones(9), np.ones(9), human, range(9))
    assert (found.value, found.low, found.high) == (None, None, None)
    assert note in str(found.note)


def test_a_gap_that_may_be_zero_has_a_share_without_an_interval(rng: Rng) -> None:
    center = rng.normal(size=30)
    found = gap_share(center + 1, center, center + rng.normal(0.05, 1, 30).clip(-1, None) + 0.3, range(30))
    few = gap_share([1.0, 2.0], [0.0, 0.0], [4.0, 4.0], "ab")
    assert few.value == pytest.approx(3 / 8)
    assert "2 groups" in str(few.note)
    assert found.value is not None
    noisy = gap_share(center, center, center + np.resize([3.0, -2.9], 30), range(30))
    assert (noisy.low, noisy.note) == (None, "the gap itself may be 0: its share has no interval")


def test_scores_by_attribute() -> None:
    values = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0]])
    found = by_attribute(values, "abc", [("day",), ("day", "people"), ()])
    assert list(found) == ["day", "people"]
    assert [s.mean for s in found["day"]] == [1.5, 10.0]
    assert [s.mean for s in found["people"]] == [2.0, None]
    assert found["people"][1].interval == Interval(None, None, "no stimulus has a value", 0, 0)
    with pytest.raises(WrongUse, match="3 values and 1 lists"):
        by_attribute(values, "abc", [()])
