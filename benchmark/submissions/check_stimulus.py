"""What is wrong with the stored predictions of one stimulus, as names and headers show it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vidsal.loaders.release.release import Stimulus

from ..geometry import ShapeRule
from .formats.stored import Inspection
from .frame_numbers import Asked, FrameFacts, remedy, settle
from .manifest import Manifest
from .parts import FilePart

Flaw = tuple[str, str]
"""The rule that is broken, and how."""

_OF_PICTURE = re.compile(r"(png|jpeg|tiff|bmp)[a-z0-9]+$")
_EIGHT_BITS = re.compile(r"(png|jpeg|tiff|bmp|video|uint)8$")


def flaws(
    stimulus: Stimulus,
    found: Inspection,
    manifest: Manifest,
    asked: Asked,
    listed: FilePart | None,
    *,
    needed: bool,
) -> Iterator[Flaw]:
    """Find what is wrong with the predictions of a stimulus.

    Args:
        stimulus: that is predicted.
        found: what names and headers show.
        manifest: what the submission says of itself.
        asked: what is said of the numbers of frames.
        listed: what the manifest lists for the stimulus; None = nothing.
        needed: whether it is to be scored.
    """
    yield from (("link" if " is a link" in text else "file", text) for text in found.faults)
    yield from _form_flaws(found, stimulus, manifest)
    if not found.readable:
        return
    facts = FrameFacts.of(stimulus, manifest.prediction.missing)
    numbering = settle(found.frames, facts, asked, found.numbered)
    yield from (("frame-number", text) for text in numbering.faults)
    if not numbering.faults:
        yield from _frame_flaws(found, facts, numbering.first, needed=needed)
    if manifest.files is not None:
        frames = {n - numbering.first for n in found.frames}
        yield from (("listing", text) for text in _listed_faults(stimulus, found, frames, listed))


def linear_8_bit(found: Inspection, manifest: Manifest) -> bool:
    """Whether maps are 256 levels of something else than logarithms."""
    said = manifest.prediction
    logs = said.encoding.transform == "log" or said.kind == "log_density"
    return not logs and any(map(_EIGHT_BITS.match, found.numbers))


def _frame_flaws(found: Inspection, facts: FrameFacts, first: int, *, needed: bool) -> list[Flaw]:
    """Name what comes before the first frame, the first gap, and the first frame beyond the end."""
    faults: list[Flaw] = []
    have = {n - first for n in found.frames}
    before = sorted(f for f in have if f < 0)
    surplus = sorted(f for f in have if f >= facts.n_frames)
    absent = facts.absent(have) if needed else []

    def number(frame: int) -> str:
        return f"frame {frame}" + (
            f" (number {frame + first} where frame 0 is number {first})" if found.numbered != "order" else ""
        )

    if before:
        early = f"{len(before)} predictions before the first frame, {first}"
        faults.append(("frame-surplus", f"{early}; the first has the number {before[0] + first}"))
    if absent:
        gap = f"{len(absent)} of {facts.n_frames} frames have no prediction; the first gap is {number(absent[0])}"
        faults.append(("frame-missing", gap + _rules(absent, have)))
    if surplus:
        beyond = f"{len(surplus)} predictions beyond the last of {facts.n_frames} frames"
        faults.append(("frame-surplus", f"{beyond}; the first is of {number(surplus[0])}"))
    if faults and found.numbered != "order":
        rule, text = faults[-1]
        faults[-1] = rule, text + remedy(found.frames, facts, first)
    return faults


def _rules(absent: Sequence[int], have: set[int]) -> str:
    """Name the rules for missing frames that would settle a gap at the beginning or the end."""
    if not have or (absent[-1] > min(have) and absent[0] < max(have)):
        return ""
    leading = absent[-1] < min(have)
    ways = ["first-available"] if leading else []
    return (
        f"; if the model gives none {'at the beginning' if leading else 'at the end'}, say what that means: --missing "
        + ", ".join([*ways, "center-bias or exclude"])
    )


def _form_flaws(found: Inspection, stimulus: Stimulus, manifest: Manifest) -> Iterator[Flaw]:
    """Sizes that differ, and numbers that are not what the manifest says."""
    said = manifest.prediction
    if said.size is not None:
        for (w, h), name in found.sizes.items():
            if (w, h) != said.size:
                yield "map-size", f"{name} is {w} x {h}, submission.json says {said.size[0]} x {said.size[1]}"
    rule = ShapeRule((stimulus.height, stimulus.width), said.fit)
    of_shape = (rule.fault((h, w), name) for (w, h), name in found.sizes.items())
    first = next((fault for fault in of_shape if fault), None)
    if first:
        yield "aspect", first
    for numbers, name in found.numbers.items():
        yield from (("encoding", f"{name} {text}") for text in _number_faults(numbers, manifest))


def _number_faults(numbers: str, manifest: Manifest) -> list[str]:
    said = manifest.prediction
    files = "video" if numbers.startswith("video") else numbers if _OF_PICTURE.match(numbers) else "npz"
    wanted = said.encoding.files
    if (numbers == "points") != (said.kind == "point"):
        return [f"holds {numbers}, submission.json says kind {said.kind}"]
    if wanted is not None and files != wanted and not (files == "npz" and wanted == "npz16"):
        return [f"is {files}, submission.json says {wanted}"]
    levels = not numbers.endswith(("float16", "float32", "float64", "points"))
    if said.kind == "density" and said.encoding.transform == "linear" and levels:
        return ["holds levels, which do not sum to 1 as a density does: set transform log, or kind saliency"]
    plain = said.encoding.scale == 1 and said.encoding.offset == 0
    if said.kind == "log_density" and said.encoding.transform == "linear" and plain and files != "npz":
        return ["holds levels from 0 up, which are no logarithms: set scale and offset, or kind saliency"]
    return []


def _listed_faults(stimulus: Stimulus, found: Inspection, have: set[int], listed: FilePart | None) -> list[str]:
    if listed is None:
        return ["is not listed in submission.json"]
    ends = listed.frames
    if ends and ends[-1] >= stimulus.n_frames:
        return [f"submission.json lists frame {ends[-1]} of {stimulus.n_frames}"]
    frames = {f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1)}
    faults = []
    if frames - have:
        faults.append(f"frame {min(frames - have)} is listed in submission.json but not there")
    if have - frames:
        faults.append(f"frame {min(have - frames)} is there but not listed in submission.json")
    if listed.shape is not None and found.sizes and set(found.sizes) != {(listed.shape[1], listed.shape[0])}:
        size = next(iter(found.sizes))
        faults.append(f"maps are {size[0]} x {size[1]}, submission.json lists {listed.shape[1]} x {listed.shape[0]}")
    return faults
