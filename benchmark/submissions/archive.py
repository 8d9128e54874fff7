"""Submissions in a zip or tar file, read as they are: unpacked into a folder of our own, within limits, and removed.

Refused are links and all that is no regular file, names that lead elsewhere or clash, and expansion beyond the limits
below, whatever an archive claims of itself. Nothing in it is executed; modes and owners are not taken over.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import IO, Any

from vidsal.loaders.errors import MachineFault, VidsalError
from vidsal.loaders.io.files import rule_out_machine
from vidsal.loaders.io.places import named, stands_for

from ..predictor import name_like
from .archive_names import Names
from .archive_streams import Bounded, Forward
from .faults import Fault, Refused, refuse, report
from .manifest import FOLDER, NAME
from .manifest_file import short
from .safe_files import open_regular
from .workspace import temporary_folder

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
"""How the name of a file ends that is read as an archive."""
MOST_FILES = 1_000_000
"""Files in an archive."""
MOST_BYTES = 1 << 40
"""Bytes to which an archive may expand."""
MOST_GROWTH = 200
"""How many times its own size an archive may expand to, beyond `FREE_BYTES`."""
FREE_BYTES = 256 << 20
"""Bytes to which any archive may expand."""

UNPACKED = ".unpacked"
"""Folder beside results in which archives are unpacked for the time of a command."""

_SPARE = 64 << 20  # bytes of the disk that are left free
_CHUNK = 1 << 20
_MOST_FAULTS = 10_000
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, RuntimeError),
    *(ValueError, LookupError, ArithmeticError, MemoryError),
)

Wanted = Callable[[str], bool]


def is_archive(path: Path) -> bool:
    """Whether a path is that of a file which is read as an archive."""
    return path.name.lower().endswith(SUFFIXES) and not path.is_dir() and path.exists()


@contextmanager
def opened_folder(path: Path, beside: Path | None = None, wanted: Wanted | None = None) -> Iterator[Path]:
    """Give the folder of a submission; an archive is unpacked for the time being.

    Args:
        path: a folder, a zip or a tar file.
        beside: in which folder an archive is unpacked; None = that of the system for such things.
        wanted: which names are unpacked; None = all.

    Raises:
        Refused: the archive breaks a rule; all that was found is named, and nothing is left of it.
    """
    if not is_archive(path):
        yield path
        return
    base = _own_base() if beside is None else beside / UNPACKED
    with temporary_folder(base) as folder:
        root = folder / _stem(path)
        root.mkdir()
        unpack(path, root, wanted)
        stands_for(f"{root}/", f"{path}: ")  # what is said names the archive, not where it is for the moment
        stands_for(str(root), str(path))
        try:
            yield _inner(root)
        except VidsalError as error:
            error.args = (named(str(error)),)
            raise


def _stem(path: Path) -> str:
    lower = path.name.lower()
    ending = next(suffix for suffix in SUFFIXES if lower.endswith(suffix))
    return name_like(path.name[: -len(ending)])


def _own_base() -> Path:
    """A folder of this user's in the system's temporary one, in which nobody else can write."""
    base = Path(gettempdir()) / f"vidsal-unpacked-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return base
    return Path(mkdtemp(prefix="vidsal-unpacked-"))


def _inner(root: Path) -> Path:
    """The submission's folder: the root, or the one folder in it that holds a manifest or predictions."""
    if (root / NAME).exists() or (root / FOLDER).exists():
        return root
    inside = list(root.iterdir())
    if len(inside) == 1 and ((inside[0] / NAME).exists() or (inside[0] / FOLDER).exists()):
        return inside[0]
    return root


