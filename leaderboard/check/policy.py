"""Content-security policies: whether one is strict, and what it lets stand inside a page."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

_DIGEST = re.compile(r"'sha(?:256|384|512)-[A-Za-z0-9+/]+={0,2}'")
_DATA = frozenset({"img-src"})
"""What may come as a data: address."""


def directives(policy: str) -> dict[str, list[str]]:
    """Return the sources of each directive; of one that stands twice the first, as browsers do."""
    found: dict[str, list[str]] = {}
    for part in policy.split(";"):
        name, *sources = part.split() or [""]
        if name:
            found.setdefault(name.lower(), sources)
    return found


def policy_faults(policy: str) -> list[str]:
    """Return what makes a policy less than strict, in words."""
    found = directives(policy)
    faults = [] if found.get("default-src") == ["'none'"] else ["it lacks default-src 'none'"]
    for name, sources in found.items():
        for source in sources:
            allowed = source in ("'none'", "'self'") or _DIGEST.fullmatch(source) is not None
            if not allowed and not (source == "data:" and name in _DATA):
                faults.append(f"{name} allows {source[:60]}")
    return faults


def allows_inline(policy: str, kind: str, content: str) -> bool:
    """Return whether a policy names the content of a script or style element by its digest.

    Args:
        policy: its text.
        kind: `script` or `style`.
        content: exactly what stands between the tags.
    """
    found = directives(policy)
    digest = b64encode(sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'" in found.get(f"{kind}-src", found.get("default-src", []))
