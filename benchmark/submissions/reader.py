"""Stored predictions as a predictor: a run reads them as if a model computed them now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release, Stimulus

from ..predictor import ModelInfo, Prediction, StimulusInfo
from ..prefetch import prefetch_calls
from . import manifest as manifests
from .check import Checked, Expectation, check
from .encoding import decoder
from .formats.folder import MapFiles
from .formats.stored import Limits, check_gaze
from .frame_numbers import Asked, FrameFacts, settle
from .layout import Entry, Layout, scan, stored
from .manifest import FirstFrame, Manifest, ModelPart, PredictionPart
from .pattern import scan_pattern

_HASHING = 4


@dataclass
class StoredPredictions:
    """A predictor that reads stored predictions; it never looks at the frames.

    Attributes:
        info: of the model that made the predictions, as the manifest has it.
        root: folder of the submission.
        prediction: what the maps are.
        asked: what is said of the numbers of frames.
        entries: where the predictions of each stimulus are.
        facts: what numbers each stimulus's frames.
        wanted: first, last, first, last ... of the frames to read, by stimulus.
        digests: SHA-256 of the files of each stimulus; empty if the manifest does not list them.
        threads: number of decoding threads.
    """

    fresh_maps: ClassVar[bool] = True
    """Each map is a new array, so the scorer need not copy it."""

    info: ModelInfo
    root: Path
    prediction: PredictionPart
    asked: Asked
    entries: Mapping[str, Entry]
    facts: Mapping[str, FrameFacts]
    wanted: Mapping[str, tuple[int, ...]]
    digests: Mapping[str, str]
    threads: int = 1

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the stored predictions of the wanted frames, prefetched in threads.

        Raises:
            BadData: a file is damaged, or not the one that the manifest lists.
        """
        entry = self.entries[stimulus.id]
        source = stored(self.root, entry, Limits(stimulus.width, stimulus.height))
        numbers, numbered = source.numbers()
        first = settle(numbers, self.facts[stimulus.id], self.asked, numbered).first
        expected = self.digests.get(stimulus.id)
        if expected is not None and isinstance(source, MapFiles):
            source = source.checked()
        ends = self.wanted[stimulus.id]
        wanted = {first + f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1)}
        point = self.prediction.kind == "point"
        decode = None if point else decoder(self.prediction)
        for number, values in source.read(wanted, self.threads):
            if values is None:
                continue
            frame = number - first
            if decode is None:
                yield Prediction.point(frame, *check_gaze(frame, values, entry.name))
            else:
                yield Prediction(frame, *decode(values))
        if expected is not None and source.digest() != expected:
            raise BadData(
                f"{self.root / entry.name}: not the files that submission.json lists (their SHA-256 differs); fetch "
                "them again, or leave `files` out of submission.json"
            )


@dataclass(frozen=True)
class Said:
    """What a command says of a submission: what submission.json says, or would say.

    Attributes:
        kind, first_frame, missing, fit: as in `PredictionPart`; None = not said.
        name: of the model.
        pattern: of the paths of the files, see `pattern.py`; None = a known layout.
    """

    kind: str | None = None
    first_frame: FirstFrame | None = None
    missing: str | None = None
    fit: str | None = None
    name: str | None = None
    pattern: str | None = None

    @property
    def prediction(self) -> dict[str, Any]:
        """What is said of the predictions."""
        every = (("kind", self.kind), ("first_frame", self.first_frame), ("missing", self.missing), ("fit", self.fit))
        return {name: value for name, value in every if value is not None}


Declared = Callable[[str], ModelInfo | None]
"""What a shipped model declares, by its name; None for a name that none has."""


@dataclass(frozen=True)
class Opened:
    """A submission that passed all checks before scoring.

    Attributes:
        reader: its predictions.
        manifest: its own, or one made from the options.
        digest: of its content.
        checked: what is unusual of it but not a fault.
    """

    reader: StoredPredictions
    manifest: Manifest
    digest: str
    checked: Checked

    @property
    def predicted(self) -> frozenset[str]:
        """Ids of the stimuli that it holds."""
        return frozenset(self.reader.entries)

    def record(self) -> dict[str, Any]:
        """Return what run.json says of it."""
        manifest = self.manifest
        return {
            "digest": self.digest,
            "prediction": manifest.prediction.model_dump(mode="json", exclude_none=True),
            "model_kind": manifest.model.kind if manifest.model else None,
            "release": manifest.release.model_dump(mode="json") if manifest.release else None,
            "tool": manifest.tool,
            **({"lossy": list(self.checked.lossy)} if self.checked.lossy else {}),
            **({"unverified": True} if self.checked.unverified else {}),
        }


