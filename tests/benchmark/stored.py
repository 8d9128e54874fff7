"""Predictors and folders for the tests of stored predictions."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vidsal.benchmark.predictor import Kind, ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release, load

SIZE = (64, 48)
FRAMES = 7


def gaze_only(folder: Path, *, videos: int = 3, val: int = 0) -> Path:
    """Generate and convert a small data set without frames."""
    generate(
        folder / "src",
        videos=videos,
        frames=FRAMES,
        width=SIZE[0],
        height=SIZE[1],
        observers=4,
        seed=2,
        val=val,
        write_video=False,
    )
    convert("synthetic", folder / "src", folder / "rel", workers=1)
    return folder / "rel"


def smooth(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A smooth positive map, maximum 1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    total = np.full(shape, 0.01)
    for _ in range(3):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        total += rng.uniform(0.3, 1) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * rng.uniform(4, 12) ** 2))
    return total / total.max()


def seed_of(stimulus: str, frame: int) -> int:
    return zlib.crc32(f"{stimulus} {frame}".encode())


class Maps:
    """Smooth maps of any kind and type, other ones for each frame."""

    def __init__(self, kind: Kind = "saliency", dtype: str = "float32", shape: tuple[int, int] = (48, 64), **info: Any):
        self.kind, self.dtype, self.shape = kind, dtype, shape
        self.skip: set[int] = set()
        self.info = ModelInfo(**{"name": f"maps-{kind}", "needs_frames": False, "output": kind, **info})

    def values(self, stimulus: str, frame: int) -> np.ndarray[Any, Any]:
        values = smooth(seed_of(stimulus, frame), self.shape)
        if self.kind != "saliency":
            values = values / values.sum()
        if self.kind == "log_density":
            values = np.log(values)
            values[0, 0] = -np.inf
        elif self.dtype == "uint8":
            values = np.rint(200 * values)
        return values.astype(self.dtype)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in range(stimulus.n_frames):
            if frame not in self.skip:
                yield Prediction(frame, self.values(stimulus.id, frame), self.kind)


def write_classic(root: Path, data: Release, *, first: int = 1, digits: int = 4) -> Path:
    """Write 8-bit maps as `method/video/0001.png`."""
    from PIL import Image

    for stimulus in data:
        folder = root / stimulus.id
        folder.mkdir(parents=True)
        for frame in range(stimulus.n_frames):
            Image.fromarray(levels(stimulus.id, frame)).save(folder / f"{frame + first:0{digits}d}.png")
    return root


def levels(stimulus: str, frame: int, top: int = 255) -> np.ndarray[Any, Any]:
    return np.rint(top * smooth(seed_of(stimulus, frame))).astype(np.uint8 if top == 255 else np.uint16)


class Levels:
    """What `write_classic` stores, as a model."""

    info = ModelInfo(name="levels", needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in range(stimulus.n_frames):
            yield Prediction(frame, levels(stimulus.id, frame))


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    pixels: np.ndarray[Any, Any],
    filters: list[int] | None = None,
    *,
    size: tuple[int, int] | None = None,
    parts: int = 1,
) -> bytes:
    """Write a grey PNG by the specification, row r with filters[r]; `size` (width, height) lies about it."""
    bits = pixels.dtype.itemsize * 8
    height, width = pixels.shape
    rows = pixels.astype(f">u{bits // 8}").view(np.uint8).reshape(height, -1).astype(int)
    step = bits // 8
    raw = b""
    for r in range(height):
        kind = 0 if filters is None else filters[r]
        up = rows[r - 1] if r else np.zeros_like(rows[0])
        coded = []
        for i, value in enumerate(rows[r]):
            a, b = (rows[r][i - step] if i >= step else 0), up[i]
            c = up[i - step] if i >= step else 0
            p = a + b - c
            paeth = min((abs(p - v), order, v) for order, v in enumerate((a, b, c)))[2]
            coded.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
        raw += bytes([kind, *coded])
    w, h = size or (width, height)
    packed = zlib.compress(raw)
    cuts = np.linspace(0, len(packed), parts + 1).astype(int)
    data = b"".join(chunk(b"IDAT", packed[a:b]) for a, b in zip(cuts[:-1], cuts[1:], strict=True))
    header = struct.pack(">IIBBBBB", w, h, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def opened(root: Path, split: str | None = None) -> Release:
    return load(root, split)
