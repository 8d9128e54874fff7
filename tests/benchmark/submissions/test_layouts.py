"""Folders as people have them: found, told by a pattern, or named as wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.evaluation.coverage import cover
from vidsal.benchmark.evaluation.withheld import withheld
from vidsal.benchmark.submissions.faults import Fault, findings, report
from vidsal.benchmark.submissions.pattern import compiled
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, Levels, gaze_only, levels, write_classic


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(gaze_only(tmp_path_factory.mktemp("layouts")))


@pytest.fixture(scope="module")
def expected(ds: Release) -> str:
    return str(vidsal.evaluate(Levels(), ds).record["rows_digest"])


@pytest.fixture
def classic(tmp_path: Path, ds: Release) -> Path:
    return write_classic(tmp_path / "m", ds)


def scored(folder: Path, ds: Release, **options: Any) -> tuple[str, list[str]]:
    notes: list[str] = []
    run = score(folder, ds, kind="saliency", note=notes.append, **options)
    return str(run.record["rows_digest"]), notes


@pytest.mark.usefixtures("warm_children")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "pattern",
    [
        "{stimulus}/maps/{frame}.png",
        "{stimulus}_{frame}.png",
        "{frame}/{stimulus}.png",
        "run*/{stimulus}/f{frame}.png",
    ],
)
def test_patterns(tmp_path: Path, ds: Release, expected: str, pattern: str, workers: int) -> None:
    root = tmp_path / "m"
    for stimulus in ds:
        for frame in range(stimulus.n_frames):
            name = pattern.replace("*", "7").format(stimulus=stimulus.id, frame=f"{frame + 1:04d}")
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(levels(stimulus.id, frame)).save(root / name)
    (root / "notes.txt").write_text("beside")
    (root / "__MACOSX").mkdir()
    if workers == 1 or pattern[0] == "{":
        assert scored(root, ds, pattern=pattern, workers=workers) == (expected, [])


def test_files_in_one_folder_are_one_line_that_names_the_option(tmp_path: Path, ds: Release) -> None:
    for stimulus in ds:
        for frame in range(stimulus.n_frames):
            Image.fromarray(levels(stimulus.id, frame)).save(tmp_path / f"{stimulus.id}_{frame + 1:04d}.png")
    with pytest.raises(BadData) as caught:
        score(tmp_path, ds, kind="saliency")
    (line,) = [line for line in str(caught.value).splitlines() if ".png" in line]
    n = sum(stimulus.n_frames for stimulus in ds)
    assert f"({n}): the release has no stimulus of this name" in line
    assert line.endswith("--pattern '{stimulus}_{frame}.png'")


def test_faults_that_only_their_numbers_part_are_one_line() -> None:
    faults = [
        Fault(place, f"{n} of 9 frames have no prediction", rule="frame-missing") for n, place in enumerate("abcd")
    ]
    other = Fault("e", "1 predictions beyond the last of 9 frames", rule="frame-surplus")
    assert [finding.line for finding in findings([*faults, other])] == [
        "a, b, c and 1 more (4), the first: 0 of 9 frames have no prediction",
        "e: 1 predictions beyond the last of 9 frames",
    ]


def test_a_pattern_of_whole_stimuli(tmp_path: Path, ds: Release, expected: str) -> None:
    for stimulus in ds:
        (tmp_path / "m" / stimulus.id).mkdir(parents=True)
        maps = np.stack([levels(stimulus.id, f) for f in range(FRAMES)])
        np.save(tmp_path / "m" / stimulus.id / "all.npy", maps)
    assert scored(tmp_path / "m", ds, pattern="{stimulus}/all.npy") == (expected, [])


def test_patterns_that_are_none(classic: Path, ds: Release) -> None:
    for pattern in ("{frame}.png", "{stimulus}/{stimulus}.png", "{stimulus}/{frame}_{frame}.png", "{video}.png"):
        with pytest.raises(WrongUse, match="write {stimulus} once"):
            compiled(pattern)
    with pytest.raises(BadData, match=r"no file fits --pattern .*; there are scene_001/0001\.png"):
        score(classic, ds, kind="saliency", pattern="{stimulus}_{frame}.png")
    assert compiled("a+/{stimulus}.png").fullmatch("a+/x.png")
    assert not compiled("{stimulus}/{frame}.png").fullmatch("a/b/1.png")


@pytest.mark.usefixtures("warm_children")
def test_dhf1ks_own_tree(tmp_path: Path, classic: Path, ds: Release, expected: str) -> None:
    for stimulus in ds:
        folder = tmp_path / "tree" / "annotation" / stimulus.id
        shutil.copytree(classic / stimulus.id, folder / "maps")
        (folder / "fixation").mkdir()
        Image.fromarray(levels("other", 0)).save(folder / "fixation" / "0001.png")
    digest, notes = scored(tmp_path / "tree", ds)
    assert digest == expected
    assert notes[0] == f"the predictions are taken from {tmp_path / 'tree' / 'annotation'}"
    assert "the maps are taken from the folder maps/" in notes[1]
    assert scored(tmp_path / "tree", ds, workers=2)[0] == expected


def test_what_is_said_of_an_archive_names_it_and_its_member(tmp_path: Path, classic: Path, ds: Release) -> None:
    outer = tmp_path / "outer" / "a"
    outer.mkdir(parents=True)
    shutil.move(classic, outer / "m")
    packed = Path(shutil.make_archive(str(tmp_path / "net"), "zip", tmp_path / "outer"))
    assert scored(packed, ds)[1] == [f"the predictions are taken from {packed}: a/m"]
    shutil.copytree(outer / "m", outer / "m2")
    packed = Path(shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "outer"))
    with pytest.raises(BadData, match=rf"^{packed}: several folders hold predictions: {packed}: a/m, {packed}: a/m2;"):
        score(packed, ds, kind="saliency")


def test_too_high_and_too_low(tmp_path: Path, classic: Path, ds: Release, expected: str) -> None:
    outer = tmp_path / "zip" / "out"
    outer.mkdir(parents=True)
    shutil.move(classic, outer / "m")
    assert scored(tmp_path / "zip", ds) == (expected, [f"the predictions are taken from {outer / 'm'}"])
    with pytest.raises(BadData, match=f"the folder of one stimulus; name the folder above it, {outer / 'm'}"):
        score(outer / "m" / ds.ids[0], ds, kind="saliency")
    shutil.copytree(outer / "m", outer / "m2")
    with pytest.raises(BadData, match="several folders hold predictions: .*m, .*m2; name one"):
        score(tmp_path / "zip", ds, kind="saliency")


@pytest.mark.parametrize(
    ("lost", "rules"),
    [
        ((1, 2), "at the beginning, say what that means: --missing first-available, center-bias or exclude"),
        ((6, 7), "at the end, say what that means: --missing center-bias or exclude"),
        ((3,), None),
    ],
)
def test_the_remedy_of_a_gap_is_named(classic: Path, ds: Release, lost: tuple[int, ...], rules: str | None) -> None:
    for stimulus in ds:
        for number in lost:
            (classic / stimulus.id / f"{number:04d}.png").unlink()
    with pytest.raises(BadData) as caught:
        score(classic, ds, kind="saliency")
    assert ("--missing" in str(caught.value)) is (rules is not None)
    assert rules is None or rules in str(caught.value)
    assert "(3): " in str(caught.value)  # the same fault of three stimuli
    assert score(classic, ds, kind="saliency", missing="exclude").record["counts"]["no_prediction"] == 3 * len(lost)


def test_equal_faults_are_one_line_with_a_count() -> None:
    faults = [Fault.of("601", f"{n:04d}.gif is no numbered map") for n in range(1, 25)]
    faults += [Fault.of("601", "a fault"), Fault("602", "no predictions"), Fault("603", "no predictions")]
    assert report(Path("m"), faults).splitlines() == [
        "m: 27 faults; nothing of it was used",
        "  601/0001.gif, 601/0002.gif, 601/0003.gif and 21 more (24): is no numbered map",
        "  601: a fault",
        "  602, 603 (2): no predictions",
    ]
    assert report(Path("m"), faults[:1]).splitlines()[1] == "  601: 0001.gif is no numbered map"


def test_a_withheld_split_is_called_so(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, split in (("dhf1k", "test"), ("salicon", "test"), ("mit300", None)):
        assert "withheld by the authors: maps are sent to https://" in withheld(name, split)
    assert withheld("dhf1k", None) == withheld("synthetic", "test") == ""
    monkeypatch.setitem(ds.record, "dataset", "mit300")
    for stimulus in ds:
        monkeypatch.setitem(stimulus.row, "annotated", False)  # noqa: FBT003
    with pytest.raises(MissingData, match=r"withheld by the authors: maps are sent to https://saliency\.tuebingen\.ai"):
        cover(ds, needs_frames=False)
