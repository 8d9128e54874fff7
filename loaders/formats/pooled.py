"""Pooled fixation maps: one binary picture a frame, all observers together.

    fixation/0001.png         0 and 255; 8-bit grey, or the same pixels as 1-bit, palette, RGB or 16-bit
    fixation/maps/0001.mat    MATLAB, one variable, 0 and 1, the same content

DHF1K, Hollywood-2 and UCF Sports are distributed so. A map says which pixels were looked at, not how often
nor by whom: its pixels are gaze samples, observers are unknown. A pixel at row r, column c is the point
(c + 0.5, r + 0.5). A blank map is an annotated frame without fixation.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadData, MissingData
from ..io.files import rule_out_machine
from ..io.names import is_left_behind, shortlist
from ..records import Float32Array, Gaze, Int32Array, Report
from . import matlab

Size = tuple[int, int]
"""(height, width) in pixels."""

MAX_PIXELS = 1 << 26
"""Larger pictures are refused before they are unpacked."""

_SET = (1, 255, 0xFF00, 0xFFFF)
"""Values of a set pixel: in MATLAB files, in 8 bits, and in 16 bits."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class PooledMaps:
    """The maps of one stimulus.

    Attributes:
        frame: int32 (n,), 0-based, ascending.
        x, y: float32 (n,), pixels of the stimulus; within a frame by row, then column.
        annotated: numbers of the frames that have a readable map, ascending, 0-based; blank maps included.
        size: (height, width), None if no map could be read.
        source_files: the files read, relative to the source.
        folders: the folders looked into, relative to the source.
    """

    frame: Int32Array
    x: Float32Array
    y: Float32Array
    annotated: tuple[int, ...]
    size: Size | None
    source_files: tuple[str, ...]
    folders: tuple[str, ...] = ()

    def gaze(self) -> Gaze:
        """Return the record that a loader hands to the converter."""
        return Gaze(
            fixations={"event": "point", "frame": self.frame, "x_px": self.x, "y_px": self.y},
            annotated=bool(self.annotated),
            annotated_frames=ranges(self.annotated),
            last_annotated=self.annotated[-1] if self.annotated else None,
            source_files=self.source_files,
            folders=self.folders,
        )


def points_of_map(path: Path) -> tuple[Float32Array, Float32Array, Size]:
    """Read one map, PNG or MAT by its suffix.

    Returns:
        x and y of the set pixels' centres, float32 (n,), by row, then column; (height, width).

    Raises:
        BadData: the file is damaged, is no binary map, or is larger than `MAX_PIXELS`.
    """
    pixels = _png_pixels(path) if path.suffix.lower() == ".png" else _mat_pixels(path)
    return _points(path, pixels)


def size_of_png(path: Path) -> Size | None:
    """Return (height, width) from the head of a PNG; None if it is not one."""
    try:
        with path.open("rb") as file:
            return _png_size(file.read(26))
    except OSError:
        return None


def numbered_files(
    folder: Path, suffix: str, *, prefix: str = "", where: str = "", report: Report | None = None
) -> dict[int, Path]:
    """Return the files `<prefix><digits><suffix>` of a folder by number, ascending; {} if there is no folder.

    Files of other names, and a second file of the same number (`002` beside `0002`: the unusual one), are reported
    and left out; sub-folders, hidden files and what file managers leave behind are not looked at.

    Args:
        folder: where to look, not below it.
        suffix: with its dot; upper or lower case.
        prefix: what stands before the number.
        where: the folder's name in reports.
        report: None = say nothing.
    """
    if not folder.is_dir():
        return {}
    pattern = re.compile(re.escape(prefix) + r"([0-9]{1,9})" + re.escape(suffix), re.IGNORECASE)
    matches: list[tuple[str, Path]] = []
    foreign: list[str] = []
    for path in sorted(folder.iterdir()):
        if is_left_behind(path.name) or path.is_dir():
            continue
        match = pattern.fullmatch(path.name)
        if match is None:
            foreign.append(path.name)
        else:
            matches.append((match[1], path))
    usual = Counter(len(digits) for digits, _ in matches).most_common(1)
    matches.sort(key=lambda match: len(match[0]) != usual[0][0])
    files: dict[int, Path] = {}
    twice: list[str] = []
    for digits, path in matches:
        if files.setdefault(int(digits), path) is not path:
            twice.append(path.name)
    if report is not None and foreign:
        expected = f"expected names are {prefix}<number>{suffix}"
        report.add("surplus", where, f"left out {shortlist(foreign)}; {expected}", count=len(foreign))
    if report is not None and twice:
        report.add("surplus", where, f"left out second files of a number: {shortlist(twice)}", count=len(twice))
    return dict(sorted(files.items()))


