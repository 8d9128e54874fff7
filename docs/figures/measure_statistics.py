"""Simulate how far intervals, tests and ranks keep what they promise, and write the tables of statistics.md.

python docs/figures/measure_statistics.py                # all of it, some minutes
python docs/figures/measure_statistics.py --write-only   # the tables from the CSV that is there
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from generated_blocks import put, table
from scipy.special import ndtri, stdtr

from vidsal.benchmark.statistics import rank_intervals
from vidsal.benchmark.statistics.inputs import sums
from vidsal.benchmark.statistics.intervals import bca, left_one_out, resampled_means
from vidsal.benchmark.statistics.sign_flips import sign_flip_p

HERE = Path(__file__).resolve().parent
CSV = HERE / "statistics.csv"
PAGE = HERE.parent / "statistics.md"

SIMULATIONS = 4000
RESAMPLES = 4000
GROUPS = (10, 20, 40, 100)
METHODS = ("percentile", "BCa", "BCa, wider level")
LEVEL = 0.95
_BATCH = 500

Rng = np.random.Generator
Row = tuple[str, str, str, str, float]
"""Experiment, kind of data, method, groups, value."""

KINDS: dict[str, tuple[Callable[[Rng, tuple[int, int]], Any], float]] = {
    "normal": (lambda r, s: r.normal(size=s), 0.0),
    "gamma, shape 2": (lambda r, s: r.gamma(2.0, size=s), 2.0),
    "exponential": (lambda r, s: r.exponential(size=s), 1.0),
    "squared normal": (lambda r, s: r.normal(size=s) ** 2, 1.0),
    "lognormal, sigma 0.5": (lambda r, s: r.lognormal(sigma=0.5, size=s), float(np.exp(0.125))),
    "lognormal, sigma 1": (lambda r, s: r.lognormal(sigma=1.0, size=s), float(np.exp(0.5))),
}
UNEQUAL = "normal, groups of 1 to 7"
APART = "the same, stimuli taken for groups"
ALIKE = ("normal", "t with 3 degrees, groups of unequal spread", "exponential minus 1, not symmetric")


def coverage() -> Iterator[Row]:
    """How often intervals hold the true mean."""
    for groups in GROUPS:
        for kind, (draw, truth) in KINDS.items():
            rng = np.random.default_rng([groups, len(kind)])
            hits = np.zeros(len(METHODS))
            for batch in range(SIMULATIONS // _BATCH):
                hits += _held(draw(rng, (groups, _BATCH)), np.arange(groups), truth, batch)
            yield from (("coverage", kind, m, str(groups), h / SIMULATIONS) for m, h in zip(METHODS, hits, strict=True))
        rng = np.random.default_rng([groups, 0])
        together, apart = np.zeros(len(METHODS)), np.zeros(len(METHODS))
        for batch in range(SIMULATIONS // _BATCH):
            members = np.repeat(np.arange(groups), rng.integers(1, 8, groups))
            values = rng.normal(size=(groups, _BATCH))[members] + rng.normal(size=(len(members), _BATCH))
            together += _held(values, members, 0.0, batch)
            apart += _held(values, np.arange(len(members)), 0.0, batch)
        for kind, hits in ((UNEQUAL, together), (APART, apart)):
            yield from (("coverage", kind, m, str(groups), h / SIMULATIONS) for m, h in zip(METHODS, hits, strict=True))


def _held(values: Any, members: Any, truth: float, seed: int) -> Any:
    totals = [sums(column, members) for column in values.T]
    groups = len(totals[0][0])
    resampled = resampled_means(totals, RESAMPLES, seed)
    # The level at which the wider interval is as wide as the plain one.
    plain = 2 * stdtr(groups - 1, ndtri(0.5 + LEVEL / 2) * np.sqrt((groups - 1) / groups)) - 1
    hits = np.zeros(len(METHODS))
    for (total, count), means in zip(totals, resampled.T, strict=True):
        without = left_one_out(total, count)
        ends = (
            np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]),
            *(bca(total.sum() / count.sum(), means, without, level) for level in (plain, LEVEL)),
        )
        hits += [low <= truth <= high for low, high in ends]
    return hits


def false_positives() -> Iterator[Row]:
    """How often models that are alike get a p of at most 0.05."""
    for groups in (6, 10, 20, 40, 100):
        rng = np.random.default_rng([groups, 1])
        shape = (groups, SIMULATIONS)
        found = (
            rng.normal(size=shape),
            rng.standard_t(3, shape) * rng.uniform(0.1, 3, (groups, 1)),
            rng.exponential(size=shape) - 1,
        )
        for kind, totals in zip(ALIKE, found, strict=True):
            p = sign_flip_p(totals, 1, 9999)
            yield "false positives", kind, "sign flips", str(groups), float(np.mean(p <= 0.05))


def ranks() -> Iterator[Row]:
    """How often rank intervals hold all the ranks that a model truly shares."""
    for kind, means, true in (
        ("five models alike", [0.0] * 5, [(1, 5)] * 5),
        ("two pairs and one", [1.0, 0.1, 0.1, 0.0, 0.0], [(1, 1), (2, 3), (2, 3), (4, 5), (4, 5)]),
    ):
        for groups in (10, 40):
            rng = np.random.default_rng([groups, 2])
            held, counted = 0.0, 0.0
            for k in range(1000):
                scores = rng.normal(size=groups) + np.array(means)[:, None] + rng.normal(0, 0.3, (5, groups))
                found = rank_intervals(scores, range(groups), resamples=1000, seed=k)
                held += np.mean([(a or 0) <= t[0] and t[1] <= (b or 0) for (a, b), t in zip(found, true, strict=True)])
                counted += _counted(scores, true, k)
            yield "ranks", kind, "sure differences", str(groups), held / 1000
            yield "ranks", kind, "counted in resamples", str(groups), counted / 1000


def _counted(scores: Any, true: list[tuple[int, int]], seed: int) -> Any:
    """The same for the 2.5 and 97.5 % of the ranks in resamples."""
    members = np.arange(scores.shape[1])
    means = resampled_means([sums(row, members) for row in scores], 1000, seed)
    place = (means[:, None, :] > means[:, :, None]).sum(axis=2) + 1
    low, high = np.quantile(place, [0.025, 0.975], axis=0)
    return np.mean([a <= t[0] and t[1] <= b for a, b, t in zip(low, high, true, strict=True)])


def read() -> list[Row]:
    """Return the rows of the CSV."""
    with CSV.open(encoding="utf-8", newline="") as file:
        return [(*row[:4], float(row[4])) for row in list(csv.reader(file))[1:]]  # type: ignore[misc]


def write(rows: list[Row]) -> None:
    """Write the CSV."""
    with CSV.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("experiment", "data", "method", "groups", "value"))
        out.writerows((*row[:4], f"{row[4]:.4f}") for row in rows)


def blocks(rows: list[Row]) -> dict[str, str]:
    """Return the tables of the page."""
    value = {row[:4]: row[4] for row in rows}

    def cells(experiment: str, kind: str, method: str, groups: list[str]) -> list[str]:
        return [f"{100 * value[experiment, kind, method, g]:.1f}" for g in groups]

    found = {}
    for name, experiment in (("coverage", "coverage"), ("alike", "false positives"), ("ranks", "ranks")):
        groups = list(dict.fromkeys(row[3] for row in rows if row[0] == experiment))
        lines = dict.fromkeys(row[1:3] for row in rows if row[0] == experiment)
        head = ("data", "method", *(f"{g} groups" for g in groups))
        found[name] = table(
            head, ((k, m, *cells(experiment, k, m, groups)) for k, m in lines), "  " + "r" * len(groups)
        )
    return found


@click.command()
@click.option("--write-only", is_flag=True, help="Simulate nothing; write the tables of the CSV that is there.")
def main(write_only: bool) -> None:
    """Simulate, and write the CSV and the tables."""
    if not write_only:
        write([*coverage(), *false_positives(), *ranks()])
    put(PAGE, blocks(read()))
    click.echo(PAGE)


if __name__ == "__main__":
    main()
