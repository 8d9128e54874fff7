"""Write the source tree of a synthetic data set: video files, and a text of gaze for each observer and video.

synthetic.json                    the arguments it was made with
train/video/scene_001.avi         FFV1, lossless: what is decoded is what was drawn
train/gaze/scene_001/O01.txt      comment lines with the geometry, then `t_us x_px y_px confidence label`
val/...
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...errors import WrongUse
from ...io.files import atomic_write
from ...io.progress import Progress, silent
from ...records import UInt8Image
from .observers import LABELS, PX_PER_DEGREE, RATE_HZ, SimulatedSamples, Traits, invent, watch
from .scene import Scene, compose, film

MAGIC = "# vidsal synthetic gaze 1"
RECIPE = "synthetic.json"
RECIPE_VERSION = 1  # raised when the same arguments give other pixels or other gaze
DISTANCE_MM = 600.0
PITCH_MM = DISTANCE_MM * float(np.tan(np.pi / 180)) / PX_PER_DEGREE

_SCENE, _TRAITS, _WATCH = range(3)  # the independent streams of random numbers


def generate(
    out: Path | str,
    *,
    videos: int = 6,
    frames: int = 90,
    width: int = 160,
    height: int = 96,
    observers: int = 10,
    seed: int = 0,
    fps: int | Fraction = 30,
    val: int | None = None,
    write_video: bool = True,
    progress: Progress = silent,
) -> None:
    """Write a synthetic data set below `out`, frame by frame.

    The same arguments give the same pixels and the same bytes of gaze. Video k and observer j do not depend on how
    many others there are. Files that are already there are kept, so a killed call continues, and a second one
    returns at once.

    Args:
        out: folder; created; empty, or begun by the same call.
        videos, frames: how many videos, and frames in each.
        width, height: pixels, at least 16.
        observers: how many watch each video.
        seed: 0 or more.
        fps: frames a second.
        val: how many videos, the last ones, form the split `val`; a third of them by default. The others are `train`.
        write_video: False writes the gaze only (a large tree in little time).
        progress: called after each video.

    Raises:
        WrongUse: a number is out of range, or `out` holds something else.
    """
    out = Path(out)
    fps = Fraction(fps)
    val = videos // 3 if val is None else val
    _check(videos=videos, frames=frames, width=width, height=height, observers=observers, seed=seed, val=val)
    if not 1 <= fps <= 1000:
        raise WrongUse(f"fps is {fps}; expected 1 to 1000 frames a second")
    recipe = {
        "recipe": RECIPE_VERSION,
        "videos": videos,
        "frames": frames,
        "width": width,
        "height": height,
        "observers": observers,
        "seed": seed,
        "fps": str(fps),
        "val": val,
        "licence": "CC0-1.0",
    }
    _claim(out, recipe)
    for number in range(1, videos + 1):
        split = "train" if number <= videos - val else "val"
        name = f"scene_{number:0{max(3, len(str(videos)))}d}"
        scene = compose(_stream(seed, _SCENE, number), width=width, height=height, n_frames=frames, fps=fps)
        if write_video:
            file = out / split / "video" / f"{name}.avi"
            if not file.exists():
                _write_video(file, scene, film(scene))
        for observer in range(1, observers + 1):
            file = out / split / "gaze" / name / f"O{observer:0{max(2, len(str(observers)))}d}.txt"
            if not file.exists():
                traits: Traits = invent(_stream(seed, _TRAITS, observer))
                samples = watch(scene, traits, _stream(seed, _WATCH, number, observer))
                _write_text(file, gaze_text(scene, samples))
        progress(number, videos, name)


def _stream(seed: int, *path: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *path])))


def _check(*, videos: int, frames: int, width: int, height: int, observers: int, seed: int, val: int) -> None:
    least = {"videos": 1, "frames": 1, "width": 16, "height": 16, "observers": 0, "seed": 0, "val": 0}
    for name, value in locals().copy().items():
        if name in least and value < least[name]:
            raise WrongUse(f"{name} is {value}; a synthetic data set needs at least {least[name]}")
    if val > videos:
        raise WrongUse(f"val is {val}, more than the {videos} videos")


def _claim(out: Path, recipe: dict[str, object]) -> None:
    """Make the folder ours, or find that it is. Hidden files are none: a call that was killed may leave one."""
    file = out / RECIPE
    text = json.dumps(recipe, indent=1) + "\n"
    if file.exists():
        if file.read_text(encoding="utf-8") != text:
            raise WrongUse(f"{out} holds a synthetic data set made with other arguments; name another folder")
        return
    if out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise WrongUse(f"{out} is not empty and holds no synthetic data set; name an empty folder or a new one")
    _write_text(file, text)


def gaze_text(scene: Scene, samples: SimulatedSamples) -> str:
    """Return a recording as the text of its file."""
    head = [
        MAGIC,
        f"# stimulus_px {scene.width} {scene.height}",
        f"# screen_mm {scene.width * PITCH_MM:.2f} {scene.height * PITCH_MM:.2f}",
        f"# distance_mm {DISTANCE_MM:.0f}",
        f"# frames {scene.n_frames} fps {scene.fps}",
        f"# rate_hz {RATE_HZ}",
        "# t_us x_px y_px confidence label",
    ]
    columns = (samples.t_us, samples.x, samples.y, samples.confidence, samples.label)
    rows = (
        f"{t} {x:.2f} {y:.2f} {confidence:.2f} {LABELS[label]}"
        for t, x, y, confidence, label in zip(*(column.tolist() for column in columns), strict=True)
    )
    return "\n".join((*head, *rows, ""))


def _write_text(file: Path, text: str) -> None:
    with atomic_write(file) as temporary:
        temporary.write_bytes(text.encode())


def _write_video(file: Path, scene: Scene, frames: Iterable[UInt8Image]) -> None:
    import av

    with (
        atomic_write(file) as temporary,
        av.open(str(temporary), "w", format="avi", options={"fflags": "+bitexact"}) as container,
    ):
        stream = container.add_stream("ffv1", rate=scene.fps, options={"level": "3", "slices": "4"})
        stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, "bgr0"
        stream.codec_context.thread_count = 1
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="bgr0", threads=1)
            frame.pts, frame.time_base = number, 1 / scene.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
