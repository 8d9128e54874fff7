"""A torch predictor to copy: rename the class, replace the three marked places, and run it without installing anything.

    vidsal model check torch_predictor.py:MyModel
    vidsal run torch_predictor.py:MyModel --data RELEASE --split val --protocol exact-1 -o results
    vidsal run torch_predictor.py:MyModel --checkpoint weights.pt --device cuda ...

As it stands it is a small network that works: two layers of seeded random filters over a frame and the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.records import Frame


class Network(nn.Module):
    """Frames to a saliency map: (B, 6, H, W), this frame and the last, to (B, 1, H/4, W/4)."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(6, 16, 5, stride=4, padding=2)
        self.sum = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map of each pair of frames."""
        out: Tensor = self.sum(self.filters(x).abs())
        return out


class MyModel:
    """A network behind the predictor protocol; there is no base class, only `info` and `predict`."""

    # 1. What a table must know. Claims are checked: a causal model must not change its mind about a frame when
    #    later frames change.
    info = ModelInfo(
        name="my_model",
        version="1",  # raise it when the same input gives other predictions
        causal=True,  # False if the prediction of frame t needs frames after t ...
        lookahead=0,  # ... and then how many, at most
        output="saliency",  # or "density" (sums to 1), "log_density" (natural logarithm of one), "point"
        trained_on=(),  # whose gaze your weights have seen, by id: ("dhf1k", "other:my_lab"); pre-training counts
        licence="Apache-2.0",  # of the weights
        paper="",
    )

    def __init__(self, checkpoint: Path | None = None, device: str = "cpu") -> None:
        """Make the network once; `--checkpoint` and `--device` of the command line arrive here.

        Args:
            checkpoint: a state_dict; None = seeded random weights.
            device: `cpu`, `cuda`, `cuda:1`.
        """
        self.device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Network()
        if checkpoint is not None:
            network.load_state_dict(torch.load(checkpoint, weights_only=True))
        self.network = network.eval().to(self.device)

    @torch.inference_mode()
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield one prediction for each frame, in order.

        Called once for each video. State starts anew here, so keep it in local variables, not in `self`. Take frames
        one by one and keep only the few that you need: a video does not fit into memory.

        Args:
            frames: `index` (0-based), `pts_ms`, and `rgb`, uint8 of shape (height, width, 3).
            stimulus: id, width, height, fps, kind, n_frames; never where people looked.
        """
        last: Tensor | None = None
        for frame in frames:
            # 2. Your pre-processing and your network.
            image = torch.from_numpy(frame.rgb.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
            image = F.interpolate(image, scale_factor=0.5, mode="area")
            saliency = self.network(torch.cat([image, image if last is None else last], dim=1))
            last = image
            # 3. What comes out: shape (h, w) at any size of the frame's aspect, NumPy or torch, on any device.
            #    Do not quantize and do not resize: that is the protocol's business.
            yield Prediction(frame.index, saliency[0, 0], kind="saliency")
