"""Clips for training: drawn from one seed, the same for any number of readers, every array in step with the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vidsal.loaders.clips import Clip, ClipSampler, batches
from vidsal.loaders.clips.geometry import Placement, counts, density, fixated, image, place
from vidsal.loaders.clips.plan import draw_starts
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import MissingData, UnknownName, WrongUse
from vidsal.loaders.export.gazelabels import labels
from vidsal.loaders.release.release import Release, load


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("clips")
    generate(folder / "source", videos=3, frames=14, width=64, height=48, observers=2, val=1)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return load(folder / "release")


def test_an_epoch_is_decided_by_seed_and_number(release: Release) -> None:
    def plan(seed: int, epoch: int) -> list[Clip]:
        return ClipSampler(release, frames=3, step=2, per_stimulus=2, flip=0.5, seed=seed).plan(epoch)

    assert plan(1, 0) == plan(1, 0)
    assert plan(1, 0) != plan(1, 1)
    assert plan(1, 0) != plan(2, 0)
    for clip in plan(1, 0):
        first = clip.frames[0]
        assert clip.frames == (first, first + 2, first + 4)
        assert 0 <= first <= 14 - 6


def test_what_comes_out_does_not_depend_on_the_readers(release: Release) -> None:
    sampler = ClipSampler(release, frames=2, step=3, size=(16, 24), per_stimulus=2, flip=0.5, seed=3)
    alone, many = ([dict(b) for b in sampler.loader(1, 2, workers=n)] for n in (0, 2))
    assert len(alone) == len(many) == 3
    for a, b in zip(alone, many, strict=True):
        assert a["stimulus_id"] == b["stimulus_id"]
        for key in ("rgb", "density", "fixated", "frames", "valid"):
            assert torch.equal(a[key], b[key]), key
    assert alone[0]["rgb"].shape == (2, 2, 16, 24, 3)


def test_a_clip_is_its_frames_and_their_truth(release: Release) -> None:
    sampler = ClipSampler(release, frames=2, step=4, targets=("density", "fixated", "counts"))
    stimulus = next(iter(release))
    item = sampler.read(Clip(stimulus.id, (3, 7)))
    frames = {frame.index: frame.rgb for frame in stimulus.frames()}
    np.testing.assert_array_equal(item["rgb"], np.stack([frames[3], frames[7]]))
    for i, number in enumerate((3, 7)):
        np.testing.assert_allclose(item["density"][i], stimulus.density(number), atol=1e-8)
        x, y = np.floor(stimulus.points(number)).astype(int).T
        assert set(zip(y.tolist(), x.tolist(), strict=True)) == set(
            map(tuple, np.argwhere(item["fixated"][i]).tolist())
        )
        assert item["counts"][i].sum() == len(x)


def test_everything_is_mirrored_together(release: Release) -> None:
    sampler = ClipSampler(release, frames=2, targets=("density", "fixated", "labels"))
    name = release.ids[0]
    observer = sampler.observers_of(name)[0]
    plain, mirrored = (sampler.read(Clip(name, (4, 5), observer, flip)) for flip in (False, True))
    np.testing.assert_array_equal(mirrored["rgb"], plain["rgb"][:, :, ::-1])
    np.testing.assert_array_equal(mirrored["density"], plain["density"][..., ::-1])
    np.testing.assert_array_equal(mirrored["fixated"], plain["fixated"][..., ::-1])
    np.testing.assert_allclose(mirrored["xy"], [64, 0] + plain["xy"] * [-1, 1])


def test_gaze_of_single_observers(release: Release) -> None:
    sampler = ClipSampler(release, frames=5, targets=("labels",), seed=1)
    clips = sampler.plan(0)
    assert len(clips) == 3 * 2
    stimulus = release[clips[0].stimulus]
    wanted = dict(labels(stimulus, release.table("fixations", stimulus.id), []))
    item = sampler.read(clips[0])
    assert item["xy"].shape == (5, 2)
    assert set(item["phase"].tolist()) <= {0, 1, 2, 3}
    assert clips[0].observer in wanted
    assert len(ClipSampler(release, frames=5, targets=("labels",), observers=1).plan(0)) == 3


def test_the_cache_gives_the_same_frames(release: Release, tmp_path: Path) -> None:
    plain, cached = (ClipSampler(release, frames=3, size=(20, 30), cache=c) for c in (None, tmp_path / "cache"))
    clip = plain.plan(0)[0]
    for _ in range(2):
        np.testing.assert_array_equal(cached.read(clip)["rgb"], plain.read(clip)["rgb"])
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_targets_of_the_last_frames_alone(release: Release) -> None:
    every, some = (ClipSampler(release, frames=5, flip=0.5, last_targets=n) for n in (None, 2))
    for clip in every.plan(0):
        whole, part = every.read(clip), some.read(clip)
        np.testing.assert_array_equal(part["rgb"], whole["rgb"])
        for name in ("density", "fixated"):
            np.testing.assert_array_equal(part[name], whole[name][-2:])
    with pytest.raises(WrongUse, match="last_targets=0: at least 1"):
        ClipSampler(release, frames=5, last_targets=0)


def test_short_stimuli_are_left_out_or_filled_up(release: Release) -> None:
    with pytest.raises(MissingData, match=r"20 frames with step 1.*with 14. Use shorter clips"):
        ClipSampler(release, frames=20)
    sampler = ClipSampler(release, frames=20, short="repeat")
    clip = sampler.plan(0)[0]
    assert clip.frames[-7:] == (13,) * 7
    assert sampler.read(clip)["valid"].tolist() == [True] * 14 + [False] * 6


def test_consecutive_clips_show_every_frame_once(release: Release) -> None:
    clips = ClipSampler(release, frames=5, start="consecutive").plan(0)
    assert [clip.frames for clip in clips[:3]] == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (10, 11, 12, 13)]


def test_batches_have_one_size() -> None:
    sizes = ["wide", "high"] * 5
    found = batches(sizes, 3, random=np.random.default_rng(0))
    assert sorted(i for one in found for i in one) == list(range(10))
    assert all(len({sizes[i] for i in one}) == 1 for one in found)
    assert [len(one) for one in batches(sizes, 3, drop_last=True)] == [3, 3]


def test_starts_are_drawn_once_each() -> None:
    found = draw_starts(12, 10, 5, np.random.default_rng(0))
    assert sorted(found) == [0, 1, 2]
    assert draw_starts(12, 10, 5, np.random.default_rng(0), last=False) in ([0, 1], [1, 0])
    assert draw_starts(9, 10, 5, np.random.default_rng(0)) == []


def test_scaled_and_cropped() -> None:
    at = place((100, 400), (50, 100), "cover")
    assert at == Placement((50, 200), 0, 50, (50, 100))
    points = np.array([[199.0, 50.0], [20.0, 50.0], [201.0, 50.0]], np.float32)
    found = counts(points, (100, 400), at)
    assert found.sum() == 2  # the second one is cut off
    assert found[25, 49] == found[25, 50] == 1
    assert not fixated(points[1:2], (100, 400), at).any()
    values = np.zeros((100, 400), np.float32)
    values[50, 200] = 1
    assert density(values, at).sum() == pytest.approx(1)
    assert place((100, 101), (50, 50), "cover").scaled == (50, 50)
    assert place((100, 400), (50, 100), "height") == at


def test_nearest_keeps_what_it_hits() -> None:
    at = place((4, 8), (2, 4), "squeeze")
    every = np.stack(np.meshgrid(np.arange(8), np.arange(4)), -1).reshape(-1, 2).astype(np.float32)
    assert fixated(every, (4, 8), at).all()
    assert fixated(every[[9]], (4, 8), at).sum() + fixated(every[[0]], (4, 8), at).sum() == 1


def test_what_is_narrower_than_its_height_asks_for_has_black_beside_it() -> None:
    at = place((20, 30), (10, 21), "height")
    assert (at.scaled, at.left) == ((10, 15), -3)
    picture = image(np.full((20, 30, 3), 9, np.uint8), at)
    assert picture.shape == (10, 21, 3)
    assert (picture[:, 3:18] == 9).all()
    assert not picture[:, :3].any()
    assert not picture[:, 18:].any()
    points = np.array([[0.5, 0.5], [29.5, 19.5]], np.float32)
    assert np.argwhere(counts(points, (20, 30), at)).tolist() == [[0, 3], [9, 17]]
    even = density(np.full((20, 30), 1 / 600, np.float32), at)
    assert even.sum() == pytest.approx(1)
    assert not even[:, :3].any()
    assert fixated(np.array([[10.5, 10.5]], np.float32), (20, 30), at).shape == (10, 21)


def test_wrong_words_are_named(release: Release) -> None:
    with pytest.raises(UnknownName, match="did you mean 'density'"):
        ClipSampler(release, frames=2, targets=("densty",))
    with pytest.raises(WrongUse, match="squeeze, cover"):
        place((2, 2), (1, 1), "stretch")  # type: ignore[arg-type]
    with pytest.raises(WrongUse, match="frames=0"):
        ClipSampler(release, frames=0)


def test_importing_clips_imports_no_torch() -> None:
    code = "import sys, vidsal.loaders.clips; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
