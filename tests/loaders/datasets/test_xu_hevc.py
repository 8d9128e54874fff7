"""xu-hevc: the real gaze file against a slow reading of the rules, and small files with every trap."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from vidsal.loaders.datasets import xu_hevc
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.formats.frame_spans import frame_span
from vidsal.loaders.io import registers
from vidsal.loaders.records import Report, StimulusRow

NAN = float("nan")
SIZES = {
    "Kimono": (1920, 1080, 24.0, 240),
    "BasketballDrive": (1920, 1080, 50.0, 500),
    "Lee": (1920, 1080, 25.0, 150),
}


def write_database(
    path: Path, rows, *, videos=("Kimono", "BasketballDrive", "Lee"), observers=("AB", "C", "D"), **change
):
    """A MATLAB 7.3 file of the same build as the real one: transposed, text as codes behind references."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def cell(group, name, values):
            node = group.create_dataset(name, (1, len(values)), dtype=h5py.ref_dtype)
            node.attrs["MATLAB_class"] = np.bytes_("cell")
            for i, value in enumerate(values):
                codes = np.array([[ord(c)] for c in value], dtype=np.uint16)
                part = refs.create_dataset(f"r{len(refs)}", data=codes)
                part.attrs["MATLAB_class"] = np.bytes_("char")
                node[0, i] = part.ref

        root = file.create_group("video_database")
        root.attrs["MATLAB_class"] = np.bytes_("struct")
        data = np.asarray(rows, dtype=float).reshape(-1, 6)
        root.create_dataset("fixdata", data=change.get("fixdata", data.T))
        cell(root, "video_names_list", videos)
        cell(root, "subj_names_list", observers)
        info = root.create_group("videos_info")
        info.attrs["MATLAB_class"] = np.bytes_("struct")
        cell(info, "name_list", change.get("listed", videos))
        table = [SIZES.get(v, (64, 48, 10.0, 20)) for v in videos]
        info.create_dataset("size", data=np.array([t[:2] for t in table], dtype=float).T)
        info.create_dataset("framerate_fps", data=np.array([[t[2]] for t in table]))
        info.create_dataset("frames", data=np.array([[float(t[3])] for t in table]))
        for name in change.get("without", ()):
            del root[name]
    return path


def read(source: Path, name: str):
    report = Report()
    row = next(r for r in xu_hevc.stimuli(source, Report()) if r.stimulus_id == name)
    return xu_hevc.gaze(source, row, report), report


def test_a_small_database_with_every_trap(tmp_path):
    write_database(
        tmp_path / "video_database.mat",
        [
            # Lee, 25 frames a second, 40 ms a frame, 6,000 ms long; out of order, as in the real file
            (1, 3, 120, 100, 7, 9),  # ends at 220: frames ceil(3)=3 to ceil(5.5)=6, 0-based 2 to 5
            (1, 3, 0, 200, 5, 6),  # overlaps the next: cut at 120; frames 1 to 3, 0-based 0 to 2
            (1, 3, 5990, 500, 1, 1),  # runs past the end: cut at 6000, frame 150
            (1, 3, 6000, 100, 1, 1),  # starts at the end: left out
            (1, 3, 7000, 100, 1, 1),
            (2, 3, 41, 10, 0, 1079),  # frames ceil(1.025)=2 to ceil(1.275)=2
            (2, 1, 10, 10, 1, 1),
            (3, NAN, 3, 420, 509, 173),  # the row without a video
        ],
    )
    report = Report()
    rows = list(xu_hevc.stimuli(tmp_path, report))
    assert [r.stimulus_id for r in rows] == ["Kimono", "BasketballDrive", "Lee"]
    assert [(a.kind, a.count) for a in report] == [("mismatch", 1)]
    assert "row 8" in report[0].message
    gaze, report = read(tmp_path, "Lee")
    f = gaze.fixations
    assert f["observer_id"] == ["01", "01", "01", "02"]
    assert f["order"].tolist() == [0, 1, 2, 0]
    assert f["onset_ms"].tolist() == [0, 120, 5990, 41]
    assert f["duration_ms"].tolist() == [120, 100, 10, 10]
    assert f["frame"].tolist() == [0, 2, 149, 1]
    assert f["frame_end"].tolist() == [2, 5, 149, 1]
    assert f["x_px"].tolist() == [5.5, 7.5, 1.5, 0.5]
    assert f["y_px"].tolist() == [6.5, 9.5, 1.5, 1079.5]
    assert f["flags"] == [["cut"], [], ["cut"], []]
    assert gaze.n_observers == 2
    assert [(a.kind, a.count) for a in report] == [("out-of-range", 2)]
    empty, _ = read(tmp_path, "BasketballDrive")
    assert not empty.annotated


