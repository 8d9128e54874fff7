"""Whether exactly the right predictions are there: all faults are found before scoring, and reported together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.release.release import Release, Stimulus

from ..evaluation.children import ChildFault
from ..evaluation.withheld import withheld
from ..prefetch import prefetch_calls
from .check_stimulus import flaws, linear_8_bit
from .faults import Fault, Refused
from .formats.stored import Inspection, Limits
from .frame_numbers import Asked
from .layout import Entry, Layout, stored
from .manifest import Manifest
from .sandbox import Sandbox
from .sums import sums_faults

_THREADS = 4


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
    """What was seen of a submission.

    Attributes:
        faults: what breaks a rule, faults and warnings.
        lossy: what lost detail in storing: JPEG, codecs of videos.
        unverified: whether it holds videos whose digest the manifest does not list.
        sound: ids of the predicted stimuli in which no fault was seen.
    """

    faults: tuple[Fault, ...]
    lossy: tuple[str, ...]
    unverified: bool
    sound: frozenset[str]


def check(root: Path, layout: Layout, data: Release, expected: Expectation, sandbox: Sandbox | None = None) -> Checked:
    """Compare the files with what must be there; look at every name and header, in a sandbox if there is one."""
    manifest = expected.manifest
    listed = None if manifest.files is None else {f.stimulus: f for f in manifest.files}
    of_split = set(data.ids)
    present = [data[i] for i in layout.entries if i in of_split]
    faults = [*layout.faults, *_about_the_whole(layout, manifest, data)]
    faults += _stimulus_faults(layout, data, expected, present)
    try:
        faults += sums_faults(root, manifest)
    except Refused as refused:
        faults += refused.faults
    calls = [partial(_inspect, root, layout.entries[s.id], Limits(s.width, s.height)) for s in present]
    needed = {s.id for s in expected.stimuli}
    lossy: dict[str, None] = {}
    linear: list[str] = []
    sound = set()
    for stimulus, found in zip(present, _inspections(calls, sandbox), strict=True):
        of_list = None if listed is None else listed.get(stimulus.id)
        wrong = flaws(stimulus, found, manifest, expected.asked, of_list, needed=stimulus.id in needed)
        own = [Fault.of(stimulus.id, text, rule) for rule, text in wrong]
        faults += own
        if not own:
            sound.add(stimulus.id)
        lossy.update(dict.fromkeys(found.lossy))
        linear += [stimulus.id] if linear_8_bit(found, manifest) else []
    videos = [s.id for s in present if layout.entries[s.id].form == "video"]
    unverified = bool(videos) and listed is None
    faults += [Fault(i, "its maps have 256 linear levels", rule="linear-8-bit") for i in linear]
    if lossy:
        what = f"the maps lost detail in storing ({', '.join(lossy)}): the result is marked lossy"
        faults.append(Fault("", what, rule="lossy"))
    if unverified:
        what = (
            "no digest of the videos is listed in submission.json, so damage may pass unseen: the result is marked "
            "unverified"
        )
        faults.append(Fault("", what, rule="unverified"))
    return Checked(tuple(faults), tuple(lossy), unverified, frozenset(sound))


def _stimulus_faults(
    layout: Layout, data: Release, expected: Expectation, present: Sequence[Stimulus]
) -> Iterator[Fault]:
    """Compare which stimuli are predicted with which should be."""
    manifest = expected.manifest
    of_split = set(data.ids)
    others = [i for i in layout.entries if i not in of_split]
    if others and manifest.split not in (None, "all"):
        what = f"is not in split {manifest.split}, which submission.json names"
        yield from (Fault(i, what, rule="stimulus-surplus") for i in others)
    elif others and manifest.split is None:
        ignored = f"{len(others)} stimuli of other splits are ignored: {', '.join(others[:3])} ..."
        yield Fault("", ignored, rule="other-split")
    yield from _without_gaze(data, present)
    left_out = set(manifest.coverage.left_out) if manifest.coverage else set()
    for s in present:
        if s.id in left_out:
            yield Fault(s.id, "is predicted, though submission.json leaves it out", rule="stimulus-surplus")
    for s in expected.stimuli:
        if s.id not in layout.entries:
            yield Fault(s.id, "no predictions", rule="stimulus-missing")
    for f in manifest.files or ():
        if f.stimulus not in layout.entries:
            yield Fault(f.stimulus, "is listed in submission.json but not there", rule="listing")


def _about_the_whole(layout: Layout, manifest: Manifest, data: Release) -> Iterator[Fault]:
    """Say what is unusual: where the predictions lie, of which conversion they are, what the model has seen."""
    release = manifest.release
    if release is not None and release.digest not in (None, data.digest):
        what = f"it was predicted on another conversion of {release.id}; its stimuli and frames fit this one"
        yield Fault("", what, rule="other-conversion")
    yield from (Fault("", note, rule="found-elsewhere") for note in layout.notes)
    name, model = str(data.record["dataset"]), manifest.model
    for field in ("trained_on", "pretrained_on"):
        if model is not None and name in (getattr(model, field) or ()):
            what = f"the model was trained on {name}, whose split {data.split or 'all'} is scored"
            yield Fault(f"model.{field}", what, rule="training-overlap")


def _without_gaze(data: Release, present: Sequence[Stimulus]) -> list[Fault]:
    """Say which predictions cannot be scored here, and whether that is because their gaze is withheld."""
    closed: dict[str, list[str]] = {}
    for stimulus in present:
        if not stimulus.annotated:
            closed.setdefault(withheld(str(data.record["dataset"]), stimulus.split), []).append(stimulus.id)
    return [
        Fault(
            "",
            f"{len(ids)} stimuli are not scored ({shortlist(ids, 3)}): {reason or 'there is no gaze of them here'}",
            rule="not-scored",
        )
        for reason, ids in closed.items()
    ]


def _inspections(calls: Sequence[Callable[[], Inspection]], sandbox: Sandbox | None) -> Iterator[Inspection]:
    if sandbox is None:
        yield from prefetch_calls(calls, _THREADS, 4 * _THREADS)
        return
    for found in sandbox.calls(calls):
        yield Inspection(faults=[str(found)], readable=False) if isinstance(found, ChildFault) else found


def _inspect(root: Path, entry: Entry, limits: Limits) -> Inspection:
    try:
        return stored(root, entry, limits).inspect()
    except (BadData, MissingData) as fault:
        return Inspection(faults=[str(fault)], readable=False)
