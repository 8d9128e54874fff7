"""Maps over their frames: a video or a picture to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.io.files import atomic_write
from vidsal.loaders.io.progress import Meter, Progress
from vidsal.loaders.records import Float32Array, UInt8Image

from ..geometry import on_frame
from ..metrics.maps import Map
from ..predictor import Prediction, StimulusInfo
from ..scoring.resize import bilinear_half_pixel
from ..submissions.encoding import decoder
from ..submissions.stimulus_writer import Plan
from .base import Footage
from .records import Record

_STRENGTH = 0.75
"""How much of the picture the highest value of a map hides; nothing is tinted where the map is lowest."""
_RAMP = np.array([(20, 11, 80), (120, 28, 109), (207, 68, 70), (247, 141, 17), (252, 255, 164)], np.float32)
"""Colors from low to high: they differ in lightness alone, too."""
_FPS = 25  # of frames that have no rate


def check_place(place: Path, footage: Sequence[Footage], plan: Plan, for_server: str | None) -> None:
    """Refuse an overlay that cannot be made, before the work.

    Raises:
        WrongUse: one file for several inputs, a name that fits none, or maps that are no pictures.
    """
    if for_server or plan.files not in ("png8", "png16"):
        raise WrongUse("--overlay shows maps that are stored as PNG; leave --for and --encoding npz out")
    suffix = place.suffix.lower()
    if not suffix:
        if place.exists() and not place.is_dir():
            raise WrongUse(f"{place}: a file has this name; name another folder for the overlays")
        return
    if len(footage) != 1:
        raise WrongUse(f"--overlay {place}: one file for {len(footage)} inputs; name a folder, without a suffix")
    wanted = _suffix(footage[0])
    if suffix != wanted:
        raise WrongUse(f"--overlay {place}: overlays of {footage[0].kind}s are written as {wanted}")
    if place.is_dir():
        raise WrongUse(f"--overlay {place}: a folder has this name")
    if footage[0].path is not None and place.exists() and place.samefile(footage[0].path):
        raise WrongUse(f"--overlay {place}: that is the input itself; name another file")


def write_overlays(
    place: Path, footage: Sequence[Footage], records: Sequence[Record], out: Path, progress: Progress | None
) -> None:
    """Write the overlay of each input."""
    total = sum(f.n_frames for f in footage)
    done = 0
    for shown, record in zip(footage, records, strict=True):
        path = place if place.suffix else place / f"{shown.id}{_suffix(shown)}"
        pictures = _pictures(shown, record, out)
        write = _write_picture if shown.kind == "image" else _write_video
        with atomic_write(path) as temporary:
            for _ in write(temporary, pictures, shown):
                done += 1
                if isinstance(progress, Meter):
                    progress.frames(done, total, f"overlay of {shown.id}")


def _suffix(shown: Footage) -> str:
    return ".png" if shown.kind == "image" else ".mp4"


def _pictures(shown: Footage, record: Record, out: Path) -> Iterator[UInt8Image]:
    """Yield each frame under its map; one without a map as it is."""
    from PIL import Image

    decode = decoder(record.prediction)
    info = StimulusInfo(shown.id, shown.width, shown.height, None, shown.kind, shown.n_frames)
    for frame in shown.frames():
        name = f"{shown.id}/{frame.index:06d}.png"
        if name not in record.files:
            yield frame.rgb
            continue
        with Image.open(out / name) as image:
            values, kind = decode(np.asarray(image))
        prediction = on_frame(Prediction(frame.index, values, kind), info, record.prediction.fit)
        yield blend(frame.rgb, heat(prediction.values, log=prediction.kind == "log_density"))


def heat(values: Map, *, log: bool) -> Float32Array:
    """Bring a map to 0..1: of a log density its exponential; lowest to 0, highest to 1, a constant one to 0.

    >>> heat(np.array([[2.0, 4.0, 3.0]]), log=False)
    array([[0. , 1. , 0.5]], dtype=float32)
    """
    numbers = values.astype(np.float32)
    if log:
        numbers = np.exp(numbers - numbers.max())
    low, high = float(numbers.min()), float(numbers.max())
    return (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)


def blend(rgb: UInt8Image, heat: Float32Array) -> UInt8Image:
    """Color a frame by a map of 0..1, resized to it.

    Args:
        rgb: (H, W, 3).
        heat: (h, w).

    Returns:
        uint8, (H, W, 3); where the map is 0, the frame as it is.
    """
    if heat.shape != rgb.shape[:2]:
        heat = bilinear_half_pixel(heat, rgb.shape[:2]).astype(np.float32)
    level = heat * (len(_RAMP) - 1)
    at = np.minimum(level.astype(np.intp), len(_RAMP) - 2)
    color = _RAMP[at] + (_RAMP[at + 1] - _RAMP[at]) * (level - at)[..., None]
    weight = (_STRENGTH * heat)[..., None]
    mixed: UInt8Image = np.rint(rgb * (1 - weight) + color * weight).astype(np.uint8)
    return mixed


def _write_picture(path: Path, pictures: Iterator[UInt8Image], shown: Footage) -> Iterator[None]:
    from PIL import Image

    for picture in pictures:
        Image.fromarray(picture).save(path, "PNG")
        yield


def _write_video(path: Path, pictures: Iterator[UInt8Image], shown: Footage) -> Iterator[None]:
    """Write H.264, which wants an even number of rows and columns: the last one is repeated."""
    import av

    codec = next((c for c in ("libx264", "mpeg4") if c in av.codecs_available), None)
    if codec is None:
        raise BadData("this build of PyAV can write no video; leave --overlay out")
    odd = ((0, shown.height % 2), (0, shown.width % 2), (0, 0))
    with av.open(os.fspath(path), "w", format="mp4") as container:
        stream: Any = container.add_stream(codec, rate=shown.fps or _FPS)
        stream.width, stream.height, stream.pix_fmt = shown.width + odd[1][1], shown.height + odd[0][1], "yuv420p"
        stream.options = {"crf": "18"} if codec == "libx264" else {"qscale": "3"}
        for picture in pictures:
            even = np.pad(picture, odd, "edge") if shown.height % 2 or shown.width % 2 else picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            yield
        container.mux(stream.encode(None))
