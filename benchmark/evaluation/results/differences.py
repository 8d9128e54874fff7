"""Runs against each other on the frames that all of them scored: differences with their uncertainty, and ranks.

The means of a run are over what it scored; two runs that scored other frames differ for that alone. Here everything is
computed anew from the rows of the frames they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vidsal.loaders.errors import MissingData, UnknownName, WrongUse

from ...metrics import find
from ...metrics.base import Metric
from ...statistics import holm, paired_difference, seed_of
from .scored_frames import common_frames, pairs_digest, rows_among
from .store import Run, find_runs, load_run


@dataclass(frozen=True)
class MetricDifference:
    """One metric of two runs, on the frames for which both have a value.

    Attributes:
        a, b: both means over stimuli; None where there is no such frame.
        mean: a - b.
        low, high: its 95 % interval; None with fewer than five groups of stimuli.
        p: of the sign-flip test; p_holm: corrected for the number of metrics.
        stimuli, groups, frames: how many there are.
        note: why something is None, or what so few stimuli do not allow to say.
    """

    a: float | None
    b: float | None
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    stimuli: int
    groups: int
    frames: int
    note: str | None


@dataclass(frozen=True)
class Comparison:
    """Two runs on the frames that both scored.

    Attributes:
        a, b: the runs.
        frames, stimuli: how many both scored.
        differences: by label of the metric.
        notes: what differs between the runs and is allowed to.
    """

    a: Run
    b: Run
    frames: int
    stimuli: int
    differences: dict[str, MetricDifference]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "a": _run(self.a),
            "b": _run(self.b),
            "frames": self.frames,
            "stimuli": self.stimuli,
            "differences": {label: asdict(d) for label, d in self.differences.items()},
            "notes": list(self.notes),
        }


def _run(run: Run) -> dict[str, Any]:
    record = run.typed
    return {
        "folder": None if run.folder is None else str(run.folder),
        "model": record.model.name,
        "digest": record.digest,
    }


def open_run(path: str | Path) -> Run:
    """Read the run that a path names: its folder, its run.json, or a folder with one run in it.

    Raises:
        MissingData: there is none. WrongUse: there are several. BadData: it is damaged.
    """
    path = Path(path)
    path = path.parent if path.name == "run.json" else path
    if (path / "run.json").is_file():
        return load_run(path)
    if not path.is_dir():
        raise MissingData(f"{path}: no run is here; `vidsal results list RESULTS` shows where runs lie")
    found = find_runs(path)
    if not found:
        raise MissingData(f"{path}: no run is here; make one with `vidsal run` or `vidsal score`")
    if len(found) > 1:
        raise WrongUse(f"{path} holds {len(found)} runs; name the folder of one, for example {found[-1]}")
    return load_run(found[0])


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs, metric by metric.

    Raises:
        WrongUse: they cannot be compared; the message names every reason.
    """
    chosen, (one, other) = shared_rows([a, b])
    seed = seed_of(pairs_digest(chosen))
    groups = groups_of([a, b])
    reasons = incomparable(a, b)
    found = {
        label: reasons.get(label) or _difference(label, one, other, groups, seed) for label in common_labels([a, b])
    }
    if all(isinstance(d, str) for d in found.values()):
        raise WrongUse(
            f"no metric of the two runs can be compared: {'; '.join(dict.fromkeys(map(str, found.values())))}"
        )
    made = {label: _absent(d) if isinstance(d, str) else d for label, d in found.items()}
    corrected = holm([np.nan if d.p is None else d.p for d in made.values()])
    differences = {
        label: MetricDifference(**{**asdict(d), "p_holm": None if np.isnan(p) else float(p)})
        for (label, d), p in zip(made.items(), corrected, strict=True)
    }
    return Comparison(a, b, len(chosen), chosen.unique(level=0).size, differences, tuple(_notes([a, b], chosen)))


def _absent(note: str) -> MetricDifference:
    return MetricDifference(None, None, None, None, None, None, None, 0, 0, 0, note)


def _difference(
    label: str, a: pd.DataFrame, b: pd.DataFrame, groups: Mapping[str, str], seed: int
) -> MetricDifference | str:
    """One metric on frames in the same order; in words where there is none."""
    both = a[label].notna() & b[label].notna()
    infinite = int(np.isinf(a.loc[both, label]).sum() + np.isinf(b.loc[both, label]).sum())
    if infinite:
        return f"infinite in {infinite} frames: its mean is no number"
    if not both.any():
        return "no frame has a value of both"
    one, other = (stimulus_means(rows[both], label) for rows in (a, b))
    found = paired_difference(one.to_numpy(), other.to_numpy(), [groups[i] for i in one.index], seed=seed)
    return MetricDifference(
        float(one.mean()), float(other.mean()), found.mean, found.low, found.high, found.p, None,
        found.stimuli, found.groups, int(both.sum()), found.note,
    )  # fmt: skip


