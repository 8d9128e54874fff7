"""Work done ahead in threads: results in order, at most so many waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


def ahead(calls: Iterable[Callable[[], T]], threads: int, depth: int) -> Iterator[T]:
    """Make calls in threads and yield their results in order.

    Args:
        calls: what to call; taken from the iterable as room becomes free.
        threads: how many work at once.
        depth: how many results may wait.
    """
    with ThreadPoolExecutor(threads, "vidsal-ahead") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def iterate_ahead(source: Generator[T], depth: int) -> Iterator[T]:
    """Run a generator in a thread, so many items ahead of its reader; errors come out where they happened."""
    step: Callable[[], Any] = partial(next, source, _END)
    try:
        for item in ahead(repeat(step), 1, depth):
            if item is _END:
                return
            yield item
    finally:
        source.close()
