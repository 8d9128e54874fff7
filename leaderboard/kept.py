"""What a build keeps for the next one, in the user's cache: under the digest of everything that it follows from.

What was read and checked of a run is kept under the digest of this very code and of its files' sizes and times, so that
a changed run, or another version, finds nothing; its rows stay in its own file. How sure the order of a board is, and
what its pairs differ by, is kept under the digests of its runs. A page is kept where it stood: under the digest of what
it was made from, with its own, by which the page of the earlier site is recognized; it is not read again where its file
is the one that was written, of this size, at this time.
Whoever deletes the folder loses time, and nothing else.

What is unpickled could run: nothing is kept or believed in a folder into which anybody else may write.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import vidsal
from vidsal.loaders.io.files import atomic_write, parse_json, sha256_text
from vidsal.loaders.io.places import cache_folder

_CODE = ("loaders", "benchmark", "leaderboard")
_FROM = ("numpy", "pandas", "pyarrow", "pydantic", "jinja2", "markupsafe")
_DAYS = 30
"""What no build has used for so long goes."""
_HEAD = 64
"""Bytes before a kept object: its digest."""
_FRESH = 2.0
"""Seconds: a file that was written to so lately may be written to again without another time; some disks count in
seconds."""


@cache
def code_digest() -> str:
    """Return the digest of the code that reads runs and makes pages, its data and templates, and what it stands on."""
    here = Path(vidsal.__file__).parent
    files = {
        f"{name}/{p.relative_to(here / name).as_posix()}": sha256(p.read_bytes()).hexdigest()
        for name in _CODE
        for p in (here / name).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    return digest_of(vidsal.__version__, sys.version, {name: version(name) for name in _FROM}, files)


def digest_of(*parts: object) -> str:
    """Return the digest of what something follows from: of plain data, as JSON in its shortest form."""
    return sha256_text(json.dumps(parts, sort_keys=True, separators=(",", ":")))


def run_digest(folder: Path, results: Path) -> str:
    """Return the digest of everything that tells whether a run's folder is as it was: its place in the results, its
    files, their sizes, and when the system last saw somebody write to them, which nobody can set; and of this code.
    Empty where that is too fresh to tell the next write from it.
    """
    found, place = [], folder.relative_to(results).as_posix()
    for at, below, names in os.walk(folder):
        for name in (*below, *names):
            s = os.stat(path := os.path.join(at, name))
            if s.st_ctime > time.time() - _FRESH:
                return ""
            found.append((os.path.relpath(path, folder), s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns))
    return digest_of(code_digest(), str(folder.resolve()), place, sorted(found))


def save(key: str, thing: object) -> None:
    """Keep an object, if there is room."""
    content = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
    path = _place(key)
    temporary = path.with_name(f"{key}.{os.getpid()}.tmp")  # what is cut off is known by its digest: no need to wait
    with suppress(OSError):
        _home().mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_mine(_home()):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(sha256(content).hexdigest().encode() + content)
            temporary.replace(path)


def is_there(key: str) -> bool:
    """Whether something was kept, be it whole or not."""
    return _place(key).is_file()


def load(key: str) -> Any:
    """Return the object that was kept; None where it is not there or not whole."""
    path = _place(key)
    try:
        if not _is_mine(_home()):
            return None
        said, content = (found := path.read_bytes())[:_HEAD], found[_HEAD:]
        if sha256(content).hexdigest().encode() != said:
            return None
        path.touch()
        return pickle.loads(content)  # noqa: S301 - our own; its folder is the user's own
    except OSError:
        return None


def sweep() -> None:
    """Delete what no build has used for long."""
    oldest = time.time() - 86_400 * _DAYS
    for path in _things().glob("*/*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


class KeptPage(NamedTuple):
    """What is known of a page that was written.

    Attributes:
        origin: digest of what it was made from; empty where that is not known.
        own: its own digest.
        stamp: of its file, see `stamp`.
    """

    origin: str
    own: str
    stamp: str


def stamp(path: Path) -> str:
    """Return what tells an untouched file without a look into it: which one it is, its size, when it was written."""
    s = os.stat(path)
    return f"{s.st_ino} {s.st_size} {s.st_mtime_ns}"


def pages_of(site: Path) -> dict[str, KeptPage]:
    """Return what is known of the pages of a site that lies in a folder, by address."""
    try:
        found = parse_json(_pages(site).read_text(encoding="utf-8"))
        return {str(name): KeptPage(*map(str, (origin, own, at))) for name, (origin, own, at) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save_pages(site: Path, pages: Mapping[str, KeptPage]) -> None:
    """Remember the pages of a site."""
    with suppress(OSError), atomic_write(_pages(site)) as temporary:
        temporary.write_text(json.dumps(pages), encoding="utf-8")


def _is_mine(folder: Path) -> bool:
    """Whether nobody but this user can have put anything into a folder."""
    found = folder.stat()
    return os.name == "posix" and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _home() -> Path:
    return cache_folder() / "site"


def _things() -> Path:
    return _home() / "things"


def _place(key: str) -> Path:
    return _things() / key[:2] / key


def _pages(site: Path) -> Path:
    return _home() / "pages" / f"{sha256_text(str(site))[:24]}.json"
