"""What the names of files and folders say: which stimulus, which number; the one place where names are read.

People write a stimulus's id in their own way: other padding (`0601` for `601`), other case, other signs between words
(`Diving-Side_001`), a word before or after (`pred_0601`). A name is taken as it is first, then by its words, then
without a prefix and a suffix that all names of the folder share; where two ids answer, none is taken and both are
named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .names import shortlist

_WORDS = re.compile(r"[0-9]+|[^\W\d_]+")
_NUMBERS = re.compile(r"([0-9]+)")

Words = tuple[str, ...]


def words(name: str) -> Words:
    """Return the words and numbers of a name, without case, signs and leading zeros.

    >>> words("Diving-Side_001"), words("0601"), words("frame12b")
    (('diving', 'side', '1'), ('601',), ('frame', '12', 'b'))
    """
    return tuple(w.lstrip("0") or "0" if w.isdigit() else w for w in _WORDS.findall(name.casefold()))


@dataclass(frozen=True)
class Matches:
    """Which names mean which ids.

    Attributes:
        found: id by name.
        unknown: why not, by name: empty where no id answers, else the ids that do.
    """

    found: Mapping[str, str]
    unknown: Mapping[str, str]


@dataclass
class Ids:
    """Ids to be found by names that people give to them."""

    every: Iterable[str]
    _exact: dict[str, None] = field(init=False)
    _by_words: dict[Words, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._exact = dict.fromkeys(self.every)
        self._by_words = {}
        for one in self._exact:
            self._by_words.setdefault(words(one), []).append(one)

    def match(self, names: Sequence[str]) -> Matches:
        """Match the names of a folder, together.

        A prefix or suffix counts only if no name of the folder is understood without, and all have the same one.
        """
        answers = {name: self._direct(name) for name in names}
        if not any(answers.values()):
            answers = self._without_affixes(names)
        found = {name: ids[0] for name, ids in answers.items() if len(ids) == 1}
        unknown = {name: shortlist(ids, 3, between=" or ") for name, ids in answers.items() if len(ids) != 1}
        return Matches(found, unknown)

    def _direct(self, name: str) -> list[str]:
        return [name] if name in self._exact else self._by_words.get(words(name), []) if words(name) else []

    def _without_affixes(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Ids that remain where one prefix and one suffix of words is taken from every name."""
        nothing: dict[str, list[str]] = {name: [] for name in names}
        split = {name: words(name) for name in names}
        fitting: dict[tuple[Words, Words], int] = {}
        for first in list(split.values())[:1]:
            spans = ((a, b) for a in range(len(first)) for b in range(len(first), a, -1))
            for a, b in spans:
                if first[a:b] in self._by_words:
                    fitting[first[:a], first[b:]] = b - a
        for (before, after), _ in sorted(fitting.items(), key=lambda item: -item[1]):
            stripped = {name: _without(own, before, after) for name, own in split.items()}
            if all(core is not None and core in self._by_words for core in stripped.values()):
                return {name: self._by_words[core] for name, core in stripped.items() if core is not None}
        return nothing


def _without(own: Words, before: Words, after: Words) -> Words | None:
    if len(own) <= len(before) + len(after) or own[: len(before)] != before:
        return None
    end = len(own) - len(after)
    return own[len(before) : end] if own[end:] == after else None


@dataclass(frozen=True)
class Numbers:
    """Numbers in the names of a folder.

    Attributes:
        found: number by name.
        without: names that hold none.
        fault: why the number of each name is not clear; empty where it is.
    """

    found: Mapping[str, int]
    without: tuple[str, ...]
    fault: str = ""


def numbers(names: Sequence[str]) -> Numbers:
    """Read the number of each name: the one that changes from name to name, else the last.

    >>> numbers(["clip01_003", "clip01_004"]).found, numbers(["7_of_90"]).found
    ({'clip01_003': 3, 'clip01_004': 4}, {'7_of_90': 90})
    """
    parts = {name: _NUMBERS.split(name) for name in names}
    without = tuple(name for name, own in parts.items() if len(own) == 1 or max(map(len, own[1::2])) > 12)
    numbered = {name: tuple(map(int, own[1::2])) for name, own in parts.items() if name not in without}
    if not numbered:
        return Numbers({}, without)
    first = next(iter(numbered))
    several = [name for name in numbered if len(numbered[name]) != len(numbered[first])]
    if several:
        return Numbers({}, without, f"{first} and {several[0]} are named in different ways; name all alike")
    changing = [set(column) for column in zip(*numbered.values(), strict=True)]
    places = [place for place, values in enumerate(changing) if len(values) > 1] or [len(changing) - 1]
    if len({tuple(own[place] for own in numbered.values()) for place in places}) > 1:
        a, b = (numbered[first][place] for place in places[:2])
        return Numbers({}, without, f"the number of {first} may be {a} or {b}: both change from name to name")
    return Numbers({name: own[places[0]] for name, own in numbered.items()}, without)
