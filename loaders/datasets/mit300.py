"""MIT300: 300 photographs whose gaze is held back, and the one whose fixations the benchmark published.

Source: Judd, Durand & Torralba, A Benchmark of Computational Models of Saliency to Predict Human Fixations, 2012.
Licence: none stated; used in research with citation.
Frames: `BenchmarkIMAGES/i1.jpg` to `i300.jpg`. Gaze: 39 observers, withheld; of i210 there is a MATLAB file
`FIXATIONLOCS/i210.mat` with a matrix of zeros and ones, all observers together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import BadData, MissingData
from ..formats import matlab
from ..io.folders import files
from ..io.names import natural_key, shortlist
from ..records import DatasetInfo, Gaze, Report, Screen, StimulusRow, Truth

COUNT = 300
PRESENTATION_MS = 3000.0
IMAGE_FOLDERS = ("BenchmarkIMAGES", "BenchmarkIMAGES/BenchmarkIMAGES", "ALLSTIMULI", "")
POINT_FOLDERS = ("FIXATIONLOCS", "demo/FIXATIONLOCS")
_IMAGE = re.compile(r"i([0-9]+)\.(jpg|jpeg)", re.IGNORECASE)

INFO = DatasetInfo(
    name="mit300",
    title="300 photographs, fixations of 39 observers withheld; those of i210 are public",
    truths={
        "benchmark": Truth(
            kernel="fourier",
            sigma_px=23.99,
            per="pixel",
            cycles=8,
            note="Gaussian with its cut-off at 8 cycles on a square power-of-two canvas, zero outside; reproduces "
            "the published map of i210",
        )
    },
    screen=Screen(note="the authors' example reckons with 35 px a degree"),
    licence="none stated; research use with citation",
    citation="T. Judd, F. Durand, A. Torralba. A benchmark of computational models of saliency to predict human "
    "fixations. MIT Technical Report MIT-CSAIL-TR-2012-001, 2012",
    obtain="BenchmarkIMAGES.zip (md5 03ed32bdf5e4289950cd28df89451260) from http://saliency.mit.edu/ ; the fixations "
    "are withheld, predictions are sent to the benchmark as JPEGs of the same name and size. Do not train on i210",
    layout=("BenchmarkIMAGES/i1.jpg ... i300.jpg", "FIXATIONLOCS/i210.mat"),
    observers="39, free viewing; pooled in the one public file",
    splits="none; all of it is a test set",
    withheld=("all",),
    verified=(
        "i210 is 1024 x 675 and has 259 fixated pixels",
        "its published map is reproduced at a correlation of 0.9999",
    ),
    unverified=("presentation of three seconds, as in MIT1003",),
)


def present(source: Path) -> bool:
    """Return whether the folder holds images of the benchmark."""
    return bool(_images(source))


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the images that are here, by number.

    Raises:
        MissingData: there are none.
    """
    found = _images(source)
    if not found:
        raise MissingData(f"{source}: no images i<number>.jpg; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    numbers = {int(name[1:]) for name in found}
    missing = [f"i{n}" for n in range(1, COUNT + 1) if n not in numbers]
    if missing:
        shown = shortlist(missing, 3, counted=False)
        report.add("missing", "BenchmarkIMAGES", f"{len(missing)} of {COUNT} images: {shown}", count=len(missing))
    for name in sorted(found, key=natural_key):
        if not 1 <= int(name[1:]) <= COUNT:
            report.add("surplus", found[name], f"the benchmark's images are i1 to i{COUNT}")
        yield StimulusRow(
            stimulus_id=name,
            split="all",
            source_file=found[name],
            width=None,
            height=None,
            n_frames=1,
            kind="image",
            duration_ms=PRESENTATION_MS,
            extra=_points(source, name),
        )


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the fixated pixels where they are public; all others are held back, which is no anomaly.

    Raises:
        BadData: the file cannot be read or does not fit the image.
    """
    name = _points(source, stimulus.stimulus_id)
    if name is None:
        return Gaze(annotated=False)
    file = source / name
    _, fixated = matlab.only_variable(file)
    if not isinstance(fixated, np.ndarray) or fixated.dtype.kind not in "biuf" or fixated.ndim != 2:
        raise BadData(f"{file}: expected a matrix of zeros and ones, found {matlab.kind_of(fixated)}")
    if not np.isin(fixated, (0, 1)).all():
        raise BadData(f"{file}: expected zeros and ones, found values up to {fixated.max()}")
    if None not in (stimulus.width, stimulus.height) and fixated.shape != (stimulus.height, stimulus.width):
        raise BadData(
            f"{file}: {fixated.shape[1]} x {fixated.shape[0]} pixels, "
            f"the image has {stimulus.width} x {stimulus.height}"
        )
    row, column = np.nonzero(fixated)
    return Gaze(
        fixations={
            "event": "point",
            "frame": np.zeros(len(row), dtype=np.int32),
            "x_px": column + 0.5,
            "y_px": row + 0.5,
        },
        source_files=(name,),
    )


def _points(source: Path, image: str) -> str | None:
    """The file of an image's fixated pixels, relative to the source."""
    names = (f"{folder}/{image}.mat" for folder in POINT_FOLDERS)
    return next((name for name in names if (source / name).is_file()), None)


def _images(source: Path) -> dict[str, str]:
    """The images by id, from the first of the usual folders that has any."""
    for below in IMAGE_FOLDERS:
        folder = source / below
        found = {
            f"i{int(match[1])}": file.relative_to(source).as_posix()
            for file in files(folder)
            if (match := _IMAGE.fullmatch(file.name))
        }
        if found:
            return found
    return {}
