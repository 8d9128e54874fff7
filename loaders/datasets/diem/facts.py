"""What both forms of DIEM share.

Source: Mital, Smith, Hill & Henderson, Clustering of gaze during dynamic scene viewing is predicted by motion,
Cognitive Computation 3, 2011. 84 videos of 30 frames a second in their own sizes, which their names end with, shown
unscaled at the centre of a screen of 1280 x 960, with sound.
"""

from __future__ import annotations

import re

from ...records import DatasetInfo, Screen, Truth
from ..stavis import folds

FOLDS = 1
SCREEN = (1280, 960)
_SIZE = re.compile(r".+_([0-9]{2,4})x([0-9]{2,4})")

BASE = DatasetInfo(
    name="diem",
    title="DIEM: 84 film clips, trailers and broadcasts with sound, free viewing",
    truths={"sigma-32": Truth(sigma_px=32.0, note="no official density; a choice of this project: --recipe sigma=PX")},
    licence="CC BY-NC-SA 3.0 (as listed by Qualinet)",
    citation="P. K. Mital, T. J. Smith, R. L. Hill, J. M. Henderson. Clustering of gaze during dynamic scene viewing "
    "is predicted by motion. Cognitive Computation 3(1), 2011",
    obtain="gaze and videos: the DIEM project, thediemproject.wordpress.com; pooled maps, frames and fold lists: the "
    "STAViS pack, cvsp.cs.ntua.gr/research/stavis/data",
    layout=("<video>_<width>x<height>/event_data/<participant>_<trial>_<video>.txt",),
    screen=Screen(*SCREEN, note="videos unscaled at its centre; size and distance are not stated with the files"),
    observers="about 50 a video (more on some), free viewing with sound, both eyes",
    splits="train 64, test 17: the fold lists of the STAViS pack, as the user's copy has them; else all",
    split_names=folds.names_of(FOLDS),
)


def size_in(name: str) -> tuple[int, int] | None:
    """Return width and height from the name of a video.

    >>> size_in("arctic_bears_1066x710"), size_in("arctic_bears")
    ((1066, 710), None)
    """
    found = _SIZE.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None
