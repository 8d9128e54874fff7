"""A small STAViS pack, built by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = (24, 32)
"""Rows and columns of all maps."""


def write_lists(root: Path, name: str, lists: Mapping[str, Sequence[str]], folder: str = "data/fold_lists") -> None:
    """Write fold lists by split (`train_1`, or `test`), as lines; without an end of the last line."""
    for split, lines in lists.items():
        path = root / folder / f"{name}_list_{split}_fps.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))


def write_video(
    root: Path,
    name: str,
    video: str,
    maps: Mapping[int, Sequence[tuple[int, int]]],
    *,
    frames: int = 0,
    variable: str = "eyeMap",
) -> Path:
    """Write fixation maps by number as lists of (row, column), what lies beside them, and images."""
    folder = root / "data" / "annotations" / name / video
    (folder / "maps").mkdir(parents=True)
    for number, pixels in maps.items():
        values = np.zeros(SIZE, np.uint8)
        for row, column in pixels:
            values[row, column] = 1
        savemat(folder / f"fixMap_{number:05d}.mat", {variable: values})
        Image.fromarray(values * 200).save(folder / "maps" / f"eyeMap_{number:05d}.jpg")
    savemat(folder / "eye_tracks.mat", {"eye_tracks": np.zeros((2, 2))})
    images = root / "data" / "video_frames" / name / video
    for number in range(1, frames + 1):
        images.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1], (90, 120, 60)).save(images / f"img_{number:05d}.jpg")
    return folder
