"""Precomputed truth of a release: fixated pixels, densities and what is measured of them, in a file a stimulus.

    <release>/.cache/truth/<key>/truth.json                what it was made of, for people
    <release>/.cache/truth/<key>/<stimulus>.truth          everything, see `truth_file`
    <release>/.cache/truth/<key>/<stimulus>.small.truth    without the maps that are not 8-bit, see `kept_truth`

The key is a digest of everything that the truth follows from: release, recipe, what the protocol does to it, all code
that can take part, the libraries and the machine; so a truth that is out of date is never found. Scores are the same
with and without.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from vidsal.loaders.errors import MachineFault, MissingData
from vidsal.loaders.io.files import atomic_write, canonical, parse_json, sha256_text, write_json
from vidsal.loaders.io.names import size
from vidsal.loaders.io.progress import Progress, Tally
from vidsal.loaders.release.release import Release, Stimulus, load

from ..prefetch import prefetch_calls
from ..protocols import Protocol
from .kernels.available import kernels
from .stimulus_truth import truth_of_frame
from .truth import MEASURED, FrameTruth
from .truth_file import StimulusTruth as StimulusTruth, TruthWriter

_MADE_OF = "truth.json"
_ABANDONED_S = 86400.0
"""Since when nobody wrote to a file that nobody finishes any more."""


@dataclass(frozen=True)
class TruthCache:
    """A folder of truths of one release, recipe and treatment.

    Attributes:
        folder: `<root>/<key>`.
        protocol: whose truth it is; others that treat the truth alike share it.
        recipe: name of the truth recipe; None = the release's default.
        made_of: everything that the truth follows from.
    """

    folder: Path
    protocol: Protocol
    recipe: str | None
    made_of: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def begin(self) -> None:
        """Make the folder, and say in it what its files are made of."""
        if not (self.folder / _MADE_OF).is_file():
            write_json(self.folder / _MADE_OF, self.made_of)

    def path(self, stimulus: Stimulus, *, small: bool = False) -> Path:
        """The file of a stimulus; small: without the maps that are not 8-bit."""
        return self.folder / f"{sha256(stimulus.id.encode()).hexdigest()[:24]}{'.small' if small else ''}.truth"

    def find(self, stimulus: Stimulus) -> Path | None:
        """The file of a stimulus that is there; the one that holds more."""
        paths = (self.path(stimulus), self.path(stimulus, small=True))
        return next((path for path in paths if path.is_file()), None)

    def open(self, stimulus: Stimulus) -> StimulusTruth | None:
        """Open the truth of a stimulus; None where it was not made.

        Raises:
            BadData: the file is damaged; the message says which to remove.
        """
        found = self.find(stimulus)
        return None if found is None else StimulusTruth(found, self.protocol)

    def remove_stale(self) -> None:
        """Remove beside it what was made by another code of ours or from another content of this release, since nothing
        finds it any more, and what a killed process left unfinished. What another machine made stays: it may come back.
        """
        root = self.folder.parent
        for path in root.iterdir() if root.is_dir() else ():
            then = _read_made_of(path)
            if then is not None and _origin(then) != _origin(self.made_of):
                shutil.rmtree(path, ignore_errors=True)  # another process may be at it
        for left in self.folder.glob(".*.tmp"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    left.unlink()


def _origin(made_of: Mapping[str, Any]) -> tuple[Any, Any]:
    code = made_of["code"]
    return made_of["release"], code.get("sources") if isinstance(code, dict) else None


def find(data: Release, protocol: Protocol, recipe: str | None, root: str | Path | None = None) -> TruthCache:
    """Return the cache of a release and protocol, whether anything is in it or not.

    Args:
        data: the release.
        protocol: the declaration.
        recipe: name of the truth recipe; None = the release's default.
        root: folder of caches; None = `<release>/.cache/truth`.
    """
    folder = data.root / ".cache" / "truth" if root is None else Path(root)
    made_of = _made_of(data, protocol, recipe)
    return TruthCache(folder / sha256_text(canonical(made_of))[:24], protocol, recipe, made_of)


def _made_of(data: Release, protocol: Protocol, recipe: str | None) -> dict[str, Any]:
    return {
        "release": data.digest,
        "recipe": {"name": recipe or data.default_truth, **asdict(data.truth(recipe))},
        "truth_encoding": protocol.truth_encoding,
        "stretch": protocol.stretch,
        "halved": protocol.halved,
        "frame_order": protocol.frame_order,
        "code": _code(),
    }


@lru_cache(maxsize=1)
def _code() -> dict[str, str]:
    """What computes a truth: the package's code, the libraries, the machine, and what numba compiles for."""
    engine = "definitions"
    if kernels() is not None:
        from llvmlite.binding import get_host_cpu_name

        engine = f"numba {version('numba')}, llvmlite {version('llvmlite')} for {get_host_cpu_name()}"
    libraries = {name: version(name) for name in ("numpy", "scipy")}
    return {"sources": _SOURCES, **libraries, "engine": engine, "machine": platform.machine()}


