"""Stored predictions as a predictor: a run reads them as if a model computed them now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
from .encoding import decoder
from .formats.stored import Limits, PngFolder, check_gaze
from .layout import Entry, Expectation, Layout, check, scan, stored
from .manifest import Manifest, ModelPart, PredictionPart

_HASHING = 4


@dataclass
class StoredPredictions:
    """A predictor that reads stored predictions; it never looks at the frames.

    Attributes:
        info: of the model that made the predictions, as the manifest has it.
        root: folder of the submission.
        prediction: what the maps are.
        first_frame: number of frame 0 in the names of images.
        entries: where the predictions of each stimulus are.
        wanted: first, last, first, last ... of the frames to read, by stimulus.
        digests: SHA-256 of the files of each stimulus; empty if the manifest does not list them.
        threads: number of decoding threads.
    """

    fresh_maps: ClassVar[bool] = True
    """Each map is a new array, so the scorer need not copy it."""

    info: ModelInfo
    root: Path
    prediction: PredictionPart
    first_frame: int
    entries: Mapping[str, Entry]
    wanted: Mapping[str, tuple[int, ...]]
    digests: Mapping[str, str]
    threads: int = 1

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the stored predictions of the wanted frames, prefetched in threads.

        Raises:
            BadData: a file is damaged, or not the one that the manifest lists.
        """
        entry = self.entries[stimulus.id]
        source = stored(self.root, entry, Limits(stimulus.width, stimulus.height, self.first_frame))
        expected = self.digests.get(stimulus.id)
        if expected is not None and isinstance(source, PngFolder):
            source = source.checked()
        ends = self.wanted[stimulus.id]
        wanted = {f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1)}
        point = self.prediction.kind == "point"
        decode = None if point else decoder(self.prediction)
        for frame, numbers in source.read(wanted, self.threads):
            if numbers is None:
                continue
            if decode is None:
                yield Prediction.point(frame, *check_gaze(frame, numbers, entry.name))
            else:
                yield Prediction(frame, *decode(numbers))
        if expected is not None and source.digest() != expected:
            raise BadData(
                f"{self.root / entry.name}: not the files that submission.json lists (their SHA-256 differs); fetch "
                "them again, or leave `files` out of submission.json"
            )


@dataclass(frozen=True)
class Opened:
    """A submission that passed all checks before scoring.

    Attributes:
        reader: its predictions.
        manifest: its own, or one made from the options.
        digest: of its content.
        notes: what is unusual but not a fault.
    """

    reader: StoredPredictions
    manifest: Manifest
    digest: str
    notes: tuple[str, ...]

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
        }


def open_submission(
    root: str | Path,
    data: Release,
    *,
    kind: str | None = None,
    first_frame: int | None = None,
    name: str | None = None,
    model: ModelPart | None = None,
    with_frames_only: bool = False,
    threads: int = 1,
) -> Opened:
    """Check a submission against a release and prepare to read it.

    Args:
        root: its folder.
        data: release and split on which it is to be scored.
        kind, first_frame, name: what submission.json would say, for a folder without one.
        model: what else is known of the model, see `read_model`.
        with_frames_only: expect only stimuli whose frames are present.
        threads: number of decoding threads.

    Raises:
        BadData: with every fault; WrongUse: it is of another data set or split, or an option contradicts it.
        MissingData: there is no such folder.
    """
    root = Path(root)
    everything = data if data.split in (None, "all") else Release(data.root)
    layout = scan(root, everything.ids)
    manifest = manifests.with_model(_manifest(root, kind, first_frame, name), model, root)
    notes = _fits(manifest, data, root)
    reader = _reader(root, data, layout, manifest, threads)
    expected = Expectation(_expected(data, manifest, with_frames_only), manifest, reader.first_frame)
    notes += check(root, layout, data, expected)
    digests = reader.digests if manifest.files is not None else _digests(root, layout, everything, reader.first_frame)
    return Opened(reader, manifest, manifests.digest(manifest.prediction, digests), notes)


