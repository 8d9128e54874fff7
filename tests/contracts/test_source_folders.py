"""What is told of a wrong folder, and what systems leave in folders, for every form of every data set."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vidsal.cli.app import app
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.errors import MissingData
from vidsal.loaders.registry import DATASETS, form, variants

from ..loaders.every_tree import TREES

EVERY = [(name, variant) for name in DATASETS for variant in variants(name)]
IDS = [f"{name}-{variant}" if variant else name for name, variant in EVERY]
APPLE = bytes.fromhex("00051607000200004d6163204f532058") + bytes(100)


def build(root: Path, one: tuple[str, str | None]) -> Path:
    (TREES.get(one) or own_tree(*one))(root)
    return root


def own_tree(name: str, variant: str | None) -> Callable[[Path], object]:
    """The builder that the data set's own test has."""
    test = import_module(f"..loaders.datasets.test_{name.replace('-', '_')}", __package__)
    tree: Callable[[Path], object] = test.TREES[variant]
    return tree


def told(source: Path, out: Path, one: tuple[str, str | None]) -> dict[str, Any]:
    return convert(one[0], source, out, variant=one[1], workers=1).release


def test_every_form_has_a_small_tree() -> None:
    assert set(TREES) <= set(EVERY)
    assert all(one in TREES or own_tree(*one) for one in EVERY)


@pytest.mark.parametrize("one", EVERY, ids=IDS)
def test_what_systems_leave_behind_changes_nothing(one: tuple[str, str | None], tmp_path: Path) -> None:
    source = build(tmp_path / "clean", one)
    clean = told(source, tmp_path / "a", one)
    assert clean["counts"]["annotated"] >= 1
    littered = shutil.copytree(source, tmp_path / "littered")
    shutil.copytree(source, littered / "__MACOSX")
    for folder in [littered, *(p for p in littered.rglob("*") if p.is_dir())]:
        litter(folder)
    told_again = told(littered, tmp_path / "b", one)
    for name in clean["files"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert told_again == clean


def litter(folder: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file()]
    (folder / "@eaDir").mkdir()
    for path in files:
        (folder / f"._{path.name}").write_bytes(APPLE)
        (folder / "@eaDir" / path.name).write_bytes(APPLE)
    for name in (".DS_Store", "._x", "Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(APPLE)


@pytest.mark.parametrize("one", EVERY, ids=IDS)
def test_a_folder_too_deep_or_too_high_is_told_or_read(one: tuple[str, str | None], tmp_path: Path) -> None:
    disk = tmp_path / "a" / "b" / "disk"  # two folders above it are looked into, and they are ours, too
    source = build(disk / "here" / "data", one)
    whole = told(source, tmp_path / "whole", one)["counts"]
    layout = {word for line in form(*one).INFO.layout for word in re.split(r"[\s/{},()]+", line) if len(word) > 3}
    deeper = [path for path in sorted(source.rglob("*")) if path.is_dir()]
    for number, wrong in enumerate([*deeper, source.parent, source.parent.parent]):
        out = tmp_path / f"out{number}"
        try:
            counts = told(wrong, out, one)["counts"]
        except MissingData as error:
            message = str(error)
            assert not (out / "release.json").exists()
            assert str(wrong) in message
            assert any(word in message for word in layout)
            near = wrong in (source.parent, source.parent.parent) or len(wrong.relative_to(source).parts) <= 2
            if near:
                way = "high" if source.is_relative_to(wrong) else "deep"
                assert f"The folder is too {way}: " in message, wrong
                assert re.search(rf" lies in {re.escape(str(disk))}\S*; name that one with --src", message)
        else:
            withheld = bool(form(*one).INFO.withheld)  # frames alone are a release
            assert counts["annotated"] >= 1 or withheld, wrong
            assert wrong.is_relative_to(source) or counts["fixations"] == whole["fixations"]


def test_the_command_ends_with_3_for_the_videos_alone(tmp_path: Path) -> None:
    from ..loaders.trees import dhf1k_raw

    source = dhf1k_raw(tmp_path / "DHF1K", with_video=True)
    for variant in ([], ["--variant", "raw"], ["--variant", "released"]):
        arguments = ["data", "convert", "dhf1k", *variant, "--src", str(source / "video"), "-o", str(tmp_path / "out")]
        done = CliRunner().invoke(app, arguments)
        assert isinstance(done.exception, MissingData) or done.exit_code == 3
        assert not (tmp_path / "out" / "release.json").exists()


def test_frames_of_a_withheld_split_are_a_release(tmp_path: Path) -> None:
    from ..loaders.trees import noise_video, write_video

    write_video(tmp_path / "DHF1K" / "video" / "701.avi", noise_video(3, 36, 64))
    release = told(tmp_path / "DHF1K", tmp_path / "out", ("dhf1k", "released"))
    assert (release["counts"]["annotated"], release["counts"]["with_frames"]) == (0, 1)
