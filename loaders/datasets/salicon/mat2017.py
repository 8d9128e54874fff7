"""SALICON of the LSUN challenge, edition 2017; see `mat`."""

from __future__ import annotations

from . import images, mat

INFO = images.info(
    "2017",
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

_EDITION = mat.Edition(INFO)
present, stimuli, gaze = _EDITION.present, _EDITION.stimuli, _EDITION.gaze
