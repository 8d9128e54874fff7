"""Precomputed truth of a release: fixated pixels, densities and their statistics, packed in a file a stimulus.

    <release>/.cache/truth/<key>/truth.json          what it was made of, for people
    <release>/.cache/truth/<key>/<stimulus>.truth    maps one after another, then a table, its length, its SHA-256

The key is a digest of everything that the truth follows from: release, recipe, what the protocol does to it, all code
that can take part, the libraries and the machine; so a truth that is out of date is never found. A file is mapped into
memory; its table is compared with its SHA-256 when it is opened, and each map with the checksum in that table when it
is used. 8-bit maps are packed by LZ4 (to a tenth or a quarter), others lie as they are. Scores are the same with and
without.
"""

from __future__ import annotations

import io
import mmap
import os
import platform
import shutil
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits

from vidsal.loaders.errors import BadData, MachineFault, MissingData
from vidsal.loaders.io.files import atomic_write, canonical, parse_json, sha256_text, write_json
from vidsal.loaders.io.progress import Progress, Tally
from vidsal.loaders.release.release import Release, Stimulus, load

from ..prefetch import prefetch_calls
from ..protocols import Protocol
from .kernels.available import kernels
from .negatives import Negatives
from .stimulus_truth import truth_of_frame
from .truth import FrameTruth, TruthMap, prepare_truth

