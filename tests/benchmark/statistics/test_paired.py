"""Many differences at once are the differences one by one."""

from __future__ import annotations

import numpy as np
import pytest

from vidsal.benchmark.statistics import paired_difference, paired_differences, sign_flip_test
from vidsal.loaders.errors import WrongUse


@pytest.mark.parametrize("stimuli", [3, 8, 30])
def test_columns_are_tested_as_each_alone(stimuli: int) -> None:
    random = np.random.default_rng(stimuli)
    first, second = random.normal(size=(2, stimuli, 4))
    first[1, 2] = np.nan
    first[:, 3] = np.nan
    groups = [f"film {k // 2}" for k in range(stimuli)]
    together = paired_differences(first - second, groups, draws=3000, resamples=500, seed=9)
    alone = [
        paired_difference(a, b, groups, draws=3000, resamples=500, seed=9)
        for a, b in zip(first.T, second.T, strict=True)
    ]
    assert together == alone
    assert together[3].p is None
    assert together[0].p == sign_flip_test((first - second)[:, 0], groups, seed=9, draws=3000)


def test_an_infinite_difference_is_refused() -> None:
    with pytest.raises(WrongUse, match="infinite"):
        paired_differences([[1.0, np.inf]], ["a"])
