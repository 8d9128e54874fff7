"""Which file holds the predictions of which stimulus.

    submission.json
    predictions/<stimulus_id>/<frame, six digits, from 0>.png     or  predictions/<stimulus_id>.npz  or  .mkv .mp4 ...
    or the classic  <method>/<video>/<frame>.png                  video: the id, as `loaders/io/matching.py` reads it

A folder too high (it holds one folder, which holds the predictions) and folders too deep (`<video>/maps/<frame>.png`,
as DHF1K's own tree has it) are found and said; anything else is told by a pattern, see `pattern.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.matching import Ids
from vidsal.loaders.io.names import is_left_behind, natural_key, shortlist
from vidsal.loaders.io.places import named

from .faults import Fault, refuse
from .formats import pictures
from .formats.folder import ARRAYS, MapFiles, is_map_file
from .formats.stored import Limits, Stored
from .formats.video import CONTAINERS, VideoFile
from .manifest import FOLDER, NAME, SUMS

_BESIDE = re.compile(r"(readme|licen[cs]e|citation)(\..*)?$|.*\.(txt|md|log|json|sha256)$", re.IGNORECASE)
_DEEPEST = 3

Form = Literal["folder", "image", "arrays", "video"]


@dataclass(frozen=True)
class Entry:
    """Where the predictions of a stimulus are.

    Attributes:
        form: files of one map each, the one file of an image, a file of arrays or a video.
        name: path below the submission; of single files of several folders, of the folder above all.
        files: number and path below `name` of each file, where a pattern chose them; None = all of the folder.
    """

    form: Form
    name: str
    files: tuple[tuple[int, str], ...] | None = None


@dataclass(frozen=True)
class Layout:
    """The content of a submission's folder.

    Attributes:
        entries: by stimulus id, in the order of the release.
        classic: whether the videos are in the folder itself, as others write them.
        faults: links, unknown files, duplicates.
        notes: where the predictions were found, if not where they were expected.
    """

    entries: Mapping[str, Entry]
    classic: bool
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()


def scan(root: Path, ids: Iterable[str]) -> Layout:
    """List a submission.

    Args:
        root: its folder.
        ids: of every stimulus of the release, all splits.

    Raises:
        MissingData: there is no such folder.
        WrongUse: it is a file. Refused: it is empty, or an unfinished `vidsal predict`.
    """
    check_folder(root)
    base = root / FOLDER
    classic = not os.path.lexists(base)
    if not classic and (base.is_symlink() or not base.is_dir()):
        raise refuse("link", base, "a link or a file; the predictions belong into a folder of this name")
    order = Ids(ids)
    layout = _scan(root, "" if classic else FOLDER, order, classic=classic)
    notes: tuple[str, ...] = ()
    if classic and not layout.entries:
        layout, notes = _below(root, order, layout)
    if not layout.entries and not layout.faults:
        raise refuse("empty", root, _empty(root))
    return replace(layout, notes=(*notes, *layout.notes))


def check_folder(root: Path) -> None:
    """Raise MissingData if there is no such folder, WrongUse if it is a file."""
    if not root.exists():
        raise MissingData(f"{root}: no such folder; make a submission with `vidsal predict MODEL --data DIR -o {root}`")
    if not root.is_dir():
        raise WrongUse(f"{root}: not a submission; one is a folder, or a .zip, .tar or .tar.gz file of it")


def _scan(root: Path, below: str, ids: Ids, *, classic: bool) -> Layout:
    """List the entries of one folder of the submission."""
    faults: list[Fault] = []
    forms: dict[str, tuple[str, Form]] = {}
    with os.scandir(root / below) as found:
        names = sorted(found, key=lambda e: natural_key(e.name))
    for entry in names:
        if is_left_behind(entry.name) or (classic and (entry.name in (NAME, SUMS) or _BESIDE.match(entry.name))):
            continue
        where = f"{below}/{entry.name}" if below else entry.name
        form = _form(entry)
        if isinstance(form, str):
            faults.append(Fault(where, form, " ", rule="link" if entry.is_symlink() else "unknown-file"))
        else:
            forms[where] = form
    matches = ids.match([stem for stem, _ in forms.values()])
    entries: dict[str, Entry] = {}
    deep: dict[str, list[str]] = {}
    for where, (stem, made) in forms.items():
        stimulus_id = matches.found.get(stem)
        if stimulus_id is None:
            faults.append(unknown_stimulus(where, matches.unknown[stem], single=made == "image"))
        elif stimulus_id in entries:
            both = f"{where} and {entries[stimulus_id].name}"
            faults.append(Fault(both, f"are both predictions of {stimulus_id}", " ", rule="double"))
        else:
            inner = _inner(root / where) if made == "folder" else ""
            if inner:
                deep.setdefault(inner, []).append(stimulus_id)
            entries[stimulus_id] = Entry(made, f"{where}/{inner}" if inner else where)
    order = {stimulus_id: n for n, stimulus_id in enumerate(ids.every)}
    notes = tuple(
        f"{shortlist(which, 2)}: the maps are taken from the folder {inner}/" for inner, which in deep.items()
    )
    return Layout(dict(sorted(entries.items(), key=lambda e: order[e[0]])), classic, tuple(faults), notes)


def unknown_stimulus(where: str, either: str, *, single: bool = False) -> Fault:
    """Return the fault of a name that is that of no stimulus.

    Args:
        where: the name.
        either: what it may be.
        single: it is a file of one map.
    """
    what = "the release has no stimulus of this name"
    if either:
        what += f", but {either}"
    elif single:
        what += (
            "; files of one frame each lie in a folder that is named as the stimulus, or say where their names tell "
            "it: --pattern '{stimulus}_{frame}" + os.path.splitext(where)[1] + "'"
        )
    return Fault(where, what, rule="unknown-stimulus")


def _inner(folder: Path) -> str:
    """The folder below that of a stimulus in which its maps lie; empty where they lie in it."""
    with os.scandir(folder) as found:
        here = [e for e in found if not is_left_behind(e.name)]
    folders = [e for e in here if e.is_dir(follow_symlinks=False)]
    if len(folders) < len([e for e in here if not _BESIDE.match(e.name)]):
        return ""
    named = [e for e in folders if e.name.lower() in ("maps", "map", "saliency")]  # DHF1K: beside `fixation`
    chosen = named if len(named) == 1 else folders
    return chosen[0].name if len(chosen) == 1 else ""


def _below(root: Path, ids: Ids, empty: Layout) -> tuple[Layout, tuple[str, ...]]:
    """Look for the predictions in folders below; say which folder it is, or that it is the wrong one."""
    if ids.match([root.resolve().name]).found and _has_maps(root):
        above = root.resolve().parent
        raise refuse("empty", root, f"this is the folder of one stimulus; name the folder above it, {above}")
    level = [""]
    for _ in range(_DEEPEST):
        level = [f"{below}/{name}".strip("/") for below in level for name in _folders(root / below)]
        if not level or len(level) > 1000:
            break
        found = [(below, layout) for below in level if (layout := _scan(root, below, ids, classic=True)).entries]
        if len(found) == 1:
            return found[0][1], (f"the predictions are taken from {named(str(root / found[0][0]))}",)
        if found:
            several = shortlist((root / below for below, _ in found), 3)
            raise refuse("double", root, f"several folders hold predictions: {several}; name one of them")
    return empty, ()


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as found:
        return sorted(e.name for e in found if e.is_dir(follow_symlinks=False) and not is_left_behind(e.name))


def _has_maps(folder: Path) -> bool:
    with os.scandir(folder) as found:
        return any(is_map_file(e.name) and not is_left_behind(e.name) for e in found)


def _form(entry: os.DirEntry[str]) -> tuple[str, Form] | str:
    """Return the stem and the form of an entry, or what is wrong with it."""
    if entry.is_symlink():
        return "is a link; a submission holds regular files only"
    if entry.is_dir(follow_symlinks=False):
        return entry.name, "folder"
    if not entry.is_file(follow_symlinks=False):
        return "is neither a file nor a folder"
    form = form_of_file(entry.name)
    if form is None:
        return (
            "does not belong here; expected for each stimulus a folder of pictures or arrays, one file of arrays "
            f"({', '.join(ARRAYS)}) or one video ({', '.join(CONTAINERS)})"
        )
    return os.path.splitext(entry.name)[0], form


def form_of_file(name: str) -> Form | None:
    """The form of a stimulus's predictions that one file can hold; None for a file that holds none."""
    suffix = os.path.splitext(name)[1].lower()
    if pictures.is_picture(name):
        return "image"
    return "arrays" if suffix in ARRAYS else "video" if suffix in CONTAINERS else None


def _empty(root: Path) -> str:
    if (root / ".partial").is_dir():
        return "unfinished; start the same `vidsal predict` again, it resumes there"
    return (
        f"no predictions are here; expected {FOLDER}/STIMULUS/000000.png, {FOLDER}/STIMULUS.npz, or the "
        "classic STIMULUS/0001.png; for another layout say --pattern '{stimulus}/maps/{frame}.png'"
    )


def stored(root: Path, entry: Entry, limits: Limits, *, as_pictures: bool = False) -> Stored:
    """Return the reader of an entry; `as_pictures` as `VideoFile` has it."""
    path = root / entry.name
    if entry.form == "arrays":
        return ARRAYS[path.suffix.lower()](path, limits)
    if entry.form == "video":
        return VideoFile(path, limits, as_pictures=as_pictures)
    files = None if entry.files is None else {n: os.path.join(path, name) for n, name in entry.files}
    return MapFiles(path, limits, files, single=entry.form == "image")


def in_order(entries: Mapping[str, Entry], ids: Sequence[str]) -> dict[str, Entry]:
    """Return entries in the order of the release."""
    return {i: entries[i] for i in ids if i in entries}
