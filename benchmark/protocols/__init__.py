"""Protocols: named, frozen lists of every choice that moves a number. A changed choice is a new name.

A protocol is plain data. Scoring reads from it which metrics to compute and how maps are prepared, a run which
negatives to gather and how to average. Its digest goes into every result.
"""

from __future__ import annotations

from vidsal.loaders.errors import UnknownName

from .base import SIX, Fault, Protocol
from .definitions import DENSITY_1, DHF1K_1, EXACT_1
from .published import MSU_1, SALEMA_1, TINYHD_1, TUEBINGEN_1, UNISAL_1

__all__ = ["PROTOCOLS", "SIX", "Fault", "Protocol", "protocol"]

PROTOCOLS: dict[str, Protocol] = {
    p.name: p for p in (EXACT_1, DENSITY_1, DHF1K_1, UNISAL_1, SALEMA_1, TINYHD_1, MSU_1, TUEBINGEN_1)
}
"""The registry of protocols by name. A new protocol is its module and its name here."""


def protocol(name: str | Protocol) -> Protocol:
    """Return a protocol by its name; a protocol is returned as it is.

    Raises:
        UnknownName: no such protocol; the message lists the known ones and the nearest.
    """
    if isinstance(name, Protocol):
        return name
    if name not in PROTOCOLS:
        raise UnknownName("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
