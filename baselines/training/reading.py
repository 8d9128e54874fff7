"""Batches read ahead by worker processes; what comes out does not depend on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from .systems.base import Batch

if TYPE_CHECKING:
    from .feeds.base import Feed, Work


class _Works:
    """The batches of an epoch as a torch data set."""

    def __init__(self, feed: Feed, works: Sequence[Work]) -> None:
        self._feed, self._works = feed, works

    def __len__(self) -> int:
        return len(self._works)

    def __getitem__(self, index: int) -> Batch:
        return self._feed.read(self._works[index])


def read_batches(feed: Feed, works: Sequence[Work], workers: int = 0) -> Iterator[tuple[Work, Batch]]:
    """Yield each batch's work and tensors, in order.

    Args:
        feed: reads them.
        works: batches.
        workers: processes.
    """
    import torch

    made: Any = _Works(feed, works)
    # The loader draws a number for its workers, whose own random numbers are never used: it must not be ours.
    loader = DataLoader(made, batch_size=None, num_workers=workers, generator=torch.Generator())
    yield from zip(works, loader, strict=True)
