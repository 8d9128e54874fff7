"""Draw the pictures of look_at_predictions.md from a synthetic release, whose frames anybody may copy.

python docs/figures/looking.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from PIL import Image

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.cli.app import app
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.records import Frame

OUT = Path(__file__).resolve().parents[1] / "images"


class MovingMiddle:
    """Predicts one gaze point: the middle of what changed since the frame before, followed slowly."""

    info = ModelInfo(name="moving_middle", output="point")

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the point of each frame."""
        at, before = np.array([stimulus.width, stimulus.height]) / 2, None
        rows, columns = np.mgrid[: stimulus.height, : stimulus.width] + 0.5
        for frame in frames:
            gray = frame.rgb.mean(axis=2)
            changed = np.zeros_like(gray) if before is None else (gray - before) ** 2
            before = gray
            if changed.sum() > 0:
                middle = np.array([(columns * changed).sum(), (rows * changed).sum()]) / changed.sum()
                at = at + 0.3 * (middle - at)
            yield Prediction.point(frame.index, *at.tolist())


@click.command()
def main() -> None:
    """Write docs/images/looking.png and docs/images/gaze_changes.png."""
    own = f"{Path(__file__).resolve()}:{MovingMiddle.__name__}"
    with TemporaryDirectory(prefix="vidsal-") as name:
        source, release = Path(name) / "source", str(Path(name) / "release")
        generate(source, videos=4, frames=90, width=320, height=180, observers=10, seed=2, val=0)
        convert("synthetic", source, Path(release), workers=1)
        sheet = ["motion_energy", "center_prior", own, "--stimulus", "scene_002", "--sheet-frames", "2", "--scores"]
        for file, words in (("looking.png", [*sheet, "--no-samples"]), ("gaze_changes.png", [own, "--gaze-changes"])):
            path = OUT / file
            app.main(["view", *words, "--data", release, "-o", str(path), "-q"], standalone_mode=False)
            with Image.open(path) as drawn:
                kept = drawn.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
            kept.save(path, optimize=True)
            click.echo(f"{path} ({path.stat().st_size / 1000:.0f} kB)")
    for name in ("looking.csv", "gaze_changes.csv"):
        (OUT / name).unlink()


if __name__ == "__main__":
    main()
