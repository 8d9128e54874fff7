"""The layout of the MSU challenges on AViMoS: small trees with every trap."""

from __future__ import annotations

import json

import numpy as np
import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.msu import avimos
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.formats import points_json
from vidsal.loaders.formats.video import channel_mean, pictures
from vidsal.loaders.records import Report, Truth

from ..msu_tree import blobs, write_h264, write_json, write_set

SPLITS = {"train": ["t_1"], "public_test": ["v_2_224"], "private_test": ["v_2_2246", "v_9"]}
"""One name begins with another, which a pattern `name*` would confuse."""


def read(source, name="v_9", changed=None):
    file = source / "FixationsTest" / "Test" / name / "fixations.json"
    if changed is not None:
        file.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    report = Report()
    rows = {row.stimulus_id: row for row in avimos.stimuli(source, report)}
    return avimos.gaze(source, rows[name], report), report


def test_a_small_set_becomes_a_release(tmp_path):
    points = write_set(tmp_path / "src", SPLITS)
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert made.anomalies == ()
    for split, names in SPLITS.items():
        assert vidsal.load(tmp_path / "out", split=split).ids == tuple(names)
    stimulus = vidsal.load(tmp_path / "out")["v_2_2246"]
    assert (stimulus.width, stimulus.height, stimulus.n_frames) == (64, 48, 4)
    assert stimulus.points(2).tolist() == [[c + 0.5, r + 0.5] for r, c in points["v_2_2246"][2]]  # [y, x], repeats kept
    assert stimulus.row["n_observers"] is None
    assert set(made.release["truth_files"]) == {name for names in SPLITS.values() for name in names}


def test_densities_are_the_released_ones_or_follow_from_points(tmp_path):
    write_set(tmp_path / "src", SPLITS, frames=70)
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert (made.release["truth"]["default"], list(made.release["truth"]["recipes"])) == (
        "released",
        ["released", "crowdsal"],
    )
    stimulus = vidsal.load(tmp_path / "out")["v_9"]
    stored = [channel_mean(p) for p in pictures(tmp_path / "src" / "SaliencyTest" / "Test" / "v_9.mp4")]
    assert len(stored) == 70
    for frame in (0, 1, 5, 69, 3, 60, 0, 69):  # in order, ahead, back
        np.testing.assert_array_equal(stimulus.released(frame), stored[frame])
        density = stimulus.density(frame)
        assert (density.dtype, round(float(density.sum()), 5)) == (np.float32, 1)
        np.testing.assert_allclose(density, stored[frame] / stored[frame].sum(), rtol=1e-6)
    truth = blobs(70, 3)[69]
    assert np.corrcoef(stimulus.density(69).ravel(), truth.ravel())[0, 1] > 0.999  # 10 bits, no half a frame aside
    assert stimulus.density(69, "sigma=4").argmax() == stimulus.density(69, Truth(sigma_px=4)).argmax()
    with pytest.raises(WrongUse, match="frames 0 to 69"):
        stimulus.released(70)
    with pytest.raises(WrongUse, match="name a recipe"):
        stimulus.density_of(np.arange(2))


def test_a_video_without_its_density_is_told_and_keeps_its_points(tmp_path):
    write_set(tmp_path / "src", SPLITS)
    (tmp_path / "src/SaliencyTest/Test/v_9.mp4").unlink()
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert [(a.kind, a.where, a.count) for a in made.anomalies] == [("missing", "Saliency", 1)]
    assert "private_test" in made.anomalies[0].message
    release = vidsal.load(tmp_path / "out")
    assert release["v_2_2246"].density(0).any()
    with pytest.raises(MissingData, match="--recipe crowdsal"):
        release["v_9"].density(0)
    assert release["v_9"].density(0, "crowdsal").any()


