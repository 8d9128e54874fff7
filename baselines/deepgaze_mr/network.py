"""The network of DeepGaze MR: frozen VGG-19 features, averaged over the clip, read out to a log density.

    frames -> VGG-19 up to the ReLU of conv5_4 -> mean over the frames -> 1x1 convolutions 512, 32, 32, 1
           -> nearest resize to the frame -> Gaussian, sigma 16 px -> + weight * ln(centre bias) -> - logsumexp

Source: Tangemann, Kümmerer, Wallis & Bethge, Measuring the importance of temporal features in video saliency,
ECCV 2020; keys and numbers as in mtangemann/deepgazemr.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidsal.loaders.errors import WrongUse

from ..nn.vgg import vgg_features

WINDOW = 16
STRIDE = 16
SIGMA_PX = 16.0

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class Vgg(nn.Module):
    """The convolutional part under the name of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg_features(19)


class Backbone(nn.Module):
    """VGG-19 without its last max-pool, after ImageNet normalisation of values in 0..1. Not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = Vgg()
        self.vgg.requires_grad_(False)
        # Not part of the state_dict of the published weights.
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (n, 3, h, w), RGB in 0..1, to features (n, 512, h // 16, w // 16)."""
        features: Tensor = self.vgg.features(self.normalized(frames))
        return features

    def normalized(self, frames: Tensor) -> Tensor:
        """Return frames (n, 3, h, w) as the layers take them, channels last in memory."""
        return ((frames - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


class Readout(nn.Sequential):
    """Three 1x1 convolutions, with GroupNorm over all channels and Softplus between them."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("conv1", nn.Conv2d(512, 32, 1))
        self.add_module("norm1", nn.GroupNorm(1, 32))
        self.add_module("nonlinearity1", nn.Softplus())
        self.add_module("conv2", nn.Conv2d(32, 32, 1))
        self.add_module("norm2", nn.GroupNorm(1, 32))
        self.add_module("nonlinearity2", nn.Softplus())
        self.add_module("conv3", nn.Conv2d(32, 1, 1))


class GaussianTaps(nn.Module):
    """One axis of the Gaussian: 97 taps, six sigma wide, with the border replicated."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor([SIGMA_PX]), requires_grad=False)
        half = int(3 * SIGMA_PX)
        self.register_buffer("grid", torch.arange(-half, half + 1, dtype=torch.float32).view(shape))

    grid: Tensor

    def taps(self) -> Tensor:
        """Return the 97 weights, which sum to 1."""
        weights = torch.exp(-0.5 * (self.grid.flatten() / self.sigma) ** 2)
        return weights / weights.sum()

    def spread(self, cells: int, size: int) -> Tensor:
        """Return the matrix (size, cells) that enlarges `cells` values to `size` pixels and blurs them.

        The enlargement is nearest neighbour, so that a row of the matrix holds, for every cell, the sum of the
        taps which fall on its pixels; those beyond the border fall on the outermost cell. Two small products
        with such matrices replace the blur of the whole frame.
        """
        taps = self.taps()
        half = taps.numel() // 2
        numbers = torch.arange(cells, dtype=torch.float32, device=taps.device).view(1, 1, cells)
        cell_of = F.interpolate(numbers, size=size, mode="nearest").flatten().long()
        pixel = torch.arange(size, device=taps.device).view(-1, 1)
        offset = torch.arange(-half, half + 1, device=taps.device)
        hit = cell_of[(pixel + offset).clamp(0, size - 1)]
        matrix = torch.zeros(size, cells, dtype=taps.dtype, device=taps.device)
        return matrix.scatter_add(1, hit, taps.expand(size, -1))


class Finalizer(nn.Module):
    """Enlarges and blurs the priority map, adds the centre bias, normalises to a log density."""

    def __init__(self) -> None:
        super().__init__()
        self.center_bias_weight = nn.Parameter(torch.ones(1))
        self.gauss_x = GaussianTaps((1, 1, 1, -1))
        self.gauss_y = GaussianTaps((1, 1, -1, 1))

    def smooth(self, priority: Tensor, size: tuple[int, int]) -> Tensor:
        """Enlarge the priority map (1, 1, h, w) to `size` (height, width) and blur it."""
        height, width = priority.shape[-2:]
        down = self.gauss_y.spread(height, size[0])
        along = self.gauss_x.spread(width, size[1])
        return down @ priority @ along.T

    def forward(self, priority: Tensor, log_center_bias: Tensor) -> Tensor:
        """Map the priority map (1, 1, h, w) and ln(centre bias) (1, 1, H, W) to the log density (H, W)."""
        height, width = log_center_bias.shape[-2:]
        smooth = self.smooth(priority, (height, width))
        out = (smooth + self.center_bias_weight * log_center_bias)[0, 0]
        return out - out.logsumexp(dim=(0, 1))


class FeatureMean:
    """Mean of the last `length` feature maps, in memory of `length` maps and one sum.

    The sum is kept in double precision where the device has it, so that it does not drift over a long video.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.count = 0
        self._maps: list[Tensor] = []
        self._sum: Tensor | None = None

    @property
    def full(self) -> bool:
        """Whether `length` maps have been seen."""
        return self.count >= self.length

    def push(self, features: Tensor) -> None:
        """Take the map of the next frame, shape (1, channels, h, w), in place of the oldest one."""
        wide = _wide(features)
        slot = self.count % self.length
        if self._sum is None:
            self._sum = wide.clone()
        else:
            self._sum += wide
        if self.full:
            self._sum -= _wide(self._maps[slot])
            self._maps[slot] = features
        else:
            self._maps.append(features)
        self.count += 1

    def mean(self) -> Tensor:
        """Return the mean (1, channels, h, w) of the maps held."""
        assert self._sum is not None
        return (self._sum / len(self._maps)).to(self._maps[0].dtype)


class DeepGazeMR(nn.Module):
    """Log density of gaze on the last frame of a clip.

    The state_dict has the 47 entries of the published checkpoint.

    Attributes:
        center_bias: density (h, w) that is used where a call gives none; not part of the state_dict.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = Backbone()
        self.readout = Readout()
        self.finalizer = Finalizer()
        self.center_bias: Tensor | None = None

    def forward(self, clip: Tensor, center_bias: Tensor | None = None) -> Tensor:
        """Predict the last frame of a clip.

        Args:
            clip: (T, 3, H, W), RGB in 0..1; the published model uses T = 16, any T works.
            center_bias: density (h, w) of gaze without a stimulus; resized to the frame if it differs.

        Returns:
            Natural logarithm of the gaze density, (H, W), sum of its exponential 1.

        Raises:
            WrongUse: wrong shape, frames smaller than 16 pixels, or no centre bias.
        """
        bias = self.log_center_bias(check_clip(clip), center_bias).to(clip)
        return self.finalizer(self.readout(self.clip_features(clip)), bias)  # type: ignore[no-any-return]

    def predict(self, video: Tensor, center_bias: Tensor | None = None) -> Iterator[Tensor | None]:
        """Yield one result for each frame of `video` (T, 3, H, W): None 15 times, then log densities (H, W).

        Every frame passes the backbone once; feature maps of 16 frames are kept.
        """
        bias = self.log_center_bias(check_clip(video), center_bias).to(video)
        if len(video) < WINDOW:
            yield from [None] * len(video)
            return
        window = FeatureMean(WINDOW)
        for frame in torch.split(video, 1):
            window.push(self.features(frame))
            yield self.finalizer(self.readout(window.mean()), bias) if window.full else None

    def clip_features(self, clip: Tensor) -> Tensor:
        """Return the mean feature map (1, 512, H // 16, W // 16) of a clip, frame by frame to save memory."""
        window = FeatureMean(len(clip))
        for frame in torch.split(clip, 1):
            window.push(self.features(frame))
        return window.mean()

    def log_center_bias(self, size: tuple[int, int], center_bias: Tensor | None = None) -> Tensor:
        """Return ln of the centre bias (1, 1, height, width) at `size` = (height, width).

        A density of another size is resized with nearest neighbour and divided by its new sum; one that has the
        size is taken as it is. Where it is zero the logarithm is -inf.
        """
        density = self.center_bias if center_bias is None else center_bias
        if density is None:
            raise WrongUse(
                "DeepGaze MR needs a centre bias: a density (h, w) of where people look without regard to the "
                "stimulus; pass it to the call or set `center_bias` (the published one: center-bias-ledov.pt)"
            )
        if density.dim() != 2:
            raise WrongUse(f"the centre bias has shape {tuple(density.shape)}; a density (h, w) was expected")
        density = density[None, None]
        if tuple(density.shape[-2:]) != tuple(size):
            density = F.interpolate(density, size=size, mode="nearest")
            density = density / density.sum()
        return density.log()


def _wide(values: Tensor) -> Tensor:
    """Return `values` in double precision where the device has it."""
    return values if values.device.type == "mps" else values.double()


def check_clip(clip: Tensor) -> tuple[int, int]:
    """Return height and width of a clip.

    Raises:
        WrongUse: it is no (T, 3, H, W), or smaller than a cell of the features.
    """
    if clip.dim() != 4 or clip.shape[1] != 3 or not len(clip):
        raise WrongUse(f"a clip has shape (T, 3, H, W) with T > 0; found {tuple(clip.shape)}")
    height, width = clip.shape[-2:]
    if min(height, width) < STRIDE:
        raise WrongUse(f"frames are {width} x {height}; DeepGaze MR needs at least {STRIDE} pixels on each side")
    return height, width
