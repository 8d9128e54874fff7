"""Maps of test sets as the servers that keep their gaze take them: 8-bit, the frame's size, under the server's names.

DHF1K numbers videos with four digits and frames from 1, as its own annotation does; the MIT benchmark takes a JPEG of
each image's name, SALICON's challenge a PNG.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vidsal.loaders.errors import UnknownName, WrongUse

from ..geometry import on_frame
from ..metrics.maps import Map
from ..predictor import Fit, Kind, Prediction, StimulusInfo
from ..scoring.inputs import as_map, value_range
from ..scoring.quantize import prediction_to_uint8
from ..scoring.resize import bilinear_half_pixel
from .base import Footage


@dataclass(frozen=True)
class Server:
    """What a server takes.

    Attributes:
        kind: of its stimuli.
        stem: what a stimulus is named, and in words.
        folder: name of a stimulus's folder; None = one file each.
        file: name of a map, of the stimulus's name and its frame from 0.
        image: format of the file.
        test: whether a name belongs to the test set.
    """

    kind: Literal["video", "image"]
    stem: tuple[str, str]
    folder: Callable[[str], str] | None
    file: Callable[[str, int], str]
    image: Literal["PNG", "JPEG"]
    test: Callable[[str], bool]

    def place(self, stem: str) -> str:
        """Name of what holds a stimulus's maps: a folder or a file."""
        return self.folder(stem) if self.folder else self.file(stem, 0)


SERVERS = {
    "dhf1k": Server(
        "video",
        (r"0*([1-9]\d{0,2}|1000)", "a DHF1K number, as 701"),
        lambda stem: f"{int(stem):04d}",
        lambda _, frame: f"{frame + 1:04d}.png",
        "PNG",
        lambda stem: int(stem) > 700,
    ),
    "mit300": Server(
        "image",
        (r"i([1-9]\d?|[12]\d\d|300)", "i1 to i300"),
        None,
        lambda stem, _: f"{stem}.jpg",
        "JPEG",
        lambda _: True,
    ),
    "salicon": Server(
        "image",
        (r"COCO_(test|val|train)2014_\d{12}", "COCO_test2014_ and twelve digits"),
        None,
        lambda stem, _: f"{stem}.png",
        "PNG",
        lambda stem: stem.startswith("COCO_test2014_"),
    ),
}
"""What `vidsal predict --for` offers."""


def server(name: str) -> Server:
    """Return what a server takes.

    Raises:
        UnknownName: there is none of this name.
    """
    if name not in SERVERS:
        raise UnknownName("server", name, SERVERS)
    return SERVERS[name]


def check(name: str, footage: list[Footage]) -> list[str]:
    """Refuse what a server has no name for; return what does not belong to its test set.

    Raises:
        WrongUse: an input is of another kind, or not named as the data set names its stimuli.
    """
    asked = server(name)
    for each in footage:
        if each.kind != asked.kind:
            hint = "; --photos takes every image of a folder for itself" if asked.kind == "image" else ""
            raise WrongUse(f"{each.where}: {name} takes {asked.kind}s, this is a {each.kind}{hint}")
        if not re.fullmatch(asked.stem[0], each.id):
            raise WrongUse(f"{each.where}: {name} names its stimuli {asked.stem[1]}; {each.id!r} is none of them")
    return [each.id for each in footage if not asked.test(each.id)]


def server_map(
    prediction: Prediction,
    stimulus: StimulusInfo,
    fit: Fit | None,
    published: Callable[[Any, StimulusInfo], Any] | None,
) -> Map:
    """Return the 8-bit map of a frame, of the frame's size.

    Args:
        prediction: of a model.
        stimulus: what was shown.
        fit: how the map lies on the frame.
        published: makes the map that the model's authors would have written; None = the density or saliency (of a log
            density its exponential), resized with half-pixel bilinear interpolation, its range to 0 to 255.

    Returns:
        uint8, shape (height, width).
    """
    where = f"{stimulus.id}, frame {prediction.frame}"
    shape = (stimulus.height, stimulus.width)
    kind: Kind = prediction.kind
    if published:
        values = as_map(published(prediction.values, stimulus), where)
        if values.shape == shape:
            return values
        prediction, kind = Prediction(prediction.frame, values), "saliency"
    values = as_map(on_frame(prediction, stimulus, fit).values, where)
    value_range(values, where, log=kind == "log_density")
    if kind == "log_density":
        values = np.exp(values.astype(np.float64) - float(values.max()))
    if values.shape != shape:
        values = bilinear_half_pixel(values, shape)
    return prediction_to_uint8(values)
