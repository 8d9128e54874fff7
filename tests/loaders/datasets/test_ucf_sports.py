"""UCF Sports: two revisions in two layouts, told apart by date or names; the raw text; the real files of both."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from vidsal.loaders import registry
from vidsal.loaders.conversion.convert import choose_form, convert
from vidsal.loaders.datasets.ucf_sports import layout, raw, revision_2017, revision_2018
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.records import Report
from vidsal.loaders.release.truth import density

SHAPE = (404, 720)
DATES = {"2017": b"Wed Jun 14 20:08:31 2017", "2018": b"Thu Apr 19 14:57:33 2018", "2024": b"Mon Jan 01 00:00:00 2024"}


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def mat(mask, year):
    out = io.BytesIO()
    savemat(out, {"I": mask}, do_compression=True)
    head = b"MATLAB 5.0 MAT-file, Platform: PCWIN64, Created on: " + DATES[year]
    return head.ljust(116) + out.getvalue()[116:]


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def video(folder, prefix, digits, count, *, year=None, images=0, shape=SHAPE, pngs=True):
    """Frame i (1-based) has one fixated pixel at row i, column 2 i."""
    for number in range(1, count + 1):
        mask = np.zeros(shape, np.uint8)
        mask[number, 2 * number] = 1
        name = f"{prefix}{number:0{digits}d}"
        if pngs:
            put(folder / "fixation" / f"{name}.png", png(mask * 255))
        if year:
            put(folder / "fixation" / "maps" / f"{name}.mat", mat(mask, year))
        if number <= images:
            put(folder / "images" / f"{name}.png", png(np.zeros((*shape, 3), np.uint8)))


def old(source, year="2017", count=54, **options):
    video(source / "testing" / "Diving-Side-001", "Diving-Side_001_", 3, count, year=year, **options)


def new(source, year="2018", count=55, **options):
    video(source / "test" / "Diving-Side_001", "", 4, count, year=year, **options)


def read(form, source):
    report = Report()
    (row,) = form.stimuli(source, report)
    return row, form.gaze(source, row, report), report


@pytest.mark.parametrize(("form", "make"), [(revision_2017, old), (revision_2018, new)])
def test_both_layouts(tmp_path, form, make):
    make(tmp_path, images=3)
    row, gaze, _ = read(form, tmp_path)
    assert (row.stimulus_id, row.split, row.width, row.height, row.n_frames) == (
        "Diving-Side-001",
        "test",
        720,
        404,
        54,
    )
    assert row.first_frame_number == 1
    assert row.source_file.endswith("/images")
    frames = gaze.fixations["frame"]
    assert frames.tolist() == list(range(len(frames)))
    np.testing.assert_array_equal(gaze.fixations["y_px"], frames + 1.5)
    np.testing.assert_array_equal(gaze.fixations["x_px"], 2 * frames + 2.5)
    assert gaze.fixations["event"] == "point"
    assert gaze.last_annotated == len(frames) - 1
    assert gaze.n_observers is None


def test_the_date_in_the_mat_file_goes_before_the_names(tmp_path):
    old(tmp_path, year="2018")
    assert not revision_2017.present(tmp_path)
    row, _, report = read(revision_2018, tmp_path)
    assert row.extra == ("testing/Diving-Side-001/fixation", "Diving-Side_001_")
    assert [a.kind for a in report] == ["missing"]


@pytest.mark.parametrize("year", [None, "2024"])
@pytest.mark.parametrize(("form", "make"), [(revision_2017, old), (revision_2018, new)])
def test_without_a_date_the_names_decide_and_that_is_said(tmp_path, form, make, year):
    make(tmp_path, year=year)
    _, _, report = read(form, tmp_path)
    assumed = [a for a in report if a.kind == "assumption"]
    assert [(a.count, a.fatal) for a in assumed] == [(1, False)]
    assert "by the names of the files" in assumed[0].message


def test_only_mat_files(tmp_path):
    old(tmp_path, pngs=False)
    _, gaze, report = read(revision_2017, tmp_path)
    assert gaze.source_files[0].endswith("fixation/maps/Diving-Side_001_001.mat")
    assert [a.kind for a in report] == ["missing", "grid-artefact"]


def test_both_revisions_in_one_folder(tmp_path):
    old(tmp_path)
    new(tmp_path)
    with pytest.raises(WrongUse, match="2018, 2017"):
        choose_form("ucf-sports", None, tmp_path)
    for form, where in ((revision_2017, "testing/Diving-Side-001"), (revision_2018, "test/Diving-Side_001")):
        row, _, report = read(form, tmp_path)
        assert row.extra[0] == f"{where}/fixation"
        assert [(a.count, a.fatal) for a in report if "other revision" in a.message] == [(1, False)]


def test_the_same_revision_twice(tmp_path):
    old(tmp_path)
    new(tmp_path, year="2017")
    row, _, report = read(revision_2017, tmp_path)
    assert row.extra[0].startswith("testing/")
    assert [a.where for a in report if "same revision" in a.message] == ["test/Diving-Side_001"]


def test_one_level_down_and_unregistered_videos(tmp_path):
    old(tmp_path / "UCF")
    video(tmp_path / "UCF" / "training" / "Chess-001", "Chess_001_", 3, 2, shape=(30, 40))
    report = Report()
    rows = list(revision_2017.stimuli(tmp_path, report))
    assert [(r.stimulus_id, r.split, r.width, r.height, r.n_frames) for r in rows] == [
        ("Diving-Side-001", "test", 720, 404, 54),
        ("Chess-001", "train", 40, 30, None),
    ]
    assert revision_2017.gaze(tmp_path, rows[1], report).annotated_frames == (0, 1)


def test_a_video_of_another_name_in_the_folder_is_left_out(tmp_path):
    old(tmp_path, count=2)
    video(tmp_path / "testing" / "Diving-Side-001", "Diving-Side_002_", 3, 3)
    _, gaze, report = read(revision_2017, tmp_path)
    assert gaze.annotated_frames == (0, 1)
    assert [a.count for a in report if "left out Diving-Side_002_001.png" in a.message] == [3]


def test_frames_without_maps_are_not_annotated(tmp_path):
    old(tmp_path, count=1)
    put(
        tmp_path / "testing" / "Diving-Side-002" / "images" / "Diving-Side_002_001.png", png(np.zeros((4, 4), np.uint8))
    )
    rows = list(revision_2017.stimuli(tmp_path, Report()))
    assert [r.stimulus_id for r in rows] == ["Diving-Side-001", "Diving-Side-002"]
    report = Report()
    assert not revision_2017.gaze(tmp_path, rows[1], report).annotated
    assert [a.kind for a in report] == ["missing"]


def test_bad_maps(tmp_path):
    old(tmp_path, count=3)
    folder = tmp_path / "testing" / "Diving-Side-001" / "fixation"
    put(folder / "Diving-Side_001_001.png", b"")
    put(folder / "Diving-Side_001_003.png", png(np.zeros((4, 4), np.uint8)))
    _, gaze, report = read(revision_2017, tmp_path)
    assert gaze.annotated_frames == (0, 1)
    assert [(a.kind, a.where.split("/")[-1]) for a in report][-2:] == [
        ("unreadable", "Diving-Side_001_001.png"),
        ("wrong-size", "Diving-Side_001_003.png"),
    ]


def test_nothing_here(tmp_path):
    for form in (revision_2017, revision_2018, raw):
        assert not form.present(tmp_path)
        with pytest.raises(MissingData, match="wenguanwang/DHF1K"):
            list(form.stimuli(tmp_path, Report()))


def test_conversion_with_all_images(tmp_path):
    old(tmp_path / "src", images=54)
    made = convert("ucf-sports", tmp_path / "src", tmp_path / "out", workers=1)
    assert made.release["release"] == "ucf-sports-2017"
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet")
    assert stimuli.loc[0, ["n_frames", "split"]].tolist() == [54, "test"]
    assert stimuli.annotated_frames[0] is None
    assert len(pd.read_parquet(tmp_path / "out" / "fixations.parquet")) == 54


def test_surplus_map_of_2018_is_reported(tmp_path):
    new(tmp_path / "src", images=54)
    made = convert("ucf-sports", tmp_path / "src", tmp_path / "out", workers=1)
    assert made.release["release"] == "ucf-sports-2018"
    assert made.release["counts"]["frames"] == 54
    assert [(a.kind, a.count) for a in made.anomalies if a.kind == "surplus"] == [("surplus", 1)]


# --- raw


def test_raw_names(tmp_path):
    folder = tmp_path / "gaze_ucfsa" / "samples"
    put(folder / "001_Diving-Side_001.avi.txt", b"0 3 3 640 512 F\n100000 3 3 640 512 F\n")
    put(folder / "019_Golf-Swing-Back_002.avi.txt", b"0 3 3 640 512 F\n")
    put(folder / "002_Chess_001.avi.txt", b"0 3 3 640 512 F\n")
    put(tmp_path / "gaze_ucfsa" / "geometry.txt", b"60 47.5 29.5 1280 1024\n")
    put(tmp_path / "gaze_ucfsa" / "resolution.txt", b"Diving-Side_001.avi 720 404 10\n")
    put(tmp_path / "videos" / "Diving-Side" / "001" / "2538-5_70133.avi", b"x")
    report = Report()
    rows = {r.stimulus_id: r for r in raw.stimuli(tmp_path, report)}
    assert set(rows) == {"Diving-Side-001", "Golf-Swing-Back-002"}
    assert rows["Diving-Side-001"].source_file == "videos/Diving-Side/001/2538-5_70133.avi"
    assert [a.count for a in report if "002_Chess_001.avi.txt" in a.message] == [1]
    gaze = raw.gaze(tmp_path, rows["Diving-Side-001"], report)
    assert gaze.fixations["frame"].tolist() == [0, 1]
    assert gaze.fixations["x_px"].tolist() == [360, 360]
    assert raw.present(tmp_path)
    assert raw.present(tmp_path / "gaze_ucfsa")


def test_all_forms_are_registered():
    assert registry.variants("ucf-sports") == ("2018", "2017", "raw")
    for variant in registry.variants("ucf-sports"):
        info = registry.form("ucf-sports", variant).INFO
        truth = info.truths["window"]
        assert (truth.kernel, truth.size_px, truth.sigma_px, truth.anchor_px, truth.per) == (
            "window",
            150,
            20,
            74,
            "pixel",
        )
        assert info.release_id == f"ucf-sports-{variant}"
    assert len(layout.ids()) == 150


# --- real files


@pytest.fixture(scope="module")
def real(samples):
    return samples / "ucf_sports"


@pytest.mark.data
@pytest.mark.parametrize(("form", "frames"), [(revision_2017, 54), (revision_2018, 55)])
def test_real_maps_are_reproduced(real, form, frames):
    """The truth recipe gives every released density map within the rounding."""
    row, gaze, report = read(form, real)
    assert gaze.annotated_frames == (0, frames - 1)
    assert {a.kind for a in report} <= {"missing", "surplus", "grid-artefact"}
    assert row.extra[0].split("/")[0] == ("testing" if frames == 54 else "test")
    folder = real / row.extra[0].replace("/fixation", "/maps")
    points = np.column_stack([gaze.fixations["x_px"], gaze.fixations["y_px"]])
    worst = 0.0
    for frame in range(frames):
        released = np.asarray(Image.open(folder / f"{row.extra[1]}{frame + 1:0{3 if row.extra[1] else 4}d}.png"))
        here = points[gaze.fixations["frame"] == frame]
        made = density(here, (row.height, row.width), form.INFO.truths["window"]).astype(float)
        worst = max(worst, float(np.abs(made / made.max() * 255 - released).max()))
    assert worst < 0.5001


@pytest.mark.data
def test_real_surplus_of_2017_lies_on_the_grid(real):
    """Every point of 2018 is one of 2017; the 10,247 others share a row and a column with points of 2018."""
    pixels = []
    for form in (revision_2017, revision_2018):
        _, gaze, _ = read(form, real)
        f = gaze.fixations
        pixels.append({(a, x, y) for a, x, y in zip(f["frame"].tolist(), f["x_px"], f["y_px"], strict=True) if a < 54})
    old_pixels, new_pixels = pixels
    assert new_pixels <= old_pixels
    surplus = old_pixels - new_pixels
    assert len(surplus) == 10_247
    columns = {(a, x) for a, x, _ in new_pixels}
    lines = {(a, y) for a, _, y in new_pixels}
    assert all((a, x) in columns and (a, y) in lines for a, x, y in surplus)


@pytest.mark.data
def test_real_conversion_says_how_many_frames(real, tmp_path):
    made = convert("ucf-sports", real, tmp_path / "out", variant="2018", workers=1)
    assert made.release["counts"]["stimuli"] == 1
    assert made.release["counts"]["frames"] == 54
    message = next(a.message for a in made.anomalies if a.kind == "mismatch")
    assert message == "annotation runs to frame 54, the register says 54 frames, which is taken"


@pytest.mark.parametrize("images", [0, 54])
def test_the_surplus_map_makes_no_frame_with_images_and_without(tmp_path, images):
    new(tmp_path, count=55, images=images)
    made = convert("ucf-sports", tmp_path, tmp_path / "out", workers=1)
    assert made.release["counts"]["frames"] == 54
    assert made.release["counts"]["fixations"] == 54
    (told,) = (a for a in made.anomalies if a.kind == "surplus")
    assert told.message == "1 annotated frames lie past the last of 54; they and their 1 rows are left out"


def test_unregistered_videos_follow_in_one_natural_order_over_both_splits(tmp_path):
    new(tmp_path, count=1)
    for folder in ("train/Foo_10", "train/Abc_3", "test/Foo_2", "test/Aaa_1", "test/Foo_10"):
        video(tmp_path / folder, "", 4, 2, year="2018")
    report = Report()
    rows = list(revision_2018.stimuli(tmp_path, report))
    assert [(r.stimulus_id, r.split) for r in rows] == [
        ("Diving-Side-001", "test"),
        ("Aaa-1", "test"),
        ("Abc-3", "train"),
        ("Foo-2", "test"),
        ("Foo-10", "test"),
    ]
    assert [a.where for a in report if "elsewhere too" in a.message] == ["train/Foo_10"]


def test_blank_maps_past_the_last_image_are_told_too(tmp_path):
    new(tmp_path, count=54, images=54)
    blank = np.zeros(SHAPE, np.uint8)
    for number in (55, 56):
        put(tmp_path / "test" / "Diving-Side_001" / "fixation" / f"{number:04d}.png", png(blank))
        put(tmp_path / "test" / "Diving-Side_001" / "fixation" / "maps" / f"{number:04d}.mat", mat(blank, "2018"))
    result = convert("ucf-sports", tmp_path, tmp_path / "out", workers=1)
    (told,) = (a for a in result.anomalies if a.kind == "surplus")
    assert told.count == 2
    assert "2 annotated frames lie past the last of 54; they and their 0 rows" in told.message


def test_the_rate_that_gave_the_frames_is_stored(tmp_path):
    put(tmp_path / "gaze_ucfsa" / "samples" / "001_Diving-Side_001.avi.txt", b"0 1 1 600 500 F\n100000 1 1 600 500 F\n")
    result = convert("ucf-sports", tmp_path, tmp_path / "out", variant="raw", workers=1)
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet")
    assert stimuli[["fps_num", "fps_den", "duration_ms"]].iloc[0].tolist() == [10, 1, 5400]
    assert any("taken as 10 frames a second" in a.message for a in result.anomalies)
