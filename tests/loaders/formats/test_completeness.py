from __future__ import annotations

import numpy as np
import pytest

from vidsal.loaders.formats.completeness import Extent, extent_of, report_incomplete
from vidsal.loaders.records import Report


def samples(until_s: float, *, start_s: float = 0.0, without: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Times at 250 Hz, in microseconds."""
    t = np.arange(int(start_s * 1e6), int(until_s * 1e6), 4000)
    return t[(t < without[0] * 1e6) | (t >= without[1] * 1e6)]


def told(extents: list[Extent], length_s: float | None = 26.1) -> list[tuple[str, str, int]]:
    report = Report()
    report_incomplete(extents, length_s, "002", report)
    assert {a.kind for a in report} <= {"incomplete"}
    assert all(a.fatal for a in report)
    return [(a.where, a.message, a.count) for a in report]


def test_a_whole_recording_is_no_anomaly() -> None:
    blinking = samples(26.0, without=(3.0, 3.4))
    assert told([extent_of("P01", "P01.txt", samples(27.1)), extent_of("P02", "P02.txt", blinking)]) == []


def test_a_recording_cut_short_tells_both_times() -> None:
    cut = extent_of("P01", "P01/P01_Trail002.txt", samples(8.004))
    whole = extent_of("P02", "P02/P02_Trail002.txt", samples(27.1))
    expected = [("P01/P01_Trail002.txt", "the recording ends at 8.00 s, the clip at 26.10 s", 1)]
    assert told([cut, whole]) == expected


@pytest.mark.parametrize(("end_s", "length_s", "short"), [(19.2, 20.0, False), (18.9, 20.0, True), (1.4, 2.1, True)])
def test_how_short_is_short(end_s: float, length_s: float, short: bool) -> None:
    assert bool(told([extent_of("a", "a.txt", samples(end_s))], length_s)) is short


def test_a_thousand_missing_samples_are_told() -> None:
    holed = extent_of("P01", "P01.txt", samples(27.1, without=(8.0, 12.0)))
    assert told([holed]) == [("P01.txt", "no sample from 8.00 to 12.00 s", 1)]
    late = extent_of("P01", "P01.txt", samples(27.1, start_s=2.0))
    assert told([late]) == [("P01.txt", "no sample from 0.00 to 2.00 s", 1)]


def test_a_hole_after_the_end_of_the_clip_is_none() -> None:
    assert told([extent_of("a", "a.txt", samples(40.0, without=(27.0, 39.0)))]) == []


def test_many_of_one_stimulus_are_one_line() -> None:
    cut = [extent_of(f"P{i:02d}", f"P{i:02d}.txt", samples(8.004 + i)) for i in range(7)]
    ((where, message, count),) = told(cut)
    assert (where, count) == ("002", 7)
    assert message.startswith("7 of 7 recordings end early, the clip at 26.10 s: P00 at 8.00 s, P01 at 9.00 s")
    assert message.endswith("and 2 more")


def test_without_a_length_the_others_tell_it() -> None:
    whole = [extent_of(f"P{i:02d}", f"P{i:02d}.txt", samples(20.004)) for i in range(3)]
    cut = extent_of("P09", "P09.txt", samples(8.004))
    assert told([*whole, cut], None) == [("P09.txt", "the recording ends at 8.00 s, most of this clip at 20.00 s", 1)]
    assert told([whole[0], cut], None) == []  # two recordings: who is right?
