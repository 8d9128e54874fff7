"""ResNet-152 without its classifier, under torchvision's names.

Source: He, Zhang, Ren & Sun, Deep residual learning for image recognition, CVPR 2016; the stride of a stage is
in the 3x3 convolution of its first block.
"""

from __future__ import annotations

from torch import Tensor, nn

_BLOCKS = (3, 8, 36, 3)
_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = width * _EXPANSION
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample: nn.Module | None = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, 4 width, h / stride, w / stride), sizes rounded up."""
        out = self.bn1(self.conv1(maps)).relu()
        out = self.bn3(self.conv3(self.bn2(self.conv2(out)).relu()))
        shortcut = maps if self.downsample is None else self.downsample(maps)
        return (out + shortcut).relu()  # type: ignore[no-any-return]


class ResNet152(nn.Module):
    """The convolutional part."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inside = 64
        for number, (blocks, width) in enumerate(zip(_BLOCKS, _WIDTHS, strict=True), start=1):
            layers = []
            for block in range(blocks):
                layers.append(Bottleneck(inside, width, 2 if number > 1 and block == 0 else 1))
                inside = width * _EXPANSION
            self.add_module(f"layer{number}", nn.Sequential(*layers))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of layer1 to layer4 for images (n, 3, h, w), ImageNet normalised."""
        maps = self.bn1(self.conv1(images)).relu()
        maps = nn.functional.max_pool2d(maps, 3, stride=2, padding=1)
        found = []
        for number in range(1, len(_BLOCKS) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
            found.append(maps)
        return found
