"""Protocols: named, frozen lists of every choice that moves a number. A changed choice is a new name.

A protocol is plain data. Scoring reads from it which metrics to compute and how maps are prepared, a run which
negatives to gather and how to average. Its digest goes into every result.
"""

from __future__ import annotations

from typing import Any

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.joined import Joined, refuse_taken

from .base import SIX, Fault, Protocol
from .definitions import DENSITY_1, DHF1K_1, EXACT_1
from .published import MSU_1, MSU_2, SALEMA_1, TINYHD_1, TUEBINGEN_1, UNISAL_1

__all__ = ["PROTOCOLS", "SIX", "Fault", "Protocol", "protocol"]

_OWN = (EXACT_1, DENSITY_1, DHF1K_1, UNISAL_1, SALEMA_1, TINYHD_1, MSU_1, MSU_2, TUEBINGEN_1)


def _join(entries: dict[str, Protocol], point: str, found: Any) -> None:
    """Take a protocol from another package; the entry point has its name."""
    if not isinstance(found, Protocol) or found.name != point:
        raise BadData(f"a Protocol of that name was expected, found {getattr(found, 'name', type(found).__name__)!r}")
    refuse_taken(entries, point)
    entries[point] = found


PROTOCOLS = Joined("protocol", "protocols", {p.name: p for p in _OWN}, _join)
"""The registry of protocols by name. A new protocol is its module and its name in `_OWN`; other packages join with
theirs (`vidsal.loaders.io.joined` says how)."""


def protocol(name: str | Protocol) -> Protocol:
    """Return a protocol by its name; a protocol is returned as it is.

    Raises:
        UnknownName: no such protocol; the message lists the known ones and the nearest.
    """
    if isinstance(name, Protocol):
        return name
    return PROTOCOLS.find(name)
