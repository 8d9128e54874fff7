"""Contrast of colors, and the table of pairs that must stand out from each other.

Source: Web Content Accessibility Guidelines 2.2, success criteria 1.4.3 and 1.4.11, and its relative luminance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product

TEXT, GRAPHIC = 4.5, 3.0

PAIRS: tuple[tuple[float, tuple[str, ...], tuple[str, ...]], ...] = (
    (TEXT, ("ink", "soft", "link", "warn"), ("page", "shade")),
    (TEXT, ("ink", "soft"), ("bar",)),
    (GRAPHIC, ("mark",), ("page", "band")),
    (GRAPHIC, ("below", "line"), ("page",)),
    (GRAPHIC, ("focus",), ("page", "shade")),
)
"""Least contrast, fronts, grounds: every front must stand out from every ground. Names of the style sheet's custom
properties, without `--`."""

DECORATION = frozenset({"rule"})
"""Colors that carry no meaning alone."""

Color = tuple[float, float, float, float]
"""Red, green, blue, from 0 to 255, and opacity, from 0 to 1."""

_HEX = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_RGB = re.compile(
    r"rgba?\(\s*(\d+(?:\.\d+)?)[\s,]+(\d+(?:\.\d+)?)[\s,]+(\d+(?:\.\d+)?)(?:\s*[,/]\s*(\d*\.?\d+)(%?))?\s*\)"
)
_LIKE_COLOR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|color-mix|light-dark)\(")
_NAMES = {"black": "#000000", "white": "#ffffff", "transparent": "#00000000"}
_VARIABLE = re.compile(r"var\(\s*--([\w-]+)\s*\)")
_LIGHT_DARK = re.compile(r"light-dark\(\s*((?:[^,()]|\([^()]*\))+),\s*((?:[^,()]|\([^()]*\))+)\)")


def is_color(text: str) -> bool:
    """Return whether a value of a custom property gives a color, in a form that is read here or not."""
    return text.strip().lower() in _NAMES or _LIKE_COLOR.search(text.lower()) is not None


def color(text: str, theme: Mapping[str, str], dark: bool = False) -> Color | None:
    """Read a color.

    Args:
        text: `#rgb`, `#rrggbb`, with opacity or not, `rgb(...)`, `var(--name)`, `light-dark(a, b)`.
        theme: values of the custom properties.
        dark: which of two colors counts.

    Returns:
        None where it is written in another way.

    >>> color("#fff", {}), color("rgb(0 0 0 / 50%)", {}), color("var(--ink)", {"ink": "#010203"})
    ((255.0, 255.0, 255.0, 1.0), (0.0, 0.0, 0.0, 0.5), (1.0, 2.0, 3.0, 1.0))
    """
    text = text.strip().lower()
    for _ in range(8):  # a variable may name a variable
        if both := _LIGHT_DARK.fullmatch(text):
            text = both[2 if dark else 1].strip()
        elif (named := _VARIABLE.fullmatch(text)) and named[1] in theme:
            text = theme[named[1]].strip().lower()
    text = _NAMES.get(text, text)
    if found := _HEX.fullmatch(text):
        digits = found[1] if len(found[1]) > 4 else "".join(2 * d for d in found[1])
        red, green, blue, opacity = (int(f"{digits}ff"[k : k + 2], 16) for k in (0, 2, 4, 6))
        return float(red), float(green), float(blue), opacity / 255
    if found := _RGB.fullmatch(text):
        share = float(found[4] or 1) / (100 if found[5] else 1)
        return float(found[1]), float(found[2]), float(found[3]), share
    return None


def luminance(of: Color) -> float:
    """Return the relative luminance of an opaque color, from 0 to 1."""
    parts = [c / 255 for c in of[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(front: Color, ground: Color) -> float:
    """Return the contrast of a color on a ground, from 1 to 21; what shines through counts.

    >>> contrast((0, 0, 0, 1), (255, 255, 255, 1)), contrast((0, 0, 0, 0), (255, 255, 255, 1))
    (21.0, 1.0)
    """
    mixed = (*(f * front[3] + g * (1 - front[3]) for f, g in zip(front[:3], ground[:3], strict=True)), 1.0)
    high, low = sorted((luminance(mixed), luminance(ground)), reverse=True)  # type: ignore[arg-type]
    return (high + 0.05) / (low + 0.05)


def contrast_faults(theme: Mapping[str, str], dark: bool) -> Iterator[str]:
    """Yield the pairs of a theme that do not stand out, in words.

    Args:
        theme: values of the custom properties, by name without `--`.
        dark: which color of `light-dark(...)` counts.
    """
    for least, fronts, grounds in PAIRS:
        for front, ground in product(fronts, grounds):
            if front not in theme or ground not in theme:
                continue
            a, b = color(theme[front], theme, dark), color(theme[ground], theme, dark)
            if a is None or b is None:
                wrong = front if a is None else ground
                yield f"--{wrong} is written in a way whose contrast is not known here: {theme[wrong][:40]}"
            elif (found := contrast(a, b)) < least:
                yield f"--{front} on --{ground} has a contrast of {found:.2f}:1, needs {least:g}:1"


def pair_faults(themes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield colors that are in no pair, and names of pairs that no theme gives a color."""
    named = {n for _, fronts, grounds in PAIRS for n in (*fronts, *grounds)}
    here = {name for theme in themes.values() for name, value in theme.items() if is_color(value)}
    for name in sorted(here - named - DECORATION):
        yield f"--{name} is in no pair: say what it must stand out from, or that it is decoration"
    known = {name for theme in themes.values() for name in theme}
    for name in sorted((named | DECORATION) - known):
        yield f"--{name} is in the table of pairs, and not in the style sheet"
