"""From paths on a command line to footage: videos, images, folders of frames, and folders of all of these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.formats.frames import IMAGE_SUFFIXES, VIDEO_SUFFIXES, numbered_images, probe
from vidsal.loaders.io.names import is_left_behind, natural_key, shortlist
from vidsal.loaders.io.progress import Note, Progress

from .base import Footage


@dataclass(frozen=True)
class Entry:
    """One input before it is decoded: where it lies, and the name of its maps."""

    path: Path
    id: str


def find(
    paths: Iterable[str | Path],
    *,
    fps: Fraction | None = None,
    photos: bool = False,
    note: Note | None = None,
    progress: Progress | None = None,
) -> list[Footage]:
    """Find and decode once what the paths name, to know sizes and numbers of frames.

    A folder that holds only numbered images is one video. One that holds videos, or folders, is all that lies in it.

    Args:
        paths: files and folders.
        fps: rate of folders of images, which say none.
        photos: take every image of a folder for itself.
        note: called with what is odd about a file, and with what was left out.
        progress: called after each input.

    Raises:
        MissingData: nothing is there. BadData: not a video or an image, or images of several sizes in one video.
        WrongUse: two inputs have one name.
    """
    entries = [entry for path in paths for entry in _entries(Path(path), photos, note)]
    check_names((e.id, str(e.path)) for e in entries)
    found = []
    for number, entry in enumerate(entries, start=1):
        found.append(_footage(entry, fps, note))
        if progress:
            progress(number, len(entries), entry.id)
    return found


def check_names(named: Iterable[tuple[str, str]]) -> None:
    """Refuse two inputs whose maps would lie in one folder.

    Args:
        named: the name of the maps, and where the input lies.

    Raises:
        WrongUse: two have one name; the message has both.
    """
    seen: dict[str, str] = {}
    for name, where in named:
        if name in seen:
            raise WrongUse(
                f"{seen[name]} and {where}: both are named {name!r}, so their maps would lie in one folder; rename "
                "one, or predict them into two folders"
            )
        seen[name] = where


def _entries(path: Path, photos: bool, note: Note | None) -> Iterator[Entry]:
    """Yield what a path of the command line names."""
    if not path.exists():
        raise MissingData(f"{path}: no such file or folder")
    if not path.is_dir():
        yield Entry(path, path.stem)
        return
    found = list(_of_folder(path, photos, note))
    if not found:
        raise MissingData(f"{path}: no video and no image in this folder, nor in those below it")
    yield from found


def _of_folder(folder: Path, photos: bool, note: Note | None) -> Iterator[Entry]:
    inside = [p for p in folder.iterdir() if not is_left_behind(p.name)]
    inside.sort(key=lambda p: natural_key(p.name))
    images = [p for p in inside if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES]
    others = [p for p in inside if p.is_dir() or p.suffix.lower() in VIDEO_SUFFIXES]
    strange = [p.name for p in inside if p.is_file() and p.suffix.lower() not in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    if strange and note:
        note(f"{folder}: neither video nor image by its name, left out: {shortlist(strange)}")
    if images and not others and not photos:
        yield Entry(folder, folder.resolve().name)
        return
    for path in inside:
        if path.is_dir():
            yield from _of_folder(path, photos, note)
        elif path in images or path in others:
            yield Entry(path, path.stem)


_PHOTOS = "; if they are no video, --photos takes each for itself"


def _footage(entry: Entry, fps: Fraction | None, note: Note | None) -> Footage:
    path = entry.path
    folder, image = path.is_dir(), path.suffix.lower() in IMAGE_SUFFIXES
    if folder:
        unnumbered = sorted(
            {p.name for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not is_left_behind(p.name)}
            - {p.name for _, p in numbered_images(path)}
        )
        if unnumbered:
            raise BadData(f"{path}: images without a number in their name: {shortlist(unnumbered)}{_PHOTOS}")
    elif not image and path.suffix.lower() not in VIDEO_SUFFIXES and _is_text(path):
        raise BadData(f"{path}: neither a video nor an image")
    found = probe(path, strict=True)
    if folder and found.notes:
        notes = "; ".join(re.sub("; taken as .*", "", text) for text in found.notes)
        raise BadData(f"{path}: {notes}{_PHOTOS}")
    if note:
        for text in found.notes:
            note(f"{path}: {text}")
    kind: Literal["video", "image"] = "image" if image and not folder else "video"
    rate = fps if folder else found.fps
    known = (entry.id, str(path), found.width, found.height, found.n_frames, rate, kind, found.sha256, path)
    return Footage(*known, damage=found.damage)


def _is_text(path: Path) -> bool:
    """Whether a file is text, which libraries for videos may read as a list of other files."""
    with path.open("rb") as file:
        start = file.read(4096)
    return b"\0" not in start
