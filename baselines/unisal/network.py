"""The network of UNISAL, with the published checkpoints' state_dict (835 entries).

Source: Droste, Jiao & Noble, Unified Image and Video Saliency Modeling, ECCV 2020 (rdroste/unisal, Apache-2.0).
MobileNetV2 -> 16 learned Gaussian priors -> ConvGRU (bypassed for images) -> decoder with two skip connections ->
1x1 convolution and 41x41 smoothing of the domain -> log-softmax. 3,714,872 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidsal.loaders.errors import UnknownName, WrongUse

from ..nn.gaussian_priors import first_priors, gaussian_maps
from .layers import DOMAINS, VIDEO_MOMENTUM, Chain, ConvGRU, DomainNorm, InvertedResidual

STRIDE = 32
SMOOTHING = 41

#: MobileNetV2: expansion, channels, blocks, whether the resolution is halved.
STAGES = (
    (1, 16, 1, False),
    (6, 24, 2, True),
    (6, 32, 3, True),
    (6, 64, 4, True),
    (6, 96, 3, False),
    (6, 160, 3, True),
    (6, 320, 1, False),
)
#: Blocks whose output, before it is halved, feeds the skip connections: 64 channels at stride 8, 160 at 16.
TAP_4X = 7
TAP_2X = 14


class Backbone(nn.Module):
    """MobileNetV2 whose halving blocks run at full resolution and keep every second row and column of the result."""

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [_conv_norm(3, 32, 3, stride=2)]
        self.halving: list[int] = []
        channels = 32
        for expansion, outputs, blocks, halves in STAGES:
            for block in range(blocks):
                first = halves and block == 0
                if first:
                    self.halving.append(len(features))
                features.append(InvertedResidual(channels, outputs, expansion, nn.BatchNorm2d, keep_input=not first))
                channels = outputs
        features.append(_conv_norm(channels, 1280, 1))
        self.features = nn.ModuleList(features)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features of (N, 3, H, W) at strides 32 (1280 channels), 16 (160) and 8 (64)."""
        taps = {}
        for index, block in enumerate(self.features):
            x = block(x, "")
            if index in (TAP_4X, TAP_2X):
                taps[index] = x
            if index in self.halving:
                x = x[..., ::2, ::2]
        return x, taps[TAP_2X], taps[TAP_4X]


