"""SALICON of the LSUN challenge: one MATLAB file an image, the same build in the editions of 2015 and 2017.

`gaze` is a struct array with one element a worker: `location`, all mouse positions [x, y]; `timestamp`, their
milliseconds; `fixations`, positions [x, y] detected in them, without times. All are 1-based. Workers have no name:
number 7 of one image is not number 7 of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BadData, MissingData
from ...formats import matlab
from ...formats.completeness import extent_of, report_incomplete
from ...io.folders import matching
from ...io.names import natural_key
from ...records import Column, DatasetInfo, Float64Array, Gaze, Int64Array, Mask, Report, StimulusRow, Truth
from . import images

EDITIONS = ("2015", "2017")
FOLDERS = ("", "fixations", "fixations/fixations")
LATEST_MS = 60_000.0
LARGEST_PX = 1e5
# Mean number of mouse positions an image, by the totals of the two editions: 6,900 to 7,800 and 21,500 to 24,400.
BETWEEN_EDITIONS = 13_000
EDITION_SAMPLE = 20
ENOUGH_TRACKS = 10
TRUTHS = {
    "assumed": Truth(
        kernel="gaussian",
        sigma_px=images.SIGMA_PX,
        per="pixel",
        note="the blur of the official maps is not documented; 19 px as in the authors' API for the JSON release",
    )
}
UNVERIFIED = (
    "no real file was available: the layout is that of the challenge's page and of other readers, checked on files "
    "built like it",
    "the blur of the official PNG maps",
)
LAYOUT = (
    "{train,val}/COCO_*.mat (fixations.zip)",
    "images/{train,val,test}/COCO_*.jpg (images.zip, md5 eb2a1bb706633d1b31fc2e01422c5757)",
)
OBSERVERS = "about 50 to 60 crowd workers an image, five seconds, a mouse instead of the eye; numbered within an image"


@dataclass(frozen=True)
class Worker:
    """One element of `gaze`, positions 1-based as stored.

    Attributes:
        name: number within the image.
        location: float64, (n, 2).
        time_ms: float64, (n,).
        fixations: float64, (m, 2).
        order: int64, (m,), their numbers from 0; one that was left out keeps its number.
    """

    name: str
    location: Float64Array
    time_ms: Float64Array
    fixations: Float64Array
    order: Int64Array


@dataclass(frozen=True)
class Edition:
    """What the module of one edition offers as a form; `info.variant` is its year."""

    info: DatasetInfo

    def present(self, source: Path) -> bool:
        """Return whether the folder holds MAT files, and its name does not have the year of another edition."""
        year = str(self.info.variant)
        other = [e for e in EDITIONS if e != year and e in source.name]
        return bool(_mats(source)) and not (other and year not in source.name)

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the images that have a photograph or a MAT file, by name.

        Raises:
            MissingData: no MAT file.
        """
        mats = _mats(source)
        if not mats:
            raise MissingData(f"{source}: no COCO_*.mat; expected {'; '.join(self.info.layout)}. {self.info.obtain}")
        _report_edition(list(mats.values()), self.info.variant or "", report)
        photographs = images.find(source)
        rows = []
        for name in sorted({*mats, *photographs}, key=natural_key):
            holder = mats[name].parent.name if name in mats else Path(photographs[name]).parent.name
            split = images.split_of(name, holder)
            if split is None:
                where = mats[name].relative_to(source).as_posix() if name in mats else photographs[name]
                report.add("surplus", where, "neither name nor folder tells a split; left out")
                continue
            rows.append(
                StimulusRow(
                    stimulus_id=name,
                    split=split,
                    source_file=photographs.get(name, f"images/{split}/{name}.jpg"),
                    width=images.WIDTH,
                    height=images.HEIGHT,
                    n_frames=1,
                    kind="image",
                    duration_ms=images.PRESENTATION_MS,
                    extra=mats[name].relative_to(source).as_posix() if name in mats else None,
                )
            )
        images.report_counts((row.split for row in rows), report)
        yield from rows

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read the workers of one image; anomalies of one are reported and left out.

        Raises:
            BadData: the file cannot be read, has another build, or belongs to another image.
        """
        if stimulus.extra is None:
            if stimulus.split != "test":
                report.add("missing", stimulus.stimulus_id, "no MAT file of this image")
            return Gaze(annotated=False)
        path = source / stimulus.extra
        workers = read_workers(path, stimulus, report)
        if workers is None:
            if stimulus.split != "test":
                report.add("missing", stimulus.extra, "the file has no variable `gaze`")
            return Gaze(annotated=False, source_files=(stimulus.extra,))
        seen = [w for w in workers if len(w.location) or len(w.fixations)]
        if not any(len(w.fixations) for w in seen):
            report.add("missing", stimulus.extra, "no worker has a fixation")
        _report_cut(seen, stimulus, report)
        return Gaze(
            fixations=_fixations(seen),
            samples=_samples(seen),
            annotated=any(len(w.fixations) for w in seen),
            n_observers=len(seen),
            source_files=(stimulus.extra,),
        )


def read_workers(path: Path, stimulus: StimulusRow, report: Report) -> list[Worker] | None:
    """Read one file; None where it has no gaze, as in the test part.

    Raises:
        BadData: see `gaze`.
    """
    where = str(stimulus.extra or path.name)
    variables = matlab.read(path)
    if "image" in variables:
        named = images.coco_id(matlab.text(variables["image"], path, "image"))
        if named not in (None, images.coco_id(stimulus.stimulus_id)):
            raise BadData(f"{path}: belongs to COCO image {named} by its content; was it renamed?")
    if "gaze" not in variables:
        return None
    if "resolution" in variables:
        size = [
            int(n)
            for n in matlab.matrix(np.atleast_2d(variables["resolution"]).reshape(1, -1), 2, path, "resolution")[0]
        ]
        if size != [stimulus.height, stimulus.width]:
            message = f"resolution is {size[1]} x {size[0]}, the image {stimulus.width} x {stimulus.height}"
            report.add("wrong-size", where, message)
    elements = matlab.structs(variables["gaze"], path, "gaze")
    return [_worker(element, f"{i:03d}", path, where, report) for i, element in enumerate(elements, start=1)]


def _worker(element: dict[str, matlab.Value], name: str, path: Path, where: str, report: Report) -> Worker:
    what = f"gaze({int(name)})"
    location = matlab.matrix(matlab.variable(element, "location", path), 2, path, f"{what}.location")
    stamps = matlab.variable(element, "timestamp", path)
    if isinstance(stamps, np.ndarray) and stamps.ndim == 2 and stamps.shape[0] == 1:
        stamps = stamps.T
    time_ms = matlab.matrix(stamps, 1, path, f"{what}.timestamp")[:, 0]
    fixations = matlab.matrix(matlab.variable(element, "fixations", path), 2, path, f"{what}.fixations")
    if len(time_ms) != len(location):
        message = f"{what} has {len(location)} locations, but {len(time_ms)} timestamps; its track is left out"
        report.add("mismatch", where, message)
        location, time_ms = np.empty((0, 2)), np.empty(0)
    good = _on_screen(location) & (time_ms >= 0) & (time_ms <= LATEST_MS)
    if not good.all():
        message = f"mouse positions of {what} have no place or no time; left out"
        report.add("out-of-range", where, message, count=int((~good).sum()))
    placed = _on_screen(fixations)
    if not placed.all():
        message = f"fixations of {what} have no place; left out"
        report.add("out-of-range", where, message, count=int((~placed).sum()))
    return Worker(name, location[good], time_ms[good], fixations[placed], np.flatnonzero(placed))


def _on_screen(xy: Float64Array) -> Mask:
    return np.asarray(matlab.plausible(xy) & (np.abs(np.where(np.isfinite(xy), xy, np.inf)) < LARGEST_PX).all(axis=1))


def _fixations(workers: list[Worker]) -> dict[str, Column]:
    xy = np.vstack([np.empty((0, 2)), *(w.fixations for w in workers)])
    return {
        "event": "fixation",
        "observer_id": [w.name for w in workers for _ in w.fixations],
        "order": np.concatenate([np.empty(0, dtype=np.int64), *(w.order for w in workers)]),
        "frame": np.zeros(len(xy), dtype=np.int32),
        "x_px": xy[:, 0] - 0.5,
        "y_px": xy[:, 1] - 0.5,
    }


def _samples(workers: list[Worker]) -> dict[str, Column]:
    xy = np.vstack([np.empty((0, 2)), *(w.location for w in workers)])
    time_ms = np.concatenate([np.empty(0), *(w.time_ms for w in workers)])
    return {
        "observer_id": [w.name for w in workers for _ in w.location],
        "t_us": np.rint(time_ms * 1000).astype(np.int64),
        "x_px": xy[:, 0] - 0.5,
        "y_px": xy[:, 1] - 0.5,
    }


def _report_cut(workers: list[Worker], stimulus: StimulusRow, report: Report) -> None:
    """Report a file none of whose tracks reaches the end. A mouse at rest leaves no sample: one track tells nothing."""
    tracks = [w.time_ms for w in workers if len(w.time_ms)]
    if len(tracks) < ENOUGH_TRACKS:
        return
    t_us = np.sort(np.rint(np.concatenate(tracks) * 1000).astype(np.int64))
    together = extent_of("all", str(stimulus.extra), t_us)
    report_incomplete([together], images.PRESENTATION_MS / 1000, stimulus.stimulus_id, report)


def _report_edition(mats: list[Path], edition: str, report: Report) -> None:
    """Note where the number of mouse positions is that of the other edition."""
    counts = []
    for path in mats[:EDITION_SAMPLE]:
        try:
            elements = matlab.structs(matlab.read(path).get("gaze", []), path, "gaze")
            counts.append(sum(len(matlab.matrix(e.get("location"), 2, path, "location")) for e in elements))
        except BadData:
            continue  # reported when its turn comes
    if len(counts) < EDITION_SAMPLE:
        return
    mean = float(np.mean(counts))
    if (mean > BETWEEN_EDITIONS) != (edition == "2017"):
        message = (
            f"{mean:.0f} mouse positions an image; edition {edition} has about "
            f"{'7,000' if edition == '2015' else '22,000'}: is this the other edition?"
        )
        report.add("mismatch", "gaze", message, fatal=False)


def _mats(source: Path) -> dict[str, Path]:
    """The MAT files by name without suffix, from the first of the usual folders that has any."""
    for below in FOLDERS:
        found: dict[str, Path] = {}
        for folder in (source / below / split for split in (*images.COUNTS, "")):
            for file in matching(folder, "COCO_*.mat"):
                found.setdefault(file.stem, file)
        if found:
            return found
    return {}
