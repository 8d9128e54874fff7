"""`vidsal results compare`: two runs, or several, on the frames that all of them scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import any_path, echo, json_option, print_json, print_table

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.results.differences import Comparison
    from vidsal.benchmark.evaluation.results.ranking import Ranking


@click.command()
@click.argument("a", type=any_path)
@click.argument("b", type=any_path)
@click.argument("more", type=any_path, nargs=-1)
@json_option
def compare(a: Path, b: Path, more: tuple[Path, ...], as_json: bool) -> None:
    """Say whether run A differs from run B: a - b with its 95 % interval and p, on the frames both scored.

    With MORE runs: who ranks where among all, which of them cannot be told apart, and how much of the way from
    center_prior to one_vs_rest each goes, where those are among them.
    """
    from vidsal.benchmark.evaluation.results.differences import compare as compare_two, open_run
    from vidsal.benchmark.evaluation.results.ranking import rank

    one, other, *further = (open_run(path) for path in (a, b, *more))
    if further:
        ranking = rank([one, other, *further])
        print_json(ranking.to_dict()) if as_json else _print_ranking(ranking)
        return
    found = compare_two(one, other)
    print_json(found.to_dict()) if as_json else _print_comparison(found)


def _print_comparison(found: Comparison) -> None:
    for place, run in (("a", found.a), ("b", found.b)):
        echo(f"{place}: {run.typed.model.name}  {run.folder}")
    echo(f"on the {found.frames} frames that both scored, stimuli: {found.stimuli}")
    rows = [
        (label, d.a, d.b, d.mean, d.low, d.high, _p(d.p), _p(d.p_holm), d.stimuli)
        for label, d in found.differences.items()
    ]
    print_table(rows, ("metric", "a", "b", "a - b", "low", "high", "p", "p (Holm)", "stimuli"))
    told: dict[str, list[str]] = {}
    for label, d in found.differences.items():
        if d.note:
            told.setdefault(d.note, []).append(label)
    for note, labels in told.items():
        echo(f"{', '.join(labels)}: {note}")
    for note in found.notes:
        echo(note)


def _print_ranking(found: Ranking) -> None:
    echo(f"on the {found.frames} frames that all models scored, stimuli: {found.stimuli}")
    for label, places in found.metrics.items():
        rows = [
            (
                p.run,
                p.model,
                p.mean,
                p.low,
                p.high,
                "-" if p.rank_low is None else f"{p.rank_low} to {p.rank_high}",
                " ".join(map(str, p.groups)),
                p.gap.value,
            )
            for p in places
        ]
        echo("")
        print_table(rows, ("run", label, "mean", "low", "high", "ranks", "alike", "of the gap"))
        for note in dict.fromkeys(p.gap.note for p in places if p.gap.note):
            echo(f"of the gap: {note}")
    for note in found.notes:
        echo(note)


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"
