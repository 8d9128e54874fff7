"""Paired tests, corrections, ranks: counted by hand, against SciPy, and how often they err."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vidsal.benchmark.statistics import (
    holm,
    indistinguishable,
    paired_difference,
    rank_intervals,
    sign_flip_test,
    smallest_p,
)
from vidsal.benchmark.statistics.sign_flips import sign_flip_p
from vidsal.loaders.errors import WrongUse

Rng = np.random.Generator


@pytest.fixture
def rng() -> Rng:
    return np.random.default_rng(11)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),
        ([-1.0, 2.0, 3.0], 4 / 8),  # 4, 6 and their mirror images
        ([1.0, 1.0, -1.0], 8 / 8),  # every sum is 1 or 3
        ([1.0, 2.0, 3.0, 4.0], 2 / 16),
        ([-1.0, 2.0, 3.0, 4.0], 4 / 16),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 2 / 32),
        ([-0.1, -0.2, 0.3, 0.4, 0.5], 10 / 32),  # 0.9; the sizes 1.5, 1.3, 1.1, 0.9 twice, with mirror images
        ([0.1, 0.2, -0.3], 8 / 8),  # the sum is 0
        ([0.0, 0.0, 0.0], 8 / 8),
        ([5.0], 1.0),
    ],
)
def test_small_cases_are_counted_by_hand(differences: list[float], p: float) -> None:
    assert sign_flip_test(differences, range(len(differences))) == p


def test_whole_groups_are_flipped(rng: Rng) -> None:
    values, groups = rng.normal(0.4, 1, 14), np.array(list("aabbbcddddefff"))
    totals = [values[groups == g].sum() for g in "abcdef"]
    sums = [abs(np.dot(signs, totals)) for signs in product((1, -1), repeat=6)]
    expected = np.mean([s >= abs(sum(totals)) - 1e-12 for s in sums])
    assert sign_flip_test(values, groups) == expected


def test_it_agrees_with_scipy(rng: Rng) -> None:
    values = rng.normal(0.5, 1, 9)

    def mean_of(x: Any, axis: int) -> Any:
        return np.mean(x, axis=axis)

    other = stats.permutation_test(
        (values,), mean_of, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip_test(values, range(9)) == pytest.approx(other.pvalue)


def test_twenty_groups_are_exact_and_more_are_drawn(rng: Rng) -> None:
    values = rng.normal(0.4, 1, 20)
    exact = sign_flip_test(values, range(20))
    assert (exact * 2**20) % 1 == 0
    assert exact == sign_flip_test(values, range(20), seed=9, draws=10)
    drawn = sign_flip_test(np.append(values, 0.0), range(21))  # a group without a difference changes no sum
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact / 100_000))
    assert (drawn * 100_001) == pytest.approx(round(drawn * 100_001))
    assert drawn == sign_flip_test(np.append(values, 0.0), range(21), seed=0)


def test_drawn_p_is_never_zero_and_ties_count() -> None:
    assert sign_flip_test(np.ones(40), range(40), draws=999) == 1 / 1000
    assert sign_flip_test(np.zeros(40), range(40), draws=999) == 1.0
    two = np.resize([0.1, -0.1], 40)
    assert sign_flip_test(np.append(two, 1e-3), range(41), draws=999) > 0.9


def test_many_groups_agree_with_the_t_test(rng: Rng) -> None:
    values = rng.normal(0.12, 1, 300)
    assert sign_flip_test(values, range(300)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=0.1, abs=0.002)


def test_the_direction_and_the_order_do_not_matter(rng: Rng) -> None:
    values, groups = rng.normal(0.3, 1, 60), np.arange(60) // 2
    once = sign_flip_test(values, groups, seed=1)
    assert sign_flip_test(-values, groups, seed=1) == once
    order = rng.permutation(60)
    assert sign_flip_test(values[order], groups[order], seed=1) == once
    assert sign_flip_test(values * 1e-9, groups, seed=1) == once


def test_no_value_is_refused() -> None:
    with pytest.raises(WrongUse, match="nothing to test"):
        sign_flip_test([np.nan, np.nan], "ab")
    with pytest.raises(WrongUse, match="draws is 0"):
        sign_flip_test([1.0], "a", draws=0)
    with pytest.raises(WrongUse, match="infinite"):
        sign_flip_test([1.0, -np.inf], "ab")


@pytest.mark.parametrize(("groups", "draws"), [(8, 1), (30, 999)])
def test_alike_models_are_called_different_as_often_as_the_level_says(groups: int, draws: int, rng: Rng) -> None:
    """Differences of unequal size, symmetric about 0: P(p <= level) is at most the level, and near it."""
    totals = rng.standard_t(3, (groups, 4000)) * rng.uniform(0.1, 3, (groups, 1))
    p = sign_flip_p(totals, 1, draws)
    for level in (0.05, 0.2):
        assert np.mean(p <= level) == pytest.approx(level, abs=0.012)


def test_a_real_difference_is_found(rng: Rng) -> None:
    assert sign_flip_test(rng.normal(0.5, 1, 100), range(100)) < 0.001


def test_what_few_groups_can_reach() -> None:
    assert [smallest_p(n) for n in (1, 3, 5, 20)] == [1.0, 0.25, 0.0625, 2**-19]
    assert smallest_p(21) == 1 / 100_001


def test_a_difference_says_what_few_stimuli_do_not_allow() -> None:
    four = paired_difference([2.0, 3.0, 4.0, np.nan, 9.0], [1.0, 1.0, 1.0, 1.0, 1.0], "abcde")
    assert (four.mean, four.low, four.high, four.p, four.stimuli) == (3.5, None, None, 0.125, 4)
    assert four.note == (
        "4 groups of stimuli; an interval needs at least 5; with 4 of them the test cannot reach a p below 0.125"
    )
    five = paired_difference([2.0] * 5, [1.0] * 5, "abcde")
    assert (five.low, five.high, five.p) == (1.0, 1.0, 0.0625)
    assert five.note == "with 5 of them the test cannot reach a p below 0.0625"
    none = paired_difference([np.nan], [1.0], "a")
    assert (none.mean, none.p, none.note) == (None, None, "no stimulus has a value")
    with pytest.raises(WrongUse, match="pairs"):
        paired_difference([1.0], [1.0, 2.0], "ab")


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.4, 0.5, 0.9]) == pytest.approx([1, 1, 1])
    assert holm([0.04]) == pytest.approx([0.04])
    assert len(holm([])) == 0
    found = holm([0.01, np.nan, 0.03])
    assert found[[0, 2]] == pytest.approx([0.02, 0.03])
    assert np.isnan(found[1])


@pytest.mark.parametrize("wrong", [[0.1, 1.2], [-0.1], [np.inf], [[0.1]], ["x"]])
def test_holm_refuses_what_is_no_probability(wrong: list[Any]) -> None:
    with pytest.raises(WrongUse):
        holm(wrong)


def test_holm_errs_once_in_twenty_families(rng: Rng) -> None:
    wrong = [bool((holm(rng.uniform(size=6)) <= 0.05).any()) for _ in range(2000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.02)


def _models(rng: Rng, means: list[float], stimuli: int = 60) -> np.ndarray:
    shared = rng.normal(size=stimuli)
    return np.array([shared + m + rng.normal(0, 0.3, stimuli) for m in means])


def test_ranks_of_models_far_apart_are_sure(rng: Rng) -> None:
    scores = _models(rng, [0.0, 2.0, 1.0])
    assert rank_intervals(scores, range(60)) == [(3, 3), (1, 1), (2, 2)]
    assert rank_intervals(scores, range(60), higher_is_better=False) == [(1, 1), (3, 3), (2, 2)]
    named = rank_intervals({"a": scores[0], "b": scores[1]}, range(60))
    assert named == [(2, 2), (1, 1)]


def test_ranks_of_models_alike_are_open(rng: Rng) -> None:
    scores = _models(rng, [0.0, 0.0, 2.0])
    assert rank_intervals(scores, range(60)) == [(2, 3), (2, 3), (1, 1)]
    assert rank_intervals(np.vstack([scores[0]] * 2), range(60)) == [(1, 2), (1, 2)]
    assert rank_intervals(scores[:, :4], range(4)) == [(None, None)] * 3
    assert rank_intervals(scores[:1], range(60)) == [(1, 1)]


def test_rank_intervals_hold_the_true_ranks(rng: Rng) -> None:
    """Means 0, 0, 0.1, 0.1, 1: the true ranks of equal models are all that they share."""
    means, true = [0.0, 0.0, 0.1, 0.1, 1.0], [(4, 5), (4, 5), (2, 3), (2, 3), (1, 1)]
    held = np.zeros(5)
    for k in range(200):
        found = rank_intervals(_models(rng, means, 30), range(30), resamples=500, seed=k)
        held += [low <= t[0] and t[1] <= high for (low, high), t in zip(found, true, strict=True)]  # type: ignore[operator]
    assert (held / 200 > 0.91).all(), held / 200


def test_groups_of_models_that_cannot_be_told_apart(rng: Rng) -> None:
    scores = _models(rng, [0.0, 0.05, 2.0, 2.02, 5.0])
    assert indistinguishable(scores, range(60)) == [(0, 1), (2, 3), (4,)]
    chain = np.array([np.zeros(6), np.resize([1.6, -0.5], 6), np.ones(6)])
    assert indistinguishable(chain, range(6), level=0.85) == [(0, 1), (1, 2)]
    assert indistinguishable(scores[:1], range(60)) == [(0,)]
    assert indistinguishable(scores[:, :3], range(3)) == [(0, 1, 2, 3, 4)]


@pytest.mark.parametrize("scores", [[1.0, 2.0], [[1.0, 2.0]], [], [["x"]]])
def test_a_wrong_table_of_scores_is_named(scores: Any) -> None:
    with pytest.raises(WrongUse):
        rank_intervals(scores, "abc")
