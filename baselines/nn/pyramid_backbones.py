"""The image networks under the feature pyramid: four maps of each, from fine to coarse.

Each keeps the names of the weights that it was published with (torchvision's, or timm's for
`mobilenetv3_large_100`) and is cut behind its last tap. Their weights are never trained here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from vidsal.loaders.errors import UnknownName

from .densenet import DenseNet201
from .efficientnet import efficientnet
from .mobilenet_v3 import TimmMobileNetV3Large, mobilenet_v3
from .resnet import ResNet152
from .vgg import vgg_features


class Tapped(nn.Module):
    """A chain of layers under the name `features`, with the outputs of some of them."""

    def __init__(self, features: nn.Sequential, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(features)[: taps[-1] + 1])
        self.taps = taps

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps at the taps for images (n, 3, h, w), ImageNet normalised."""
        found, maps = [], images
        for number, layer in enumerate(self.features.children()):
            maps = layer(maps)
            if number in self.taps:
                found.append(maps)
        return found


class TimmLarge(TimmMobileNetV3Large):
    """The stages 1, 2, 4 and 6."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return four maps for images (n, 3, h, w), ImageNet normalised."""
        stages = self.stages(images)
        return [stages[number] for number in (1, 2, 4, 6)]


class ResNetStages(ResNet152):
    """All four stages."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return four maps for images (n, 3, h, w), ImageNet normalised."""
        return self.stages(images)


class DenseNetStages(DenseNet201):
    """All four dense blocks."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return four maps for images (n, 3, h, w), ImageNet normalised."""
        return self.stages(images)


@dataclass(frozen=True)
class PyramidBackbone:
    """One image network.

    Attributes:
        build: makes the module that returns the maps.
        channels: of each map, from fine to coarse.
        halvings: for each map how the size was halved on the way, one letter a time: `u` rounded up (padded
            convolution or pool), `d` rounded down.
        mark: a key that only this network's state_dict has, with the shape by which it differs from others.
    """

    build: Callable[[], nn.Module]
    channels: tuple[int, ...]
    halvings: tuple[str, ...]
    mark: tuple[str, tuple[int, ...]]

    def level_sizes(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Return (height, width) of each map for frames of `size` = (height, width)."""
        return [(_halved(size[0], letters), _halved(size[1], letters)) for letters in self.halvings]


def _halved(size: int, letters: str) -> int:
    for letter in letters:
        size = (size + 1) // 2 if letter == "u" else size // 2
    return size


_UP = ("uu", "uuu", "uuuu", "uuuuu")

BACKBONES: dict[str, PyramidBackbone] = {
    "mobilenet_v3_large": PyramidBackbone(
        lambda: Tapped(mobilenet_v3("large"), (3, 6, 12, 16)),
        (24, 40, 112, 960),
        _UP,
        ("features.16.0.weight", (960, 160, 1, 1)),
    ),
    "mobilenet_v3_small": PyramidBackbone(
        lambda: Tapped(mobilenet_v3("small"), (1, 3, 8, 11)),
        (16, 24, 48, 96),
        _UP,
        ("features.1.block.1.fc1.weight", (8, 16, 1, 1)),
    ),
    "mobilenetv3_large_100": PyramidBackbone(
        TimmLarge, (24, 40, 112, 960), _UP, ("blocks.6.0.conv.weight", (960, 160, 1, 1))
    ),
    "efficientnet_b0": PyramidBackbone(
        lambda: Tapped(efficientnet("b0"), (2, 3, 5, 7)),
        (24, 40, 112, 320),
        _UP,
        ("features.7.0.block.0.0.weight", (1152, 192, 1, 1)),
    ),
    "efficientnet_b7": PyramidBackbone(
        lambda: Tapped(efficientnet("b7"), (2, 3, 5, 7)),
        (48, 80, 224, 640),
        _UP,
        ("features.7.0.block.0.0.weight", (2304, 384, 1, 1)),
    ),
    "densenet201": PyramidBackbone(
        DenseNetStages,
        (256, 512, 1792, 1920),
        ("uu", "uud", "uudd", "uuddd"),
        ("features.denseblock4.denselayer32.conv2.weight", (32, 128, 3, 3)),
    ),
    "vgg19": PyramidBackbone(
        lambda: Tapped(vgg_features(19), (17, 26, 35)),
        (256, 512, 512),
        ("dd", "ddd", "dddd"),
        ("features.34.weight", (512, 512, 3, 3)),
    ),
    "resnet152": PyramidBackbone(
        ResNetStages, (256, 512, 1024, 2048), _UP, ("layer3.35.conv3.weight", (1024, 256, 1, 1))
    ),
}


def pyramid_backbone(name: str) -> PyramidBackbone:
    """Return an image network by its name.

    Raises:
        UnknownName: no such network; the message lists the known ones.
    """
    if name not in BACKBONES:
        raise UnknownName("backbone", name, BACKBONES)
    return BACKBONES[name]
