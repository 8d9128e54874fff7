"""The predictor around a network that sees a window of frames and says one map, of the last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame, UInt8Image

from ..base import Option
from ..runtime import inference, resolve
from .walk import Indexed, NewStream, Stream

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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

    A model says in three methods how a frame is prepared, how a stream of windows is made, and which windows predict
    the first frames.

    Args:
        info: what tables show.
        device: `cpu`, `cuda`, `cuda:1`.
        threads: of torch on a CPU; None = as they are.

    Raises:
        WrongUse: no such device, or `threads` is not positive.
    """

    checkpoint: Path | None = None
    """The weight file, where it came from one."""

    def __init__(self, info: ModelInfo, device: str, threads: int | None) -> None:
        if threads is not None and threads < 1:
            raise WrongUse(f"threads={threads}; at least 1 was expected")
        self.info = info
        self.threads = threads
        self.device = resolve(device)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the map of each frame: float32, 0..1, at the size of the network's input; torch on a GPU, else numpy.

        Raises:
            BadData: a frame has another size than the stimulus.
        """
        maps = self.walk(self._inputs(frames, stimulus), self.new_stream)
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

    @abstractmethod
    def new_stream(self) -> Stream:
        """Return a stream of windows."""
        ...

    @abstractmethod
    def walk(self, inputs: Indexed, new: NewStream) -> Indexed:
        """Give each frame the map of its window."""
        ...

    def _inputs(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Indexed:
        for frame in frames:
            if frame.rgb.shape != (stimulus.height, stimulus.width, 3):
                raise BadData(
                    f"{stimulus.id}, frame {frame.index}: the frame has the shape {frame.rgb.shape}, expected "
                    f"{(stimulus.height, stimulus.width, 3)} as for the whole stimulus"
                )
            yield frame.index, self.prepared(frame.rgb).to(self.device)


def centered(rgb: UInt8Image) -> torch.Tensor:
    """Return bytes (H, W, 3) as float32 (3, H, W) in -1..1."""
    import torch

    return torch.from_numpy(rgb).permute(2, 0, 1).float().mul_(2).sub_(255).div_(255)
