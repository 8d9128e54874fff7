"""MIT1003 as its authors distribute it: raw samples, one MATLAB file an observer and image.

`DATA/<observer>/<image>.mat` holds one struct, named after the image and cut to 63 letters, whatever its name: its
`DATA.eyeData` is n x 2, x and y at 240 Hz for three seconds, in pixels of the image with pixel 1 centred at 1.0, NaN
or far outside where the eye was lost. Fixations are detected as the authors did (`detection`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BadData, MissingData
from ...formats import matlab
from ...formats.completeness import Extent, extent_of, report_incomplete
from ...io.folders import folders
from ...io.names import is_left_behind
from ...records import FORCED_START, Column, Float64Array, Gaze, Int64Array, Report, StimulusRow
from . import detection, images

STIMULI = "ALLSTIMULI"
DATA = "DATA"
LONGEST_NAME = 63
MOST_SAMPLES = 800
SAMPLE_MS = 1000 / detection.SAMPLES_PER_SECOND

INFO = images.info(
    "mat",
    "1,003 photographs, raw samples at 240 Hz and the fixations detected in them, 15 observers",
    "ALLSTIMULI.zip (md5 0d7df8b954ecba69b6796e77b9afe4b6) and DATA.zip (md5 ea19d74ad0a0144428c53e9d75c2d71c) from "
    "http://people.csail.mit.edu/tjudd/WherePeopleLook/",
    ("ALLSTIMULI/<image>.jpeg", "DATA/<observer>/<image>.mat"),
    (
        "the shortest fixations and saccades that the detection allows are those in the fixations of all "
        "15,045 recordings as FixaTons has them",
        "a recording ends at sample 725 at the latest",
    ),
    (
        "no real DATA file was available: its layout is that of the authors' code, checked on files built like it",
        "the detection has not been compared with its original on real samples",
        "with it 104,171 fixations inside the images are expected without the first ones, 121 of image 1",
    ),
)


@dataclass(frozen=True)
class Trial:
    """One observer on one image: samples as stored, and the fixations in them."""

    observer: str
    samples: Float64Array
    fixations: detection.Detected


def present(source: Path) -> bool:
    """Return whether the folder holds DATA with folders of observers."""
    return bool(_observers(source))


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the images, those of the register first.

    Raises:
        MissingData: no DATA/<observer>/.
    """
    observers = _observers(source)
    if not observers:
        raise MissingData(f"{source}: no {DATA}/<observer>/ here; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    images.report_missing_observers({folder.name for folder in observers}, DATA, report)
    gazed: dict[str, list[str]] = {}
    for folder in observers:
        for file in folder.iterdir():
            if _is_mat(file):
                gazed.setdefault(file.stem, []).append(folder.name)
    yield from images.rows(source, source / STIMULI, gazed, report)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read every observer's recording of one image; a bad file is reported and left out.

    Raises:
        BadData: not one of its files can be read.
    """
    observers = _observers(source)
    files = {folder.name: folder / f"{stimulus.stimulus_id}.mat" for folder in observers}
    here = {name: file for name, file in files.items() if file.is_file()}
    absent = [name for name in files if name not in here]
    if not here:
        report.add("missing", stimulus.stimulus_id, "no recording of this image")
        return Gaze(annotated=False)
    if absent:
        message = f"no recording of the observers {', '.join(absent)}"
        report.add("missing", stimulus.stimulus_id, message, count=len(absent))
    recordings = []
    for name, file in here.items():
        try:
            recordings.append(_recording(name, file, stimulus, report))
        except BadData as error:
            report.add("unreadable", file.relative_to(source).as_posix(), f"{error}; left out")
    if not recordings:
        raise BadData(f"{stimulus.stimulus_id}: none of the {len(here)} recordings can be read")
    report_incomplete(
        [_extent(r, files[r.observer].relative_to(source).as_posix()) for r in recordings],
        images.PRESENTATION_MS / 1000,
        stimulus.stimulus_id,
        report,
        kind="mismatch",
    )
    _report_lost(recordings, stimulus.stimulus_id, report)
    return Gaze(
        fixations=_fixations(recordings),
        samples=_samples(recordings),
        n_observers=len(recordings),
        source_files=tuple(file.relative_to(source).as_posix() for file in here.values()),
    )


def read_samples(path: Path, image: str, report: Report) -> Float64Array:
    """Read one file's samples, float64, shape (n, 2): x and y as stored, NaN where lost.

    Raises:
        BadData: it cannot be read, has another build, or belongs to another image.
    """
    name, value = matlab.only_variable(path)
    trial = matlab.struct(value, path, name)
    if name != image[:LONGEST_NAME] and _image_name(trial) != image:
        raise BadData(f"{path}: belongs to {_image_name(trial) or name!r} by its content; was it renamed?")
    blocks = matlab.structs(matlab.variable(trial, "DATA", path), path, "DATA")
    if not blocks:
        raise BadData(f"{path}: DATA is empty; the trial was not recorded")
    if len(blocks) > 1:
        report.add("surplus", path.name, f"{len(blocks)} presentations; as the authors do, only the first is read")
    eye = matlab.matrix(matlab.variable(blocks[0], "eyeData", path), 2, path, "eyeData")
    if not len(eye):
        raise BadData(f"{path}: eyeData is empty")
    if not (np.isnan(eye) | (np.abs(eye) < matlab.PLAUSIBLE)).all():
        raise BadData(f"{path}: eyeData holds infinite or huge numbers")
    return eye


def _recording(observer: str, path: Path, stimulus: StimulusRow, report: Report) -> Trial:
    eye = read_samples(path, stimulus.stimulus_id, report)
    if len(eye) > MOST_SAMPLES:
        message = f"{len(eye)} samples of {observer}; three seconds at 240 Hz are about 720"
        report.add("mismatch", stimulus.stimulus_id, message)
    return Trial(observer, eye, detection.detect(eye))


def _extent(trial: Trial, where: str) -> Extent:
    return extent_of(trial.observer, where, _times_us(trial))


def _times_us(trial: Trial) -> Int64Array:
    times: Int64Array = np.rint((np.arange(len(trial.samples)) + 1) * 1000 * SAMPLE_MS).astype(np.int64)
    return times


def _fixations(recordings: list[Trial]) -> dict[str, Column]:
    """Columns of the fixations; those whose every sample was lost have no place and are left out."""
    placed = [np.isfinite(r.fixations.x) & np.isfinite(r.fixations.y) for r in recordings]
    order = [np.flatnonzero(p) for p in placed]
    first = np.concatenate([r.fixations.first[p] for r, p in zip(recordings, placed, strict=True)])
    last = np.concatenate([r.fixations.last[p] for r, p in zip(recordings, placed, strict=True)])
    flags: list[list[str]] = []
    for r, numbers in zip(recordings, order, strict=True):
        lost = ["mostly_lost"] if np.isnan(r.samples[:, 0]).mean() > 0.5 else []
        flags += [[FORCED_START, *lost] if i == 0 else lost for i in numbers]
    return {
        "event": "fixation",
        "observer_id": [r.observer for r, p in zip(recordings, placed, strict=True) for _ in range(p.sum())],
        "order": np.concatenate(order),
        "onset_ms": (first + 1) * SAMPLE_MS,
        "duration_ms": (last - first + 1) * SAMPLE_MS,
        "frame": np.zeros(len(first), dtype=np.int32),
        "x_px": np.concatenate([r.fixations.x[p] for r, p in zip(recordings, placed, strict=True)]) - 0.5,
        "y_px": np.concatenate([r.fixations.y[p] for r, p in zip(recordings, placed, strict=True)]) - 0.5,
        "flags": flags,
    }


def _samples(recordings: list[Trial]) -> dict[str, Column]:
    """Columns of the samples, each labelled by what the detection made of it; a lost one has no position (NaN)."""
    observers: list[str] = []
    labels: list[str] = []
    times = []
    for r in recordings:
        label = np.full(len(r.samples), "saccade", dtype=object)
        for a, b in zip(r.fixations.first, r.fixations.last, strict=True):
            label[a : b + 1] = "fixation"
        label[~np.isfinite(r.samples).all(axis=1)] = "lost"
        observers += [r.observer] * len(r.samples)
        labels += label.tolist()
        times.append(_times_us(r))
    eye = np.vstack([r.samples for r in recordings])
    return {
        "observer_id": observers,
        "t_us": np.concatenate(times),
        "x_px": eye[:, 0] - 0.5,
        "y_px": eye[:, 1] - 0.5,
        "label": labels,
    }


def _report_lost(recordings: list[Trial], where: str, report: Report) -> None:
    samples = sum(int((~np.isfinite(r.samples).all(axis=1)).sum()) for r in recordings)
    if samples:
        report.add("lost", where, "samples are NaN: no position", count=samples, fatal=False)
    fixations = sum(int((~np.isfinite(r.fixations.x + r.fixations.y)).sum()) for r in recordings)
    if fixations:
        message = "fixations consist of lost samples only and are not stored; the numbering counts them"
        report.add("lost", where, message, count=fixations, fatal=False)


def _image_name(trial: dict[str, matlab.Value]) -> str:
    name = trial.get("imgName", "")
    return Path(name).stem if isinstance(name, str) else ""


def _observers(source: Path) -> list[Path]:
    """The folders of observers that hold MAT files; none is listed to its end."""
    found = []
    for folder in folders(source / DATA):
        with os.scandir(folder) as entries:
            if any(_is_mat(Path(entry.name)) for entry in entries):
                found.append(folder)
    return found


def _is_mat(file: Path) -> bool:
    return file.suffix == ".mat" and not is_left_behind(file.name)
