"""The trainer: a run that is cut off ends as an undisturbed one, and what it leaves says what it was made of."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import vidsal
from vidsal.baselines import build_module, load_model
from vidsal.baselines.training.curves import draw_curves
from vidsal.baselines.training.division import Division, divide, refuse_overlap
from vidsal.baselines.training.processes import Objective, careful
from vidsal.baselines.training.recipe import FOLDER
from vidsal.baselines.training.start import STARTS
from vidsal.baselines.training.state import read_state, save_torch
from vidsal.baselines.training.validation import Best
from vidsal.loaders.clips import ClipSampler
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, MachineFault, MissingData, NonFinite, UnknownName, WrongUse
from vidsal.loaders.release.release import load
from vidsal.training import load_recipe, names, read_recipe

GAZE = "fpn-rim-gaze-1"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    generate(folder / "source", videos=3, frames=24, width=64, height=48, observers=3, val=1)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return folder / "release"


def _small(**options: Any) -> Any:
    recipe = load_recipe(GAZE, smoke=True, batch=2, input_dims=(32, 32), **options)
    settings = {**recipe.settings, "schedule": {**recipe.settings["schedule"], "epochs": 2}}
    settings["module"] = {**settings["module"], "rim_hidden_size": 8}
    settings["data"] = {**settings["data"], "frames": 6}
    return recipe.__class__(
        recipe.name, recipe.model, recipe.summary, recipe.origin, recipe.departs, settings, recipe.declared
    )


@pytest.fixture(scope="module")
def undisturbed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "a"
    vidsal.train(_small(), release, out, seed=3, threads=1)
    return out


def _bytes(run: Path) -> dict[str, str]:
    files = ("weights.pt", "best.pt", "history.jsonl", "epochs.jsonl")
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in files}


@pytest.mark.parametrize("name", names())
def test_a_smoke_recipe_is_its_own(name: str) -> None:
    full, small = load_recipe(name), load_recipe(name, smoke=True)
    assert small.name == f"{name}-smoke"
    assert small.digest != full.digest
    assert load_recipe(f"{name}-smoke").digest == small.digest
    assert full.departs


def test_one_seed_gives_one_result_whoever_reads(release: Path, undisturbed: Path, tmp_path: Path) -> None:
    vidsal.train(_small(), release, tmp_path / "b", seed=3, threads=1, workers=2)
    assert _bytes(tmp_path / "b") == _bytes(undisturbed)


@pytest.mark.parametrize("step", [2, 5])
def test_a_run_that_was_stopped_goes_on_bit_by_bit(step: int, release: Path, undisturbed: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, name: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    out = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        vidsal.train(_small(), release, out, seed=3, threads=1, progress=stop)
    lines = (out / "history.jsonl").read_text().splitlines()
    assert len(lines) == step
    vidsal.train(_small(), release, out, seed=3, threads=1)
    assert _bytes(out) == _bytes(undisturbed)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_bit_by_bit(release: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vidsal", "train", GAZE, "--smoke", "--data", str(release), "--seed", "3"]
    command += ["--threads", "1", "--epochs", "3", "--option", "batch=2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(vidsal.__file__).parents[1])}
    subprocess.run([*command, "-o", str(tmp_path / "a")], env=environment, check=True, capture_output=True)
    for seconds in (4, 5, 6, 7, 8):
        process = subprocess.Popen([*command, "-o", str(tmp_path / "b")], env=environment, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        process.kill()
        process.wait()
    subprocess.run([*command, "-o", str(tmp_path / "b")], env=environment, check=True, capture_output=True)
    assert _bytes(tmp_path / "b") == _bytes(tmp_path / "a")


def test_half_precision_goes_on_bit_by_bit_too(release: Path, undisturbed: Path, tmp_path: Path) -> None:
    """In bfloat16 on a CPU: nearly the loss of single precision from the same weights, and a cut changes nothing."""

    def stop(done: int, total: int, name: str) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    recipe = _small(precision="mixed")
    vidsal.train(recipe, release, tmp_path / "a", seed=3, threads=1)
    with pytest.raises(KeyboardInterrupt):
        vidsal.train(recipe, release, tmp_path / "b", seed=3, threads=1, progress=stop)
    vidsal.train(recipe, release, tmp_path / "b", seed=3, threads=1)
    assert _bytes(tmp_path / "b") == _bytes(tmp_path / "a")
    half, single = ([line["mse"] for line in _lines(run)] for run in (tmp_path / "a", undisturbed))
    assert half != single
    assert half[0] == pytest.approx(single[0], rel=0.1)  # later on other units are active, and the losses part
    state = torch.load(tmp_path / "a" / "weights.pt", weights_only=True)
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize("variant", ["s", "m"])
def test_half_precision_of_three_dimensions(variant: str) -> None:
    """TinyHD's small 3-D convolutions, whose gradients oneDNN damages: a loss near that of single precision."""
    torch.manual_seed(0)
    recipe, maps = load_recipe("tinyhd-distil-1", variant=variant, reduced_channels=4), 1 if variant == "s" else 16
    batch = {
        "clip": torch.randn(2, 3, 16 if variant == "s" else 32, 32, 32),
        "truth": torch.rand(1, maps, 32, 32),
        "has_truth": torch.tensor([False, True]),
        "teacher_out": torch.rand(2, maps, 32, 32),
    }
    module = build_module(recipe.model, **recipe.module_options())
    recipe.prepare(module)
    totals = []
    for mixed in (False, True):
        module.zero_grad()
        with careful(mixed, torch.device("cpu")):
            total = Objective(module, recipe, mixed, torch.device("cpu"))(batch)["total"]
            total.backward()
        totals.append(float(total.detach()))
        assert 0 < float(recipe.clip(module, batch)) < float("inf")
    assert totals[1] == pytest.approx(totals[0], rel=0.02)


