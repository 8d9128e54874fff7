"""Registries that other packages join, by entry points of the standard form; nothing of ours is changed for that.

In their `pyproject.toml`:

    [project.entry-points."vidsal.datasets"]
    toy = "toy_package.dataset"            # a module as `Form` says; of several forms: toy.raw, toy.released
    [project.entry-points."vidsal.models"]
    toy_model = "toy_package.model"        # a module with MODELS, as `vidsal.baselines.base` says
    [project.entry-points."vidsal.protocols"]
    toy-1 = "toy_package.protocols:TOY_1"  # a Protocol of that name

Packages are looked for once, when something is asked for that is not ours, or when a registry is listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BadData, UnknownName, VidsalError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = logging.getLogger(__name__)

V = TypeVar("V")


class Joined(MutableMapping[str, V]):
    """A registry by name: our own entries in their order, then those of other packages in the order of their names.

    An entry that cannot be used is named in a logged warning, once, and whenever it is asked for; it hides no other.

    Args:
        kind: what it registers, in words.
        group: of the entry points, without the `vidsal.` before it.
        own: our entries.
        join: adds what an entry point of that name refers to; what it raises is the reason why that cannot be used.
    """

    def __init__(
        self, kind: str, group: str, own: Mapping[str, V], join: Callable[[dict[str, V], str, Any], None]
    ) -> None:
        self._kind, self._group, self._join = kind, group, join
        self._entries = dict(own)
        self._broken: dict[str, str] = {}
        self._looked = False

    def __getitem__(self, name: str) -> V:
        if name not in self._entries:
            self._look()
        return self._entries[name]

    def __setitem__(self, name: str, value: V) -> None:
        self._entries[name] = value

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            self._look()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(dict(self._entries))

    def __len__(self) -> int:
        self._look()
        return len(self._entries)

    def find(self, name: str) -> V:
        """Return an entry.

        Raises:
            BadData: another package offers it, and it cannot be used; the message says why.
            UnknownName: nobody offers it; the message lists the known ones.
        """
        if name in self:
            return self._entries[name]
        if name in self._broken:
            raise BadData(self._broken[name])
        raise UnknownName(self._kind, name, self)

    def _look(self) -> None:
        if self._looked:
            return
        self._looked = True  # first: a package that is loaded here may ask for our entries
        from importlib.metadata import entry_points

        for point in sorted(
            entry_points(group=f"vidsal.{self._group}"), key=lambda point: (point.name, _package(point))
        ):
            try:
                self._join(self._entries, point.name, point.load())
            except (Exception, SystemExit) as error:  # another package's code may fail in any way; the others go on
                reason = str(error) if isinstance(error, VidsalError) else f"{type(error).__name__}: {error}"
                self._broken[point.name] = (
                    f"the {self._kind} {point.name} of the package {_package(point)} ({point.value}) cannot be used: "
                    f"{reason}; mend that package, or uninstall it"
                )
                log.warning("%s", self._broken[point.name])


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "of unknown name"


def refuse_taken(entries: Mapping[str, object], name: str) -> None:
    """Refuse a second entry of one name.

    Raises:
        BadData: there is one.
    """
    if name in entries:
        raise BadData("there is one of this name")
