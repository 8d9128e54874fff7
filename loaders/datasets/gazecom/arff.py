"""The ARFF form: screen in comments, named columns, comma separated samples, hand labels where there are any.

    %@METADATA width_px 1280.0            and height_px, width_mm, height_mm, distance_mm, in any order
    @RELATION gaze_labels
    @ATTRIBUTE time INTEGER               and x, y, confidence, handlabeller1, handlabeller2, handlabeller_final
    @DATA
    2000,599.5,320.7,1.0,1,0,1

Ordinary ARFF readers lose the screen, because it stands in comments. The labelled part of Hollywood-2 has the same
form with one labeller less, so columns are found by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import BadData
from ...formats.text_table import line_of, number, read_rows, without_mark
from ...io.files import rule_out_machine
from ...records import Float64Array
from .recording import Recording, checked, cut_off_note

FINAL_LABEL = "handlabeller_final"
LARGEST_LABEL = 4

_NEEDED = ("time", "x", "y", "confidence")
_NUMERIC = {"integer", "numeric", "real"}
_METADATA = re.compile(r"%\s*@METADATA\s+(\w+)\s+(\S+)\s*", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""@ATTRIBUTE\s+(['"]?)([\w.-]+)\1\s+(.+)""", re.IGNORECASE)


@dataclass
class _Header:
    columns: list[str] = field(default_factory=list)
    metadata: dict[str, float] = field(default_factory=dict)


def parse(file: Path) -> Recording:
    """Read one recording, with its final hand labels if it has some.

    Raises:
        BadData: the file cannot be opened, a column is missing, or a line is not as expected; the message names
            the line.
    """
    try:
        data = without_mark(file.read_bytes())
    except OSError as error:
        rule_out_machine(file)
        raise BadData(f"{file.name}: cannot be read: {error.strerror or error}") from error
    header, start = _header(file.name, data)
    missing = [c for c in _NEEDED if c not in header.columns]
    if missing:
        raise BadData(f"{file.name}: no attribute {', '.join(missing)}; is this a gaze recording?")
    rows = read_rows(file.name, data, tuple(header.columns), start=start, separator="comma", comment="%")
    t, x, y, confidence = (rows[header.columns.index(c)] for c in _NEEDED)
    t_us = checked(file.name, t, x, y, confidence, lambda row: line_of(data, start, row, "%"))
    label = None
    if FINAL_LABEL in header.columns:
        label = _labels(file.name, data, start, rows[header.columns.index(FINAL_LABEL)])
    size, geometry = _screen(file.name, header.metadata)
    notes = cut_off_note(data, "%")
    return Recording(t_us, x, y, confidence, size, geometry, label, notes)


def labelled(file: Path) -> bool | None:
    """Return whether a file has a column of final hand labels; None if it is no ARFF file."""
    try:
        with file.open("rb") as stream:
            return FINAL_LABEL in _header(file.name, without_mark(stream.read(1 << 16)))[0].columns
    except (OSError, BadData):
        return None


def _labels(name: str, data: bytes, start: int, column: Float64Array) -> npt.NDArray[np.int8]:
    strange = ~np.isin(column, np.arange(LARGEST_LABEL + 1))
    if strange.any():
        row = int(strange.argmax())
        message = f"the label is {column[row]:g}, expected 0 to {LARGEST_LABEL}"
        raise BadData(f"{name}, line {line_of(data, start, row, '%')}: {message}")
    return column.astype(np.int8)


def _screen(name: str, metadata: dict[str, float]) -> tuple[tuple[int, int] | None, tuple[float, float, float] | None]:
    size = geometry = None
    if {"width_px", "height_px"} <= metadata.keys():
        width, height = metadata["width_px"], metadata["height_px"]
        if width != int(width) or height != int(height):
            raise BadData(f"{name}: the metadata state {width:g}x{height:g} pixels")
        size = (int(width), int(height))
    if {"distance_mm", "width_mm", "height_mm"} <= metadata.keys():
        distance, width, height = (metadata[k] / 1000 for k in ("distance_mm", "width_mm", "height_mm"))
        geometry = (distance, width, height)
    return size, geometry


def _header(name: str, data: bytes) -> tuple[_Header, int]:
    """Read the lines up to `@DATA`; return also where the samples begin."""
    header = _Header()
    at = line_number = 0
    while at < len(data):
        line_number += 1
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line = data[at:end].decode("utf-8", "backslashreplace").strip()
        at = min(end + 1, len(data))
        if line.lower() == "@data":
            return header, at
        _read_line(header, f"{name}, line {line_number}", line)
    raise BadData(f"{name}: no line @DATA; not an ARFF file, or cut off")


def _read_line(header: _Header, where: str, line: str) -> None:
    if metadata := _METADATA.fullmatch(line):
        try:
            header.metadata[metadata[1].lower()] = number(metadata[2])
        except ValueError as error:
            raise BadData(f"{where}: {metadata[1]} is {metadata[2][:40]!r}, not a number") from error
    elif attribute := _ATTRIBUTE.fullmatch(line):
        if attribute[3].strip().lower() not in _NUMERIC:
            message = f"attribute {attribute[2]} is of type {attribute[3][:60]}, expected numbers"
            raise BadData(f"{where}: {message}; is this the output of an algorithm?")
        if attribute[2].lower() in header.columns:
            raise BadData(f"{where}: a second attribute {attribute[2]}")
        header.columns.append(attribute[2].lower())
    elif line and not line.startswith("%") and not line.lower().startswith("@relation"):
        raise BadData(f"{where}: not a header line of an ARFF file: {line[:60]!r}")
