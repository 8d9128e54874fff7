"""EyeLink ASC files, read by pymovements, as tables."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import BadData
from ..io.extras import optional_packages
from .column_map import ScreenTable

_DISPLAY = re.compile(r"MSG\s+\d+\s+(?:DISPLAY|GAZE)_COORDS\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)")
_ONE_PIXEL = 1.0
"""Trackers are told the last pixel of the display, or by mistake the first one past it."""


def check_display(path: Path, screen: ScreenTable) -> None:
    """Compare the display that an ASC file tells with that of the map.

    Raises:
        BadData: they differ; the file's positions are pixels of its own display.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        found = next((match for line in lines if (match := _DISPLAY.match(line))), None)
    try:
        left, top, right, bottom = (float(number) for number in found.groups()) if found else (math.nan,) * 4
    except ValueError:
        return
    told = (right - left + 1, bottom - top + 1)
    if any(abs(a - (b or a)) > _ONE_PIXEL for a, b in zip(told, (screen.width_px, screen.height_px), strict=True)):
        raise BadData(
            f"{path}: recorded on a display of {told[0]:g} x {told[1]:g} pixels, [screen] of the map says "
            f"{screen.width_px} x {screen.height_px}; say width_px = {told[0]:g}, height_px = {told[1]:g}"
        )


def read_asc(path: Path, messages: Sequence[str]) -> pa.Table:
    """Read the samples of an ASC file.

    Args:
        path: the file.
        messages: regular expressions of the messages that tell a column, as `TRIALID (?P<stimulus>\\S+)`; what one says
            holds for the samples after it.

    Returns:
        `time` in milliseconds of the tracker, `x`, `y` in pixels of the screen (`x_right`, `y_right` for the second of
        two eyes), `pupil`, and what the messages tell.

    Raises:
        MissingExtra: pymovements is not installed.
        BadData: it cannot be read, or holds no sample of gaze.
    """
    with optional_packages():
        from pymovements.gaze import from_asc
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the file does not tell screen or mount is not asked here
            samples = from_asc(path, patterns=list(messages)).samples
    except Exception as error:  # the parser has no errors of its own
        raise BadData(f"{path}: not a readable EyeLink ASC file ({type(error).__name__}: {error})") from error
    if "pixel" not in samples.columns or not len(samples):
        raise BadData(f"{path}: no sample of gaze is in it; was it converted with samples, and as GAZE?")
    places = samples["pixel"].to_list()
    table = {name: pa.array(samples[name].to_list()) for name in samples.columns if name != "pixel"}
    wide = max((len(place) for place in places if place is not None), default=2)
    values = np.full((len(places), wide), np.nan)
    for row, place in enumerate(places):
        if place is not None:
            values[row] = [np.nan if v is None else v for v in place]
    names = ("x", "y", "x_right", "y_right")[:wide]
    return pa.table({**table, **{name: pa.array(values[:, i]) for i, name in enumerate(names)}})
