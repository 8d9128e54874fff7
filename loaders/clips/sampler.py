"""Clips of a release for training: drawn anew in every epoch, from one seed, and read by any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from ..errors import MissingData, UnknownName, WrongUse
from ..release.release import Release, Stimulus
from . import geometry
from .frames import FrameCache, decode
from .geometry import Fit, Placement, Resize, Size, lanczos, place
from .labels import ObserverLabels, observer_labels
from .plan import Clip, Start, batches, consecutive_starts, draw_starts, spread_starts
from .processes import data_loader

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

TARGETS = ("density", "fixated", "counts", "labels")
Sizes = Size | Callable[[Stimulus], Size] | None


class ClipSampler:
    """Draws and reads clips.

    Every random choice of an epoch (which clips, their order, flips) depends on `seed` and the epoch alone, so it does
    not matter who reads them: the same numbers come with any number of loader workers.

    Args:
        release: an open release; its annotated stimuli that have frames here are used.
        frames: T, frames in a clip.
        step: from one frame of a clip to the next.
        size: height and width of the frames; None = as they are; a function of the stimulus for several sizes.
        fit: `squeeze`; `cover`: scaled until both sides are long enough, then cropped in the middle; `height`: scaled
            to the height, then cropped in the middle, or black beside what is narrower.
        resize: how frames are resized: a function of uint8 (h, w, 3) and a height and width. Pillow's LANCZOS.
        target_size: height and width of the targets, like `size`; None = that of the frames.
        targets: of `density` (float32, sum 1, all zero where nobody looked), `fixated` (bool, by nearest neighbour),
            `counts` (int32), `labels` (one observer's `xy` in pixels of the stimulus and `phase`; clips are then of
            single observers).
        last_targets: how many of a clip's last frames `density`, `fixated` and `counts` are of; None = all. A density
            takes longer than a frame from the cache.
        start: `random`, `spread` (at even distances) or `consecutive` (all frames, the last clip may be shorter).
        per_stimulus: clips of a stimulus (or of each of its observers) in an epoch; with `random` fewer where the
            stimulus is too short for so many.
        last_start: False = the last legal start is not drawn unless it is the only one.
        short: `skip` stimuli that are shorter than a clip, or `repeat` their last frame.
        flip: share of clips that are mirrored.
        seed: of all random choices.
        only: ids to use; None = all.
        within: frames of stimuli that their clips stay in; those that are not named give all of theirs.
        observers: most observers of a stimulus, in order; None = all.
        recipe: truth recipe of the densities; None = the release's default.
        cache: folder for resized frames; None = decode every time.

    Raises:
        WrongUse: a number is out of range, or no such choice.
        MissingData: no stimulus can be used; the message says why.
    """

    def __init__(
        self,
        release: Release,
        *,
        frames: int,
        step: int = 1,
        size: Sizes = None,
        fit: Fit = "squeeze",
        resize: Resize = lanczos,
        target_size: Sizes = None,
        targets: Sequence[str] = ("density", "fixated"),
        last_targets: int | None = None,
        start: Start = "random",
        per_stimulus: int = 1,
        last_start: bool = True,
        short: str = "skip",
        flip: float = 0.0,
        seed: int = 0,
        only: Iterable[str] | None = None,
        within: Mapping[str, range] | None = None,
        observers: int | None = None,
        recipe: str | None = None,
        cache: str | Path | None = None,
    ) -> None:
        if (
            min(frames, step, per_stimulus, 1 if last_targets is None else last_targets) < 1
            or not 0 <= flip <= 1
            or seed < 0
        ):
            raise WrongUse(
                f"frames={frames}, step={step}, per_stimulus={per_stimulus}, last_targets={last_targets}: at least 1; "
                f"flip={flip}: 0 to 1; seed={seed}: 0 or more"
            )
        for kind, value, known in (("start", start, get_args(Start)), ("short", short, ("skip", "repeat"))):
            if value not in known:
                raise UnknownName(kind, value, known)
        for target in targets:
            if target not in TARGETS:
                raise UnknownName("target", target, TARGETS)
        release.truth(recipe)
        self.release, self.frames, self.step, self.seed = release, frames, step, seed
        self.span = frames * step
        self._size, self._target_size, self._fit, self._resize = size, target_size, fit, resize
        self._targets, self._start, self._n, self._last = tuple(targets), start, per_stimulus, last_start
        self._short, self._flip, self._recipe, self._last_targets = short, flip, recipe, last_targets or frames
        self._most_observers, self._within = observers, dict(within or {})
        self._cache = None if cache is None else FrameCache(Path(cache), resize)
        self._labels: dict[str, dict[str, ObserverLabels]] = {}
        self.stimuli = self._usable(None if only is None else set(only))

    def _usable(self, only: set[str] | None) -> tuple[Stimulus, ...]:
        wanted = [s for s in self.release if s.annotated and (only is None or s.id in only)]
        if not wanted:
            raise MissingData(f"{self.release!r}: no annotated stimulus to draw clips from")
        here = [s for s in wanted if s.frames_path() is not None]
        if not here:
            raise MissingData(self.release.frames_hint([s.id for s in wanted]))
        any_length = self._short == "repeat" or self._start == "consecutive"
        usable = tuple(s for s in here if any_length or len(self.frames_of(s)) >= self.span)
        if not usable:
            longest = max(here, key=lambda s: len(self.frames_of(s)))
            raise MissingData(
                f"{self.release!r}: too few frames for a clip of {self.frames} frames with step {self.step} "
                f"({self.span} frames); the longest is {longest.id} with {len(self.frames_of(longest))}. Use "
                "shorter clips (fewer frames, a smaller step; in a recipe of your own `frames` and `step` of `data`)"
            )
        return usable

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of annotated stimuli that are not used: without frames here, or too short."""
        used = {s.id for s in self.stimuli}
        return tuple(s.id for s in self.release if s.annotated and s.id not in used)

    def frames_of(self, stimulus: Stimulus) -> range:
        """Return the frames of a stimulus that its clips stay in.

        Raises:
            WrongUse: the stimulus has fewer.
        """
        n = stimulus.n_frames
        found = self._within.get(stimulus.id, range(n))
        if not 0 <= found.start < found.stop <= n or found.step != 1:
            raise WrongUse(f"{stimulus.id}: {found} was asked for; it has the frames 0 to {n - 1}")
        return found

    def size_of(self, stimulus: Stimulus) -> Size:
        """Return height and width of the frames of a stimulus."""
        return _chosen(self._size, stimulus, (stimulus.height, stimulus.width))

    def target_size_of(self, stimulus: Stimulus) -> Size:
        """Return height and width of the targets of a stimulus."""
        return _chosen(self._target_size, stimulus, self.size_of(stimulus))

    def plan(self, epoch: int) -> list[Clip]:
        """Return the clips of an epoch (0-based), stimulus by stimulus, observer by observer."""
        random = np.random.default_rng([self.seed, epoch, 0])
        clips = []
        for stimulus in self.stimuli:
            own = self.frames_of(stimulus)
            for observer in self.observers_of(stimulus.id) if "labels" in self._targets else (None,):
                for start in self._starts(len(own), random):
                    flip = bool(random.random() < self._flip) if self._flip else False
                    clips.append(Clip(stimulus.id, self._numbers(own.start + start, own.stop), observer, flip))
        return clips

    def observers_of(self, stimulus_id: str) -> tuple[str, ...]:
        """Return the observers of a stimulus whose gaze is known frame by frame."""
        return tuple(self._labels_of(stimulus_id))[: self._most_observers]

    def read(self, clip: Clip) -> dict[str, Any]:
        """Return the arrays of a clip.

        Returns:
            `stimulus_id` str, `observer` str or None, `flip` bool; `frames` int64 (T,); `rgb` (T, h, w, 3), uint8
            unless `resize` gives something else; `valid` bool (T,), whether the frame is annotated and not repeated;
            and the targets: `density` float32, `fixated` bool, `counts` int32 (T, H, W), with `last_targets` of
            fewer frames; `xy` float64 (T, 2) in pixels of the stimulus and `phase` int8 (T,).
        """
        stimulus = self.release[clip.stimulus]
        full = (stimulus.height, stimulus.width)
        at = place(full, self.size_of(stimulus), self._fit)
        numbers = np.array(clip.frames, np.int64)
        item: dict[str, Any] = {"stimulus_id": stimulus.id, "observer": clip.observer, "flip": clip.flip}
        item["frames"] = numbers
        item["rgb"] = self._pixels(stimulus, clip.frames, at)
        first = np.concatenate([[True], np.diff(numbers) > 0])
        item["valid"] = first & np.isin(numbers, stimulus.annotated_indices())
        there = place(full, self.target_size_of(stimulus), self._fit)
        item |= self._maps(stimulus, clip.frames[-self._last_targets :], there)
        if clip.flip:
            item["rgb"] = item["rgb"][:, :, ::-1]
            item |= {name: item[name][..., ::-1] for name in ("density", "fixated", "counts") if name in item}
        if "labels" in self._targets:
            assert clip.observer is not None
            own = self._labels_of(stimulus.id)[clip.observer]
            xy = own.xy[numbers]
            item["xy"] = np.stack([stimulus.width - xy[:, 0], xy[:, 1]], axis=1) if clip.flip else xy
            item["phase"] = own.phase[numbers]
        return {key: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for key, v in item.items()}

    def batches(
        self, clips: Sequence[Clip], batch: int, epoch: int, *, shuffle: bool = True, drop_last: bool = False
    ) -> list[list[Clip]]:
        """Return the batches of an epoch's clips; the clips of one have frames and targets of one size."""
        stimuli = [self.release[clip.stimulus] for clip in clips]
        sizes = [
            (self.size_of(s), self.target_size_of(s), len(clip.frames)) for s, clip in zip(stimuli, clips, strict=True)
        ]
        random = np.random.default_rng([self.seed, epoch, 1]) if shuffle else None
        return [[clips[i] for i in one] for one in batches(sizes, batch, drop_last=drop_last, random=random)]

    def loader(
        self, epoch: int, batch: int, *, workers: int = 0, shuffle: bool = True, drop_last: bool = False
    ) -> DataLoader[Any]:
        """Return a torch DataLoader of an epoch's batches, each as `collate` makes it.

        Args:
            epoch: 0-based.
            batch: most clips in a batch.
            workers: processes that read; what comes out does not depend on them.
            shuffle: clips and batches in random order.
            drop_last: leave out what does not fill a batch, size by size.
        """
        return load_batches(
            self, self.batches(self.plan(epoch), batch, epoch, shuffle=shuffle, drop_last=drop_last), workers
        )

    def _starts(self, n_frames: int, random: np.random.Generator) -> list[int]:
        if self._start == "consecutive":
            return consecutive_starts(n_frames, self.span)
        if n_frames < self.span:
            return [0]
        if self._start == "spread":
            return spread_starts(n_frames, self.span, self._n)
        return draw_starts(n_frames, self.span, self._n, random, last=self._last)

    def _numbers(self, start: int, stop: int) -> tuple[int, ...]:
        numbers = range(start, start + self.span, self.step)
        if self._start == "consecutive":
            return tuple(number for number in numbers if number < stop)
        return tuple(min(number, stop - 1) for number in numbers)

    def _pixels(self, stimulus: Stimulus, numbers: Sequence[int], at: Placement) -> Any:
        if self._cache is not None:
            return self._cache.read(stimulus, numbers, at)
        return decode(stimulus, numbers, at, self._resize)

    def _maps(self, stimulus: Stimulus, numbers: Sequence[int], at: Placement) -> dict[str, Any]:
        full = (stimulus.height, stimulus.width)
        found = {}
        if "density" in self._targets:
            found["density"] = np.stack([geometry.density(stimulus.density(n, self._recipe), at) for n in numbers])
        if "fixated" in self._targets:
            found["fixated"] = np.stack([geometry.fixated(stimulus.points(n), full, at) for n in numbers])
        if "counts" in self._targets:
            found["counts"] = np.stack([geometry.counts(stimulus.points(n), full, at) for n in numbers])
        return found

    def _labels_of(self, stimulus_id: str) -> Mapping[str, ObserverLabels]:
        if stimulus_id not in self._labels:
            self._labels[stimulus_id] = observer_labels(self.release, stimulus_id)
        return self._labels[stimulus_id]


class _Reading:
    """The batches of an epoch as a torch data set: item i is batch i."""

    def __init__(self, sampler: ClipSampler, clips: Sequence[Sequence[Clip]]) -> None:
        self._sampler, self._clips = sampler, clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return collate([self._sampler.read(clip) for clip in self._clips[index]])


def load_batches(sampler: ClipSampler, clips: Sequence[Sequence[Clip]], workers: int = 0) -> DataLoader[Any]:
    """Return a DataLoader over batches of clips, in their order."""
    return data_loader(_Reading(sampler, clips), workers)


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join the arrays of clips: torch tensors with a first axis more; ids, observers and flips are lists."""
    import torch

    joined: dict[str, Any] = {}
    for key, first in items[0].items():
        values = [item[key] for item in items]
        joined[key] = torch.from_numpy(np.stack(values)) if isinstance(first, np.ndarray) else values
    return joined


def _chosen(size: Sizes, stimulus: Stimulus, default: Size) -> Size:
    found = size(stimulus) if callable(size) else size
    return default if found is None else (int(found[0]), int(found[1]))
