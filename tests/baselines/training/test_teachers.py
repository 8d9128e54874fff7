"""Teachers of a distillation: which maps belong to which frames, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vidsal
from vidsal.baselines import load_model
from vidsal.baselines.preprocess import IMAGENET_MEAN, IMAGENET_STD
from vidsal.baselines.training.feeds.base import Request
from vidsal.baselines.training.feeds.tinyhd import make_feed
from vidsal.baselines.training.record import input_digest
from vidsal.baselines.training.teachers import find_teacher
from vidsal.benchmark.predictor import StimulusInfo
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.formats.frames import VIDEO_SUFFIXES
from vidsal.loaders.records import Frame
from vidsal.training import load_recipe

SIZE = (32, 64)
NO_SOURCE: Any = None


@pytest.mark.parametrize(("frames", "taught"), [(16, range(15, 16)), (32, range(15, 31))])
def test_a_predictor_teaches_the_frames_of_each_window(frames: int, taught: range) -> None:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (2, frames, *SIZE, 3), np.uint8)
    clip = (torch.from_numpy(rgb).float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    teacher = find_teacher("motion_energy", NO_SOURCE, SIZE, 0)
    found = teacher.watch({"clip": clip.permute(0, 4, 1, 2, 3)}, torch.device("cpu"))
    assert "teacher_side" not in found
    for number in range(2):
        shown = (Frame(i, 0.0, picture) for i, picture in enumerate(rgb[number]))
        info = StimulusInfo("clip", SIZE[1], SIZE[0], None, "video", frames)
        whole = [p.values for p in load_model("motion_energy").predict(shown, info)]
        wanted = np.stack([whole[i] for i in taught]).astype(np.float32)
        np.testing.assert_array_equal(found["teacher_out"][number].numpy(), wanted)


def test_what_is_no_teacher(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"teacher=shuffled_prior: it must be fitted to gaze first"):
        find_teacher("shuffled_prior", NO_SOURCE, SIZE, 0)
    with pytest.raises(MissingData, match=r"nowhere: no such folder or file; store a teacher's maps with"):
        find_teacher(str(tmp_path / "nowhere"), NO_SOURCE, SIZE, 0)


def test_a_training_follows_from_the_maps_of_its_teacher(tmp_path: Path) -> None:
    """Other maps in the same folder, or another video, are another training; nothing is gone on from."""
    generate(tmp_path / "source", videos=3, frames=17, width=64, height=48, observers=3, val=1)
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    extra = tmp_path / "extra"
    shutil.copytree(tmp_path / "source", extra, ignore=shutil.ignore_patterns("*.csv", "*.json", "*.parquet"))

    def inputs() -> dict[str, str]:
        options = {"variant": "s", "teacher": str(tmp_path / "maps"), "extra": str(extra)}
        recipe = load_recipe("tinyhd-distil-1", smoke=True, **options)
        found = dict(make_feed(Request(recipe, (tmp_path / "release",))).inputs)
        assert set(found) == {"teacher", "extra"}
        return found

    def predict(model: str) -> None:
        shutil.rmtree(tmp_path / "maps", ignore_errors=True)
        vidsal.predict(load_model(model), vidsal.load(tmp_path / "release"), tmp_path / "maps")

    predict("center_prior")
    first = inputs()
    assert inputs() == first
    predict("motion_energy")
    second = inputs()
    assert second["teacher"] != first["teacher"]
    assert input_digest({"inputs": second}) != input_digest({"inputs": first})
    video = next(path for path in extra.rglob("*") if path.suffix in VIDEO_SUFFIXES)
    video.rename(video.with_stem("renamed"))
    assert inputs() == {**second, "extra": inputs()["extra"]}
    assert inputs()["extra"] != first["extra"]
