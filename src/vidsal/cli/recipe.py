"""`vidsal recipe`: list, show."""

from __future__ import annotations

from pathlib import Path

import click

from .output import json_option, print_json, print_table


@click.group()
def recipe() -> None:
    """Recipes: everything that decides how a network is trained, under a name."""


@recipe.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the recipes."""
    from vidsal.training import load_recipe, names

    found = [load_recipe(name) for name in names()]
    if as_json:
        print_json([{"name": r.name, "model": r.model, "summary": r.summary, "digest": r.digest} for r in found])
    else:
        print_table([(r.name, r.model, r.summary) for r in found], ("name", "model", "summary"))


@recipe.command()
@click.argument("name")
@click.option("--smoke", is_flag=True, help="Show the recipe in its size for a minute on a CPU.")
@click.option("--toml", "as_toml", is_flag=True, help="Print its file, to be changed and given to `vidsal train`.")
@json_option
def show(name: str, smoke: bool, as_toml: bool, as_json: bool) -> None:
    """Show a recipe: its settings, options, and where it departs from its origin."""
    from vidsal.baselines.training.describe import explain
    from vidsal.baselines.training.recipe import FOLDER
    from vidsal.training import find_recipe

    found = find_recipe(name, smoke=smoke)
    if as_toml:
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name.removesuffix('-smoke')}.toml"
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    elif as_json:
        print_json({**found.to_dict(), "digest": found.digest})
    else:
        click.echo(explain(found))
