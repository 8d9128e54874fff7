"""One published step of optimization: inputs from a golden, our step, and the golden's own tolerances."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from vidsal.baselines import build_module
from vidsal.training import Recipe, load_recipe

MEAN, STD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
BGR_MEAN = np.array((103.939, 116.779, 123.68))
PAIRINGS = {"upstream": "published", "t_minus_1": "previous"}


class Case:
    """A golden of training: its record, arrays and tables."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.record: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        self.system: str = self.record["system"]
        self.arrays = dict(np.load(folder / self.record["file"]))
        others = self.record.get("inputs_in")
        self.inputs = dict(np.load(folder / others)) if others else self.arrays

    def table(self, file: str) -> list[dict[str, str]]:
        with (self.folder / file).open() as rows:
            return list(csv.DictReader(rows))

    def recipe(self) -> Recipe:
        record = self.record
        if self.system == "unisal":
            joint = record["id"].startswith("joint")
            return load_recipe("unisal-joint-1" if joint else "unisal-mit1003-1", dropout=0.0)
        if self.system == "salema":
            return load_recipe("salema-dhf1k-1", dropout=0.0, alpha=record["alpha"])
        if self.system == "tinyhd":
            return load_recipe("tinyhd-distil-1", variant=record["variant"].lower())
        return load_recipe("fpn-rim-gaze-1", pairing=PAIRINGS[record["pairing"]])

    def module(self, fill: ModuleType, samples: Path) -> torch.nn.Module:
        """The network in float64 with the golden's weights."""
        record = self.record
        name, options = {
            "unisal": ("unisal", {}),
            "salema": ("salema", {"alpha": record.get("alpha")}),
            "tinyhd": (f"tinyhd_{record.get('variant', 's').lower()}", {"reduced_channels": 4, "d1_last": False}),
            "fpn_rim": ("fpn_rim", {**record.get("constructor", {})}),
        }[self.system]
        if self.system == "fpn_rim":
            options["input_dims"] = tuple(options["input_dims"])
        module = build_module(name, **options)
        weights = record["weights"]
        if "file" in weights:
            path = samples.parent / weights["file"]
            state = torch.load(path, map_location="cpu", weights_only=True)[weights["key"]]
        else:
            state = fill.fill_state_dict(
                module.state_dict(), model=weights["model"], salt=weights["salt"], convert=torch.from_numpy
            )
        module.load_state_dict(state)
        return module.double()

    def batches(self) -> Iterator[dict[str, Any]]:
        """The batch of each step."""
        state = None
        for step in self.record["steps"]:
            batch = getattr(self, f"_{self.system}")(f"step{step['step']}/", step["step"])
            if self.system == "salema":
                batch["state"] = state
            yield batch
            state = batch.get("state")

    def _unisal(self, key: str, number: int) -> dict[str, Any]:
        density = self.inputs[key + "map"].astype(np.float64)
        return {
            "frames": _normal(self.inputs[key + "frames"], (0, 1, 4, 2, 3)),
            "density": torch.from_numpy(density / density.sum((-2, -1), keepdims=True)),
            "fixated": torch.from_numpy(self.inputs[key + "fix"] > 0),
            "source": self.record["batches"][number - 1]["network_domain"],
        }

    def _salema(self, key: str, number: int) -> dict[str, Any]:
        values = self.inputs[key + "map"].astype(np.float64)
        low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
        bgr = self.inputs[key + "frames"][..., ::-1].astype(np.float64) - BGR_MEAN
        return {
            "frames": torch.from_numpy(bgr.transpose(0, 3, 1, 2).copy()),
            "target": torch.from_numpy((values - low) / (high - low)),
        }

    def _tinyhd(self, key: str, number: int) -> dict[str, Any]:
        read = self.inputs
        return {
            "clip": _normal(read["clip"], (0, 4, 1, 2, 3)),
            "truth": torch.from_numpy(read["truth"] / 255.0),
            "has_truth": torch.from_numpy(read["has_truth"]),
            "teacher_out": torch.from_numpy((read["t_out"] + 1.0) / 256),
            "teacher_side": torch.from_numpy((read["t_side"] + 1.0) / 256),
        }

    def _fpn_rim(self, key: str, number: int) -> dict[str, Any]:
        height, width = self.inputs["frames"].shape[2:4]
        xy = self.inputs["xy"].astype(np.float64)
        labels = np.stack(
            [xy[..., 0].clip(0, height - 1) / (height / 2) - 1, xy[..., 1].clip(0, width - 1) / (width / 2) - 1], -1
        )
        return {
            "frames": _normal(self.inputs["frames"], (0, 4, 1, 2, 3)),
            "labels": torch.from_numpy(labels),
            "phase": torch.from_numpy(self.inputs["em"].astype(np.int64)),
        }


