"""The meta-benchmark on LEDOV: the frames of 77 videos on which what moves matters for where people look.

Source: Tangemann, Kümmerer, Wallis & Bethge, Measuring the Importance of Temporal Features in Video Saliency,
ECCV 2020; masks from https://github.com/mtangemann/deepgazemr (MIT licence), re-tabulated as ranges.
The masks number the frames of the videos resampled to 30 per second, from 0.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt

from ...io import registers

NAME = "meta-benchmark-30hz"
"""Name of the subset, and the attribute of the stimuli that have frames in it."""

RATE = Fraction(30)


@cache
def selected() -> dict[str, npt.NDArray[np.bool_]]:
    """Return for each of the 36 + 41 videos of val and test its mask at 30 Hz, shape (frames at 30 Hz,)."""
    masks = {}
    for line in registers.rows("ledov_meta_benchmark_30hz"):
        mask = np.zeros(int(line["n_frames"]), dtype=bool)
        for part in line["selected"].split():
            first, last = part.split("-")
            mask[int(first) : int(last) + 1] = True
        mask.flags.writeable = False
        masks[line["video"]] = mask
    return masks


def native_frames(stimulus_id: str, fps: Fraction, n_frames: int) -> npt.NDArray[np.int64]:
    """Return the frames of the video itself that are on screen at the selected ticks, ascending, 0-based.

    That tick k shows the frame at k / 30 s is an assumption: how the videos were resampled is not documented.

    Args:
        stimulus_id: a video; one without a mask has no frames in the subset.
        fps: its own frame rate.
        n_frames: its own length; later ticks are left out.
    """
    mask = selected().get(stimulus_id)
    if mask is None:
        return np.empty(0, dtype=np.int64)
    ticks = np.flatnonzero(mask)
    frames = ticks * fps.numerator // int(RATE * fps.denominator)
    return np.unique(frames[frames < n_frames]).astype(np.int64)
