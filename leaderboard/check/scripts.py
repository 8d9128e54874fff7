"""Scripts: what one of our own must not do, and files of data in the form of a script."""

from __future__ import annotations

import re

from vidsal.loaders.io.files import parse_json

_FORBIDDEN = {
    "it asks a network": r"\bfetch\s*\(|\b(XMLHttpRequest|WebSocket|EventSource|sendBeacon|RTCPeerConnection)\b",
    "it is a module, which no browser loads from disk": r"\bimport\s*\(|^\s*(import|export)\b|\bimportScripts\b",
    "it makes code of text": r"\beval\s*\(|\bnew\s+Function\b|\bsetTimeout\s*\(\s*[\"']",
    "it makes markup of text": r"\.(inner|outer)HTML\s*\+?=|\b(insertAdjacentHTML|document\.write|"
    r"createContextualFragment)\b",
    "it asks for the time of day": r"\bDate\.now\b|\bnew\s+Date\b|\bDate\s*\(",
    "it asks what belongs to the visitor": r"\b(document\.cookie|serviceWorker|navigator\.geolocation)\b",
}
"""What it does, and the words by which that is seen."""

_DATA = re.compile(r"\s*(?:(?:var|const|let)\s+)?[A-Za-z_$][\w$.]*(?:\[\"[^\"\\<>]*\"\])*\s*=\s*")
_COMMENTS = re.compile(r"/\*.*?\*/|(?<![:\"'\\])//[^\n]*", re.DOTALL)


def script_faults(text: str) -> list[str]:
    """Return what a script of our own does and must not, in words."""
    code = _COMMENTS.sub(" ", text)
    return [words for words, pattern in _FORBIDDEN.items() if re.search(pattern, code, re.MULTILINE)]


def is_data(text: str) -> bool:
    """Return whether a script only gives names to JSON, one a line: `NAME = {...};`.

    >>> is_data('window.runs = [1, 2];'), is_data("window.runs = alert(1);")
    (True, False)
    """
    lines = [
        line for line in text.split("\n") if line.strip() and line.strip() not in ('"use strict";', "'use strict';")
    ]
    for line in lines:
        found = _DATA.match(line)
        if found is None or not is_json(line[found.end() :].rstrip().removesuffix(";")):
            return False
    return bool(lines)


def is_json(text: str) -> bool:
    """Return whether a text is JSON."""
    try:
        parse_json(text)
    except ValueError:
        return False
    return True
