"""Files of a site that are no pages: their names, and whether they are what they are called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from vidsal.loaders.io.files import parse_json

from ..place import MARKER
from .faults import Fault
from .scripts import is_data, script_faults

OWN_SCRIPT = "site.js"
STYLE = "site.css"
_HIDDEN = frozenset({".nojekyll", MARKER})
_KINDS = frozenset(
    {".bib", ".css", ".csv", ".html", ".jpg", ".js", ".json", ".parquet", ".png", ".svg", ".tex", ".txt",
     ".webp", ".xml", ".yaml", ".zip"}
)  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 200
_MAGIC = {
    ".png": (b"\x89PNG\r\n\x1a\n",), ".jpg": (b"\xff\xd8\xff",), ".webp": (b"RIFF",), ".parquet": (b"PAR1",),
    ".zip": (b"PK\x03\x04",),
}  # fmt: skip
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The time that an archive gives its files where it tells none."""


def name_faults(files: Iterable[str], links: Iterable[str]) -> Iterator[Fault]:
    """Yield what is wrong with names.

    Args:
        files: every file, relative to the site, with `/`.
        links: those that are symbolic links, or no plain files.
    """
    seen: dict[str, str] = {}
    for file in files:
        if file in _HIDDEN:
            continue
        parts = PurePosixPath(file).parts
        wrong = next((p for p in parts if not _PLAIN.fullmatch(p) or _RESERVED.fullmatch(p) or p.endswith(".")), None)
        if wrong is not None:
            yield Fault("file.name", f"not a plain name: {wrong[:60]!r}", file)
        if len(file) > _LONGEST:
            yield Fault("file.name", f"longer than {_LONGEST} characters", file)
        if PurePosixPath(file).suffix not in _KINDS:
            yield Fault("file.kind", f"a form that is not known here: {PurePosixPath(file).suffix or 'none'}", file)
        other = seen.setdefault(file.lower(), file)
        if other != file:
            yield Fault("file.name", f"differs from {other} only by case", file)
    for file in links:
        yield Fault("file.name", "a link, or no plain file", file)


def content_faults(folder: Path, file: str) -> Iterator[Fault]:
    """Yield what is wrong inside a file that is no page."""
    path, kind = folder / file, PurePosixPath(file).suffix
    if kind == ".js":
        text = path.read_text(encoding="utf-8", errors="replace")
        if file == OWN_SCRIPT:
            yield from (Fault("script", fault, file) for fault in script_faults(text))
        elif not is_data(text):
            yield Fault("script", "neither site.js nor data of the form NAME = JSON", file)
    elif kind == ".json":
        try:
            parse_json(path.read_bytes())
        except ValueError:
            yield Fault("file.kind", "no JSON", file)
    elif kind in (".xml", ".svg"):
        yield from _xml_faults(path.read_bytes(), file, kind)
    elif kind == ".zip":
        yield from _archive_faults(path, file)
    elif kind in _MAGIC:
        with path.open("rb") as stream:
            if not stream.read(8).startswith(_MAGIC[kind]):
                yield Fault("file.kind", f"its first bytes are not those of {kind}", file)


def _xml_faults(content: bytes, file: str, kind: str) -> Iterator[Fault]:
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
        yield Fault("file.kind", "XML with a document type", file)
        return
    try:
        root = ET.fromstring(content)
    except ET.ParseError as error:
        yield Fault("file.kind", f"no XML: {error}", file)
        return
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2]
        for name, value in element.attrib.items():
            short = name.rpartition("}")[2]
            if kind == ".svg" and (short.startswith("on") or tag == "script"):
                yield Fault("page.inline", "a picture with a script", file)
            elif kind == ".svg" and short == "href" and not value.startswith(("#", "data:image/")):
                yield Fault("offline", f"a picture requests {value[:60]}", file)


def _archive_faults(path: Path, file: str) -> Iterator[Fault]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        yield Fault("file.kind", "its first bytes are not those of .zip", file)
        return
    if any(m.date_time != _FIRST_DAY for m in members):
        yield Fault("clock", "an archive tells when its files were written", file)
    if any(m.filename.startswith("/") or ".." in PurePosixPath(m.filename).parts for m in members):
        yield Fault("file.name", "an archive unpacks outside of its folder", file)
