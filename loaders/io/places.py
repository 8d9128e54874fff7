"""Folders behind an address that fsspec knows (`s3://bucket/x`): mirrored to be read, delivered when they are written.

Whatever reads or writes a folder knows nothing of addresses: it works on a folder of this machine. Object stores have
no rename, so what is delivered counts from the moment when its marker, written last, is there.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any

from ..errors import BadData, MachineFault, MissingData, MissingExtra, VidsalError, WrongUse
from .extras import optional_packages
from .files import atomic_write, lock_folder, parse_json, sha256_text, write_json
from .names import address_scheme, is_left_behind
from .progress import Progress, silent

_AT_ONCE = 16
"""Files that are moved at once where a file system takes several."""

_SPARE = 64 << 20
"""Bytes of the disk that are left free."""
_READ_ONLY = frozenset({"hf", "http", "https", "github", "zip", "tar"})
_LOCAL = frozenset({"file", "local"})
_CHANGES = re.compile("etag|md5|crc|sum|sha|blob|oid|generation|modif|mtime|date|created", re.IGNORECASE)
"""What file systems call that by which a file of the same size can be told from the one before."""
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True)
class Place:
    """An address, and the folders of this machine that stand for it.

    Attributes:
        address: as fsspec reads it; `zip://folder::s3://bucket/x.zip` is a folder in an archive.
    """

    address: str

    @property
    def name(self) -> str:
        """The last part of the address: what the folder or file is called here.

        >>> Place("s3://bucket/a/").name, Place("zip://::s3://bucket/b.zip").name, Place("memory://c").name
        ('a', 'b', 'c')
        """
        first, *inside = self.address.split("::")
        part = _last(first)
        if not part and inside:
            part = Path(_last(inside[0])).stem
        return part if part.strip(".") else "root"

    @property
    def shown(self) -> str:
        """The address without a password.

        >>> Place("ftp://me:secret@host/x").shown
        'ftp://***@host/x'
        """
        return re.sub(r"//[^/@:]+:[^/@]*@", "//***@", self.address)

    @property
    def mirror(self) -> Path:
        """Where its copy is kept for reading."""
        return self._home("mirrors") / "files" / self.name

    @property
    def work(self) -> Path:
        """Where what will be written there is made."""
        return self._home("work") / "files" / self.name

    def _home(self, of: str) -> Path:
        return cache_folder() / of / sha256_text(self.address.rstrip("/"))[:24]


def _last(address: str) -> str:
    return address.partition("://")[2].rstrip("/").rpartition("/")[2]


def cache_folder() -> Path:
    """Return the folder of what can be fetched again: VIDSAL_CACHE, else `vidsal` in XDG_CACHE_HOME or `~/.cache`."""
    named = os.environ.get("VIDSAL_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vidsal"


_standing_for: dict[str, str] = {}


def stands_for(path: str, name: str) -> None:
    """Let a folder of the moment be named by what it was made of, wherever `named` is asked."""
    _standing_for[path] = name


def named(text: str, spelled: Callable[[str], str] = str) -> str:
    """Name the address or archive where a text names the folder that stands for it in this process.

    Args:
        text: for people or programs.
        spelled: how a path is written in it.
    """
    for path, address in _standing_for.items():
        text = text.replace(spelled(path), spelled(address))
    return text


def fetch(place: Place, progress: Progress = silent) -> Path:
    """Bring the mirror of a place up to date: a file comes again where it changed, whole or not at all.

    Args:
        place: a folder or a file.
        progress: called after each file that comes.

    Returns:
        The mirror.

    Raises:
        MissingData: nothing is there, or it cannot be reached. BadData: a name leads elsewhere, or a file came cut off.
        MachineFault: the disk has no room for it. WrongUse: fsspec cannot read such an address.
        MissingExtra: a package is missing.
    """
    mirror = place.mirror
    base = mirror.parent
    _standing_for[str(mirror)] = place.shown
    with _asking(place):
        system, root = _opened(place)
        with lock_folder(base.parent, wait=True):
            listed = _listed(system, root, place)
            versions = base.parent / "versions.json"
            known = _known(versions)
            _forget(base, set(listed))
            wanted = {name: info for name, info in listed.items() if not _same(base / name, info, known.get(name))}
            _look_for_room(place, sum(info["size"] or 0 for info in wanted.values()))

            def bring(name: str) -> str:
                info = listed[name]
                with atomic_write(base / name) as temporary:
                    system.get_file(info["name"], str(temporary))
                    if info["size"] not in (None, temporary.stat().st_size):
                        raise BadData(f"{place.shown}: {name} came cut off, or changed meanwhile; try again")
                known[name] = [_version(info), (base / name).stat().st_mtime_ns]
                return name

            try:
                for count, name in enumerate(_each(system, bring, wanted), 1):
                    progress(count, len(wanted), name)
            finally:
                write_json(versions, {name: known[name] for name in sorted(known) if name in listed})
    return mirror


def try_place(place: Place) -> None:
    """Make sure that something can be written at an address, before somebody works for it; nothing is left there.

    Raises:
        WrongUse: it cannot. MissingData: there is no such bucket, or it cannot be reached. MissingExtra: see `fetch`.
    """
    _standing_for[str(place.work)] = place.shown
    if "::" in place.address or address_scheme(place.address) in _READ_ONLY:
        raise WrongUse(f"{place.shown}: such an address can only be read; name another place to write to")
    with _asking(place):
        system, root = _opened(place)
        mark = f"{root}/.vidsal-{secrets.token_hex(6)}"
        try:
            system.pipe_file(mark, b"vidsal")
            system.rm_file(mark)
        except RuntimeError as error:  # what a file system lacks
            raise WrongUse(f"{place.shown}: fsspec cannot write to such an address; name another place") from error


def deliver(place: Place, marker: str, progress: Progress = silent) -> int:
    """Move finished folders from the `work` of a place to its address; the marker of each is written last.

    What a killed delivery left is delivered by the next one.

    Args:
        place: where to.
        marker: name of the file without which a folder is not finished, here and there.
        progress: called after each file with the number done, their total, and its name.

    Returns:
        How many folders were moved.

    Raises:
        See `try_place`.
    """
    work = place.work
    with _asking(place), lock_folder(work.parent.parent, wait=True):
        finished = [p.parent for p in sorted(work.rglob(marker)) if not _hidden(p.relative_to(work).parts)]
        if not finished:
            return 0
        system, root = _opened(place)

        def put(path: Path) -> str:
            name = path.relative_to(work).as_posix()
            system.put_file(str(path), f"{root}/{name}")
            return name

        for folder in finished:
            inside = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
            files = [folder / path for path in inside if path != Path(marker) and not _hidden(path.parts)]
            before = f"{root}/{(folder / marker).relative_to(work).as_posix()}"
            if system.exists(before):
                system.rm_file(before)
            for count, name in enumerate(_each(system, put, files), 1):
                progress(count, len(files) + 1, name)
            progress(len(files) + 1, len(files) + 1, put(folder / marker))
            rmtree(folder)
        return len(finished)


def _hidden(parts: Iterable[str]) -> bool:
    return any(map(is_left_behind, parts))


@contextmanager
def _asking(place: Place) -> Iterator[None]:
    """Give the errors of file systems, of which each has its own, as ours."""
    try:
        yield
    except VidsalError:
        raise
    except ImportError as error:
        how = "pip install 'vidsal[cloud]'" if address_scheme(place.address) in ("s3", "s3a") else str(error)
        raise MissingExtra(f"{place.shown} needs a package that is not installed: {how}") from error
    except FileNotFoundError as error:
        raise MissingData(f"{place.shown}: nothing is there; check the address") from error
    except PermissionError as error:
        if _is_ours(error):
            raise
        raise WrongUse(f"{place.shown}: no permission; check the address and your credentials") from error
    except Exception as error:  # botocore, aiohttp and others have no common class
        if isinstance(error, OSError) and (error.errno in _DISK or _is_ours(error)):
            raise
        lines = str(error).splitlines() or [""]
        raise MissingData(
            f"{place.shown}: cannot be reached ({type(error).__name__}: {lines[0]}); check the address, your "
            "credentials and the network"
        ) from error


def _is_ours(error: OSError) -> bool:
    """Whether a file of this machine is to blame."""
    return str(error.filename or "").startswith(str(cache_folder()))


def _opened(place: Place) -> tuple[Any, str]:
    """Return the file system and the path in it."""
    with optional_packages():
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations, registry
    scheme = address_scheme(place.address) or ""
    if scheme in _LOCAL:
        raise WrongUse(f"{place.shown}: an address of this machine; name the path itself")
    if scheme not in known_implementations and scheme not in registry:
        raise WrongUse(f"{place.shown}: fsspec knows no addresses that begin with {scheme}://")
    if "::" not in place.address and not place.address.partition("://")[2].strip("/"):
        raise WrongUse(f"{place.shown}: names no folder")
    system, root = url_to_fs(place.address)
    system.invalidate_cache()
    return system, root.rstrip("/")


def _listed(system: Any, root: str, place: Place) -> dict[str, dict[str, Any]]:
    """Return what is known of each file of a place, by its name beside the mirror.

    Raises:
        BadData: a name leads elsewhere, or is that of a file and a folder.
    """
    if root and system.isfile(root):
        return {place.name: dict(system.info(root))}
    listed = {}
    start = f"{root.strip('/')}/" if root.strip("/") else ""
    for path, info in system.find(root, detail=True).items():
        name = path.lstrip("/") if not start else path.lstrip("/").removeprefix(start)
        if info.get("type") == "directory" or name.endswith("/"):
            continue  # object stores have objects in place of empty folders
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
            raise BadData(f"{place.shown}: the name {name!r} leads elsewhere; nothing was fetched")
        if not _hidden(parts):
            listed[f"{place.name}/{name}"] = dict(info)
    for name in listed:
        for above in Path(name).parents:
            if above.as_posix() in listed:
                raise BadData(f"{place.shown}: {above} is a file and a folder, which no disk can hold")
    if not listed:
        raise FileNotFoundError(root)
    return listed


def _version(info: dict[str, Any]) -> str | None:
    """Digest of all that a listing says of a file, as fsspec's own `ukey`; None if that need not change with it."""
    tells = any(value is not None and _CHANGES.search(key) for key, value in info.items())
    return sha256_text(repr(sorted(info.items()))) if tells else None


