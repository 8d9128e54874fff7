"""Which file holds the predictions of which stimulus.

submission.json
predictions/<stimulus_id>/<frame, six digits, from 0>.png     or  predictions/<stimulus_id>.npz  or  .mkv .avi .mp4
or the classic  <method>/<video>/<frame, from 1>.png          video: the stimulus id, its digits padded in any way
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.matching import Ids
from vidsal.loaders.io.names import is_left_behind

from .formats.npz import NpzFile
from .formats.stored import Limits, PngFolder, Stored
from .formats.video import CONTAINERS, VideoFile
from .manifest import FOLDER, NAME, SUMS

_BESIDE = re.compile(r"(readme|licen[cs]e|citation)(\..*)?$|.*\.(txt|md|log)$", re.IGNORECASE)


Form = Literal["folder", "image", "npz", "video"]


@dataclass(frozen=True)
class Entry:
    """Where the predictions of a stimulus are.

    Attributes:
        form: a folder of PNG files, one PNG file, an npz file or a video.
        name: path below the submission.
    """

    form: Form
    name: str


@dataclass(frozen=True)
class Layout:
    """The content of a submission's folder.

    Attributes:
        entries: by stimulus id, in the order of the release.
        classic: whether the videos are in the folder itself, as others write them.
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
    faults: list[str] = []
    forms: dict[str, tuple[str, Form]] = {}
    with os.scandir(base) as found:
        names = sorted(found, key=lambda e: e.name)
    for entry in names:
        if is_left_behind(entry.name) or (classic and (entry.name in (NAME, SUMS) or _BESIDE.match(entry.name))):
            continue
        where = entry.name if classic else f"{FOLDER}/{entry.name}"
        form = _form(entry)
        if isinstance(form, str):
            faults.append(f"{where} {form}")
        else:
            forms[where] = form
    matches = Ids(order).match([stem for stem, _ in forms.values()])
    entries: dict[str, Entry] = {}
    for where, (stem, made) in forms.items():
        stimulus_id = matches.found.get(stem)
        if stimulus_id is None:
            either = matches.unknown[stem]
            faults.append(f"{where}: the release has no stimulus {stem!r}" + (f", but {either}" if either else ""))
        elif stimulus_id in entries:
            faults.append(f"{where} and {entries[stimulus_id].name} are both predictions of {stimulus_id}")
        else:
            entries[stimulus_id] = Entry(made, where)
    if not entries and not faults:
        raise BadData(_empty(root))
    return Layout(dict(sorted(entries.items(), key=lambda e: order[e[0]])), classic, tuple(faults))


def _form(entry: os.DirEntry[str]) -> tuple[str, Form] | str:
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
