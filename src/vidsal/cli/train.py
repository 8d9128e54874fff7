"""`vidsal train`: make a network by a recipe."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from vidsal.loaders.io.progress import silent

from .output import any_path, folder_out, json_option, print_json, print_table
from .progress import progress, quiet_option


@click.command()
@click.argument("name", metavar="RECIPE")
@click.option(
    "--data", "folders", required=True, multiple=True, help="Converted releases to train on; repeat, or part by commas."
)
@click.option("-o", "--out", required=True, type=folder_out, help="Folder of the run; the same command resumes it.")
@click.option("--option", "options", multiple=True, metavar="K=V", help="Set option K of the recipe to V; repeatable.")
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
    help="Number of processes that read; the weights do not depend on it.",
)
@click.option("--threads", type=click.IntRange(1), help="Number of torch threads.  [default: half of the cores]")
@click.option("--cache", type=folder_out, help="Folder for resized frames, so that videos are decoded once.")
@click.option("--frames", type=any_path, help="Folder to read the frames from, instead of the one that was converted.")
@quiet_option
@json_option
def train(
    name: str,
    folders: tuple[str, ...],
    out: Path,
    options: tuple[str, ...],
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
    threads: int | None,
    cache: Path | None,
    frames: Path | None,
    as_json: bool,
) -> None:
    """Train a network by RECIPE (a name of `vidsal recipe list`, or a TOML file).

    RUN/weights.pt is what `vidsal run MODEL --checkpoint` takes.
    """
    from vidsal.baselines.training.api import speaks, train as run_recipe
    from vidsal.models import choose_device
    from vidsal.training import find_recipe, parse_options

    plain = find_recipe(name, smoke=smoke)
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
    with progress(name, "steps") if speaks() else nullcontext(silent) as step:
        outcomes = run_recipe(
            name,
            data,
            out,
            smoke=smoke,
            seed=seed,
            init=init,
            backbone=backbone,
            device=choose_device(device),
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
