"""`vidsal gate`: has a score moved?"""

from __future__ import annotations

import math
from pathlib import Path

import click

from .output import any_path, echo, json_option, print_json, print_table

_MOST_ROWS = 60


@click.command()
@click.option("--baseline", required=True, type=any_path, help="Run folder, or results folder with one such run.")
@click.option("--candidate", required=True, type=any_path, help="The same, as it is now.")
@click.option(
    "--tolerances",
    type=any_path,
    help="TOML or JSON: for each metric absolute, relative; default: 1e-9, between host and device 1e-6.",
)
@json_option
def gate(baseline: Path, candidate: Path, tolerances: Path | None, as_json: bool) -> int:
    """Compare two runs; exit code 1 if a score moved, with a table of what moved."""
    from vidsal.benchmark.evaluation.results.gate import compare, find_pair, read_tolerances

    allowed = None if tolerances is None else read_tolerances(tolerances)
    one, other = find_pair(baseline, candidate)
    verdict = compare(one, other, allowed)
    if as_json:
        print_json(
            {
                "passed": verdict.passed,
                "baseline": str(one.folder),
                "candidate": str(other.folder),
                "compared": verdict.compared,
                "moved": [m.to_dict() for m in verdict.moved],
                "notes": list(verdict.notes),
            }
        )
        return 0 if verdict.passed else 1
    for note in verdict.notes:
        echo(f"note: {note}", err=True)
    r = other.record
    echo(
        f"{r['model']['name']} on {r['release']['id']}, split {r['split']}, protocol {r['protocol']['name']}, "
        f"{len(r['coverage']['scored'])} stimuli"
    )
    if verdict.passed:
        echo(f"nothing moved: {verdict.compared} values compared")
        return 0
    echo(f"{len(verdict.moved)} of {verdict.compared} values moved")
    rows = [
        (m.where, m.what, _text(m.baseline), _text(m.candidate), _text(m.difference, 3), _text(m.allowed, 3))
        for m in verdict.moved[:_MOST_ROWS]
    ]
    print_table(rows, ("where", "what", "baseline", "candidate", "difference", "allowed"))
    if len(verdict.moved) > _MOST_ROWS:
        echo(f"and {len(verdict.moved) - _MOST_ROWS} more; --json has them all")
    return 1


def _text(value: float, digits: int = 12) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}g}"
