from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.dhf1k import raw, released
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.records import Report, StimulusRow
from vidsal.loaders.release.release import load

from ..trees import HEADER, dhf1k_raw, noise_video, smi_text, write_map, write_video


def _row(source: Path, form: object = raw) -> StimulusRow:
    return next(iter(form.stimuli(source, Report())))  # type: ignore[attr-defined]


def _write(root: Path, text: str, name: str = "P01/P01_Trail002.txt") -> Path:
    file = root / "exportdata_train" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def test_screen_to_stimulus_and_frame_rule_by_hand(tmp_path: Path) -> None:
    rows = [
        (0, 720.0, 450.0, "Fixation"),  # on the boundary of frame 0: t = 0
        (1, 720.0, 450.0, "Fixation"),  # the middle of the screen is the middle of the video
        (33_333, 0.0, 45.0, "Fixation"),  # 30 t = 0.99999: still frame 0; top left of the video
        (33_334, 1440.0, 855.0, "Fixation"),  # frame 1; just outside at the lower right
        (40_000, 100.0, 100.0, "Saccade"),
        (66_667, 0.0, 0.0, "Fixation"),  # frame 2, a lost sample, above the letterbox
        (900_000_000, 720.0, 450.0, "Fixation"),  # long after the clip
    ]
    _write(tmp_path, smi_text(rows))
    report = Report()
    gaze = raw.gaze(tmp_path, replace(_row(tmp_path), n_frames=783), report)
    f = gaze.fixations
    assert list(f["frame"]) == [0, 0, 1, 2]
    np.testing.assert_allclose(f["x_px"], [320, 0, 640, 0])
    np.testing.assert_allclose(f["y_px"], [180, 0, 360, -20])
    assert list(f["flags"]) == [[], [], [], ["lost"]]
    assert gaze.samples is not None
    assert list(gaze.samples["label"]) == ["fixation", "saccade", "fixation"]
    assert {(a.kind, a.count) for a in report} == {("boundary", 1), ("after-end", 1), ("missing", 16)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header lacks"),
        (HEADER + "\n", "no sample"),
        (smi_text([(0, 1, 1, "Fixation")]) + "1\t2\n", "line 3: 2 columns"),
        (smi_text([(0, 1, 1, "Fixation")]).replace("1.00", "1,00"), "line 2: L POR X"),
        (smi_text([(0, 1, 1, "Fixation")]).replace("1.00", "nan", 1), "line 2: the position"),
        (smi_text([(0, 1, 1, "Fixation")]).replace("1.00", "1e30", 1), "line 2: the position"),
        (smi_text([(0, 1, 1, "Fixation"), (-9, 1, 1, "-")]), "line 3: the clock"),
        (smi_text([(0, 1, 1, "Nonsense")]), "line 2: unknown event 'Nonsense'"),
        (smi_text([(0, 1, 1, "-")]).replace("84042779051", "84042779051.5"), "line 2: Time"),
    ],
)
def test_a_broken_recording_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(BadData, match=f"P01_Trail002.txt.*{message}"):
        raw.parse(file)


