"""`training.json`: what a training was made of, so that its weights can be judged and made again."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from vidsal._version import __version__
from vidsal.loaders.io.files import canonical, sha256, sha256_text, write_json

from .. import checkpoints
from ..registry import baseline
from ..trained import RECORD, read_trained
from .division import Division
from .feeds.base import Source
from .recipe import Recipe

WEIGHTS, BEST = "weights.pt", "best.pt"


def describe(
    recipe: Recipe,
    sources: Iterable[Source],
    inputs: Mapping[str, str],
    *,
    seed: int,
    threads: int,
    device: torch.device,
    start: Mapping[str, Path],
    command: str | None,
    processes: int = 1,
) -> dict[str, Any]:
    """Return the record of a training, without its weights.

    Args:
        recipe: with its options' values.
        sources: what trains and what is held out.
        inputs: SHA-256 of what else the batches follow from, by option.
        seed: of all random choices.
        threads: of torch.
        device: where it runs.
        start: files that the weights start from, by `init` and `backbone`.
        command: that makes it again.
        processes: that share each batch.
    """
    data = {s.release.digest + s.division.how: s for s in sources}.values()
    return {
        "recipe": {**recipe.to_dict(), "digest": recipe.digest},
        "model": {"name": recipe.model, "options": recipe.module_options()},
        "data": [
            {
                "release": s.release.id,
                "dataset": s.release.record["dataset"],
                "digest": s.release.digest,
                "division": s.division.how,
                "train": list(s.division.train),
                "held_out": list(s.division.held_out),
                **_frames(s.division),
            }
            for s in data
        ],
        **({"inputs": dict(inputs)} if inputs else {}),
        "start": {name: {"file": path.name, "sha256": sha256(path)} for name, path in start.items()},
        "trained_on": trained_on(recipe, [s.release.record["dataset"] for s in data], start.get("init")),
        "seed": seed,
        "threads": threads,
        **({"processes": processes} if processes > 1 else {}),
        "device": device.type,
        "versions": {"vidsal": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "command": command,
        "weights": {},
    }


def _frames(division: Division) -> dict[str, Any]:
    """First and last frame of the stimuli of which only some are meant; nothing where all are."""
    parts = {"train": division.train_frames, "held_out": division.held_out_frames}
    named = {part: {i: [f.start, f.stop - 1] for i, f in frames.items()} for part, frames in parts.items() if frames}
    return {"frames": named} if named else {}


def input_digest(record: Mapping[str, Any]) -> str:
    """Return the digest of what decides the weights: a state of another one is not gone on from."""
    parts = ("recipe", "data", "inputs", "start", "seed", "threads", "processes", "device")
    return sha256_text(canonical({name: record[name] for name in parts if name in record}))


def trained_on(recipe: Recipe, datasets: Iterable[str], init: Path | None) -> list[str]:
    """Return the ids of the data sets whose gaze the weights will have seen."""
    before: tuple[str, ...] = ()
    if init is not None:
        own = read_trained(init)
        known = checkpoints.read(init, baseline(recipe.model).checkpoints).known
        if own is not None:
            before = own.trained_on
        elif known is not None:
            before = known.trained_on
        else:
            before = (f"other:{init.name}",)
    return list(dict.fromkeys([*before, *datasets]))


def write_record(run: Path, record: Mapping[str, Any]) -> None:
    """Write training.json with the digests of the weights that lie beside it."""
    weights = {name: sha256(run / name) for name in (WEIGHTS, BEST) if (run / name).is_file()}
    write_json(run / RECORD, {**record, "weights": weights})