def _lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def test_the_best_is_below_one_of_its_marks() -> None:
    best = Best()
    found = [best.update(epoch, marks) for epoch, marks in enumerate([(2.0, 1.0), (1.9, 3.0), (1.9, 3.0), (2.5, 2.0)])]
    assert found == [True, True, False, True]
    assert (best.epoch, best.marks, best.without) == (3, (2.5, 2.0), 0)


def test_a_line_a_step_and_a_line_a_validation(undisturbed: Path) -> None:
    steps = [json.loads(line) for line in (undisturbed / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert {"total", "mse", "reg_fix", "reg_sacc", "lr", "grad_norm", "epoch", "batch"} <= set(steps[0])
    epochs = [json.loads(line) for line in (undisturbed / "epochs.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in epochs] == [-1, 0, 1]
    assert {"loss/total", "gaze/distance"} <= set(epochs[-1])
    drawn = (undisturbed / "curves.svg").read_bytes()
    assert drawn.count(b"<svg") == 1
    draw_curves(undisturbed)
    assert (undisturbed / "curves.svg").read_bytes() == drawn


def test_weights_are_bare_and_know_what_they_have_seen(release: Path, undisturbed: Path, tmp_path: Path) -> None:
    state = torch.load(undisturbed / "weights.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    record = json.loads((undisturbed / "training.json").read_text())
    data = load(release)
    assert record["data"][0]["digest"] == data.digest
    assert record["data"][0]["held_out"] == [s.id for s in data if s.split == "val"]
    assert record["recipe"]["digest"] == _small().digest
    model = load_model("fpn_rim", undisturbed / "weights.pt")
    assert model.info.trained_on == ("synthetic",)
    other = tmp_path / "weights.pt"
    other.write_bytes((undisturbed / "weights.pt").read_bytes())
    assert load_model("fpn_rim", other, rim_k=4, input_dims=(32, 32)).info.trained_on == ("gazecom",)


def test_a_folder_holds_one_training(release: Path, undisturbed: Path) -> None:
    before = _bytes(undisturbed)
    with pytest.raises(WrongUse, match="holds another training"):
        vidsal.train(_small(), release, undisturbed, seed=4, threads=1)
    assert _bytes(undisturbed) == before


@pytest.mark.parametrize("name", ["history.jsonl", "epochs.jsonl"])
def test_lines_that_are_not_those_of_the_state(release: Path, undisturbed: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace("0.", "1.", 1))
    with pytest.raises(BadData, match=f"{name}: damaged: its lines are not those that were written"):
        vidsal.train(_small(), release, tmp_path, seed=3, threads=1)


def test_the_state_of_another_version_is_refused(release: Path, undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    state = read_state(tmp_path)
    assert state is not None
    save_torch(tmp_path / "state" / "state.pt", {**state, "format": 1, "best": {}})
    with pytest.raises(BadData, match="written by another version of vidsal"):
        vidsal.train(_small(), release, tmp_path, seed=3, threads=1)


def test_a_loss_that_is_not_finite_stops(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = _small()
    plain = type(recipe.system).terms

    def broken(self: Any, output: torch.Tensor, batch: Any, settings: Any) -> Any:
        terms = plain(self, output, batch, settings)
        return {**terms, "total": terms["total"] * float("nan")} if output.requires_grad else terms

    monkeypatch.setattr(type(recipe.system), "terms", broken)
    with pytest.raises(
        NonFinite, match=r"epoch 0, batch 0 \(scene_001 frames \d+ to .* The state after step 0 is kept"
    ):
        vidsal.train(recipe, release, tmp_path / "run", threads=1)
    state = read_state(tmp_path / "run")
    assert state is not None
    assert state["place"]["step"] == 0


@pytest.mark.parametrize("words", ["DefaultCPUAllocator: can't allocate memory", "could not create a primitive"])
@pytest.mark.parametrize("trains", [True, False])
def test_a_batch_that_is_too_large(
    words: str, trains: bool, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _small()
    plain = type(recipe.system).terms

    def full(self: Any, output: torch.Tensor, batch: Any, settings: Any) -> Any:
        if output.requires_grad is trains:
            raise RuntimeError(words)
        return plain(self, output, batch, settings)

    monkeypatch.setattr(type(recipe.system), "terms", full)
    with pytest.raises(MachineFault, match=r"is full with 2 clips .* --option batch=1 --option accumulate=2"):
        vidsal.train(recipe, release, tmp_path / "run", threads=1)


def test_held_out_stimuli_never_train(release: Path) -> None:
    data = load(release)
    options: dict[str, Any] = {"train_split": "all"}
    with pytest.raises(WrongUse, match="would be trained on and are held out"):
        divide(data, {}, options)
    train, held_out = data.ids[:2], data.ids[2:]
    refuse_overlap(data, Division(train, held_out, ""))
    data[train[0]].row["group_id"] = data[held_out[0]].row["group_id"]
    with pytest.raises(WrongUse, match="parts of one recording"):
        refuse_overlap(data, Division(train, held_out, ""))


def test_ids_that_are_named_divide(release: Path) -> None:
    data = load(release)
    first, second, third = data.ids
    found = divide(data, {}, {}, held_out=[first])
    assert (found.train, found.held_out) == ((second, third), (first,))
    found = divide(data, {}, {}, ids=[third], held_out=[first])
    assert (found.train, found.held_out) == ((third,), (first,))
    with pytest.raises(UnknownName, match="unknown stimulus 'nothing'"):
        divide(data, {}, {}, ids=["nothing"])
    with pytest.raises(WrongUse, match="are held out"):
        divide(data, {}, {}, ids=[first], held_out=[first])


def test_salclstm_learns_part_by_part_and_carries_its_state() -> None:
    recipe, module = load_recipe("salclstm-dhf1k-1"), build_module("salclstm")
    STARTS["gates"](module)
    assert not module.get_parameter("Gates.bias").any()
    recipe.prepare(module)
    optimizer = recipe.optimizer(module)
    learning = []
    for epoch in range(6):
        recipe.begin_epoch(module, optimizer, epoch)
        layers = {name.rsplit(".", 1)[0] for name, p in module.named_parameters() if p.requires_grad}
        learning.append({int(name.split(".")[1]) for name in layers if name != "Gates"})
        assert "Gates" in layers
    convolutions = {n for n, part in enumerate(module.get_submodule("salgan")) if isinstance(part, torch.nn.Conv2d)}
    first = (62, 57, 52, 47, 0, 0)  # in the published list, modules from the last on: 5 (less one), 5, 5, all
    assert learning == [{n for n in convolutions if n >= from_} for from_ in first]
    recipe.begin_epoch(module, optimizer, 0)
    batch = {"frames": torch.randn(2, 3, 32, 32), "target": torch.rand(2, 32, 32)}
    recipe.loss(module, batch)["total"].backward()
    hidden, cell = batch["state"]
    assert not hidden.requires_grad
    assert not cell.requires_grad
    recipe.loss(module, batch)
    assert not torch.equal(batch["state"][1], cell)  # it goes on from the state


def test_frames_that_are_named_divide(release: Path, tmp_path: Path) -> None:
    data = load(release)
    first, second, _ = data.ids
    found = divide(data, {}, {}, ids=[f"{first}:0-11", second], held_out=[f"{first}:12-23"])
    assert (found.train, found.held_out) == ((first, second), (first,))
    assert (found.train_frames, found.held_out_frames) == ({first: range(12)}, {first: range(12, 24)})
    for held, why in ((f"{first}:11-23", "are held out"), (first, "are held out")):
        with pytest.raises(WrongUse, match=why):
            divide(data, {}, {}, ids=[f"{first}:0-11"], held_out=[held])
    for name in (f"{first}:5-24", f"{first}:9-8"):
        with pytest.raises(WrongUse, match="has the frames 0 to 23"):
            divide(data, {}, {}, ids=[name])
    with pytest.raises(UnknownName, match="nothing"):
        divide(data, {}, {}, ids=["nothing:0-8"])
    out = tmp_path / "run"
    vidsal.train(_small(), release, out, ids=[f"{first}:0-11"], held_out=[f"{first}:12-23"], epochs=1, threads=1)
    record = json.loads((out / "training.json").read_text())["data"][0]
    assert record["frames"] == {"train": {first: [0, 11]}, "held_out": {first: [12, 23]}}


@pytest.mark.parametrize("start", ["random", "spread", "consecutive"])
def test_clips_stay_within_the_frames_that_are_named(start: Any, release: Path) -> None:
    data = load(release)
    own = {data.ids[0]: range(7, 18)}
    sampler = ClipSampler(data, frames=3, step=2, start=start, per_stimulus=4, only=data.ids[:1], within=own)
    for epoch in range(4):
        seen = [number for clip in sampler.plan(epoch) for number in clip.frames]
        assert seen
        assert {7, 17} & set(seen) or start == "random"
        assert set(seen) <= set(range(7, 18))


def test_wrong_words_are_named(release: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'dropout'"):
        load_recipe("unisal-joint-1", dropuot=0.0)
    with pytest.raises(UnknownName, match="did you mean 'unisal-joint-1'"):
        load_recipe("unisal-jiont-1")
    with pytest.raises(WrongUse, match="has the folds 0 to 9"):
        load_recipe("unisal-mit1003-1", fold=10)
    with pytest.raises(MissingData, match="trains on dhf1k, and the given releases are synthetic"):
        vidsal.train("salema-dhf1k-1", release, tmp_path / "run")
    with pytest.raises(MissingData, match="too few frames"):
        vidsal.train(GAZE, release, tmp_path / "run")
    with pytest.raises(WrongUse, match="cuda"):
        vidsal.train(_small(), release, tmp_path / "run", device="cuda:9")
    file = tmp_path / "own.toml"
    text = (FOLDER / f"{GAZE}.toml").read_text()
    for wrong, near in (
        (text + "\n[optimiser]\nlr = 1\n", "optimizer"),
        (text.replace("max_norm", "max_norn"), "max_norm"),
        (text.replace('dataset = "gazecom"', 'datasett = "gazecom"'), "dataset"),
        (text.replace("weight_decay = 0.0 }]\n\n[schedule]", "weightdecay = 0.0 }]\n\n[schedule]"), "weight_decay"),
    ):
        assert wrong != text
        file.write_text(wrong)
        with pytest.raises(UnknownName, match=f"did you mean '{near}'"):
            read_recipe(file)