_MAGIC = b"VidsalT2"
_ALIGN = 64
_LZ4 = "lz4_raw"
_LARGE = 1 << 18
_LINE = 1 << 13  # bytes; the sums stay in the first cache
_COLUMNS = pa.schema(
    [
        ("frame", pa.int32()),
        ("fixated", pa.list_(pa.int64())),
        ("counts", pa.list_(pa.int64())),
        ("n_out_of_bounds", pa.int32()),
        ("offset", pa.int64()),  # -1: no density
        ("size", pa.int64()),
        ("checksum", pa.uint32()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("total", pa.float64()),
        ("squares", pa.float64()),
        ("negentropy", pa.float64()),
    ]
)
_STATISTICS = ("low", "high", "total", "squares", "negentropy")


class StoredTruthMap(TruthMap):
    """A truth density whose statistics were measured when it was stored."""

    def __init__(self, values: npt.NDArray[Any], divisor: float, statistics: tuple[float, ...]) -> None:
        super().__init__(values, divisor)
        self._statistics = statistics

    @property
    def low(self) -> float:
        """Lowest of `values`."""
        return self._statistics[0]

    @property
    def high(self) -> float:
        """Highest of `values`."""
        return self._statistics[1]

    @property
    def total(self) -> float:
        """Sum of `values`."""
        return self._statistics[2]

    @property
    def squares(self) -> float:
        """Sum of squared differences from the mean."""
        return self._statistics[3]

    @property
    def negentropy(self) -> float:
        """Sum of q log q over the pixels, q = values / total."""
        return self._statistics[4]


@dataclass(frozen=True)
class TruthCache:
    """A folder of truths of one release, recipe and treatment.

    Attributes:
        folder: `<root>/<key>`.
        protocol: whose truth it is; others that treat the truth alike share it.
        recipe: name of the truth recipe; None = the release's default.
    """

    folder: Path
    protocol: Protocol
    recipe: str | None

    def path(self, stimulus: Stimulus) -> Path:
        """The file of a stimulus."""
        return self.folder / f"{sha256(stimulus.id.encode()).hexdigest()[:24]}.truth"

    def open(self, stimulus: Stimulus) -> StimulusTruth | None:
        """Open the truth of a stimulus; None where it was not made.

        Raises:
            BadData: the file is damaged; the message says which to remove.
        """
        path = self.path(stimulus)
        if not path.is_file():
            return None
        return StimulusTruth(path, self.protocol)


class StimulusTruth:
    """The truths of one stimulus's frames, from a mapped file."""

    def __init__(self, path: Path, protocol: Protocol) -> None:
        self._path = path
        self._protocol = protocol
        with path.open("rb") as file:
            try:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise self._damaged("it is empty") from error
        table = self._table()
        meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        self._shape = _pair(meta["shape"])
        self._full_shape = _pair(meta["full_shape"])
        self._dtype = np.dtype(meta["dtype"])
        self._divisor = float(meta["divisor"])
        self._packed = meta["packed"] == "lz4"
        numbers = {name: table[name].to_numpy() for name in _COLUMNS.names if name not in ("fixated", "counts")}
        self._row = {int(frame): i for i, frame in enumerate(numbers["frame"])}
        self._places = list(zip(*(numbers[n].tolist() for n in ("offset", "size", "checksum")), strict=True))
        self._statistics = list(zip(*(numbers[n].tolist() for n in _STATISTICS), strict=True))
        self._outside = numbers["n_out_of_bounds"].tolist()
        fixated, counts = (table[n].combine_chunks() for n in ("fixated", "counts"))
        self._ends = fixated.offsets.to_numpy().tolist()
        self._fixated = fixated.values.to_numpy()
        self._counts = counts.values.to_numpy()
        self._frameless: tuple[Negatives | None, FrameTruth] | None = None

    def _damaged(self, what: str) -> BadData:
        return BadData(f"{self._path}: {what}; this file only saves time: remove it, or the whole folder .cache")

    def _table(self) -> pa.Table:
        data = self._data
        tail = len(_MAGIC) + 8 + 32
        if len(data) < tail or data[-len(_MAGIC) :] != _MAGIC:
            raise self._damaged("it is no file of truths, or cut short")
        size = int.from_bytes(data[-tail : -tail + 8], "little")
        if size > len(data) - tail:
            raise self._damaged("it is cut short")
        content = data[len(data) - tail - size : len(data) - tail]
        if sha256(content).digest() != data[-tail + 8 : -len(_MAGIC)]:
            raise self._damaged("its table does not fit its SHA-256")
        return pa.ipc.open_stream(content).read_all()

    def at(self, frame: int, negatives: Negatives | None, no_negatives_reason: str) -> FrameTruth | None:
        """Return the truth of a frame as `prepare_truth` makes it; None where the frame was not stored.

        Raises:
            BadData: the map does not fit its checksum.
        """
        row = self._row.get(frame)
        if row is None:
            return None
        common = self._common(negatives, no_negatives_reason)
        a, b = self._ends[row], self._ends[row + 1]
        return FrameTruth(
            self._shape,
            self._full_shape,
            self._fixated[a:b],
            self._counts[a:b],
            self._outside[row],
            self._map(row),
            common.negatives,
            common.no_negatives_reason,
        )

    def _common(self, negatives: Negatives | None, reason: str) -> FrameTruth:
        """What all frames share: the negatives, prepared once."""
        if self._frameless is None or self._frameless[0] is not negatives:
            prepared = prepare_truth(
                np.empty((0, 2)),
                self._full_shape,
                None,
                negatives,
                self._protocol,
                encode=True,
                no_negatives_reason=reason,
            )
            self._frameless = (negatives, prepared)
        return self._frameless[1]

    def _map(self, row: int) -> StoredTruthMap | None:
        offset, size, checksum = self._places[row]
        if offset < 0:
            return None
        data = memoryview(self._data)[offset : offset + size]
        if len(data) != size or _checksum(data) != checksum:
            raise self._damaged(f"the map of row {row} does not fit its checksum")
        height, width = self._shape
        if self._packed:
            data = pa.decompress(data, height * width * self._dtype.itemsize, _LZ4)
        values = np.frombuffer(data, self._dtype).reshape(height, width)
        return StoredTruthMap(values, self._divisor, self._statistics[row])


def _pair(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def find(data: Release, protocol: Protocol, recipe: str | None, root: str | Path | None = None) -> TruthCache:
    """Return the cache of a release and protocol, whether anything is in it or not.

    Args:
        data: the release.
        protocol: the declaration.
        recipe: name of the truth recipe; None = the release's default.
        root: folder of caches; None = `<release>/.cache/truth`.
    """
    folder = data.root / ".cache" / "truth" if root is None else Path(root)
    return TruthCache(folder / sha256_text(canonical(_made_of(data, protocol, recipe)))[:24], protocol, recipe)


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
    """What computes a truth: the package's code, the libraries, the machine, and whether numba works on it."""
    engine = "definitions" if kernels() is None else f"numba {version('numba')}, llvmlite {version('llvmlite')}"
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
    cache.folder.mkdir(parents=True, exist_ok=True)
    made_of = _made_of(data, protocol, recipe)
    write_json(cache.folder / "truth.json", made_of)
    if root is None:
        _remove_stale(cache.folder.parent, made_of)
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
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; leave --truth-cache out, or name a folder on a "
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
        found = parse_json((folder / "truth.json").read_bytes())
        found["code"], found["release"], found["recipe"]["name"]
        found["truth_encoding"], found["stretch"], found["halved"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(found)


def _remove_stale(folder: Path, now: dict[str, Any]) -> None:
    """Remove what was made with another code or from another content of this release: nothing finds it any more."""
    for path in folder.iterdir():
        then = _read_made_of(path)
        if then is not None and (then["release"], then["code"]) != (now["release"], now["code"]):
            shutil.rmtree(path)


def _make(stimulus: Stimulus, cache: TruthCache) -> str:
    path = cache.path(stimulus)
    if not path.is_file():
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            _write(file, _truths(stimulus, cache))
    return stimulus.id


def _truths(stimulus: Stimulus, cache: TruthCache) -> Iterator[tuple[int, FrameTruth]]:
    for frame in stimulus.annotated_indices().tolist():
        yield frame, truth_of_frame(stimulus, frame, cache.protocol, cache.recipe)


def _write(file: Any, truths: Iterator[tuple[int, FrameTruth]]) -> None:
    """Write maps as they come, then the table."""
    rows: list[dict[str, Any]] = []
    form: dict[str, str] = {}
    for frame, truth in truths:
        row: dict[str, Any] = {
            "frame": frame,
            "fixated": truth.fixated,
            "counts": truth.counts,
            "n_out_of_bounds": truth.n_out_of_bounds,
            "offset": -1,
            "size": 0,
            "checksum": 0,
        }
        form |= {"shape": "x".join(map(str, truth.shape)), "full_shape": "x".join(map(str, truth.full_shape))}
        g = truth.truth_map
        if g is not None:
            form |= {"dtype": g.values.dtype.str, "divisor": repr(g.divisor)}
            data = _packed(g.values)
            file.write(b"\0" * (-file.tell() % _ALIGN))
            row |= {"offset": file.tell(), "size": len(data), "checksum": _checksum(data)}
            row |= {name: getattr(g, name) for name in _STATISTICS}
            file.write(data)
        rows.append(row)
    form.setdefault("dtype", "|u1")
    form.setdefault("divisor", "1.0")
    form["packed"] = "lz4" if np.dtype(form["dtype"]) == np.uint8 else "no"
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=_COLUMNS.with_metadata(form))
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    content = sink.getvalue()
    file.write(b"\0" * (-file.tell() % _ALIGN))
    file.write(content + len(content).to_bytes(8, "little") + sha256(content).digest() + _MAGIC)
    file.flush()
    os.fsync(file.fileno())


def _checksum(data: bytes | memoryview) -> int:
    """CRC-32 of the bytes; of a large map, of the sums of every 1024th word, which is seven times as fast."""
    if len(data) < _LARGE:
        return zlib.crc32(data)
    whole_lines = len(data) // _LINE * _LINE
    lines = np.frombuffer(data[:whole_lines], "<u8").reshape(-1, _LINE // 8)
    return zlib.crc32(data[whole_lines:], zlib.crc32(lines.sum(axis=0, dtype=np.uint64).astype("<u8").tobytes()))


def _packed(values: npt.NDArray[Any]) -> bytes:
    data = np.ascontiguousarray(values).tobytes()
    return bytes(pa.compress(data, _LZ4, asbytes=True)) if values.dtype == np.uint8 else data
