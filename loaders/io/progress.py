"""How long work reports how far it has come: in items, and while an item is worked on, in frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[int, int, str], None]
"""Called after each item with the number done, their total, and the name of that item."""

Note = Callable[[str], None]
"""Called with what is unusual but not a fault."""

PULSE_S = 0.5
"""How often work that waits for other processes looks up."""


def silent(done: int, total: int, name: str) -> None:
    """Report to nobody."""


class Meter(ABC):
    """A `Progress` that is told of frames, also while an item is worked on, where the number of all is known."""

    @abstractmethod
    def __call__(self, done: int, total: int, name: str) -> None:
        """Take the number of items that are done."""

    @abstractmethod
    def frames(self, done: int, total: int, name: str) -> None:
        """Take the number of frames that are done."""

    @abstractmethod
    def begin(self) -> None:
        """Take what was told so far as done before: the work begins now."""


def resume(progress: Progress, done: int, total: int) -> None:
    """Tell a `Meter` what was done before the work begins."""
    if isinstance(progress, Meter):
        progress(done, total, "")
        progress.begin()


_listener: ContextVar[Callable[[int], None] | None] = ContextVar("vidsal_frames", default=None)


def tick(count: int = 1) -> None:
    """Say that frames are done, to whoever listens in this thread; called by what goes through them one by one."""
    listener = _listener.get()
    if listener is not None:
        listener(count)


@contextmanager
def heard(listener: Callable[[int], None]) -> Iterator[None]:
    """Let `tick` call the listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Tally:
    """Counts what is done, for a `Progress`.

    A plain function is called after each item. A `Meter` learns of every frame, if the number of all of them is known.
    """

    def __init__(self, progress: Progress | None, frames: Mapping[str, int | None]) -> None:
        """Begin with nothing done.

        Args:
            progress: who is told; None = nobody.
            frames: of each item, by its name; None = nobody knows.
        """
        self._progress = progress or silent
        self._frames = {name: count or 0 for name, count in frames.items()}
        self._meter = progress if isinstance(progress, Meter) else None
        self._known = None not in frames.values()
        self._total = sum(self._frames.values())
        self._items = self._done = self._most = 0

    def begin(self) -> None:
        """Say that what was finished so far had been done before."""
        if self._meter:
            self._meter.begin()

    def finish(self, name: str) -> None:
        """Count an item as done."""
        self._items += 1
        self._done += self._frames[name]
        if self._meter and self._known:
            self._show(self._done, name)
        else:
            self._progress(self._items, len(self._frames), name)

    def at_hand(self, counts: Mapping[str, int]) -> None:
        """Take the number of frames that are done of each item that is worked on."""
        if self._meter and self._known:
            part = sum(min(count, self._frames[name]) for name, count in counts.items())
            self._show(self._done + part, next(iter(counts), ""))
        elif self._meter:
            self._meter(self._items, len(self._frames), next(iter(counts), ""))

    @contextmanager
    def listening(self, name: str) -> Iterator[None]:
        """Count the frames of an item that this thread works on."""
        count = 0

        def more(frames: int) -> None:
            nonlocal count
            count += frames
            self.at_hand({name: count})

        with heard(more):
            yield

    def _show(self, done: int, name: str) -> None:
        """Tell the meter; an item that was begun again never takes back what was told."""
        assert self._meter is not None
        self._most = max(self._most, done)
        self._meter.frames(self._most, self._total, name)
