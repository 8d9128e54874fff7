"""A stimulus with the gaze of all its observers, and its density if asked for: a sheet of frames, or a video.

What is drawn: every row of fixations.parquet that covers the frame, as a mark of its event; the samples of
gaze.parquet that fall into it, as small marks of their label. What lies outside the frame, or was lost by the tracker,
cannot be drawn and is counted in the caption. Where the frames are not on this machine the ground is grey, and the
picture says so.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import WrongUse
from ..io.extras import optional_packages
from ..io.files import atomic_write
from ..io.progress import Progress, silent
from ..records import LOST, Float32Array, Float64Array, Int64Array, Mask, UInt8Image
from ..release.release import Release, Stimulus
from ..schema import flagged
from .drawing import Picture, check_video_name, decoded, fitted, rate_of, several, wrapped, write_video
from .marks import INK, LINE_HEIGHT, PAPER, draw_legend, draw_mark, event_of, font, legend_rows

SHEET_WIDTH, VIDEO_WIDTH = 1440, 960
FRAMES_ON_SHEET = 12
_GRAY = 128
_MARGIN = 6


@dataclass(frozen=True)
class Gaze:
    """The rows of one stimulus, ready to be looked up by frame.

    Attributes:
        xy: pixels, shape (n, 2).
        first, last: frames, inclusive.
        event: name of a mark.
        sample: whether the row is a sample of gaze.parquet.
        observer: None where the source pooled them.
        lost: whether the tracker had lost the eye; the position means nothing then.
    """

    xy: Float64Array
    first: Int64Array
    last: Int64Array
    event: list[str]
    sample: Mask
    observer: list[str | None]
    lost: Mask

    def on(self, frame: int) -> npt.NDArray[np.intp]:
        """Indices of what covers a frame."""
        return np.flatnonzero((self.first <= frame) & (frame <= self.last))


def gaze_of(release: Release, stimulus: Stimulus, samples: bool = True) -> Gaze:
    """Read what can be drawn: all events, in bounds or not, and the samples of gaze.parquet.

    Args:
        release: an open release.
        stimulus: one of its stimuli.
        samples: False leaves the samples out.
    """
    rows = release.table("fixations", stimulus.id)
    parts = [
        (
            np.stack([rows[k].to_numpy().astype(np.float64) for k in ("x_px", "y_px")], axis=1),
            rows["frame"].to_numpy().astype(np.int64),
            pc.coalesce(rows["frame_end"], rows["frame"]).to_numpy().astype(np.int64),
            rows["event"].cast(pa.string()).to_pylist(),
            rows["observer_id"].cast(pa.string()).to_pylist(),
            False,
            flagged(rows["flags"], LOST),
        )
    ]
    gaze = release.table("gaze", stimulus.id) if samples else None
    if gaze is not None and gaze.num_rows:
        frame = _frame_of(stimulus, gaze["t_us"].to_numpy())
        labels = [event_of(word) for word in gaze["label"].cast(pa.string()).to_pylist()]
        xy = np.stack([gaze[k].to_numpy().astype(np.float64) for k in ("x_px", "y_px")], axis=1)
        observers = gaze["observer_id"].cast(pa.string()).to_pylist()
        lost = pc.fill_null(pc.equal(gaze["confidence"], 0.0), False).to_numpy(zero_copy_only=False)
        parts.append((xy, frame, frame, labels, observers, True, lost))
    return Gaze(
        xy=np.concatenate([p[0] for p in parts]),
        first=np.concatenate([p[1] for p in parts]),
        last=np.concatenate([p[2] for p in parts]),
        event=[event for p in parts for event in p[3]],
        observer=[observer for p in parts for observer in p[4]],
        sample=np.concatenate([np.full(len(p[1]), p[5]) for p in parts]),
        lost=np.concatenate([p[6] for p in parts]),
    )


def _frame_of(stimulus: Stimulus, t_us: Int64Array) -> Int64Array:
    """Frame of each sample, -1 for one before or after the stimulus; an image has one frame."""
    fps = stimulus.fps
    if fps is None:
        return np.where(t_us >= 0, 0, -1)
    frame = t_us * fps.numerator // (fps.denominator * 1_000_000)
    return np.where((frame >= 0) & (frame < stimulus.n_frames), frame, -1)


class Painter:
    """Draws the frames of one stimulus at one size.

    Attributes:
        notes: what the picture must say about itself.
    """

    def __init__(
        self,
        release: Release,
        stimulus: Stimulus,
        width: int,
        density: bool,
        recipe: str | None,
        samples: bool,
        *,
        mark_scale: float = 1.0,
    ) -> None:
        self.stimulus = stimulus
        self.gaze = gaze_of(release, stimulus, samples)
        self.size = (width, max(1, round(width * stimulus.height / stimulus.width)))
        self.notes: list[str] = []
        self._density = density
        self._recipe = recipe
        self._radius = min(max(5.0, min(self.size) / 40), 9.0) * mark_scale
        self._title = f"{release.id}: {stimulus.id}"
        if density:
            stimulus.truth(recipe)
            self.notes.append("density overlaid")
        if stimulus.frames_path() is None:
            self.notes.append("the frames are not on this machine: grey ground")
        self._annotated = stimulus.annotated_indices()
        if not stimulus.annotated:
            self.notes.append("no gaze is known")
        elif len(self._annotated) < stimulus.n_frames:
            self.notes.append(f"{len(self._annotated)} of the frames annotated")

    @property
    def title(self) -> str:
        """What is shown, in one line."""
        s = self.stimulus
        what = "an image" if s.kind == "image" else several(s.n_frames, "frame")
        who = len({o for o in self.gaze.observer if o is not None})
        watchers = several(who, "observer") if who else "observers pooled" if len(self.gaze.first) else "no observer"
        return ", ".join([f"{self._title}, {s.width} x {s.height}, {what}, {watchers}", *self.notes])

    def caption(self, frame: int) -> str:
        """What a frame shows, in one line."""
        on = self.gaze.on(frame)
        lost = int(self.gaze.lost[on].sum())
        outside = int((~self._inside(self.gaze.xy[on]) & ~self.gaze.lost[on]).sum())
        rows = int((~self.gaze.sample[on]).sum())
        fps = self.stimulus.fps
        time = f", {float(frame / fps):.2f} s" if fps else ""
        count = several(rows, "event") + (f" + {several(len(on) - rows, 'sample')}" if len(on) > rows else "")
        if not len(on) and frame not in self._annotated:
            count = "not annotated"
        undrawn = "".join(f", {n} {word}" for n, word in ((outside, "outside"), (lost, "lost")) if n)
        return f"frame {frame}{time}: {count}{undrawn}"

    def frame(
        self, index: int, rgb: UInt8Image | None, *, paint: Callable[[UInt8Image], UInt8Image] | None = None
    ) -> Picture:
        """Return a frame with its gaze, as a PIL image of `size`.

        Args:
            index: of the frame.
            rgb: its pixels; None = grey ground.
            paint: what to draw under the marks, on pixels of the shape of `size`.
        """
        from PIL import Image, ImageDraw

        if rgb is None:
            ground = np.full((self.stimulus.height, self.stimulus.width, 3), _GRAY, np.uint8)
        else:
            ground = rgb
        if self._density:
            ground = overlay(ground, self.stimulus.density(index, self._recipe))
        image = Image.fromarray(ground).resize(self.size, Image.Resampling.BILINEAR)
        if paint is not None:
            image = Image.fromarray(paint(np.asarray(image)))
        draw = ImageDraw.Draw(image)
        scale = self.size[0] / self.stimulus.width, self.size[1] / self.stimulus.height
        on = self.gaze.on(index)
        on = on[self._inside(self.gaze.xy[on]) & ~self.gaze.lost[on]]
        for i in sorted(on.tolist(), key=lambda i: not self.gaze.sample[i]):
            x, y = self.gaze.xy[i]
            size = max(self._radius * 0.5, 3.0) if self.gaze.sample[i] else self._radius
            draw_mark(draw, self.gaze.event[i], x * scale[0], y * scale[1], size)
        return image

    def events_on(self, frames: list[int]) -> set[str]:
        """The events that are drawn on some of these frames."""
        drawn = self._inside(self.gaze.xy) & ~self.gaze.lost
        return {self.gaze.event[i] for f in frames for i in self.gaze.on(f) if drawn[i]}

    def _inside(self, xy: Float64Array) -> Mask:
        low = (xy >= 0).all(axis=1)
        return np.asarray(low & (xy[:, 0] < self.stimulus.width) & (xy[:, 1] < self.stimulus.height))


@optional_packages()
def overlay(rgb: UInt8Image, density: Float32Array, high: float | None = None) -> UInt8Image:
    """Lay a density over a frame: matplotlib's `inferno`, the more opaque the denser.

    Args:
        rgb: uint8, shape (height, width, 3).
        density: shape (height, width); all zero leaves the frame as it is.
        high: density of the last color; None = the largest here.
    """
    from matplotlib import colormaps

    high = float(density.max(initial=0.0)) if high is None else high
    if not high > 0:
        return rgb
    share = np.clip(density / high, 0, 1)[..., None].astype(np.float64)
    color = colormaps["inferno"](share[..., 0])[..., :3] * 255
    opacity = 0.75 * np.sqrt(share)
    return np.asarray(np.rint(rgb * (1 - opacity) + color * opacity), np.uint8)


def save_sheet(
    release: Release,
    stimulus: Stimulus,
    path: Path,
    *,
    frames: int = FRAMES_ON_SHEET,
    density: bool = False,
    recipe: str | None = None,
    samples: bool = True,
) -> str:
    """Write a PNG of evenly spaced frames, of those that are annotated where some are; of an image one.

    Args:
        release, stimulus: what to show.
        path: the file, `.png`.
        frames: how many at most.
        density, recipe: overlay the density of a truth recipe.
        samples: draw the samples of gaze.parquet.

    Returns:
        The picture's title, which says what is missing.

    Raises:
        WrongUse: the name does not end in .png, or there is no such recipe.
    """
    from PIL import Image, ImageDraw

    if path.suffix.lower() != ".png":
        raise WrongUse(f"{path}: a sheet is a PNG; name it so, or ask for --video")
    known = stimulus.annotated_indices()
    known = known if len(known) else np.arange(stimulus.n_frames)
    places = np.linspace(0, len(known) - 1, max(1, min(frames, len(known)))).astype(int)
    chosen = [int(i) for i in np.unique(known[places])]
    columns = len(chosen) if len(chosen) < 4 else 2 if len(chosen) == 4 else 4
    cell_width = min((SHEET_WIDTH - _MARGIN) // columns - _MARGIN, max(stimulus.width, 340))
    painter = Painter(release, stimulus, cell_width, density, recipe, samples)
    width = columns * (cell_width + _MARGIN) + _MARGIN
    head = wrapped(painter.title, width - 2 * _MARGIN, 15)
    legend = legend_rows(painter.events_on(chosen), width - 2 * _MARGIN)
    cell_height = painter.size[1] + LINE_HEIGHT + _MARGIN
    rows = -(-len(chosen) // columns)
    top = _MARGIN + LINE_HEIGHT * (len(head) + len(legend))
    sheet = Image.new("RGB", (width, top + rows * cell_height + _MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(head):
        draw.text((_MARGIN, _MARGIN + number * LINE_HEIGHT), line, fill=INK, font=font(15))
    draw_legend(draw, legend, _MARGIN, _MARGIN + LINE_HEIGHT * len(head))
    for number, (index, rgb) in enumerate(decoded(stimulus, chosen)):
        x = _MARGIN + number % columns * (cell_width + _MARGIN)
        y = top + number // columns * cell_height
        caption = fitted(painter.caption(index), cell_width, 12)
        draw.text((x, y + LINE_HEIGHT / 2), caption, fill=INK, font=font(12), anchor="lm")
        sheet.paste(painter.frame(index, rgb), (x, y + LINE_HEIGHT))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return painter.title


def save_video(
    release: Release,
    stimulus: Stimulus,
    path: Path,
    *,
    density: bool = False,
    recipe: str | None = None,
    samples: bool = True,
    progress: Progress = silent,
) -> str:
    """Write a video with the gaze of every frame, at the stimulus's own rate; an image is shown for a second.

    Args:
        release, stimulus: what to show.
        path: the file, `.mp4`, `.avi` or `.mkv`.
        density, recipe, samples: as for `save_sheet`.
        progress: called after each frame.

    Returns:
        The video's title, which says what is missing.

    Raises:
        WrongUse: another suffix, or no such recipe.
    """
    from PIL import Image, ImageDraw

    check_video_name(path)
    width = min(max(stimulus.width, 480), VIDEO_WIDTH) // 2 * 2
    painter = Painter(release, stimulus, width, density, recipe, samples)
    head = wrapped(painter.title, width - 2 * _MARGIN, 15)
    legend = legend_rows(sorted(set(painter.gaze.event)), width - 2 * _MARGIN)
    top = _MARGIN + LINE_HEIGHT * (len(head) + len(legend) + 1)
    height = (top + painter.size[1] + 1) // 2 * 2
    rate = rate_of(stimulus)
    shown = list(range(stimulus.n_frames)) if stimulus.kind == "video" else [0] * round(rate)
    background = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(background)
    for number, line in enumerate(head):
        draw.text((_MARGIN, _MARGIN + number * LINE_HEIGHT), line, fill=INK, font=font(15))
    draw_legend(draw, legend, _MARGIN, _MARGIN + LINE_HEIGHT * len(head))

    def pictures() -> Iterator[Picture]:
        for done, (index, rgb) in enumerate(decoded(stimulus, shown), 1):
            canvas = background.copy()
            text = fitted(painter.caption(index), width - 2 * _MARGIN, 13)
            ImageDraw.Draw(canvas).text((_MARGIN, top - LINE_HEIGHT), text, fill=INK, font=font(13))
            canvas.paste(painter.frame(index, rgb), (0, top))
            yield canvas
            progress(done, len(shown), f"frame {index}")

    write_video(path, pictures(), (width, height), rate)
    return painter.title