def test_two_fixations_that_start_together_keep_a_frame_each(tmp_path):
    write_database(tmp_path / "video_database.mat", [(1, 3, 80, 50, 1, 1), (1, 3, 80, 70, 2, 2)])
    f = read(tmp_path, "Lee")[0].fixations
    assert f["x_px"].tolist() == [1.5, 2.5]  # a tie keeps the order of the file
    assert f["duration_ms"].tolist() == [0, 70]
    assert list(zip(f["frame"], f["frame_end"], strict=True)) == [(1, 1), (1, 3)]


def test_files_are_found_whatever_their_blanks_and_capitals(tmp_path):
    write_database(tmp_path / "video_database.mat", [(1, 1, 0, 100, 1, 1)], videos=("Kimono", "Clip2", "Clip10"))
    (tmp_path / "videos").mkdir()
    for name in ("kimono.AVI", "Basketball Drive.avi", "Stranger.mp4", "._note.txt"):
        (tmp_path / "videos" / name).write_bytes(b"")
    report = Report()
    rows = {r.stimulus_id: r for r in xu_hevc.stimuli(tmp_path, report)}
    assert list(rows) == ["Kimono", "BasketballDrive", "Clip2", "Clip10", "Stranger"]
    assert rows["Kimono"].source_file == "videos/kimono.AVI"
    assert rows["BasketballDrive"].source_file == "videos/Basketball Drive.avi"
    assert (rows["Clip2"].width, rows["Clip2"].height, rows["Clip2"].n_frames) == (64, 48, 20)
    assert rows["Clip2"].fps == 10
    assert [(a.kind, a.where) for a in report] == [("surplus", "videos/Stranger.mp4")]
    gaze = xu_hevc.gaze(tmp_path, rows["Stranger"], report)
    assert not gaze.annotated
    assert report[-1].kind == "missing"


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ((1, 0, 1, 1, 1, 1), "mismatch"),
        ((1, 4, 1, 1, 1, 1), "mismatch"),
        ((1, 2.5, 1, 1, 1, 1), "mismatch"),
        ((0, 3, 1, 1, 1, 1), "mismatch"),
        ((4, 3, 1, 1, 1, 1), "mismatch"),
        ((NAN, 3, 1, 1, 1, 1), "mismatch"),
        ((1, 3, NAN, 1, 1, 1), "out-of-range"),
        ((1, 3, 1e300, 1, 1, 1), "out-of-range"),
        ((1, 3, -1, 1, 1, 1), "out-of-range"),
        ((1, 3, 1, -1, 1, 1), "out-of-range"),
        ((1, 3, 1, np.inf, 1, 1), "out-of-range"),
        ((1, 3, 1, 1, NAN, 1), "out-of-range"),
        ((1, 3, 1, 1, 1, 1e300), "out-of-range"),
        ((1, 3, 1, 1, 1.5, 1), "out-of-range"),
    ],
)
def test_an_odd_row_is_reported_and_left_out(tmp_path, row, kind):
    write_database(tmp_path / "video_database.mat", [(1, 3, 5, 5, 5, 5), row])
    report = Report()
    list(xu_hevc.stimuli(tmp_path, report))
    assert [(a.kind, a.count) for a in report] == [(kind, 1)]
    assert "row 2" in report[0].message
    assert len(read(tmp_path, "Lee")[0].fixations["frame"]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"without": ["fixdata"]}, "no variable or field 'fixdata'"),
        ({"without": ["video_names_list"]}, "video_names_list"),
        ({"without": ["videos_info"]}, "videos_info"),
        ({"fixdata": np.zeros((5, 3))}, "6 columns"),
        ({"fixdata": np.zeros((3, 6))}, "6 columns"),
        ({"videos": ("Lee", "Lee")}, "repeats a name"),
        ({"videos": ("Lee", "")}, "cannot be a file's"),
        ({"videos": ("Lee", "../Lee")}, "cannot be a file's"),
    ],
)
def test_a_file_of_another_build_is_refused_by_name(tmp_path, change, message):
    path = write_database(tmp_path / "video_database.mat", [(1, 1, 5, 5, 5, 5)], **change)
    with pytest.raises(BadData, match=message) as caught:
        xu_hevc.load(path)
    assert str(path) in str(caught.value)
    report = Report()
    assert not list(xu_hevc.stimuli(tmp_path, report))
    assert [(a.kind, a.where) for a in report] == [("unreadable", "video_database.mat")]


def test_nothing_there(tmp_path):
    assert not xu_hevc.present(tmp_path)
    with pytest.raises(MissingData, match="video_database"):
        list(xu_hevc.stimuli(tmp_path, Report()))


