"""SalEMA and SalCLSTM frozen for speed: fewer products, batches of frames around the sequential step.

Only the averaged layer, or the ConvLSTM, is sequential; what comes before and after it runs on batches of frames.
On a CPU the convolutions after an enlargement take 9 products in place of 36 and the wide ones Winograd's 36 in place
of 144 (`fast_convolutions`); on other devices they stay as they are. The numbers are those of the networks within
rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..nn.compiled_layers import bias_of, compile_layers, run
from ..nn.fast_convolutions import DirectConvolution, WinogradConvolution
from ..nn.lstm import lstm_step
from .network import DECODER_START, SalCLSTM, SalEMA


class FastSalEMA:
    """`SalEMA` over batches of consecutive frames of one stimulus."""

    def __init__(self, network: SalEMA) -> None:
        place = network.ema_loc
        rewrite = _rewrites(network)
        layers = list(network.salgan)
        # Where nothing else reads the averaged layer's input, an enlargement may join the convolution after it.
        start = place if network.residual else 0
        with torch.no_grad():
            self.before = compile_layers(layers[:start], rewrite)
            self.at = compile_layers(layers[start : place + 1], rewrite)
            self.after = compile_layers(layers[place + 1 :], rewrite)
            self.weight = network.weight.detach().to(next(network.parameters()))
        self.residual = network.residual
        self.rectifies_input = network.overwrites and isinstance(network.salgan[place], nn.ReLU)
        self.rectifies_state = network.overwrites and isinstance(network.salgan[place], nn.Conv2d)

    def __call__(self, frames: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the maps (N, 1, h, w) of frames (N, 3, H, W), in 0..1, and the state after the last."""
        inner = run(self.before, frames.contiguous(memory_format=torch.channels_last))
        new = run(self.at, inner)
        averaged = []
        for value in new.chunk(len(new)):
            if state is not None:
                value = self.weight * value + (1 - self.weight) * state
            averaged.append(value)
            state = torch.relu(value) if self.rectifies_state and not self.residual else value
        mean = torch.cat(averaged)
        if self.residual:
            mean = mean + (new if self.rectifies_input else inner)
        return run(self.after, mean), state


class FastSalCLSTM:
    """`SalCLSTM` over batches of consecutive frames of one stimulus."""

    def __init__(self, network: SalCLSTM) -> None:
        rewrite = _rewrites(network)
        with torch.no_grad():
            self.encoder = compile_layers(list(network.salgan)[:DECODER_START], rewrite)
            self.decoder = compile_layers(list(network.salgan)[DECODER_START:], rewrite)
            channels = network.Gates.in_channels // 2
            weight, make = network.Gates.weight.detach(), WinogradConvolution if rewrite else DirectConvolution
            self.of_input = make(weight[:, :channels], bias_of(network.Gates))
            self.of_hidden = make(weight[:, channels:], None)
        self.residual = network.residual

    def __call__(
        self, frames: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return the maps (N, 1, h, w) of frames (N, 3, H, W), in 0..1, and hidden state and cell after the last."""
        encoded = run(self.encoder, frames.contiguous(memory_format=torch.channels_last))
        cells = []
        for gates, value in zip(self.of_input(encoded).chunk(len(encoded)), encoded.chunk(len(encoded)), strict=True):
            if state is None:
                state = lstm_step(gates, torch.zeros_like(value), 1)
            else:
                state = lstm_step(gates + self.of_hidden(state[0]), state[1], 1)
            cells.append(state[1])
        cell = torch.cat(cells)
        return run(self.decoder, cell + encoded if self.residual else cell), state


def _rewrites(network: nn.Module) -> bool:
    return next(network.parameters()).device.type == "cpu"
