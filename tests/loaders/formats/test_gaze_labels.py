"""Frame labels as text: read, written, and refused where their reader would go wrong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import vidsal
from vidsal.loaders.errors import BadData, MissingData, VidsalError, WrongUse
from vidsal.loaders.export import Options, export
from vidsal.loaders.export.gazelabels import file_names, of_rows, of_samples
from vidsal.loaders.export.sample_streams import SampleStream
from vidsal.loaders.formats.gaze_labels import FrameLabels, files, place, read, write

from ..releases import image, stimulus, write_release


def labels(*rows: tuple[int, int, int]) -> FrameLabels:
    phase, x, y = np.array(rows, np.int64).reshape(-1, 3).T
    return FrameLabels(phase.astype(np.int8), x, y)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-9999, 9999), st.integers(-9999, 9999)), min_size=1))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("labels") / "A_clip.txt"
    write(path, labels(*rows))
    found = read(path)
    assert len(found) == len(rows)
    assert list(zip(found.phase.tolist(), found.x.tolist(), found.y.tolist(), strict=True)) == rows


def test_the_bytes_and_the_reader_that_people_use(tmp_path: Path) -> None:
    path = tmp_path / "A_clip.txt"
    write(path, labels((1, 12, 34), (3, -2, 5)))
    assert path.read_bytes() == b"0 1 12 34\n1 3 -2 5\n"
    kind = np.dtype([("frame", "<i8"), ("EM_phase", "<i8"), ("x_gaze", "<i8"), ("y_gaze", "<i8")])
    theirs = np.loadtxt(path, dtype=kind)
    assert theirs["EM_phase"].tolist() == [1, 3]
    assert theirs[["x_gaze", "y_gaze"]].tolist() == [(12, 34), (-2, 5)]


@pytest.mark.parametrize("text", ["0 1 2 3\r\n1 0 4 5\r\n", "\ufeff0 1 2 3\n1 0 4 5", "1\t1\t2\t3\n\n2 0 4 5\n"])
def test_line_ends_marks_and_the_first_number(tmp_path: Path, text: str) -> None:
    path = tmp_path / "A_clip.txt"
    path.write_bytes(text.encode())
    assert read(path).x.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line is in it"),
        ("0 1 2\n", "line 1: '0 1 2'; expected four whole numbers"),
        ("0 1 2 3 4\n", "line 1"),
        ("0 1 2 3\n1 1 2.5 3\n", "line 2"),
        ("0 1 2 nan\n", "line 1"),
        ("0 1 1_0 3\n", "line 1"),
        ("0 1 \u0661 3\n", "line 1"),
        (f"0 1 {'9' * 5000} 3\n", "line 1"),
        ("0 4 2 3\n", "line 1: phase 4; known: 0 noise, 1 fixation"),
        ("0 -1 2 3\n", "phase -1"),
        ("5 1 2 3\n", "first frame has the number 5"),
        ("0 1 2 3\n2 1 2 3\n", "after frame 0 comes 2"),
        ("0 1 2 3\n0 1 2 3\n", "after frame 0 comes 0"),
        ("0 1 99999999999 3\n", "beyond"),
        ("0,1,2,3\n", "line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "A_clip.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadData, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


@given(st.binary(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("labels") / "A_clip.txt"
    path.write_bytes(data)
    found: FrameLabels | str
    try:
        found = read(path)
    except VidsalError as error:
        found = str(error)
    assert str(path) in found if isinstance(found, str) else len(found) > 0


def test_a_missing_file_and_a_missing_tree(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such file"):
        read(tmp_path / "A_clip.txt")
    with pytest.raises(MissingData, match="<split>/label_data/<video>"):
        list(files(tmp_path / "nothing"))


def test_the_tree_is_found_from_three_places(tmp_path: Path) -> None:
    for split, video, observer in (("train", "clip_1", "A"), ("train", "clip_1", "B"), ("val", "sea", "A")):
        write(place(tmp_path, split, video, observer), labels((0, 1, 2)))
    found = [(f.split, f.video, f.observer) for f in files(tmp_path)]
    assert found == [("train", "clip_1", "A"), ("train", "clip_1", "B"), ("val", "sea", "A")]
    assert [f.observer for f in files(tmp_path / "train")] == ["A", "B"]
    assert [f.video for f in files(tmp_path / "val" / "label_data")] == ["sea"]
    (tmp_path / "val" / "label_data" / "sea" / "A_lake.txt").write_text("0 0 0 0\n")
    with pytest.raises(BadData, match="expected the name <observer>_sea.txt"):
        list(files(tmp_path))


@pytest.mark.parametrize(("video", "observer"), [("a", "B_1"), ("a/b", "B"), ("..", "B"), ("a", "")])
def test_names_that_the_layout_can_not_hold(tmp_path: Path, video: str, observer: str) -> None:
    with pytest.raises(WrongUse):
        place(tmp_path, "train", video, observer)


def recording(rows: list[tuple[int, float, float, str | None]]) -> SampleStream:
    t, x, y, label = zip(*rows, strict=True)
    nothing = np.full(len(rows), np.nan)
    return SampleStream(
        observer="A",
        trial=None,
        t_us=np.array(t, np.int64),
        x=np.array(x, np.float64),
        y=np.array(y, np.float64),
        x_screen=nothing,
        y_screen=nothing,
        pupil=nothing,
        confidence=nothing,
        label=np.array(label, object),
        eye=None,
    )


def test_most_samples_decide_and_only_theirs_are_averaged() -> None:
    phase, x, y = of_samples(
        recording(
            [
                (-1, 90, 90, "fixation"),  # before the first frame
                (0, 10, 20, "fixation"),
                (40_000, 12, 22, "fixation"),
                (80_000, 99, 99, "saccade"),
                (100_000, 50, 51, "pursuit"),  # two against two: the first wins
                (120_000, 1, 2, "noise"),
                (140_000, 3, 4, "noise"),
                (160_000, 52, 53, "smooth pursuit"),
                (400_000, 7, 8, "blink"),
                (500_000, 90, 90, "fixation"),  # after the last
            ]
        ),
        5,
        Fraction(10),
    )
    assert phase.tolist() == [1, 3, 0, 0, 0]
    assert x.tolist() == [11, 51, 51, 51, 7]  # frames 2 and 3 hold the last position
    assert y.tolist() == [21, 52, 52, 52, 8]


def test_frames_before_the_first_sample_take_its_position() -> None:
    phase, x, _ = of_samples(recording([(200_000, 5, 6, "fixation")]), 4, Fraction(10))
    assert phase.tolist() == [0, 0, 1, 0]
    assert x.tolist() == [5, 5, 5, 5]
    phase, x, _ = of_samples(recording([(900_000, 5, 6, "fixation")]), 2, Fraction(10))
    assert phase.tolist() == [0, 0]
    assert x.tolist() == [0, 0]


def row(event: str, onset: float | None, duration: float | None, frame: int, end: int | None, x: float):
    return {
        "event": event,
        "onset_ms": onset,
        "duration_ms": duration,
        "frame": frame,
        "frame_end": end,
        "x_px": x,
        "y_px": -x,
    }


def test_the_event_that_fills_most_of_a_frame_decides() -> None:
    rows = [
        row("fixation", 0.0, 130.0, 0, 1, 1.0),
        row("saccade", 130.0, 30.0, 1, 1, 2.0),
        row("pursuit", 160.0, 240.0, 1, 3, 3.0),
        row("fixation", None, None, 5, None, 4.0),
        row("fixation", 5000.0, 10.0, 50, 50, 5.0),
        row("saccade", 600.0, 50.0, 6, 6, 6.0),
        row("fixation", 650.0, 50.0, 6, 6, 7.0),  # as long as the saccade: the first wins
    ]
    phase, x, y = of_rows(rows, 7, Fraction(10))
    # Frame 1: 30 ms of the fixation, 30 of the saccade, 40 of the pursuit. Frame 4: nothing.
    assert phase.tolist() == [1, 3, 3, 3, 0, 1, 2]
    assert x.tolist() == [1, 3, 3, 3, 3, 4, 6]
    assert y.tolist() == [-1, -3, -3, -3, -3, -4, -6]


def test_names_stay_different() -> None:
    assert file_names(["a_b", "a-b", "a_b", "_", "."]) == ["a-b", "a-b-2", "a-b-3", "-", "observer"]


def test_export_writes_a_line_a_frame_and_scales(tmp_path: Path) -> None:
    rows = {
        "event": "fixation",
        "observer_id": ["A_1", "A_1", "B"],
        "frame": np.array([0, 5, 2], np.int32),
        "frame_end": np.array([4, 8, 9], np.int32),
        "x_px": np.array([10.0, 39.95, -3.0]),
        "y_px": np.array([15.0, 29.9, 4.0]),
    }
    root = write_release(tmp_path / "r", [stimulus("clip_7", split="val"), image("still")], {"clip_7": rows})
    notes = export(vidsal.load(root), "gazelabels", tmp_path / "out", Options(size=(224, 224)))
    assert any("1 observers are renamed" in n for n in notes)
    assert any("1 images" in n for n in notes)
    found = {f.observer: read(f.path) for f in files(tmp_path / "out")}
    assert set(found) == {"A-1", "B"}
    assert [f.split for f in files(tmp_path / "out")] == ["val", "val"]
    assert found["A-1"].phase.tolist() == [1] * 9 + [0]
    assert found["A-1"].x.tolist() == [56] * 5 + [223] * 5
    assert found["A-1"].y.tolist() == [112] * 5 + [223] * 5
    assert found["B"].x.tolist() == [-17] * 10  # outside, kept: -3 x 5.6 = -16.8
    assert found["B"].phase.tolist() == [0, 0] + [1] * 8


def test_what_can_not_be_labelled_is_refused(tmp_path: Path) -> None:
    pooled = {"event": "point", "frame": np.zeros(2, np.int32), "x_px": np.ones(2), "y_px": np.ones(2)}
    root = write_release(tmp_path / "r", [stimulus("a"), image("b")], {"a": pooled, "b": pooled})
    with pytest.raises(WrongUse, match="1 images, 1 videos whose observers are pooled"):
        export(vidsal.load(root), "gazelabels", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.iterdir()) == [root]
