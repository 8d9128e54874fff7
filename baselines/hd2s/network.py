"""The networks of HD2S, with the state_dicts of the authors' code: base (868 entries), `da` (1009), `dsl` (1477).

Source: Bellitto, Proietto Salanitri, Palazzo, Rundo, Giordano & Spampinato, Hierarchical Domain-Adapted Feature
Learning for Video Saliency Prediction, IJCV 2021; keys and numbers as in perceivelab/hd2s. The base form taught TinyHD.

    16 frames -> S3D, features after four of its blocks -> time to one step -> a decoder each -> four maps -> one map

Domain adaptation (`da`) adds classifiers behind a gradient reversal, which only training uses. The domain-specific form
(`dsl`) has, for each data set, its own normalisations, Gaussian priors, last convolution and blur.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from vidsal.loaders.errors import WrongUse

from ..nn.gaussian_priors import first_priors, gaussian_maps
from ..nn.s3d import Layers, Mixed, PointConv, SeparableConv, halve_rows
from .layers import (
    SOURCES,
    Decoder,
    DomainClassifier,
    FeatureReduction,
    GaussianLayer,
    check_source,
    reverse_gradient,
)

WINDOW = 16
FRAMES = range(5, 17)
"""Lengths of a clip that leave one step in time."""
LEVELS = (5, 4, 3, 2)
CHANNELS = {5: 1024, 4: 832, 3: 480, 2: 192}
REDUCTIONS = {
    5: ("conv_t5",),
    4: ("conv_t4",),
    3: ("conv_t3_1", "conv_t3_2"),
    2: ("conv_t2_1", "conv_t2_2", "conv_t2_3"),
}
"""The convolutions in time of each level, which halve it."""
PRIORS = 16
_WIDTHS = {5: (512, 256, 128, 64, 3), 4: (512, 256, 128, 64, 3), 3: (256, 128, 64, 3), 2: (128, 64, 3)}
_REFININGS = {5: (2, 2, 1, 1, 1), 4: (2, 2, 1, 1, 1), 3: (1, 1, 1, 1), 2: (1, 1, 1)}
_REDUCED = {5: (1024, 512, 64, 16), 4: (832, 128, 16), 3: (480, 64, 4), 2: (192, 64, 32, 4)}
_CLASSIFIED = {
    5: (16 * 4 * 6, 64, 16),
    4: (16 * 4 * 6, 64, 16),
    3: (4 * 8 * 12, 64, 16),
    2: (4 * 16 * 24, 512, 128, 32),
}

Maps = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class Backbone(nn.Module):
    """S3D without its head, in five blocks that end in their pools."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(SeparableConv(3, 64, kernel=7, stride=2), halve_rows())
        self.block2 = nn.Sequential(PointConv(64, 64), SeparableConv(64, 192), halve_rows())
        self.block3 = nn.Sequential(*map(Mixed, ("3b", "3c")), nn.MaxPool3d(3, 2, 1))
        self.block4 = nn.Sequential(*map(Mixed, ("4b", "4c", "4d", "4e", "4f")), nn.MaxPool3d(2))
        self.block5 = nn.Sequential(*map(Mixed, ("5b", "5c")))

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Map (B, 3, T, H, W) to the features after blocks 2 to 5."""
        features = {}
        for level in range(1, 6):
            x = self.get_submodule(f"block{level}")(x)
            features[level] = x
        return {level: features[level] for level in LEVELS}


class HD2S(nn.Module):
    """Saliency of the last of 16 frames, and the four maps it is made of. 29,795,597 parameters."""

    by_source = False
    priors = 0

    def __init__(self) -> None:
        super().__init__()
        self.featureExtractor = Backbone()
        for level in LEVELS:
            channels = CHANNELS[level]
            for name in REDUCTIONS[level]:
                self.add_module(name, PointConv(channels, channels, kernel=3, stride=2, padding=1))
            decoder = Decoder(
                level, channels + self.priors, _WIDTHS[level], _REFININGS[level], by_source=self.by_source
            )
            self.add_module(f"decoder{level}", decoder)
        self._add_heads()

    def forward(self, x: Tensor) -> Maps:
        """Predict the last frame.

        Args:
            x: (B, 3, T, H, W), RGB in -1..1; T 5 to 16, published 16; H and W multiples of 32, published 128 x 192 (up
                to 7 below a multiple, the maps have that one).

        Returns:
            The maps of levels 2, 3, 4 and 5, finest first, and the one made of them, (B, H, W) each, 0..1, in training
            and in evaluation.

        Raises:
            WrongUse: another shape.
        """
        return self.finished(self.squeezed(self.features(x)))

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Return the backbone's features (B, C, T', h, w) by level."""
        fits = x.dim() == 5 and len(x) > 0 and x.shape[1] == 3 and x.shape[2] in FRAMES
        if not fits or any(not size or -size % 32 > 7 for size in x.shape[3:]):
            raise WrongUse(
                f"hd2s takes clips (B, 3, T, H, W), T {FRAMES[0]} to {FRAMES[-1]}, H and W multiples of 32; "
                f"found {tuple(x.shape)}"
            )
        found: dict[int, Tensor] = self.featureExtractor(x)
        return found

    def squeezed(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        """Bring the features' time to one step, (B, C, h, w)."""
        squeezed = {}
        for level in LEVELS:
            y = features[level]
            for name in REDUCTIONS[level]:
                y = self.get_submodule(name)(y)
            squeezed[level] = y.squeeze(2)
        return squeezed

    def finished(self, squeezed: dict[int, Tensor], source: str = SOURCES[0]) -> Maps:
        """Return the five maps of the squeezed features; `source` matters to the domain-specific form."""
        return self.maps(squeezed, source)

    def maps(self, squeezed: dict[int, Tensor], source: str) -> Maps:
        """Decode the squeezed features."""
        five, four, three, two = (self.side_map(level, squeezed[level], source) for level in LEVELS)
        out = self.joined(torch.cat((five, four, three, two), dim=1), source)
        return two[:, 0], three[:, 0], four[:, 0], five[:, 0], out[:, 0]

    def side_map(self, level: int, squeezed: Tensor, source: str) -> Tensor:
        """Return the map of one level, (B, 1, H, W)."""
        decoded: Tensor = self.get_submodule(f"decoder{level}")(squeezed, source)
        return decoded

    def joined(self, maps: Tensor, source: str) -> Tensor:
        """Make one map of four, (B, 4, H, W), coarsest first."""
        return torch.sigmoid(self.get_submodule("last_conv")(maps))

    def encoder_layers(self) -> Layers:
        """Return the modules of the backbone."""
        base = self.featureExtractor
        stem, point, separable = base.block1[0], base.block2[0], base.block2[1]
        mixed = [
            block for part in (base.block3, base.block4, base.block5) for block in part if isinstance(block, Mixed)
        ]
        return Layers(cast(SeparableConv, stem), cast(PointConv, point), cast(SeparableConv, separable), mixed)

    def _add_heads(self) -> None:
        self.last_conv = nn.Conv2d(4, 1, 1)


class HD2SAdapted(HD2S):
    """HD2S with classifiers of the domain (`da`). 31,446,141 parameters."""

    def with_domains(self, x: Tensor, alpha: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the map (B, H, W), and for levels 5, 4, 3, 2 the log probabilities (B, 2) of source and target.

        Args:
            x: (B, 3, 16, 128, 192): the classifiers are made for this size.
            alpha: the gradient of the classifiers reaches the features times -alpha.
        """
        squeezed = self.squeezed(self.features(x))
        chances = []
        for level in LEVELS:
            rows = self.get_submodule(f"featureReduction{level}")(reverse_gradient(squeezed[level], alpha))
            chances.append(self.get_submodule(f"domainClassifier{level}")(rows))
        five, four, three, two = chances
        return self.maps(squeezed, SOURCES[0])[-1], five, four, three, two

    def _add_heads(self) -> None:
        super()._add_heads()
        for level in LEVELS:
            self.add_module(f"featureReduction{level}", FeatureReduction(*_REDUCED[level]))
            self.add_module(f"domainClassifier{level}", DomainClassifier(*_CLASSIFIED[level]))


class HD2SSpecific(HD2S):
    """HD2S with parts of its own for each data set (`dsl`). 30,042,282 parameters.

    Args:
        max_sigma: of the blur, in pixels; decides the size of its kernel.
    """

    by_source = True
    priors = PRIORS

    def __init__(self, max_sigma: int = 10) -> None:
        self.max_sigma = max_sigma
        super().__init__()
        for source in SOURCES:
            for level in sorted(LEVELS):
                self.register_parameter(f"gaussians{level}__{source.lower()}", nn.Parameter(first_priors()))

    def forward(self, x: Tensor, source: str = SOURCES[0], activate_GL: bool = True, quantization: bool = True) -> Maps:
        """Predict the last frame; as `HD2S.forward`.

        Args:
            x: (B, 3, T, H, W).
            source: whose parts are used: `DHF1K`, `Hollywood` or `UCFSports`.
            activate_GL: blur the joined map.
            quantization: cut it off to steps of 1/255 before the blur, as published; no gradient passes that.

        Raises:
            UnknownName: no such source.
            WrongUse: another shape.
        """
        check_source(source)
        return self.finished(self.squeezed(self.features(x)), source, activate_GL, quantization)

    def finished(
        self,
        squeezed: dict[int, Tensor],
        source: str = SOURCES[0],
        activate_GL: bool = True,
        quantization: bool = True,
    ) -> Maps:
        """Return the five maps of the squeezed features; the rest as in `forward`."""
        two, three, four, five, out = self.maps(squeezed, source)
        if activate_GL:
            blur = self.get_submodule(f"GL__{source.lower()}")
            out = (out * 255).trunc() / 255 if quantization else out
            out = blur(out[:, None])[:, 0]
        return two, three, four, five, out

    def side_map(self, level: int, squeezed: Tensor, source: str) -> Tensor:
        """Return the map of one level, (B, 1, H, W), decoded together with the source's priors."""
        priors = gaussian_maps(self.get_parameter(f"gaussians{level}__{source.lower()}"), *squeezed.shape[2:])
        return super().side_map(level, torch.cat((squeezed, priors.expand(len(squeezed), -1, -1, -1)), dim=1), source)

    def joined(self, maps: Tensor, source: str) -> Tensor:
        """Make one map of four with the source's convolution."""
        joined: Tensor = self.get_submodule(f"last_block__{source.lower()}")(maps)
        return joined

    def _add_heads(self) -> None:
        for source in SOURCES:
            self.add_module(f"last_block__{source.lower()}", nn.Sequential(nn.Conv2d(4, 1, 1), nn.Sigmoid()))
            self.add_module(f"GL__{source.lower()}", GaussianLayer(self.max_sigma))
