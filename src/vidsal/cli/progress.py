"""Progress on stderr: a bar in a terminal, elsewhere (CI, Slurm) a plain line now and then; `--quiet` silences both."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from vidsal.loaders.io.names import visible
from vidsal.loaders.io.progress import Meter

from .output import echo

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_S = 30.0
"""How long nothing is said where there is no terminal."""

_QUIET = "vidsal.quiet"


def _be_quiet(context: click.Context, _: click.Parameter, quiet: bool) -> None:
    context.meta[_QUIET] = quiet


quiet_option = click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, callback=_be_quiet, help="Show no progress on stderr."
)


@contextmanager
def progress(label: str, units: str) -> Iterator[Meter]:
    """Show on stderr how far the work has come, and how long it will take.

    Args:
        label: what is done.
        units: what is counted, in the plural; frames where the work counts them.
    """
    context = click.get_current_context(silent=True)
    shown: _Quiet
    if context is not None and context.meta.get(_QUIET):
        shown = _Quiet()
    else:
        shown = _Bar(label, units) if sys.stderr.isatty() else _Lines(label, units)
    try:
        yield shown
    finally:
        shown.close()


class _Quiet(Meter):
    """Shows nothing."""

    def __call__(self, done: int, total: int, name: str) -> None:
        self.show(done, total, name, "")

    def frames(self, done: int, total: int, name: str) -> None:
        self.show(done, total, name, "frames")

    def begin(self) -> None:
        """Take what was told so far as done before."""

    def show(self, done: int, total: int, name: str, units: str) -> None:
        """Take a number; no units are those of the work."""

    def close(self) -> None:
        """Leave stderr as it was."""


class _Bar(_Quiet):
    """A bar of a terminal, which is gone at the end."""

    def __init__(self, label: str, units: str) -> None:
        self._label, self._units = label, units
        self._bar: tqdm[Any] | None = None
        self._done = 0

    def show(self, done: int, total: int, name: str, units: str) -> None:
        from tqdm import tqdm

        unit = f" {units or self._units}"
        if self._bar is None or self._bar.unit != unit:
            self.close()
            self._bar = tqdm(desc=self._label, unit=unit, total=total, initial=self._done, leave=False)
        self._bar.total = total or None
        self._bar.set_postfix_str(visible(name), refresh=False)
        self._bar.update(done - self._bar.n)
        self._done = done

    def begin(self) -> None:
        self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines(_Quiet):
    """A line every `LINE_S` seconds."""

    def __init__(self, label: str, units: str) -> None:
        self._label, self._units = label, units
        self._born = self._said = self._begun = time.monotonic()
        self._before = self._done = 0

    def begin(self) -> None:
        self._before, self._begun = self._done, time.monotonic()

    def show(self, done: int, total: int, name: str, units: str) -> None:
        self._done = done
        now = time.monotonic()
        if now - self._said < LINE_S:
            return
        self._said = now
        ahead = done - self._before
        left = (now - self._begun) * (total - done) / ahead if ahead > 0 and total else None
        text = line(done, total, units or self._units, now - self._born, left)
        echo(f"vidsal: {self._label}: {text}" + (f"; at {name}" if name else ""), err=True)


def line(done: int, total: int, units: str, seconds: float, left: float | None) -> str:
    """Say how far work has come.

    Args:
        done, total: in units; a total of 0 is not known yet.
        units: what is counted.
        seconds: since the work began.
        left: how many seconds more, at the pace so far; None = nobody can say yet.

    >>> line(1200, 5400, "frames", 70.4, 245.2)
    '1,200 of 5,400 frames (22 %), 0:01:10 so far, about 0:04:05 left'
    >>> line(0, 0, "steps", 30.0, None)
    '0 steps, 0:00:30 so far'
    """
    share = f" of {total:,} {units} ({100 * done // total} %)" if total else f" {units}"
    ahead = "" if left is None else f", about {timedelta(seconds=round(left))} left"
    return f"{done:,}{share}, {timedelta(seconds=int(seconds))} so far{ahead}"
