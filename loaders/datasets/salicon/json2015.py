"""SALICON 2015 as COCO-style JSON: the mouse tracks of the first release, without times.

`fixations_train2014.json` and `fixations_val2014.json` hold `images` and `annotations`; an annotation is one worker
on one image with `fixations`, a list of [row, column], whole and 1-based. They are samples of the mouse, no detected
fixations, so their event is `mouse`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BadData, MissingData
from ...io.folders import entries
from ...io.names import natural_key
from ...records import Column, Float64Array, Gaze, Report, StimulusRow, Truth
from . import flat_json, images

FOLDERS = ("annotations", "")
LARGEST_PX = 100_000
_FILE = re.compile(r"fixations_(train|val)2014.*\.json")
_IMAGE_ID = re.compile(rb'"image_id"\s*+:\s*+([0-9]+)')

INFO = images.info(
    "2015-json",
    "mouse tracks of crowd workers on photographs, JSON release 1.0",
    {
        "api": Truth(
            kernel="gaussian",
            sigma_px=images.SIGMA_PX,
            per="pixel",
            note="Gaussian of 19 px over the pixels that any worker's mouse crossed, as the authors' API draws it "
            "(which cuts it at four sigma and mirrors it at the border; left out here)",
        )
    },
    "fixations_train2014.json (818 MB) and fixations_val2014.json (459 MB) from http://salicon.net/ ; the photographs "
    "from COCO 2014",
    ("annotations/fixations_{train,val}2014.json", "images/**/COCO_*.jpg"),
    "about 60 crowd workers an image, five seconds, a mouse instead of the eye; `worker_id` is one worker throughout",
    (
        "10 images, 610 records, 73,630 positions of the authors' example",
        "positions are [row, column], 1-based: rows 1 to 480, columns 1 to 640",
    ),
    ("the two large files have the build of the example",),
)


@dataclass(frozen=True)
class Records:
    """Where the records of one image lie.

    Attributes:
        file: the JSON file, relative to the source.
        image_id: the image's number in it.
        places: of its annotations, in the order of the file.
    """

    file: str
    image_id: int
    places: tuple[flat_json.Place, ...]


def present(source: Path) -> bool:
    """Return whether the folder holds a JSON file of the release."""
    return bool(_files(source))


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the images that the JSON files list, by name.

    Raises:
        MissingData: no JSON file.
    """
    files = _files(source)
    if not files:
        raise MissingData(f"{source}: no fixations_*2014*.json; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    photographs = images.find(source)
    rows: dict[str, StimulusRow] = {}
    for file in files:
        try:
            found = _listed(source, file, photographs, report)
        except BadData as error:
            report.add("unreadable", file.relative_to(source).as_posix(), str(error))
            continue
        again = [row.stimulus_id for row in found if row.stimulus_id in rows]
        if again:
            message = f"lists images that a file before lists too, {again[0]} first; the first is taken"
            report.add("surplus", file.relative_to(source).as_posix(), message, count=len(again))
        rows = {**{row.stimulus_id: row for row in found}, **rows}
    for name in sorted(set(photographs) - set(rows), key=natural_key):
        split = images.split_of(name, Path(photographs[name]).parent.name)
        if split is not None:
            rows[name] = _row(name, split, photographs[name], images.WIDTH, images.HEIGHT, None)
    images.report_counts((row.split for row in rows.values()), report)
    yield from (rows[name] for name in sorted(rows, key=natural_key))


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the tracks of one image; a bad record is reported and left out.

    Raises:
        BadData: the file has changed since it was listed.
    """
    where = stimulus.extra
    if not isinstance(where, Records) or not where.places:
        if stimulus.split != "test":
            report.add("missing", stimulus.stimulus_id, "no mouse tracks of this image")
        return Gaze(annotated=False, source_files=(where.file,) if isinstance(where, Records) else ())
    path = source / where.file
    tracks: list[tuple[str, str, Float64Array]] = []
    empty = 0
    for place, data in flat_json.read(path, where.places):
        try:
            worker, trial, points = _track(path, place, data, where.image_id)
        except BadData as error:
            report.add("unreadable", stimulus.stimulus_id, f"{error}; left out")
            continue
        empty += not len(points)
        tracks.append((worker, trial, points))
    if empty:
        report.add("missing", stimulus.stimulus_id, "records without a position", count=empty, fatal=False)
    return Gaze(
        fixations=_columns(tracks),
        annotated=any(len(points) for _, _, points in tracks),
        n_observers=len({worker for worker, _, points in tracks if len(points)}),
        source_files=(where.file,),
    )


def _columns(tracks: list[tuple[str, str, Float64Array]]) -> dict[str, Column]:
    points = np.vstack([np.empty((0, 2)), *(points for _, _, points in tracks)])
    return {
        "event": "mouse",
        "observer_id": [worker for worker, _, own in tracks for _ in own],
        "trial_id": [trial for _, trial, own in tracks for _ in own],
        "order": np.concatenate([np.empty(0, dtype=np.int64), *(np.arange(len(own)) for _, _, own in tracks)]),
        "frame": np.zeros(len(points), dtype=np.int32),
        "x_px": points[:, 1] - 0.5,
        "y_px": points[:, 0] - 0.5,
    }


def _track(path: Path, place: flat_json.Place, data: bytes, image_id: int) -> tuple[str, str, Float64Array]:
    """Return worker, record number and positions, float64 (n, 2), row and column as stored."""
    value = flat_json.record(path, place, data)
    where = f"{path}, byte {place[0]}"
    if value.get("image_id") != image_id:
        raise BadData(f"{where}: a record of image {value.get('image_id')}, not {image_id}; has the file changed?")
    worker, trial, points = value.get("worker_id"), value.get("id"), value.get("fixations")
    if not isinstance(worker, int | str) or isinstance(worker, bool):
        raise BadData(f"{where}: worker_id is {worker!r}")
    if not isinstance(trial, int | str) or isinstance(trial, bool):
        raise BadData(f"{where}: id is {trial!r}")
    if not isinstance(points, list) or not all(_is_position(p) for p in points):
        raise BadData(f"{where}: fixations of worker {worker} are not a list of [row, column] in whole pixels")
    return str(worker), str(trial), np.array(points, dtype=np.float64).reshape(-1, 2)


def _is_position(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(type(i) is int and abs(i) < LARGEST_PX for i in point)


def _listed(source: Path, file: Path, photographs: dict[str, str], report: Report) -> list[StimulusRow]:
    """Return a row for each image of one JSON file."""
    where = file.relative_to(source).as_posix()
    found = flat_json.places(file, ("images", "annotations"))
    rows: dict[int, StimulusRow] = {}
    default = _FILE.fullmatch(file.name)
    for place, data in flat_json.read(file, tuple(found["images"])):
        try:
            number, row = _image(flat_json.record(file, place, data), f"{file}, byte {place[0]}", photographs)
        except BadData as error:
            report.add("unreadable", where, f"{error}; left out")
            continue
        if number in rows:
            report.add("surplus", where, f"image {number} is listed twice; the first is taken")
            continue
        rows[number] = row if row.split or default is None else replace(row, split=default[1])
    owned: dict[int, list[flat_json.Place]] = {number: [] for number in rows}
    nameless = strange = 0
    for place, data in flat_json.read(file, tuple(found["annotations"])):
        match = _IMAGE_ID.search(data)
        if match is None:
            nameless += 1
        elif int(match[1]) not in owned:
            strange += 1
        else:
            owned[int(match[1])].append(place)
    if nameless:
        report.add("unreadable", where, "annotations without an image_id; left out", count=nameless)
    if strange:
        report.add("mismatch", where, "annotations of images that the file does not list; left out", count=strange)
    return [replace(row, extra=Records(where, number, tuple(owned[number]))) for number, row in rows.items()]


def _image(value: dict[str, Any], where: str, photographs: dict[str, str]) -> tuple[int, StimulusRow]:
    number, name = value.get("id"), value.get("file_name")
    size = value.get("width"), value.get("height")
    if type(number) is not int or not isinstance(name, str) or Path(name).name != name or name[:1] in ("", "."):
        raise BadData(f"{where}: an image needs an id and a file_name, found {number!r} and {name!r}")
    if not all(type(n) is int and 0 < n < LARGEST_PX for n in size):
        raise BadData(f"{where}: width and height of {name} are {size[0]!r} and {size[1]!r}")
    stem = Path(name).stem
    split = images.split_of(stem) or ""
    return number, _row(stem, split, photographs.get(stem, f"images/{name}"), *size, None)


def _row(name: str, split: str, file: str, width: int | None, height: int | None, extra: Records | None) -> StimulusRow:
    return StimulusRow(
        stimulus_id=name,
        split=split,
        source_file=file,
        width=width,
        height=height,
        n_frames=1,
        kind="image",
        duration_ms=images.PRESENTATION_MS,
        extra=extra,
    )


def _files(source: Path) -> list[Path]:
    """The JSON files of the first of the usual folders that has any."""
    for below in FOLDERS:
        folder = source / below
        found = [f for f in entries(folder) if _FILE.fullmatch(f.name)]
        if found:
            return found
    return []
