"""The network of TASED-Net in its updated form, with the published checkpoint's state_dict (513 entries).

Source: Min & Corso, TASED-Net: Temporally-Aggregating Spatial Encoder-Decoder Network for Video Saliency Detection,
ICCV 2019; keys and numbers as in MichiganCOG/TASED-Net (MIT). The updated form aggregates time otherwise than the
paper's.

    32 frames -> S3D -> 4 steps at stride 32 -> transposed convolutions, three max-unpoolings -> 1 step -> map

The unpoolings put each value where the maximum of the encoder's pool stood. For the two finer ones the pool is computed
for these places alone ("auxiliary pooling"), of features that were reduced to 4 steps in time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.s3d import Encoder, check_clip

WINDOW = 32


class TASEDNet(Encoder):
    """Saliency of the last of 32 frames. 21,260,693 parameters.

    The unpooling makes it discontinuous: where two neighbours nearly tie, rounding moves a value to another pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convtsp1 = nn.Sequential(
            nn.Conv3d(1024, 1024, 1, bias=False), *_normed(1024), _transposed(1024, 832), *_normed(832)
        )
        self.convtsp2 = nn.Sequential(_transposed(832, 480), *_normed(480))
        self.convtsp3 = nn.Sequential(_transposed(480, 192), *_normed(192))
        self.convtsp4 = nn.Sequential(
            _doubling(192, 64),
            *_normed(64),
            nn.Conv3d(64, 64, (2, 1, 1), (2, 1, 1), bias=False),
            *_normed(64),
            nn.ConvTranspose3d(64, 4, 1, bias=False),
            *_normed(4),
            nn.Conv3d(4, 4, (2, 1, 1), (2, 1, 1), bias=False),
            *_normed(4),
            _doubling(4, 4),
            nn.Conv3d(4, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Predict the last frame.

        Args:
            x: (B, 3, 32, H, W), RGB in -1..1; H and W multiples of 32.

        Returns:
            (B, H, W), 0..1.

        Raises:
            WrongUse: another shape.
        """
        check_clip(tuple(x.shape), WINDOW, "tased_net")
        y1, y2, y3 = self.features(x)
        late = F.max_pool3d(y1, (2, 1, 1))
        y0, place0 = F.max_pool3d(late, (1, 2, 2), return_indices=True)
        y0 = self.base4(y0)
        return self.decoded(y0, place0, late.shape, *self.places(y2), *self.places(y3))

    def places(self, features: Tensor) -> tuple[Tensor, torch.Size]:
        """Return where the maxima of features (B, C, T, H, W) stand, and the features' size.

        Both after their reduction to a quarter of the steps.
        """
        reduced = F.max_pool3d(features, (4, 1, 1))
        _, places = F.max_pool3d(reduced, (1, 3, 3), (1, 2, 2), (0, 1, 1), return_indices=True)
        return places, reduced.shape

    def decoded(
        self,
        y0: Tensor,
        place0: Tensor,
        size0: torch.Size,
        place2: Tensor,
        size2: torch.Size,
        place3: Tensor,
        size3: torch.Size,
    ) -> Tensor:
        """Turn the encoder's last features and the places of its maxima into maps (B, H, W)."""
        z = unpool(self.convtsp1(y0), place0, size0)
        z = unpool(self.convtsp2(z), place2, size2)
        z = unpool(self.convtsp3(z), place3, size3)
        return torch.sigmoid(self.convtsp4(z))[:, 0, 0]


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm3d(channels, eps=1e-3, momentum=0.001), nn.ReLU()


def _transposed(inputs: int, outputs: int) -> nn.ConvTranspose3d:
    return nn.ConvTranspose3d(inputs, outputs, (1, 3, 3), padding=(0, 1, 1), bias=False)


def _doubling(inputs: int, outputs: int) -> nn.ConvTranspose3d:
    return nn.ConvTranspose3d(inputs, outputs, (1, 4, 4), (1, 2, 2), (0, 1, 1), bias=False)


def unpool(x: Tensor, places: Tensor, size: torch.Size) -> Tensor:
    """Put values (B, C, ..., h, w) at the places of the maxima in zeros of the encoder's height and width.

    Where two values go to one pixel the later one stays, whatever the number of threads.

    Args:
        x: values.
        places: their positions in the flattened (..., H, W).
        size: of the encoder's features; the last two are H, W.
    """
    shape = (*x.shape[:-2], *size[-2:])
    whole = x.new_zeros(shape).flatten(2)
    return whole.scatter(2, places.flatten(2), x.flatten(2)).view(shape)
