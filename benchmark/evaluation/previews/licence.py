"""Whether frames of a data set may be shown on a page, by the licence that its release states."""

from __future__ import annotations

import re

_OPEN = re.compile(
    r"(?:CC0(?:[- ]?1\.0)?|public domain|(?:CC[- ]BY|Creative Commons Attribution)(?:[- ](?:SA|ShareAlike))?[- ]?"
    r"(?:[1-4]\.\d)?(?: International)?)(?![\w-])",
    re.IGNORECASE,
)
_NOT_OPEN = re.compile(r"[- ](?:NC|ND|NonCommercial|NoDerivatives)\b", re.IGNORECASE)


def allows_frames(licence: str) -> bool:
    """Whether a licence lets anybody show small copies of the frames: it begins with CC0, public domain, CC BY or CC
    BY-SA. Anything else does not: other licences, non-commercial ones, those of the annotations alone, none at all.

    >>> allows_frames("CC BY 4.0 (data set and code)"), allows_frames("CC0-1.0"), allows_frames("CC BY-NC 4.0")
    (True, True, False)
    >>> allows_frames("pooled maps: CC BY 4.0; videos: terms of their authors"), allows_frames("not stated")
    (False, False)
    """
    named = _OPEN.match(licence.strip())
    return named is not None and not _NOT_OPEN.search(licence)
