"""Splits, folds, clips, epochs and rates against the facts of the published codes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vidsal.baselines.training.optimization import rate_factor
from vidsal.baselines.training.published import (
    MIT1003_IMAGES,
    alternate,
    folds,
    nearest_cells,
    shuffled,
    unisal_validation_numbers,
    unisal_validation_starts,
)
from vidsal.loaders.clips.plan import batches, consecutive_starts, legal_starts, spread_starts
from vidsal.loaders.registry import register
from vidsal.training import load_recipe

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def facts(goldens: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((goldens / "training" / "facts.json").read_text())
    return found


def _digest(numbers: list[int]) -> str:
    return hashlib.sha256(",".join(map(str, numbers)).encode()).hexdigest()


@pytest.mark.parametrize(("recipe", "key"), [("unisal-joint-1", "lr_joint"), ("unisal-mit1003-1", "lr_mit1003")])
def test_rates_by_epoch(recipe: str, key: str, facts: dict[str, Any]) -> None:
    settings = load_recipe(recipe).settings
    wanted = facts["unisal"][key]
    assert settings["schedule"]["epochs"] == wanted["epochs"]
    for epoch, rates in enumerate(wanted["lr"]):
        factor = rate_factor(epoch, settings["schedule"])
        assert [group["lr"] * factor for group in settings["optimizer"]["groups"]] == pytest.approx(rates, rel=1e-12)


def test_rates_of_distillation(facts: dict[str, Any]) -> None:
    settings = load_recipe("tinyhd-distil-1").settings
    order = (1, 0, 3, 2)  # weight before bias, there
    for segment in facts["tinyhd"]["lr"]["segments"]:
        for epoch in (segment["from_epoch"], segment["to_epoch"]):
            factor = rate_factor(epoch, settings["schedule"])
            found = [settings["optimizer"]["groups"][i]["lr"] * factor for i in order]
            assert found == pytest.approx(segment["lr"], rel=1e-9)
    ends = [milestone - 1 for milestone in settings["schedule"]["milestones"]]
    assert ends == facts["tinyhd"]["lr"]["best_weights_reloaded_at_end_of_epochs"]


def test_epochs_are_composed_as_published(facts: dict[str, Any]) -> None:
    for case in facts["unisal"]["epoch_composition"]:
        order = alternate(case["counts"])
        assert order == case["unshuffled"]
        assert shuffled(order, case["python_random_seed"]) == case["shuffled"]


def test_clips_of_dhf1k(facts: dict[str, Any]) -> None:
    for case in facts["unisal"]["clips_dhf1k"]:
        free = legal_starts(case["n_frames"], case["span"], last=False)
        assert bool(free) == bool(case["train_clips_of_600_videos"])
        if free:
            assert (case["train_first_frame_min"], case["train_first_frame_max"]) == (1, free)
        starts = [max(1, start) for start in case["valid_clip_starts"]]  # frame 0 is not there
        assert [s + 1 for s in unisal_validation_starts(case["n_frames"], case["span"], 2)] == starts


def test_clips_of_hollywood_and_ucf(facts: dict[str, Any]) -> None:
    for case in facts["unisal"]["clips_hollywood_ucf"]:
        found = [start + 1 for start in unisal_validation_starts(case["n_frames"], 48, 1)]
        assert found == case["valid_clip_starts"]


def test_splits(facts: dict[str, Any]) -> None:
    wanted = facts["unisal"]["splits"]
    hollywood = unisal_validation_numbers(700, 75, 42)
    assert hollywood[:5] == wanted["hollywood_valid_first5"]
    assert _digest(hollywood) == wanted["hollywood_valid_clip_numbers_sha256"]
    ucf = unisal_validation_numbers(103, 10, 27)
    assert sorted(ucf) == wanted["ucf_valid"]
    assert _digest(ucf) == wanted["ucf_valid_in_order_sha256"]


def test_folds_of_mit1003(facts: dict[str, Any]) -> None:
    rows = register("mit1003")
    cells = [tuple(c) for c in load_recipe("unisal-mit1003-1").settings["data"]["domains"]["SALICON"]["cells"]]
    size = [nearest_cells(int(r["height"]), int(r["width"]), cells) for r in rows]  # type: ignore[arg-type]
    for case in facts["unisal"]["mit1003_folds"]:
        train, valid = folds(MIT1003_IMAGES, case["fold"])
        assert (_digest(train), _digest(valid)) == (case["train_sha256"], case["valid_sha256"])
        assert valid[:5] == case["valid_first5"]
        found = batches([size[i] for i in train], 32, drop_last=True)
        per_size = Counter("x".join(map(str, size[train[one[0]]])) for one in found)
        assert per_size == case["train_batches_by_network_size"]
        assert len(batches([size[i] for i in valid], 8, drop_last=True)) == case["valid_batches"]
    assert _digest(folds(MIT1003_IMAGES, None)[0]) == facts["unisal"]["mit1003_all"]["sha256"]


def test_sizes_of_mit1003(facts: dict[str, Any]) -> None:
    data = load_recipe("unisal-mit1003-1").settings["data"]["domains"]["SALICON"]
    for case in facts["unisal"]["mit1003_sizes"]:
        size = nearest_cells(*case["image"], [tuple(c) for c in data["cells"]])
        assert list(size) == case["network_train"]
        assert [data["loss_scale"] * side for side in size] == case["loss_at"]


def test_clips_of_salema(facts: dict[str, Any]) -> None:
    recipe = load_recipe("salema-dhf1k-1")
    length, norm = recipe.settings["data"]["frames"], recipe.settings["clip"]["max_norm"]
    for case in facts["salema"]["clips"]:
        starts = consecutive_starts(case["n_frames"], length)
        lengths = [min(length, case["n_frames"] - start) for start in starts]
        assert (lengths, [norm * n for n in lengths]) == (case["clip_lengths"], case["max_norm"])


def test_validation_clips_of_tinyhd(facts: dict[str, Any]) -> None:
    wanted = facts["tinyhd"]
    for n, key in ((5, "uniform_5_validation"), (20, "uniform_20_validation")):
        found, first = [], 0
        for clips in wanted["labelled_clips_per_video"]:
            found += [first + start for start in spread_starts(clips, 1, n)]
            first += clips
        assert sorted(found) == wanted[key]["indices_sorted"]


def test_few_clips_of_a_short_video(facts: dict[str, Any]) -> None:
    wanted = facts["tinyhd"]
    for n, key in ((2, "random_2_no_kinetics_dhf1k"), (11, "random_11_no_kinetics_ucf")):
        found = [min(n, clips) for clips in wanted["labelled_clips_per_video"]]
        assert found == wanted[key]["clips_per_labelled_video"]


def test_constants_of_the_gaze_predictor(facts: dict[str, Any]) -> None:
    settings = load_recipe("fpn-rim-gaze-1").settings
    assert settings["schedule"]["epochs"] == facts["fpn_rim"]["max_epochs"]
    assert settings["clip"]["max_norm"] == facts["fpn_rim"]["clip_norm"]
