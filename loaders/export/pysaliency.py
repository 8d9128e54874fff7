"""pysaliency's objects as HDF5, as `pysaliency.read_hdf5` loads them (0.2.22, and the 0.3 in preparation).

    stimuli.hdf5      FileStimuli: the pictures by name and size; attributes stimulus_id, frame, has_picture
    fixations.hdf5    FixationTrains (images whose observers and order are known), else Fixations without history
    pictures/         images as they are; of a video each annotated frame as PNG

pysaliency knows still pictures only: every annotated frame of a video becomes a stimulus of its own, and a fixation
that lasts five frames is five fixations, one on each. Stored are the points that are scored: in bounds, without forced
starts. Times are in seconds from the first frame, NaN where the source has none; in FixationTrains then the place in
the order. Observers are numbered in the order of their names; -1 where they are pooled. Where the frames are not on
this machine a grey picture of the right size stands for them (has_picture 0): maps made elsewhere can still be scored.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import WrongUse
from ..formats.frames import IMAGE_SUFFIXES
from ..formats.images import read_rgb
from ..io.extras import optional_packages
from ..io.progress import Progress
from ..records import UInt8Image
from ..release.release import Release, Stimulus
from ..release.walk import point_rows, walk
from . import Options

TITLE = "pysaliency's stimuli and fixations as HDF5"
OPTIONS: frozenset[str] = frozenset()

_GRAY = 128
_CHUNK = 65_536


@optional_packages()
def write(release: Release, out: Path, options: Options, step: Progress) -> list[str]:
    """Write stimuli and fixations; see `Exporter.write`."""
    import h5py

    observers, ordered = _survey(release)
    if not any(s.annotated for s in release):
        raise WrongUse(f"{release.id}: no stimulus of this split is annotated, so there is nothing to score")
    trains = ordered and all(s.kind == "image" for s in release)
    with (
        _told_by_number(),
        h5py.File(out / "stimuli.hdf5", "w") as stimuli,
        h5py.File(out / "fixations.hdf5", "w") as fixations,
    ):
        pictures = _Pictures(stimuli)
        store: _Store = _Trains(fixations) if trains else _Single(fixations)
        for number, (stimulus, rows) in enumerate(walk(release), 1):
            if stimulus.annotated:
                frames = stimulus.annotated_indices()
                store.add(point_rows(rows), pictures.size, frames.tolist(), observers)
                for picture in _pictures(stimulus, frames.tolist(), out):
                    pictures.add(picture)
            step(number, len(release), stimulus.id)
        pictures.close()
        store.close()
    notes = []
    if pictures.gray:
        notes.append(f"{pictures.gray} of {pictures.size} pictures are grey: their frames are not on this machine")
    if any(s.kind == "video" for s in release):
        notes.append("every annotated frame of a video is a stimulus; a fixation counts once on each frame it covers")
    return notes


@contextmanager
def _told_by_number() -> Iterator[None]:
    """Have what the system says to HDF5 told as the system tells it: h5py leaves its number in the text.

    Raises:
        OSError: of that number.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _survey(release: Release) -> tuple[dict[str, int], bool]:
    """Number the observers, and find whether every point has an observer and a place in that observer's order."""
    names: set[str] = set()
    ordered = True
    for _, rows in walk(release):
        points = point_rows(rows)
        names |= set(points["observer_id"].drop_null().cast(pa.string()).unique().to_pylist())
        ordered &= not points["observer_id"].null_count and not points["order"].null_count
    return {name: number for number, name in enumerate(sorted(names))}, ordered


@dataclass(frozen=True)
class _Picture:
    file: str
    shape: tuple[int, ...]
    stimulus_id: str
    frame: int
    there: bool