def _digest(folders: Iterable[Traversable]) -> str:
    """Digest of the names and contents of all files below some folders, compiled ones left out."""
    digest = sha256()
    for folder in folders:
        for name, file in _below(folder):
            digest.update(f"{name} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _below(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield the files of a folder and their paths in it, by name."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_file():
            yield f"{path}{item.name}", item
        elif item.name != "__pycache__":
            yield from _below(item, f"{path}{item.name}/")


def sources_digest() -> str:
    """Digest of the code of the loaders and of the benchmark, as it was when this module was imported."""
    return _SOURCES


_SOURCES = _digest(files(name) for name in ("vidsal.loaders", "vidsal.benchmark"))
"""Digest of all code that can run while a truth is made: these two import no other part of the package.

All of it counts, whether a truth passes through it or not: a list of modules is wrong as soon as one of them imports
another, and a truth that is made once more only costs time. Taken when this module is imported, so that a file that
is edited while a process runs does not give its digest to what the code before the edit makes.
"""


def build(
    data: Release,
    protocol: Protocol,
    recipe: str | None = None,
    root: str | Path | None = None,
    *,
    only: Collection[str] | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> TruthCache:
    """Precompute the truth of every annotated stimulus of a split; what is there already is kept.

    A map that stays 8-bit takes a tenth or a quarter of a byte a pixel, any other four bytes: 0.9 MB a frame of
    640 x 360.

    Args:
        data: the release and split.
        protocol: declaration whose truth is made; others that treat the truth alike share it.
        recipe: name of the truth recipe; None = the release's default.
        root: folder of caches; None = `<release>/.cache/truth`, where what is out of date is removed.
        only: ids of the stimuli that are needed; None = all.
        threads: how many stimuli at once; what is made does not depend on it.
        progress: called with (done, total, stimulus id) after each stimulus.

    Raises:
        MachineFault: the maps would not fit on the disk.
    """
    cache = find(data, protocol, recipe, root)
    cache.begin()
    if root is None:
        cache.remove_stale()
    stimuli = [s for s in data if s.annotated and (only is None or s.id in only)]
    _check_room(cache, stimuli)
    calls = (partial(_make, s, cache) for s in stimuli)
    tally = Tally(progress, {s.id: len(s.annotated_indices()) for s in stimuli})
    tally.begin()
    # One BLAS thread: sums must not depend on how many there are.
    with threadpool_limits(1, user_api="blas"):
        for stimulus_id in prefetch_calls(calls, threads, 2 * threads):
            tally.finish(stimulus_id)
    return cache


def use(
    asked: str | Path | None,
    data: Release,
    protocol: Protocol,
    recipe: str | None,
    *,
    only: Collection[str] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> str | Path | None:
    """Return which precomputed truths are used, as a run's settings take it; compute them where that is asked for.

    Args:
        asked: `auto` = those of the release; `build` = the same, made now; a folder = those in it, made now; None or
            `off` = none.
        data, protocol, recipe, only, progress: as for `build`.
        workers: processes that will score.
    """
    if asked in (None, "off"):
        return None
    if asked == "auto":
        return asked
    folder = None if asked == "build" else asked
    data.check("fixations")
    build(data, protocol, recipe, folder, only=only, threads=max(workers, 2), progress=progress)
    return folder or "auto"


def _check_room(cache: TruthCache, stimuli: list[Stimulus]) -> None:
    """Refuse to start what the disk cannot hold; packed maps are too small to matter."""
    stretched = cache.protocol.stretch == "minmax-eps32"
    if cache.protocol.truth_encoding == "uint8" and not stretched:
        return
    missing = [s for s in stimuli if not cache.path(s).is_file()]
    pixels = sum(s.width * s.height * len(s.annotated_indices()) for s in missing) // (
        4 if cache.protocol.halved else 1
    )
    needed = pixels * (8 if stretched else 4)
    free = shutil.disk_usage(cache.folder).free
    if needed > free:
        raise MachineFault(
            f"{cache.folder}: the truth of {len(missing)} stimuli under {cache.protocol.name} takes "
            f"{size(needed)}, and {size(free)} are free; leave --truth-cache out, or name a folder on a "
            "larger disk with it"
        )


@dataclass(frozen=True)
class Content:
    """What lies in a folder of caches.

    Attributes:
        folder: of one cache.
        recipe: name of the truth recipe.
        treatment: what the protocol does to a truth.
        stimuli, size: number of its stimuli, and bytes.
        current: whether a scoring finds it: it is of this release, where that is known, and of this code.
    """

    folder: Path
    recipe: str
    treatment: str
    stimuli: int
    size: int
    current: bool


def contents(folder: Path) -> list[Content]:
    """Return the caches of a release, or those in a folder of caches; what is no cache is left out.

    Raises:
        MissingData: there is no such folder.
    """
    if not folder.is_dir():
        raise MissingData(f"{folder}: no such folder; name a release, or the folder that --truth-cache named")
    digest = None
    if (folder / "release.json").is_file():
        digest, folder = load(folder).digest, folder / ".cache" / "truth"
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        made_of = _read_made_of(path)
        if made_of is None:
            continue
        sizes = [file.stat().st_size for file in path.glob("*.truth")]
        treated = (made_of["truth_encoding"], made_of["stretch"], "halved" if made_of["halved"] else None)
        current = made_of["code"] == _code() and digest in (None, made_of["release"])
        text = ", ".join(str(t) for t in treated if t not in (None, "none"))
        found.append(Content(path, made_of["recipe"]["name"], text, len(sizes), sum(sizes), current))
    return found


def remove(content: Content) -> None:
    """Remove a cache; its record goes last, so that one that is half gone is still known for what it is."""
    for file in content.folder.glob("*.truth"):
        file.unlink()
    shutil.rmtree(content.folder)


def _read_made_of(folder: Path) -> dict[str, Any] | None:
    """What a cache was made of; None where the folder is none of ours."""
    try:
        found = parse_json((folder / _MADE_OF).read_bytes())
        found["code"], found["release"], found["recipe"]["name"]
        found["truth_encoding"], found["stretch"], found["halved"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(found)


def _make(stimulus: Stimulus, cache: TruthCache) -> str:
    path = cache.path(stimulus)
    if not path.is_file():
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            writer = TruthWriter(file, floats=True)
            for frame, truth in _truths(stimulus, cache):
                if truth.truth_map is not None:
                    for name in MEASURED:
                        getattr(truth.truth_map, name)
                writer.add(frame, truth)
            writer.end()
        cache.path(stimulus, small=True).unlink(missing_ok=True)
    return stimulus.id


def _truths(stimulus: Stimulus, cache: TruthCache) -> Iterator[tuple[int, FrameTruth]]:
    for frame in stimulus.annotated_indices().tolist():
        yield frame, truth_of_frame(stimulus, frame, cache.protocol, cache.recipe)