def test_without_any_saliency_video_densities_follow_from_points(tmp_path):
    write_set(tmp_path / "src", SPLITS)
    for part in ("Train", "Test"):
        (tmp_path / "src" / f"Saliency{part}").rename(tmp_path / part)
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert (made.anomalies, made.release["truth"]["default"], "truth_files" in made.release) == (
        (),
        "crowdsal",
        False,
    )


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-9] + b"         "), BadData, "SHA-256 differs"),
        (lambda p: p.unlink(), MissingData, "VIDSAL_FRAMES_AVIMOS"),
    ],
)
def test_a_density_that_is_not_what_was_converted_is_refused(tmp_path, damage, error, message):
    write_set(tmp_path / "src", SPLITS)
    convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    damage(tmp_path / "src/SaliencyTest/Test/v_9.mp4")
    with pytest.raises(error, match=message):
        vidsal.load(tmp_path / "out")["v_9"].density(0)


def test_counts_and_sizes_that_differ_are_told(tmp_path):
    write_set(tmp_path / "src", SPLITS)
    write_h264(tmp_path / "src/SaliencyTest/Test/v_9.mp4", blobs(3, 0, (24, 32)), deep=True)
    gaze, report = read(tmp_path / "src")
    assert [a.kind for a in report] == ["mismatch"]  # the size is that of the video, which `gaze` is given by convert
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert [(a.kind, a.where) for a in made.anomalies] == [
        ("mismatch", "SaliencyTest/Test/v_9.mp4"),
        ("wrong-size", "SaliencyTest/Test/v_9.mp4"),
    ]
    with pytest.raises(BadData, match="densities of 32x24, v_9 has 64x48"):
        vidsal.load(tmp_path / "out")["v_9"].density(0)


@pytest.mark.parametrize(
    ("content", "annotated", "n", "told"),
    [
        ([[[1, 2]], [[3, 4]]], (0, 1), 2, [("incomplete", 1)]),  # entries of two of four frames
        ([[[1, 2]], [], [[3, 4]], [[5, 6]]], (0, 3), 3, [("blank", 1)]),
        ([[[1, 2]], None, {"0": [1, 2]}, [[5, 6]]], (0, 0, 3, 3), 2, [("unreadable", 2)]),
        ([[[1, 2], [3]], [["a", 4]], [[1, 2, 3]], [[0.5, 1]]], (0, 3), 1, [("unreadable", 4), ("blank", 3)]),
        ([[[1.0, 2.0]], [[True, 1]], [[1e300, 1]], [[5, 6]]], (0, 3), 2, [("unreadable", 2), ("blank", 2)]),
        ([[[1, 2]]] * 6, (0, 5), 6, []),  # two entries too many: the converter tells them
    ],
)
def test_what_is_wrong_in_fixations_is_named_and_the_rest_is_read(tmp_path, content, annotated, n, told):
    write_set(tmp_path, {"private_test": ["v_9"]})
    gaze, report = read(tmp_path, changed=content)
    kinds = [(a.kind, a.count) for a in report if a.kind != "mismatch"]
    assert (gaze.annotated_frames, len(gaze.fixations["x_px"])) == (annotated, n)
    assert kinds == [t for t in told if t[0] != "incomplete"]
    made = convert("avimos", tmp_path, tmp_path / "out", workers=1)
    converted = [a.kind for a in made.anomalies]
    assert ("incomplete" in converted) == (("incomplete", 1) in told)
    assert ("surplus" in converted) == (len(content) == 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [("[[[1, 2]", "no readable JSON"), ("", "no readable JSON"), ('{"a": 1}', "holds a dict"), ("[]", "holds no frame"),
     ("[1, 2]", "holds no frame"), ("[" * 100_000, "no readable JSON")],
)  # fmt: skip
def test_fixations_of_which_nothing_can_be_used_are_refused_by_name(tmp_path, content, message):
    write_set(tmp_path, SPLITS)
    with pytest.raises(BadData, match=message):
        read(tmp_path, changed=content)
    made = convert("avimos", tmp_path, tmp_path / "out", workers=1)
    assert [a.kind for a in made.fatal] in (["unreadable"], ["unreadable", "unreadable"])
    release = vidsal.load(tmp_path / "out")
    assert (release["v_9"].annotated, release["v_2_2246"].annotated) == (False, True)


