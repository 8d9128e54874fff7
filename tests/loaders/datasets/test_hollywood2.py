"""Hollywood-2: trees exactly as documented, with every trap: shots without 1, frames from 3, unregistered counts, one frame."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from vidsal.loaders import registry
from vidsal.loaders.conversion.convert import choose_form, convert
from vidsal.loaders.datasets.hollywood2 import layout, raw, released
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io import registers
from vidsal.loaders.records import Report

REGISTER = {line["video"]: line for line in registers.rows("hollywood2_shots")}


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def shot(source, name, numbers, *, split=None, shape=None, images=False, mats=True, prefix=True):
    """A shot whose frame `number` has one fixated pixel at row 1, column `number`."""
    clip = name.rsplit("_", 1)[0]
    split = split or ("training" if "train" in name else "testing")
    line = REGISTER.get(name)
    shape = shape or ((int(line["height"]), int(line["width"])) if line and line["height"] else (40, 60))
    folder = source / split / name
    for number in numbers:
        mask = np.zeros(shape, np.uint8)
        mask[1, number % shape[1]] = 1
        file = f"{clip}_{number:05d}" if prefix else f"{number:05d}"
        put(folder / "fixation" / f"{file}.png", png(mask * 255))
        if mats:
            out = io.BytesIO()
            savemat(out, {"I": mask}, do_compression=True)
            put(folder / "fixation" / "maps" / f"{file}.mat", out.getvalue())
        if images:
            put(folder / "images" / f"{file}.png", png(np.zeros((*shape, 3), np.uint8)))


def read(source):
    report = Report()
    found = {r.stimulus_id: r for r in released.stimuli(source, report)}
    return found, report


def gaze_of(source, row):
    report = Report()
    return released.gaze(source, row, report), report


def test_a_surplus_map_makes_no_frame(tmp_path):
    name, line = next((n, line) for n, line in REGISTER.items() if line["n_frames"] and int(line["n_frames"]) < 40)
    first, count = int(line["first_frame_number"]), int(line["n_frames"])
    shot(tmp_path, name, range(first, first + count + 1), shape=(int(line["height"]), int(line["width"])))
    made = convert("hollywood2", tmp_path, tmp_path / "out", variant="released", workers=1)
    assert made.release["counts"]["frames"] == made.release["counts"]["fixations"] == count
    assert [a.count for a in made.anomalies if a.kind == "surplus"] == [1]


def test_frames_count_from_the_register_s_first_number(tmp_path):
    line = REGISTER["actioncliptrain00001_1"]
    first, count = int(line["first_frame_number"]), int(line["n_frames"])
    assert first == 3
    shot(tmp_path, "actioncliptrain00001_1", range(first, first + count))
    found, report = read(tmp_path)
    row = found["actioncliptrain00001_1"]
    assert (row.split, row.n_frames, row.width, row.height) == ("train", count, int(line["width"]), int(line["height"]))
    assert (row.group_id, row.parent_id, row.parent_start_frame) == ("actioncliptrain00001", "actioncliptrain00001", 2)
    assert row.first_frame_number == 3
    assert row.source_file == "training/actioncliptrain00001_1/images"
    gaze, odd = gaze_of(tmp_path, row)
    assert odd == []
    assert gaze.fixations["frame"].tolist() == list(range(count))
    np.testing.assert_array_equal(gaze.fixations["x_px"], np.arange(count) + 3.5)
    assert gaze.annotated_frames == (0, count - 1)
    assert [(a.kind, a.count) for a in report] == [("missing", 6656)]


def test_a_later_shot_continues_the_numbers(tmp_path):
    later = next(
        n for n, line in REGISTER.items() if line["shot"] == "2" and line["n_frames"] and int(line["n_frames"]) < 60
    )
    first, count = int(REGISTER[later]["first_frame_number"]), int(REGISTER[later]["n_frames"])
    assert first > 5
    shot(tmp_path, later, range(first, first + count), mats=False)
    found, _ = read(tmp_path)
    gaze, _ = gaze_of(tmp_path, found[later])
    assert gaze.annotated_frames == (0, count - 1)


def test_shots_of_a_single_frame(tmp_path):
    single = [n for n, line in REGISTER.items() if line["n_frames"] == "1"]
    assert len(single) == 101 + 104
    name = single[0]
    shot(tmp_path / "src", name, [int(REGISTER[name]["first_frame_number"])], images=True)
    made = convert("hollywood2", tmp_path / "src", tmp_path / "out", workers=1)
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet")
    assert stimuli[["stimulus_id", "n_frames"]].values.tolist() == [[name, 1]]
    assert made.release["counts"]["points_in_bounds"] == 1
    assert [a.kind for a in made.anomalies] == ["missing"]


def test_clips_that_have_no_shot_1(tmp_path):
    clips = {}
    for line in REGISTER.values():
        clips.setdefault(line["clip"], []).append(line)
    without = [c for c, lines in clips.items() if min(int(x["shot"]) for x in lines) > 1]
    assert len(without) >= 117
    line = min((x for x in clips[without[0]] if x["n_frames"]), key=lambda x: int(x["n_frames"]))
    first = int(line["first_frame_number"])
    shot(tmp_path, line["video"], range(first, first + 2), mats=False)
    found, _ = read(tmp_path)
    gaze, _ = gaze_of(tmp_path, found[line["video"]])
    assert gaze.annotated_frames == (0, 1)


def test_shots_that_the_register_knows_by_name_only(tmp_path):
    """Training clips 748 to 823: counts, sizes and first numbers come from the files, and that is said."""
    assert REGISTER["actioncliptrain00749_2"]["n_frames"] == ""
    shot(tmp_path / "src", "actioncliptrain00749_2", range(31, 36), shape=(24, 50))
    found, report = read(tmp_path / "src")
    row = found["actioncliptrain00749_2"]
    assert (row.first_frame_number, row.n_frames, row.width, row.height) == (31, None, 50, 24)
    assert [(a.kind, a.fatal) for a in report if "lowest number, 31" in a.message] == [("assumption", False)]
    convert("hollywood2", tmp_path / "src", tmp_path / "out", workers=1)
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet")
    assert stimuli[["n_frames", "width", "height"]].values.tolist() == [[5, 50, 24]]


def test_order_is_that_of_the_register_then_natural(tmp_path):
    clip = next(n for n, line in REGISTER.items() if line["shot"] == "10" and line["n_frames"]).removesuffix("_10")
    registered = [n for n in REGISTER if n in {f"{clip}_{k}" for k in (1, 9, 10)}]
    extra = ["actioncliptrain99999_2", "actioncliptrain99999_10"]
    for name in [*registered, *extra]:
        shot(tmp_path, name, [int((REGISTER.get(name) or {}).get("first_frame_number") or 7)], mats=False)
    found, report = read(tmp_path)
    assert len(registered) == 3
    assert list(found) == [*registered, *extra]
    assert list(found)[:3] != sorted(registered)
    unknown = [a.where for a in report if "does not know" in a.message]
    assert unknown == [f"training/{n}" for n in extra]


def test_folder_names_of_other_copies(tmp_path):
    shot(tmp_path / "Hollywood", "actioncliptest00001_1", [3, 4], split="test", mats=False, prefix=False)
    found, _ = read(tmp_path)
    row = found["actioncliptest00001_1"]
    assert row.extra == ("Hollywood/test/actioncliptest00001_1/fixation", "")
    gaze, _ = gaze_of(tmp_path, row)
    first = int(REGISTER["actioncliptest00001_1"]["first_frame_number"])
    assert gaze.annotated_frames == (3 - first, 4 - first)


def test_wrong_split_and_second_copy_are_said(tmp_path):
    shot(tmp_path, "actioncliptest00001_1", [3], split="training", mats=False)
    found, report = read(tmp_path)
    assert found["actioncliptest00001_1"].split == "test"
    assert [a.where for a in report if a.kind == "mismatch"] == ["training/actioncliptest00001_1"]
    shot(tmp_path, "actioncliptest00001_1", [3], split="test", mats=False)
    _, report = read(tmp_path)
    assert [a.where for a in report if a.kind == "surplus"] == ["training/actioncliptest00001_1"]


def test_maps_of_another_clip_and_of_another_size(tmp_path):
    shot(tmp_path, "actioncliptrain00001_1", [3, 4, 5])
    folder = tmp_path / "training" / "actioncliptrain00001_1" / "fixation"
    put(folder / "actioncliptrain00002_00006.png", png(np.zeros((4, 4), np.uint8)))
    put(folder / "actioncliptrain00001_00005.png", png(np.zeros((4, 4), np.uint8)))
    put(folder / "actioncliptrain00001_00002.png", png(np.zeros((4, 4), np.uint8)))
    found, _ = read(tmp_path)
    gaze, report = gaze_of(tmp_path, found["actioncliptrain00001_1"])
    assert gaze.annotated_frames == (0, 1)
    assert {a.kind for a in report} == {"surplus", "out-of-range", "wrong-size", "missing"}


def test_frames_without_maps_and_maps_that_are_all_bad(tmp_path):
    put(
        tmp_path / "training/actioncliptrain00001_1/images/actioncliptrain00001_00003.png",
        png(np.zeros((224, 528, 3), np.uint8)),
    )
    put(tmp_path / "testing/actioncliptest00001_1/fixation/actioncliptest00001_00003.png", b"oops")
    (tmp_path / "testing" / "notes").mkdir()
    found, _ = read(tmp_path)
    gaze, report = gaze_of(tmp_path, found["actioncliptrain00001_1"])
    assert not gaze.annotated
    assert [a.kind for a in report] == ["missing"]
    with pytest.raises(BadData, match="none of the 1 fixation maps"):
        gaze_of(tmp_path, found["actioncliptest00001_1"])


def test_nothing_here(tmp_path):
    for form in (released, raw):
        assert not form.present(tmp_path)
        with pytest.raises(MissingData, match="wenguanwang/DHF1K"):
            list(form.stimuli(tmp_path, Report()))


# --- raw


def test_raw(tmp_path):
    source = tmp_path / "src"
    samples = source / "gaze_hollywood2" / "samples"
    put(samples / "001_actioncliptrain00001.avi.txt", b"0 3 3 640 512 F\n42000 3 3 640 512 F\n")
    put(samples / "019_actioncliptrain00001.avi.txt", b"0 3 3 640 512 B\n")
    put(samples / "005_actioncliptrain00748.avi.txt", b"0 3 3 640 512 F\n")
    put(samples / "005_other.avi.txt", b"0 3 3 640 512 F\n")
    put(source / "gaze_hollywood2" / "geometry.txt", b"60 47.5 29.5 1280 1024\n")
    put(source / "gaze_hollywood2" / "resolution.txt", b"actioncliptrain00748.avi 560 320 25\n")
    made = convert("hollywood2", source, tmp_path / "out", variant="raw", workers=1)
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet").set_index("stimulus_id")
    assert made.release["release"] == "hollywood2-raw"
    line = REGISTER["actioncliptrain00001_1"]
    assert stimuli.loc["actioncliptrain00001", ["width", "height"]].tolist() == [
        int(line["width"]),
        int(line["height"]),
    ]
    assert stimuli.loc["actioncliptrain00748", ["width", "height"]].tolist() == [560, 320]
    assert stimuli.n_observers.tolist() == [2, 1]
    fixations = pd.read_parquet(tmp_path / "out" / "fixations.parquet")
    assert sorted(fixations.observer_id) == ["001", "001", "005"]
    assert fixations.frame.tolist() == [0, 1, 0]
    gaze = pd.read_parquet(tmp_path / "out" / "gaze.parquet")
    assert gaze[["observer_id", "label"]].values.tolist() == [["019", "blink"]]
    kinds = [(a.kind, a.count) for a in made.anomalies]
    assert ("surplus", 1) in kinds
    assert ("missing", 1705) in kinds
    assert kinds.count(("assumption", 1)) == 2


def test_raw_clips_and_their_sizes():
    clips = layout.clips()
    assert [sum(split == name for split, *_ in clips.values()) for name in ("train", "test")] == [823, 884]
    assert clips["actioncliptrain00748"] == ("train", None, None)


def test_raw_size_unknown(tmp_path):
    put(tmp_path / "samples" / "005_actioncliptrain00748.avi.txt", b"0 3 3 640 512 F\n")
    report = Report()
    (row,) = raw.stimuli(tmp_path, report)
    assert [a.where for a in report if a.kind == "missing"] == ["geometry.txt", "resolution.txt", "."]
    with pytest.raises(BadData, match="its size is unknown"):
        raw.gaze(tmp_path, row, report)


def test_both_forms_in_one_folder_must_be_named(tmp_path):
    shot(tmp_path, "actioncliptest00001_1", [3], mats=False)
    assert choose_form("hollywood2", None, tmp_path).INFO.variant == "released"
    put(tmp_path / "gaze_hollywood2" / "samples" / "001_actioncliptrain00001.avi.txt", b"")
    with pytest.raises(WrongUse, match="released, raw"):
        choose_form("hollywood2", None, tmp_path)


def test_forms_are_registered():
    for variant in registry.variants("hollywood2"):
        info = registry.form("hollywood2", variant).INFO
        assert info.release_id == f"hollywood2-{variant}"
        assert info.truths["window"].anchor_px == 74
        assert "no real file" in " ".join((*info.verified, *info.unverified))
