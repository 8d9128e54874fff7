"""What a protocol is: a frozen record of every choice that moves a number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import parse_json

from ..metrics import find

Average = Literal["stimulus", "frame"]
NegativeSet = Literal["others-list", "ten-frame-union", "ten-stimulus-union", "forty-other-union", "none"]
Resize = Literal["bilinear-halfpixel", "bicubic-antialias", "bilinear-uint8", "linear-skimage"]
Stretch = Literal["none", "minmax-eps32"]
Encoding = Literal["none", "uint8"]
Baseline = Literal["none", "center-prior"]
FrameOrder = Literal["number", "text"]

SIX = ("AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD")
"""The scores that the field reports, in the order of most tables. A protocol with exactly these, in this order, is
written with a list of metric ids."""


def labeled(*metric_ids: str) -> dict[str, str]:
    """Return metric ids by their labels (the short name of each metric), in their order.

    Raises:
        UnknownName: no such metric.
        WrongUse: two variants of one metric.

    >>> labeled("nss[ddof=0;pos=fixated_pixels]")
    {'NSS': 'nss[ddof=0;pos=fixated_pixels]'}
    """
    found = {find(metric_id).short: metric_id for metric_id in metric_ids}
    if len(found) < len(metric_ids):
        raise WrongUse(f"a protocol holds one variant of a metric; found {', '.join(metric_ids)}")
    return found


@dataclass(frozen=True)
class Fault:
    """A known fault of the scoring that a protocol reproduces.

    Attributes:
        what: the fault in a sentence.
        effect: how far it moves a score.
    """

    what: str
    effect: str


class Metrics(Mapping[str, str]):
    """Metric ids by label, in the order of the columns; as frozen as the protocol that holds it."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._ids = dict(ids)

    def __getitem__(self, label: str) -> str:
        return self._ids[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Metrics) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def __repr__(self) -> str:
        return repr(self._ids)


@dataclass(frozen=True)
class Protocol:
    """Every choice that moves a number.

    Attributes:
        name: name and number; a changed choice is a new name.
        summary: what it reproduces, in a sentence.
        origin: the publication or repository.
        metrics: full id of each score by its label, the metric's short name (`AUC-J`); any number, in the order of
            the columns.
        stretch: `minmax-eps32` stretches prediction and truth to 0..1 before anything else.
        resize: how a prediction of another size is brought to the truth's grid.
        encoding: `uint8`: a run turns predictions into 8-bit maps first (a stored uint8 map stays as it is).
        truth_encoding: `uint8`: a run turns the truth into an 8-bit map first.
        halved: True if a run scores everything at half the resolution.
        log_ranks: True if areas rank the values of a log density itself; False if those of the density.
        negatives: the set of pixels that the shuffled AUC is judged against.
        negatives_note: the same in words.
        baseline: the density that information gain is measured against: the reference predictors' `center-prior`.
        average: `stimulus`: the mean of the stimuli's means over frames; `frame`: the mean over all frames.
        frames: which frames count, in words.
        frame_order: which frame's points a map is held against: `number`, its own; `text`, those of its place among
            picture files with three-digit numbers, sorted as text.
        approximations: where the protocol departs from its origin, in words.
        faults: known faults of the origin, with their effect.
    """

    name: str
    summary: str
    origin: str
    metrics: Mapping[str, str]
    resize: Resize
    negatives: NegativeSet
    negatives_note: str
    average: Average
    frames: str
    stretch: Stretch = "none"
    encoding: Encoding = "none"
    truth_encoding: Encoding = "none"
    halved: bool = False
    log_ranks: bool = False
    approximations: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    baseline: Baseline = "none"
    frame_order: FrameOrder = "number"

    def __post_init__(self) -> None:
        if not isinstance(self.metrics, Mapping) or not all(isinstance(i, str) for i in self.metrics.values()):
            raise WrongUse(
                f"protocol {self.name}: metrics are ids by label, not {self.metrics!r}; write labeled('nss[...]', ...)"
            )
        if not self.metrics:
            raise WrongUse(f"protocol {self.name} names no metric")
        object.__setattr__(self, "metrics", Metrics(self.metrics))
        for label, metric_id in self.metrics.items():
            entry = find(metric_id)
            if entry.short != label:
                raise WrongUse(f"protocol {self.name}: {label!r} is not the label of {metric_id}, {entry.short!r} is")
            if "baseline" in entry.needs and self.baseline == "none":
                raise WrongUse(f"protocol {self.name}: {label} needs a baseline; say which")

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the scores, in the order of the columns."""
        return tuple(self.metrics)

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as plain data: strings, lists and dicts.

        `metrics` is a list of ids where the labels are those of `SIX`; else a dict by label, with the order of the
        columns in `labels`. `baseline` is left out where there is none, `frame_order` where it is that of the numbers.
        """
        data: dict[str, Any] = parse_json(json.dumps(asdict(self) | {"metrics": dict(self.metrics)}))
        if self.labels == SIX:
            data["metrics"] = list(self.metrics.values())
        else:
            data["labels"] = list(self.labels)
        if self.baseline == "none":
            del data["baseline"]
        if self.frame_order == "number":
            del data["frame_order"]
        return data

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the declaration (sorted keys, no spaces, UTF-8)."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
