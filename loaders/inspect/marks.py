"""How an event looks in a picture: a shape and a color each, and a legend.

The colors are Okabe and Ito's, which color-blind readers can distinguish; the shapes say the same without color.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Draw = Any
"""PIL's ImageDraw."""

LINE_HEIGHT = 20
SMALL_PX = 4.0
INK, PAPER, HALO = (20, 20, 20), (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Mark:
    """Shape and color of an event, and its text in the legend."""

    shape: str
    color: tuple[int, int, int]
    text: str


MARKS = {
    "fixation": Mark("circle", (230, 159, 0), "fixation"),
    "pursuit": Mark("diamond", (86, 180, 233), "pursuit"),
    "saccade": Mark("cross", (213, 94, 0), "saccade"),
    "noise": Mark("plus", (170, 170, 170), "noise, blink"),
    "point": Mark("dot", (240, 228, 66), "point (sample or pixel)"),
    "mouse": Mark("square", (0, 158, 115), "mouse"),
    "sample": Mark("dot", (204, 121, 167), "sample without a label"),
}

_LABELS = {"smooth pursuit": "pursuit", "sp": "pursuit"}


def event_of(label: str | None) -> str:
    """Return the event that a sample's label stands for; what is not known is noise, no label is `sample`.

    >>> event_of("Saccade"), event_of("blink"), event_of(None)
    ('saccade', 'noise', 'sample')
    """
    if label is None:
        return "sample"
    word = _LABELS.get(label.lower(), label.lower())
    return word if word in MARKS else "noise"


def draw_mark(draw: Draw, event: str, x: float, y: float, radius: float) -> None:
    """Draw an event's mark with its centre at (x, y)."""
    mark = MARKS[event]
    width = max(1, round(radius / 2.5))
    box = (x - radius, y - radius, x + radius, y + radius)
    diamond = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y), (x, y - radius)]
    slant = [((x - radius, y - radius), (x + radius, y + radius)), ((x - radius, y + radius), (x + radius, y - radius))]
    upright = [((x - radius, y), (x + radius, y)), ((x, y - radius), (x, y + radius))]
    halo = 2 if radius >= SMALL_PX else 1
    for color, extra in ((HALO, halo), (mark.color, 0)):
        if mark.shape == "dot":
            small = max(radius * 0.55, 2.0) + extra / 2
            draw.ellipse((x - small, y - small, x + small, y + small), fill=color)
        elif mark.shape == "circle":
            draw.ellipse(_grown(box, extra / 2), outline=color, width=width + extra)
        elif mark.shape == "square":
            draw.rectangle(_grown(box, extra / 2), outline=color, width=width + extra)
        elif mark.shape == "diamond":
            draw.line(diamond, fill=color, width=width + extra, joint="curve")
        else:
            for line in slant if mark.shape == "cross" else upright:
                draw.line(line, fill=color, width=width + extra)


def _grown(box: tuple[float, float, float, float], by: float) -> tuple[float, float, float, float]:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def font(size: int) -> Any:
    """Return Pillow's own font, so that a text looks the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def legend_rows(events: Iterable[str], width: int) -> list[list[str]]:
    """Break a legend of these events into lines that fit."""
    rows: list[list[str]] = [[]]
    used = 0.0
    for event in sorted(set(events), key=list(MARKS).index):
        needed = _entry_width(event)
        if rows[-1] and used + needed > width:
            rows.append([])
            used = 0.0
        rows[-1].append(event)
        used += needed
    return rows if rows[0] else []


def draw_legend(draw: Draw, rows: Sequence[Sequence[str]], x: float, y: float) -> None:
    """Draw a legend, its upper left corner at (x, y)."""
    for number, row in enumerate(rows):
        at = x
        middle = y + number * LINE_HEIGHT + LINE_HEIGHT / 2
        for event in row:
            draw_mark(draw, event, at + 8, middle, 5)
            draw.text((at + 20, middle), MARKS[event].text, fill=INK, font=font(13), anchor="lm")
            at += _entry_width(event)


def _entry_width(event: str) -> float:
    return 34.0 + float(font(13).getlength(MARKS[event].text))
