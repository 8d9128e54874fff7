"""Batches read ahead by worker processes; what comes out does not depend on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vidsal.loaders.clips.processes import data_loader

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
    yield from zip(works, data_loader(_Works(feed, works), workers), strict=True)
