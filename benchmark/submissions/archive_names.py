"""Names in archives: plain relative paths, none of which is another in another case."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from vidsal.loaders.io.names import is_left_behind, visible

from .faults import Fault
from .manifest_file import short

MOST_NAME = 1000
"""Longest name of a file in an archive, in bytes, with its folders."""
_MOST_PART = 255
_DEEPEST = 20


@dataclass
class Names:
    """The names of an archive, one after another.

    Attributes:
        faults: what is wrong with those that were refused.
    """

    faults: list[Fault] = field(default_factory=list)
    _files: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, *, folder: bool = False) -> str | None:
        """Return the path below which a file is to be written; None for a folder, for what systems leave behind, and
        for a name that is refused.
        """
        wrong = fault_of(name)
        if wrong:
            self.faults.append(Fault(short(name), wrong, " ", rule="archive-path"))
            return None
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or any(map(is_left_behind, parts)):
            return None
        path = "/".join(parts)
        above = parts if folder else parts[:-1]
        clash = next((c for n in range(1, len(above) + 1) if (c := self._folder("/".join(above[:n])))), None)
        if clash is None and not folder:
            key = _key(path)
            clash = self._files.get(key) or self._folders.get(key)
            self._files.setdefault(key, path)
        if clash is not None:
            what = (
                "is there twice"
                if clash == path
                else "and another name differ only in case, or are a file and a folder"
            )
            self.faults.append(Fault(short(path), what, " ", rule="archive-double"))
            return None
        return None if folder else path

    def _folder(self, path: str) -> str | None:
        """Remember a folder; return the name with which it clashes."""
        key = _key(path)
        if key in self._files:
            return self._files[key]
        known = self._folders.setdefault(key, path)
        return None if known == path else known


def fault_of(name: str) -> str | None:
    """Return what is wrong with a name, if anything.

    >>> fault_of("a/b.png"), fault_of("../b.png")
    (None, "leads out of the archive's folder")
    """
    if name.startswith("/") or name[1:2] == ":":
        return "is an absolute path"
    if "\\" in name or "\x00" in name or visible(name) != name or any(c in name for c in "\n\t"):
        return "holds signs that a path here cannot: a backslash (pack it again, with /), or what cannot be seen"
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        return "leads out of the archive's folder"
    encoded = [part.encode("utf-8", "surrogateescape") for part in parts]
    if sum(map(len, encoded)) + len(parts) > MOST_NAME or any(len(e) > _MOST_PART for e in encoded):
        return f"is longer than {MOST_NAME} bytes, or a part of it than {_MOST_PART}"
    if len(parts) > _DEEPEST:
        return f"lies deeper than {_DEEPEST} folders"
    return None


def _key(path: str) -> str:
    """Equal for names that some systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
