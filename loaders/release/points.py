"""The points of a stimulus: which rows of the fixations table count, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..records import FORCED_START, POINT_EVENTS, Float32Array, Float64Array, Int32Array, Int64Array
from ..schema import flagged

POINT_COLUMNS = ("event", "in_bounds", "flags", "x_px", "y_px", "frame", "frame_end", "weight", "order", "observer_id")
"""The columns of the fixations table that `points_of` takes."""


@dataclass(frozen=True)
class Points:
    """The points of one stimulus: in-bounds rows of event fixation, pursuit, point or mouse, without forced starts.

    Arrays of length n, in the order of the release: x, y (pixels), first and last frame (inclusive), weight, order,
    and the observer's index into `observers` (-1 = pooled).
    """

    x: Float32Array
    y: Float32Array
    frame: Int32Array
    frame_end: Int32Array
    weight: Float64Array
    order: Int64Array
    observer: Int32Array
    observers: tuple[str, ...]

    def at(self, frame: int) -> npt.NDArray[np.intp]:
        """Indices of the points that cover a frame."""
        return np.flatnonzero((self.frame <= frame) & (self.frame_end >= frame))


def points_of(table: pa.Table) -> Points:
    """Return the points among rows of the fixations table of one stimulus."""
    event = table["event"].cast(pa.string())
    keep = pc.and_(table["in_bounds"], pc.is_in(event, pa.array(POINT_EVENTS)))
    table = table.filter(keep)
    forced = flagged(table["flags"], FORCED_START)
    if forced.any():
        table = table.filter(pa.array(~forced))
    frame = table["frame"].to_numpy()
    observer = table["observer_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    return Points(
        x=table["x_px"].to_numpy(),
        y=table["y_px"].to_numpy(),
        frame=frame,
        frame_end=pc.coalesce(table["frame_end"], table["frame"]).to_numpy(),
        weight=table["weight"].to_numpy().astype(np.float64),
        order=pc.fill_null(table["order"], -1).to_numpy().astype(np.int64),
        observer=pc.fill_null(observer.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32),
        observers=tuple(observer.dictionary.to_pylist()),
    )
