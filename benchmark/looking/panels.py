"""Panels side by side: the frame, the observers' gaze over its density, and what each model says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vidsal.loaders.inspect.drawing import Picture
from vidsal.loaders.inspect.marks import HALO, Draw
from vidsal.loaders.inspect.view import Painter
from vidsal.loaders.records import UInt8Image
from vidsal.loaders.release.release import Release, Stimulus

from .tracks import Track

MARK_SCALE = 0.7
"""Size of the observers' marks, so that what lies under them is seen."""
TRAIL_S = 0.5
"""Seconds of the trail behind a predicted point."""
COLORS = ((0, 158, 115), (204, 121, 167), (0, 114, 178), (240, 228, 66), (213, 94, 0))
"""Of models of points, one after the other: Okabe and Ito's, none of them that of a fixation."""


class Panels:
    """Draws the panels of one stimulus, all of one size.

    Args:
        release, stimulus: what is shown.
        truth: densities of the observers; its marks are drawn on every panel but that of the bare frame.
        tracks: one a model.
        width: of a panel.
        bare: a first panel with the frame alone.
        samples: draw the samples of gaze.parquet too.

    Attributes:
        size: width and height of a panel.
        headings: one a panel.
        title: what is shown, and what the square of a predicted gaze is where there is one.
    """

    def __init__(
        self,
        release: Release,
        stimulus: Stimulus,
        truth: Track,
        tracks: Sequence[Track],
        width: int,
        *,
        bare: bool,
        samples: bool = True,
    ) -> None:
        self.stimulus, self.tracks = stimulus, tuple(tracks)
        self.painter = Painter(release, stimulus, width, False, None, samples, mark_scale=MARK_SCALE)
        self.size = self.painter.size
        self.headings = [*(["frame"] if bare else []), truth.name, *(track.name for track in tracks)]
        points = any(track.path is not None for track in tracks)
        self.title = self.painter.title + (
            f"; square: predicted gaze, its last {TRAIL_S:g} s behind it" if points else ""
        )
        self._bare, self._truth = bare, truth
        self._highs = [track.high for track in (truth, *tracks)]
        self._trail = max(1, round(TRAIL_S * float(stimulus.fps or 1)))

    def draw(self, index: int, rgb: UInt8Image | None) -> list[Picture]:
        """Return the panels of a frame, as PIL images of `size`."""
        from PIL import Image, ImageDraw

        made = []
        if self._bare:
            ground = np.full((self.size[1], self.size[0], 3), 128, np.uint8) if rgb is None else rgb
            made.append(Image.fromarray(ground).resize(self.size, Image.Resampling.BILINEAR))
        points = 0
        for track, high in zip((self._truth, *self.tracks), self._highs, strict=True):
            picture = self.painter.frame(index, rgb, layer=track.layer(index), high=high)
            if track.path is not None:
                self._draw_path(ImageDraw.Draw(picture), track.path, index, COLORS[points % len(COLORS)])
                points += 1
            made.append(picture)
        return made

    def notes(self, index: int) -> list[str]:
        """Return a line a panel: what the frame is, its scores, or that there is no prediction."""
        first = self.painter.caption(index)
        lines = [*([first, ""] if self._bare else [first])]
        for track in self.tracks:
            scores = ", ".join(f"{label} {value:.2f}" for label, value in track.scores.get(index, {}).items())
            lines.append(scores if track.says(index) else "no prediction")
        return lines

    def _draw_path(self, draw: Draw, path: npt.NDArray[np.float64], index: int, color: tuple[int, int, int]) -> None:
        """Draw where the gaze is, and the way it came: thinner the longer ago."""
        scale = np.array(self.size) / (self.stimulus.width, self.stimulus.height)
        way = path[max(0, index - self._trail) : index + 1] * scale
        for age, (a, b) in enumerate(zip(way[-2::-1], way[:0:-1], strict=True)):
            if not np.isnan([a, b]).any():
                width = max(1, round(5 * (1 - age / self._trail)))
                draw.line([*a, *b], fill=HALO, width=width + 2)
                draw.line([*a, *b], fill=color, width=width)
        if not np.isnan(way[-1]).any():
            (x, y), r = way[-1], max(6.0, min(self.size) / 28)
            draw.rectangle((x - r - 2, y - r - 2, x + r + 2, y + r + 2), fill=HALO)
            draw.rectangle((x - r, y - r, x + r, y + r), fill=color)