def test_points_beside_the_frame_are_kept_and_counted(tmp_path):
    write_set(tmp_path / "src", {"private_test": ["v_9"]}, frames=2)
    write_json(tmp_path / "src/FixationsTest/Test/v_9/fixations.json", [[[-1, 5], [48, 0], [47, 63]], [[0, 64]]])
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert [(a.kind, a.count) for a in made.anomalies] == [("out-of-range", 3)]
    release = vidsal.load(tmp_path / "out")
    assert (len(release.fixations), release["v_9"].points(0).tolist()) == (4, [[63.5, 47.5]])


def test_a_split_file_that_names_others_is_told(tmp_path):
    write_set(tmp_path, SPLITS, suffix="")
    write_json(
        tmp_path / "TrainTestSplit.json",
        {"train": ["gone.mp4", 7], "public test": ["v_2_224"], "private": ["v_2_2246", "v_2_224"], "extra": ["t_1"]},
    )
    report = Report()
    rows = {row.stimulus_id: row.split for row in avimos.stimuli(tmp_path, report)}
    assert rows == {"v_2_224": "public_test", "v_2_2246": "private_test", "t_1": "extra", "v_9": "all"}
    assert [(a.kind, a.message.split(":")[-1].strip()) for a in report] == [
        ("unreadable", "7 are no names"),
        ("surplus", "splits extra; kept under these names"),
        ("mismatch", "v_2_224; kept in the first"),
        ("missing", "gone"),
        ("surplus", "v_9"),
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"train": "v_9"}'])
def test_a_split_file_that_can_not_be_read_leaves_all_videos(tmp_path, text):
    write_set(tmp_path, SPLITS)
    (tmp_path / "TrainTestSplit.json").write_text(text)
    report = Report()
    assert {row.split for row in avimos.stimuli(tmp_path, report)} == {"all"}
    assert report[0].kind == "unreadable"


def test_archives_unpacked_one_level_less_and_json_files_beside_one_another_are_found(tmp_path):
    write_set(tmp_path, SPLITS)
    for name in ("v_9", "v_2_224"):
        (tmp_path / f"FixationsTest/Test/{name}/fixations.json").rename(tmp_path / f"FixationsTest/{name}.json")
        (tmp_path / f"SaliencyTest/Test/{name}.mp4").rename(tmp_path / f"SaliencyTest/{name}.mp4")
    rows = {row.stimulus_id: row for row in avimos.stimuli(tmp_path, Report())}
    assert (rows["v_9"].extra, rows["v_9"].truth_file) == ("FixationsTest/v_9.json", "SaliencyTest/v_9.mp4")


def test_frames_come_from_the_densities_where_there_is_no_video(tmp_path):
    write_set(tmp_path / "src", SPLITS)
    (tmp_path / "src/Videos").rename(tmp_path / "Videos")
    made = convert("avimos", tmp_path / "src", tmp_path / "out", workers=1)
    assert [a.where for a in made.fatal] == ["frames"]
    stimulus = vidsal.load(tmp_path / "out")["v_9"]
    assert (stimulus.width, stimulus.height, stimulus.n_frames, stimulus.fps) == (64, 48, 4, 30)


def test_entries_are_read_in_their_order(tmp_path):
    write_json(tmp_path / "a.json", [[[n % 48, 1]] for n in range(1200)])
    gaze = points_json.read(tmp_path / "a.json", "a.json", Report())
    assert gaze.fixations["frame"].tolist() == list(range(1200))  # never as text: 100, 1000, 1001 ... 101
    assert gaze.fixations["y_px"][1000] == 1000 % 48 + 0.5
