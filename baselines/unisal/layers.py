"""The blocks of UNISAL: normalisation for each domain, inverted residuals, the convolutional GRU.

A domain is one of the data sets that UNISAL was trained on at once. Modules here take its name as second argument
of `forward` instead of keeping it as state, so that one network can serve several threads and domains.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

DOMAINS = ("DHF1K", "Hollywood", "UCFSports", "SALICON")

#: Momentum of the running averages in training: the paper's for clips; SALICON's batches are larger.
VIDEO_MOMENTUM = 0.01
IMAGE_MOMENTUM = 0.1

Norm = Callable[[int], nn.Module]


class DomainNorm(nn.Module):
    """One batch normalisation for each domain, as `bn_<domain>`.

    Source: Chang et al., Domain-Specific Batch Normalization, CVPR 2019; UNISAL section 3.2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        for domain in DOMAINS:
            momentum = IMAGE_MOMENTUM if domain == "SALICON" else VIDEO_MOMENTUM
            self.add_module(f"bn_{domain}", nn.BatchNorm2d(channels, momentum=momentum))

    def of(self, domain: str) -> nn.BatchNorm2d:
        """Return the normalisation of one domain."""
        norm = self.get_submodule(f"bn_{domain}")
        assert isinstance(norm, nn.BatchNorm2d)
        return norm

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Normalise (N, C, H, W) with the domain's statistics."""
        normalized: Tensor = self.of(domain)(x)
        return normalized


class Chain(nn.Sequential):
    """Modules one after the other; those that depend on the domain are given its name."""

    def forward(self, x: Tensor, domain: str) -> Tensor:  # type: ignore[override]
        """Apply all modules to (N, C, H, W)."""
        for step in self:
            x = step(x, domain) if isinstance(step, (DomainNorm, Chain, InvertedResidual)) else step(x)
        return x


class InvertedResidual(nn.Module):
    """Expansion 1x1, depthwise 3x3, linear 1x1; the input is added where the channels allow it.

    Source: Sandler et al., MobileNetV2, CVPR 2018. The expansion is left out where its factor is 1.

    Args:
        inputs, outputs: channels.
        expansion: factor of the channels between.
        norm: makes the normalisation for a number of channels.
        keep_input: False where the block changes the resolution afterwards, so that nothing may be added.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, norm: Norm, *, keep_input: bool = True) -> None:
        super().__init__()
        inner = inputs * expansion
        self.adds_input = keep_input and inputs == outputs
        widen = [nn.Conv2d(inputs, inner, 1, bias=False), norm(inner), nn.ReLU6()] if expansion > 1 else []
        self.conv = Chain(
            *widen,
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            norm(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, outputs, 1, bias=False),
            norm(outputs),
        )

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        y: Tensor = self.conv(x, domain)
        return x + y if self.adds_input else y


class SeparableConv(nn.Module):
    """Depthwise 3x3, normalisation, ReLU6, 1x1: what the GRU uses in place of each convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.sep_bn = DomainNorm(inputs)
        self.sep_relu = nn.ReLU6()
        self.conv_sep = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        y: Tensor = self.conv_sep(self.sep_relu(self.sep_bn(self.conv_dw(x), domain)))
        return y


class ConvGRUCell(nn.Module):
    """A GRU on maps whose reset gate acts after the recurrent convolution.

        r = sigmoid(a_r_x BN(w_r x) + a_r_h BN(u_r h) + b_r),   z likewise
        h' = (1 - z) h + z tanh(a_h_x BN(w x) + r (a_h_h BN(u h)) + b_h)

    In training the recurrent input is dropped by channel with probability `drop`, one mask for a whole clip.
    """

    drop_mask_1: Tensor

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.drop = 0.2
        for gate in ("r", "z", "h"):
            self.register_parameter(f"b_{gate}", nn.Parameter(torch.zeros(hidden, 1, 1)))
            self.register_parameter(f"a_{gate}_x", nn.Parameter(torch.ones(hidden, 1, 1)))
            self.register_parameter(f"a_{gate}_h", nn.Parameter(torch.ones(hidden, 1, 1)))
        # Every published checkpoint holds the last mask of training; evaluation does not read it.
        self.register_buffer("drop_mask_1", torch.ones(3, hidden))
        for gate in ("r", "z", "out"):
            self.add_module(f"norm_{gate}_x", DomainNorm(hidden))
            self.add_module(f"norm_{gate}_h", DomainNorm(hidden))
        for suffix in ("_r", "_z", ""):
            self.add_module(f"w{suffix}", SeparableConv(inputs, hidden))
            self.add_module(f"u{suffix}", SeparableConv(hidden, hidden))

    def draw_mask(self) -> None:
        """Draw the channels that the next clip of the training drops."""
        keep = torch.full_like(self.drop_mask_1, 1 - self.drop)
        self.drop_mask_1.copy_(torch.bernoulli(keep) / (1 - self.drop))

    def part(self, name: str, x: Tensor, domain: str) -> Tensor:
        """Return one of the six terms: gain x normalised convolution; `name` such as `r_x` or `h_h`."""
        gate, kind = name.split("_")
        conv = {"x": "w", "h": "u"}[kind] + ("" if gate == "h" else f"_{gate}")
        norm = f"norm_{'out' if gate == 'h' else gate}_{kind}"
        if self.training and kind == "h":
            x = x * self.drop_mask_1["rzh".index(gate)].view(1, -1, 1, 1)
        convolved: Tensor = self.get_submodule(norm)(self.get_submodule(conv)(x, domain), domain)
        return convolved * self.get_parameter(f"a_{name}")

    def forward(self, x: Tensor, h: Tensor, domain: str) -> Tensor:
        """Return the next hidden state, (N, hidden, H, W), from input and state of the same height and width."""
        bias = self.get_parameter
        r = torch.sigmoid(self.part("r_x", x, domain) + self.part("r_h", h, domain) + bias("b_r"))
        z = torch.sigmoid(self.part("z_x", x, domain) + self.part("z_h", h, domain) + bias("b_z"))
        new = torch.tanh(self.part("h_x", x, domain) + r * self.part("h_h", h, domain) + bias("b_h"))
        return (1 - z) * h + z * new


class ConvGRU(nn.Module):
    """One `ConvGRUCell` unrolled over a clip."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell_list = nn.ModuleList([ConvGRUCell(inputs, hidden)])

    @property
    def cell(self) -> ConvGRUCell:
        """The only layer."""
        cell = self.cell_list[0]
        assert isinstance(cell, ConvGRUCell)
        return cell

    def forward(self, x: Tensor, h: Tensor | None, domain: str) -> tuple[Tensor, Tensor]:
        """Run (B, T, C, H, W) from state `h` (None = zeros); return all states and the last one."""
        cell = self.cell
        if self.training:
            cell.draw_mask()
        if h is None:
            h = x.new_zeros(x.shape[0], cell.hidden, *x.shape[-2:])
        states = []
        for step in x.unbind(1):
            h = cell(step, h, domain)
            states.append(h)
        return torch.stack(states, 1), h
