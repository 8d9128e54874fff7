"""A style sheet: what it requests, and the colors of its themes."""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRING = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_TOKEN = re.compile(rf"({_STRING})|([{{}};])|([^{{}};\"']+)")
_REQUEST = re.compile(
    rf"@import\s+(?:url\(\s*)?({_STRING}|[^\s;)]+)|\b(?:url|src)\(\s*({_STRING}|[^)]*?)\s*\)|"
    rf"image-set\(\s*({_STRING})", re.IGNORECASE,
)  # fmt: skip
_PROPERTY = re.compile(r"\s*--([\w-]+)\s*:\s*(.*)", re.DOTALL)
_DARK = re.compile(r"prefers-color-scheme\s*:\s*dark")
_LIGHT = re.compile(r"prefers-color-scheme\s*:\s*light")
_THEMED = re.compile(r":root\[data-theme=[\"']?([\w-]+)[\"']?\]")


def requests(style: str) -> list[str]:
    """Return every address that a style sheet may request, data: addresses too."""
    found = _REQUEST.findall(_COMMENT.sub(" ", style))
    return [next(part for part in parts if part).strip("\"' ") for parts in found]


def _declarations(style: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each declaration with the rules around it, from outside."""
    around: list[str] = []
    text = ""
    for string, mark, other in _TOKEN.findall(_COMMENT.sub(" ", style)):
        if mark == "{":
            around.append(" ".join(text.split()))
        elif mark:
            if text.strip():
                yield tuple(around), text
            if mark == "}" and around:
                around.pop()
        else:
            text += string or other
            continue
        text = ""


def themes(style: str) -> dict[str, dict[str, str]]:
    """Return the values of the custom properties of `:root` in every theme, by name without `--`.

    Returns:
        `light`, `dark`, `print`, and what `:root[data-theme="NAME"]` declares as `NAME chosen`; each whole, with what
        it does not declare taken from the ground theme.
    """
    parts: dict[str, dict[str, str]] = {"light": {}, "dark": {}, "print": {}}
    for around, text in _declarations(style):
        found, selector = _PROPERTY.fullmatch(text), around[-1] if around else ""
        if found is None or not selector.startswith(":root"):
            continue
        media = " ".join(around[:-1])
        chosen = _THEMED.search(selector)
        theme = "dark" if _DARK.search(media) else "print" if "print" in media else "light"
        if chosen and theme == "light" and not _LIGHT.search(media):
            theme = f"{chosen[1]} chosen"
        parts.setdefault(theme, {})[found[1]] = found[2].strip()
    return {name: {**parts["light"], **declared} for name, declared in parts.items()}
