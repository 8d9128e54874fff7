"""LOG.txt of a run: a line for each thing that befell it, in the order in which it was written down.

    2026-11-27T18:30:00Z scored 5f0c...
    2026-12-01T09:00:00Z withdrawn 5f0c... "wrong weights"
    2026-12-01T09:00:00Z superseded 5f0c... by 77aa... "the gaze of two videos was mended"

Lines are only added, each whole or not at all: a last one without its end was cut off, and is none. It is no part of a
run's digest, and runs of before have no log. Events that are not known here are kept and passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import BadData

from .notices import KINDS, Notice

NAME = "LOG.txt"
_MOST = 1 << 20
"""Bytes: thousands of lines, where a run has a handful."""
_DIGEST = "[0-9a-f]{64}"
_LINE = re.compile(rf'\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ [a-z][a-z-]* {_DIGEST}(?: by {_DIGEST})?(?: "[^\0-\x1f]*")?')


def scored(record: Mapping[str, Any]) -> str:
    """Return the line with which the log of a run begins."""
    return f"{record['time']} scored {record['digest']}"


def told(notice: Notice) -> str:
    """Return the line of a notice."""
    by = f" by {notice.by}" if notice.by else ""
    return f"{notice.time} {notice.kind} {notice.run}{by} {json.dumps(notice.reason, ensure_ascii=False)}"


def read_log(folder: Path) -> list[str]:
    """Return the lines of a run's log; none where it has no log.

    Raises:
        BadData: it is no log, or too long for one.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return []
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BadData(f"{path}: not a plain file")
    with path.open("rb") as file:
        lines = _lines(file.read(_MOST + 1), path)
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):
            raise BadData(f"{path}, line {number}: not a time, an event and a run's digest: {line[:60]!r}")
    return lines


def add_to_log(folder: Path, lines: Iterable[str]) -> None:
    """Add to a run's log what is not in it yet; what stands there stays.

    Raises:
        BadData: it is no log, or too long for one.
    """
    path, lines = folder / NAME, list(dict.fromkeys(lines))
    if set(lines) <= set(read_log(folder)):
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known = _lines(file.read(_MOST + 1), path)
        new = [line for line in lines if line not in known]
        end = len("".join(f"{line}\n" for line in known).encode())
        file.seek(end)
        end += file.write("".join(f"{line}\n" for line in new).encode())
        file.truncate(end)
        os.fsync(file.fileno())


def check_log(folder: Path, record: Mapping[str, Any], notices: Iterable[Notice]) -> None:
    """Compare a run's log with the run and with what lies beside it.

    Raises:
        BadData: the first thing that does not fit.
    """
    path, lines = folder / NAME, read_log(folder)
    said = {notice.kind for notice in notices}
    for number, line in enumerate(lines, 1):
        _, event, run = line.split(" ")[:3]
        if run != record["digest"]:
            raise BadData(f"{path}, line {number}: it is about another run")
        if event in KINDS and event not in said:
            raise BadData(f"{path}, line {number}: the run was {event}, but {event}.json is gone")
    if scored(record) not in lines and os.path.lexists(path):
        raise BadData(f"{path}: it does not say that the run was scored at {record['time']}")


def _lines(content: bytes, path: Path) -> list[str]:
    """Return the whole lines."""
    if len(content) > _MOST:
        raise BadData(f"{path}: larger than {_MOST} bytes")
    try:
        return content[: content.rfind(b"\n") + 1].decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: no UTF-8: {error}") from error
