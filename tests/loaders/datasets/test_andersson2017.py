"""andersson2017: small files with every trap, and the real ones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets import andersson2017
from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Report

ARTICLE, UPLOADED = "annotated_data/data used in the article", "annotated_data/originally uploaded data"


def samples_of(*runs, step=2000, start=5_000_000_000):
    """Rows of `pos`: runs of (label, number of samples, x, y)."""
    rows, t = [], start
    for label, n, x, y in runs:
        for _ in range(n):
            rows.append((t, 20, 20, x, y, label))
            t += step
    return np.array(rows, float)


def write(root, name, pos, folder=f"{ARTICLE}/video", screen=(1024, 768)):
    path = root / folder / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"ETdata": {"pos": pos, "screenRes": np.array([screen], float), "sampFreq": 500.0}})
    return path


def read(root, at=0):
    report = Report()
    rows = list(andersson2017.stimuli(root, report))
    return andersson2017.gaze(root, rows[at], report), report


def test_a_small_recording_with_every_trap(tmp_path):
    runs = [(1, 30, 200, 300), (2, 5, 0, 0), (3, 5, 400, 300), (4, 20, 410, 310), (5, 10, 0, 0), (6, 1, -900, 5)]
    pos = np.vstack([samples_of(*runs), np.zeros((2, 6))])
    pos[-2:, 5] = 1  # rows of zeros at the end, with a label
    pos[3, 3:5] = 0  # a lost sample in a fixation does not move it
    write(tmp_path, "TL30_video_jump_labelled_RA", pos)
    write(tmp_path, "TL30_video_jump_labelled_MN", pos)
    gaze, report = read(tmp_path)
    f = gaze.fixations
    assert f["event"].to_pylist() == ["fixation", "saccade", "noise", "pursuit", "noise", "noise"]
    assert (f["x_px"][0], f["y_px"][0]) == (48, 204)  # 720 x 576 at the centre of 1024 x 768
    assert f["onset_ms"].tolist() == [0, 60, 70, 80, 120, 140]
    assert f["duration_ms"].tolist() == [58, 8, 8, 38, 18, 0]
    assert f["frame"].tolist() == [0, 1, 1, 2, 3, 3]
    assert f["frame_end"].tolist() == [1, 1, 1, 2, 3, 3]
    flags = {word: np.flatnonzero(rows).tolist() for word, rows in f["flags"].items()}
    assert flags == {"lost": [1, 4], "post_saccadic_oscillation": [2], "blink": [4], "undefined": [5]}
    assert (gaze.n_observers, len(gaze.samples["t_us"]), gaze.samples["t_us"][0]) == (1, 71, 0)
    assert [(a.kind, a.count, a.fatal) for a in report] == [("surplus", 1, False), ("note", 2, False)]


def test_a_recording_counts_once_and_its_time_is_that_of_its_clock(tmp_path):
    write(tmp_path, "UH47_video_jump_labelled_RA", samples_of((1, 20, 300, 300), step=5000))
    write(tmp_path, "UH47_video_jump_labelled_RA", samples_of((2, 20, 300, 300)), f"{UPLOADED}/videos")
    write(tmp_path, "TH46_video_jump_labelled_RA", samples_of((4, 20, 300, 300)), f"{UPLOADED}/videos")
    gaze, report = read(tmp_path)
    f = gaze.fixations
    assert f["event"].to_pylist() == ["pursuit", "fixation"]
    assert f["duration_ms"].tolist() == [38, 95]  # 200 Hz, although sampFreq says 500
    assert [(a.kind, a.count) for a in report] == [("surplus", 1)]


def test_images_fill_the_screen(tmp_path):
    write(tmp_path, "TL20_img_rabbit_labelled_RA", samples_of((1, 20, 300, 300)), f"{ARTICLE}/img")
    (tmp_path / "Stimuli/images").mkdir(parents=True)
    Image.new("RGB", (1024, 768)).save(tmp_path / "Stimuli/images/rabbit1024x768.png")
    convert("andersson2017", tmp_path, tmp_path / "out", workers=1)
    stimulus = vidsal.load(tmp_path / "out")["rabbit"]
    assert (stimulus.kind, stimulus.points(0).tolist()) == ("image", [[300, 300]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.__setitem__((3, 5), 7), "row 4 has the label 7"),
        (lambda p: p.__setitem__((3, 0), 1), "row 4: the clock does not run on"),
        (lambda p: p.__setitem__((3, 3), np.nan), "no number"),
        (lambda p: p.fill(0), "no sample"),
    ],
)
def test_a_bad_recording_is_named_and_the_others_are_read(tmp_path, change, message):
    pos = samples_of((1, 20, 300, 300))
    write(tmp_path, "TL31_video_jump_labelled_RA", pos)
    change(pos)
    path = write(tmp_path, "TL30_video_jump_labelled_RA", pos)
    gaze, report = read(tmp_path)
    assert gaze.n_observers == 1
    bad = [a for a in report if a.kind == "unreadable"]
    assert [a.where for a in bad] == [path.relative_to(tmp_path).as_posix()]
    assert message in bad[0].message


def test_another_screen_and_foreign_names_are_told(tmp_path):
    write(tmp_path, "TL30_video_jump_labelled_RA", samples_of((1, 9, 1, 1)), screen=(1280, 1024))
    (tmp_path / ARTICLE / "video" / "trial1.mat").write_bytes(b"")
    report = Report()
    row = next(iter(andersson2017.stimuli(tmp_path, report)))
    assert [a.kind for a in report] == ["surplus"]
    with pytest.raises(BadData, match="none of the 1 recordings"):
        andersson2017.gaze(tmp_path, row, report)
    assert "screenRes is [1280.0, 1024.0]" in report[-1].message


@pytest.mark.data
def test_the_real_recordings(samples):
    root = samples / "andersson2017"
    rows = list(andersson2017.stimuli(root, Report()))
    assert [(r.stimulus_id, r.kind, len(r.extra)) for r in rows] == [
        ("BergoDalbana", "video", 4),
        ("triple_jump", "video", 6),
        ("konijntjes", "image", 6),
    ]
    gaze = andersson2017.gaze(root, rows[0], Report())
    counts = {word: gaze.samples["label"].to_pylist().count(word) for word in ("fixation", "saccade", "pursuit")}
    # sums of the labels in TH34, UH21, UH47 of the article and TH46 of the upload
    assert counts == {
        "fixation": 1727 + 195 + 625 + 858,
        "saccade": 139 + 104 + 65 + 64,
        "pursuit": 2135 + 3642 + 819 + 3083,
    }