def read_maps(
    folder: Path,
    source: Path,
    report: Report,
    *,
    first_number: int,
    prefix: str = "",
    size: Size | None = None,
) -> PooledMaps:
    """Read all maps of one stimulus: `folder/*.png`; `folder/maps/*.mat` where a PNG is missing or damaged.

    Reported are: foreign names, numbers before the first, damaged files, maps of another size (left out),
    gaps, and files that one of the two forms lacks.

    Args:
        folder: the folder `fixation` of the stimulus.
        source: root of the data set, for names in reports.
        report: takes the anomalies.
        first_number: number of the file of frame 0.
        prefix: what stands before the number in the files' names.
        size: of the stimulus; None = the commonest size among the maps.

    Raises:
        BadData: there is no readable map at all.
    """
    where = _relative(folder, source)
    png = numbered_files(folder, ".png", prefix=prefix, where=where, report=report)
    mat = numbered_files(folder / "maps", ".mat", prefix=prefix, where=f"{where}/maps", report=report)
    if not png and not mat:
        raise BadData(f"{where}: no fixation map is there; expected {prefix}<number>.png or maps/{prefix}<number>.mat")
    _report_lacking(png, mat, where, report)
    candidates = {n: [files[n] for files in (png, mat) if n in files] for n in sorted(png.keys() | mat.keys())}
    found = _read(candidates, where, source, report, first_number, size)
    return replace(found, folders=(where, f"{where}/maps"))


def read_mat_maps(
    folder: Path, source: Path, report: Report, *, first_number: int, prefix: str, size: Size | None = None
) -> PooledMaps:
    """Read all maps of one stimulus that lie as MATLAB files `<prefix><number>.mat` in its folder, among other files.

    Args and anomalies are those of `read_maps`, but for foreign names.

    Raises:
        BadData: there is no readable map at all.
    """
    where = _relative(folder, source)
    mat = numbered_files(folder, ".mat", prefix=prefix, where=where)
    if not mat:
        raise BadData(f"{where}: no fixation map is there; expected {prefix}<number>.mat")
    found = _read({n: [path] for n, path in mat.items()}, where, source, report, first_number, size)
    return replace(found, folders=(where,))


def _read(
    candidates: Mapping[int, list[Path]],
    where: str,
    source: Path,
    report: Report,
    first_number: int,
    size: Size | None,
) -> PooledMaps:
    """Read for each number the first of its files that can be read.

    Raises:
        BadData: none of them can.
    """
    read: dict[int, tuple[Path, Float32Array, Float32Array, Size]] = {}
    early: list[int] = []
    unreadable: list[tuple[Path, str]] = []
    for number, paths in candidates.items():
        if number < first_number:
            early.append(number)
            continue
        for path in paths:
            try:
                read[number] = (path, *points_of_map(path))
            except BadData as error:
                unreadable.append((path, _without(str(error), path)))
                report.add("unreadable", _relative(path, source), unreadable[-1][1])
            else:
                break
    if early:
        message = f"left out {shortlist(early)}; the first frame is number {first_number}"
        report.add("out-of-range", where, message, count=len(early))
    if size is None and read:
        size = Counter(map_size for *_, map_size in read.values()).most_common(1)[0][0]
    left_out = _drop_other_sizes(read, size, source, report)
    if not read:
        why = [*left_out, *(f"{_relative(path, source)}: {reason}" for path, reason in unreadable)]
        first = f": {why[0]}" if why else ""
        raise BadData(f"{where}: none of the {len(candidates)} fixation maps can be used{first}")
    gaps = sorted(set(range(first_number, max(read) + 1)) - read.keys())
    if gaps:
        report.add("missing", where, f"no readable map of {shortlist(gaps)}", count=len(gaps))
    return _joined(read, first_number, size, source)


def ranges(frames: Iterable[int]) -> tuple[int, ...]:
    """Return ascending numbers as first, last, first, last ..., inclusive.

    >>> ranges([0, 1, 2, 5, 7, 8])
    (0, 2, 5, 5, 7, 8)
    """
    bounds: list[int] = []
    for frame in frames:
        if bounds and frame == bounds[-1] + 1:
            bounds[-1] = frame
        else:
            bounds += [frame, frame]
    return tuple(bounds)


def _report_lacking(png: Mapping[int, Path], mat: Mapping[int, Path], where: str, report: Report) -> None:
    """A copy may have one form only; in a copy with both, a file without its counterpart is reported."""
    if not png or not mat:
        return
    for kind, here, other in (("PNG", png, mat), ("MAT", mat, png)):
        lacking = sorted(other.keys() - here.keys())
        if lacking:
            message = f"no {kind} of {shortlist(lacking)}, the other form is there"
            report.add("missing", where, message, count=len(lacking))


def _drop_other_sizes(
    read: dict[int, tuple[Path, Float32Array, Float32Array, Size]],
    size: Size | None,
    source: Path,
    report: Report,
) -> list[str]:
    """Leave out maps of another size; return what was said of each."""
    said = []
    for number, (path, _, _, found) in list(read.items()):
        if size is not None and found != size:
            message = f"{found[1]}x{found[0]}, expected {size[1]}x{size[0]}"
            report.add("wrong-size", _relative(path, source), f"{message}; left out")
            said.append(f"{_relative(path, source)}: {message}")
            del read[number]
    return said


