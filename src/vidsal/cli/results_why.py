"""`vidsal results why`: why two numbers differ."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import any_path, echo, json_option, print_json, print_table

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.explain.why import Explanation


@click.command()
@click.argument("a", type=any_path)
@click.argument("b", type=any_path, required=False)
@click.option(
    "--reported", multiple=True, metavar="METRIC=VALUE", help="A number from a paper instead of B; repeatable."
)
@click.option("--protocol", help="The protocol that reproduces the paper's scoring; see `vidsal protocol list`.")
@click.option("--metric", help="Show stimuli and a frame in this one.  [default: that which moved most]")
@json_option
def why(
    a: Path, b: Path | None, reported: tuple[str, ...], protocol: str | None, metric: str | None, as_json: bool
) -> None:
    """Say why the numbers of run A and run B differ, or those of run A and a paper."""
    from vidsal.benchmark.evaluation.explain.why import why as explain, why_reported
    from vidsal.benchmark.evaluation.results.differences import open_run

    if (b is None) == (not reported):
        raise click.UsageError("name a second run, or numbers as --reported NSS=2.776")
    if b is not None and protocol:
        raise click.UsageError("--protocol says how a number from a paper was scored; run B says it itself")
    if b is None and metric:
        raise click.UsageError("--metric chooses what to show of two runs; a number from a paper has no stimuli")
    if b is not None:
        found = explain(open_run(a), open_run(b), metric)
    else:
        numbers, digits = _numbers(reported)
        found = why_reported(open_run(a), numbers, protocol, digits)
    print_json(found.to_dict()) if as_json else _print(found)


def _numbers(texts: tuple[str, ...]) -> tuple[dict[str, float], dict[str, int]]:
    numbers: dict[str, float] = {}
    digits: dict[str, int] = {}
    for text in texts:
        label, _, value = text.partition("=")
        if label in numbers:
            raise click.UsageError(f"--reported {text}: {label} is there twice")
        try:
            numbers[label] = float(value)
        except ValueError:
            raise click.UsageError(f"--reported {text}: expected METRIC=VALUE, as NSS=2.776") from None
        if value.replace(".", "", 1).lstrip("+-").isdigit():
            digits[label] = len(value.partition(".")[2])
    return numbers, digits


def _print(found: Explanation) -> None:
    print_table([(label, *values) for label, values in found.metrics.items()], ("metric", "a", "b", "a - b"))
    if not found.causes:
        echo("nothing differs")
    for number, cause in enumerate(found.causes, 1):
        echo(f"\n{number}. {cause.what}")
        for name, text in (("a", cause.a), ("b", cause.b), ("effect", cause.effect)):
            echo(textwrap.fill(text, 110, initial_indent=f"   {name}: ", subsequent_indent="      "))
