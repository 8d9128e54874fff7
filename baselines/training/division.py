"""Which stimuli train and which are held out; what is held out never trains, by id or by group."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vidsal.loaders.errors import MissingData, UnknownName, WrongUse
from vidsal.loaders.release.release import Release, Stimulus

from .published import folds, unisal_validation_numbers

_HELD_OUT = ("val", "valid", "validation")
_EVERY = 5
_NAMED = 4
_PART = re.compile(r"(.+):(\d+)-(\d+)")


@dataclass(frozen=True)
class Division:
    """The stimuli of one release.

    Attributes:
        train, held_out: ids, in the release's order.
        how: the rule in words.
        train_frames, held_out_frames: of stimuli of which only some frames are meant.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    how: str
    train_frames: Mapping[str, range] = field(default_factory=dict)
    held_out_frames: Mapping[str, range] = field(default_factory=dict)

    def training_clips(self) -> dict[str, Any]:
        """Return what restricts a ClipSampler to what trains."""
        return {"only": self.train, "within": self.train_frames}

    def held_out_clips(self) -> dict[str, Any]:
        """Return what restricts a ClipSampler to what is held out."""
        return {"only": self.held_out, "within": self.held_out_frames}

    def limited(self, limit: int | None) -> Division:
        """Return the first `limit` of both."""
        return self if limit is None else replace(self, train=self.train[:limit], held_out=self.held_out[:limit])


def divide(
    release: Release,
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    ids: Sequence[str] = (),
    held_out: Sequence[str] = (),
) -> Division:
    """Divide the stimuli that have gaze and frames here.

    The first that applies: the ids that are named, the splits that the options name, the recipe's folds, the published
    rule of UNISAL's videos, the splits `train` and `val` of the release, every fifth group held out.

    Args:
        release: opened without a split.
        data: of the recipe; `folds` (n, seed) and `validation` (seed, n, of) are read.
        options: of the recipe; `fold`, `train_split`, `validation_split`.
        ids: that train, `ID:FIRST-LAST` some frames of one (0-based, both included); none = all but what is held out.
        held_out: that are held out, likewise; none = none where `ids` are named.

    Raises:
        MissingData: nothing can be trained on, or an id has no gaze or no frames here.
        UnknownName: no such split or id.
        WrongUse: a held-out stimulus, or one of its group, would be trained on, or a stimulus has no such frames.
    """
    here = [s for s in release if s.annotated and s.frames_path() is not None]
    if not here:
        raise MissingData(release.frames_hint([s.id for s in release if s.annotated]))
    names = {s.split for s in here}
    if ids or held_out:
        found = _by_ids(here, release, ids, held_out)
    elif options.get("train_split") or options.get("validation_split"):
        found = _named(here, names, options, release)
    elif "folds" in data:
        found = _fold(here, data["folds"], options.get("fold"))
    elif "validation" in data and release.record["dataset"] in ("hollywood2", "ucf-sports"):
        found = _unisal(here, data["validation"], release.record["dataset"])
    elif "train" in names:
        other = next((name for name in _HELD_OUT if name in names), None)
        train = tuple(s.id for s in here if s.split == "train")
        found = Division(train, tuple(s.id for s in here if s.split == other), f"splits train and {other}")
    else:
        groups = sorted({s.row["group_id"] for s in here})
        chosen = set(groups[_EVERY - 1 :: _EVERY])
        found = Division(
            tuple(s.id for s in here if s.row["group_id"] not in chosen),
            tuple(s.id for s in here if s.row["group_id"] in chosen),
            "no split train here: every fifth group is held out",
        )
    if not found.train:
        raise MissingData(f"{release!r}: no stimulus to train on ({found.how})")
    refuse_overlap(release, found)
    return found


def refuse_overlap(release: Release, division: Division) -> None:
    """Refuse training on what is held out.

    Raises:
        WrongUse: an id is in both parts, or two stimuli of one group are.
    """
    held = defaultdict(list)
    for i in division.held_out:
        held[release[i].row["group_id"]].append(i)
    pairs = [
        (i, j) for i in division.train for j in held.get(release[i].row["group_id"], ()) if not _apart(division, i, j)
    ]
    both = sorted({i for i, j in pairs if i == j})
    if both:
        raise WrongUse(
            f"{release.id}: {_some(both)} would be trained on and are held out ({division.how}); let the two parts "
            "share no stimulus"
        )
    if pairs:
        first, other = pairs[0]
        raise WrongUse(
            f"{release.id}: {_some(list(dict.fromkeys(i for i, _ in pairs)))} would be trained on and belong to groups "
            f"that are held out ({first} and {other} are parts of one recording); leave them out or hold out the group"
        )


