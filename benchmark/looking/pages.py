"""A sheet of some frames, a row each, and a video of all of them: panels side by side."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from math import ceil, isfinite, sqrt
from pathlib import Path
from typing import Literal

import numpy as np

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.inspect.drawing import (
    Picture,
    check_video_name,
    decoded,
    fitted,
    rate_of,
    wrapped,
    write_video,
)
from vidsal.loaders.inspect.marks import LINE_HEIGHT, PAPER, draw_legend, legend_rows
from vidsal.loaders.io.files import atomic_write
from vidsal.loaders.io.progress import Progress, silent
from vidsal.loaders.release.release import Stimulus

from .canvas import Canvas
from .panels import Panels
from .tracks import Track

Pick = Literal["even", "random", "worst"]
SHEET_FORMS = (".png", ".svg")
SHEET_WIDTH, VIDEO_WIDTH, WIDEST, NARROWEST = 1560, 1440, 640, 260
_MARGIN, _GAP = 16, 8


def panel_width(stimulus: Stimulus, panels: int, *, video: bool) -> int:
    """Return the width of a panel: so many beside each other on a page, an even number for a video."""
    across = columns_of(panels) if video else panels
    room = ((VIDEO_WIDTH if video else SHEET_WIDTH) - 2 * _MARGIN - (across - 1) * _GAP) // across
    return max(NARROWEST, min(WIDEST, room, max(stimulus.width, 340))) // 2 * 2


def columns_of(panels: int) -> int:
    """Return how many panels of a video stand beside each other.

    >>> [columns_of(n) for n in (1, 2, 3, 4, 5, 7)]
    [1, 2, 3, 2, 3, 3]
    """
    return panels if panels <= 3 else ceil(sqrt(panels))


def frames_to_show(
    stimulus: Stimulus, n: int, pick: Pick = "even", seed: int = 0, first: Track | None = None
) -> list[int]:
    """Choose frames, of those that are annotated where some are; ascending.

    Args:
        stimulus: which one.
        n: how many at most.
        pick: `even`ly spaced, `random`, or the `worst` by the first score of a track, each a second or more from the
            others.
        seed: of the random choice.
        first: the track whose scores are meant.

    Raises:
        WrongUse: the worst are asked for, and there is no score.
    """
    known = stimulus.annotated_indices().tolist() or list(range(stimulus.n_frames))
    if pick == "random":
        return sorted(random.Random(seed).sample(known, min(n, len(known))))
    if pick == "worst":
        scores = {} if first is None else {f: next(iter(s.values())) for f, s in first.scores.items()}
        ranked = sorted((f for f in known if isfinite(scores.get(f, np.nan))), key=lambda f: scores[f])
        if not ranked:
            raise WrongUse(f"{stimulus.id}: no frame has a score by which one is the worst")
        apart, chosen = float(stimulus.fps or 1), list[int]()
        for frame in ranked:
            if len(chosen) < n and all(abs(frame - other) >= apart for other in chosen):
                chosen.append(frame)
        return sorted(chosen)
    places = np.linspace(0, len(known) - 1, max(1, min(n, len(known)))).astype(int)
    return [known[i] for i in np.unique(places)]


def save_sheet(panels: Panels, frames: Sequence[int], path: Path, title: str) -> None:
    """Write a sheet: a row a frame, a column a panel.

    Args:
        panels: draws them.
        frames: ascending.
        path: `.png` or `.svg`.
        title: above.

    Raises:
        WrongUse: another suffix.
    """
    check_sheet_name(path)
    (w, h), across = panels.size, len(panels.headings)
    width = 2 * _MARGIN + across * w + (across - 1) * _GAP
    head, legend = wrapped(title, width - 2 * _MARGIN, 15), legend_rows(panels.painter.events_on(list(frames)), width)
    top = _MARGIN + LINE_HEIGHT * (len(head) + len(legend) + 1) + _GAP
    step = h + LINE_HEIGHT + _GAP
    canvas = Canvas(width, top + len(frames) * step + _MARGIN - _GAP)
    _put_head(canvas, head, legend)
    lefts = [_MARGIN + n * (w + _GAP) for n in range(across)]
    for left, heading in zip(lefts, panels.headings, strict=True):
        canvas.text(left, top - LINE_HEIGHT / 2 - _GAP / 2, fitted(heading, w, 15), 15)
    for row, (index, rgb) in enumerate(decoded(panels.stimulus, list(frames))):
        y = top + row * step
        for left, picture, note in zip(lefts, panels.draw(index, rgb), panels.notes(index), strict=True):
            canvas.picture(left, y, picture)
            canvas.text(left, y + h + LINE_HEIGHT / 2, fitted(note, w, 12), 12)
    with atomic_write(path) as temporary:
        temporary.write_bytes(canvas.png() if path.suffix.lower() == ".png" else canvas.svg())


def save_video(panels: Panels, path: Path, title: str, progress: Progress = silent) -> None:
    """Write a video of all frames, at the stimulus's own rate; an image is shown for a second.

    Args:
        panels: draws them.
        path: `.mp4`, `.avi` or `.mkv`.
        title: above.
        progress: called after each frame.

    Raises:
        WrongUse: another suffix.
    """
    check_video_name(path)
    stimulus, rate, (w, h) = panels.stimulus, rate_of(panels.stimulus), panels.size
    across = columns_of(len(panels.headings))
    rows = ceil(len(panels.headings) / across)
    width = 2 * _MARGIN + across * w + (across - 1) * _GAP
    legend = legend_rows(sorted(set(panels.painter.gaze.event)), width - 2 * _MARGIN)
    head = wrapped(title, width - 2 * _MARGIN, 15)
    top = _MARGIN + LINE_HEIGHT * (len(head) + len(legend)) + _GAP
    step = h + 2 * LINE_HEIGHT + _GAP
    size = (width, (top + rows * step + 1) // 2 * 2)
    background = Canvas(*size)
    _put_head(background, head, legend)
    places = [(_MARGIN + n % across * (w + _GAP), top + n // across * step) for n in range(len(panels.headings))]
    for (x, y), heading in zip(places, panels.headings, strict=True):
        background.text(x, y + LINE_HEIGHT / 2, fitted(heading, w, 15), 15)
    ground = background.image()
    shown = list(range(stimulus.n_frames)) if stimulus.kind == "video" else [0] * round(rate)

    def pictures() -> Iterator[Picture]:
        for done, (index, rgb) in enumerate(decoded(stimulus, shown), 1):
            page = Canvas(*size)
            page.picture(0, 0, ground)
            for (x, y), picture, note in zip(places, panels.draw(index, rgb), panels.notes(index), strict=True):
                page.picture(x, y + LINE_HEIGHT, picture)
                page.text(x, y + LINE_HEIGHT + h + LINE_HEIGHT / 2, fitted(note, w, 12), 12)
            yield page.image()
            progress(done, len(shown), f"frame {index}")

    write_video(path, pictures(), size, rate)


def save_scores(tracks: Sequence[Track], path: Path) -> Path:
    """Write the scores that stand under the panels as a table beside the picture; return its name, `.csv`."""
    table = path.with_suffix(".csv")
    with atomic_write(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["model", "frame", "metric", "value"])
        for track in tracks:
            for frame, scores in sorted(track.scores.items()):
                rows.writerows([track.name, frame, label, f"{value:.6g}"] for label, value in scores.items())
    return table


def check_sheet_name(path: Path) -> None:
    """Refuse a name that is none of a sheet.

    Raises:
        WrongUse: it ends in something else.
    """
    if path.suffix.lower() not in SHEET_FORMS:
        raise WrongUse(f"{path}: a picture is written as {' or '.join(SHEET_FORMS)}; name it so, or ask for --video")


def _put_head(canvas: Canvas, head: Sequence[str], legend: Sequence[Sequence[str]]) -> None:
    from PIL import Image, ImageDraw

    for number, line in enumerate(head):
        canvas.text(_MARGIN, _MARGIN + (number + 0.5) * LINE_HEIGHT, line, 15)
    if legend:
        drawn = Image.new("RGB", (canvas.width - 2 * _MARGIN, LINE_HEIGHT * len(legend)), PAPER)
        draw_legend(ImageDraw.Draw(drawn), legend, 0, 0)
        canvas.picture(_MARGIN, _MARGIN + LINE_HEIGHT * len(head), drawn)
