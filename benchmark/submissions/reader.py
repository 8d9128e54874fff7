"""Stored predictions as a predictor: a run reads them as if a model computed them now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release, Stimulus

from ..evaluation.children import busy
from ..predictor import ModelInfo, Prediction, StimulusInfo, name_like
from . import manifest as manifests
from .encoding import decoder
from .formats.folder import MapFiles
from .formats.stored import Limits, check_gaze
from .frame_numbers import Asked, FrameFacts, settle
from .layout import Entry, Layout, stored
from .manifest import Manifest
from .parts import PredictionPart
from .said import Said


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
        as_pictures: whether videos are read picture by picture, as `reads_pictures` says.
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
    as_pictures: bool = False

    def holds_pictures(self, stimulus_id: str) -> bool:
        """Return whether the maps of a stimulus are pictures of a video, with all their levels."""
        return self.as_pictures and self.entries[stimulus_id].form == "video"

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the stored predictions of the wanted frames, prefetched in threads.

        Raises:
            BadData: a file is damaged, or not the one that the manifest lists.
        """
        entry = self.entries[stimulus.id]
        limits = Limits(stimulus.width, stimulus.height)
        source = stored(self.root, entry, limits, as_pictures=self.as_pictures)
        numbers, numbered = source.numbers()
        first = settle(numbers, self.facts[stimulus.id], self.asked, numbered).first
        expected = self.digests.get(stimulus.id)
        if expected is not None and isinstance(source, MapFiles):
            source = source.checked()
        ends = self.wanted[stimulus.id]
        wanted = {first + f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1)}
        point = self.prediction.kind == "point"
        decode = None if point else decoder(self.prediction)
        busy()
        for number, values in source.read(wanted, self.threads):
            if values is None:
                continue
            frame = number - first
            if decode is None:
                made = Prediction.point(frame, *check_gaze(frame, values, entry.name))
            else:
                made = Prediction(frame, *decode(values))
            yield made
            busy()
        if expected is not None and source.digest() != expected:
            raise BadData(
                f"{self.root / entry.name}: not the files that submission.json lists (their SHA-256 differs); fetch "
                "them again, or leave `files` out of submission.json"
            )


def reader_of(
    root: Path,
    data: Release,
    layout: Layout,
    manifest: Manifest,
    said: Said,
    threads: int,
    *,
    as_pictures: bool = False,
) -> StoredPredictions:
    """Return the reader of a submission that was checked, or is about to be."""
    prediction = manifest.prediction
    of_split = set(data.ids)
    entries = {i: e for i, e in layout.entries.items() if i in of_split}
    return StoredPredictions(
        info=manifest.info(name_like(root.resolve().name)),
        root=root,
        prediction=prediction,
        asked=Asked(prediction.first_frame, said.first_frame is not None, 1 if layout.classic else 0),
        entries=entries,
        facts={i: FrameFacts.of(data[i], prediction.missing) for i in entries},
        wanted={i: _wanted(data[i], manifest) for i in entries},
        digests={f.stimulus: f.sha256 for f in manifest.files or ()},
        threads=threads,
        as_pictures=as_pictures,
    )


def _wanted(stimulus: Stimulus, manifest: Manifest) -> tuple[int, ...]:
    """Frames to read: the annotated ones; all if the first prediction stands in for earlier frames."""
    if manifest.prediction.missing == "first-available":
        return (0, stimulus.n_frames - 1)
    return manifests.ranges(stimulus.annotated_indices().tolist())
