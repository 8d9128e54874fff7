"""Which file holds the predictions of which stimulus, and whether exactly the right ones are there.

    submission.json
    predictions/<stimulus_id>/<frame, six digits, from 0>.png     or  predictions/<stimulus_id>.npz  or  .mkv .avi .mp4
    or the classic  <method>/<video>/<frame, from 1>.png          video: the stimulus id, its digits padded in any way

All faults are found before anything is scored, and are reported together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.release.release import Release, Stimulus

from ..prefetch import prefetch_calls
from .formats.npz import NpzFile
from .formats.stored import Inspection, Limits, PngFolder, Stored
from .formats.video import CONTAINERS, VideoFile
from .manifest import FOLDER, NAME, SUMS, FilePart, Manifest

_MOST_REPORTED = 30
_THREADS = 4
_BESIDE = re.compile(r"(readme|licen[cs]e|citation)(\..*)?$|.*\.(txt|md|log)$", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """Where the predictions of a stimulus are.

    Attributes:
        form: a folder of PNG files, one PNG file, an npz file or a video.
        name: path below the submission.
    """

    form: Literal["folder", "image", "npz", "video"]
    name: str


@dataclass(frozen=True)
class Layout:
    """The content of a submission's folder.

    Attributes:
        entries: by stimulus id, in the order of the release.
        classic: whether the videos are in the folder itself and images are numbered from 1.
        faults: links, unknown files, duplicates.
    """

    entries: Mapping[str, Entry]
    classic: bool
    faults: tuple[str, ...]


def scan(root: Path, ids: Iterable[str]) -> Layout:
    """List a submission.

    Args:
        root: its folder.
        ids: of every stimulus of the release, all splits.

    Raises:
        MissingData: there is no such folder.
        WrongUse: it is a file. BadData: it is empty, or an unfinished `vidsal predict`.
    """
    if not root.exists():
        raise MissingData(f"{root}: no such folder; make a submission with `vidsal predict MODEL --data DIR -o {root}`")
    if not root.is_dir():
        raise WrongUse(f"{root}: not a folder; unpack the submission and name its folder")
    base = root / FOLDER
    classic = not os.path.lexists(base)
    if not classic and (base.is_symlink() or not base.is_dir()):
        raise BadData(f"{base}: a link or a file; the predictions belong into a folder of this name")
    base = root if classic else base
    order = {stimulus_id: n for n, stimulus_id in enumerate(ids)}
    padded = _by_number(order)
    entries: dict[str, Entry] = {}
    faults: list[str] = []
    with os.scandir(base) as found:
        names = sorted(found, key=lambda e: e.name)
    for entry in names:
        if entry.name.startswith(".") or (classic and (entry.name in (NAME, SUMS) or _BESIDE.match(entry.name))):
            continue
        where = entry.name if classic else f"{FOLDER}/{entry.name}"
        form = _form(entry)
        if isinstance(form, str):
            faults.append(f"{where} {form}")
            continue
        stem, made = form
        stimulus_id = stem if stem in order else padded.get(int(stem)) if _digits(stem) else None
        if stimulus_id is None:
            faults.append(f"{where}: the release has no stimulus {stem!r}")
        elif stimulus_id in entries:
            faults.append(f"{where} and {entries[stimulus_id].name} are both predictions of {stimulus_id}")
        else:
            entries[stimulus_id] = Entry(made, where)
    if not entries and not faults:
        raise BadData(_empty(root))
    return Layout(dict(sorted(entries.items(), key=lambda e: order[e[0]])), classic, tuple(faults))


def _form(entry: os.DirEntry[str]) -> tuple[str, Literal["folder", "image", "npz", "video"]] | str:
    """Return the stem and the form of an entry, or what is wrong with it."""
    if entry.is_symlink():
        return "is a link; a submission holds regular files only"
    if entry.is_dir(follow_symlinks=False):
        return entry.name, "folder"
    stem, suffix = os.path.splitext(entry.name)
    if not entry.is_file(follow_symlinks=False):
        return "is neither a file nor a folder"
    if suffix.lower() in (".jpg", ".jpeg"):
        return "is a JPEG file, which is lossy; store PNG, npz or lossless video"
    if suffix.lower() == ".png":
        return stem, "image"
    if suffix.lower() == ".npz":
        return stem, "npz"
    if suffix.lower() in CONTAINERS:
        return stem, "video"
    return "does not belong here; expected a folder of PNG files, .npz or lossless video for each stimulus"


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _by_number(ids: Iterable[str]) -> dict[int, str]:
    """Return stimuli by number, where the number is unique."""
    numbers: dict[int, list[str]] = {}
    for stimulus_id in ids:
        if _digits(stimulus_id):
            numbers.setdefault(int(stimulus_id), []).append(stimulus_id)
    return {number: found[0] for number, found in numbers.items() if len(found) == 1}


def _empty(root: Path) -> str:
    if (root / ".partial").is_dir():
        return f"{root}: unfinished; start the same `vidsal predict` again, it resumes there"
    return (
        f"{root}: no predictions are here; expected {FOLDER}/STIMULUS/000000.png, {FOLDER}/STIMULUS.npz, or the "
        "classic STIMULUS/0001.png"
    )


def stored(root: Path, entry: Entry, limits: Limits) -> Stored:
    """Return the reader of an entry."""
    path = root / entry.name
    if entry.form == "npz":
        return NpzFile(path, limits)
    if entry.form == "video":
        return VideoFile(path, limits)
    return PngFolder(path, limits, single=entry.form == "image")


@dataclass(frozen=True)
class Expectation:
    """What a submission must hold to be scored.

    Attributes:
        stimuli: that must be predicted.
        manifest: what the submission says of itself.
        first_frame: number of frame 0 in the names of images.
    """

    stimuli: tuple[Stimulus, ...]
    manifest: Manifest
    first_frame: int


def check(root: Path, layout: Layout, data: Release, expected: Expectation) -> tuple[str, ...]:
    """Compare the files with what must be there; look at every name and header.

    Returns:
        Notes: what is unusual but not a fault.

    Raises:
        BadData: with every fault.
    """
    manifest = expected.manifest
    listed = None if manifest.files is None else {f.stimulus: f for f in manifest.files}
    faults = list(layout.faults)
    notes = []
    of_split = set(data.ids)
    present = [data[i] for i in layout.entries if i in of_split]
    others = [i for i in layout.entries if i not in of_split]
    if others and manifest.split not in (None, "all"):
        faults += [f"{i}: is not in split {manifest.split}, which submission.json names" for i in others]
    elif others and manifest.split is None:
        notes.append(f"{len(others)} stimuli of other splits are ignored: {', '.join(others[:3])} ...")
    left_out = set(manifest.coverage.left_out) if manifest.coverage else set()
    faults += [f"{s.id}: is predicted, though submission.json leaves it out" for s in present if s.id in left_out]
    faults += [f"{s.id}: no predictions" for s in expected.stimuli if s.id not in layout.entries]
    if listed is not None:
        faults += [f"{i}: is listed in submission.json but not there" for i in listed if i not in layout.entries]
    calls = (partial(_inspect, root, layout.entries[s.id], s, expected.first_frame) for s in present)
    needed = {s.id for s in expected.stimuli}
    for stimulus, inspection in zip(present, prefetch_calls(calls, _THREADS, 4 * _THREADS), strict=True):
        found = [*inspection.faults]
        found += _form_faults(inspection, manifest)
        if inspection.readable:
            found += _frame_faults(stimulus, inspection, expected, needed=stimulus.id in needed)
            found += [] if listed is None else _listed_faults(stimulus, inspection, listed.get(stimulus.id))
        faults += [f"{stimulus.id}: {text}" for text in found]
    if faults:
        raise BadData(_report(root, faults))
    return tuple(notes)


def _report(root: Path, faults: list[str]) -> str:
    more = [f"and {len(faults) - _MOST_REPORTED} more"] if len(faults) > _MOST_REPORTED else []
    lines = "".join(f"\n  {line}" for line in faults[:_MOST_REPORTED] + more)
    return f"{root}: {len(faults)} fault{'s' if len(faults) > 1 else ''}; nothing was scored{lines}"


def _inspect(root: Path, entry: Entry, stimulus: Stimulus, first_frame: int) -> Inspection:
    try:
        return stored(root, entry, Limits(stimulus.width, stimulus.height, first_frame)).inspect()
    except (BadData, MissingData) as fault:
        return Inspection(faults=[str(fault)], readable=False)


def _frame_faults(stimulus: Stimulus, found: Inspection, expected: Expectation, *, needed: bool) -> list[str]:
    """Name the first gap, and the first frame beyond the end."""
    shift = expected.first_frame
    faults = []
    have = set(found.frames)
    surplus = sorted(f for f in have if f >= stimulus.n_frames)
    absent = sorted(set(stimulus.annotated_indices().tolist()) - have) if needed else []
    missing = expected.manifest.prediction.missing
    if missing in ("exclude", "center-bias"):
        absent = []
    elif missing == "first-available" and have:
        absent = [f for f in absent if f > min(have)]
    if absent:
        faults.append(
            f"{len(absent)} of {stimulus.n_frames} frames have no prediction; the first gap is frame {absent[0]} "
            f"(number {absent[0] + shift} where frame 0 is number {shift})"
        )
    if surplus:
        faults.append(
            f"{len(surplus)} predictions beyond the last of {stimulus.n_frames} frames; the first is of frame "
            f"{surplus[0]} (number {surplus[0] + shift} where frame 0 is number {shift})"
        )
    return faults


def _form_faults(found: Inspection, manifest: Manifest) -> list[str]:
    """Sizes that differ, and numbers that are not what the manifest says."""
    faults = []
    said = manifest.prediction
    sizes = list(found.sizes.items())
    if said.size is not None:
        faults += [
            f"{name} is {w} x {h}, submission.json says {said.size[0]} x {said.size[1]}"
            for (w, h), name in sizes
            if (w, h) != said.size
        ]
    elif len(sizes) > 1:
        (w, h), first = sizes[0]
        faults.append(
            f"maps of several sizes: {first} is {w} x {h}, {sizes[1][1]} is {sizes[1][0][0]} x {sizes[1][0][1]}"
        )
    for numbers, name in found.numbers.items():
        faults += [f"{name} {text}" for text in _number_faults(numbers, manifest)]
    return faults


def _number_faults(numbers: str, manifest: Manifest) -> list[str]:
    said = manifest.prediction
    files = {"png8": "png8", "png16": "png16", "video8": "video", "video16": "video"}.get(numbers, "npz")
    wanted = said.encoding.files
    if (numbers == "points") != (said.kind == "point"):
        return [f"holds {numbers}, submission.json says kind {said.kind}"]
    if wanted is not None and files != wanted and not (files == "npz" and wanted == "npz16"):
        return [f"is {files}, submission.json says {wanted}"]
    levels = numbers in ("png8", "png16", "video8", "video16", "uint8", "uint16")
    if said.kind == "density" and said.encoding.transform == "linear" and levels:
        return ["holds levels, which do not sum to 1 as a density does: set transform log, or kind saliency"]
    plain = said.encoding.scale == 1 and said.encoding.offset == 0
    if said.kind == "log_density" and said.encoding.transform == "linear" and plain and files != "npz":
        return ["holds levels from 0 up, which are no logarithms: set scale and offset, or kind saliency"]
    return []


def _listed_faults(stimulus: Stimulus, found: Inspection, listed: FilePart | None) -> list[str]:
    if listed is None:
        return ["is not listed in submission.json"]
    ends = listed.frames
    if ends and ends[-1] >= stimulus.n_frames:
        return [f"submission.json lists frame {ends[-1]} of {stimulus.n_frames}"]
    frames = {f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1)}
    have = set(found.frames)
    faults = []
    if frames - have:
        faults.append(f"frame {min(frames - have)} is listed in submission.json but not there")
    if have - frames:
        faults.append(f"frame {min(have - frames)} is there but not listed in submission.json")
    if listed.shape is not None and found.sizes and set(found.sizes) != {(listed.shape[1], listed.shape[0])}:
        size = next(iter(found.sizes))
        faults.append(f"maps are {size[0]} x {size[1]}, submission.json lists {listed.shape[1]} x {listed.shape[0]}")
    return faults