def unpack(path: Path, out: Path, wanted: Wanted | None = None) -> None:
    """Write the regular files of an archive into an empty folder of our own.

    Raises:
        Refused: with every fault; MachineFault: the disk has no room for it. What was written until then stays for
            the caller to remove.
    """
    with os.fdopen(open_regular(path.resolve()), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        intake = _Intake(path, out, max(FREE_BYTES, MOST_GROWTH * size), wanted)
        try:
            if path.name.lower().endswith(".zip"):
                _unzip(file, intake)
            else:
                _untar(file, intake, zipped=not path.name.lower().endswith(".tar"))
        except Refused:
            raise
        except _DAMAGE as error:
            rule_out_machine(path)
            why = short(str(error)) or type(error).__name__
            what = f"cannot be read: damaged, or cut off on its way ({why}); copy or pack it again"
            raise refuse("archive-damaged", path, what) from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # a position before the begin of the file
                raise
            raise refuse("archive-damaged", path, "leads to a position before its begin") from error
        intake.close()


class _Intake:
    """What has come out of an archive, and what still may."""

    def __init__(self, path: Path, out: Path, growth: int, wanted: Wanted | None) -> None:
        self._path, self._out, self._wanted = path, out, wanted
        self._names = Names()
        self._files = 0
        self._room = max(0, shutil.disk_usage(out).free - _SPARE)
        self.left = min(growth, MOST_BYTES)
        self.limit = self.left

    def count(self, size: int) -> None:
        """Count a file and its bytes.

        Raises:
            Refused: it is one too many; MachineFault: the disk has no room for it.
        """
        self._files += 1
        self.left -= size
        if self._files > MOST_FILES:
            raise refuse("archive-size", self._path, f"holds more than {MOST_FILES} files")
        if size < 0 or self.left < 0:
            raise self.too_large()
        if self.limit - self.left > self._room:
            raise MachineFault(
                f"the disk is full ({self._out}): {self._path} expands to more than the {self._room} bytes that may be "
                f"used there, so that {_SPARE >> 20} MiB stay free; make room and start the same command again"
            )

    def too_large(self) -> Refused:
        """Return the error of an archive that grows without end."""
        return refuse("archive-size", self._path, f"expands to more than {self.limit} bytes")

    def strange(self, name: str, what: str) -> None:
        """Note what is no regular file."""
        self._note(Fault(short(name), what, " ", rule="archive-kind"))

    def folder(self, name: str) -> None:
        """Note a folder; it is made once a file needs it."""
        self._names.take(name, folder=True)

    def file(self, name: str, size: int, source: Callable[[], IO[bytes]]) -> None:
        """Write a file, if its name is sound and all is well so far."""
        target = self._names.take(name)
        if len(self._names.faults) > _MOST_FAULTS:
            self.close()
        if target is None or self._names.faults or (self._wanted is not None and not self._wanted(target)):
            return
        path = self._out / target
        path.parent.mkdir(parents=True, exist_ok=True)
        left = size
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with source() as content, os.fdopen(os.open(path, flags, 0o600), "wb") as out:
            while left and (data := content.read(min(_CHUNK, left))):
                out.write(data)
                left -= len(data)
            if left or content.read(1):
                raise ValueError(f"{short(name)} is not as long as the archive says")

    def _note(self, fault: Fault) -> None:
        self._names.faults.append(fault)

    def close(self) -> None:
        """Refuse the archive if anything was wrong.

        Raises:
            Refused: with every fault.
        """
        faults = self._names.faults
        if faults:
            raise Refused(report(self._path, faults), faults)


def _unzip(file: IO[bytes], intake: _Intake) -> None:
    with zipfile.ZipFile(Bounded(file)) as archive:
        members = archive.infolist()
        for member in members:  # all are counted before any is written
            intake.count(member.file_size)
        for member in members:
            name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir() and kind in (0, stat.S_IFDIR):
                intake.folder(name)
            elif kind not in (0, stat.S_IFREG):
                intake.strange(name, "is a link or no regular file")
            elif member.flag_bits & 1:
                intake.strange(name, "is encrypted")
            elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                intake.strange(name, "is compressed in another way than stored or deflated")
            else:
                intake.file(name, member.file_size, lambda member=member: archive.open(member))  # type: ignore[misc]


def _untar(file: IO[bytes], intake: _Intake, *, zipped: bool) -> None:
    plain: Any = gzip.GzipFile(fileobj=file) if zipped else file
    # A header and the padding of each file are not counted among the bytes of files.
    stream = Forward(plain, intake.limit + 2048 * MOST_FILES if zipped else None, intake.too_large)
    with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
        while (member := archive.next()) is not None:
            archive.members = []  # else every one is remembered
            if member.isdir():
                intake.folder(member.name)
                continue
            if not member.isreg() or member.issparse():
                intake.strange(member.name, "is a link or no regular file")
                continue
            intake.count(member.size)
            intake.file(member.name, member.size, lambda member=member: archive.extractfile(member))  # type: ignore[misc]
        stream.seek(archive.offset)
        if stream.read(512) != bytes(512):
            raise ValueError("the archive is cut short")
    stream.drain()
