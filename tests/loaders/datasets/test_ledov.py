"""LEDOV: the register against the authors' files, and trees built as their code reads them."""

from __future__ import annotations

import csv
import math
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from scipy.io import savemat

from vidsal.loaders.datasets import ledov
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.formats import matlab
from vidsal.loaders.io import registers
from vidsal.loaders.records import FORCED_START, Report, StimulusRow

NAN = float("nan")
ALPACA = "animal_alpaca01"  # 360 frames, 1280 x 720, 23.976043 a second: register
BEAR = "animal_bear05"  # val, in the meta-benchmark


def write_data(folder: Path, rows, *, name=None, fps=25.0, frames=150, size=(1280, 720), without=(), **change):
    """Data.mat, version 7.3: a struct of transposed matrices, the text as codes."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "Data.mat", "w", userblock_size=512) as file:
        root = file.create_group("Data")
        root.attrs["MATLAB_class"] = np.bytes_("struct")
        text = folder.name if name is None else name
        fields = {
            "VideoName": np.array([[ord(c)] for c in text], dtype=np.uint16),
            "VideoFrameRate": np.array([[float(fps)]]),
            "VideoFrames": np.array([[float(frames)]]),
            "VideoSize": np.array([[float(size[0])], [float(size[1])]]),
            "fixdata": np.asarray(rows, dtype=float).reshape(-1, 5).T,
            **change,
        }
        for key, value in fields.items():
            if key not in without:
                root.create_dataset(key, data=value)
        if "VideoName" in root:
            root["VideoName"].attrs["MATLAB_class"] = np.bytes_("char")
    return folder / "Data.mat"


def row(name="strange", n_frames=150, fps=Fraction(25), size=(1280, 720)):
    return StimulusRow(name, "train", f"{name}/{name}.mp4", size[0], size[1], n_frames, fps)


def kinds(report):
    return [(a.kind, a.count) for a in report if a.fatal]


def test_fixations_to_frames_and_the_forced_start(tmp_path):
    """40 ms a frame. The centre: within 36 px of (640, 360), across or down."""
    write_data(
        tmp_path / "strange",
        [
            (1, 0, 200, 640, 360),  # at the centre: forced; frame 0 -> 1, to ceil(5) = 5
            (1, 240, 100, 900, 380),  # away across only: forced still; frames 6 to ceil(8.5) = 9
            (1, 400, 40, 700, 400),  # away both ways: free; frames 10 to 11
            (1, 480, 40, 640, 360),  # back at the centre: free
            (2, 0, 100, 0, 100),  # outside (x > 0 is asked): does not end the forced start
            (2, 120, 100, 1280, 100),  # outside likewise
            (2, 240, 100, 1, 1),  # the corner pixel: free
            (7, 5990, 500, 100, 100),  # to the last frame, 150
            (7, 6000.5, 500, 100, 100),  # begins after it: left out
            (31, 10, 10, 640, 360),  # never leaves
        ],
    )
    report = Report()
    gaze = ledov.gaze(tmp_path, row(), report)
    f = gaze.fixations
    assert f["observer_id"] == ["01"] * 4 + ["02"] * 3 + ["07", "31"]
    assert f["order"].tolist() == [0, 1, 2, 3, 0, 1, 2, 0, 0]
    forced = [FORCED_START in flags for flags in f["flags"]]
    assert forced == [True, True, False, False, True, True, False, False, True]
    assert f["frame"].tolist() == [0, 5, 9, 11, 0, 2, 5, 149, 0]
    assert f["frame_end"].tolist() == [4, 8, 10, 12, 2, 5, 8, 149, 0]
    assert f["x_px"].tolist()[:2] == [639.5, 899.5]
    assert (f["x_px"][6], f["y_px"][6]) == (0.5, 0.5)
    assert f["x_px"][4] == -0.5
    assert f["duration_ms"].tolist()[:2] == [200, 100]
    assert gaze.n_observers == 4
    assert gaze.source_files == ("strange/Data.mat",)
    assert kinds(report) == [("out-of-range", 1)]


def test_the_center_is_a_twentieth_of_the_height_in_both_directions():
    """At 640 x 480: 24 px from (320, 240); 24 is not away, 25 is; an observer is judged for himself."""
    rows = np.array([(1, 0, 1, 344, 264), (1, 1, 1, 345, 265), (2, 0, 1, 345, 240), (2, 1, 1, 295, 215)], float)
    assert ledov.at_center(rows, 640, 480).tolist() == [True, False, True, False]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30), st.integers(-5, 70), st.integers(-5, 50)), max_size=30)
)
@settings(max_examples=100, deadline=None)
def test_forced_starts_against_a_slow_reading(points):
    rows = np.array(sorted((o, float(t), 1.0, float(x), float(y)) for o, t, x, y in points)).reshape(-1, 5)
    width, height = 64, 40
    expected, left = [], set()
    for o, _, _, x, y in rows:
        inside = 0 < x < width and 0 < y < height
        if inside and abs(x - 32) > 2 and abs(y - 20) > 2:
            left.add(o)
        expected.append(o not in left)
    assert ledov.at_center(rows, width, height).tolist() == expected


def test_rows_out_of_order_are_sorted_and_told_of(tmp_path):
    write_data(tmp_path / "strange", [(2, 50, 1, 1, 1), (1, 80, 1, 2, 2), (1, 10, 1, 3, 3), (2, 60, 1, 4, 4)])
    report = Report()
    f = ledov.gaze(tmp_path, row(), report).fixations
    assert f["observer_id"] == ["01", "01", "02", "02"]
    assert f["onset_ms"].tolist() == [10, 80, 50, 60]
    assert kinds(report) == [("mismatch", 1)]


def test_a_file_without_fixations_is_told_of(tmp_path):
    write_data(tmp_path / "strange", [])
    report = Report()
    assert not ledov.gaze(tmp_path, row(), report).annotated
    assert kinds(report) == [("missing", 1)]


def test_own_frame_rate_counts(tmp_path):
    write_data(tmp_path / "strange", [(1, 1000, 1000, 1, 1)], fps=15.2167, frames=152)
    gaze = ledov.gaze(tmp_path, row(n_frames=None, fps=None), Report())
    assert gaze.fixations["frame"].tolist() == [math.ceil(15.2167) - 1]
    assert gaze.fixations["frame_end"].tolist() == [math.ceil(2 * 15.2167) - 1]


@pytest.mark.parametrize(
    ("odd", "count"),
    [
        ((0, 1, 1, 1, 1), 1),
        ((33, 1, 1, 1, 1), 1),
        ((1.5, 1, 1, 1, 1), 1),
        ((NAN, 1, 1, 1, 1), 1),
        ((1, NAN, 1, 1, 1), 1),
        ((1, -1, 1, 1, 1), 1),
        ((1, 1, -1, 1, 1), 1),
        ((1, 1, 1e300, 1, 1), 1),
        ((1, 1, 1, NAN, 1), 1),
        ((1, 1, 1, 1, np.inf), 1),
    ],
)
def test_an_odd_row_is_reported_and_left_out(tmp_path, odd, count):
    write_data(tmp_path / "strange", [(1, 1, 1, 5, 5), odd])
    report = Report()
    assert ledov.gaze(tmp_path, row(), report).fixations["x_px"].tolist() == [4.5]
    assert kinds(report) == [("out-of-range", count)]
    assert "row 2" in report[0].message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"without": ["fixdata"]}, "'fixdata'"),
        ({"without": ["VideoSize"]}, "'VideoSize'"),
        ({"without": ["VideoName"]}, "'VideoName'"),
        ({"name": ALPACA}, f"belongs to {ALPACA}"),
        ({"fps": 0}, "VideoFrameRate is 0"),
        ({"fps": NAN}, "VideoFrameRate is nan"),
        ({"frames": 0}, "VideoFrames"),
        ({"frames": 1.5}, "VideoFrames"),
        ({"size": (NAN, 5)}, "VideoSize"),
        ({"VideoSize": np.ones((3, 1))}, "2 columns"),
        ({"fixdata": np.ones((7, 5))}, "5 columns"),
        ({"fixdata": np.ones((6, 2))}, "5 columns"),
    ],
)
def test_a_file_of_another_build_is_refused_by_name(tmp_path, change, message):
    path = write_data(tmp_path / "strange", [(1, 1, 1, 5, 5)], **change)
    with pytest.raises(BadData, match=message) as caught:
        ledov.gaze(tmp_path, row(), Report())
    assert str(path) in str(caught.value)


def test_a_file_of_version_5_reads_the_same(tmp_path):
    (tmp_path / "strange").mkdir()
    data = {
        "VideoName": "strange.mp4",
        "VideoFrameRate": 25.0,
        "VideoFrames": 150,
        "VideoSize": np.array([[1280, 720]]),
        "fixdata": np.array([[1, 0, 200, 640, 360], [1, 240, 100, 100, 100]]),
    }
    savemat(tmp_path / "strange" / "Data.mat", {"Data": data})
    report = Report()
    f = ledov.gaze(tmp_path, row(), report).fixations
    assert f["x_px"].tolist() == [639.5, 99.5]
    assert not report


def test_what_differs_from_the_video_is_told_with_both_numbers(tmp_path):
    write_data(tmp_path / "strange", [(1, 1, 1, 5, 5)], fps=30, frames=140, size=(720, 1280), name="original upload")
    report = Report()
    ledov.gaze(tmp_path, row(), report)
    assert kinds(report) == [("mismatch", 1), ("wrong-size", 1), ("mismatch", 1)]
    assert "140" in report[1].message
    assert "150" in report[1].message
    assert [a.kind for a in report if not a.fatal] == ["assumption"]


@pytest.mark.parametrize("below", ["", "LEDOV"])
def test_stimuli_are_the_registers_then_strangers(tmp_path, below):
    root = tmp_path / below
    for name in (BEAR, ALPACA, "clip10", "clip9"):
        write_data(root / name, [(1, 1, 1, 5, 5)], size=(64, 48), frames=20)
    (root / ALPACA / f"{ALPACA}.mp4").write_bytes(b"")
    (root / "animal_bat01").mkdir()
    (root / "animal_bat01" / "animal_bat01.mp4").write_bytes(b"")
    (root / "animal_bear01").mkdir()
    (root / "__MACOSX").mkdir()
    report = Report()
    rows = {r.stimulus_id: r for r in ledov.stimuli(tmp_path, report)}
    assert list(rows) == [ALPACA, "animal_bat01", BEAR, "clip9", "clip10"]
    assert kinds(report) == [("missing", 535), ("surplus", 1), ("surplus", 1)]
    alpaca = rows[ALPACA]
    assert alpaca.source_file == f"{below}/{ALPACA}/{ALPACA}.mp4".lstrip("/")
    assert (alpaca.split, alpaca.n_frames, alpaca.width, alpaca.height) == ("train", 360, 1280, 720)
    assert alpaca.fps == Fraction("23.976043")
    assert alpaca.attributes == ("animal",)
    assert rows[BEAR].attributes == ("animal", ledov.META_BENCHMARK)
    assert (rows["clip9"].width, rows["clip9"].n_frames, rows["clip9"].fps) == (64, 20, 25)
    report = Report()
    assert not ledov.gaze(tmp_path, rows["animal_bat01"], report).annotated
    assert kinds(report) == [("missing", 1)]
    assert ledov.gaze(tmp_path, rows["clip9"], Report()).annotated


def test_nothing_there(tmp_path):
    assert not ledov.present(tmp_path)
    with pytest.raises(MissingData, match=r"Data\.mat"):
        list(ledov.stimuli(tmp_path, Report()))


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_and_flipped_files_give_bad_data_or_finite_rows(tmp_path, data):
    path = write_data(tmp_path / "strange", [(1, 1, 1, 5, 5), (2, 7, 8, 9, 10)])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        f = ledov.gaze(tmp_path, row(), Report()).fixations
    except BadData as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert np.isfinite(f["x_px"]).all()
    assert (f["frame"] >= 0).all()
    assert (f["frame_end"] < 150).all()


# --- what the authors' own files say


@pytest.mark.data
def test_splits_are_those_of_the_name_list(samples):
    names = matlab.read(samples / "ledov/VideoNameList.mat")
    listed = matlab.texts(names["VideoNameList"], samples, "VideoNameList")
    lists = matlab.read(samples / "ledov/namelist.mat")
    split = {}
    for ours, theirs in (("train", "trainlist"), ("val", "vaildlist"), ("test", "testlist")):
        split.update({listed[int(i) - 1]: ours for i in lists[theirs].ravel()})
    lines = registers.rows("ledov")
    assert [line["video"] for line in lines] == listed
    assert {line["video"]: line["split"] for line in lines} == split
    assert [list(split.values()).count(s) for s in ("train", "val", "test")] == [461, 36, 41]
    assert sum(int(line["n_frames"]) for line in lines) == 179_336


@pytest.mark.data
def test_the_meta_benchmark_has_masks_of_every_video_of_val_and_test(samples):
    masked = {}
    for part in ("val", "test"):
        with (samples / f"ledov/thirdparty/mask-ledov-{part}-30hz.csv").open() as file:
            masked |= {line["video"]: part for line in csv.DictReader(file)}
    assert len(masked) == 77
    assert masked == {r["video"]: r["split"] for r in registers.rows("ledov") if r["split"] in ("val", "test")}
