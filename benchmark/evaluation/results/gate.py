"""The gate: two runs of the same thing, and every score that moved.

A gate compares what may be compared: one release, split, protocol, truth recipe and coverage. Means of the run and of
every stimulus are held against a tolerance, 1e-9 or 1e-9 of their size unless a file says otherwise (1e-6 where the
two runs were scored by different engines); numbers of frames and statuses must be equal. NaN on both sides is equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pandas as pd

from vidsal.loaders.errors import WrongUse

from ...metrics.base import REGISTRY
from ...metrics.gaze_path import METRICS as GAZE_METRICS
from .pairs import find_pair as find_pair
from .store import Run
from .tolerances import (
    ALL,
    BETWEEN_ENGINES,
    SMALLEST,
    Tolerance as Tolerance,
    of_stimulus,
    read_tolerances as read_tolerances,
)

_MEANS = ("mean", "mean_stimuli", "mean_frames")
_WORDS = {"n_frames": "frames", "n_scored": "frames, scored"}
Value = tuple[str, str, str, float, float]
"""Where, what, the metric (empty for a count), both values."""


@dataclass(frozen=True)
class Moved:
    """One thing that is not as it was.

    Attributes:
        where: `run`, or a stimulus id.
        what: a metric (`AUC-J`, or `AUC-J, mean_frames`), or a count.
        baseline, candidate: both values.
        difference: candidate - baseline; NaN where one of them is.
        allowed: how far it may have moved.
        change: `better` or `worse`; empty for a count, and where a value is not defined.
    """

    where: str
    what: str
    baseline: float
    candidate: float
    difference: float
    allowed: float
    change: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; None for NaN."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in self.__dict__.items()}


@dataclass(frozen=True)
class Scores:
    """What a gate looks at, of a run or of what was kept of one.

    Attributes:
        record: `release`, `split`, `protocol`, `truth`, `model`, `engine`, `coverage`, `counts`, `metrics` and
            `gaze_points` of run.json; of a part, what a gate compares is enough.
        stimuli: by id, the numbers of frames and the scores: columns of stimuli.parquet.
    """

    record: Mapping[str, Any]
    stimuli: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, run: Run) -> Scores:
        """Return those of a run."""
        columns = [*_WORDS, *run.metrics]
        table = run.stimuli.set_index("stimulus_id")[columns].astype(float)
        rows = zip(table.index, table.to_numpy().tolist(), strict=True)
        return cls(run.record, {str(key): dict(zip(columns, row, strict=True)) for key, row in rows})


@dataclass(frozen=True)
class Verdict:
    """What a gate found.

    Attributes:
        baseline, candidate: what was compared.
        moved: what moved, means of the run first, then stimuli by falling difference.
        compared: how many values were compared.
        notes: what differs and is allowed to: model, versions.
        improved: what moved to the better where that is allowed.
    """

    baseline: Scores
    candidate: Scores
    moved: tuple[Moved, ...]
    compared: int
    notes: tuple[str, ...] = field(default=())
    improved: tuple[Moved, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing moved."""
        return not self.moved


def compare(
    baseline: Run, candidate: Run, tolerances: Mapping[str, Tolerance] | None = None, *, one_sided: bool = False
) -> Verdict:
    """Compare two runs.

    Args:
        baseline: how it was.
        candidate: how it is.
        tolerances: as `read_tolerances` gives them: by short name of the metric; `default` for the others, without it
            `default_tolerance`.
        one_sided: scores may move to the better, however far.

    Raises:
        WrongUse: they may not be compared; the message names every difference.
    """
    one, other = Scores.of(baseline), Scores.of(candidate)
    return hold(one, other, tolerances, one_sided=one_sided, more=_of_statuses(baseline.frames, candidate.frames))


