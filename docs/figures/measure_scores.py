"""Measure how far each choice of a protocol moves a score; every number of the page on why scores differ.

Each function returns rows of one experiment, and the same rows every time.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from simulated_frames import center_bias, drawn_judd_area, simulate, step_area
from synthetic_predictions import Stored, make_release, predict_once

import vidsal
from vidsal.benchmark import metrics
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.protocols import SIX, protocol
from vidsal.benchmark.scoring.frame import score
from vidsal.benchmark.scoring.negatives import Negatives
from vidsal.benchmark.scoring.quantize import prediction_to_uint8
from vidsal.benchmark.scoring.truth import prepare_truth
from vidsal.loaders.release.release import Release, Stimulus

Map = npt.NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """One number.

    Attributes:
        experiment, series: what was measured, and for what.
        x: the place on the horizontal axis, or a name.
        statistic: what of it: a metric, `mean`, `p5`, ...
        value: the number; NaN where it is undefined.
    """

    experiment: str
    series: str
    x: str
    statistic: str
    value: float


def write(rows: Sequence[Measured], path: Path) -> None:
    """Write the rows as CSV, six decimals."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in fields(Measured))
        table.writerows((*astuple(row)[:-1], f"{round(row.value, 6) + 0.0:.6f}") for row in rows)


