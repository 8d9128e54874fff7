"""The predictor around a network that sees a window of frames and says one map, of the last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame, UInt8Image

from ..base import Option
from ..preprocess import check_size
from ..runtime import inference, resolve
from .walk import Indexed, NewStream, PlainStream, Walk, padded_start

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


THREADS = Option("int", None, "of torch on a CPU; none = as they are", optional=True, scope="predictor")
FIRST_FRAMES = Option(
    "text",
    "reversed",
    "the first frames from those that follow, in reversed order, as published; or padded: their windows filled up with "
    "the first frame, which looks ahead at none",
    choices=("reversed", "padded"),
    scope="predictor",
)


class WindowPredictor(ABC):
    """Runs such a network over stimuli: each frame is prepared once, and windows slide by one frame.

    Args:
        info: what tables show, beside what the choice of the first frames decides.
        module: its present weights are used; later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        threads: of torch on a CPU; None = as they are.
        window: frames of a window.
        first_frames: `padded`; any other choice is the published one.
        published: the walk of that one.
        fast: makes what makes a stream on a CPU; elsewhere the module is given each window as a whole.
        keywords: with which the module is called there.

    Raises:
        WrongUse: no such device, or `threads` is not positive.
    """

    checkpoint: Path | None = None
    """The weight file, where it came from one."""

    def __init__(
        self,
        info: ModelInfo,
        module: nn.Module,
        device: str,
        threads: int | None,
        *,
        window: int,
        first_frames: str,
        published: Walk,
        fast: Callable[[], NewStream],
        keywords: Mapping[str, Any] | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise WrongUse(f"threads={threads}; at least 1 was expected")
        padded = first_frames == "padded"
        self.info = replace(info, causal=padded, lookahead=0 if padded else window - 1)
        self.threads = threads
        self.device = resolve(device)
        self._window = window
        self._walk = padded_start if padded else published
        if self.device.type == "cpu":
            self._new_stream = fast()
        else:
            whole = partial(deepcopy(module).to(self.device).eval(), **(keywords or {}))
            self._new_stream = partial(PlainStream, whole, window)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the map of each frame: float32, 0..1, at the size of the network's input; torch on a GPU, else numpy.

        Raises:
            BadData: a frame has another size than the stimulus.
        """
        maps = self._walk(self._inputs(frames, stimulus), self._new_stream, self._window)
        while True:
            with inference(self.threads):  # held while something is computed, not while the caller has the map
                found = next(maps, None)
            if found is None:
                return
            index, values = found
            yield Prediction(index, values.numpy() if values.device.type == "cpu" else values, "saliency")

    @abstractmethod
    def prepared(self, rgb: UInt8Image) -> Tensor:
        """Return a frame as the network takes it, float32 (3, H, W)."""
        ...

    def _inputs(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Indexed:
        for frame in frames:
            check_size(frame, stimulus)
            yield frame.index, self.prepared(frame.rgb).to(self.device)


def centered(rgb: UInt8Image) -> torch.Tensor:
    """Return bytes (H, W, 3) as float32 (3, H, W) in -1..1."""
    import torch

    return torch.from_numpy(rgb).permute(2, 0, 1).float().mul_(2).sub_(255).div_(255)
