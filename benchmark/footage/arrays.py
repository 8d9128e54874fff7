"""Frames in memory: arrays, tensors, or an iterator over them, of any length, read as a video is."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from hashlib import sha256
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame, UInt8Image

from .base import Footage


def footage_of(frames: Iterable[Any], name: str, fps: Fraction | None) -> Footage:
    """Take frames in memory as a video.

    Args:
        frames: a sequence (a list, or an array or tensor whose first axis is time), or an iterator; of each frame an
            array or tensor (H, W, 3) or (3, H, W), uint8, or a float of 0 to 1; or a `Frame`. What an iterator yields
            is kept in a temporary file of H x W x 3 bytes a frame, because a model may ask how many there are.
        name: names the maps.
        fps: frames a second; None = unknown.

    Raises:
        BadData: a frame is none, they differ in size, or there is none. WrongUse: not frames at all.
    """
    if isinstance(frames, Sequence) or hasattr(frames, "__getitem__"):
        return _described(_Twice(frames), name, fps)
    if not isinstance(frames, Iterable):
        raise WrongUse(
            f"{type(frames).__name__}: not frames; give a path, a sequence of frames or an iterator over them"
        )
    return _described(_Spooled(frames), name, fps)


class _Twice:
    """A sequence, gone through as often as it is asked for."""

    def __init__(self, frames: Any) -> None:
        self._frames = frames

    def __call__(self) -> Iterator[UInt8Image]:
        return (_rgb(self._frames[number], number) for number in range(len(self._frames)))


class _Spooled:
    """An iterator, gone through once and kept on the disk."""

    def __init__(self, frames: Iterable[Any]) -> None:
        self._frames: Iterable[Any] | None = frames
        self._file: IO[bytes] = TemporaryFile(prefix="vidsal-frames-")  # noqa: SIM115  it lives as long as this object
        weakref.finalize(self, self._file.close)
        self._shapes: list[tuple[int, ...]] = []

    def __call__(self) -> Iterator[UInt8Image]:
        if self._frames is not None:
            frames, self._frames = self._frames, None
            for number, frame in enumerate(frames):
                rgb = _rgb(frame, number)
                self._file.write(np.ascontiguousarray(rgb).data)
                self._shapes.append(rgb.shape)
                yield rgb
            return
        self._file.seek(0)
        for shape in self._shapes:
            data = self._file.read(int(np.prod(shape)))
            yield np.frombuffer(data, np.uint8).reshape(shape)


def _described(again: _Twice | _Spooled, name: str, fps: Fraction | None) -> Footage:
    digest, count, size = sha256(), 0, (0, 0)
    for rgb in again():
        if count and rgb.shape[:2] != size:
            raise BadData(
                f"{name}: frame {count} is {rgb.shape[1]} x {rgb.shape[0]}, those before it {size[1]} x {size[0]}; "
                "a video has one size"
            )
        size = (rgb.shape[0], rgb.shape[1])
        digest.update(np.ascontiguousarray(rgb).data)
        count += 1
    if not count:
        raise BadData(f"{name}: not one frame")

    def frames() -> Iterator[Frame]:
        for index, rgb in enumerate(again()):
            yield Frame(index, float(index * 1000 / fps) if fps else 0.0, rgb)

    digest.update(f"{count} {size}".encode())
    return Footage(name, name, size[1], size[0], count, fps, "video", digest.hexdigest(), arrays=frames)


def _rgb(frame: Any, number: int) -> UInt8Image:
    """Return a frame as uint8, (H, W, 3)."""
    values = np.asarray(frame.rgb if isinstance(frame, Frame) else _on_host(frame))
    if values.ndim == 3 and values.shape[0] == 3 and values.shape[2] != 3:
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise BadData(f"frame {number} has shape {values.shape}; a frame is (H, W, 3) or (3, H, W), red, green, blue")
    if values.dtype == np.uint8:
        return values
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        rounded: UInt8Image = np.rint(values * 255).astype(np.uint8)
        return rounded
    raise BadData(f"frame {number} holds {values.dtype} from {low} to {high}; it is uint8, or floating point of 0 to 1")


def _on_host(frame: Any) -> Any:
    return frame.detach().cpu().numpy() if hasattr(frame, "detach") else frame