def _pictures(stimulus: Stimulus, frames: list[int], out: Path) -> Iterator[_Picture]:
    """Write the pictures of a stimulus and yield them in order."""
    shape = (stimulus.height, stimulus.width, 3)
    folder = out / "pictures" / _file_name(stimulus.id)
    folder.parent.mkdir(exist_ok=True)
    source = stimulus.frames_path()
    is_image = source is not None and stimulus.kind == "image" and source.suffix.lower() in IMAGE_SUFFIXES
    if source is not None and is_image and not read_rgb(source)[1]:  # its pixels are those of the file as stored
        file = folder.with_name(folder.name + source.suffix)
        shutil.copyfile(source, file)
        yield _Picture(file.relative_to(out).as_posix(), _shape(file), stimulus.id, 0, True)
        return
    folder.mkdir()
    if source is None:
        gray = folder / "grey.png"
        _save(gray, np.full(shape, _GRAY, np.uint8))
        for frame in frames:
            yield _Picture(gray.relative_to(out).as_posix(), shape, stimulus.id, frame, False)
        return
    wanted = set(frames)
    for decoded in stimulus.frames():
        if decoded.index in wanted:
            file = folder / f"{decoded.index:06d}.png"
            _save(file, decoded.rgb)
            yield _Picture(file.relative_to(out).as_posix(), shape, stimulus.id, decoded.index, True)


def _shape(path: Path) -> tuple[int, ...]:
    """Return height, width, and the number of channels where there are several."""
    from PIL import Image

    with Image.open(path) as image:
        channels = len(image.getbands())
        return (image.height, image.width, channels) if channels > 1 else (image.height, image.width)


def _file_name(stimulus_id: str) -> str:
    return "".join("-" if c in "/\\\0" else c for c in stimulus_id).lstrip(".") or "stimulus"


def _save(path: Path, rgb: UInt8Image) -> None:
    from PIL import Image

    Image.fromarray(rgb).save(path, "PNG")


class _Store(Protocol):
    """Takes the points of one stimulus after the other; `first` is the number of the stimulus's first picture."""

    def add(self, points: pa.Table, first: int, frames: list[int], observers: dict[str, int]) -> None: ...

    def close(self) -> None: ...


def _attributes(target: Any, **values: str) -> None:
    for name, value in values.items():
        target.attrs[name] = np.bytes_(value)


def _words(target: Any, name: str, values: Sequence[str]) -> None:
    import h5py

    target.create_dataset(name, data=[v.encode() for v in values], dtype=h5py.special_dtype(vlen=str))


class _Pictures:
    """FileStimuli, version 2.1."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._all: list[_Picture] = []
        self.gray = 0

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._all)

    def add(self, picture: _Picture) -> None:
        """Take one more."""
        self._all.append(picture)
        self.gray += not picture.there

    def close(self) -> None:
        """Write them."""
        import h5py

        _attributes(self._file, type="FileStimuli", version="2.1")
        _words(self._file, "filenames", [p.file for p in self._all])
        kind = h5py.special_dtype(vlen=np.dtype("int64"))
        shapes = self._file.create_dataset("shapes", (self.size,), dtype=kind)
        for number, picture in enumerate(self._all):  # h5py takes lists of one length for a matrix
            shapes[number] = np.array(picture.shape)
        _words(self._file, "stimulus_id", [p.stimulus_id for p in self._all])
        self._file.create_dataset("frame", data=np.array([p.frame for p in self._all], np.int64))
        self._file.create_dataset("has_picture", data=np.array([p.there for p in self._all], np.int64))
        _attributes(self._file, __attributes__=json.dumps(["stimulus_id", "frame", "has_picture"]))
        self._file.attrs["size"] = self.size


def _append(file: Any, name: str, values: np.ndarray[Any, Any]) -> None:
    """Append rows to a data set that grows; a second axis grows too, what is missing is NaN."""
    if name not in file:
        fill = np.nan if values.dtype.kind == "f" else 0
        file.create_dataset(
            name,
            data=values,
            maxshape=(None,) * values.ndim,
            chunks=(_CHUNK,) if values.ndim == 1 else (256, 32),
            fillvalue=fill,
            compression="gzip",
            compression_opts=4,
        )
        return
    target = file[name]
    rows = target.shape[0]
    if values.ndim == 2:
        target.resize((rows + len(values), max(target.shape[1], values.shape[1])))
        target[rows:, : values.shape[1]] = values
    else:
        target.resize((rows + len(values),))
        target[rows:] = values


class _Single:
    """Fixations without history, version 1.0: one fixation for each point and frame that it covers."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._put(*(np.empty(0) for _ in range(3)), *(np.empty(0, np.int64) for _ in range(2)))
        _attributes(file, type="Fixations", version="1.0", __attributes__=json.dumps(["subjects"]))

    def _put(self, *columns: np.ndarray[Any, Any]) -> None:
        for name, values in zip(("x", "y", "t", "n", "subjects"), columns, strict=True):
            _append(self._file, name, values)
        for name in ("x_hist", "y_hist", "t_hist"):
            _append(self._file, name, np.full((len(columns[0]), 1), np.nan))

    def add(self, points: pa.Table, first: int, frames: list[int], observers: dict[str, int]) -> None:
        """Take the points of a stimulus, sorted by frame."""
        begin = points["frame"].to_numpy().astype(np.int64)
        end = pc.coalesce(points["frame_end"], points["frame"]).to_numpy().astype(np.int64)
        row = np.repeat(np.arange(len(begin)), end - begin + 1)
        frame = np.arange(len(row)) - np.repeat(np.cumsum(end - begin + 1) - (end - begin + 1), end - begin + 1)
        frame += begin[row]
        place = np.full(max(frames, default=-1) + 1, -1)
        place[frames] = np.arange(len(frames))
        shown = frame < len(place)
        shown[shown] &= place[frame[shown]] >= 0
        row, frame = row[shown], frame[shown]
        order = np.argsort(frame, kind="stable")
        row, frame = row[order], frame[order]
        x, y = (points[k].to_numpy().astype(np.float64)[row] for k in ("x_px", "y_px"))
        t = points["onset_ms"].to_numpy(zero_copy_only=False).astype(np.float64)[row] / 1000
        self._put(x, y, t, first + place[frame], _numbers(points, observers)[row])

    def close(self) -> None:
        """Nothing is left to write."""


