"""Whether exactly the right predictions are there: all faults are found before scoring, and reported together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.release.release import Release, Stimulus

from ..evaluation.withheld import withheld
from ..geometry import ShapeRule
from ..prefetch import prefetch_calls
from .faults import Fault, report
from .formats.stored import Inspection, Limits
from .frame_numbers import Asked, FrameFacts, remedy, settle
from .layout import Entry, Layout, stored
from .manifest import FilePart, Manifest

_THREADS = 4
_OF_PICTURE = re.compile(r"(png|jpeg|tiff|bmp)[a-z0-9]+$")


@dataclass(frozen=True)
class Expectation:
    """What a submission must hold to be scored.

    Attributes:
        stimuli: that must be predicted.
        manifest: what the submission says of itself.
        asked: what is said of the numbers of frames.
    """

    stimuli: tuple[Stimulus, ...]
    manifest: Manifest
    asked: Asked


@dataclass(frozen=True)
class Checked:
    """What was seen of a submission that has no fault.

    Attributes:
        notes: what is unusual but not a fault.
        lossy: what lost detail in storing: JPEG, codecs of videos.
        unverified: whether it holds videos whose digest the manifest does not list.
    """

    notes: tuple[str, ...]
    lossy: tuple[str, ...]
    unverified: bool


def check(root: Path, layout: Layout, data: Release, expected: Expectation) -> Checked:
    """Compare the files with what must be there; look at every name and header.

    Raises:
        BadData: with every fault.
    """
    manifest = expected.manifest
    listed = None if manifest.files is None else {f.stimulus: f for f in manifest.files}
    faults = list(layout.faults)
    notes = list(layout.notes)
    of_split = set(data.ids)
    present = [data[i] for i in layout.entries if i in of_split]
    others = [i for i in layout.entries if i not in of_split]
    if others and manifest.split not in (None, "all"):
        faults += [Fault(i, f"is not in split {manifest.split}, which submission.json names") for i in others]
    elif others and manifest.split is None:
        notes.append(f"{len(others)} stimuli of other splits are ignored: {', '.join(others[:3])} ...")
    notes += _without_gaze(data, present)
    left_out = set(manifest.coverage.left_out) if manifest.coverage else set()
    faults += [Fault(s.id, "is predicted, though submission.json leaves it out") for s in present if s.id in left_out]
    faults += [Fault(s.id, "no predictions") for s in expected.stimuli if s.id not in layout.entries]
    if listed is not None:
        faults += [Fault(i, "is listed in submission.json but not there") for i in listed if i not in layout.entries]
    calls = (partial(_inspect, root, layout.entries[s.id], s) for s in present)
    needed = {s.id for s in expected.stimuli}
    lossy: dict[str, None] = {}
    for stimulus, inspection in zip(present, prefetch_calls(calls, _THREADS, 4 * _THREADS), strict=True):
        found = [*inspection.faults]
        found += _form_faults(inspection, stimulus, manifest)
        lossy.update(dict.fromkeys(inspection.lossy))
        if inspection.readable:
            facts = FrameFacts.of(stimulus, manifest.prediction.missing)
            numbering = settle(inspection.frames, facts, expected.asked, inspection.numbered)
            found += numbering.faults
            if not numbering.faults:
                found += _frame_faults(inspection, facts, numbering.first, needed=stimulus.id in needed)
            if listed is not None:
                frames = {n - numbering.first for n in inspection.frames}
                found += _listed_faults(stimulus, inspection, frames, listed.get(stimulus.id))
        faults += [Fault.of(stimulus.id, text) for text in found]
    if faults:
        raise BadData(report(root, faults))
    videos = [s.id for s in present if layout.entries[s.id].form == "video"]
    return Checked(tuple(notes), tuple(lossy), bool(videos) and listed is None)


def _without_gaze(data: Release, present: Sequence[Stimulus]) -> list[str]:
    """Say which predictions cannot be scored here, and whether that is because their gaze is withheld."""
    closed: dict[str, list[str]] = {}
    for stimulus in present:
        if not stimulus.annotated:
            closed.setdefault(withheld(str(data.record["dataset"]), stimulus.split), []).append(stimulus.id)
    return [
        f"{len(ids)} stimuli are not scored ({shortlist(ids, 3)}): {reason or 'there is no gaze of them here'}"
        for reason, ids in closed.items()
    ]


def _inspect(root: Path, entry: Entry, stimulus: Stimulus) -> Inspection:
    try:
        return stored(root, entry, Limits(stimulus.width, stimulus.height)).inspect()
    except (BadData, MissingData) as fault:
        return Inspection(faults=[str(fault)], readable=False)


def _frame_faults(found: Inspection, facts: FrameFacts, first: int, *, needed: bool) -> list[str]:
    """Name what comes before the first frame, the first gap, and the first frame beyond the end."""
    faults = []
    have = {n - first for n in found.frames}
    before = sorted(f for f in have if f < 0)
    surplus = sorted(f for f in have if f >= facts.n_frames)
    absent = facts.absent(have) if needed else []

    def number(frame: int) -> str:
        return f"frame {frame}" + (
            f" (number {frame + first} where frame 0 is number {first})" if found.numbered != "order" else ""
        )

    if before:
        faults.append(
            f"{len(before)} predictions before the first frame, {first}; the first has the number {before[0] + first}"
        )
    if absent:
        faults.append(
            f"{len(absent)} of {facts.n_frames} frames have no prediction; the first gap is {number(absent[0])}"
            + _rules(absent, have)
        )
    if surplus:
        beyond = f"{len(surplus)} predictions beyond the last of {facts.n_frames} frames"
        faults.append(f"{beyond}; the first is of {number(surplus[0])}")
    if faults and found.numbered != "order":
        faults[-1] += remedy(found.frames, facts, first)
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


def _form_faults(found: Inspection, stimulus: Stimulus, manifest: Manifest) -> list[str]:
    """Sizes that differ, and numbers that are not what the manifest says."""
    faults = []
    said = manifest.prediction
    if said.size is not None:
        faults += [
            f"{name} is {w} x {h}, submission.json says {said.size[0]} x {said.size[1]}"
            for (w, h), name in found.sizes.items()
            if (w, h) != said.size
        ]
    rule = ShapeRule((stimulus.height, stimulus.width), said.fit)
    of_shape = [rule.fault((h, w), name) for (w, h), name in found.sizes.items()]
    faults += [fault for fault in of_shape if fault][:1]
    for numbers, name in found.numbers.items():
        faults += [f"{name} {text}" for text in _number_faults(numbers, manifest)]
    return faults


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
