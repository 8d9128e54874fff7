"""The STAViS pack on AVAD: small trees with every trap, and the real fold lists."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.stavis import avad, folds, pack
from vidsal.loaders.errors import BadData, UnknownName
from vidsal.loaders.records import Report

from ..stavis_pack import write_lists, write_video

THREE = {
    "train_1": ["V2_B 3 28.666571"],
    "test_1": ["V1_A 3 24.999750"],
    "train_2": ["V1_A 3 24.999750", "", "V2_B 3 28.666571"],
    "test_2": ["V3_Gone 9 29.997000"],
    "train_3": ["V1_A 3 24.999750"],
    "test_3": ["V2_B 3 28.666571"],
}


def read(source: Path, name: str):
    report = Report()
    rows = {row.stimulus_id: row for row in avad.stimuli(source, report)}
    return avad.gaze(source, rows[name], report), report


def test_a_video_is_in_the_splits_of_all_folds(tmp_path):
    write_lists(tmp_path, "AVAD", THREE)
    for video in ("V10_C", "V2_B", "V1_A"):
        write_video(tmp_path, "AVAD", video, {n: [(n, 2 * n)] for n in (1, 2, 3)}, frames=3)
    made = convert("avad", tmp_path, tmp_path / "out", workers=1)
    assert [(a.kind, a.message.split(":")[-1].strip(), a.fatal) for a in made.anomalies] == [
        ("missing", "V3_Gone", True),
        ("surplus", "V10_C", False),
    ]
    splits = {split: vidsal.load(tmp_path / "out", split=split).ids for split in ("all", *folds.names_of(3))}
    assert splits.pop("test_2") == ()  # its one video is not here
    assert splits == {
        "all": ("V1_A", "V2_B", "V10_C"),
        "train_1": ("V2_B",),
        "test_1": ("V1_A",),
        "train_2": ("V1_A", "V2_B"),
        "train_3": ("V1_A",),
        "test_3": ("V2_B",),
    }
    with pytest.raises(UnknownName, match="test_4"):
        vidsal.load(tmp_path / "out", split="test_4")
    stimulus = vidsal.load(tmp_path / "out")["V2_B"]
    assert (stimulus.split, stimulus.fps, stimulus.first_frame_number) == ("all", Fraction("28.666571"), 1)
    assert stimulus.points(1).tolist() == [[4.5, 2.5]]  # fixMap_00002.mat is frame 1


def test_maps_are_read_whatever_their_variable_and_beside_other_files(tmp_path):
    write_video(tmp_path, "AVAD", "V1_A", {1: [(3, 5), (3, 5)], 2: [], 4: [(0, 31)]}, variable="fixMap")
    gaze, report = read(tmp_path, "V1_A")
    f = gaze.fixations
    assert list(zip(f["frame"], f["x_px"], f["y_px"], strict=True)) == [(0, 5.5, 3.5), (3, 31.5, 0.5)]
    assert gaze.annotated_frames == (0, 1, 3, 3)
    assert [(a.kind, a.count, a.fatal) for a in report] == [
        ("missing", 1, False),  # no fold list: a user may have none
        ("missing", 1, True),  # map 3
        ("blank", 1, False),
    ]


def test_a_video_with_one_map_too_few_is_told_and_its_last_frame_not_annotated(tmp_path):
    write_lists(tmp_path, "AVAD", {"train_1": ["V11_News4 3 29.970030"]})
    write_video(tmp_path, "AVAD", "V11_News4", {1: [(1, 1)], 2: [(2, 2)]}, frames=3)
    made = convert("avad", tmp_path, tmp_path / "out", workers=1)
    assert [a.message for a in made.fatal if a.kind == "incomplete"] == ["2 of 3 frames are annotated"]
    assert vidsal.load(tmp_path / "out")["V11_News4"].annotated_indices().tolist() == [0, 1]


@pytest.mark.parametrize("damage", ["cut", "values", "empty"])
def test_a_damaged_map_is_named_and_the_others_are_read(tmp_path, damage):
    folder = write_video(tmp_path, "AVAD", "V1_A", {1: [(1, 1)], 2: [(2, 2)]})
    path = folder / "fixMap_00002.mat"
    data = path.read_bytes()
    path.write_bytes({"cut": data[:150], "values": data.replace(b"\x01", b"\x07"), "empty": b""}[damage])
    gaze, report = read(tmp_path, "V1_A")
    assert gaze.annotated_frames == (0, 0)
    assert [a.where for a in report if a.kind == "unreadable"] == ["data/annotations/AVAD/V1_A/fixMap_00002.mat"]
    (folder / "fixMap_00001.mat").write_bytes(b"")
    with pytest.raises(BadData, match="none of the 2 fixation maps"):
        read(tmp_path, "V1_A")


@pytest.mark.parametrize("line", ["V1_A 3", "V1_A three 25", "V1_A 3 nan", "V1_A -3 25", "V1_A 3 0", "../V 3 25"])
def test_a_line_of_a_list_that_can_not_be_read_is_named(tmp_path, line):
    write_lists(tmp_path, "AVAD", {"train_1": ["V2_B 3 25.0", line]}, folder="fold_lists")
    report = Report()
    assert list(folds.read(tmp_path, "AVAD", 3, report)) == ["V2_B"]
    assert (report[0].kind, report[0].where) == ("unreadable", "fold_lists/AVAD_list_train_1_fps.txt, line 2")


def test_lists_that_contradict_one_another_are_named(tmp_path):
    write_lists(tmp_path, "AVAD", {"train_1": ["A 3 25.0", "A 3 25.0"], "test_1": ["A 4 25.0"]})
    report = Report()
    found = folds.read(tmp_path, "AVAD", 3, report)
    assert found == {"A": folds.Listed(3, Fraction(25), ("train_1", "test_1"))}
    assert [a.kind for a in report] == ["surplus", "mismatch", "missing", "mismatch"]
    assert "in train_1 and in test_1: A" in report[-1].message


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_folds", "videos", "frames", "never", "twice"),
    [
        ("DIEM", 1, 81, 236_459, 64, 0),
        ("AVAD", 3, 45, 9_589, 3, 3),
        ("Coutrot_db1", 3, 60, 25_192, 0, 0),
        ("Coutrot_db2", 3, 15, 16_983, 0, 0),
        ("ETMD_av", 3, 12, 61_668, 0, 0),
        ("SumMe", 3, 25, 109_788, 2, 0),
    ],
)
def test_the_real_lists_are_read(samples, name, n_folds, videos, frames, never, twice):
    report = Report()
    listed = folds.read(samples / "field_2026" / "stavis_fold_lists", name, n_folds, report)
    assert report == []
    assert (len(listed), sum(line.n_frames for line in listed.values())) == (videos, frames)
    tested = Counter(sum(s.startswith("test") for s in line.splits) for line in listed.values())
    assert (tested[0], tested[2]) == (never, twice)


def test_the_six_sets_have_one_loader():
    names = ("avad", "coutrot1", "coutrot2", "etmd", "summe")
    from vidsal.loaders.registry import form

    assert {form(name).gaze.__func__ for name in names} == {pack.PackSet.gaze}
    assert form("diem", "stavis").gaze.__func__ is pack.PackSet.gaze
