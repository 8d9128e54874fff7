"""The networks SalEMA and SalCLSTM, with the published checkpoints' state_dict.

Source: Linardos, Mohedano, Nieto, O'Connor, Giro-i-Nieto & McGuinness, Simple vs complex temporal recurrences for
video saliency prediction, BMVC 2019 (Linardos/SalEMA; no licence file). Both are the image network SalGAN (Pan et al.
2017): VGG-16 up to its last convolution, a mirrored decoder with nearest enlargement, a sigmoid. SalEMA averages one
layer exponentially over time (31,787,009 parameters); SalCLSTM puts a ConvLSTM between the halves (50,663,425).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidsal.loaders.errors import WrongUse

from ..nn.lstm import lstm_step
from ..nn.vgg import vgg_features

Module = TypeVar("Module", bound=nn.Module)

#: Widths of the decoder's convolutions; U doubles the size (nearest).
DECODER = (512, 512, 512, "U", 512, 512, 512, "U", 256, 256, 256, "U", 128, 128, "U", 64, 64)
#: First module of the decoder, and the layer that the published SalEMA averages: a convolution before its ReLU.
DECODER_START = 30
N_LAYERS = 62


def salgan_layers() -> nn.Sequential:
    """Return the 62 modules of the image network: (N, 3, H, W) to (N, 1, 16 (H // 16), 16 (W // 16)) in 0..1."""
    layers = list(vgg_features(16))
    channels = 512
    for item in DECODER:
        if item == "U":
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        else:
            assert isinstance(item, int)
            layers += [nn.Conv2d(channels, item, 3, padding=1), nn.ReLU()]
            channels = item
    layers += [nn.Conv2d(channels, 1, 1), nn.Sigmoid()]
    assert len(layers) == N_LAYERS
    return _channels_last(nn.Sequential(*layers))


class SalEMA(nn.Module):
    """SalGAN with an exponential moving average at one of its layers.

    Args:
        alpha: the average gives the new frame the weight sigmoid(alpha), as the published code does (0.1 means 0.525);
            None = a parameter `alpha`, which adds an entry to the state_dict.
        ema_loc: index of the averaged module, 0..61.
        residual: add that module's input to its averaged output.

    Attributes:
        dropout: share of the channels of the averaged layer's input that training drops.

    Raises:
        WrongUse: no such module, or its input and output differ in shape where `residual` needs them equal.
    """

    def __init__(self, alpha: float | None = 0.1, ema_loc: int = DECODER_START, residual: bool = False) -> None:
        super().__init__()
        if not 0 <= ema_loc < N_LAYERS:
            raise WrongUse(f"ema_loc is {ema_loc}; the network has the modules 0..{N_LAYERS - 1}")
        self.salgan = salgan_layers()
        layer = self.salgan[ema_loc]
        reshapes = isinstance(layer, (nn.MaxPool2d, nn.Upsample))
        reshapes |= isinstance(layer, nn.Conv2d) and layer.in_channels != layer.out_channels
        if residual and reshapes:
            raise WrongUse(f"residual=True: module {ema_loc} changes the shape, so its input cannot be added")
        self.ema_loc = ema_loc
        self.residual = residual
        self.dropout = 0.0
        self.alpha: nn.Parameter | float = nn.Parameter(torch.tensor([0.25])) if alpha is None else float(alpha)

    @property
    def overwrites(self) -> bool:
        """Whether the averaged layer lies in the encoder, whose published ReLUs overwrite their input.

        An averaged ReLU's own input is therefore rectified before it is added (`residual`), and an averaged
        convolution's state is rectified once the frame has used it.
        """
        return self.ema_loc < DECODER_START

    @property
    def weight(self) -> Tensor:
        """Share of the new frame in the average, in 0..1."""
        alpha = self.alpha
        return torch.sigmoid(alpha if isinstance(alpha, Tensor) else torch.tensor(alpha, dtype=torch.float32))

    def forward(self, frame: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predict one frame.

        Args:
            frame: (1, 3, H, W), BGR in 0..255 minus (103.939, 116.779, 123.68).
            state: what the preceding frame returned; None for the first.

        Returns:
            The map (1, 1, 16 (H // 16), 16 (W // 16)) in 0..1, and the averaged layer.
        """
        layer = self.salgan[self.ema_loc]
        inner = self.salgan[: self.ema_loc](frame)
        if self.training and self.dropout:
            inner = F.dropout2d(inner, self.dropout)
        new = layer(inner)
        if self.overwrites and isinstance(layer, nn.ReLU):
            inner = new
        if state is not None:
            weight = self.weight.to(new)
            new = weight * new + (1 - weight) * state
        if self.residual:
            return self.salgan[self.ema_loc + 1 :](new + inner), new
        out = self.salgan[self.ema_loc + 1 :](new)
        return out, torch.relu(new) if self.overwrites and isinstance(layer, nn.Conv2d) else new


class SalCLSTM(nn.Module):
    """SalGAN with a ConvLSTM after the encoder; the decoder is fed the cell, not the hidden state.

    Args:
        residual: add the encoder's output to the cell.
    """

    def __init__(self, residual: bool = False) -> None:
        super().__init__()
        self.salgan = salgan_layers()
        self.Gates = _channels_last(nn.Conv2d(2 * 512, 4 * 512, 3, padding=1))
        self.residual = residual

    def forward(self, frame: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Predict one frame.

        Args:
            frame: as for `SalEMA`.
            state: hidden and cell, each (1, 512, H // 16, W // 16), of the preceding frame; None for the first.

        Returns:
            The map as for `SalEMA`, and the next state.
        """
        encoded = self.salgan[:DECODER_START](frame)
        hidden, cell = (torch.zeros_like(encoded),) * 2 if state is None else state
        hidden, cell = lstm_step(self.Gates(torch.cat((encoded, hidden), 1)), cell, 1)
        out = self.salgan[DECODER_START:](cell + encoded if self.residual else cell)
        return out, (hidden, cell)


def _channels_last(module: Module) -> Module:
    """Lay out the weights for CPUs; keys, shapes and values stay."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
