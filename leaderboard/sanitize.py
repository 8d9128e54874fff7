"""Text from results is data: made visible, made into file names, made into links only where it is a plain address."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from vidsal.loaders.io.names import visible as visible

_ADDRESS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?([/?#][!-~]*)?")


def slug(text: str, longest: int = 40) -> str:
    """Return a piece of a file name or an anchor: only a-z, 0-9 and single hyphens, never empty.

    Different texts may give one slug; a digest beside it distinguishes them.

    >>> slug("../TinyHD_S <b>"), slug("眼")
    ('tinyhd-s-b', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[: longest + 1].strip("-")[:longest].strip("-") or "x"


def script_safe(value: Any, **more: Markup) -> Markup:
    """Return JSON that may stand in an element of a page: it can neither end it nor begin another, whatever strangers
    wrote.

    Args:
        value: a dict, if there is more.
        more: further members of it, which this function has made.

    >>> "<" in script_safe({"name": "</script>"})
    False
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    if more:
        members = ",".join(f'"{name}":{member}' for name, member in sorted(more.items()))
        text = f"{text[:-1]}{',' if value else ''}{members}}}"
    return Markup(text)  # noqa: S704 - nothing in it is markup any more


def https_url(text: str) -> str | None:
    """Return the text if it is, as a whole, an https address without user or password; else None.

    >>> https_url("https://example.org/a"), https_url("javascript:alert(1)"), https_url("see https://example.org")
    ('https://example.org/a', None, None)
    """
    if not _ADDRESS.fullmatch(text) or any(c in text for c in "\"'<>\\`"):
        return None
    try:
        parts = urlsplit(text)
        port_is_number = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return text if parts.hostname and parts.username is None and port_is_number else None
