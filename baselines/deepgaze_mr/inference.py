"""The image network of DeepGaze MR for inference on a CPU: Winograd's convolutions where they pay.

Outputs agree with the plain network to the rounding of single precision.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..nn.compiled_layers import compile_layers, run
from .network import Backbone


class FastBackbone:
    """Works with the weights that `backbone` has when it is made; later changes are not seen."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        with torch.no_grad():
            self._steps = compile_layers(backbone.vgg.features.children(), rewrite=True)

    def __call__(self, frames: Tensor) -> Tensor:
        """Map frames (n, 3, h, w), RGB in 0..1, to features (n, 512, h // 16, w // 16)."""
        return run(self._steps, self.backbone.normalized(frames))