def _joined(
    read: Mapping[int, tuple[Path, Float32Array, Float32Array, Size]],
    first_number: int,
    size: Size | None,
    source: Path,
) -> PooledMaps:
    frames = tuple(number - first_number for number in read)
    columns = list(read.values())
    return PooledMaps(
        frame=np.repeat(np.array(frames, np.int32), [len(x) for _, x, _, _ in columns]),
        x=np.concatenate([x for _, x, _, _ in columns]),
        y=np.concatenate([y for _, _, y, _ in columns]),
        annotated=frames,
        size=size,
        source_files=tuple(_relative(path, source) for path, *_ in columns),
    )


def _points(path: Path, pixels: npt.NDArray[Any]) -> tuple[Float32Array, Float32Array, Size]:
    height, width = pixels.shape
    by_column = not pixels.flags.c_contiguous and pixels.flags.f_contiguous
    memory = np.ravel(pixels.T if by_column else pixels)
    at = _set_places(memory)
    levels = np.unique(memory[at])
    if len(levels) > 1 or (len(levels) == 1 and levels[0] not in _SET):
        raise BadData(
            f"{path}: holds the values {shortlist(levels)} beside 0; a fixation map has one, 255 or 1. "
            "Is it a density map, or was it resized?"
        )
    if by_column:
        column, row = np.divmod(at, height)
        order = np.lexsort((column, row))
        column, row = column[order], row[order]
    else:
        row, column = np.divmod(at, width)
    return (column + 0.5).astype(np.float32), (row + 0.5).astype(np.float32), (height, width)


def _set_places(memory: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Places of the elements that are not 0. Memory is looked at eight bytes at a time: most of a map is 0."""
    each = 8 // memory.itemsize
    whole = len(memory) // each * each
    words = np.flatnonzero(memory[:whole].view(np.uint64) != 0)
    candidates = (words[:, None] * each + np.arange(each)).ravel()
    candidates = np.concatenate([candidates, np.arange(whole, len(memory))])
    return np.asarray(candidates[memory[candidates] != 0], np.intp)


def _png_size(head: bytes) -> Size | None:
    if len(head) < 26 or not head.startswith(_PNG_SIGNATURE) or head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")


def _mat_pixels(path: Path) -> npt.NDArray[Any]:
    try:
        name, matrix = matlab.only_variable(path, as_stored=True)
    except MissingData as error:
        raise BadData(f"{path}: cannot be read: no such file") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "buif" or not matrix.size:
        raise BadData(f"{path}: {name} is {matlab.kind_of(matrix)}, expected a matrix of 0 and 1")
    return matrix.view(np.uint8) if matrix.dtype == bool else matrix


def _png_pixels(path: Path) -> npt.NDArray[Any]:
    """Decode with Pillow, after the checks that Pillow leaves out: size, and the checksum of each chunk."""
    from PIL import Image

    try:
        data = path.read_bytes()
    except OSError as error:
        rule_out_machine(path)
        raise BadData(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data:
        raise BadData(f"{path}: the file is empty; fetch it again")
    size = _png_size(data[:26])
    if size is None:
        raise BadData(f"{path}: not a PNG file; it begins with {data[:8]!r}")
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise BadData(f"{path}: claims {size[1]}x{size[0]} pixels; at most {MAX_PIXELS} are read")
    _check_png_chunks(path, data)
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        image.load()
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        rule_out_machine(path)
        raise BadData(f"{path}: Pillow cannot decode it: {error}") from error
    return _pixels_of(image) if image.mode == "L" and not image.info.get("transparency") else _gray(path, image)


def _gray(path: Path, image: Any) -> npt.NDArray[Any]:
    """Return the pixels of a map that is not stored as 8-bit grey.

    Raises:
        BadData: it is coloured, or partly transparent.
    """
    if image.mode.startswith("I"):
        return np.asarray(image)
    channels = np.asarray(image.convert("RGBA"))
    if (channels[..., 3] != 255).any():
        raise BadData(f"{path}: is partly transparent; a fixation map has black and white pixels only")
    if (channels[..., :1] != channels[..., 1:3]).any():
        raise BadData(f"{path}: is coloured; a fixation map has black and white pixels only. Is it a picture?")
    return np.ascontiguousarray(channels[..., 0])


def _pixels_of(image: Any) -> npt.NDArray[np.uint8]:
    """Return the pixels without a copy where Pillow (11.3 and later) lends them: a third of the time."""
    import pyarrow as pa

    if hasattr(image, "__arrow_c_array__"):
        try:
            lent = pa.array(image).to_numpy()
        except ValueError:  # a large picture lies in several blocks
            return np.asarray(image)
        return np.asarray(lent, np.uint8).reshape(image.height, image.width)
    return np.asarray(image)


def _check_png_chunks(path: Path, data: bytes) -> None:
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise BadData(f"{path}: damaged at byte {at}: the checksum of a PNG chunk is wrong")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end + 4
    raise BadData(f"{path}: cut off at byte {len(data)}: the end of the PNG is missing")


def _relative(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix() if path.is_relative_to(source) else path.as_posix()


def _without(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")
