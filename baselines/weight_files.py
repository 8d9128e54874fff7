"""Reading weight files without running code in them: digests, and what is refused before it is opened.

Files are read with `torch.load(weights_only=True)` and never otherwise.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.files import rule_out_machine

MOST_EXPANSION = 64
"""A zip archive may expand to at most so many times its size."""


def digests(path: Path) -> tuple[str, str]:
    """Return the SHA-256 and the git blob SHA-1 (`git hash-object`) of a file, in hex.

    Raises:
        BadData: the file cannot be read.
    """
    try:
        size = path.stat().st_size
        sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
                blob.update(block)
    except OSError as error:
        rule_out_machine(path)
        raise BadData(f"{path} cannot be read: {error.strerror}") from error
    return sha256.hexdigest(), blob.hexdigest()


def read_object(path: Path) -> Any:
    """Read what `torch.save` wrote: tensors and plain containers only.

    Raises:
        BadData: unreadable, cut off, not such a file, or holding anything else; nothing in it was run.
    """
    import torch

    _refuse_other_files(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadData(_why_refused(path, str(error))) from error
    except (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        if "TorchScript" in str(error):
            raise BadData(
                f"{path} is a TorchScript archive: a program, not weights; it was not run. "
                "Ask for the state_dict instead"
            ) from error
        raise BadData(
            f"{path} is cut off or damaged, or no file that torch.save wrote ({path.stat().st_size} bytes); "
            "fetch it again and compare its size and checksum"
        ) from error
    except OSError as error:
        rule_out_machine(path)
        raise BadData(f"{path} cannot be read: {error.strerror or error}") from error


def _refuse_other_files(path: Path) -> None:
    """Name the usual things that lie under a checkpoint's name without being one."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        rule_out_machine(path)
        raise BadData(f"{path} cannot be read: {error.strerror}") from error
    text = head.lstrip().lower()
    if not head:
        raise BadData(f"{path} is empty; fetch it again")
    if text.startswith(b"version https://git-lfs"):
        raise BadData(f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` where it comes from")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadData(f"{path} is a web page, not a weight file; fetch the raw file")
    if head.startswith(b"PK\x03\x04"):
        _check_archive(path)


def _check_archive(path: Path) -> None:
    """Refuse what unfolds beyond measure, and what is not what was written: torch itself compares no checksum."""
    damaged: str | None = None
    try:
        with zipfile.ZipFile(path) as archive:
            expanded = sum(part.file_size for part in archive.infolist())
            if expanded <= MOST_EXPANSION * max(path.stat().st_size, 1 << 20):
                damaged = archive.testzip()
    except (RuntimeError, EOFError, zlib.error) as error:
        raise BadData(f"{path} is damaged ({error}); fetch it again, or make it again") from error
    except zipfile.BadZipFile as error:
        rule_out_machine(path)
        raise BadData(
            f"{path} is cut off ({path.stat().st_size} bytes): its table of contents is missing; fetch it "
            "again and compare its size and checksum"
        ) from error
    if expanded > MOST_EXPANSION * max(path.stat().st_size, 1 << 20):
        raise BadData(f"{path} would expand to {expanded} bytes, far beyond its size; it was not read")
    if damaged is not None:
        raise BadData(
            f"{path} is damaged: {damaged} does not meet the checksum that lies in it (CRC-32); fetch or make it again"
        )


def _why_refused(path: Path, error: str) -> str:
    named = re.search(r"(?:Unsupported global: GLOBAL|Unsupported class) ([\w.]+)", error)
    if named is None:
        return f"{path} is no weight file: it holds more than tensors, numbers and texts; nothing was run"
    return (
        f"{path} holds pickled code or objects ({named[1]}) and was refused; nothing in it was run. Where "
        'you trust it, save its state_dict alone: torch.save({"state_dict": model.state_dict()}, FILE)'
    )
