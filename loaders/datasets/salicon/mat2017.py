"""SALICON of the LSUN challenge, edition 2017; see `mat`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...records import Gaze, Report, StimulusRow
from . import images, mat

EDITION = "2017"

INFO = images.info(
    EDITION,
    "mouse tracks of crowd workers on photographs, fixations detected anew in 2017, isolated positions removed",
    mat.TRUTHS,
    "images.zip and fixations.zip (edition 2017: md5 462b70f4f9e8ea446ac628e46cea8d3d) from the SALICON challenge, "
    "http://salicon.net/challenge-2017/",
    mat.LAYOUT,
    mat.OBSERVERS,
    (),
    (
        *mat.UNVERIFIED,
        "215,286,274 (train) and 121,898,426 (val) mouse positions inside the image are expected",
        "4,598,112 and 2,576,914 fixations, 532 of them of the first training image",
    ),
)


def present(source: Path) -> bool:
    """Tell whether the folder holds MAT files, and its name does not speak of the other edition."""
    return mat.present(source, EDITION)


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the images; see `mat.stimuli`."""
    return mat.stimuli(source, INFO, report)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read one image; see `mat.gaze`."""
    return mat.gaze(source, stimulus, report)