def stimulus_means(rows: pd.DataFrame, label: str) -> pd.Series[float]:
    """Return the mean of each stimulus's frames, by its id."""
    return rows.groupby("stimulus_id", sort=True)[label].mean()


def common_labels(runs: Sequence[Run]) -> dict[str, Metric]:
    """Return the metrics that all runs have, in the order of the first."""
    return {
        label: find(metric_id)
        for label, metric_id in runs[0].typed.protocol.metric_ids.items()
        if all(run.typed.protocol.metric_ids.get(label) == metric_id for run in runs)
    }


def incomparable(a: Run, b: Run) -> dict[str, str]:
    """Say which metrics of two runs of one protocol were measured against different things."""
    one, other = a.typed, b.typed
    reasons = {}
    for label, metric in common_labels([a, b]).items():
        if "negatives" in metric.needs and one.split != other.split:
            reasons[label] = f"its negatives are those of the split, {one.split} and {other.split}"
        elif "density" in metric.needs and _recipe(a) != _recipe(b):
            reasons[label] = f"it is measured against densities of other recipes, {_recipe(a)[0]} and {_recipe(b)[0]}"
        elif "density" in metric.needs and one.truth.points != other.truth.points:
            reasons[label] = "one of the runs is judged against a single observer, whose density is another truth"
    return reasons


def _recipe(run: Run) -> tuple[str, dict[str, Any]]:
    truth = run.typed.truth
    return truth.recipe, truth.parameters


def shared_rows(runs: Sequence[Run]) -> tuple[pd.MultiIndex, list[pd.DataFrame]]:
    """Return the frames that all runs scored, and the rows of each in the same order.

    Raises:
        WrongUse: other data, another protocol, or no such frame.
    """
    first = runs[0].typed
    for run in runs[1:]:
        record = run.typed
        wrong = [
            f"{what} ({one} and {other})"
            for what, one, other in (
                ("release", first.release.id, record.release.id),
                ("content of the release", first.release.digest[:12], record.release.digest[:12]),
                ("protocol", first.protocol.name, record.protocol.name),
                ("content of the protocol", first.protocol.digest[:12], record.protocol.digest[:12]),
            )
            if one != other
        ]
        if wrong:
            raise WrongUse(
                f"these runs cannot be compared, they differ in {', '.join(wrong)}; `vidsal results why A B` says what "
                "that does to the numbers, `vidsal results rescore` scores kept predictions under another protocol"
            )
    chosen = common_frames(run.frame_table for run in runs).sort_values()
    if not len(chosen):
        raise WrongUse("these runs scored no frame in common: nothing to compare")
    keys = ["stimulus_id", "frame"]
    tables = [rows_among(run.frame_table, chosen).to_pandas().sort_values(keys, ignore_index=True) for run in runs]
    return chosen, tables


def groups_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return the group of each stimulus."""
    found: dict[str, str] = {}
    for run in runs:
        found |= dict(zip(run.stimuli["stimulus_id"], run.stimuli["group_id"], strict=True))
    return found


def _notes(runs: Sequence[Run], chosen: pd.MultiIndex) -> list[str]:
    """Say what the runs scored beyond the frames in common."""
    notes = []
    for place, run in zip(places(len(runs)), runs, strict=True):
        more = run.typed.counts.scored - len(chosen)
        if more:
            notes.append(f"{place} ({run.typed.model.name}) scored {more} further frames, which do not count here")
    return notes


def places(count: int) -> list[str]:
    """Return the letters by which runs are called."""
    return [chr(ord("a") + i) if i < 26 else f"run {i + 1}" for i in range(count)]


def find_label(runs: Sequence[Run], label: str | None) -> str:
    """Return a metric that all runs have: the one that is named, else NSS, else the first.

    Raises:
        UnknownName: they have no such metric. WrongUse: they have none in common.
    """
    known = list(dict.fromkeys(label for run in runs for label in run.metrics))
    shared = [k for k in known if all(k in run.metrics for run in runs)]
    if not shared:
        raise WrongUse("the runs have no metric in common")
    if label is None:
        return "NSS" if "NSS" in shared else shared[0]
    if label not in shared:
        raise UnknownName("metric", label, shared)
    return label
