"""Small trees in the layout of the MSU saliency challenges, built by code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

SIZE = (48, 64)
"""Rows and columns."""


def write_h264(
    path: Path, maps: npt.NDArray[Any], *, deep: bool = False, crf: int = 0, pix_fmt: str = "", full: bool = False
) -> Path:
    """Write gray maps of 0..1, shape (n, h, w), as an H.264 video of 8 or 10 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "ultrafast"})
        stream.height, stream.width = maps.shape[1:]
        stream.pix_fmt = pix_fmt or ("yuv420p10le" if deep else "yuv420p")
        stream.time_base = Fraction(1, 30)
        if full:
            stream.codec_context.color_range = 2
        for index, values in enumerate(maps):
            gray = np.rint(values * 65535).astype(np.uint16) if deep else np.rint(values * 255).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(gray, format="gray16le" if deep else "gray")
            picture.pts, picture.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def blobs(n: int, seed: int, size: tuple[int, int] = SIZE) -> npt.NDArray[np.float64]:
    """Return smooth maps of 0..1, one blob a frame that wanders: float64, shape (n, rows, columns)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    at = random.uniform(0.2, 0.8, (n, 2)) * size
    maps = np.exp(-((y - at[:, 0, None, None]) ** 2 + (x - at[:, 1, None, None]) ** 2) / (2 * (size[0] / 6) ** 2))
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return np.asarray((maps - low) / (high - low))


def pixels(maps: npt.NDArray[np.float64], seed: int, most: int = 12) -> list[list[list[int]]]:
    """Return points of each frame as [row, column], drawn from the maps, some of them twice."""
    random = np.random.default_rng(seed)
    found = []
    for values in maps:
        flat = random.choice(values.size, int(random.integers(3, most)), p=values.ravel() / values.sum())
        points = [[int(p) for p in divmod(int(at), values.shape[1])] for at in flat]
        found.append([*points, points[0]])
    return found


def write_set(
    root: Path,
    splits: dict[str, Sequence[str]],
    *,
    frames: int = 4,
    suffix: str = ".mp4",
    size: tuple[int, int] = SIZE,
) -> dict[str, list[list[list[int]]]]:
    """Write AViMoS or the set of NTIRE 2026 as distributed; return the points of each video."""
    points = {}
    (root / "TrainTestSplit.json").parent.mkdir(parents=True, exist_ok=True)
    listed = {split: [f"{name}{suffix}" for name in names] for split, names in splits.items()}
    (root / "TrainTestSplit.json").write_text(json.dumps(listed, indent=2))
    for seed, (split, name) in enumerate((split, name) for split, names in splits.items() for name in names):
        part = "Train" if split == "train" else "Test"
        maps = blobs(frames, seed, size)
        points[name] = pixels(maps, seed)
        write_h264(root / "Videos" / f"{name}.mp4", maps[::-1])
        write_h264(root / f"Saliency{part}" / part / f"{name}.mp4", maps, deep=True)
        write_json(root / f"Fixations{part}" / part / name / "fixations.json", points[name])
        (root / f"Fixations{part}" / part / name / "fixations").mkdir()
    return points


def write_json(path: Path, content: object) -> None:
    """Write JSON, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_crowdsal(root: Path, frames: int = 3) -> None:
    """Write two videos of CrowdSAL, one of each part."""
    for part, name in (("Train", "0001"), ("Test", "3001")):
        maps = blobs(frames, int(name))
        write_h264(root / part / "Videos" / f"{name}.mp4", maps)
        write_h264(root / part / "Saliency" / f"{name}.mp4", maps, deep=True)
        write_json(root / part / "Fixations" / f"{name}.json", pixels(maps, 1))
        (root / part / "metadata.jsonl").write_text("{}\n")
