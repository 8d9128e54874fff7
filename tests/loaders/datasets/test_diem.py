"""DIEM: small texts with every trap, and the real ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.diem import raw
from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Report, StimulusRow

from ..stavis_pack import write_lists, write_video

VIDEO = "bears_1000x700"  # on a screen of 1280 x 960 it begins at (140, 130)
ROWS = [
    "1\t200\t300\t900\t1\t210\t310\t910\t1",  # a point at the mean of both eyes: (65, 175)
    "2\t200\t300\t900\t2\t210\t310\t910\t1",  # saccades are marked in the left column only
    "3\t0\t0\t0.0\t0\t210\t310\t910\t1",  # a blink of one eye
    "4\t200\t300\t900\t1\t889.2\t1866.9\t910\t1",  # beside wild values with event 1
    "5\t0\t0\t0.0\t-1\t0\t0\t0.0\t-1",
    "6\t141\t131\t900\t1\t100\t100\t910\t1",  # tracked, but beside the video
]


def write(root, rows=ROWS, who="diem5s01", video=VIDEO, end="\r\n"):
    path = root / video / "event_data" / f"{who}.asc_15_{video}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(end.join([*rows, ""]).encode())
    return path


def read(root):
    report = Report()
    row = next(iter(raw.stimuli(root, Report())))
    return raw.gaze(root, row, report), report


def test_a_small_text_with_every_trap(tmp_path):
    write(tmp_path)
    gaze, report = read(tmp_path)
    f = gaze.fixations
    assert f["event"].to_pylist() == ["point", "saccade", "noise", "noise", "noise", "point"]
    assert f["flags"]["lost"].tolist() == [False, False, True, True, True, False]
    assert f["frame"].tolist() == [0, 1, 2, 3, 4, 5]
    assert (f["x_px"][0], f["y_px"][0]) == (65, 175)
    assert (f["x_screen_px"][0], f["y_screen_px"][0]) == (205, 305)
    assert f["onset_ms"][3] == 100
    assert (gaze.last_annotated, gaze.n_observers, report) == (5, 1, [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2\t1\t1\t1\t1\t1\t1\t1", "line 2: 8 fields"),
        ("2\t1\t1\t1\tx\t1\t1\t1\t1", "line 2: left event is 'x'"),
        ("2\t1\t1\t1\t3\t1\t1\t1\t1", "line 2: left event is 3"),
        ("3\t1\t1\t1\t1\t1\t1\t1\t1", "line 2: frame 3"),
    ],
)
def test_a_bad_line_is_named_and_the_other_recordings_are_read(tmp_path, line, message):
    write(tmp_path)
    write(tmp_path, [ROWS[0], line], who="diem5s02")
    gaze, report = read(tmp_path)
    assert gaze.n_observers == 1
    assert [a.kind for a in report] == ["unreadable"]
    assert message in report[0].message
    write(tmp_path, [ROWS[0], line])
    with pytest.raises(BadData, match="no recording can be used of 2 files"):
        read(tmp_path)


def test_short_foreign_and_repeated_recordings_are_told(tmp_path):
    for who in ("a", "b", "c"):
        write(tmp_path, who=who)
    write(tmp_path, ROWS[:4], who="d")
    (tmp_path / VIDEO / "event_data" / "notes.txt").write_text("1")
    (tmp_path / VIDEO / "event_data" / f"a.asc_3_{VIDEO}.txt").write_text("")
    gaze, report = read(tmp_path)
    assert gaze.n_observers == 4
    assert [(a.kind, a.where) for a in report] == [
        ("surplus", f"{VIDEO}/event_data/a.asc_3_{VIDEO}.txt"),
        ("surplus", f"{VIDEO}/event_data/notes.txt"),
        ("incomplete", VIDEO),
    ]


def test_the_place_on_the_screen_follows_from_the_name(tmp_path):
    write(tmp_path, video="bears")
    report = Report()
    row = next(iter(raw.stimuli(tmp_path, report)))
    assert [a.where for a in report if a.kind == "mismatch"] == ["bears"]
    with pytest.raises(BadData, match="ends in <width>x<height>"):
        raw.gaze(tmp_path, row, report)
    wide = StimulusRow(VIDEO, "all", f"{VIDEO}.mp4", 1280, 720, 6, extra=f"{VIDEO}/event_data")
    with pytest.raises(BadData, match="1280x720, its name says 1000x700"):
        raw.gaze(tmp_path, wide, report)


def test_both_forms_take_the_split_of_the_users_lists(tmp_path):
    write(tmp_path / "raw")
    write_video(tmp_path / "pack", "DIEM", VIDEO, {n: [(n, n)] for n in range(1, 7)}, frames=6)
    for name in ("raw", "pack"):
        write_lists(tmp_path / name, "DIEM", {"train": ["gone_9x9 6 30.0"], "test": [f"{VIDEO} 6 29.999700"]})
    convert("diem", tmp_path / "raw", tmp_path / "a", workers=1)
    convert("diem", tmp_path / "pack", tmp_path / "b", workers=1)
    a, b = (vidsal.load(tmp_path / name, split="test") for name in "ab")
    assert (a.id, b.id, a.ids, b.ids) == ("diem-raw", "diem-stavis", (VIDEO,), (VIDEO,))
    assert (a[VIDEO].n_frames, a[VIDEO].fps, b[VIDEO].fps) == (6, Fraction(30), Fraction("29.9997"))
    assert len(vidsal.load(tmp_path / "a", split="train")) == 0


@pytest.mark.data
def test_the_real_texts_of_one_video(samples):
    report = Report()
    row = next(iter(raw.stimuli(samples / "diem", Report())))
    gaze = raw.gaze(samples / "diem", row, report)
    f = gaze.fixations
    assert (row.stimulus_id, row.width, row.height) == ("arctic_bears_1066x710", 1066, 710)
    assert (gaze.n_observers, len(f["frame"]), report) == (8, 8 * 2785, [])
    point = np.array([event == "point" for event in f["event"].to_pylist()])
    inside = (f["x_px"] >= 0) & (f["x_px"] < 1066) & (f["y_px"] >= 0) & (f["y_px"] < 710)
    assert inside[point].mean() > 0.99  # centred and unscaled: another offset would put many outside
    assert abs(f["x_px"][point].mean() / 1066 - 0.5) < 0.03
