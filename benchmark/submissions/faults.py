"""Faults of a submission, reported together: one line with a count and the first three places for those that are equal,
or that only their numbers part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import BadData
from vidsal.loaders.io.names import shortlist

from .rules import RULES, Severity

_MOST_REPORTED = 30
MOST_NAMED = 3
"""How many places of equal faults are named."""

_NUMBER = re.compile(r"[0-9]+")
_FILE = re.compile(r"([^\s/]+\.[A-Za-z0-9]{2,5})(: | (?=(?:is|has|cannot|holds) ))")


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where.

    Attributes:
        where: a file, a stimulus or a field of the manifest; empty for the submission as a whole.
        what: equal for equal faults, but for its numbers.
        between: what stands between the two.
        stimulus: in whose folder `where` lies; empty where it stands for itself.
        rule: id of the rule that is broken, see `rules.py`.
    """

    where: str
    what: str
    between: str = ": "
    stimulus: str = ""
    rule: str = "file"

    @classmethod
    def of(cls, stimulus: str, text: str, rule: str = "file") -> Fault:
        """Take a sentence apart that may begin with the name of a file of the stimulus."""
        name = _FILE.match(text)
        if name is None:
            return cls(stimulus, text, rule=rule)
        return cls(name[1], text[name.end() :], name[2], stimulus, rule)

    @property
    def severity(self) -> Severity:
        """Whether it is refused, or scored and marked."""
        return RULES[self.rule].severity

    @property
    def place(self) -> str:
        """Where it is, as a path."""
        return f"{self.stimulus}/{self.where}" if self.stimulus else self.where

    def __str__(self) -> str:
        if not self.where:
            return self.what
        return f"{self.stimulus + ': ' if self.stimulus else ''}{self.where}{self.between}{self.what}"


@dataclass(frozen=True)
class Finding:
    """Equal faults.

    Attributes:
        rule: id of the rule that is broken.
        severity: `fault` or `warning`.
        message: what is wrong.
        places: of all.
        line: all of it in a sentence.
    """

    rule: str
    severity: Severity
    message: str
    places: tuple[str, ...]
    line: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the first places, and their number."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "place": shortlist(self.places, MOST_NAMED),
            "message": self.message,
            "mend": RULES[self.rule].mend,
            "count": len(self.places),
        }


class Refused(BadData):
    """A submission with faults; the message names all of them.

    Attributes:
        faults: each.
    """

    def __init__(self, message: str, faults: Iterable[Fault]) -> None:
        super().__init__(message)
        self.faults = tuple(faults)

    def __reduce__(self) -> tuple[type[Refused], tuple[str, tuple[Fault, ...]]]:
        return type(self), (str(self), self.faults)


def refuse(rule: str, where: object, what: str) -> Refused:
    """Return the error of one fault of a submission as a whole, or of one file."""
    return Refused(f"{where}: {what}", [Fault(str(where), what, rule=rule)])


def findings(faults: Iterable[Fault]) -> list[Finding]:
    """Fold faults that are equal but for their numbers, in their order; the numbers of the first are told."""
    by_kind: dict[tuple[str, str, str], list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault((fault.rule, _NUMBER.sub("0", fault.what), fault.between), []).append(fault)
    return [
        Finding(found[0].rule, found[0].severity, found[0].what, tuple(f.place for f in found), _line(found))
        for found in by_kind.values()
    ]


def report(root: Path, faults: Sequence[Fault]) -> str:
    """Say what is wrong with a submission, one line for each kind of fault."""
    lines = [finding.line for finding in findings(faults)]
    more = [f"and {len(lines) - _MOST_REPORTED} more kinds"] if len(lines) > _MOST_REPORTED else []
    text = "".join(f"\n  {line}" for line in lines[:_MOST_REPORTED] + more)
    return f"{root}: {len(faults)} fault{'s' if len(faults) > 1 else ''}; nothing of it was used{text}"


def _line(found: list[Fault]) -> str:
    if len(found) == 1:
        return str(found[0])
    first = ", the first" if len({fault.what for fault in found}) > 1 else ""
    return f"{shortlist([f.place for f in found], MOST_NAMED)} ({len(found)}){first}: {found[0].what}"
