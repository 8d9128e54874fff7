"""Layouts that a pattern tells: `{stimulus}/maps/{frame}.png`, `{stimulus}_{frame}.jpg`, `{stimulus}.npz`.

The pattern is the path of a file below the submission. `{stimulus}` and `{frame}` stand once each for a part of a name,
`*` for any. Files that do not fit are not predictions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.matching import Ids
from vidsal.loaders.io.names import is_left_behind, shortlist

from .faults import Fault, refuse
from .formats.folder import is_map_file
from .layout import Entry, Layout, check_folder, form_of_file, in_order, unknown_stimulus

_PARTS = {"{stimulus}": r"(?P<stimulus>[^/]+)", "{frame}": r"(?P<frame>[0-9]{1,12})", "*": r"[^/]*"}


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern.

    Raises:
        WrongUse: it names no stimulus, something twice or something unknown.
    """
    pieces = re.split(r"(\{[^}]*\}|\*)", pattern.strip("/"))
    unknown = [piece for piece in pieces if piece.startswith("{") and piece not in _PARTS]
    if unknown or pieces.count("{stimulus}") != 1 or pieces.count("{frame}") > 1:
        raise WrongUse(
            f"--pattern {pattern!r}: write {{stimulus}} once, {{frame}} at most once, as in "
            "'{stimulus}/maps/{frame}.png'" + (f"; {unknown[0]} is not known" if unknown else "")
        )
    return re.compile("".join(_PARTS.get(piece) or re.escape(piece) for piece in pieces))


def scan_pattern(root: Path, ids: Iterable[str], pattern: str) -> Layout:
    """List a submission by a pattern.

    Args:
        root: its folder.
        ids: of every stimulus of the release, all splits.
        pattern: as the module describes it.

    Raises:
        WrongUse: the pattern is none. Refused: no file fits it, or one that fits is a link.
    """
    check_folder(root)
    shape = compiled(pattern)
    framed = "{frame}" in pattern
    fitting: dict[str, list[tuple[str, int]]] = {}
    others = []
    for path in _files(root):
        match = shape.fullmatch(path)
        if match is None or (form_of_file(path) is None):
            others.append(path)
            continue
        if (root / path).is_symlink():
            raise refuse("link", root / path, "a link; a submission holds regular files only")
        fitting.setdefault(match["stimulus"], []).append((path, int(match["frame"]) if framed else 0))
    if not fitting:
        raise refuse("empty", root, f"no file fits --pattern {pattern!r}; there are {shortlist(others) or 'none'}")
    every = tuple(ids)
    matches = Ids(every).match(list(fitting))
    entries: dict[str, Entry] = {}
    faults = []
    for name, files in fitting.items():
        stimulus = matches.found.get(name)
        numbers = [number for _, number in files]
        if stimulus is None:
            faults.append(unknown_stimulus(name, matches.unknown[name]))
        elif stimulus in entries or len(set(numbers)) < len(numbers):
            faults.append(Fault(stimulus, "several files fit the pattern as the same predictions", rule="double"))
        elif framed:
            wrong = [path for path, _ in files if not is_map_file(path)]
            faults += [Fault(path, "is no map of one frame", " ", rule="unknown-file") for path in wrong]
            entries[stimulus] = Entry("folder", "", tuple((number, path) for path, number in sorted(files)))
        else:
            form = form_of_file(files[0][0])
            assert form is not None
            entries[stimulus] = Entry(form, files[0][0])
    return Layout(in_order(entries, every), True, tuple(faults))


def _files(root: Path) -> Iterator[str]:
    """Paths of all files below a folder; links to folders are not followed."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not is_left_behind(f))
        for name in sorted(files):
            if not is_left_behind(name):
                yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