def _apart(division: Division, trained: str, held_out: str) -> bool:
    """Whether both are one stimulus of which different frames are meant."""
    if trained != held_out:
        return False
    one, other = division.train_frames.get(trained), division.held_out_frames.get(held_out)
    return one is not None and other is not None and (one.stop <= other.start or other.stop <= one.start)


def _by_ids(here: Sequence[Stimulus], release: Release, ids: Sequence[str], held_out: Sequence[str]) -> Division:
    usable = {s.id for s in here}
    (ids, own), (held_out, other) = _parts(ids, release), _parts(held_out, release)
    for name in (*ids, *held_out):
        if name not in usable:
            stimulus = release[name]  # UnknownName where there is none
            why = "no frames here" if stimulus.annotated else "no gaze"
            raise MissingData(f"{release.id}: {name} is named for training and has {why}")
    groups = {release[i].row["group_id"] for i in held_out}
    others = tuple(s.id for s in here if s.row["group_id"] not in groups)
    return Division(tuple(ids) or others, tuple(held_out), "ids as asked for", own, other)


def _parts(names: Sequence[str], release: Release) -> tuple[list[str], dict[str, range]]:
    """Part `ID:FIRST-LAST` into ids and frames."""
    found, frames = list[str](), dict[str, range]()
    for name in names:
        part = None if name in release.ids else _PART.fullmatch(name)
        if part is None:
            found.append(name)
            continue
        stimulus, first, last = release[part[1]], int(part[2]), int(part[3])
        if not first <= last < stimulus.n_frames:
            raise WrongUse(f"{name}: {stimulus.id} has the frames 0 to {stimulus.n_frames - 1}")
        if stimulus.id in frames:
            raise WrongUse(f"{stimulus.id} is named twice with frames; name one run of them")
        found.append(stimulus.id)
        frames[stimulus.id] = range(first, last + 1)
    return found, frames


def _named(here: Sequence[Stimulus], names: set[str], options: Mapping[str, Any], release: Release) -> Division:
    train, held_out = options.get("train_split") or "train", options.get("validation_split") or "val"
    for name in (train, held_out):
        if name not in names | {"all", "none"}:
            raise UnknownName(f"split of {release.id}", name, names | {"all", "none"})
    return Division(
        tuple(s.id for s in here if train in ("all", s.split)),
        tuple(s.id for s in here if held_out in ("all", s.split)),
        f"splits {train} and {held_out}, as asked for",
    )


def _fold(here: Sequence[Stimulus], rule: Mapping[str, Any], fold: str | None) -> Division:
    ordered = sorted(here, key=lambda s: s.id)
    number = None if fold is None else int(fold)
    train, held_out = folds(len(ordered), number, n_folds=rule["n"], seed=rule["seed"])
    words = "all images train" if fold is None else f"fold {fold} of {rule['n']} is held out"
    return Division(tuple(ordered[i].id for i in train), tuple(ordered[i].id for i in held_out), words)


def _unisal(here: Sequence[Stimulus], rule: Mapping[str, Any], dataset: str) -> Division:
    """Hold out clips by their number (Hollywood-2), or by their place among the sorted names (UCF Sports)."""
    held = set(unisal_validation_numbers(rule["of"], rule["n"], rule["seed"]))
    train = [s for s in here if s.split == "train"]
    if dataset == "hollywood2":
        number = {s.id: int(re.sub(r"\D", "", str(s.row["group_id"]).split("_")[0]) or 0) for s in train}
        train = [s for s in train if number[s.id] <= rule["of"]]
    else:
        number = {s.id: place for place, s in enumerate(sorted(train, key=lambda s: s.id), 1)}
    return Division(
        tuple(s.id for s in train if number[s.id] not in held),
        tuple(s.id for s in train if number[s.id] in held),
        f"{rule['n']} of {rule['of']} held out as published, seed {rule['seed']}",
    )


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more
