"""Protocols: named, frozen lists of every choice that moves a number. A changed choice is a new name.

A protocol is plain data. `scoring.py` reads from it which metrics to compute and how maps are prepared, a run which
negatives to gather and how to average. Its digest goes into every result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from vidsal.loaders.errors import UnknownName

Average = Literal["stimulus", "frame"]
NegativeSet = Literal["others-list", "ten-frame-union"]
Resize = Literal["bilinear-halfpixel", "bicubic-antialias"]

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
        resize: how a prediction of another size is brought to the truth's grid.
        encoding: `none`, or `uint8`: predictions and truth pass through 8-bit maps before a run scores them.
        log_ranks: True if areas rank the values of a log density itself; False if those of the density.
        negatives: the set of pixels that the shuffled AUC is judged against.
        negatives_note: the same in words.
        average: `stimulus`: the mean of the stimuli's means over frames; `frame`: the mean over all frames.
        frames: which frames count, in words.
        faults: known faults of the origin, with their effect.
    """

    name: str
    summary: str
    origin: str
    metrics: tuple[str, ...]
    resize: Resize
    encoding: Literal["none", "uint8"]
    log_ranks: bool
    negatives: NegativeSet
    negatives_note: str
    average: Average
    frames: str
    faults: tuple[Fault, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as plain data: strings, lists and dicts."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the declaration (sorted keys, no spaces, UTF-8)."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


EXACT_1 = Protocol(
    name="exact-1",
    summary="Exact, deterministic definitions: ROC areas with half ties, densities without stretching.",
    origin="this project",
    metrics=(
        "auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]",
        "shuffled_auc[mw;pos=fixated_pixels;neg=other_list]",
        "nss[ddof=0;pos=fixated_pixels]",
        "cc[pearson]",
        "sim[sum]",
        "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16]",
    ),
    resize="bilinear-halfpixel",
    encoding="none",
    log_ranks=True,
    negatives="others-list",
    negatives_note=(
        "every in-bounds point of every frame of every other stimulus of the release and split, duplicates kept and "
        "weighted, scaled to the frame; pixels fixated now are not removed"
    ),
    average="stimulus",
    frames="every annotated frame with at least one fixation",
)

DHF1K_1 = Protocol(
    name="dhf1k-1",
    summary="The official DHF1K (and MIT) MATLAB evaluation, its random parts in expectation.",
    origin="wenguanwang/DHF1K code_for_Metrics, a copy of cvzoya/saliency code_forMetrics",
    metrics=(
        "auc_judd[trapz;jitter=expected]",
        "shuffled_auc[step=0.1;expected;thr=0..1.0]",
        "nss[ddof=1;pos=fixated_pixels]",
        "cc[pearson;constant=nan]",
        "sim[minmax;sum]",
        "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16;zero_sum=undivided]",
    ),
    resize="bicubic-antialias",
    encoding="uint8",
    log_ranks=False,
    negatives="ten-frame-union",
    negatives_note=(
        "the union of the fixated pixels of 10 frames drawn from all annotated frames of the split, the frame's own "
        "video included, in expectation: each pixel weighs its probability to be in the union"
    ),
    average="frame",
    frames="every annotated frame with at least one fixation (the original draws at most 50,000 of them)",
)

PROTOCOLS: dict[str, Protocol] = {p.name: p for p in (EXACT_1, DHF1K_1)}
"""The register of protocols by name."""


def protocol(name: str | Protocol) -> Protocol:
    """Return a protocol by its name; a protocol is returned as it is.

    Raises:
        UnknownName: no such protocol; the message lists the known ones and the nearest.
    """
    if isinstance(name, Protocol):
        return name
    if name not in PROTOCOLS:
        raise UnknownName("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
