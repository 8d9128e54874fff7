"""The text form `.coord`: comments, two lines that describe the screen, then one sample a line.

# comment
gaze 1280 720                                     width and height in pixels
geometry distance 0.45 width 0.4 height 0.225     in metres; other experiments of the release have centimetres
2000 599.5 320.7 1                                time in microseconds, x, y, confidence
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import BadData
from ...formats.text_table import line_of, number, read_rows, without_mark
from ...io.files import rule_out_machine
from .recording import Recording, checked, cut_off_note, in_meters

_COLUMNS = ("time", "x", "y", "confidence")
_LENGTHS = ("distance", "width", "height")


@dataclass
class _Header:
    size: tuple[int, int] | None = None
    geometry: tuple[float, float, float] | None = None
    notes: tuple[str, ...] = ()


def parse(file: Path) -> Recording:
    """Read one recording.

    Raises:
        BadData: the file cannot be opened, the header lacks the size, or a line is not as expected; the message
            names the line.
    """
    try:
        data = without_mark(file.read_bytes())
    except OSError as error:
        rule_out_machine(file)
        raise BadData(f"{file.name}: cannot be read: {error.strerror or error}") from error
    header, start = _header(file.name, data)
    t, x, y, confidence = read_rows(file.name, data, _COLUMNS, start=start, comment="#")
    t_us = checked(file.name, t, x, y, confidence, lambda row: line_of(data, start, row, "#"))
    notes = header.notes + cut_off_note(data, "#")
    return Recording(t_us, x, y, confidence, header.size, header.geometry, notes=notes)


def _header(name: str, data: bytes) -> tuple[_Header, int]:
    """Read the lines before the first sample; return also where that begins."""
    header = _Header()
    at = 0
    line_number = 0
    while at < len(data):
        line_number += 1
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line = data[at:end].decode("ascii", "backslashreplace").strip(" \t\r")
        if line and line[0] not in "#gG":
            break
        _read_line(header, f"{name}, line {line_number}", line)
        at = end + 1
    if header.size is None:
        raise BadData(f"{name}, line {line_number}: expected `gaze <width> <height>` before the samples")
    return header, min(at, len(data))


def _read_line(header: _Header, where: str, line: str) -> None:
    words = line.split()
    try:
        if not words or line.startswith("#"):
            return
        if (words[0] == "gaze" and header.size) or (words[0] == "geometry" and header.geometry):
            raise ValueError("a second line of this kind")
        if words[0] == "gaze":
            width, height = (int(w) for w in words[1:])
            header.size = (width, height)
        elif words[0] == "geometry":
            lengths = dict(zip(words[1::2], (number(w) for w in words[2::2]), strict=True))
            distance, width_m, height_m = (lengths[key] for key in _LENGTHS)
            header.geometry, unit = in_meters((distance, width_m, height_m))
            if unit:
                header.notes += (f"the geometry is in {unit}, not in metres",)
        else:
            raise ValueError("neither `gaze` nor `geometry`")
    except (ValueError, KeyError) as error:
        message = f"{where}: not a header line of a .coord file: {line[:60]!r} ({error})"
        raise BadData(message) from error
