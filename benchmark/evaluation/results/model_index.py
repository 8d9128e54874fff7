"""Results as the `model-index` of a model card: the part of its YAML that the Hugging Face Hub reads as evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.names import visible

from .schema import RunRecord
from .store import Run

_TASK = {"type": "video-saliency-prediction", "name": "Video saliency prediction"}


def model_index(runs: Sequence[Run]) -> str:
    """Return YAML with a single key `model-index`, to be put at the head of a model card.

    An entry for each model by its name, a result for each of its runs. A score is the mean as its protocol averages;
    its `args` name the definition, the protocol and the 95 % interval. A score that is undefined is left out, because
    the form has no word for it.

    Args:
        runs: in this order; none of them withdrawn or superseded.

    Raises:
        WrongUse: there is none, or one is withdrawn.
    """
    if not runs:
        raise WrongUse("no run is here to be exported; make one with `vidsal run` or `vidsal score`")
    for run in runs:
        if run.notices:
            notice = run.notices[0]
            raise WrongUse(f"{run.folder}: this run is {notice.kind} ({notice.reason}); export the one that holds")
    return index_of([run.typed for run in runs])


def index_of(records: Sequence[RunRecord]) -> str:
    """Return the same for records that are known to hold."""
    models: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        models.setdefault(record.model.name, []).append(_result(record))
    index = [{"name": name, "results": results} for name, results in models.items()]
    return "\n".join(_lines({"model-index": index})) + "\n"


def undefined(run: Run) -> list[str]:
    """Return the labels of the scores that `model_index` leaves out."""
    return [label for label, metric in run.typed.metrics.items() if metric.mean is None]


def _result(record: RunRecord) -> dict[str, Any]:
    coverage = record.coverage
    covered: dict[str, Any] = {"frames_scored": coverage.frames_scored, "frames_digest": coverage.frames_digest}
    if not coverage.complete:
        covered["frames_expected"] = coverage.frames_expected
    dataset = {
        "name": record.release.title or record.release.id,
        "type": record.release.dataset,
        "config": record.release.id,
        "split": record.split,
        "revision": record.release.digest,
        "args": {key: value for key, value in covered.items() if value is not None},
    }
    metrics = []
    for label, metric in record.metrics.items():
        if metric.mean is None:
            continue
        args: dict[str, Any] = {
            "definition": metric.id,
            "protocol": record.protocol.name,
            "protocol_digest": record.protocol.digest,
            "mean_over": {"stimulus": "stimuli", "frame": "frames"}[record.protocol.average],
        }
        if metric.low is not None and metric.high is not None and metric.mean == metric.mean_stimuli:
            args |= {"low_95": metric.low, "high_95": metric.high}
        kind = metric.id.partition("[")[0]
        metrics.append({"type": kind, "name": label, "value": metric.mean, "args": args})
    return {"task": _TASK, "dataset": dataset, "metrics": metrics}


def _lines(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Block YAML of plain data; see `_scalar`."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield f"{indent}{key}:" + ("" if item else " {}")
            yield from _lines(item, indent + "  ")
        elif isinstance(item, list):
            yield f"{indent}{key}:" + ("" if item else " []")
            for entry in item:
                first, *more = _lines(entry, indent + "  ")
                yield f"{indent}- {first.removeprefix(indent + '  ')}"
                yield from more
        else:
            yield f"{indent}{key}: {_scalar(item)}"


def _scalar(value: str | float | int | None) -> str:
    """Return a value as JSON that is YAML of the same meaning: a float has a point, a text no surrogate."""
    if isinstance(value, float):
        text = json.dumps(value, allow_nan=False)
        return text if "." in text else text.replace("e", ".0e")
    return json.dumps(visible(value) if isinstance(value, str) else value, ensure_ascii=False)
