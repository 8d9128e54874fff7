"""`vidsal submit check`: every fault of a submission, found by the code that guards `vidsal score`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from vidsal.loaders.errors import BadData, UnknownName, VidsalError, WrongUse
from vidsal.loaders.io.progress import Progress
from vidsal.loaders.release.release import Release

from ..evaluation.children import ChildFault
from ..evaluation.stimulus import info_of
from ..predictor import StimulusInfo
from . import manifest_file
from .archive import opened_folder
from .check import Expectation, check
from .content import content_faults
from .faults import Fault, Finding, Refused, findings
from .layout import check_folder
from .manifest import NAME, Manifest
from .opened import expectation
from .parts import PredictionPart
from .reader import StoredPredictions, reader_of
from .said import NOTHING, Declared, check_data_set, inherited, layout_of
from .sandbox import Sandbox

T = TypeVar("T")


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        release, split: on which it was checked.
        stimuli: how many are predicted.
        findings: what breaks a rule, equal faults as one.
        strict: whether warnings count as faults.
    """

    release: str
    split: str
    stimuli: int
    findings: tuple[Finding, ...]
    strict: bool = False

    @property
    def ok(self) -> bool:
        """Whether there is no fault; with `strict`, without any warning."""
        return not any(self.strict or finding.severity == "fault" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        faults = [finding.to_dict() for finding in self.findings]
        if self.strict:
            faults = [{**fault, "severity": "fault"} for fault in faults]
        return {
            "ok": self.ok,
            "release": self.release,
            "split": self.split,
            "stimuli": self.stimuli,
            "strict": self.strict,
            "faults": faults,
        }


def examine(
    root: Path,
    data: Path,
    *,
    split: str | None = None,
    declared: Declared | None = None,
    strict: bool = False,
    threads: int = 1,
    sandbox: Sandbox | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Find every fault of a submission.

    Args:
        root: its folder, or a zip or tar file of it.
        data: folder of the converted release.
        split: to be scored; None = that of the manifest, else all.
        declared: what shipped models declare, see `open_submission`.
        strict: take warnings for faults.
        threads: number of decoding threads.
        sandbox: where files are decoded; None = here.
        progress: called with (done, total, stimulus id) after each stimulus that was read.

    Raises:
        WrongUse: there is no such folder, or no such split. MissingData: there is no such release.
    """
    if not root.exists():
        raise WrongUse(f"{root}: no such submission")
    whole = Release(data)
    try:
        with opened_folder(root) as folder:
            check_folder(folder)
            work = _Work(folder, whole, split, declared, threads, sandbox, progress)
            faults = [_below(folder, fault) for fault in work.faults()]
    except Refused as refused:  # the archive itself
        faults = [_below(root, fault) for fault in refused.faults]
        return Examination(whole.id, split or "all", 0, tuple(findings(faults)), strict)
    return Examination(whole.id, work.split, work.stimuli, tuple(findings(faults)), strict)


def _below(root: Path, fault: Fault) -> Fault:
    """Say the place from the submission's folder on."""
    where = "" if fault.where == str(root) else fault.where.removeprefix(f"{root}/")
    return replace(fault, where=where, what=fault.what.replace(f"{root}/", "").replace(str(root), root.name))


class _Work:
    """One examination; each step goes on as far as the faults before it allow."""

    def __init__(
        self,
        root: Path,
        whole: Release,
        split: str | None,
        declared: Declared | None,
        threads: int,
        sandbox: Sandbox | None,
        progress: Progress | None,
    ) -> None:
        self._root, self._whole, self._asked = root, whole, split
        self._declared, self._threads, self._progress = declared, threads, progress
        self._sandbox = sandbox
        self.split = split or "all"
        self._knows_split = True
        self.stimuli = 0
        if split is not None:
            Release(whole.root, None if split == "all" else split)  # an unknown one is wrong use

    def faults(self) -> list[Fault]:
        """Return all that is found."""
        manifest, found = self._manifest()
        try:
            check_data_set(manifest, self._whole, self._root)
        except WrongUse as error:
            return [*found, Fault(NAME, _without(error, self._root), rule="data-set")]
        data, of_split = self._data(manifest)
        found += of_split
        try:
            layout = layout_of(self._root, self._whole.ids, NOTHING)
        except Refused as refused:
            return [*found, *refused.faults]
        reader = reader_of(self._root, data, layout, manifest, NOTHING, self._threads)
        try:
            expected = expectation(data, manifest, reader)
        except Refused as refused:
            found += refused.faults
            expected = Expectation(tuple(s for s in data if s.annotated), manifest, reader.asked)
        if not self._knows_split:  # what is missing would be a guess
            here = tuple(s for s in expected.stimuli if s.id in layout.entries)
            expected = replace(expected, stimuli=here)
        checked = check(self._root, layout, data, expected, self._sandbox)
        found += checked.faults
        self.stimuli = len(reader.entries)
        found += self._inside(reader, manifest, data, checked.sound)
        return found

    def _manifest(self) -> tuple[Manifest, list[Fault]]:
        """Read the manifest, or what is left of it."""
        nothing = Manifest(prediction=PredictionPart(kind="saliency"))
        try:
            reading = manifest_file.examine(self._root)
        except BadData as error:
            self._knows_split = self._asked is not None
            return nothing, [Fault(NAME, _without(error, self._root / NAME), rule="manifest")]
        if reading is None:
            return nothing, [Fault(NAME, "is not there", " ", rule="manifest-missing")]
        faults = [Fault(f"{NAME}, {f.where}" if f.where else NAME, f.what, rule=f.rule) for f in reading.faults]
        if reading.manifest is None:
            self._knows_split = self._asked is not None
        return inherited(reading.manifest or nothing, self._declared), faults

    def _data(self, manifest: Manifest) -> tuple[Release, list[Fault]]:
        """Open the split that is asked for, or that the manifest names."""
        said = manifest.split
        if self._asked is None and said not in (None, "all"):
            try:
                data = Release(self._whole.root, said)
            except UnknownName as error:
                self._knows_split = False
                return self._whole, [Fault(f"{NAME}, split", str(error), rule="split")]
            self.split = str(said)
            return data, []
        data = self._whole if self.split == "all" else Release(self._whole.root, self.split)
        if said not in (None, "all", self.split):
            what = f"predictions of split {said}, it was checked with split {self.split}"
            return data, [Fault(f"{NAME}, split", what, rule="split")]
        return data, []

    def _inside(
        self, reader: StoredPredictions, manifest: Manifest, data: Release, sound: frozenset[str]
    ) -> Iterator[Fault]:
        """Read the maps of every stimulus that looks sound from outside."""
        chosen = [i for i in reader.entries if i in sound]
        calls = [partial(_inside, _of_one(reader, i), manifest, info_of(data[i])) for i in chosen]
        answers = (call() for call in calls) if self._sandbox is None else self._sandbox.calls(calls)
        for n, (stimulus_id, found) in enumerate(zip(chosen, answers, strict=True), 1):
            yield from [Fault.of(stimulus_id, str(found))] if isinstance(found, ChildFault) else found
            if self._progress:
                self._progress(n, len(chosen), stimulus_id)


def _of_one(reader: StoredPredictions, stimulus_id: str) -> StoredPredictions:
    """What a reader holds of one stimulus: small enough for another process."""

    def only(parts: Mapping[str, T]) -> dict[str, T]:
        return {stimulus_id: parts[stimulus_id]} if stimulus_id in parts else {}

    return replace(
        reader,
        entries=only(reader.entries),
        facts=only(reader.facts),
        wanted=only(reader.wanted),
        digests=only(reader.digests),
    )


def _inside(reader: StoredPredictions, manifest: Manifest, stimulus: StimulusInfo) -> list[Fault]:
    return list(content_faults(reader, manifest, stimulus))


def _without(error: VidsalError, where: Path) -> str:
    return str(error).removeprefix(f"{where}: ")
