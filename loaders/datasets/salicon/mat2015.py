"""SALICON of the LSUN challenge, edition 2015; see `mat`."""

from __future__ import annotations

from . import images, mat

INFO = images.info(
    "2015",
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

_EDITION = mat.Edition(INFO)
present, stimuli, gaze = _EDITION.present, _EDITION.stimuli, _EDITION.gaze
