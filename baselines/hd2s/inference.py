"""HD2S over the windows of a video on a CPU: shared features (`nn.s3d_inference`), then the network's own decoders.

The numbers are the network's within rounding.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from ..nn.s3d_inference import DecodedStream, Features, StreamedS3D
from .network import HD2S, WINDOW


class FastHD2S:
    """A copy of an HD2S for inference; later changes of its weights are not seen.

    Args:
        network: of any variant.
        source: whose parts the domain-specific form uses.
    """

    def __init__(self, network: HD2S, source: str) -> None:
        self._network = deepcopy(network).cpu().eval()
        self._source = source
        with torch.no_grad():
            self._encoder = StreamedS3D(self._network.encoder_layers(), WINDOW)

    def stream(self) -> DecodedStream:
        """Return a new stream of images."""
        return DecodedStream(self._encoder.stream(), self.decoded)

    def decoded(self, features: Features) -> Tensor:
        """Return the map (H, W) of a window."""
        ends = {5: features.fifth, 4: features.fourth_pooled, 3: features.third_pooled, 2: features.fine_pooled}
        found = {level: steps.permute(3, 0, 1, 2)[None].contiguous() for level, steps in ends.items()}
        return self._network.finished(self._network.squeezed(found), self._source)[-1][0]
