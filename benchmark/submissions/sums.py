"""SHA256SUMS of a submission: the digests of its files, as `sha256sum` writes and checks them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData

from ..prefetch import prefetch_calls
from .faults import Fault, refuse
from .manifest import NAME, SUMS, Manifest
from .safe_files import file_digest, read_bounded

_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")
_MOST_BYTES = 256 << 20
_THREADS = 4
_GONE = f"is listed in {SUMS}, but is not there"
_CHANGED = f"is not what {SUMS} lists: its SHA-256 differs"


def listed_sums(root: Path) -> dict[str, str]:
    """Return what SHA256SUMS says: the digest of each file, by its path; nothing where there is none.

    Raises:
        Refused: it is something else.
    """
    try:
        text = read_bounded(root / SUMS, _MOST_BYTES).decode("utf-8")
    except MissingData:
        return {}
    except UnicodeDecodeError as error:
        raise refuse("digest", root / SUMS, "is no text; remove it, `vidsal submit pack` makes it anew") from error
    except BadData as error:
        raise refuse("digest", root / SUMS, str(error).removeprefix(f"{root / SUMS}: ")) from error
    lines = [_LINE.fullmatch(line.rstrip("\r")) for line in text.split("\n") if line.strip()]
    if not all(lines):
        what = "is no list of `SHA-256  name`; remove it, `vidsal submit pack` makes it anew"
        raise refuse("digest", root / SUMS, what)
    return {line[2]: line[1].lower() for line in lines if line}


def sums_faults(root: Path, manifest: Manifest) -> Iterator[Fault]:
    """Compare the files with SHA256SUMS; the manifest itself may be completed at any time.

    Args:
        root: folder of the submission.
        manifest: its manifest; files of stimuli whose digest it lists are not read twice.

    Yields:
        What differs, is gone, or is no path in the folder.
    """
    listed = {name: digest for name, digest in listed_sums(root).items() if name != NAME}
    elsewhere = {f.stimulus for f in manifest.files or () if f.sha256 is not None}
    names = [name for name in listed if not _stimuli(name) & elsewhere]
    calls = (partial(_digest, root, name) for name in names)
    for name, found in zip(names, prefetch_calls(calls, _THREADS, 4 * _THREADS), strict=True):
        if found != listed[name]:
            yield Fault(name, _GONE if found is None else _CHANGED, " ", rule="digest")


def _stimuli(name: str) -> set[str]:
    """Of which stimulus a file can be: `predictions/STIMULUS/...` or `predictions/STIMULUS.npz`."""
    parts = name.split("/")
    return {parts[1], parts[1].rpartition(".")[0]} if len(parts) > 1 else set()


def _digest(root: Path, name: str) -> str | None:
    """Digest of a file in the folder; None for anything else."""
    path = root / name
    inside = "\0" not in name and ".." not in path.parts and path.resolve().is_relative_to(root.resolve())
    try:
        return file_digest(path) if inside else None
    except (BadData, MissingData, OSError):  # a link or a folder; `link` and `unknown-file` say more
        return None
