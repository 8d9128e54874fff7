"""From a prediction to the numbers in a file, and back.

The scores of a stored prediction are those of the prediction itself: to the bit with `npz`, else to the rounding of the
numbers. Logarithms are stored below the maximum of their frame, saliency on the scale of its maximum: neither moves a
score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np

from vidsal.loaders.errors import UnknownName

from ..metrics.maps import Map
from ..predictor import Kind
from ..scoring.inputs import as_map, check_is_density, value_range
from .parts import Encoding, PredictionPart

Files = Literal["npz", "npz16", "png8", "png16"]

FILES: dict[str, str] = {
    "npz": "the numbers as the model gives them",
    "npz16": "float16; densities as logarithms",
    "png8": "256 levels; densities as logarithms, 0.1 nat a level, at least 25.4 below the maximum counts as that; a "
    "model's own 8-bit maps unchanged",
    "png16": "65,536 levels; densities as logarithms, 0.001 nat a level, to 65.5 below the maximum",
}
"""What `vidsal predict --encoding` offers."""

_NATS = {"png8": (0.1, -25.5, 255), "png16": (0.001, -65.535, 65535)}


def files(name: str) -> Files:
    """Return the name of an encoding.

    Raises:
        UnknownName: there is no encoding of this name.
    """
    if name not in FILES:
        raise UnknownName("encoding", name, FILES)
    return cast("Files", name)


def stored_kind(kind: Kind, name: Files) -> Kind:
    """Return the kind that is stored: densities become their logarithms in everything but `npz`."""
    return "log_density" if kind == "density" and name != "npz" else kind


def encoding(kind: Kind, name: Files) -> Encoding:
    """Return how predictions of a stored kind are encoded."""
    if kind == "log_density" and name in _NATS:
        scale, offset, _ = _NATS[name]
        return Encoding(files=name, scale=scale, offset=offset, zero=True)
    return Encoding(files=name)


def encode(values: Any, kind: Kind, name: Files, where: str) -> Map:
    """Turn a prediction into the numbers that are stored.

    Args:
        values: (h, w), numpy or torch.
        kind: of the prediction.
        name: of the encoding.
        where: model, stimulus and frame, named in errors.

    Returns:
        uint8 or uint16 for PNG files, a float type or uint8 for npz, shape (h, w).

    Raises:
        NonFinite: a value is NaN or +inf, or -inf outside a log density; BadData: a density that does not sum to 1.
        WrongUse: the prediction is not a map of numbers.
    """
    array = as_map(values, where)
    low, high = value_range(array, where, log=kind == "log_density")
    if kind == "density":
        check_is_density(array, low, where)
    if name == "npz":
        return array
    if kind == "saliency":
        return _saliency(array, low, high, name)
    logs = array.astype(np.float64)
    if kind == "density":
        with np.errstate(divide="ignore"):
            logs = np.log(logs)
    logs -= logs.max()
    if name == "npz16":
        return logs.astype(np.float16)
    scale, offset, top = _NATS[name]
    levels = np.maximum(np.rint((np.maximum(logs, offset) - offset) / scale), 1)
    levels[logs == -np.inf] = 0  # probability 0 keeps a level of its own
    return np.minimum(levels, top).astype(np.uint8 if top == 255 else np.uint16)


def _saliency(array: Map, low: float, high: float, name: Files) -> Map:
    """Scale by the maximum; what is negative is lifted first, as SIM and KLD do."""
    if array.dtype == np.uint8:
        return array.astype(np.uint16) * np.uint16(257) if name == "png16" else array
    values = array.astype(np.float64)
    if name == "npz16":
        largest = max(abs(low), abs(high))
        return (values / largest if largest else values).astype(np.float16)
    top, kind = (255, np.uint8) if name == "png8" else (65535, np.uint16)
    floor = min(low, 0.0)
    span = high / 2 - floor / 2  # halves: the span itself may overflow
    if span == 0:
        return np.zeros(values.shape, kind)
    levels: Map = np.rint((values / 2 - floor / 2) / span * top).astype(kind)
    return levels


def decoder(prediction: PredictionPart) -> Callable[[Map], tuple[Map, Kind]]:
    """Return the function that turns stored numbers into the values and the kind of a prediction."""
    said = prediction.encoding
    kind = prediction.kind
    assert kind != "point"
    plain = said.scale == 1 and said.offset == 0 and not said.zero
    # A scale alone moves no score of a saliency map: its levels are taken as they are.
    raw = said.transform == "linear" and (plain or (kind == "saliency" and said.offset == 0))
    tables: dict[int, Map] = {}

    @np.errstate(over="ignore")  # an infinity is found among the values, and named with its frame
    def values(numbers: Map) -> Map:
        if raw:
            return numbers.astype(np.float32) if numbers.dtype == np.uint16 else numbers
        if numbers.dtype.kind != "u":
            return numbers if plain else numbers.astype(np.float64) * said.scale + said.offset
        size = 1 << 8 * numbers.dtype.itemsize
        if size not in tables:
            tables[size] = np.arange(size) * said.scale + said.offset
            if said.zero:
                tables[size][0] = -np.inf
        return tables[size][numbers]

    def decode(numbers: Map) -> tuple[Map, Kind]:
        found = values(numbers)
        if said.transform == "linear":
            return found, kind
        if kind == "density":
            return found, "log_density"
        return np.exp(found.astype(np.float64) - float(found.max())), kind

    return decode
