"""`vidsal cache`: list, clear; precomputed truth, which `vidsal score --truth-cache build` makes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from vidsal.loaders.io.names import size

from .output import any_path, echo, json_option, print_json, print_table

_YES = {True: "yes", False: "no"}
_where = click.argument("folder", type=any_path)


@click.group()
def cache() -> None:
    """Precomputed truth: what lies with a release, and how to be rid of it."""


@cache.command("list")
@_where
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the precomputed truth in FOLDER, a release or the folder that --truth-cache named."""
    from vidsal.benchmark.scoring.truth_cache import contents

    found = contents(folder)
    if as_json:
        print_json([{**asdict(c), "folder": str(c.folder)} for c in found])
    elif found:
        print_table(
            [
                (c.folder.name, c.recipe, c.treatment, c.stimuli, c.size / 1e6, "yes" if c.current else "no")
                for c in found
            ],
            ("key", "recipe", "as", "stimuli", "MB", "in use"),
        )
    else:
        echo(f"{folder}: no precomputed truth")


@cache.command()
@_where
@click.option("--stale", is_flag=True, help="Remove only what other code or another release made: nothing reads it.")
def clear(folder: Path, stale: bool) -> None:
    """Remove the precomputed truth in FOLDER; it only saves time, and is made again when it is asked for."""
    from vidsal.benchmark.scoring.truth_cache import contents, remove

    ended = [c for c in contents(folder) if not (stale and c.current)]
    for one in ended:
        remove(one)
    echo(f"{folder}: removed {len(ended)}, {size(sum(c.size for c in ended))}")
