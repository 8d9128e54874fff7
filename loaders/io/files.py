"""Atomic writes, locked folders, digests, canonical JSON."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import MACHINE, NO_ROOM, WrongUse


@contextmanager
def naming(place: Path) -> Iterator[None]:
    """Have an error within by which there is no room name a place, where it names none: a write tells of no file."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:
            raise OSError(error.errno, error.strerror, str(place)) from error
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it replaces `path` at the end, or is removed on failure.

    An error of the system that names no file, or the temporary one, names this one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")  # two machines may have equal process ids
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in MACHINE and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


class _Remembering:
    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.flush = file, file.flush
        self.fault: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.fault = error
            raise


@contextmanager
def file_to_fill(path: Path) -> Iterator[Any]:
    """Open a file for NumPy or torch to write to. Of a full disk they tell in their own words; here the system does."""
    with naming(path), path.open("wb") as file:
        to_fill = _Remembering(file)
        try:
            yield to_fill
        except Exception as error:
            raise to_fill.fault or error from None


def try_folder(folder: Path) -> None:
    """Make sure that files can be written into a folder, which may not be there yet; nothing is left there.

    Raises:
        WrongUse: something else is in the way, or there is no permission; a machine that fails says so itself.
    """
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / f".{os.getpid()}.tmp"
        mark.touch()
        mark.unlink()
    except OSError as error:
        if error.errno in MACHINE:
            raise
        where = next((p for p in (folder, *folder.parents) if p.exists() and not p.is_dir()), error.filename)
        raise WrongUse(
            f"{folder}: nothing can be written there ({where}: {error.strerror}); name another place"
        ) from error
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def try_file(path: Path) -> None:
    """Make sure that a file can be written or replaced, before somebody works for its content.

    Raises:
        WrongUse: it is a folder, or see `try_folder`.
    """
    if path.is_dir():
        raise WrongUse(f"{path}: is a folder; name a file")
    try_folder(path.parent)


def rule_out_machine(path: Path) -> None:
    """Read a file that seems damaged to its end, before somebody says so: a disk that fails is not the file's fault.

    FFmpeg, zipfile and HDF5 tell one as the other.

    Raises:
        OSError: the machine failed.
    """
    try:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        if error.errno in MACHINE:
            raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def sealed_write(path: Path) -> Iterator[Path]:
    """As `atomic_write`, and leave the SHA-256 of what was written beside it, in `<name>.sha256`."""
    with atomic_write(path) as temporary:
        yield temporary
        digest = sha256(temporary)
    with naming(path):
        _seal(path).write_text(digest, encoding="ascii")


def read_sealed(path: Path) -> bytes | None:
    """Return what `sealed_write` wrote; None where it is not there, cannot be read, or is not what was written."""
    try:
        content, digest = path.read_bytes(), _seal(path).read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest().encode() == digest else None


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


@contextmanager
def lock_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder of unfinished work for this process; the hold ends with the process, however it ends.

    Args:
        folder: is made if it is not there.
        wait: until another process lets it go.

    Raises:
        WrongUse: another process holds it, without `wait`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise WrongUse(f"{folder}: another process is doing the same work; wait for it to end") from None
        with naming(folder):
            yield


def canonical(value: Any) -> str:
    """Return JSON with sorted keys, one form for one value, no NaN.

    >>> canonical({"b": 1, "a": [1.5, None]})
    '{\\n "a": [\\n  1.5,\\n  null\\n ],\\n "b": 1\\n}\\n'
    """
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def parse_json(text: str | bytes, *, nan_is_none: bool = False) -> Any:
    """Read JSON strictly: a key that stands twice, NaN and Infinity are refused, not chosen between.

    Every JSON file is read by this one function; what it returns can be written and hashed again.

    Args:
        text: the text, or its bytes in UTF-8.
        nan_is_none: take NaN and Infinity for nothing, as tables of measurements hold them.

    Raises:
        ValueError: it is no such JSON; the message says where.

    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' stands twice in one object
    """
    text = text if isinstance(text, str) else text.decode("utf-8")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_nothing if nan_is_none else _no_number,
            parse_float=_finite,
            parse_int=_whole,
        )
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"a text holds half a character (\\u{ord(half):04x} without its other half)") from None
    return value


_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that may be half a character: nothing else brings one into a text that was UTF-8."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} stands twice in one object")
    return found


def _nothing(_text: str) -> None:
    return None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]}{'...' if len(text) > 20 else ''} is too large for a number")
    return number


def write_json(path: Path, value: Any, *, sealed: bool = False) -> None:
    """Write canonical JSON atomically; sealed as by `sealed_write`, if so asked."""
    with (sealed_write if sealed else atomic_write)(path) as temporary:
        temporary.write_text(canonical(value), encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
