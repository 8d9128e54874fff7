"""The addresses in a tag: which are links, which are requests, and what of them leads out of the site."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from .markup import Tag

_ADDRESSES = frozenset(
    [
        "action",
        "archive",
        "background",
        "cite",
        "classid",
        "codebase",
        "data",
        "formaction",
        "href",
        "icon",
        "longdesc",
        "manifest",
        "ping",
        "poster",
        "profile",
        "src",
        "srcset",
        "usemap",
        "xlink:href",
    ]
)
FOREIGN = frozenset(
    ["applet", "base", "embed", "fencedframe", "foreignobject", "frame", "frameset", "iframe", "object", "portal"]
)
"""Elements that bring in other documents, or turn all addresses."""

_PICTURES = frozenset({"img", "image", "source", "feImage", "input", "link"})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\")
_SAFE_RELATIONS = frozenset({"noopener", "noreferrer"})
_WITHOUT_REQUEST = frozenset({"alternate", "canonical", "license"})
"""Relations of a <link> that a browser only takes note of."""


@dataclass(frozen=True)
class Addresses:
    """What a tag leads to.

    Attributes:
        inside: addresses that must lead to files of the site.
        faults: (rule, what).
    """

    inside: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


_NONE = Addresses()


def addresses(tag: Tag) -> Addresses:
    """Return what a tag leads to."""
    inside, faults = [], []
    if tag.name.lower() in FOREIGN:
        faults.append(("offline", f"<{tag.name}> brings in another document"))
    if tag.name == "meta" and tag.attributes.get("http-equiv", "").lower() == "refresh":
        faults.append(("offline", "<meta> refresh leads on by itself"))
    for name, value in tag.attributes.items():
        if name not in _ADDRESSES or (name == "data" and tag.name != "object"):
            continue
        if name in ("action", "formaction", "ping"):
            faults.append(("offline", f"<{tag.name} {name}> sends something"))
            continue
        for address in _of_set(value) if name == "srcset" else [value.strip()]:
            if not _SCHEME.match(address):
                inside.append(address)
            elif fault := _outside(tag, name, address):
                faults.append(fault)
    return Addresses(tuple(inside), tuple(faults)) if inside or faults else _NONE


def _of_set(value: str) -> list[str]:
    return [part.split()[0] for part in value.split(",") if part.strip()]


def _outside(tag: Tag, name: str, address: str) -> tuple[str, str] | None:
    """What is wrong with an address that does not lie in the site."""
    if tag.name in ("a", "area") and name in ("href", "xlink:href"):
        if not address.startswith("https://"):
            return "link.outward", f"a link to {address.split(':')[0][:30]}: is not https"
        if not _SAFE_RELATIONS & set(tag.attributes.get("rel", "").lower().split()):
            return "link.outward", "a link to elsewhere has neither rel noopener nor noreferrer"
        return None
    if tag.name == "link" and set(tag.attributes.get("rel", "").lower().split()) <= _WITHOUT_REQUEST:
        return None if address.startswith("https://") else ("link.outward", f"<link href> is not https: {address[:60]}")
    if tag.name in _PICTURES and address.startswith("data:image/"):
        return None
    return "offline", f"<{tag.name} {name}> requests {address[:60]}"


@lru_cache(maxsize=1 << 16)
def resolve(folder: str, address: str) -> tuple[str | None, str]:
    """Return where an address leads.

    Args:
        folder: of the page, relative to the site, with `/`; empty for the root.
        address: a relative one.

    Returns:
        The file, relative to the site, empty for the page itself, None where it leads out of the site; the fragment.

    >>> resolve("runs", "../index.html#a"), resolve("", "../x"), resolve("runs", "#b")
    (('index.html', 'a'), (None, ''), ('', 'b'))
    """
    path, _, fragment = address.partition("#")
    path = unquote(path.partition("?")[0])
    if not path:
        return "", unquote(fragment)
    target = normpath(join(folder, path)) if not path.startswith("/") else ".."
    if path.endswith("/"):
        target += "/"  # a folder: from disk a browser lists its files
    return (None if target.startswith("..") else target), unquote(fragment)


def folder_of(file: str) -> str:
    """Return the folder of a file of the site, empty for the root."""
    return dirname(file)