def test_without_rate_or_length_there_are_no_frames(tmp_path):
    write_database(tmp_path / "video_database.mat", [(1, 3, 5, 5, 5, 5)])
    with pytest.raises(BadData, match="frame rate"):
        xu_hevc.gaze(tmp_path, StimulusRow("Lee", "all", "videos/Lee.avi", 1, 1, None, None), Report())


@given(
    st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 7_000)), max_size=12),
    st.sampled_from([Fraction(24), Fraction(25), Fraction(60), Fraction(60000, 1001)]),
)
@settings(max_examples=200, deadline=None)
def test_frames_follow_the_rule_in_exact_fractions(times, fps):
    n = math.ceil(10 * fps)
    start = np.array([float(s) for s, _ in times])
    end = np.array([float(s + d) for s, d in times])
    first, last = frame_span(start, end, fps, n)
    for i, (s, length) in enumerate(times):
        frame = max(math.ceil(Fraction(s) * fps / 1000), 1) - 1
        assert first[i] == frame
        assert last[i] == min(max(math.ceil(Fraction(s + length) * fps / 1000), frame + 1), n) - 1
        assert 0 <= first[i] <= last[i] < n


def test_a_video_without_any_facts_is_left_out(tmp_path):
    videos, listed = ("Lee", "Ghost"), ("Lee", "Other")
    write_database(tmp_path / "video_database.mat", [(1, 2, 5, 5, 5, 5)], videos=videos, listed=listed)
    report = Report()
    assert [r.stimulus_id for r in xu_hevc.stimuli(tmp_path, report)] == ["Lee"]
    assert [(a.kind, a.where) for a in report] == [("mismatch", "Ghost")]


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_bad_data_or_frames_within_the_clip(tmp_path, data):
    path = tmp_path / "video_database.mat"
    if not (tmp_path / "whole").is_file():
        write_database(path, [(1, 3, 0, 100, 1, 1), (1, 3, 50, 100, 2, 2), (2, 1, 10, 10, 1, 1)])
        (tmp_path / "whole").write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "whole").read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    xu_hevc._load.cache_clear()
    try:
        for row in xu_hevc.stimuli(tmp_path, Report()):
            f = xu_hevc.gaze(tmp_path, row, Report()).fixations
            if f:
                assert row.n_frames is not None
                assert ((f["frame"] >= 0) & (f["frame"] <= f["frame_end"]) & (f["frame_end"] < row.n_frames)).all()
                assert np.isfinite(f["x_px"]).all()
    except BadData as error:
        assert "video_database.mat" in str(error)  # noqa: PT017


@pytest.mark.data
def test_the_real_database_converts_to_the_facts(samples):
    """A slow, separate reading of the real file by the rule: same rows, same frames."""
    source = samples / "xu_hevc"
    with h5py.File(source / "video_database.mat") as file:
        data = file["video_database/fixdata"][()].T
    report = Report()
    rows = list(xu_hevc.stimuli(source, report))
    lines = registers.rows("xu_hevc")
    assert [r.stimulus_id for r in rows] == [line["video"] for line in lines]
    assert Counter(a.kind for a in report if a.fatal) == {"mismatch": 1}
    assert [(a.where, a.fatal) for a in report if not a.fatal] == [("BQTerrace", False)]
    assert sum((source / r.source_file).is_file() for r in rows) == 6
    total = late = 0
    for number, (row, line) in enumerate(zip(rows, lines, strict=True), start=1):
        report = Report()
        f = xu_hevc.gaze(source, row, report).fixations
        assert row.fps is not None
        assert row.n_frames == int(line["n_frames"])
        d = 1000 / float(row.fps)
        clip = row.n_frames * d
        mine = []
        for observer in range(1, 33):
            own = sorted(tuple(r) for r in data[(data[:, 0] == observer) & (data[:, 1] == number)].tolist())
            own.sort(key=lambda r: r[2])
            assert own
            for i, (_, _, start, length, x, y) in enumerate(own):
                if start >= clip:
                    late += 1
                    continue
                end = min([start + length, clip] + [r[2] for r in own[i + 1 : i + 2]])
                frame = max(math.ceil(start / d), 1) - 1
                frame_end = min(max(math.ceil(end / d), frame + 1), row.n_frames) - 1
                mine.append((f"{observer:02d}", start, frame, frame_end, x + 0.5, y + 0.5))
        got = zip(f["observer_id"], f["onset_ms"], f["frame"], f["frame_end"], f["x_px"], f["y_px"], strict=True)
        assert [tuple(g) for g in got] == mine
        assert sum(a.count for a in report) == int(line["fixations_starting_after_clip"])
        assert len(mine) + sum(a.count for a in report) == int(line["fixations"])
        assert len(set(f["observer_id"])) == 32
        total += len(mine)
    assert (total, late) == (26_914 - 1 - 137, 137)
