"""The network of ViNet (without sound), with the published checkpoints' state_dicts (469 to 471 entries).

Source: Jain, Yarlagadda, Jyoti, Karthik, Subramanian & Gandhi, ViNet: Pushing the limits of Visual Modality for
Audio-Visual Saliency Prediction, IROS 2021; keys and numbers as in samyak0210/ViNet (MIT).

    clip -> S3D -> its last features, enlarged; after each enlargement the encoder's features of that size are joined
    **in time**, and a convolution with a stride mixes the decoder's steps among themselves, then the encoder's

The last steps in time become one; what is left is the map of the clip's last frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidsal.loaders.errors import WrongUse

from ..nn.s3d import Encoder, check_clip

CLIPS = (8, 16, 32, 48)


class Backbone(Encoder):
    """S3D without its head."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map (B, 3, T, H, W) to features at strides 32, 16, 8 and 4: (B, C, T / 8, ...), T / 4, T / 2, T / 2."""
        y1, y2, y3 = self.features(x)
        return self.base4(F.max_pool3d(y1, 2)), y1, y2, y3


class Decoder(nn.Module):
    """Convolutions without normalisation, ReLU after each, bilinear enlargement of each step."""

    def __init__(self, clip: int) -> None:
        super().__init__()
        enlarge = nn.Upsample(scale_factor=(1, 2, 2), mode="trilinear")
        self.convtsp1 = nn.Sequential(_mixing(1024, 832, 1), nn.ReLU(), enlarge)
        self.convtsp2 = nn.Sequential(_mixing(832, 480, 3), nn.ReLU(), enlarge)
        self.convtsp3 = nn.Sequential(_mixing(480, 192, 5), nn.ReLU(), enlarge)
        self.convtsp4 = nn.Sequential(
            *(_mixing(192, 64, 5), nn.ReLU(), enlarge),
            *(_mixing(64, 32, 1 if clip == 8 else 2), nn.ReLU(), enlarge),
            *_aggregation(clip),
            nn.Conv3d(32, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, y0: Tensor, y1: Tensor, y2: Tensor, y3: Tensor) -> Tensor:
        """Map the backbone's features to maps (B, H, W), 0..1."""
        z = self.convtsp1(y0)
        z = self.convtsp2(torch.cat((z, y1), dim=2))
        z = self.convtsp3(torch.cat((z, y2), dim=2))
        z = self.convtsp4(torch.cat((z, y3), dim=2))
        maps: Tensor = z[:, 0, 0]
        return maps


class ViNet(nn.Module):
    """Saliency of the last frame of a clip. 31,099,585 parameters with 32 frames.

    Args:
        clip: frames of a clip: 8, 16, 32 or 48.

    Raises:
        WrongUse: another number.
    """

    def __init__(self, clip: int = 32) -> None:
        super().__init__()
        if clip not in CLIPS:
            raise WrongUse(f"clip={clip}; one of {', '.join(map(str, CLIPS))} was expected")
        self.clip = clip
        self.backbone = Backbone()
        self.decoder = Decoder(clip)

    def forward(self, x: Tensor) -> Tensor:
        """Predict the last frame.

        Args:
            x: (B, 3, clip, H, W), RGB in 0..1 normalised with the ImageNet mean and deviation; H and W multiples of 32.

        Returns:
            (B, H, W), 0..1.

        Raises:
            WrongUse: another shape.
        """
        check_clip(tuple(x.shape), self.clip, "vinet")
        maps: Tensor = self.decoder(*self.backbone(x))
        return maps


def _mixing(inputs: int, outputs: int, steps: int) -> nn.Conv3d:
    """Return the convolution that makes one step in time of each `steps`."""
    return nn.Conv3d(inputs, outputs, (steps, 3, 3), (steps, 1, 1), (0, 1, 1), bias=False)


def _aggregation(clip: int) -> tuple[nn.Module, ...]:
    """Return what makes one step of the last two (clips of 32) or three (48); the latter alone has a bias."""
    steps = {32: 2, 48: 3}.get(clip)
    if steps is None:
        return ()
    return nn.Conv3d(32, 32, (steps, 1, 1), (steps, 1, 1), bias=clip == 48), nn.ReLU()