class _Trains:
    """FixationTrains, version 1.2: one train for each image, observer and trial, in the observer's order."""

    def __init__(self, file: Any) -> None:
        self._file = file
        for name in ("train_xs", "train_ys", "train_ts"):
            _append(file, name, np.empty((0, 1)))
        for name in ("train_ns", "train_subjects"):
            _append(file, name, np.empty(0, np.int64))
        _attributes(
            file,
            type="FixationTrains",
            version="1.2",
            __attributes__=json.dumps([]),
            scanpath_attribute_mapping=json.dumps({"durations": "duration"}),
        )
        _attributes(file.create_group("scanpath_attributes"), __attributes__=json.dumps([]))
        self._of_fixations = file.create_group("scanpath_fixation_attributes")
        _append(self._of_fixations, "durations", np.empty((0, 1)))
        _attributes(self._of_fixations, __attributes__=json.dumps(["durations"]))

    def add(self, points: pa.Table, first: int, frames: list[int], observers: dict[str, int]) -> None:
        """Take the points of an image."""
        if not points.num_rows:
            return
        subject = _numbers(points, observers)
        trial = np.array([t or "" for t in points["trial_id"].to_pylist()], object)
        order = points["order"].to_numpy().astype(np.int64)
        index = np.array(sorted(range(len(order)), key=lambda i: (subject[i], trial[i], order[i])))
        new = (np.diff(subject[index], prepend=-2) != 0) | (trial[index] != np.roll(trial[index], 1))
        train = np.cumsum(new) - 1
        place = np.arange(len(index)) - np.flatnonzero(new)[train]
        shape = (int(train[-1]) + 1, int(place.max()) + 1)
        onset = points["onset_ms"].to_numpy(zero_copy_only=False).astype(np.float64) / 1000
        columns = {
            "train_xs": points["x_px"].to_numpy().astype(np.float64),
            "train_ys": points["y_px"].to_numpy().astype(np.float64),
            "train_ts": np.where(np.isnan(onset), order, onset),
        }
        duration = points["duration_ms"].to_numpy(zero_copy_only=False).astype(np.float64) / 1000
        for file, name, values in (
            *((self._file, *c) for c in columns.items()),
            (self._of_fixations, "durations", duration),
        ):
            grid = np.full(shape, np.nan)
            grid[train, place] = values[index]
            _append(file, name, grid)
        _append(self._file, "train_ns", np.full(shape[0], first, np.int64))
        _append(self._file, "train_subjects", subject[index][new])

    def close(self) -> None:
        """Nothing is left to write."""


def _numbers(points: pa.Table, observers: dict[str, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    names = points["observer_id"].cast(pa.string()).to_pylist()
    return np.array([-1 if n is None else observers[n] for n in names], np.int64)
