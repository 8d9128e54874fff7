"""Child processes that do tasks for this one. One that dies, hangs or ends itself costs its task, and is told apart.

A child that was killed by a signal (a crash of native code, or the machine's memory was full) is replaced and its task
tried once more; one that ended itself, or hung, would do so again. What a child prints goes to stderr.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from errno import ENOMEM
from importlib import import_module
from multiprocessing import connection, get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vidsal.loaders.errors import BadData, VidsalError
from vidsal.loaders.io.progress import PULSE_S, heard
from vidsal.loaders.io.workers import Processes, Task, attend

_RULE = "a predictor raises an error, it does not end the program"
_LEAVE_S = 1.0  # how long a child may take to end when it is no longer needed


class ChildFault(BadData):
    """A child process ended, was killed or hung before it answered."""


class Children(Processes):
    """Up to `count` processes, started when there is work and ended with this object.

    Attributes:
        away: no; they are here.
        count: how many at once.
        timeout_s: how long a child may show no sign of life while it is `busy`; None = for ever.
        memory_bytes: how much memory a child may take beyond what it has when it starts (Linux); None = as it likes.
    """

    away = False

    def __init__(self, count: int = 1, timeout_s: float | None = None, memory_bytes: int | None = None) -> None:
        self.count = count
        self.timeout_s = timeout_s
        self.memory_bytes = memory_bytes
        self._free: list[_Child] = []
        self._working: dict[_Child, int] = {}

    def start(self, modules: Sequence[str]) -> None:
        """Start all of them now, so that they import what they will need while this process gets its work together."""
        self._free += [_Child(self.memory_bytes, modules) for _ in range(self.count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._working:
            child.kill()
        for child in self._free:
            child.leave()
        self._free.clear()
        self._working.clear()

    def each(
        self, tasks: Sequence[Task], watch: Callable[[Mapping[int, int]], None] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Do tasks at once, begun in their order; yield the number of each and its answer, or its error.

        Args:
            tasks: what to do.
            watch: called now and then with the number of frames that are done of each task at hand.
        """
        waiting = deque(range(len(tasks)))
        tries: Counter[int] = Counter()
        while waiting or self._working:
            while waiting and len(self._working) < self.count:
                number = waiting.popleft()
                child = self._free.pop() if self._free else _Child(self.memory_bytes)
                self._working[child] = number
                tries[number] += 1
                child.give(tasks[number])
            pipes = [child.pipe for child in self._working]
            ready = set(connection.wait(pipes, timeout=min(PULSE_S, self.timeout_s or PULSE_S)))
            if watch:
                watch({number: child.frames for child, number in self._working.items()})
            for child, number in list(self._working.items()):
                if child.pipe in ready or not child.process.is_alive():
                    answer = child.answer()
                    if isinstance(answer, _Killed) and tries[number] == 1:
                        waiting.appendleft(number)
                        child.kill()
                        del self._working[child]
                        continue
                elif self.timeout_s and child.silent_s() > self.timeout_s:
                    answer = ChildFault(
                        f"no sign of life for {self.timeout_s:g} s of one frame, so its process was ended; --timeout "
                        "SECONDS gives it more"
                    )
                else:
                    continue
                del self._working[child]
                if isinstance(answer, ChildFault):
                    child.kill()
                else:
                    self._free.append(child)
                yield number, answer


class _Killed(ChildFault):
    """A signal ended the child."""


