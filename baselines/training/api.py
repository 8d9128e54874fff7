"""`vidsal.train`: one call, one run; of a recipe with folds all of them on demand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.extras import optional_packages
from vidsal.loaders.io.progress import Note, Progress, silent
from vidsal.loaders.io.workers import Processes

from .recipe import Recipe, find_recipe

if TYPE_CHECKING:
    from .trainer import Outcome

CACHE = "frames"


def train(
    recipe: str | Path | Recipe,
    data: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    smoke: bool = False,
    seed: int = 0,
    init: str | Path | None = None,
    backbone: str | Path | None = None,
    device: str = "cpu",
    epochs: int | None = None,
    limit: int | None = None,
    ids: Iterable[str] = (),
    held_out: Iterable[str] = (),
    workers: int = 0,
    threads: int | None = None,
    cache: str | Path | None = None,
    frames: str | Path | None = None,
    protocol: str = "exact-1",
    command: str | None = None,
    progress: Progress = silent,
    note: Note | None = None,
    children: Processes | None = None,
    fail_fast: bool = False,
    **options: Any,
) -> tuple[Outcome, ...]:
    """Train a network, or go on with a run that was cut off.

    Args:
        recipe: name, TOML file, or a recipe (whose options are then set already).
        data: folder of a converted release, or several.
        out: folder of the run. It holds `weights.pt` (the last state_dict, as the published code has it), `best.pt`,
            `training.json`, `history.jsonl` (a line a step), `epochs.jsonl` (a line a validation), `curves.svg` and
            `state/`, from which the same call goes on.
        smoke: the recipe's size for a minute on a CPU.
        seed: of all random choices.
        init: weights of a whole network to start from.
        backbone: weights of the image network to start from.
        device: `cpu`, `cuda`, `cuda:1`.
        epochs: instead of the recipe's.
        limit: most stimuli that train, and that are held out, of each release.
        ids: stimuli that train, `ID:FIRST-LAST` some frames of one (0-based, both included); none = all but those held
            out, or as the recipe divides.
        held_out: stimuli that are held out, likewise; none = as the recipe divides, none where `ids` are named.
        workers: processes that read; of `fold="all"` those that train a fold each. The weights do not depend on them.
        threads: of torch on the CPU; None = as the run began, else half of the cores.
        cache: folder for resized frames; in smoke size `out/frames`.
        frames: folder of the frames, where it is not the converted one.
        protocol: by which held-out frames are scored.
        command: that makes the run again, for its record.
        progress: called with (steps done, steps in all, what is being done); folds, where several are trained at once.
        note: called with a fold that failed while the others go on.
        children: of `fold="all"`, the processes of a cluster, instead of `workers` of this machine.
        fail_fast: of `fold="all"`, stop at the first fold that fails; else the others are trained first.
        options: of the recipe.

    Returns:
        One outcome; of `fold="all"` one for each fold, in `out/fold0`, ..., and their table in `folds.json`.

    Raises:
        UnknownName, WrongUse: of the recipe, its options, or a folder that holds another training.
        MissingData, BadData: of the data.
        MissingExtra: torch is not installed.
        NonFinite: the loss is not finite; the state before it is kept.
    """
    with optional_packages():
        from .folds import train_folds
        from .processes import processes
        from .trainer import Order, run_order, with_epochs
    made = recipe if isinstance(recipe, Recipe) else find_recipe(recipe, smoke=smoke, **options)
    folders = [data] if isinstance(data, (str, Path)) else list(data)

    def ordered(chosen: Recipe, folder: Path, readers: int) -> Order:
        return Order(
            with_epochs(chosen, epochs),
            tuple(Path(f) for f in folders),
            folder,
            seed=seed,
            init=_path(init),
            backbone=_path(backbone),
            device=own,
            limit=limit,
            ids=tuple(ids),
            held_out=tuple(held_out),
            workers=readers,
            threads=threads,
            cache=_path(cache) or (folder / CACHE if made.settings["data"].get("cache") else None),
            frames=_path(frames),
            protocol=protocol,
            command=command,
            together=together,
        )

    with processes(device) as (together, own):
        if made.options.get("fold") != "all":
            if children is not None:
                raise WrongUse(
                    f"{made.name}: one training is not spread over a cluster; that is for all folds of a recipe"
                )
            return (run_order(ordered(made, Path(out), workers), progress),)
        several = together.size == 1
        if children is not None and not several:
            raise WrongUse(
                "torchrun and a cluster contradict each other: the processes of torchrun train each fold together"
            )
        count = made.settings["data"]["folds"]["n"]
        orders = [
            ordered(made.with_options(fold=str(n)), Path(out) / f"fold{n}", 0 if several else workers)
            for n in range(count)
        ]
        return train_folds(
            orders,
            Path(out),
            progress,
            workers=workers if several else 1,
            children=children,
            fail_fast=fail_fast,
            note=note,
        )


def speaks() -> bool:
    """Whether this process tells what happens: of those that torchrun started the first, else every one."""
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK", "0") == "0"


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
