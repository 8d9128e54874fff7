"""SALICON of the LSUN challenge, edition 2015; see `mat`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...records import Gaze, Report, StimulusRow
from . import images, mat

EDITION = "2015"

INFO = images.info(
    EDITION,
    "mouse tracks of crowd workers on photographs, detected fixations of 2015",
    mat.TRUTHS,
    "images.zip and fixations.zip (edition 2015: md5 9a22db9d718200fb90252e5010c004c4) from the SALICON challenge, "
    "http://salicon.net/challenge-2017/",
    mat.LAYOUT,
    mat.OBSERVERS,
    (),
    (
        *mat.UNVERIFIED,
        "68,992,355 (train) and 38,846,998 (val) mouse positions are expected",
        "3,171,533 and 1,662,655 fixations, 170 of them of the first training image",
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
