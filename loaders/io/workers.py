"""Worker processes: what is asked of any; and a pool of those that end when the process that started them does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any, Protocol

from ..errors import BadData
from .names import shortlist

Task = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments; picklable, as its answer must be."""


class Processes(Protocol):
    """Where tasks are done: child processes here, or those of a cluster.

    Attributes:
        away: whether it may be on other machines.
    """

    away: bool

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do one task and return its answer.

        Raises:
            BadData: there is no answer; what the task raises comes out as it is.
        """
        ((_, answer),) = self.each([(function, arguments)])
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def each(
        self, tasks: Sequence[Task], watch: Callable[[Mapping[int, int]], None] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Do tasks at once, begun in their order; yield the number of each and its answer, or its error."""


def summed_up(failed: Mapping[str, BadData], what_follows: str, *, named: bool = False) -> BadData:
    """Return one error for tasks that failed: the first whole, the others by name.

    Args:
        failed: why, by the name of the task; one or more.
        what_follows: a sentence or two without the last full stop.
        named: each reason names its task itself.
    """
    first, *more = failed
    others = f"; also failed: {shortlist(more)}" if more else ""
    error = BadData(f"{'' if named else f'{first}: '}{failed[first]}{others}. {what_follows}")
    error.__cause__ = failed[first]
    return error


@contextmanager
def pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; if something fails or interrupts, what waits is dropped and what runs is ended.

    A worker writes each result atomically (`files.atomic_write`), so ending it loses only the stimulus in its hands.
    """
    others = set(active_children())
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=attend) as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in set(active_children()) - others:
                process.terminate()
            raise


def attend() -> None:
    """Leave Ctrl-C to the parent, which says what happened; end with the parent, be it killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, name="vidsal-follow", daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