def open_submission(
    root: str | Path,
    data: Release,
    *,
    said: Said = Said(),
    model: ModelPart | None = None,
    declared: Declared | None = None,
    with_frames_only: bool = False,
    threads: int = 1,
) -> Opened:
    """Check a submission against a release and prepare to read it.

    Args:
        root: its folder.
        data: release and split on which it is to be scored.
        said: what the command says of it.
        model: what else is known of the model, see `read_model`.
        declared: what shipped models declare, so that a submission that names one need not say its `fit`.
        with_frames_only: expect only stimuli whose frames are present.
        threads: number of decoding threads.

    Raises:
        BadData: with every fault; WrongUse: it is of another data set or split, or an option contradicts it.
        MissingData: there is no such folder.
    """
    root = Path(root)
    everything = data if data.split in (None, "all") else Release(data.root)
    layout = _layout(root, everything.ids, said)
    manifest = _inherited(manifests.with_model(_manifest(root, said), model, root), declared)
    notes = _fits(manifest, data, root)
    reader = _reader(root, data, layout, manifest, said, threads)
    expected = Expectation(_expected(data, manifest, with_frames_only), manifest, reader.asked)
    checked = check(root, layout, data, expected)
    checked = replace(checked, notes=(*notes, *checked.notes))
    digests = reader.digests if manifest.files is not None else _digests(root, layout, everything)
    return Opened(reader, manifest, manifests.digest(manifest.prediction, digests), checked)


@dataclass(frozen=True)
class Reopen:
    """Makes the reader of a submission that was checked before; small, so that it travels to worker processes.

    Attributes:
        root: folder of the submission.
        data_root, split: the release.
        said: as for `open_submission`; with the `fit` that was settled there.
        threads: number of decoding threads.
        model: as for `open_submission`.
    """

    root: Path
    data_root: Path
    split: str | None
    said: Said
    threads: int
    model: ModelPart | None = None

    def __call__(self) -> StoredPredictions:
        """List the folder again, without looking into its files."""
        data = Release(self.data_root, self.split)
        layout = _layout(self.root, Release(self.data_root).ids, self.said)
        manifest = manifests.with_model(_manifest(self.root, self.said), self.model, self.root)
        return _reader(self.root, data, layout, manifest, self.said, self.threads)


def _layout(root: Path, ids: Sequence[str], said: Said) -> Layout:
    return scan(root, ids) if said.pattern is None else scan_pattern(root, ids, said.pattern)


def _reader(
    root: Path, data: Release, layout: Layout, manifest: Manifest, said: Said, threads: int
) -> StoredPredictions:
    prediction = manifest.prediction
    of_split = set(data.ids)
    entries = {i: e for i, e in layout.entries.items() if i in of_split}
    return StoredPredictions(
        info=manifest.info(_word(root.resolve().name)),
        root=root,
        prediction=prediction,
        asked=Asked(prediction.first_frame, said.first_frame is not None, 1 if layout.classic else 0),
        entries=entries,
        facts={i: FrameFacts.of(data[i], prediction.missing) for i in entries},
        wanted={i: _wanted(data[i], manifest) for i in entries},
        digests={f.stimulus: f.sha256 for f in manifest.files or ()},
        threads=threads,
    )


