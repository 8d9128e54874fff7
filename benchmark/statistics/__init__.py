"""What scores of few, unlike and related stimuli allow to say: intervals, paired tests, ranks.

The unit is the group (`group_id`: a film, where several clips share one), never the frame: frames of one video say much
the same, and intervals that take them for independent are too narrow. The statistic is always the mean over stimuli.
NumPy arrays in, plain numbers out; nothing here knows of runs. docs/statistics.md has the methods, and simulations of
how far they keep what they promise.
"""

from __future__ import annotations

from .attributes import AttributeScore, by_attribute
from .gap import Share, gap_share
from .intervals import Interval, cluster_bootstrap, intervals
from .multiple import holm
from .paired import Difference, paired_difference, paired_differences
from .ranks import indistinguishable, rank_intervals
from .resamples import seed_of
from .sign_flips import sign_flip_test, smallest_p

__all__ = [
    "AttributeScore",
    "Difference",
    "Interval",
    "Share",
    "by_attribute",
    "cluster_bootstrap",
    "gap_share",
    "holm",
    "indistinguishable",
    "intervals",
    "paired_difference",
    "paired_differences",
    "rank_intervals",
    "seed_of",
    "sign_flip_test",
    "smallest_p",
]
