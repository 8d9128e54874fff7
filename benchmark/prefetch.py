"""Work done in threads before its results are asked for: results in order, at most so many waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

T = TypeVar("T")

DEPTH = 8
"""How many items of a generator wait for their reader, by default."""

_END = object()


def prefetch_calls(calls: Iterable[Callable[[], T]], threads: int, depth: int) -> Iterator[T]:
    """Make calls in threads and yield their results in order.

    Args:
        calls: what to call; taken from the iterable as room becomes free.
        threads: how many work at once.
        depth: how many results may wait.
    """
    with ThreadPoolExecutor(threads, "vidsal-prefetch") as pool:
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


def prefetch_items(source: Generator[T], depth: int = DEPTH) -> Iterator[T]:
    """Run a generator in a thread, at most `depth` items before its reader; its errors are raised where they belong."""
    step: Callable[[], Any] = partial(next, source, _END)
    try:
        for item in prefetch_calls(repeat(step), 1, depth):
            if item is _END:
                return
            yield item
    finally:
        source.close()
