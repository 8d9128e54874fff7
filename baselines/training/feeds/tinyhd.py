"""TinyHD's batches: clips with their truth and a teacher's maps, unlabelled clips among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vidsal.loaders.clips.plan import Clip, draw_starts
from vidsal.loaders.clips.sampler import ClipSampler
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.formats import frames as frame_files
from vidsal.loaders.io.files import canonical, sha256_text
from vidsal.loaders.records import Float32Array, Frame, UInt8Image

from ...preprocess import imagenet_frame
from ...tinyhd.network import WINDOW
from ..systems.base import Batch
from ..teachers import Teacher, find_teacher
from .base import Request, Source, Work, generator, size_of, to_device, validation_work

_EXTRA = "extra"


class TinyhdFeed:
    """See the module's docstring."""

    def __init__(self, request: Request) -> None:
        data, options = request.data, request.recipe.options
        source = request.source(data.get("dataset"))
        self.sources: tuple[Source, ...] = (source,)
        self._seed, self._flip = request.seed, data["flip"]
        self._multiple = options["variant"] == "m"
        self._batch = int(options["batch"] or data["batch"])
        self._valid_batch = int(data["validation_batch"])
        size = size_of(data["size"])
        assert size is not None
        wanted = options.get("teacher") or data.get("teacher")
        if wanted is None:
            raise MissingData(
                f"{request.recipe.name} needs a teacher: --option teacher=DIR with stored maps (`vidsal predict MODEL "
                "--split train -o DIR`), or teacher=FILE with the weights of HD2S"
            )
        self._teacher: Teacher = find_teacher(wanted, source, size, request.seed)
        self._size, self._frames = size, 2 * WINDOW if self._multiple and self._teacher.taught else WINDOW
        common: dict[str, Any] = {
            "frames": self._frames,
            "size": size,
            "resize": _normalized,
            "targets": ("density", "fixated"),
            "last_targets": self._maps,
            "cache": request.cache,
        }
        extra = options.get("extra")
        self._extra = None if extra is None else ExtraVideos(Path(extra), self._frames)
        named = {"teacher": self._teacher.sha256, "extra": self._extra.sha256 if self._extra else ""}
        self.inputs: Mapping[str, str] = {option: digest for option, digest in named.items() if digest}
        self._per_labelled = data.get("extra_per_labelled", 0)
        own = data["clips_per_video_beside_extra" if self._extra else "clips_per_video"]
        self._train = ClipSampler(
            source.release,
            **source.division.training_clips(),
            per_stimulus=own,
            flip=self._flip,
            seed=request.seed,
            **common,
        )
        self._valid = (
            ClipSampler(
                source.release,
                **source.division.held_out_clips(),
                start="spread",
                per_stimulus=data["validation_clips"],
                **common,
            )
            if source.division.held_out
            else None
        )

    def epoch(self, number: int) -> Sequence[Work]:
        """Labelled clips, as many unlabelled ones, shuffled together."""
        clips = self._train.plan(number)
        if self._extra is not None:
            clips += self._extra.draw(self._per_labelled * len(clips), generator(self._seed, number, 2), self._flip)
        order = generator(self._seed, number, 3).permutation(len(clips))
        return [
            Work(tuple(clips[i] for i in order[first : first + self._batch]))
            for first in range(0, len(clips), self._batch)
        ]

    def validation(self) -> Sequence[Work]:
        """Clips of the held-out videos at even distances."""
        return validation_work(self._valid, self._valid_batch)

    def read(self, work: Work) -> Batch:
        """See `systems.tinyhd.Tinyhd`; `clips` are the clips, for the teacher."""
        items = [self._read(clip) for clip in work.clips]
        labelled = torch.tensor([item["density"] is not None for item in items])
        truth = [torch.from_numpy(item["density"]) for item in items if item["density"] is not None]
        rgb = torch.from_numpy(np.stack([item["rgb"] for item in items]))
        batch: Batch = {
            "clip": rgb.permute(0, 4, 1, 2, 3).contiguous(),
            "has_truth": labelled,
            "fixated": torch.from_numpy(np.stack([item["fixated"] for item in items])),
            "truth": torch.stack(truth) if truth else torch.zeros(0, self._maps, *self._size),
        }
        return {**batch, **self._teacher.read(work.clips, self._frames)}

    def finish(self, module: nn.Module, batch: Batch, device: torch.device) -> Batch:
        """On the device, with the maps of a teacher that is a network."""
        return self._teacher.watch(to_device(batch, device), device)

    @property
    def _maps(self) -> int:
        return WINDOW if self._multiple else 1

    def _read(self, clip: Clip) -> dict[str, Any]:
        if clip.observer == _EXTRA:
            assert self._extra is not None
            return {"rgb": self._extra.read(clip, self._size), "density": None, "fixated": self._nobody()}
        item = self._train.read(clip)
        seen = bool((item["density"].sum((-2, -1)) > 0).all())
        return {"rgb": item["rgb"], "density": item["density"] if seen else None, "fixated": item["fixated"]}

    def _nobody(self) -> Any:
        return np.zeros((self._maps, *self._size), np.bool_)


