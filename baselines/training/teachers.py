"""Teachers of a distillation: maps that a model stored, or the network HD2S, or a predictor, as it watches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from vidsal.benchmark.predictor import StimulusInfo
from vidsal.benchmark.submissions import manifest_file
from vidsal.benchmark.submissions.opened import open_submission
from vidsal.loaders.clips.geometry import density, place
from vidsal.loaders.clips.plan import Clip
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.files import sha256
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release, load

from ..checkpoints import fit, read
from ..preprocess import IMAGENET_MEAN, IMAGENET_STD
from ..registry import TABLE, build_module, load_model, names as model_names
from ..tinyhd.network import WINDOW
from .systems.base import Batch

if TYPE_CHECKING:
    from .feeds.base import Source

NETWORK, NONE = "hd2s", "none"
_AT_ONCE = 4


class Teacher(Protocol):
    """Adds a teacher's maps to a batch: `teacher_out` (B, W, h, w), and `teacher_side` (4, B, W, h, w) if it has them.

    W is 1 for clips of 16 frames: the map of the last one. For clips of 32 it is 16: those of the frames 15 to 30.

    Attributes:
        taught: whether there are such maps.
        sha256: of the stored maps or weights; empty where the teacher's name and the seed say all.
    """

    taught: bool
    sha256: str

    def read(self, clips: Sequence[Clip], frames: int) -> Batch:
        """Return what is read from the disk; called in loader workers."""
        ...

    def watch(self, batch: Batch, device: torch.device) -> Batch:
        """Return the batch with what a network must compute."""
        ...


def find_teacher(name: str, source: Source, size: tuple[int, int], seed: int) -> Teacher:
    """Return the teacher of a folder of stored maps, of a weight file of HD2S, `hd2s` with weights of a seed, or of the
    name of a predictor that needs nothing but the frames.

    Raises:
        MissingData: no such folder or file; the message says how to make one.
        WrongUse: a predictor that needs more.
    """
    if name == NONE:
        return NoTeacher()
    path = Path(name)
    if path.is_dir():
        return StoredTeacher(path, source, size)
    if NETWORK in TABLE and (name == NETWORK or path.is_file()):
        return NetworkTeacher(None if name == NETWORK else path, seed)
    if name in model_names("reference"):
        return PredictorTeacher(name)
    raise MissingData(
        f"teacher={name}: no such folder or file; store a teacher's maps with `vidsal predict MODEL --data DIR --split "
        "train -o DIR`, or name the weight file of HD2S, or a predictor that needs none (motion_energy)"
    )


class NoTeacher:
    """Nothing but the truth."""

    taught, sha256 = False, ""

    def read(self, clips: Sequence[Clip], frames: int) -> Batch:
        """Return nothing."""
        return {}

    def watch(self, batch: Batch, device: torch.device) -> Batch:
        """Return the batch as it is."""
        return batch


class StoredTeacher:
    """Maps that `vidsal predict` stored, of any model."""

    taught = True

    def __init__(self, folder: Path, source: Source, size: tuple[int, int]) -> None:
        release = _with_split(folder, source.release)
        opened = open_submission(folder, release)
        self._reader, self.sha256 = opened.reader, opened.digest
        self._release, self._size, self._folder = source.release, size, folder
        lacking = [i for i in (*source.division.train, *source.division.held_out) if i not in self._reader.entries]
        if lacking:
            raise MissingData(
                f"{folder}: the teacher has no maps of {len(lacking)} stimuli, {lacking[0]} the first of them; "
                "predict every stimulus that trains or is held out (`vidsal predict MODEL --data DIR -o DIR`)"
            )

    def read(self, clips: Sequence[Clip], frames: int) -> Batch:
        """Return `teacher_out`."""
        return {"teacher_out": torch.from_numpy(np.stack([self._maps(clip, frames) for clip in clips]))}

    def watch(self, batch: Batch, device: torch.device) -> Batch:
        """Return the batch as it is."""
        return batch

    def _maps(self, clip: Clip, frames: int) -> Any:
        if clip.stimulus not in self._reader.entries:
            raise MissingData(f"{self._folder}: stored maps cannot teach unlabelled videos ({clip.stimulus}); use HD2S")
        stimulus = self._release[clip.stimulus]
        wanted = clip.frames[WINDOW - 1 : WINDOW] if frames == WINDOW else clip.frames[WINDOW - 1 : 2 * WINDOW - 1]
        info = StimulusInfo(
            stimulus.id,
            stimulus.width,
            stimulus.height,
            None if stimulus.fps is None else float(stimulus.fps),
            stimulus.kind,
            stimulus.n_frames,
        )
        found: dict[int, Any] = {}
        for prediction in self._reader.predict(iter(()), info):
            if prediction.frame in wanted:
                found[prediction.frame] = self._resized(prediction.values, prediction.kind)
            if len(found) == len(set(wanted)):
                break
        lacking = [n for n in wanted if n not in found]
        if lacking:
            raise MissingData(f"{self._folder}: the teacher has no map of {stimulus.id}, frame {lacking[0]}")
        maps = np.stack([found[number] for number in wanted])
        return np.ascontiguousarray(maps[..., ::-1]) if clip.flip else maps

    def _resized(self, values: Any, kind: str) -> Any:
        maps = np.asarray(values, np.float32)
        if kind == "log_density":
            maps = np.exp(maps - maps.max())
        return density(maps - min(0.0, float(maps.min())), place(maps.shape, self._size, "squeeze"))


class NetworkTeacher:
    """HD2S, always in eval mode, without gradients, in float32; it sees the student's frames."""

    taught = True

    def __init__(self, weights: Path | None, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network: nn.Module = build_module(NETWORK)
        self.sha256 = "" if weights is None else sha256(weights)
        if weights is not None:
            fit(self._network, read(weights), NETWORK)
        self._network.eval().requires_grad_(False)

    def read(self, clips: Sequence[Clip], frames: int) -> Batch:
        """Return nothing."""
        return {}

    def watch(self, batch: Batch, device: torch.device) -> Batch:
        """Add `teacher_out` and `teacher_side`."""
        network, clip = self._network.to(device), batch["clip"].float()
        seen = 2 * _unit(clip) - 1
        n = _windows(clip)
        windows = torch.stack([seen[:, :, i : i + WINDOW] for i in range(n)], 1).flatten(0, 1)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            parts = [network(part) for part in torch.split(windows, _AT_ONCE)]
        maps = [torch.cat([p[i] for p in parts]).reshape(len(clip), n, *clip.shape[-2:]) for i in range(5)]
        return {**batch, "teacher_out": maps[4], "teacher_side": torch.stack(maps[:4])}


class PredictorTeacher:
    """A predictor without weights; it begins with the first of the student's frames and has no side maps."""

    taught, sha256 = True, ""

    def __init__(self, name: str) -> None:
        self._predictor = load_model(name)
        if hasattr(self._predictor, "fit"):
            raise WrongUse(
                f"teacher={name}: it must be fitted to gaze first; store its maps (`vidsal predict {name} --data DIR "
                "-o MAPS`) and name their folder, or take motion_energy"
            )

    def read(self, clips: Sequence[Clip], frames: int) -> Batch:
        """Return nothing."""
        return {}

    def watch(self, batch: Batch, device: torch.device) -> Batch:
        """Add `teacher_out`."""
        clips = (_unit(batch["clip"]) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 4, 1).cpu().numpy()
        n = _windows(batch["clip"])
        maps = torch.from_numpy(np.stack([self._maps(clip[: WINDOW - 1 + n]) for clip in clips]))
        return {**batch, "teacher_out": maps[:, -n:].float().to(device)}

    def _maps(self, frames: Any) -> Any:
        info = StimulusInfo("clip", frames.shape[2], frames.shape[1], None, "video", len(frames))
        found = self._predictor.predict((Frame(i, 0.0, rgb) for i, rgb in enumerate(frames)), info)
        return np.stack([p.values for p in found])


def _unit(clip: torch.Tensor) -> torch.Tensor:
    """Normalized frames (B, 3, T, h, w) in 0..1 again."""
    shape = (1, 3, 1, 1, 1)
    return clip * clip.new_tensor(IMAGENET_STD).view(shape) + clip.new_tensor(IMAGENET_MEAN).view(shape)


def _windows(clip: torch.Tensor) -> int:
    """How many windows of 16 frames of a clip are taught: one, or all but the last of them."""
    return max(1, clip.shape[2] - WINDOW)


def _with_split(folder: Path, release: Release) -> Release:
    """The release with the split that a submission says it is of."""
    manifest = manifest_file.read(folder)
    split = None if manifest is None else manifest.split
    return release if split in (None, "all") else load(release.root, split)
