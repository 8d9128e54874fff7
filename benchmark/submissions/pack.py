"""A submission into one zip file: the same folder gives the same bytes, and every file is listed with its digest."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.names import is_left_behind
from vidsal.loaders.io.progress import Progress

from . import manifest_file
from .archive_names import Names
from .faults import Fault, Refused, refuse, report
from .layout import check_folder
from .manifest import NAME, SUMS
from .safe_files import open_regular
from .sums import listed_sums
from .workspace import temporary_folder


@dataclass(frozen=True)
class Packed:
    """An archive that was written: its path, number of files, bytes and SHA-256."""

    path: Path
    files: int
    bytes: int
    sha256: str


def pack(root: Path, out: Path, *, progress: Progress | None = None) -> Packed:
    """Pack a submission with a `SHA256SUMS` of its files.

    Files are stored, not deflated: maps are compressed already, and the bytes depend on no version of zlib.

    Args:
        root: folder of a submission with a valid manifest.
        out: the zip file to write; one that is there is replaced.
        progress: called with (done, total, name) after each file.

    Raises:
        Refused: the manifest is not valid, links are there, names clash, or files are not those of its `SHA256SUMS`.
        WrongUse: `out` is no .zip, or lies in the folder.
    """
    check_folder(root)
    if out.suffix.lower() != ".zip":
        raise WrongUse(f"{out}: a packed submission is a .zip file; name it so")
    if out.resolve().is_relative_to(root.resolve()):
        raise WrongUse(f"{out}: lies in the folder that is to be packed; name a file outside of it")
    if manifest_file.read(root) is None:
        raise refuse("manifest-missing", root / NAME, "is not there; `vidsal submit init` writes one to fill in")
    names = sorted(_names(root))
    listed = listed_sums(root)
    sums: dict[str, str] = {}
    with temporary_folder(out.parent / f".{out.name}.packing") as work:
        with zipfile.ZipFile(work / out.name, "w", zipfile.ZIP_STORED) as archive:
            for n, name in enumerate(names, 1):
                with os.fdopen(open_regular(root / name), "rb") as file:
                    sums[name] = _add(archive, name, file)
                if progress:
                    progress(n, len(names), name)
            _compare(root, listed, sums)
            archive.writestr(_entry(SUMS), "".join(f"{digest}  {name}\n" for name, digest in sums.items()))
        with (work / out.name).open("rb") as file:
            os.fsync(file.fileno())
        os.replace(work / out.name, out)
    with out.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Packed(out, len(names) + 1, out.stat().st_size, digest)


def _names(root: Path) -> Iterator[str]:
    """Paths of the files, below the folder.

    Raises:
        Refused: one is a link, or could not be read back.
    """
    known = Names()
    for folder, folders, files in os.walk(root):
        below = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not is_left_behind(name)]
        for name in [*folders, *files]:
            path = (below / name).as_posix()
            if is_left_behind(name) or path == SUMS:
                continue
            if (root / path).is_symlink():
                known.faults.append(Fault(path, "is a link; a submission holds regular files only", " ", rule="link"))
            elif name in files and known.take(path):
                yield path
    if known.faults:
        raise Refused(report(root, known.faults), known.faults)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # dated 1980
    entry.create_system, entry.external_attr = 3, 0o100644 << 16
    return entry


def _add(archive: zipfile.ZipFile, name: str, file: IO[bytes]) -> str:
    """Add a file; return its digest."""
    entry = _entry(name)
    entry.file_size = os.fstat(file.fileno()).st_size
    digest = hashlib.sha256()
    with archive.open(entry, "w", force_zip64=entry.file_size > 1 << 30) as member:
        while data := file.read(1 << 20):
            digest.update(data)
            member.write(data)
    return digest.hexdigest()


def _compare(root: Path, listed: dict[str, str], sums: dict[str, str]) -> None:
    """Refuse files that have changed since they were listed; the manifest may be completed at any time."""
    wrong = [n for n, digest in listed.items() if n != NAME and sums.get(n) != digest]
    if wrong:
        faults = [Fault(name, f"is not what {SUMS} lists", " ", rule="digest") for name in wrong]
        raise Refused(report(root, faults), faults)