def _look_for_room(place: Place, wanted: int) -> None:
    """Find out before anything comes whether it fits.

    Args:
        place: what comes.
        wanted: in bytes.

    Raises:
        MachineFault: it does not.
    """
    free = disk_usage(cache_folder()).free - _SPARE
    if wanted > free:
        raise MachineFault(
            f"{place.shown}: {wanted:,} bytes do not fit into {cache_folder()}, where {max(free, 0):,} are free; set "
            "VIDSAL_CACHE to a folder of a larger disk"
        )


def _same(path: Path, info: dict[str, Any], known: list[Any] | None) -> bool:
    """Whether a file of the mirror is the one that is listed, and as it was when it came."""
    version = _version(info)
    with suppress(FileNotFoundError):
        here = path.lstat()
        return version is not None and known == [version, here.st_mtime_ns] and here.st_size == info["size"]
    return False


def _known(versions: Path) -> dict[str, list[Any]]:
    """Return what came before; nothing where that was not written whole."""
    try:
        found = parse_json(versions.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _forget(base: Path, listed: set[str]) -> None:
    """Remove what is no longer there, and empty folders; what is hidden (precomputed truth) is not from there."""
    for path in sorted(base.rglob("*"), reverse=True):
        relative = path.relative_to(base)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_symlink() or not path.is_dir():
            if relative.as_posix() not in listed:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def _each(system: Any, do: Callable[[Any], str], items: Iterable[Any]) -> Iterator[str]:
    """Do it for each, several at once where the file system allows; yield what it returns, as it comes."""
    if not system.async_impl:
        yield from map(do, items)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def json_spelled(path: str) -> str:
    """Return a path as it stands in JSON, for `named`."""
    return json.dumps(path, ensure_ascii=False)[1:-1]
