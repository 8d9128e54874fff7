"""Panels side by side: the frame, the observers' gaze over its density, and what each model says of it.

On every panel but that of the bare frame lie the observers' marks, and lines around half and 90 % of their density. The
panel of a model of points has a large open square where the observers look on average, colored by what most of them
do there, and a small one for the prediction, with its trail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from vidsal.loaders.inspect.drawing import Picture
from vidsal.loaders.inspect.marks import HALO, MARKS, Draw
from vidsal.loaders.inspect.view import Painter, overlay
from vidsal.loaders.records import Float32Array, UInt8Image
from vidsal.loaders.release.release import Release, Stimulus

from .outlines import draw_outline, outline
from .tracks import Track

Scale = Literal["column", "frame"]
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
        scale: what the brightest color stands for: the highest value of a `column`, or of each `frame`.

    Attributes:
        size: width and height of a panel.
        headings: one a panel.
        title: what is shown, and what lines and squares mean.
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
        scale: Scale = "column",
    ) -> None:
        self.stimulus, self.tracks = stimulus, tuple(tracks)
        self.painter = Painter(release, stimulus, width, False, None, samples, mark_scale=MARK_SCALE)
        self.size = self.painter.size
        self.headings = [*(["frame"] if bare else []), truth.name, *(track.name for track in tracks)]
        points = any(track.path is not None for track in tracks)
        self.title = self.painter.title
        if truth.maps:
            self.title += "; lines: half and 90 % of the observers' density"
        if points:
            self.title += (
                "; open square: the observers' mean, in the color of what most do"
                f"; full square: predicted gaze, its last {TRAIL_S:g} s behind it"
            )
        self.title += "; each frame has its own scale of colors" if scale == "frame" else ""
        self._bare, self._truth = bare, truth
        self._highs = [track.high if scale == "column" else None for track in (truth, *tracks)]
        self._side = max(8.0, min(self.size) / 20)
        self._trail = max(1, round(TRAIL_S * float(stimulus.fps or 1)))

    def draw(self, index: int, rgb: UInt8Image | None) -> list[Picture]:
        """Return the panels of a frame, as PIL images of `size`."""
        from PIL import Image, ImageDraw

        made = []
        if self._bare:
            ground = np.full((self.size[1], self.size[0], 3), 128, np.uint8) if rgb is None else rgb
            made.append(Image.fromarray(ground).resize(self.size, Image.Resampling.BILINEAR))
        points, looked_at = 0, self._truth.layer(index)
        lines = None if looked_at is None else outline(looked_at)
        for track, high in zip((self._truth, *self.tracks), self._highs, strict=True):
            layer = track.layer(index)

            def paint(ground: UInt8Image, layer: Float32Array | None = layer, high: float | None = high) -> UInt8Image:
                laid = ground if layer is None else overlay(ground, layer, high)
                return laid if lines is None else draw_outline(laid, lines)

            picture = self.painter.frame(index, rgb, paint=paint)
            if track.path is not None:
                draw = ImageDraw.Draw(picture)
                self._draw_mean(draw, index)
                self._draw_path(draw, track.path, index, COLORS[points % len(COLORS)])
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

    def _draw_mean(self, draw: Draw, index: int) -> None:
        """Draw where the observers look on average, each counting once."""
        points = self.stimulus.gaze_points
        chosen = points.at(index)
        if not len(chosen):
            return
        _, who = np.unique(points.observer[chosen], return_inverse=True)
        if (points.observer[chosen] < 0).any():  # pooled: every point by itself
            who = np.arange(len(chosen))
        each = np.stack([np.bincount(who, v[chosen]) / np.bincount(who) for v in (points.x, points.y)], axis=1)
        gaze = self.painter.gaze
        events = Counter(gaze.event[i] for i in gaze.on(index) if not gaze.sample[i])
        color = MARKS[events.most_common(1)[0][0] if events else "noise"].color
        scale = np.array(self.size) / (self.stimulus.width, self.stimulus.height)
        (x, y), r = each.mean(axis=0) * scale, self._side
        draw.rectangle((x - r - 1, y - r - 1, x + r + 1, y + r + 1), outline=HALO, width=6)
        draw.rectangle((x - r, y - r, x + r, y + r), outline=color, width=4)

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
            (x, y), r = way[-1], self._side / 2
            draw.rectangle((x - r - 2, y - r - 2, x + r + 2, y + r + 2), fill=HALO)
            draw.rectangle((x - r, y - r, x + r, y + r), fill=color)