def read(path: Path) -> list[Measured]:
    """Read what `write` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return [Measured(r["experiment"], r["series"], r["x"], r["statistic"], float(r["value"])) for r in rows]


def measure_all() -> Iterator[Measured]:
    """Yield every number; a minute or two on one core."""
    yield from bonus_of_judd()
    yield from steps_of_shuffled()
    yield from saturation()
    yield from sharpened()
    yield from floor_and_eps()
    with TemporaryDirectory(prefix="vidsal-") as folder:
        release = make_release(Path(folder))
        stored = predict_once(release)
        yield from by_protocol(release, stored)
        yield from by_average(vidsal.evaluate(stored["blend"], release, "exact-1"))
        yield from by_negatives(release, stored["blend"])


# ---------------------------------------------------------------------------------------------------------------------
# Simulated frames

COMPARED = ("exact-1", "dhf1k-1", "unisal-1", "salema-1", "tinyhd-1", "msu-1", "tuebingen-1")
"""The protocols of the page: one definition and the six dialects of it that publish scores."""

BONUS_N = (1, 2, 3, 5, 8, 12, 17, 30, 50, 100, 300)
BONUS_FRAMES = 100


def bonus_of_judd(counts: Sequence[int] = BONUS_N) -> Iterator[Measured]:
    """AUC-J of the published algorithm minus the exact area, against the number of fixations; and the law.

    The simulation draws the jitter and walks the published ROC; the law is fp_n / (2 n) of the same frames.
    """
    for n in counts:
        gained, law, exact = [], [], []
        for number in range(BONUS_FRAMES):
            frame = simulate((1, n, number), n)
            random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((2, n, number))))
            area = metrics.auc_judd(frame.prediction, frame.fixated)
            gained.append(drawn_judd_area(frame.prediction, frame.fixated, random) - area)
            exact.append(area)
            lowest = frame.prediction[frame.fixated].min()
            law.append((frame.prediction[~frame.fixated] > lowest).mean() / (2 * n))
        values = np.array(gained)
        for name, value in (
            ("mean", values.mean()),
            ("p5", np.percentile(values, 5)),
            ("p95", np.percentile(values, 95)),
            ("max", values.max()),
            ("law", np.mean(law)),
            ("constant", 1 / (2 * (n + 1))),
            ("exact", np.mean(exact)),
        ):
            yield Measured("bonus", "AUC-J", str(n), name, float(value))


STEP_N = (3, 15, 100)
STEPS = (5, 10, 20, 50, 100, 1000)
STEP_FRAMES = 60


def steps_of_shuffled(counts: Sequence[int] = STEP_N, steps: Sequence[int] = STEPS) -> Iterator[Measured]:
    """Shuffled AUC at threshold steps minus its exact area, the same negatives; by step and number of fixations."""
    for n in counts:
        frames = [simulate((3, n, number), n) for number in range(STEP_FRAMES)]
        exact = [metrics.shuffled_auc(f.prediction, f.fixated, f.negatives) for f in frames]
        for step in steps:
            stepped = [step_area(f.prediction, f.fixated, f.negatives, step) for f in frames]
            yield from _spread("step", str(n), f"{1 / step:g}", np.array(stepped) - np.array(exact))


def _spread(experiment: str, series: str, x: str, values: Map) -> Iterator[Measured]:
    for name, value in (
        ("mean", values.mean()),
        ("p5", np.percentile(values, 5)),
        ("p95", np.percentile(values, 95)),
        ("max_abs", np.abs(values).max()),
    ):
        yield Measured(experiment, series, x, name, float(value))


SATURATION_M = tuple(10**k for k in range(1, 8))


def saturation(counts: Sequence[int] = SATURATION_M, shape: tuple[int, int] = (360, 640)) -> Iterator[Measured]:
    """Shuffled AUC of a pure centre bias against m fixations of others: as a list, and as the union of pixels.

    Nobody in this world looks at anything but the centre, so a score that corrects the centre bias says 0.5. In
    expectation: positives weigh p, a list m p, a union 1 - (1 - p)^m.
    """
    p = center_bias(shape)
    for m in counts:
        union = -np.expm1(m * np.log1p(-p))
        yield Measured("saturation", "list", str(m), "sAUC", metrics.mann_whitney(p, p, m * p))
        yield Measured("saturation", "union", str(m), "sAUC", metrics.mann_whitney(p, p, union))


SHARPENED_POWERS = (1, 2, 4, 8, 16)
SHARPENED_FRAMES = 40
SHARPENED_N = 15


def sharpened(powers: Sequence[int] = SHARPENED_POWERS) -> Iterator[Measured]:
    """AUC-J and sAUC by protocol of a prediction raised to a power: the order of its pixels never changes."""
    frames = [simulate((4, number), SHARPENED_N) for number in range(SHARPENED_FRAMES)]
    for power in powers:
        maps = [prediction_to_uint8(f.prediction**power) for f in frames]
        areas = [metrics.auc_judd(m, f.fixated) for m, f in zip(maps, frames, strict=True)]
        yield Measured("sharpened", "exact area of the 8-bit map", str(power), "AUC-J", float(np.mean(areas)))
        lowest = [(m == 0).mean() for m in maps]
        yield Measured("sharpened", "8-bit map", str(power), "share of pixels at level 0", float(np.mean(lowest)))
    for rules in map(protocol, COMPARED):
        truths = [
            prepare_truth(_points(f.fixated), f.fixated.shape, f.density, Negatives(f.negatives), rules, encode=True)
            for f in frames
        ]
        for power in powers:
            scores = [
                score(f.prediction**power, "saliency", t, rules, encode=True)
                for f, t in zip(frames, truths, strict=True)
            ]
            for name in ("AUC-J", "sAUC"):
                yield Measured("sharpened", rules.name, str(power), name, float(np.mean([s[name] for s in scores])))


def _points(fixated: Map) -> Map:
    row, column = np.nonzero(fixated)
    return np.stack([column + 0.5, row + 0.5], axis=1)


FLOORS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
EPSILONS = (1e-20, 2.220446049250313e-16, 1e-12, 1e-7)
ZEROS = (0.0, 0.3, 0.6)


def floor_and_eps() -> Iterator[Measured]:
    """SIM of a prediction on a floor, with and without min-max; KLD of one with zeros, by the constant eps."""
    frames = [simulate((5, number), SHARPENED_N) for number in range(SHARPENED_FRAMES)]
    for floor in FLOORS:
        pairs = [
            (metrics.sim(f.prediction + floor, f.density), metrics.sim_stretched(f.prediction + floor, f.density))
            for f in frames
        ]
        for name, value in zip(("sum", "min-max"), np.mean(pairs, axis=0), strict=True):
            yield Measured("floor", name, f"{floor:g}", "SIM", float(value))
    for share in ZEROS:
        for eps in EPSILONS:
            values = [divergence(_with_zeros(f.prediction, share), f.density, eps) for f in frames]
            yield Measured("eps", f"{share:g}", f"{eps:.2g}", "KLD", float(np.mean(values)))


def _with_zeros(prediction: Map, share: float) -> Map:
    return np.where(prediction < np.quantile(prediction, share), 0.0, prediction) if share else prediction


def divergence(prediction: Map, density: Map, eps: float) -> float:
    """Return the MIT formula of KLD, sum Q log(eps + Q / (P + eps)), with any eps."""
    p, q = prediction / prediction.sum(), density / density.sum()
    return float((q * np.log(eps + q / (p + eps))).sum())


# ---------------------------------------------------------------------------------------------------------------------
# The synthetic release


def by_protocol(release: Release, stored: dict[str, Stored], names: Sequence[str] = ()) -> Iterator[Measured]:
    """Every score of every protocol for the same stored predictions, and on how many frames it is undefined."""
    for model, predictor in stored.items():
        for name in names or COMPARED:
            run = vidsal.evaluate(predictor, release, name)
            for metric in SIX:
                yield Measured("protocols", model, name, metric, run.scores[metric])
                undefined = run.record["counts"]["scored"] - run.record["metrics"][metric]["n"]
                yield Measured("protocols", model, name, f"{metric}, undefined frames", float(undefined))
            if name == "exact-1":
                yield from _without_constants(model, predictor, run)


def _without_constants(model: str, predictor: Stored, run: Run) -> Iterator[Measured]:
    """The scores of a run on those frames whose map is not constant, and how many they are."""
    rows = run.frames
    keys = zip(rows["stimulus_id"], rows["frame"], strict=True)
    kept = rows[[bool(np.ptp(predictor.maps[key])) for key in keys]]
    for metric in SIX:
        value = kept.groupby("stimulus_id")[metric].mean().mean()
        yield Measured("not constant", model, "exact-1", metric, float(value))
    yield Measured("not constant", model, "exact-1", "frames", float(len(kept)))


def by_average(run: Run) -> Iterator[Measured]:
    """Both means of a run, as it is, and had every second video been cut to three frames."""
    whole = run.frames
    number = {name: k for k, name in enumerate(whole["stimulus_id"].unique())}
    cut = whole[(whole["stimulus_id"].map(number) % 2 == 0) | (whole["frame"] < 3)]
    for series, rows in (("equal lengths", whole), ("every second video cut", cut)):
        for metric in run.metrics:
            stimuli = rows.groupby("stimulus_id")[metric].mean().mean()
            yield Measured("average", series, "mean of stimuli", metric, float(stimuli))
            yield Measured("average", series, "mean of frames", metric, float(rows[metric].mean()))


DRAWS = 20
NEGATIVE_SETS = (
    "all pixels",
    "others, list",
    "others, union",
    "ten frames, expected",
    "ten frames, one draw",
    "same video",
)


def by_negatives(release: Release, stored: Stored, sets: Sequence[str] = NEGATIVE_SETS) -> Iterator[Measured]:
    """The exact shuffled AUC of the same predictions against different sets of negatives; mean over all frames."""
    stimuli = list(release)
    shape = (stimuli[0].height, stimuli[0].width)
    weights = {"all pixels": lambda s: np.ones(shape)}
    others = split_negatives(stimuli, shape, protocol("exact-1"))
    ten = split_negatives(stimuli, shape, protocol("dhf1k-1"))
    weights["others, list"] = lambda s: _weights(others.of(s))
    weights["others, union"] = lambda s: (_weights(others.of(s)) > 0).astype(float)
    weights["ten frames, expected"] = lambda s: _weights(ten.of(s))
    weights["same video"] = _own
    for name in sets:
        if name == "ten frames, one draw":
            for draw in range(DRAWS):
                value = float(np.mean(list(_drawn(stimuli, stored, draw))))
                yield Measured("negatives", name, str(draw), "sAUC", value)
            continue
        values = []
        for stimulus in stimuli:
            weight = weights[name](stimulus)
            for frame in range(stimulus.n_frames):
                fixated = _fixated(stimulus, frame)
                if fixated.any():
                    # Of the same video the pixels fixated now are left out, as there.
                    kept = np.where(fixated, 0, weight) if name == "same video" else weight
                    values.append(_area(stored.maps[stimulus.id, frame], fixated, kept))
        yield Measured("negatives", name, "", "sAUC", float(np.mean(values)))


def _weights(negatives: Negatives | None) -> Map:
    if negatives is None:
        raise ValueError("the release has no negatives")
    return negatives.weights


def _fixated(stimulus: Stimulus, frame: int) -> npt.NDArray[np.bool_]:
    fixated = np.zeros((stimulus.height, stimulus.width), bool)
    x, y = np.floor(stimulus.points(frame)).astype(int).T
    fixated[y, x] = True
    return fixated


def _own(stimulus: Stimulus) -> Map:
    return np.asarray(np.any([_fixated(stimulus, f) for f in range(stimulus.n_frames)], axis=0), np.float64)


def _area(saliency: Map, fixated: Map, weight: Map) -> float:
    """Mann-Whitney over the pixels that matter."""
    used = fixated | (weight > 0)
    return metrics.mann_whitney(saliency[used], fixated[used], weight[used])


def _drawn(stimuli: list[Stimulus], stored: Stored, draw: int) -> Iterator[float]:
    """Areas of all frames, each against the union of ten frames drawn anew from the whole release."""
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((6, draw))))
    maps = {(s.id, f): _fixated(s, f) for s in stimuli for f in range(s.n_frames)}
    keys = list(maps)
    for key, fixated in maps.items():
        if fixated.any():
            chosen = random.choice(len(keys), 10, replace=False)
            union = np.any([maps[keys[k]] for k in chosen], axis=0)
            yield _area(stored.maps[key], fixated, union)
