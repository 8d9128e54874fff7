"""Folders on the command line that may lie behind an address: fetched when the command begins, delivered at its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from vidsal.loaders.errors import MachineFault, MissingData, WrongUse
from vidsal.loaders.io.names import address_scheme
from vidsal.loaders.io.places import Place, deliver, fetch, try_place

from .output import LocalPath, note
from .progress import progress

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_OUT = "vidsal.places.out"


class _Source(Place):
    """What is read."""


class _Results(Place):
    """Where a run is written."""

    marker = "run.json"


class _Release(Place):
    """Where a release is written."""

    marker = "release.json"


class _Anywhere(LocalPath):
    """A path on this machine, or an address."""

    def __init__(self, kind: type[Place], **options: Any) -> None:
        super().__init__(**options)
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the place, which nobody has looked at yet."""
        if address_scheme(str(value)) and "://" in str(value):
            return self._kind(str(value))
        return super().convert(value, param, ctx)


any_place = _Anywhere(_Source, path_type=Path)
any_place_or_name = _Anywhere(_Source, path_type=str)
results_out = _Anywhere(_Results, path_type=Path, file_okay=False)
release_out = _Anywhere(_Release, path_type=Path, file_okay=False)


def places(command: _Decorated) -> _Decorated:
    """Give a command folders of this machine for its places; it stands right above the function.

    A command that writes calls `delivered` when its folder is complete.
    """

    @wraps(command)
    def on_this_machine(*context: click.Context, **given: Any) -> Any:
        for name, value in given.items():
            if isinstance(value, _Results | _Release):
                given[name] = _begun(value)
        for name, value in given.items():
            if isinstance(value, _Source):
                with progress(f"fetch {value.name}", "files") as step:
                    given[name] = fetch(value, step)
        return command(*context, **given)

    return on_this_machine  # type: ignore[return-value]


def _begun(target: _Results | _Release) -> Path:
    """Try the place; deliver what was made for it before, when something came between."""
    try_place(target)
    click.get_current_context().meta[_OUT] = target
    if delivered():
        note(f"{target.shown}: what an earlier command had made was not delivered to the end; it is now")
    return target.work


def delivered() -> int:
    """Deliver what was made for an address, if the command writes to one; return how many folders that were.

    Raises:
        MachineFault: the place fails us now.
    """
    target = click.get_current_context().meta.get(_OUT)
    if target is None:
        return 0
    try:
        with progress(f"deliver to {target.name}", "files") as step:
            return deliver(target, target.marker, step)
    except (MissingData, WrongUse) as error:
        raise MachineFault(f"{error}; what was made is kept here, the next command with this -o delivers it") from error