@dataclass(frozen=True)
class Reopen:
    """Makes the reader of a submission that was checked before; small, so that it travels to worker processes.

    Attributes:
        root: folder of the submission.
        data_root, split: the release.
        kind, first_frame, name: as for `open_submission`.
        threads: number of decoding threads.
        model: as for `open_submission`.
    """

    root: Path
    data_root: Path
    split: str | None
    kind: str | None
    first_frame: int | None
    name: str | None
    threads: int
    model: ModelPart | None = None

    def __call__(self) -> StoredPredictions:
        """List the folder again, without looking into its files."""
        data = Release(self.data_root, self.split)
        layout = scan(self.root, Release(self.data_root).ids)
        manifest = _manifest(self.root, self.kind, self.first_frame, self.name)
        manifest = manifests.with_model(manifest, self.model, self.root)
        return _reader(self.root, data, layout, manifest, self.threads)


def _reader(root: Path, data: Release, layout: Layout, manifest: Manifest, threads: int) -> StoredPredictions:
    number = manifest.prediction.first_frame
    if number is None:
        number = 1 if layout.classic else 0
    of_split = set(data.ids)
    entries = {i: e for i, e in layout.entries.items() if i in of_split}
    return StoredPredictions(
        info=manifest.info(_word(root.resolve().name)),
        root=root,
        prediction=manifest.prediction,
        first_frame=number,
        entries=entries,
        wanted={i: _wanted(data[i], manifest) for i in entries},
        digests={f.stimulus: f.sha256 for f in manifest.files or ()},
        threads=threads,
    )


def _manifest(root: Path, kind: str | None, first_frame: int | None, name: str | None) -> Manifest:
    """Read the manifest, or make the smallest one from the options."""
    given = {k: v for k, v in (("kind", kind), ("first_frame", first_frame)) if v is not None}
    found = manifests.read(root)
    if found is None:
        if (root / ".partial").is_dir():
            raise BadData(f"{root}: unfinished; start the same `vidsal predict` again, it resumes there")
        if kind is None:
            raise WrongUse(
                f"{root}: there is no {manifests.NAME}, so the kind of the maps is unknown; give --kind saliency, "
                f'density or log_density, or write {{"prediction": {{"kind": "saliency"}}}} into '
                f"{root / manifests.NAME}"
            )
        content: dict[str, Any] = {"prediction": given}
        if name is not None:
            content["model"] = {"name": name}
        try:
            return Manifest.model_validate(content)
        except ValidationError as error:
            raise WrongUse(f"--kind, --first-frame or --name: {manifests.faults(error)[0]}") from error
    for key, value in given.items():
        said = getattr(found.prediction, key)
        if said not in (None, value):
            raise WrongUse(f"{root}: {key} {value} was asked for, {manifests.NAME} says {said}")
    if name is not None and found.model is not None and found.model.name != name:
        raise WrongUse(f"{root}: name {name} was asked for, {manifests.NAME} says {found.model.name}")
    if first_frame is not None:
        found = found.model_copy(
            update={"prediction": found.prediction.model_copy(update={"first_frame": first_frame})}
        )
    if name is not None:
        found = found.model_copy(update={"model": manifests.ModelPart(name=_word(name))})
    return found


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


def _digests(root: Path, layout: Layout, data: Release, first_frame: int) -> dict[str, str]:
    """Digest of each stimulus's files, where the manifest does not list them."""

    def one(stimulus_id: str, entry: Entry) -> tuple[str, str]:
        stimulus = data[stimulus_id]
        limits = Limits(stimulus.width, stimulus.height, first_frame)
        return stimulus_id, stored(root, entry, limits).digest()

    calls = (partial(one, i, e) for i, e in layout.entries.items())
    return dict(prefetch_calls(calls, _HASHING, 2 * _HASHING))