def _normal(frames: np.ndarray[Any, Any], axes: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(((frames / 255.0 - MEAN) / STD).transpose(axes).copy())


def check_case(case: Case, fill: ModuleType, samples: Path) -> None:
    """Take the steps of a golden and compare loss, gradients, updates and statistics."""
    record, recipe, module = case.record, case.recipe(), case.module(fill, samples)
    recipe.prepare(module)
    optimizer = recipe.optimizer(module)
    recipe.begin_epoch(module, optimizer, record.get("epoch", 0))
    buffers = {row["name"]: row for row in case.table(record["buffers_file"])} if "buffers_file" in record else {}
    first = {name: value.clone() for name, value in module.named_buffers()}
    loose = 1e-3 if case.system in ("salema", "fpn_rim") else 1e-4
    names = [name for name, _ in module.named_parameters()]
    for golden, batch in zip(record["steps"], case.batches(), strict=True):
        optimizer.zero_grad(set_to_none=record.get("zero_grad_set_to_none", True))
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        terms = recipe.loss(module, batch)
        assert set(golden["loss"]) - {"per_frame"} <= set(terms)
        for name, wanted in golden["loss"].items():
            if name != "per_frame":
                assert abs(terms[name].item() - wanted) <= 1e-6 * abs(wanted), (name, terms[name].item(), wanted)
        terms["total"].backward()
        gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        norm = float(recipe.clip(module, batch))
        assert abs(norm - golden["grad_total_norm"]) <= 1e-4 * golden["grad_total_norm"]
        optimizer.step()
        _check_groups(optimizer, golden["optimizer_groups"])
        rows = {row["name"]: row for row in case.table(golden["params_file"])}
        assert set(rows) == set(names)
        _check_rows(module, fill, rows, gradients, before, golden, loose)
        _check_samples(case.arrays, golden["step"], gradients, norm)
    moved = {n for n, v in module.named_buffers() if v.is_floating_point() and not torch.equal(v, first[n])}
    moved -= {name for name in moved if "drop_mask" in name}
    if buffers:
        assert moved == set(buffers)
    last, afterwards = record["steps"][-1]["step"], dict(module.named_buffers())
    for name, row in buffers.items():
        if row["step"] == f"step{last}" or len(record["steps"]) == 1:
            after = afterwards[name]
            assert abs(after.norm().item() - float(row["after_norm"])) <= 1e-6 * max(1.0, float(row["after_norm"]))


def _check_groups(optimizer: torch.optim.Optimizer, wanted: list[dict[str, Any]]) -> None:
    found: dict[tuple[float, ...], int] = {}
    for group in optimizer.param_groups:
        key = (group["lr"], group["weight_decay"], group.get("momentum", 0.0))
        found[key] = found.get(key, 0) + len(group["params"])
    expected = {(g["lr"], g["weight_decay"], g.get("momentum", 0.0)): g["n_params"] for g in wanted}
    assert {tuple(round(v, 12) for v in k): n for k, n in found.items()} == {
        tuple(round(v, 12) for v in k): n for k, n in expected.items()
    }


def _check_rows(
    module: torch.nn.Module,
    fill: ModuleType,
    rows: Mapping[str, Mapping[str, str]],
    gradients: Mapping[str, torch.Tensor],
    before: Mapping[str, torch.Tensor],
    golden: Mapping[str, Any],
    loose: float,
) -> None:
    for name, parameter in module.named_parameters():
        row = rows[name]
        assert (name in gradients) == (row["has_grad"] == "1"), name
        update = parameter.detach() - before[name]
        direction = 2 * fill.uniform(f"proj/{name}", tuple(parameter.shape)).astype(np.float64) - 1
        pairs = [(update, "update", loose, golden["update_total_norm"])]
        if name in gradients:
            pairs.append((gradients[name], "grad", 1e-4, golden["grad_total_norm"]))
        for tensor, kind, share, total in pairs:
            allowed = share * (float(row[f"{kind}_norm"]) + 1e-6 * total)
            for found, column in (
                (tensor.norm().item(), f"{kind}_norm"),
                (float((tensor.numpy() * direction).sum()), f"{kind}_proj"),
            ):
                assert abs(found - float(row[column])) <= allowed, (name, column, found, row[column])


def _check_samples(
    arrays: Mapping[str, np.ndarray[Any, Any]], step: int, gradients: Mapping[str, torch.Tensor], norm: float
) -> None:
    for key, wanted in arrays.items():
        if key.startswith(f"step{step}/grad/"):
            found = gradients[key.removeprefix(f"step{step}/grad/")].numpy()
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max() + 1e-9 * norm)