def hold(
    baseline: Scores,
    candidate: Scores,
    tolerances: Mapping[str, Tolerance] | None = None,
    *,
    one_sided: bool = False,
    more: Iterable[Value] = (),
) -> Verdict:
    """Compare scores with how they were; see `compare`.

    Args:
        more: further values, that only whole runs have.
    """
    differences = list(_differences(baseline.record, candidate.record))
    if differences:
        raise WrongUse(f"the two runs cannot be compared: {'; '.join(differences)}")
    allowed = {ALL: default_tolerance(baseline.record, candidate.record), **(tolerances or {})}
    if one_sided:
        allowed = {key: replace(tolerance, one_sided=True) for key, tolerance in allowed.items()}
    moved: list[Moved] = []
    improved: list[Moved] = []
    compared = 0
    for where, what, metric, a, b in chain(
        *(values(baseline, candidate) for values in (_of_run, _of_stimuli, _of_gaze)), more
    ):
        compared += 1
        tolerance = _allowed(allowed, where, metric)
        if not _same(a, b, tolerance):
            change = _change(metric, a, b)
            forgiven = change == "better" and tolerance.one_sided
            found = Moved(where, what, a, b, b - a, tolerance.of(a, b), change)
            (improved if forgiven else moved).append(found)
    for found_ones in (moved, improved):
        found_ones.sort(key=lambda m: (m.where != "run", -_size(m)))
    notes = tuple(_notes(baseline.record, candidate.record))
    return Verdict(baseline, candidate, tuple(moved), compared, notes, tuple(improved))


def _allowed(allowed: Mapping[str, Tolerance], where: str, metric: str) -> Tolerance:
    """The tolerance of a stimulus's metric, else of the metric, else the default one; counts must be equal."""
    if not metric:
        return Tolerance(0.0, 0.0)
    keys = (of_stimulus(where, metric), of_stimulus(where, ALL), metric)
    return next((allowed[key] for key in keys if key in allowed), allowed[ALL])


_HIGHER_IS_BETTER = {**dict.fromkeys(GAZE_METRICS, False), "scanpath NSS": True}
"""Of scores of predicted positions; the others are distances."""


def _change(metric: str, a: float, b: float) -> str:
    """Say whether a score is better or worse than it was; nothing where that has no meaning."""
    known = {entry.short: entry.higher_is_better for entry in REGISTRY.values()} | _HIGHER_IS_BETTER
    if metric not in known or not a < b and not b < a:
        return ""
    return "better" if (b > a) == known[metric] else "worse"


def default_tolerance(a: Mapping[str, Any], b: Mapping[str, Any]) -> Tolerance:
    """Return how far scores of two runs may lie apart, by where they were scored."""
    if _engine(a) == _engine(b):
        return Tolerance()
    return Tolerance(BETWEEN_ENGINES, BETWEEN_ENGINES)


