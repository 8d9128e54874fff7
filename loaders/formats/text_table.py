"""Text of numbers: rows of a fixed number of columns, one on each line; nothing is skipped silently.

A compiled scan reads the plain form (signs, digits, a point). Where it meets anything else, the same bytes are read
again line by line: either they are numbers nevertheless, or the error names the line and its content.
"""

from __future__ import annotations

import math
import re
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import BadData
from ..io.compiled import compiled
from ..records import Float64Array

Separator = Literal["blank", "comma"]

LARGEST = 1e12
"""Numbers beyond this are no gaze: the file is damaged."""

_POWERS = 10.0 ** np.arange(16)  # up to 15 digits a number and its power of ten are exact, so the quotient is
_BLANKS = re.compile("[ \t]+")
_UTF8_MARK = b"\xef\xbb\xbf"


def read_rows(
    name: str,
    data: bytes,
    columns: tuple[str, ...],
    *,
    start: int = 0,
    separator: Separator = "blank",
    comment: str = "",
    letter: bool = False,
) -> Float64Array:
    """Read all rows from a place in a file to its end.

    Blank lines are skipped. Fields are separated by blanks and tabs, or by one comma with blanks around it.

    Args:
        name: of the file, for messages.
        data: its whole content.
        columns: the name of each column, for messages.
        start: where the first row begins.
        separator: between the fields of a row.
        comment: lines that begin with this character are skipped; empty = none.
        letter: the last column is one letter a row, returned as its code point; only between blanks.

    Returns:
        float64, shape (columns, rows), finite.

    Raises:
        BadData: a line has another number of fields, or a field is no finite number below `LARGEST`; the message
            names the line.
    """
    # A row takes at least two bytes a column. Memory that is never written costs nothing.
    out = np.empty((len(columns), (len(data) - start) // (2 * len(columns)) + 1))
    ended = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
    signs = (ord("," if separator == "comma" else " "), ord(comment) if comment else -1)
    rows = int(compiled(_scan)(ended, start, *signs, letter, _POWERS, out))
    if rows < 0:
        return _read_slowly(name, data, columns, start, separator, comment, letter)
    return out[:, :rows]


def without_mark(data: bytes) -> bytes:
    """Return the content of a text file without the byte order mark that some editors put before it."""
    return data.removeprefix(_UTF8_MARK)


def line_of(data: bytes, start: int, row: int, comment: str = "") -> int:
    """Return the number of the line that holds a row of `read_rows`; for messages, so it need not be fast."""
    first_line = data.count(b"\n", 0, start) + 1
    for line_number, raw in enumerate(data[start:].split(b"\n"), first_line):
        line = raw.strip(b" \t\r")
        if line and not (comment and line.startswith(comment.encode())):
            row -= 1
        if row < 0:
            return line_number
    return first_line


def number(text: str) -> float:
    """Read one number in plain ASCII.

    Raises:
        ValueError: not a finite number below `LARGEST`.
    """
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    value = float(text)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(text)
    return value


def _read_slowly(
    name: str,
    data: bytes,
    columns: tuple[str, ...],
    start: int,
    separator: Separator,
    comment: str,
    letter: bool,
) -> Float64Array:
    rows: list[list[float]] = []
    first_line = data.count(b"\n", 0, start) + 1
    for line_number, raw in enumerate(data[start:].split(b"\n"), first_line):
        line = raw.decode("ascii", "backslashreplace").strip(" \t\r")
        if not line or (comment and line.startswith(comment)):
            continue
        fields = [f.strip(" \t") for f in line.split(",")] if separator == "comma" else _BLANKS.split(line)
        if len(fields) != len(columns):
            hint = "; decimal commas?" if separator == "blank" and "," in line else ""
            raise BadData(
                f"{name}, line {line_number}: {len(fields)} fields, expected {len(columns)} "
                f"({', '.join(columns)}): {line[:60]!r}{hint}"
            )
        at = f"{name}, line {line_number}"
        last = [_letter(at, columns[-1], fields.pop())] if letter else []
        rows.append([_number(at, c, f) for c, f in zip(columns, fields, strict=False)] + last)
    return np.array(rows, np.float64).reshape(len(rows), len(columns)).T


def _number(at: str, column: str, text: str) -> float:
    try:
        return number(text)
    except ValueError as error:
        raise BadData(f"{at}: {column} is {text[:40]!r}, not a finite number") from error


def _letter(at: str, column: str, text: str) -> float:
    if len(text) != 1 or not (text.isascii() and text.isalpha()):
        raise BadData(f"{at}: {column} is {text[:40]!r}, expected one letter")
    return float(ord(text))


def _scan(
    data: npt.NDArray[np.uint8],
    start: int,
    separator: int,
    comment: int,
    letter: bool,
    powers: Float64Array,
    out: Float64Array,
) -> int | np.int64:
    """Fill `out` from plain text that ends in a new line; return the number of rows, -1 if anything is not plain.

    Indices are unsigned, so that the compiled code needs no test for a negative index at each byte; the new line at
    the end spares the test for the end inside a field.
    """
    one, ten, zero, most_digits = np.uintp(1), np.uint64(10), np.uint64(48), np.uintp(15)
    end, columns = np.uintp(len(data)), np.uintp(len(out) - letter)
    at, row = np.uintp(start), np.uintp(0)
    while at < end:
        if data[at] < 45:  # blank, end of line or comment; no number begins so
            if data[at] == comment:
                while data[at] != 10:
                    at += one
            elif data[at] == 10 or data[at] == 32 or data[at] == 9 or data[at] == 13:
                at += one
            else:
                return -1
            continue
        column = np.uintp(0)
        while column < columns:
            if column:
                if data[at] == separator:
                    at += one
                else:
                    before = at
                    while data[at] == 32 or data[at] == 9:
                        at += one
                    if separator == 44:
                        if data[at] != 44:
                            return -1
                        at += one
                    elif at == before:
                        return -1
                if data[at] < 45:
                    while data[at] == 32 or data[at] == 9:
                        at += one
            negative = data[at] == 45
            if negative:
                at += one
            first = at
            mantissa = np.uint64(0)
            digit = np.uint64(data[at]) - zero
            while digit < ten:
                mantissa = mantissa * ten + digit
                at += one
                digit = np.uint64(data[at]) - zero
            digits = at - first
            if digits - one > np.uintp(11):  # none, or more than twelve
                return -1
            value = float(np.int64(mantissa))
            if data[at] == 46:
                at += one
                first = at
                digit = np.uint64(data[at]) - zero
                while digit < ten:
                    mantissa = mantissa * ten + digit
                    at += one
                    digit = np.uint64(data[at]) - zero
                if digits + (at - first) > most_digits:
                    return -1
                value = float(np.int64(mantissa)) / powers[at - first]
            out[column, row] = -value if negative else value
            column += one
        if letter:
            if data[at] != 32 and data[at] != 9:
                return -1
            while data[at] == 32 or data[at] == 9:
                at += one
            lower = data[at] | 32
            if lower < 97 or lower > 122:
                return -1
            out[column, row] = data[at]
            at += one
        if data[at] != 10:
            while data[at] == 32 or data[at] == 9 or data[at] == 13:
                at += one
            if data[at] != 10:
                return -1
        at += one
        row += one
    return np.int64(row)
