"""Faults of a submission, reported together: equal ones are one line with a count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vidsal.loaders.io.names import shortlist

_MOST_REPORTED = 30
_MOST_NAMED = 3
_FILE = re.compile(r"([^\s/]+\.[A-Za-z0-9]{2,5})(: | (?=(?:is|has|cannot|holds) ))")


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where.

    Attributes:
        where: a file or a stimulus.
        what: equal for equal faults.
        between: what stands between the two.
        stimulus: in whose folder `where` lies; empty where it stands for itself.
    """

    where: str
    what: str
    between: str = ": "
    stimulus: str = ""

    @classmethod
    def of(cls, stimulus: str, text: str) -> Fault:
        """Take a sentence apart that may begin with the name of a file of the stimulus."""
        name = _FILE.match(text)
        if name is None:
            return cls(stimulus, text)
        return cls(name[1], text[name.end() :], name[2], stimulus)


def report(root: Path, faults: Iterable[Fault]) -> str:
    """Say what is wrong with a submission, one line for each kind of fault."""
    by_kind: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault((fault.what, fault.between), []).append(fault)
    lines = [_line(what, between, found) for (what, between), found in by_kind.items()]
    more = [f"and {len(lines) - _MOST_REPORTED} more kinds"] if len(lines) > _MOST_REPORTED else []
    number = sum(map(len, by_kind.values()))
    text = "".join(f"\n  {line}" for line in lines[:_MOST_REPORTED] + more)
    return f"{root}: {number} fault{'s' if number > 1 else ''}; nothing was scored{text}"


def _line(what: str, between: str, found: list[Fault]) -> str:
    if len(found) == 1:
        only = found[0]
        return f"{only.stimulus + ': ' if only.stimulus else ''}{only.where}{between}{what}"
    places = [f"{f.stimulus}/{f.where}" if f.stimulus else f.where for f in found]
    return f"{shortlist(places, _MOST_NAMED)} ({len(found)}): {what}"
