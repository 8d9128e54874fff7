"""Small source trees in the documented layout, built by code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

HEADER = "Time\tType\tTrial\tL Dia X [px]\tL Dia Y [px]\tL POR X [px]\tL POR Y [px]\tL Event Info"


def smi_text(rows: Sequence[tuple[int, float, float, str]], start: int = 84_042_779_051) -> str:
    """SMI export: rows of (microseconds from the first sample, screen x, screen y, event)."""
    lines = [f"{start + t}\tSMP\t1\t16.38\t16.38\t{x:.2f}\t{y:.2f}\t{event}" for t, x, y, event in rows]
    return "\n".join([HEADER, *lines]) + "\n"


def write_video(path: Path, frames: np.ndarray, fps: int = 30, codec: str = "ffv1") -> None:
    """Write uint8 frames (n, h, w, 3) as a video."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        for rgb in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def noise_video(n: int, height: int = 36, width: int = 64, seed: int = 0) -> np.ndarray:
    """Return random frames, uint8 (n, height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3)).astype(np.uint8)


def dhf1k_raw(
    root: Path, *, video: str = "002", observers: int = 3, frames: int = 10, with_video: bool = False
) -> Path:
    """Raw gaze of a few observers: six samples a frame, all fixations near the middle of the screen."""
    random = np.random.default_rng(int(video))
    for number in range(1, observers + 1):
        rows = []
        for t in range(0, frames * 1_000_000 // 30, 4000):
            x, y = 720 + random.normal(0, 60), 450 + random.normal(0, 60)
            rows.append((t + 13, x, y, "Saccade" if t % 40_000 == 0 else "Fixation"))
        rows[0] = (0, *rows[0][1:])
        file = root / "exportdata_train" / f"P{number:02d}" / f"P{number:02d}_Trail{int(video):03d}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(smi_text(rows))
    if with_video:
        write_video(root / "video" / f"{video}.avi", noise_video(frames, 360, 640), codec="mpeg4")
    return root


def write_map(path: Path, pixels: Sequence[tuple[int, int]], shape: tuple[int, int] = (360, 640)) -> None:
    """Write a binary fixation map as an 8-bit PNG; pixels are (row, column)."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(shape, np.uint8)
    for row, column in pixels:
        values[row, column] = 255
    Image.fromarray(values).save(path)


def repeat(file: Path, numbers: Iterable[int]) -> None:
    """Write a numbered file's bytes under further numbers: encoding each image again would take longer than the test."""
    data = file.read_bytes()
    for number in numbers:
        (file.parent / f"{number:04d}{file.suffix}").write_bytes(data)


def write_timed_video(
    path: Path,
    frames: np.ndarray,
    times: Sequence[int],
    fps: int = 25,
    codec: str = "ffv1",
    rotation: int = 0,
    stated: int | None = None,
) -> None:
    """Write uint8 frames (n, h, w, 3), each at its number of ticks of 1 / fps; in an AVI a gap becomes null chunks.

    `stated` is the rate that the header says, where it is another than that of the ticks.
    """
    from fractions import Fraction

    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=stated or fps)
        stream.codec_context.time_base = Fraction(1, fps)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = {"ffv1": "bgr0", "png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        if rotation:
            stream.set_display_rotation(rotation)
        for rgb, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
