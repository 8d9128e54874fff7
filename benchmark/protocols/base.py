"""What a protocol is: a frozen record of every choice that moves a number."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

Average = Literal["stimulus", "frame"]
NegativeSet = Literal["others-list", "ten-frame-union", "ten-stimulus-union", "forty-other-union", "none"]
Resize = Literal["bilinear-halfpixel", "bicubic-antialias", "bilinear-uint8", "linear-skimage"]
Stretch = Literal["none", "minmax-eps32"]
Encoding = Literal["none", "uint8"]

SHORT_NAMES = ("AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD")
"""The six scores of every protocol, in the order of every table."""


@dataclass(frozen=True)
class Fault:
    """A known fault of the scoring that a protocol reproduces.

    Attributes:
        what: the fault in a sentence.
        effect: how far it moves a score.
    """

    what: str
    effect: str


@dataclass(frozen=True)
class Protocol:
    """Every choice that moves a number.

    Attributes:
        name: name and number; a changed choice is a new name.
        summary: what it reproduces, in a sentence.
        origin: the publication or repository.
        metrics: full id of each of the six scores, in the order of `SHORT_NAMES`.
        stretch: `minmax-eps32` stretches prediction and truth to 0..1 before anything else.
        resize: how a prediction of another size is brought to the truth's grid.
        encoding: `uint8`: a run turns predictions into 8-bit maps first (a stored uint8 map stays as it is).
        truth_encoding: `uint8`: a run turns the truth into an 8-bit map first.
        halved: True if a run scores everything at half the resolution.
        log_ranks: True if areas rank the values of a log density itself; False if those of the density.
        negatives: the set of pixels that the shuffled AUC is judged against.
        negatives_note: the same in words.
        average: `stimulus`: the mean of the stimuli's means over frames; `frame`: the mean over all frames.
        frames: which frames count, in words.
        approximations: where the protocol departs from its origin, in words.
        faults: known faults of the origin, with their effect.
    """

    name: str
    summary: str
    origin: str
    metrics: tuple[str, ...]
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

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as plain data: strings, lists and dicts."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the declaration (sorted keys, no spaces, UTF-8)."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
