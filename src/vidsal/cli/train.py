"""`vidsal train`: make a network by a recipe."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.progress import silent

from .output import any_path, folder_out, json_option, note, print_json, print_table
from .progress import progress, quiet_option
from .shared_options import check_scheduler

if TYPE_CHECKING:
    from vidsal.training import Recipe


@click.command()
@click.argument("name", metavar="RECIPE")
@click.option(
    "--data", "folders", required=True, multiple=True, help="Converted releases to train on; repeat, or part by commas."
)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder of the run; the same command resumes it.")
@click.option("--option", "options", multiple=True, metavar="K=V", help="Set option K of the recipe to V; repeatable.")
@click.option("--folds", is_flag=True, help="Train every fold of the recipe, and write their table: --option fold=all.")
@click.option("--smoke", is_flag=True, help="Use the recipe's size for a minute on a CPU.")
@click.option("--init", type=any_path, help="File with the weights of a whole network to start from.")
@click.option("--backbone", type=any_path, help="File with the weights of the image network to start from.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where the network is trained: cpu, cuda, cuda:1; auto = a GPU if there is one.",
)
@click.option("--epochs", type=click.IntRange(1), help="Number of epochs, instead of the recipe's.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Use only the first N stimuli of each part.")
@click.option(
    "--ids",
    multiple=True,
    help="Stimuli to train on; repeat, or part by commas; ID:FIRST-LAST = some frames.  [default: by the recipe]",
)
@click.option("--held-out", multiple=True, help="Stimuli, or frames of them, to hold out; the others train.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all random choices.")
@click.option("--protocol", default="exact-1", show_default=True, help="Protocol by which held-out frames are scored.")
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of processes that read; of all folds, those that train one each. The weights do not depend on it.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS|local:N",
    help="Train the folds on a Dask cluster: that of a scheduler that runs (tcp://HOST:8786), or N processes of this "
    "machine. Instead of --workers; the weights do not depend on it.",
)
@click.option("--threads", type=click.IntRange(1), help="Number of torch threads.  [default: half of the cores]")
@click.option("--cache", type=folder_out, help="Folder for resized frames, so that videos are decoded once.")
@click.option("--frames", type=any_path, help="Folder to read the frames from, instead of the one that was converted.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first fold that fails; else the others are trained first.")
@quiet_option
@json_option
def train(
    name: str,
    folders: tuple[str, ...],
    out: Path,
    options: tuple[str, ...],
    folds: bool,
    smoke: bool,
    init: Path | None,
    backbone: Path | None,
    device: str,
    epochs: int | None,
    limit: int | None,
    ids: tuple[str, ...],
    held_out: tuple[str, ...],
    seed: int,
    protocol: str,
    workers: int,
    scheduler: str | None,
    threads: int | None,
    cache: Path | None,
    frames: Path | None,
    fail_fast: bool,
    as_json: bool,
) -> None:
    """Train a network by RECIPE (a name of `vidsal recipe list`, or a TOML file).

    RUN/weights.pt is what `vidsal run MODEL --checkpoint` takes.
    """
    from vidsal.baselines.training.api import speaks, train as run_recipe
    from vidsal.benchmark.evaluation.cluster import Cluster
    from vidsal.models import choose_device
    from vidsal.training import find_recipe, parse_options

    check_scheduler(scheduler, workers)
    plain = find_recipe(name, smoke=smoke)
    options, every = _of_folds(plain, options, folds)
    for option, given in (("--scheduler", scheduler), ("--fail-fast", fail_fast)):
        if given and not every:
            raise WrongUse(f"{option}: one training is not spread; it goes with --folds")
    data, trains, held = [any_path.convert(part, None, None) for part in _parts(folders)], _parts(ids), _parts(held_out)
    words = ["vidsal", "train", name, "--data", ",".join(folder.name for folder in data), "-o", out.name]
    words += ["--smoke"] if smoke else []
    for option in options:
        words += ["--option", option]
    for flag, value in (("--init", init), ("--backbone", backbone)):
        words += [flag, value.name] if value else []
    for flag, number in (("--epochs", epochs), ("--limit", limit), ("--seed", seed or None)):
        words += [flag, str(number)] if number else []
    for flag, names in (("--ids", trains), ("--held-out", held)):
        words += [flag, ",".join(names)] if names else []
    spread = every and (scheduler is not None or workers > 1)
    with ExitStack() as stack:
        step = stack.enter_context(progress(name, "folds" if spread else "steps")) if speaks() else silent
        cluster = None if scheduler is None else stack.enter_context(Cluster(scheduler, gpu=device.startswith("cuda")))
        outcomes = run_recipe(
            name,
            data,
            out,
            smoke=smoke,
            seed=seed,
            init=init,
            backbone=backbone,
            device=choose_device(device) if cluster is None else "cpu" if device == "auto" else device,
            epochs=epochs,
            limit=limit,
            ids=trains,
            held_out=held,
            workers=workers,
            threads=threads,
            cache=cache,
            frames=frames,
            protocol=protocol,
            command=shlex.join(words),
            progress=step,
            note=note,
            children=cluster,
            fail_fast=fail_fast,
            **parse_options(plain, options),
        )
    if not speaks():
        return
    if as_json:
        print_json([{"folder": str(one.out), "epochs": list(one.epochs)} for one in outcomes])
        return
    for one in outcomes:
        _report(one.epochs)
        click.echo(f"-> {one.out}")


def _of_folds(recipe: Recipe, options: tuple[str, ...], folds: bool) -> tuple[tuple[str, ...], bool]:
    """Return the options with that of all folds, and whether it is asked for.

    Raises:
        WrongUse: the recipe has none, or one of them is asked for, too.
    """
    said = [option for option in options if option.partition("=")[0].strip() == "fold"]
    if not folds:
        return options, any(option.partition("=")[2].strip() == "all" for option in said)
    if "folds" not in recipe.settings["data"]:
        raise WrongUse(f"--folds: {recipe.name} has none; `vidsal recipe list` says which recipes have folds")
    if any(option.partition("=")[2].strip() != "all" for option in said):
        raise WrongUse(f"--folds and --option {said[0]} contradict each other; give one of them")
    return (*options, *(() if said else ("fold=all",))), True


def _parts(texts: tuple[str, ...]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _report(epochs: Any) -> None:
    """Print what was measured on held-out stimuli, before and after."""
    if not epochs:
        return
    first, last = epochs[0], epochs[-1]
    rows = [
        (key, first.get(key), last.get(key))
        for key in last
        if "/" in key and key.count("/") == 1 and not key.startswith("center_prior/")
    ]
    prior = {k.split("/")[1]: v for k, v in first.items() if k.startswith("center_prior/")}
    print_table([(k, a, b, prior.get(k.split("/")[1])) for k, a, b in rows], ("held out", "before", "after", "prior"))