class _Child:
    """One process, which does one task at a time."""

    def __init__(self, memory_bytes: int | None, modules: Sequence[str] = ()) -> None:
        self._used = False
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self._since = context.RawValue("d", 0.0)
        self._frames = context.RawValue("q", 0)
        arguments = (other, self._since, self._frames, memory_bytes, tuple(modules))
        self.process = context.Process(target=_serve, args=arguments, name="vidsal-child")
        self.process.start()
        other.close()

    @property
    def frames(self) -> int:
        """How many frames of its task it has done."""
        return int(self._frames.value)

    def give(self, task: Task) -> None:
        self._used = True
        self._frames.value = 0
        with suppress(BrokenPipeError):  # it is dead, which `answer` will say
            self.pipe.send(task)

    def silent_s(self) -> float:
        """How long it has been busy without a sign of life."""
        since = float(self._since.value)
        return time.monotonic() - since if since else 0.0

    def answer(self) -> Any:
        """What it answers, or what became of it."""
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except (EOFError, OSError):
            pass  # it died; below is said how
        except Exception as error:  # of a class that only the child knows
            return ChildFault(f"its process answered what cannot be read here ({type(error).__name__}: {error})")
        self.process.join(_LEAVE_S)
        code = self.process.exitcode
        if code is None or code >= 0:
            how = "closed its pipe" if code is None else f"ended itself with exit code {code}"
            return ChildFault(f"its process {how}: {_RULE}")
        return _Killed(
            f"its process was killed twice by {_name_of(-code)} (a crash of native code, or the memory was full: fewer "
            "--workers need less)"
        )

    def kill(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def leave(self) -> None:
        """Let it end, or end it; one that still gets ready would notice late."""
        self.pipe.close()
        if self._used:
            self.process.join(_LEAVE_S)
        self.process.kill()
        self.process.join()


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_clock: Any = None
"""In a child: since when it has been busy; 0 = it is not."""


def busy(grace_s: float = 0.0) -> None:
    """Say in a child that somebody's code begins to work now, or still does: the time of a frame begins here.

    Frames that are counted (`tick`) say so, too.

    Args:
        grace_s: how much longer than a frame it may take.
    """
    if _clock is not None:
        _clock.value = time.monotonic() + grace_s


def idle() -> None:
    """Say in a child that somebody's code is not at work."""
    if _clock is not None:
        _clock.value = 0.0


def _limit_memory(more_bytes: int) -> None:
    """Let this process have so much more address space than it has now (Linux)."""
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(
    pipe: connection.Connection, clock: Any, frames: Any, memory_bytes: int | None, modules: Sequence[str]
) -> None:
    global _clock
    _clock = clock

    def count(more: int) -> None:
        frames.value += more
        if clock.value:
            clock.value = max(clock.value, time.monotonic())

    attend()
    if memory_bytes is not None:
        _limit_memory(memory_bytes)
    sys.stdout = sys.stderr
    os.dup2(2, 1)
    for module in modules:
        with suppress(Exception):  # the task that needs it says so better
            import_module(module)
    while True:
        try:
            task = pipe.recv_bytes()
        except EOFError:
            return
        try:
            function, arguments = pickle.loads(task)  # noqa: S301  our own bytes; it imports, which takes memory
            with heard(count):
                answer = function(*arguments)
        except BaseException as error:  # also what ends a program: the other process decides
            full = memory_bytes is not None and _for_want_of_memory(error)
            answer = ChildFault(_full(memory_bytes or 0)) if full else _portable(error)
        idle()
        try:
            pipe.send(answer)
        except Exception as error:
            pipe.send(BadData(f"its answer cannot be sent between processes ({type(error).__name__}: {error})"))


def _for_want_of_memory(error: BaseException | None) -> bool:
    """Whether an error follows from the limit of memory: a library that has no room raises an ImportError, or worse."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == ENOMEM):
            return True
        if isinstance(error, ImportError) and ("map segment" in str(error) or "allocate memory" in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _full(memory_bytes: int) -> str:
    return f"it takes more than the {memory_bytes / 2**30:g} GiB of memory that it may have"


def _portable(error: BaseException) -> BaseException:
    """An error that another process can read, with its place if it is unexpected."""
    if not isinstance(error, Exception):
        return ChildFault(f"it raised {type(error).__name__}({error}): {_RULE}")
    if not isinstance(error, VidsalError):
        error.add_note("in a child process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:
        return (
            BadData(str(error)) if isinstance(error, VidsalError) else RuntimeError(f"{type(error).__name__}: {error}")
        )
    return error
