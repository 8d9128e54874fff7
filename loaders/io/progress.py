"""How long work reports how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called after each item with the number done, their total, and the name of that item."""

Note = Callable[[str], None]
"""Called with what is unusual but not a fault."""


def silent(done: int, total: int, name: str) -> None:
    """Report to nobody."""