class UNISAL(nn.Module):
    """See the module's docstring; the options of `forward` are the published ones."""

    def __init__(self) -> None:
        super().__init__()
        for domain in DOMAINS:
            self.register_parameter(f"coarse_gaussians_{domain.lower()}", nn.Parameter(first_priors()))
        self.cnn = Backbone()
        self.post_cnn = _named(inv_res=InvertedResidual(1280 + 16, 256, 1, _video_norm))
        self.rnn = ConvGRU(256, 256)
        self.post_rnn = _conv_domain_norm(256, 256)
        self.skip_2x = _skip(160, 128)
        self.upsampling_2 = _named(inv_res=InvertedResidual(256 + 128, 128, 2, DomainNorm))
        self.skip_4x = _skip(64, 64)
        self.post_upsampling_2 = _named(inv_res=InvertedResidual(128 + 64, 64, 2, DomainNorm))
        for domain in DOMAINS:
            self.add_module(f"adaptation_{domain.lower()}", nn.Sequential(nn.Conv2d(64, 1, 1)))
            smoothing = nn.Conv2d(1, 1, SMOOTHING, bias=False)
            narrow = gaussian_maps(torch.tensor([[[0.5, -2.0], [0.5, -2.0]]]), SMOOTHING, SMOOTHING)
            smoothing.weight.data = narrow[None] / narrow.sum()
            self.add_module(f"smoothing_{domain.lower()}", smoothing)

    def forward(
        self,
        x: Tensor,
        target_size: Sequence[int] | None = None,
        h0: Tensor | Sequence[Tensor | None] | None = None,
        return_hidden: bool = False,
        source: str = "DHF1K",
        static: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Predict a log density for each frame.

        Args:
            x: (B, T, 3, H, W), RGB in 0..1 normalised with the ImageNet mean and deviation; H and W multiples of 32.
            target_size: height and width of the output; None = those of `x`.
            h0: state after the preceding clip, (B, 256, H/32, W/32), or a sequence of one; None = zeros.
            return_hidden: return the state too (None where the GRU was bypassed).
            source: domain, one of `DOMAINS`.
            static: True bypasses the GRU. None bypasses it for clips of one frame, as published; feed a video frame
                by frame with `static=False`.

        Returns:
            Natural log density (B, T, 1, *target_size) that sums to 1 over each map; with the state if asked.

        Raises:
            WrongUse: the shape does not fit.
            UnknownName: no such domain.
        """
        check_clip(x)
        key = domain_key(source)
        size = tuple(x.shape[-2:]) if target_size is None else (int(target_size[0]), int(target_size[1]))
        static = x.shape[1] == 1 if static is None else static
        encoded = [self.encode(frame, source) for frame in x.unbind(1)]
        hidden = None
        features = torch.stack([one[0] for one in encoded], 1)
        recurrent = [None] * x.shape[1]
        if not static:
            states, hidden = self.rnn(features, first_state(h0), source)
            recurrent = states.unbind(1)
        maps = [
            self.decode(feature, state, skip_2x, skip_4x, source)
            for (feature, skip_2x, skip_4x), state in zip(encoded, recurrent, strict=True)
        ]
        smoothing = self.get_submodule(f"smoothing_{key}")
        margin = [SMOOTHING // 2] * 4
        out = []
        for coarse in maps:
            fine = F.interpolate(coarse, size=x.shape[-2:], mode="nearest")
            smooth = smoothing(F.pad(fine, margin, mode="replicate"))
            out.append(log_softmax_map(F.interpolate(smooth, size=size, mode="bilinear", align_corners=False)))
        density = torch.stack(out, 1)
        return (density, hidden) if return_hidden else density

    def encode(self, frames: Tensor, source: str) -> tuple[Tensor, Tensor, Tensor]:
        """Map frames (N, 3, H, W) to features (N, 256, H/32, W/32) and both skips (128 at H/16, 64 at H/8)."""
        top, mid, low = self.cnn(frames)
        priors = self.priors(source, *top.shape[-2:]).expand(len(top), -1, -1, -1)
        feature = self.post_cnn(torch.cat((top, priors), 1), source)
        return feature, self.skip_2x(mid, source), self.skip_4x(low, source)

    def decode(self, feature: Tensor, state: Tensor | None, skip_2x: Tensor, skip_4x: Tensor, source: str) -> Tensor:
        """Return the unsmoothed map (N, 1, H/8, W/8)."""
        if state is not None:
            feature = feature + self.post_rnn(state, source)
        x = self.upsampling_2(torch.cat((_double(feature), skip_2x), 1), source)
        x = self.post_upsampling_2(torch.cat((_double(x), skip_4x), 1), source)
        adapted: Tensor = self.get_submodule(f"adaptation_{domain_key(source)}")(x)
        return adapted

    def priors(self, source: str, height: int, width: int) -> Tensor:
        """Return the 16 prior maps of a domain, (1, 16, height, width)."""
        return gaussian_maps(self.get_parameter(f"coarse_gaussians_{domain_key(source)}"), height, width)[None]


def log_softmax_map(maps: Tensor) -> Tensor:
    """Subtract each map's logsumexp, so that its exponential sums to 1; (N, 1, H, W)."""
    return F.log_softmax(maps.flatten(1), 1).view_as(maps)


def domain_key(source: str) -> str:
    """Return the lower-case form of a domain's name that the keys of its own parts use.

    Raises:
        UnknownName: it is none of `DOMAINS`.
    """
    if source not in DOMAINS:
        raise UnknownName("UNISAL domain", source, DOMAINS)
    return source.lower()


def check_clip(x: Tensor) -> None:
    """Refuse what is not a clip that the network can take.

    Raises:
        WrongUse: the message says which axis is wrong.
    """
    if x.dim() != 5 or x.shape[2] != 3 or x.shape[1] == 0:
        raise WrongUse(f"UNISAL takes clips (B, T, 3, H, W) with T > 0, found the shape {tuple(x.shape)}")
    height, width = x.shape[-2:]
    if height % STRIDE or width % STRIDE or not height or not width:
        raise WrongUse(
            f"UNISAL takes frames whose height and width are multiples of {STRIDE}, found {height} x {width}; "
            "resize them first (the predictor does so by itself)"
        )


def first_state(h0: Tensor | Sequence[Tensor | None] | None) -> Tensor | None:
    """Return the state of the only layer from either form in which it may be handed over."""
    if h0 is None or isinstance(h0, Tensor):
        return h0
    return h0[0] if len(h0) else None


def _video_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=VIDEO_MOMENTUM)


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> Chain:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return Chain(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


def _conv_domain_norm(inputs: int, outputs: int) -> Chain:
    return Chain(nn.Conv2d(inputs, outputs, 1, bias=False), DomainNorm(outputs), nn.ReLU6())


def _named(**modules: nn.Module) -> Chain:
    chain = Chain()
    for name, module in modules.items():
        chain.add_module(name, module)
    return chain


def _skip(inputs: int, outputs: int) -> Chain:
    reduction = Chain(nn.Conv2d(2 * inputs, outputs, 1), DomainNorm(outputs))
    return _named(expansion=_conv_domain_norm(inputs, 2 * inputs), dropout=nn.Dropout2d(0.6), reduction=reduction)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
