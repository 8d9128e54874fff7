"""What both forms of Hollywood-2 share: the facts and the register.

Source of the pooled maps: the DHF1K authors (Wang et al., CVPR 2018; TPAMI 2021), computed from the gaze of "Actions
in the Eye" (Mathe & Sminchisescu). 823 training and 884 test clips of 69 films, cut into 3,099 and 3,558 shots of 44
frame sizes; shots of a single frame exist. Frames are numbered through the clip: shot 1 begins at number 3, and some
3 frames are missing between neighbouring shots, so shots are no continuous video.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from ...formats import actions_in_the_eye
from ...io import registers

BASE = replace(
    actions_in_the_eye.BASE,
    name="hollywood2",
    title="Hollywood-2: 1,707 film clips of human actions, cut into 6,657 shots, 16 observers",
    obtain=(
        "Frames and pooled maps: the drive folder linked from the repository wenguanwang/DHF1K (`Hollywood-2`). Raw "
        "gaze: gaze_hollywood2.zip from vision.imar.ro/eyetracking, after a login; videos: "
        "www.di.ens.fr/~laptev/actions/hollywood2."
    ),
    layout=(
        "training/actioncliptrain00001_1/{images,maps,fixation,fixation/maps}/actioncliptrain00001_00003.png (.mat)",
        "testing/actioncliptest00001_1/ likewise",
        "raw: gaze_hollywood2/{samples/001_actioncliptrain00001.avi.txt,geometry.txt,resolution.txt}, "
        "AVIClips/actioncliptrain00001.avi",
    ),
    splits="released: train 3,099 shots, test 3,558 shots; raw: train 823 clips, test 884 clips",
    register="hollywood2_shots",
)


@lru_cache(maxsize=1)
def clips() -> dict[str, tuple[str, int | None, int | None]]:
    """Return split, width and height of each clip, in the order of the register; None where no shot has them."""
    found: dict[str, tuple[str, int | None, int | None]] = {}
    for line in registers.rows("hollywood2_shots"):
        if found.get(line["clip"], (None, None))[1] is None:
            found[line["clip"]] = (line["split"], integer(line["width"]), integer(line["height"]))
    return found


def integer(text: str) -> int | None:
    """Read a number of the register; empty = unknown."""
    return int(text) if text else None
