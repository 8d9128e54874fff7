"""The folders of DHF1K's release, which ACLNet's code and most later code read.

    annotation/0001/fixation/0001.png          8-bit grey, 255 at each fixated pixel: all observers pooled
    annotation/0001/fixation/maps/0001.mat     MATLAB 5, variable `I`, double, 1 at the same pixels
    annotation/0001/maps/0001.png              8-bit grey, the density, its highest value 255
    index.csv                                  number, stimulus_id, split, n_frames, frames that are annotated

Frames and videos count from 1. A stimulus whose id is a number keeps it, if all ids are numbers; else they are counted
in the order of the release. Frames that are not annotated have no file, as in DHF1K's own; stimuli without annotation
have no folder.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..errors import MachineFault, WrongUse
from ..io.progress import Progress
from ..records import Float32Array, UInt8Image
from ..release.release import Release, Stimulus, load
from . import Options

TITLE = "DHF1K's folders of pooled fixation maps and densities"
OPTIONS = frozenset({"recipe", "workers"})

_MAT_TEXT = b"MATLAB 5.0 MAT-file, written by vidsal".ljust(116)


def write(release: Release, out: Path, options: Options, step: Progress) -> list[str]:
    """Write the maps of every annotated stimulus; see `Exporter.write`."""
    release.truth(options.recipe)
    numbers = number(release.ids)
    annotated = [s for s in release if s.annotated]
    if not annotated:
        raise WrongUse(f"{release.id}: no stimulus of this split is annotated, so there is no map to write")
    _write_index(out / "index.csv", release, numbers)
    jobs = [
        (str(release.root), s.id, options.recipe, str(out / "annotation" / f"{numbers[s.id]:04d}")) for s in annotated
    ]
    for done, name in enumerate(_run(jobs, options.workers or 1), 1):
        step(done, len(jobs), name)
    notes = []
    pooled = all(s.row["n_observers"] is None for s in annotated)
    if not pooled:
        notes.append("the observers are pooled: a map does not say how many looked at a pixel, nor who")
    if any(len(s.annotated_indices()) < s.n_frames for s in annotated):
        notes.append("frames that are not annotated have no map; index.csv lists the frames")
    return notes


def number(ids: tuple[str, ...]) -> dict[str, int]:
    """Number the stimuli: their own numbers if all ids are different numbers from 1 on, else 1, 2, 3 ...

    >>> number(("002", "1000"))
    {'002': 2, '1000': 1000}
    >>> number(("b", "a"))
    {'b': 1, 'a': 2}
    """
    if all(i.isascii() and i.isdigit() and int(i) for i in ids) and len({int(i) for i in ids}) == len(ids):
        return {i: int(i) for i in ids}
    return {i: n for n, i in enumerate(ids, 1)}


def fixation_map(points: Float32Array, height: int, width: int) -> UInt8Image:
    """Set the distinct pixels of in-bounds points (n, 2) to 1; uint8, shape (height, width)."""
    values = np.zeros((height, width), np.uint8)
    column, row = np.floor(points).astype(np.intp).T
    values[row, column] = 1
    return values


def gray(density: Float32Array) -> UInt8Image:
    """Scale a density to 8 bits, its highest value to 255; all zero stays zero."""
    high = float(density.max(initial=0.0))
    scaled = density.astype(np.float64) * (255.0 / high) if high > 0 else density
    return np.asarray(np.rint(scaled), np.uint8)


def mat_bytes(values: UInt8Image) -> bytes:
    """Return a MATLAB 5 file with the one variable `I`, double as in the release; no date: equal maps, equal bytes."""
    rows, columns = values.shape
    flags = struct.pack("<IIII", 6, 8, 6, 0)  # miUINT32, 8 bytes: class mxDOUBLE; its values are kept as bytes
    size = struct.pack("<IIii", 5, 8, rows, columns)  # miINT32
    name = struct.pack("<HHI", 1, 1, ord("I"))  # miINT8, one byte, in the small form
    pixels = values.T.tobytes()
    body = flags + size + name + struct.pack("<II", 2, len(pixels)) + pixels + bytes(-len(pixels) % 8)
    packed = zlib.compress(struct.pack("<II", 14, len(body)) + body, 6)
    return _MAT_TEXT + bytes(8) + struct.pack("<HH", 0x0100, 0x4D49) + struct.pack("<II", 15, len(packed)) + packed


def _run(jobs: list[tuple[str, str, str | None, str]], workers: int) -> Iterator[str]:
    if workers == 1:
        for job in jobs:
            yield _write_one(*job)
        return
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            waiting: list[Future[str]] = [pool.submit(_write_one, *job) for job in jobs]
            for future in waiting:
                yield future.result()
    except BrokenProcessPool as error:
        raise MachineFault("a worker process died, probably out of memory; use fewer --workers") from error


def _write_one(root: str, stimulus_id: str, recipe: str | None, folder: str) -> str:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the matrices are small; more threads only wait for one another
        _write_maps(load(root)[stimulus_id], recipe, Path(folder))
    return stimulus_id


def _write_maps(stimulus: Stimulus, recipe: str | None, folder: Path) -> None:
    places = [folder / "fixation", folder / "fixation" / "maps", folder / "maps"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    for index in stimulus.annotated_indices().tolist():
        name = f"{index + 1:04d}"
        pixels = fixation_map(stimulus.points(index), stimulus.height, stimulus.width)
        (places[0] / f"{name}.png").write_bytes(_png(pixels * np.uint8(255)))
        (places[1] / f"{name}.mat").write_bytes(mat_bytes(pixels))
        (places[2] / f"{name}.png").write_bytes(_png(gray(stimulus.density(index, recipe))))


def _png(values: UInt8Image) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def _write_index(path: Path, release: Release, numbers: dict[str, int]) -> None:
    import pyarrow as pa

    from .csv import write_plain

    rows = [
        {
            "number": numbers[s.id],
            "stimulus_id": s.id,
            "split": s.split,
            "n_frames": s.n_frames,
            "annotated": s.annotated,
            "annotated_frames": None
            if s.row["annotated_frames"] is None
            else [int(n) for n in s.row["annotated_frames"]],
        }
        for s in release
    ]
    shape = pa.schema(
        [
            ("number", pa.int64()),
            ("stimulus_id", pa.string()),
            ("split", pa.string()),
            ("n_frames", pa.int64()),
            ("annotated", pa.bool_()),
            ("annotated_frames", pa.list_(pa.int64())),
        ]
    )
    write_plain(path, shape, iter([pa.Table.from_pylist(rows, shape)]))
