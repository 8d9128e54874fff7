"""The shape of maps against the shape of frames: the one rule of `run`, `predict`, `score` and `model check`.

All maps of a stimulus have one size, any size, of the frame's aspect: a ratio of width to height that is off by more
than 2 % and by more than one pixel of the map is refused, because a transposed or squared map would be stretched and
scored without a word. A model whose maps have another aspect by its nature says how they lie on the frame:

- `stretch`: the frame was squeezed to the map's size, so the map covers the frame.
- `letterbox`: the frame, W x H, was scaled by s = min(w / W, h / H) to fit into the map, w x h, and centered; the rest
  of the map are bars. Its content is round(s W) x round(s H) pixels, halves up, with (w - round(s W)) // 2 columns
  before it, and rows likewise. What lies in the bars is cut off; a density is divided by what is left.
- `crop`: the frame was scaled by s = max(w / W, h / H) to cover the map, and what stood out was cut off on both sides
  alike. The map is put back into the middle of round(s W) x round(s H) pixels; what it does not cover has the map's
  lowest value, in a density probability 0.

What comes of it has the frame's aspect, and is resized to the frame as the protocol says. A map that has the frame's
aspect already is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vidsal.loaders.errors import BadData

from .predictor import Fit, Kind, Prediction, StimulusInfo

TOLERANCE = 0.02
"""How far the ratio of a map may be off that of the frame, as a part of it."""

Shape = tuple[int, int]
"""Height and width."""


def same_aspect(shape: Shape, frame: Shape) -> bool:
    """Whether a map has the frame's aspect, to 2 % or to one of its pixels.

    >>> same_aspect((192, 256), (360, 480)), same_aspect((8, 15), (360, 640)), same_aspect((640, 360), (360, 640))
    (True, True, False)
    """
    (h, w), (height, width) = shape, frame
    if 0 in shape:  # a map without pixels has none
        return False
    ratio = w * height / (h * width)
    pixels = min(abs(w - h * width / height), abs(h - w * height / width))
    return max(ratio, 1 / ratio) <= 1 + TOLERANCE or pixels <= 1


@dataclass
class ShapeRule:
    """The rule for the maps of one stimulus, asked map by map.

    Attributes:
        frame: height and width of the frames.
        fit: how maps of another aspect lie on the frame; None = there may be none.
        first: size and name of the first map.
    """

    frame: Shape
    fit: Fit | None
    first: tuple[Shape, str] | None = None

    def fault(self, shape: Shape, name: str) -> str | None:
        """Return what is wrong with a map of this height and width, if anything; one without pixels is not judged."""
        if 0 in shape:
            return None
        if self.first is None:
            self.first = shape, name
            return None if self.fit or same_aspect(shape, self.frame) else _other_aspect(shape, self.frame)
        known, first = self.first
        if shape != known:
            return f"maps of several sizes: {first} is {_text(known)}, {name} is {_text(shape)}; a stimulus has one"
        return None


def _text(shape: Shape) -> str:
    return f"{shape[1]} x {shape[0]}"


def _other_aspect(shape: Shape, frame: Shape) -> str:
    swapped = same_aspect(shape[::-1], frame)
    return (
        f"the maps are {_text(shape)} (width x height), the frames {_text(frame)}: another aspect"
        + (", that of a transposed map: store (height, width)" if swapped else "")
        + "; if the model squeezes, letterboxes or crops its frames, say so: --fit stretch, letterbox or crop, "
        "`prediction.fit` in submission.json, `ModelInfo.fit`"
    )


def on_frame(prediction: Prediction, stimulus: StimulusInfo, fit: Fit | None) -> Prediction:
    """Bring a letterboxed or cropped map to the aspect of the frame; anything else as it is.

    Args:
        prediction: numpy or torch.
        stimulus: whose frames.
        fit: declared by the model.

    Raises:
        BadData: a density has nothing inside the frame.
    """
    values = prediction.values
    if fit in (None, "stretch") or values is None:
        return prediction
    shape, frame = (int(values.shape[0]), int(values.shape[1])), (stimulus.height, stimulus.width)
    if same_aspect(shape, frame):
        return prediction
    if fit == "crop":
        return replace(prediction, values=_uncropped(values, prediction.kind, shape, frame))
    (top, height), (left, width) = _centered(frame, shape)
    values = values[top : top + height, left : left + width]
    if prediction.kind == "density":
        total = float(values.sum())
        if not total > 0:
            raise BadData(
                f"{stimulus.id}, frame {prediction.frame}: the density lies in the bars of the letterbox alone"
            )
        values = values / total
    return replace(prediction, values=values)


def _centered(inner: Shape, outer: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """Scale `inner` to fit into `outer`, centered; begin and length of rows, then of columns."""
    scale = min(outer[0] / inner[0], outer[1] / inner[1])
    lengths = [min(max(int(n * scale + 0.5), 1), whole) for n, whole in zip(inner, outer, strict=True)]
    rows, columns = [((whole - n) // 2, n) for n, whole in zip(lengths, outer, strict=True)]
    return rows, columns


def _uncropped(values: Any, kind: Kind, shape: Shape, frame: Shape) -> Any:
    """Put a map into the middle of one that covers the whole frame."""
    scale = max(shape[0] / frame[0], shape[1] / frame[1])
    whole = tuple(max(int(n * scale + 0.5), own) for n, own in zip(frame, shape, strict=True))
    lowest = {"density": 0.0, "log_density": -np.inf}.get(kind)
    fill = values.min() if lowest is None else lowest
    made = values.new_full(whole, fill) if hasattr(values, "new_full") else np.full(whole, fill, values.dtype)
    top, left = ((n - own) // 2 for n, own in zip(whole, shape, strict=True))
    made[top : top + shape[0], left : left + shape[1]] = values
    return made