class ExtraVideos:
    """Unlabelled videos in a folder; clips are drawn from all of theirs, so long videos give more.

    Attributes:
        sha256: digest of their names and bytes.

    Raises:
        MissingData: no video there is long enough.
    """

    def __init__(self, folder: Path, frames: int) -> None:
        if not folder.is_dir():
            raise MissingData(f"extra={folder}: no such folder; it is one of unlabelled video files")
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in frame_files.VIDEO_SUFFIXES)
        found = [frame_files.probe(path) for path in paths]
        self._videos = {str(p): f.n_frames for p, f in zip(paths, found, strict=True) if f.n_frames >= frames}
        names = [p.relative_to(folder).as_posix() for p in paths]
        self.sha256 = sha256_text(canonical({name: f.sha256 for name, f in zip(names, found, strict=True)}))
        self._span = frames
        if not self._videos:
            raise MissingData(f"extra={folder}: none of its {len(paths)} videos has {frames} frames or more")

    def draw(self, n: int, random: np.random.Generator, flip: float) -> list[Clip]:
        """Draw n clips."""
        names = list(self._videos)
        weights = np.array([self._videos[name] - self._span + 1 for name in names], np.float64)
        found = []
        for index in random.choice(len(names), size=n, p=weights / weights.sum()):
            start = draw_starts(self._videos[names[index]], self._span, 1, random)[0]
            mirrored = bool(random.random() < flip)
            found.append(Clip(names[index], tuple(range(start, start + self._span)), _EXTRA, mirrored))
        return found

    def read(self, clip: Clip, size: tuple[int, int]) -> Float32Array:
        """Return the normalized frames (T, h, w, 3)."""
        wanted, found = set(clip.frames), []
        for frame in frame_files.read(Path(clip.stimulus)):
            if frame.index in wanted:
                found.append(_normalized(frame.rgb, size))
            if len(found) == len(wanted):
                break
        pictures = np.stack(found)
        return np.ascontiguousarray(pictures[:, :, ::-1]) if clip.flip else pictures


def _normalized(rgb: UInt8Image, size: tuple[int, int]) -> Float32Array:
    pixels: Float32Array = imagenet_frame(Frame(0, 0.0, rgb), *size).permute(1, 2, 0).numpy()
    return pixels


def make_feed(request: Request) -> TinyhdFeed:
    """Make the feed.

    Raises:
        WrongUse: sides are no multiples of 32.
    """
    size = request.data["size"]
    if any(side % 32 for side in size):
        raise WrongUse(f"{request.recipe.name}: size {size}; multiples of 32 were expected")
    return TinyhdFeed(request)