def _engine(record: Mapping[str, Any]) -> tuple[str, str]:
    """Where predictions were scored, and by what; runs that do not say were scored on the host."""
    engine = record["engine"]
    return engine.get("score_on", "host"), engine.get("scored_by", "")


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Say what forbids a comparison."""
    pairs = (
        ("release", a["release"]["id"], b["release"]["id"]),
        ("content of the release", a["release"]["digest"][:12], b["release"]["digest"][:12]),
        ("split", a["split"], b["split"]),
        ("protocol", a["protocol"]["name"], b["protocol"]["name"]),
        ("content of the protocol", a["protocol"]["digest"][:12], b["protocol"]["digest"][:12]),
        ("truth recipe", a["truth"], b["truth"]),
    )
    for what, one, other in pairs:
        if one != other:
            if isinstance(one, dict):
                keys = sorted(k for k in {*one, *other} if one.get(k) != other.get(k))
                one, other = ({k: d.get(k) for k in keys} for d in (one, other))
            yield f"{what}: {one} in the baseline, {other} in the candidate"
    mine, theirs = a["coverage"]["scored"], b["coverage"]["scored"]
    if set(mine) != set(theirs):
        lost, won = sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))
        text = f"coverage: {len(mine)} stimuli in the baseline, {len(theirs)} in the candidate"
        yield text + "".join(
            f", {word} {ids[0]}" + (f" and {len(ids) - 1} more" if len(ids) > 1 else "")
            for word, ids in (("without", lost), ("with", won))
            if ids
        )


def _of_run(a: Scores, b: Scores) -> Iterator[Value]:
    for name in dict.fromkeys([*a.record["metrics"], *b.record["metrics"]]):
        one, other = a.record["metrics"].get(name, {}), b.record["metrics"].get(name, {})
        average = a.record["protocol"]["average"]
        for mean in _MEANS:
            if mean == f"mean_{'stimuli' if average == 'stimulus' else 'frames'}":
                continue  # it is `mean`
            what = name if mean == "mean" else f"{name}, {mean}"
            yield "run", what, name, _number(one.get(mean)), _number(other.get(mean))
        yield "run", f"{name}, frames that define it", "", _number(one.get("n")), _number(other.get("n"))
    counts = (a.record["counts"], b.record["counts"])
    for name in dict.fromkeys([*counts[0], *counts[1]]):
        what = name if name == "frames" else f"frames, {name}"
        yield "run", what, "", _number(counts[0].get(name)), _number(counts[1].get(name))


def _of_stimuli(a: Scores, b: Scores) -> Iterator[Value]:
    for stimulus_id, values in a.stimuli.items():
        for column, value in values.items():
            metric = "" if column in _WORDS else column
            yield stimulus_id, column if metric else _WORDS[column], metric, value, b.stimuli[stimulus_id][column]


def _of_gaze(a: Scores, b: Scores) -> Iterator[Value]:
    """Scores of predicted positions as positions, where a model predicts them."""
    one, other = (r.record.get("gaze_points", {}) for r in (a, b))
    rows = [("run", one.get("mean", {}), other.get("mean", {}))]
    mine, theirs = one.get("stimuli", {}), other.get("stimuli", {})
    rows += [(i, mine.get(i, {}), theirs.get(i, {})) for i in dict.fromkeys([*mine, *theirs])]
    for where, x, y in rows:
        for name in dict.fromkeys([*x, *y]):
            yield where, name, name, _number(x.get(name)), _number(y.get(name))


def _of_statuses(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Value]:
    """Count, for each stimulus, the frames whose status or number of fixations is another."""
    keys = ["stimulus_id", "frame"]
    both = a[[*keys, "status", "n_fixations"]].merge(
        b[[*keys, "status", "n_fixations"]], on=keys, how="outer", suffixes=("_a", "_b")
    )
    for column, what in (("status", "frames with another status"), ("n_fixations", "frames with other fixations")):
        other = both[f"{column}_a"].astype(object).ne(both[f"{column}_b"].astype(object))
        for stimulus_id, count in both[other].groupby("stimulus_id").size().items():
            yield str(stimulus_id), what, "", 0.0, float(count)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _same(a: float, b: float, tolerance: Tolerance) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(b - a) <= tolerance.of(a, b)


def _size(moved: Moved) -> float:
    """How large a move is, in shares of the score; NaN on one side is the largest."""
    if math.isnan(moved.difference):
        return math.inf
    return abs(moved.difference) / max(abs(moved.baseline), abs(moved.candidate), 1e-300)


def _notes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    for key in ("name", "version", "checkpoint_sha256", "options"):
        if a["model"].get(key) != b["model"].get(key):
            yield f"model, {key}: {a['model'].get(key)} in the baseline, {b['model'].get(key)} in the candidate"
    if reason := a["model"].get("moves_between_machines") or b["model"].get("moves_between_machines"):
        yield f"by its nature the model's scores move between machines, so state tolerances for another one: {reason}"
    if _engine(a) != _engine(b):
        yield f"scored by different engines: the default tolerance is {BETWEEN_ENGINES:g} instead of {SMALLEST:g}"
    one, other = ({"score_on": "host", **record["engine"]} for record in (a, b))
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield f"{key}: {one.get(key)} in the baseline, {other.get(key)} in the candidate"
