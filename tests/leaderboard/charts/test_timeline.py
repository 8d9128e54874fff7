"""Steps, scales and paths: read back from the SVG path, the numbers must be those of the rows."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

from vidsal.benchmark.metrics import find
from vidsal.leaderboard.boards import Column
from vidsal.leaderboard.charts import timeline as plots

NSS = Column("NSS", find("nss[ddof=0;pos=fixated_pixels]"))
AUC = Column("AUC-J", find("auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]"))


def follow(path: str) -> list[list[tuple[float, float]]]:
    """Points of each stretch of a path of M, relative l, h and v, and z."""
    stretches: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, rest in re.findall(r"([Mlhvz])([^Mlhvz]*)", path):
        numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", rest)]
        if command == "M":
            x, y = numbers
            stretches.append([(x, y)])
            continue
        if command == "v":
            moves = [(0.0, numbers[0])]
        elif command == "h":
            moves = [(numbers[0], 0.0)]
        else:
            moves = list(zip(numbers[::2], numbers[1::2], strict=True))
        for dx, dy in moves:
            x, y = x + dx, y + dy
            stretches[-1].append((x, y))
    return stretches


def test_steps_keep_mean_and_extremes() -> None:
    values = np.arange(10.0)
    t = plots.trace(np.arange(10), values, most=4)
    assert (t.width, t.first, t.last) == (3, 0, 9)
    np.testing.assert_array_equal(t.mean, [1, 4, 7, 9])
    np.testing.assert_array_equal(t.low, [0, 3, 6, 9])
    np.testing.assert_array_equal(t.high, [2, 5, 8, 9])


@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), min_size=1, max_size=300),
    st.integers(1, 60),
    st.integers(0, 1000),
)
def test_no_value_is_lost_whatever_the_steps(values: list[float], most: int, first: int) -> None:
    frame = np.arange(first, first + len(values))
    t = plots.trace(frame, np.array(values), most)
    defined = [v for v in values if v == v]
    assert len(t.mean) <= most
    assert t.n == len(defined)
    if defined:
        assert (np.nanmin(t.low), np.nanmax(t.high)) == (min(defined), max(defined))
        assert t.lowest == (min(defined), first + values.index(min(defined)))
        assert t.highest == (max(defined), first + values.index(max(defined)))
    for k in range(len(t.mean)):
        inside = [v for v in values[k * t.width : (k + 1) * t.width] if v == v]
        if inside:
            np.testing.assert_allclose(t.mean[k], np.mean(inside), atol=1e-12)
        else:
            assert np.isnan([t.mean[k], t.low[k], t.high[k]]).all()


def test_missing_frames_leave_a_gap_at_their_place() -> None:
    frame = np.array([10, 11, 14, 15])
    t = plots.trace(frame, np.array([1.0, 2.0, np.nan, 3.0]), 100)
    np.testing.assert_array_equal(t.mean, [1, 2, np.nan, np.nan, np.nan, 3])
    panel = plots.panel(NSS, t, plots.axis(np.array([1.0, 3.0]), NSS.metric.range))
    first, second = follow(panel.line)
    assert [x for x, _ in first] == [0.5, 1.5]
    assert second[0][0] == 5.5, "a single value is a dot, not nothing"
    assert len(second) == 2
    assert panel.band == ""


def test_the_path_says_what_the_rows_say() -> None:
    random = np.random.default_rng(0)
    values = random.normal(1, 0.5, 700)
    values[100:140] = np.nan
    (video,) = plots.videos({"v": (np.arange(700), np.column_stack([values, np.full(700, 0.7)]))}, (NSS, AUC))
    panel = video.panels[0]
    assert panel.trace.width == 3
    value_of = lambda y: panel.axis.high - y / plots.UNITS * (panel.axis.high - panel.axis.low)  # noqa: E731
    step = 0.5001 * (panel.axis.high - panel.axis.low) / plots.UNITS
    drawn = [(x, value_of(y)) for stretch in follow(panel.line) for x, y in stretch]
    truth = [(k + 0.5, np.nanmean(values[3 * k : 3 * k + 3])) for k in range(234)
             if np.isfinite(values[3 * k : 3 * k + 3]).any()]  # fmt: skip
    assert [x for x, _ in drawn] == [x for x, _ in truth]
    np.testing.assert_allclose([v for _, v in drawn], [v for _, v in truth], atol=step)
    extremes = [value_of(y) for stretch in follow(panel.band) for _, y in stretch]
    np.testing.assert_allclose([min(extremes), max(extremes)], [np.nanmin(values), np.nanmax(values)], atol=step)


def test_infinite_and_undefined_values_are_counted_not_drawn() -> None:
    t = plots.trace(np.arange(4), np.array([1.0, np.inf, np.nan, -np.inf]), 10)
    assert t.covered == "1 of 4 frames (2 more are infinite)"
    nothing = plots.trace(np.arange(3), np.full(3, np.nan), 10)
    panel = plots.panel(NSS, nothing, plots.axis(np.full(3, np.nan), NSS.metric.range))
    assert (panel.line, panel.trace.lowest, panel.text) == ("", None, "NSS: no frame gives it a finite value.")


@pytest.mark.parametrize(
    ("values", "within", "ends"),
    [
        ([0.62, 0.91], (0, 1), (0.6, 1.0)),
        ([0.5, 0.5], (0, 1), (0.45, 0.55)),
        ([0.0, 0.0], (0, 1), (0.0, 0.05)),
        ([1.0, 1.0], (-1, 1), (0.95, 1.0)),
        ([-0.3, 2.7], (-np.inf, np.inf), (-1.0, 3.0)),
        ([0.0, 14.0], (0, np.inf), (0.0, 15.0)),
        ([], (0, 1), (0.0, 1.0)),
    ],
)
def test_scales_have_round_ends_within_the_range(
    values: list[float], within: tuple[float, float], ends: tuple[float, float]
) -> None:
    axis = plots.axis(np.array(values), within)
    assert (axis.low, axis.high) == ends
    assert len({axis.label(t) for t in axis.ticks}) == len(axis.ticks) >= 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_scale_holds_its_values(values: list[float]) -> None:
    axis = plots.axis(np.array(values), (-np.inf, np.inf))
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low - slack <= min(values)
    assert max(values) <= axis.high + slack


def test_videos_share_a_scale_and_images_are_not_drawn() -> None:
    rows = {"b": ([0, 1], [1.0, 2.0]), "image": ([0], [5.0]), "a": ([0, 1], [30.0, 31.0])}
    made = plots.videos({name: (np.array(at), np.array(nss)[:, None]) for name, (at, nss) in rows.items()}, (NSS,))
    assert [v.stimulus_id for v in made] == ["b", "a"]
    assert made[0].panels[0].axis == made[1].panels[0].axis


def test_a_crowded_page_has_fewer_steps() -> None:
    assert [plots.steps_for(n) for n in (0, 1, 25, 100, 1000)] == [240, 240, 240, 60, 40]
