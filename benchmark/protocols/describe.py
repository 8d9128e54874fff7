"""Protocols in words: what one does, its faults, and what differs between two."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from ..metrics import find
from . import protocol as find_protocol
from .base import Protocol

WIDTH = 100
ABSENT = "not part of it"

_RESIZES = {
    "bilinear-halfpixel": "linear between pixel centres, edges clamped, no smoothing",
    "bicubic-antialias": "cubic convolution as MATLAB's imresize: a = -0.5, smoothed when shrinking, border mirrored",
    "bilinear-uint8": "linear between pixel centres on 8-bit maps in fixed point, as OpenCV",
    "linear-skimage": "linear as scikit-image: border mirrored, smoothed when shrinking",
}
_ENCODINGS = {"none": "as predicted", "uint8": "through an 8-bit map in a run; `score_frame` takes maps as they are"}
_TRUTHS = {
    "none": "as its recipe makes it",
    "uint8": "through an 8-bit map in a run; `score_frame` takes maps as they are",
}
_STRETCHES = {"none": "none", "minmax-eps32": "prediction and truth to 0..1 first, (v - min) / (max - min + 1.19e-7)"}
_BASELINES = {"center-prior": "the density of the reference predictor center_prior"}
_TEXT_ORDER = (
    "the points of the k-th frame go with the k-th picture by name, 001.png, 002.png ... sorted as text: from 1000 "
    "frames on 100.png is followed by 1000.png"
)
_UNSAID = {"frame order": "every map goes with the points of its own frame"}
"""What protocols do that say nothing of a choice; of others it is no part."""
_AVERAGES = {
    "stimulus": "mean over stimuli of their means over frames",
    "frame": "mean over all frames, so long stimuli weigh more",
}


@dataclass(frozen=True)
class Difference:
    """One choice that two protocols make differently.

    Attributes:
        choice: what is chosen, in words.
        first, second: what each chooses.
    """

    choice: str
    first: str
    second: str


def choices(name: Protocol | str) -> dict[str, str]:
    """Return every choice of a protocol in words, in the order in which a reader wants them."""
    rules = find_protocol(name)
    words = {}
    for label, metric_id in rules.metrics.items():
        entry = find(metric_id)
        words[label] = f"{entry.summary} [{entry.params}] Degenerate cases: {entry.degenerate}."
    if rules.baseline != "none":
        words["baseline"] = _BASELINES[rules.baseline]
    words["resize"] = _RESIZES[rules.resize]
    words["prediction"] = _ENCODINGS[rules.encoding]
    words["truth"] = _TRUTHS[rules.truth_encoding]
    words["stretch"] = _STRETCHES[rules.stretch]
    words["resolution"] = "half of the truth's in a run" if rules.halved else "the truth's"
    words["log densities"] = "areas rank the logarithms" if rules.log_ranks else "exponentiated for every score"
    words["negatives"] = rules.negatives_note
    words["average"] = _AVERAGES[rules.average]
    words["frames"] = rules.frames
    if rules.frame_order == "text":
        words["frame order"] = _TEXT_ORDER
    return words


def explain(name: Protocol | str) -> str:
    """Return what a protocol does, where it departs from its origin, its faults and what they cost; plain text."""
    rules = find_protocol(name)
    lines = [f"{rules.name}: {rules.summary}", f"Origin: {rules.origin}", f"Digest: {rules.digest}", "", "What it does"]
    lines += [_item(f"{choice}: {words}") for choice, words in choices(rules).items()]
    if rules.approximations:
        lines += ["", "Where it departs from its origin", *(_item(text) for text in rules.approximations)]
    lines += ["", "Known faults, and how far they move a score"]
    lines += [_item(f"{fault.what}. Effect: {fault.effect}.") for fault in rules.faults] or ["  none known"]
    return "\n".join(lines) + "\n"


def _item(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)


def diff(first: Protocol | str, second: Protocol | str) -> list[Difference]:
    """Return the choices that two protocols make differently, in the order of `choices`; empty if they agree."""
    a, b = choices(first), choices(second)
    every = dict.fromkeys([*a, *b])
    return [
        Difference(choice, *(words.get(choice, _UNSAID.get(choice, ABSENT)) for words in (a, b)))
        for choice in every
        if a.get(choice, ABSENT) != b.get(choice, ABSENT)
    ]
