"""Strangers' files are decoded in child processes whose memory and time have an end: `--sandbox`.

What a decoder does there costs the stimulus at hand and nothing else: a crash, a picture that unfolds to more than the
memory allows, one that never ends. Files are opened with the rights of the user all the same: a sandbox against code
that is run is the task of a container.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.workers import Processes, Task

from ..evaluation.children import ChildFault, Children, busy

T = TypeVar("T")

MEMORY_BYTES = 4 << 30
"""What a child may take beyond what it has when it starts."""

SILENCE_S = 60.0
"""How long the map of one frame may take to be read, the headers of a stimulus, or a frame that is converted."""


class Sandbox:
    """Child processes that decode.

    Attributes:
        children: the processes; a run may use them too.
    """

    def __init__(self, children: Children) -> None:
        self.children = children

    def calls(self, calls: Iterable[Callable[[], T]]) -> Iterator[T | ChildFault]:
        """Make picklable calls in children; yield their results in order, or what became of the child."""
        tasks: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [(_timed, (call,)) for call in calls]
        early: dict[int, Any] = {}
        wanted = 0
        for number, answer in self.children.each(tasks):
            early[number] = answer
            while wanted in early:
                result = early.pop(wanted)
                wanted += 1
                if isinstance(result, BaseException) and not isinstance(result, ChildFault):
                    raise result
                yield result


def _timed(call: Callable[[], T]) -> T:
    busy()
    return call()


class TimedChildren(Processes):
    """The children of a sandbox for tasks that know nothing of it: all of a task's time counts.

    Attributes:
        away: no; they are here.
    """

    away = False

    def __init__(self, box: Sandbox) -> None:
        self._children = box.children

    def each(
        self, tasks: Sequence[Task], watch: Callable[[Mapping[int, int]], None] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Do tasks; see `Children.each`."""
        return self._children.each([(_timed, (partial(function, *given),)) for function, given in tasks], watch)


@contextmanager
def sandbox(workers: int = 1, memory_bytes: int = MEMORY_BYTES, silence_s: float = SILENCE_S) -> Iterator[Sandbox]:
    """Give a sandbox of some processes.

    Raises:
        WrongUse: this system cannot limit the memory of a process.
    """
    if sys.platform != "linux":
        raise WrongUse(
            f"--sandbox: {sys.platform} does not limit the memory of a process; do it on Linux, or in a container"
        )
    with Children(workers, silence_s, memory_bytes) as children:
        yield Sandbox(children)