def test_crlf_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = smi_text([(0, 720, 450, "Fixation"), (4000, 720, 450, "-")])
    file = _write(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    recording = raw.parse(file)
    assert list(recording.event) == ["Fixation", "-"]
    assert list(recording.t_us) == [0, 4000]


def test_one_bad_recording_is_an_anomaly_and_the_others_stay(tmp_path: Path) -> None:
    dhf1k_raw(tmp_path, observers=3)
    _write(tmp_path, HEADER + "\nbroken\n", "P02/P02_Trail002.txt")
    result = convert("dhf1k", tmp_path, tmp_path / "out", variant="raw", workers=1)
    assert any(a.kind == "unreadable" and "P02_Trail002.txt" in a.where for a in result.anomalies)
    (stimulus,) = load(tmp_path / "out")
    assert stimulus.row["n_observers"] == 2
    assert stimulus.gaze_points.observers == ("P01", "P03")


def test_frames_without_video_come_from_the_register(tmp_path: Path) -> None:
    convert("dhf1k", dhf1k_raw(tmp_path), tmp_path / "out", variant="raw", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert (stimulus.n_frames, stimulus.fps, stimulus.row["source_sha256"]) == (783, 30, None)
    assert stimulus.frames_path() is None
    with pytest.raises(MissingData, match="VIDSAL_FRAMES_DHF1K"):
        stimulus.frames()


def test_both_variants_present_must_be_told_apart(tmp_path: Path) -> None:
    dhf1k_raw(tmp_path)
    write_map(tmp_path / "annotation" / "0002" / "fixation" / "0001.png", [(1, 2)])
    with pytest.raises(WrongUse, match="released, raw"):
        convert("dhf1k", tmp_path, tmp_path / "out", workers=1)


def test_pooled_maps_by_hand(tmp_path: Path) -> None:
    folder = tmp_path / "annotation" / "0002" / "fixation"
    write_map(folder / "0001.png", [(3, 5), (0, 639)])
    write_map(folder / "0002.png", [])
    write_map(folder.parent / "0783.png", [(9, 9)])  # the stray picture beside the folders
    result = convert("dhf1k", tmp_path, tmp_path / "out", variant="released", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert result.release["release"] == "dhf1k"
    assert stimulus.points(0).tolist() == [[639.5, 0.5], [5.5, 3.5]]
    assert stimulus.annotated_indices().tolist() == [0, 1]
    assert stimulus.row["n_observers"] is None
    assert stimulus.gaze_points.observers == ()


def test_registered_videos_that_are_not_here_are_counted(tmp_path: Path) -> None:
    """The gaze of the 300 test videos was never public; nobody can have it."""
    for form in (raw, released):
        write_map(tmp_path / "annotation" / "0002" / "fixation" / "0001.png", [(1, 2)])
        dhf1k_raw(tmp_path)
        report = Report()
        assert [row.stimulus_id for row in form.stimuli(tmp_path, report)] == ["002"]
        (told,) = report
        assert (told.kind, told.where, told.count) == ("missing", ".", 699)
        assert told.message.startswith("699 of the 700 videos with public gaze have neither gaze nor frames here: 001")


@pytest.mark.parametrize("base", ["annotation/", ""])
def test_unregistered_maps_follow_in_natural_order(base: str, tmp_path: Path) -> None:
    for folder in ("10000", "1001", "0002", "99x", "003"):
        write_map(tmp_path / base / folder / "fixation" / "0001.png", [(1, 2)])
    write_map(tmp_path / base / "1001" / "fixation" / "0002.png", [(1, 2)])
    write_video(tmp_path / "video" / "1002.avi", noise_video(2), codec="mpeg4")
    result = convert("dhf1k", tmp_path, tmp_path / "out", variant="released", workers=1)
    ds = load(tmp_path / "out")
    assert ds.ids == ("002", "1001", "1002", "10000")
    assert [(s.n_frames, s.width, s.annotated, s.split) for s in ds] == [
        (783, 640, True, "train"),
        (2, 640, True, "all"),
        (2, 64, False, "all"),
        (1, 640, True, "all"),
    ]
    surplus = [(a.where, "left out" in a.message) for a in result.anomalies if a.kind == "surplus"]
    assert surplus == [(f"{base}003", True), (f"{base}99x", True), ("1001", False), ("1002", False), ("10000", False)]


def test_raw_gaze_of_an_unregistered_video_lasts_to_its_last_fixation(tmp_path: Path) -> None:
    dhf1k_raw(tmp_path, video="1001", frames=10)
    convert("dhf1k", tmp_path, tmp_path / "out", variant="raw", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert (stimulus.id, stimulus.n_frames, stimulus.fps) == ("1001", 10, 30)
    assert stimulus.gaze_points.frame.max() == 9


def test_crowded_frames_are_told(tmp_path: Path) -> None:
    write_map(
        tmp_path / "annotation" / "0002" / "fixation" / "0001.png", [(r, c) for r in range(14) for c in range(14)]
    )
    report = Report()
    released.gaze(tmp_path, _row(tmp_path, released), report)
    assert [(a.kind, a.count) for a in report if a.kind == "grid-artefact"] == [("grid-artefact", 1)]


def test_annotation_past_the_register_is_surplus_without_frames_too(tmp_path: Path) -> None:
    write_map(tmp_path / "annotation" / "0002" / "fixation" / "0800.png", [(3, 5)])
    result = convert("dhf1k", tmp_path, tmp_path / "out", variant="released", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert stimulus.n_frames == 783
    assert any("frame 799" in a.message and "783" in a.message for a in result.anomalies)
    assert [a.count for a in result.anomalies if a.kind == "surplus"] == [1]


def test_nothing_of_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="exportdata_train.*wenguanwang/DHF1K"):
        convert("dhf1k", tmp_path, tmp_path / "out", variant="raw")


@pytest.mark.data
def test_the_real_video_002(samples: Path, tmp_path: Path) -> None:
    result = convert("dhf1k", samples / "dhf1k", tmp_path / "out", variant="raw", workers=1)
    counts = result.release["counts"]
    assert (counts["points_in_bounds"], counts["out_of_bounds"], counts["observers"]) == (68_993, 938, 17)
    assert any(a.kind == "missing" and a.where == "068" for a in result.anomalies)
    stimulus = load(tmp_path / "out", "train")["002"]
    assert stimulus.n_frames == 783
    rows = [len(stimulus.points(f)) for f in range(783)]
    pixels = [len(np.unique(np.floor(stimulus.points(f)), axis=0)) for f in range(783)]
    assert (min(rows), np.median(rows), max(rows)) == (40, 88, 142)
    assert (min(pixels), np.median(pixels), max(pixels)) == (34, 67, 113)


@pytest.mark.data
def test_the_real_maps_of_601(samples: Path, tmp_path: Path) -> None:
    result = convert("dhf1k", samples / "dhf1k", tmp_path / "out", variant="released", workers=1)
    assert any("20 of 739 frames" in a.message for a in result.anomalies)
    stimulus = load(tmp_path / "out", "val")["601"]
    assert stimulus.row["annotated_frames"] == [0, 19]
    assert stimulus.row["source_sha256"] is None
    counts = [len(stimulus.points(f)) for f in range(20)]
    assert (min(counts), max(counts)) == (126, 302)


@pytest.mark.parametrize("folder", ["exportdata_train/", "", "gaze text/", "exportdata_train/exportdata_train/"])
def test_strays_and_missing_observers_are_told(folder: str, tmp_path: Path) -> None:
    dhf1k_raw(tmp_path / "made", observers=3)
    source = tmp_path / "src"
    (source / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "made" / "exportdata_train").rename(source / folder)
    own = source / folder / "P03" / "P03_Trail002.txt"
    strangers = ("P02/P03_Trail002.txt", "P02/P02_Trail0002.txt", "P04_Trail002.txt", "P01/P01_Trail000.txt")
    for name in strangers:
        (source / folder / name).write_bytes(own.read_bytes())
    (source / "notes.txt").write_text("not a recording, and not named like one")
    result = convert("dhf1k", source, tmp_path / "out", variant="raw", workers=1)
    strays = {a.where for a in result.anomalies if a.kind == "surplus"}
    assert strays == {f"{folder}{name}" for name in strangers}
    absent = ", ".join(f"P{number:02d}" for number in range(4, 18))
    told = next(a for a in result.anomalies if a.kind == "missing" and a.where == "002")
    assert (told.message, told.count) == (f"no usable recording of 14 of 17 observers: {absent}", 14)
    (stimulus,) = load(tmp_path / "out")
    counts = np.bincount(stimulus.gaze_points.observer, minlength=3)
    assert stimulus.gaze_points.observers == ("P01", "P02", "P03")
    assert counts.max() < 1.3 * counts.min()


@pytest.mark.data
def test_a_real_recording_that_is_cut_is_told(tmp_path: Path, samples: Path) -> None:
    real = samples / "dhf1k" / "exportdata_train" / "P01" / "P01_Trail002.txt"
    lines = real.read_text().splitlines(keepends=True)
    register = {"n_frames": 783}
    for name, kept, expected in (
        ("whole", lines, []),
        ("cut", lines[:2000], ["the recording ends at 8.00 s, the clip at 26.10 s"]),
        ("hole", [*lines[:3000], *lines[4000:]], ["no sample from 12.00 to 16.01 s"]),
    ):
        file = tmp_path / name / "exportdata_train" / "P01" / real.name
        file.parent.mkdir(parents=True)
        file.write_text("".join(kept))
        report = Report()
        raw.gaze(tmp_path / name, replace(_row(tmp_path / name), **register), report)
        assert [a.message for a in report if a.kind == "incomplete"] == expected, name
