"""Work done in threads before its results are asked for: results in order, at most so many waiting."""

from __future__ import annotations

import sys
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
    with ThreadPoolExecutor(threads, "vidsal-prefetch", _limit_torch, (_torch_threads(),)) as pool:
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


def _torch_threads() -> int | None:
    """How many threads torch has; None where it is not in use."""
    return sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None


def _limit_torch(threads: int | None) -> None:
    """Give torch in this thread as many as in the one that asked: OpenMP counts them by thread, and begins with all."""
    if threads is not None and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


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
