"""Measure, draw and write the page on why scores differ: its CSV, its plots and its tables.

python docs/figures/why_scores_differ.py                # all of it, a minute or two
python docs/figures/why_scores_differ.py --draw-only    # plots and tables from the CSV that is there
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import click
from draw_scores import Numbers, draw_all
from generated_blocks import put, table
from measure_scores import COMPARED, Measured, measure_all, read, write
from synthetic_predictions import FRAMES, VIDEOS

from vidsal.benchmark.protocols import SIX

HERE = Path(__file__).resolve().parent
CSV = HERE / "why_scores_differ.csv"
PAGE = HERE.parent / "why_scores_differ.md"
IMAGES = HERE.parent / "images"
N_FRAMES = VIDEOS * FRAMES


def blocks(rows: Sequence[Measured]) -> dict[str, str]:
    """Return the tables of the page, made of the measured numbers."""
    numbers = Numbers(rows)
    return {
        "smooth": _protocols(numbers, "blend"),
        "flat": _protocols(numbers, "motion_energy"),
        "bonus": _bonus(numbers),
        "sharpened": _sharpened(numbers),
        "average": _average(numbers),
    }


def _protocols(numbers: Numbers, model: str) -> str:
    def one(name: str, metric: str) -> str:
        value = numbers("protocols", model, name, metric)
        undefined = int(numbers("protocols", model, name, f"{metric}, undefined frames"))
        if math.isnan(value):
            return "not scored"
        return f"{value:.4f}" + (f" (without {undefined})" if undefined else "")

    rows = [(f"`{name}`", *(one(name, m) for m in SIX)) for name in COMPARED]
    frames = int(numbers("not constant", model, "exact-1", "frames"))
    if frames < N_FRAMES:
        others = (f"{numbers('not constant', model, 'exact-1', m):.4f}" for m in SIX)
        rows.insert(1, (f"`exact-1`, {frames} frames that are not constant", *others))
    return table(("protocol", *SIX), rows, " rrrrrr")


def _bonus(numbers: Numbers) -> str:
    counts = [r.x for r in numbers.rows if (r.experiment, r.statistic) == ("bonus", "mean")]
    lines = (("bonus, mean", "mean"), ("largest of 100 frames", "max"), ("law", "law"), ("constant map", "constant"))
    return table(
        ("fixated pixels", *counts),
        ((label, *(f"{numbers('bonus', 'AUC-J', n, statistic):.4f}" for n in counts)) for label, statistic in lines),
        " " + "r" * len(counts),
    )


def _sharpened(numbers: Numbers) -> str:
    powers = [r.x for r in numbers.rows if (r.experiment, r.series, r.statistic) == ("sharpened", "exact-1", "AUC-J")]
    lines = [(f"`{name}`", name, "AUC-J") for name in COMPARED]
    lines.append(("exact area of the 8-bit map", "exact area of the 8-bit map", "AUC-J"))
    lines.append(("share of pixels at level 0", "8-bit map", "share of pixels at level 0"))
    return table(
        ("AUC-J; power", *powers),
        ((label, *(f"{numbers('sharpened', s, p, statistic):.3f}" for p in powers)) for label, s, statistic in lines),
        " " + "r" * len(powers),
    )


def _average(numbers: Numbers) -> str:
    rows = []
    for series in ("equal lengths", "every second video cut"):
        for mean in ("mean of stimuli", "mean of frames"):
            rows.append((series, mean, *(f"{numbers('average', series, mean, m):.4f}" for m in SIX)))
    return table(("videos", "mean", *SIX), rows, "  rrrrrr")


@click.command()
@click.option("--draw-only", is_flag=True, help="Measure nothing; draw the CSV that is there.")
def main(draw_only: bool) -> None:
    """Write the CSV, the plots and the tables."""
    if not draw_only:
        write(list(measure_all()), CSV)
    # Read back, so that plots and tables show what the CSV holds.
    rows = read(CSV)
    for file in draw_all(rows, IMAGES):
        click.echo(file)
    put(PAGE, blocks(rows))
    click.echo(PAGE)


if __name__ == "__main__":
    main()
