"""MobileNetV3 without its classifier, under torchvision's names, and the large one under timm's.

Source: Howard et al., Searching for MobileNetV3, ICCV 2019, tables 1 and 2.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from .mobile_blocks import Inverted, InvertedResidual, Norm, convolution, make_divisible

Size = Literal["large", "small"]

# inside, kernel, expanded, outside, squeeze-and-excitation, hard swish, stride
_LARGE = (
    (16, 3, 16, 16, False, False, 1),
    (16, 3, 64, 24, False, False, 2),
    (24, 3, 72, 24, False, False, 1),
    (24, 5, 72, 40, True, False, 2),
    (40, 5, 120, 40, True, False, 1),
    (40, 5, 120, 40, True, False, 1),
    (40, 3, 240, 80, False, True, 2),
    (80, 3, 200, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 480, 112, True, True, 1),
    (112, 3, 672, 112, True, True, 1),
    (112, 5, 672, 160, True, True, 2),
    (160, 5, 960, 160, True, True, 1),
    (160, 5, 960, 160, True, True, 1),
)
_SMALL = (
    (16, 3, 16, 16, True, False, 2),
    (16, 3, 72, 24, False, False, 2),
    (24, 3, 88, 24, False, False, 1),
    (24, 5, 96, 40, True, True, 2),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1),
    (48, 5, 144, 48, True, True, 1),
    (48, 5, 288, 96, True, True, 2),
    (96, 5, 576, 96, True, True, 1),
    (96, 5, 576, 96, True, True, 1),
)
_TABLES = {"large": (_LARGE, 960), "small": (_SMALL, 576)}
_NORM = Norm(eps=1e-3, momentum=0.01)
_TIMM_STAGES = ((0, 1), (1, 3), (3, 6), (6, 10), (10, 12), (12, 15))


def _plan(row: tuple[int, int, int, int, bool, bool, int]) -> Inverted:
    inside, kernel, expanded, outside, squeeze, _, stride = row
    return Inverted(inside, expanded, outside, kernel, stride, make_divisible(expanded / 4) if squeeze else 0)


def mobilenet_v3(size: Size) -> nn.Sequential:
    """Make the layers up to the last convolution, numbered as torchvision's `features`.

    Layer i + 1 is block i of the paper's table; the input is (n, 3, h, w), ImageNet normalised.
    """
    rows, last = _TABLES[size]
    layers: list[nn.Module] = [convolution(3, 16, 3, _NORM, nn.Hardswish, stride=2)]
    for row in rows:
        layers.append(
            InvertedResidual(
                _plan(row),
                _NORM,
                nn.Hardswish if row[5] else nn.ReLU,
                squeeze_activation=nn.ReLU,
                squeeze_gate=nn.Hardsigmoid,
            )
        )
    layers.append(convolution(rows[-1][3], last, 1, _NORM, nn.Hardswish))
    return nn.Sequential(*layers)


class TimmSqueezeExcitation(nn.Module):
    """Squeeze-and-excitation under timm's names."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, channels, h, w) to the same shape."""
        hidden = nn.functional.relu(self.conv_reduce(maps.mean(dim=(2, 3), keepdim=True)))
        return maps * nn.functional.hardsigmoid(self.conv_expand(hidden))


class TimmBlock(nn.Module):
    """An inverted residual block under timm's names; without expansion its order of names differs."""

    def __init__(self, plan: Inverted, activation: type[nn.Module]) -> None:
        super().__init__()
        self.plan = plan
        depthwise = nn.Conv2d(
            plan.expanded,
            plan.expanded,
            plan.kernel,
            stride=plan.stride,
            padding=plan.kernel // 2,
            groups=plan.expanded,
            bias=False,
        )
        squeeze = TimmSqueezeExcitation(plan.expanded, plan.squeezed) if plan.squeezed else nn.Identity()
        self.activation = activation()
        if plan.expanded == plan.inside:
            self.conv_dw, self.bn1, self.se = depthwise, nn.BatchNorm2d(plan.expanded), squeeze
            self.conv_pw = nn.Conv2d(plan.expanded, plan.outside, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(plan.outside)
        else:
            self.conv_pw = nn.Conv2d(plan.inside, plan.expanded, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(plan.expanded)
            self.conv_dw, self.bn2, self.se = depthwise, nn.BatchNorm2d(plan.expanded), squeeze
            self.conv_pwl = nn.Conv2d(plan.expanded, plan.outside, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(plan.outside)
        self.residual = plan.stride == 1 and plan.inside == plan.outside

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, outside, h / stride, w / stride), sizes rounded up."""
        if self.plan.expanded == self.plan.inside:
            out = self.se(self.activation(self.bn1(self.conv_dw(maps))))
            out = self.bn2(self.conv_pw(out))
        else:
            out = self.activation(self.bn1(self.conv_pw(maps)))
            out = self.se(self.activation(self.bn2(self.conv_dw(out))))
            out = self.bn3(self.conv_pwl(out))
        return out + maps if self.residual else out  # type: ignore[no-any-return]


class TimmHead(nn.Module):
    """The last convolution under timm's names."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, outside, h, w)."""
        return nn.functional.hardswish(self.bn1(self.conv(maps)))


class TimmMobileNetV3Large(nn.Module):
    """timm's `mobilenetv3_large_100`: the same layers as torchvision's, other names, batch norm eps 1e-5."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        stages = [
            nn.Sequential(*(TimmBlock(_plan(row), nn.Hardswish if row[5] else nn.ReLU) for row in _LARGE[first:last]))
            for first, last in _TIMM_STAGES
        ]
        self.blocks = nn.Sequential(*stages, nn.Sequential(TimmHead(160, 960)))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the output of each of the seven stages for images (n, 3, h, w), ImageNet normalised."""
        maps = nn.functional.hardswish(self.bn1(self.conv_stem(images)))
        found = []
        for stage in self.blocks.children():
            maps = stage(maps)
            found.append(maps)
        return found