def _manifest(root: Path, said: Said) -> Manifest:
    """Read the manifest and add what the command says, or make the smallest one from that."""
    found, name = manifests.read(root), said.name
    if found is None:
        if (root / ".partial").is_dir():
            raise BadData(f"{root}: unfinished; start the same `vidsal predict` again, it resumes there")
        if said.kind is None:
            raise WrongUse(
                f"{root}: there is no {manifests.NAME}, so the kind of the maps is unknown; give --kind saliency, "
                f'density or log_density, or write {{"prediction": {{"kind": "saliency"}}}} into '
                f"{root / manifests.NAME}"
            )
        return _validated({"prediction": said.prediction} | ({} if name is None else {"model": {"name": name}}))
    for key, value in said.prediction.items():
        stated = getattr(found.prediction, key)
        if key in found.prediction.model_fields_set and stated not in (None, value):
            raise WrongUse(f"{root}: {key} {value} was asked for, {manifests.NAME} says {stated}")
    if name is not None and found.model is not None and found.model.name != name:
        raise WrongUse(f"{root}: name {name} was asked for, {manifests.NAME} says {found.model.name}")
    if said.prediction:
        stated = {k: getattr(found.prediction, k) for k in found.prediction.model_fields_set}
        made = _validated({"prediction": {**stated, **said.prediction}})
        found = found.model_copy(update={"prediction": made.prediction})
    if name is not None:
        found = found.model_copy(update={"model": manifests.ModelPart(name=_word(name))})
    return found


def _validated(content: dict[str, Any]) -> Manifest:
    """Make a manifest of what a command says."""
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise WrongUse(f"--kind, --first-frame, --missing, --fit or --name: {manifests.faults(error)[0]}") from error


def _inherited(manifest: Manifest, declared: Declared | None) -> Manifest:
    """Take the `fit` of a shipped model that the manifest names, where it says none itself."""
    if declared is None or manifest.model is None or manifest.prediction.fit is not None:
        return manifest
    info = declared(manifest.model.name)
    if info is None or info.fit is None:
        return manifest
    return manifest.model_copy(update={"prediction": manifest.prediction.model_copy(update={"fit": info.fit})})


def _word(text: str) -> str:
    """Make a name of a model from the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")[:100] or "submission"


def check_data_set(manifest: Manifest, data: Release, root: Path) -> None:
    """Raise WrongUse if the predictions are of another data set."""
    release = manifest.release
    if release is None:
        return
    dataset = release.dataset
    if not (dataset == data.record["dataset"] if dataset is not None else release.id == data.id):
        raise WrongUse(f"{root}: predictions of {release.id}, the data is {data.id}")


def _fits(manifest: Manifest, data: Release, root: Path) -> tuple[str, ...]:
    """Compare release and split."""
    check_data_set(manifest, data, root)
    split = data.split or "all"
    if manifest.split not in (None, "all", split):
        raise WrongUse(f"{root}: predictions of split {manifest.split}, the data was opened with split {split}")
    release = manifest.release
    if release is None:
        return ()
    if release.digest not in (None, data.digest):
        return (f"{root} was predicted on another conversion of {release.id}; its stimuli and frames fit this one",)
    return ()


def _expected(data: Release, manifest: Manifest, with_frames_only: bool) -> tuple[Stimulus, ...]:
    left_out = set(manifest.coverage.left_out) if manifest.coverage else set()
    unknown = sorted(left_out - set(data.ids)) if manifest.split not in (None, "all") or data.split is None else []
    if unknown:
        raise BadData(f"submission.json leaves out {unknown[0]!r}, which the split does not have")
    return tuple(
        s
        for s in data
        if s.annotated and s.id not in left_out and (not with_frames_only or s.frames_path() is not None)
    )


def _wanted(stimulus: Stimulus, manifest: Manifest) -> tuple[int, ...]:
    """Frames to read: the annotated ones; all if the first prediction stands in for earlier frames."""
    if manifest.prediction.missing == "first-available":
        return (0, stimulus.n_frames - 1)
    return manifests.ranges(stimulus.annotated_indices().tolist())


def _digests(root: Path, layout: Layout, data: Release) -> dict[str, str]:
    """Digest of each stimulus's files, where the manifest does not list them."""

    def one(stimulus_id: str, entry: Entry) -> tuple[str, str]:
        stimulus = data[stimulus_id]
        return stimulus_id, stored(root, entry, Limits(stimulus.width, stimulus.height)).digest()

    calls = (partial(one, i, e) for i, e in layout.entries.items())
    return dict(prefetch_calls(calls, _HASHING, 2 * _HASHING))
