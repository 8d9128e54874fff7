"""Quality against speed: who is not beaten by a faster one, and where points lie."""

from __future__ import annotations

import pytest

from vidsal.leaderboard.boards import columns
from vidsal.leaderboard.charts.speed import BOTTOM, LEFT, LINE, RIGHT, TOP, WIDTH, Fast, frontier, speed_plot

from ..conftest import build_run

NSS, KLD = (next(c for c in columns(build_run().typed) if c.name == name) for name in ("NSS", "KLD"))


def test_powers_of_ten_are_evenly_spaced_and_hold_every_model() -> None:
    plot = speed_plot(NSS, [Fast("slow", 1.0, 2.0), Fast("middle", 10.0, 1.0), Fast("fast", 100.0, 0.0)], "a GPU")
    assert plot is not None
    x = {p.name: p.x for p in plot.points}
    assert x == {"slow": LEFT, "middle": pytest.approx((LEFT + WIDTH - RIGHT) / 2), "fast": WIDTH - RIGHT}
    assert [label for label, _ in plot.across] == ["1", "10", "100"]
    y = {p.name: p.y for p in plot.points}
    assert (y["slow"], y["fast"]) == (TOP, BOTTOM), "higher is better, and above"


def test_lower_is_better_for_a_divergence() -> None:
    models = [Fast("a", 10, 1.0), Fast("b", 5, 2.0), Fast("c", 4, 0.5), Fast("d", 4, 0.5), Fast("e", 10, 1.5)]
    assert [m.name for m in frontier(models, KLD.metric.higher_is_better)] == ["a", "c"]
    assert [m.name for m in frontier(models, NSS.metric.higher_is_better)] == ["e", "b"]


def test_names_never_lie_on_each_other_nor_below_the_plot() -> None:
    plot = speed_plot(NSS, [Fast(f"m{k}", 3.0 + k, 1.0 + 1e-6 * k) for k in range(12)], "a GPU")
    assert plot is not None
    labels = sorted(p.label for p in plot.points)
    assert min(b - a for a, b in zip(labels, labels[1:], strict=False)) >= LINE - 1e-9
    assert labels[-1] <= BOTTOM


def test_one_model_is_no_comparison() -> None:
    assert speed_plot(NSS, [Fast("alone", 1.0, 1.0)], "a GPU") is None
