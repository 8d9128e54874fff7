"""HD2S: the last of 16 frames, from a map for each of four levels of S3D; the teacher of TinyHD.

Paper: Bellitto, Proietto Salanitri, Palazzo, Rundo, Giordano & Spampinato, Hierarchical Domain-Adapted Feature Learning
for Video Saliency Prediction, IJCV 2021. Weights: of the base form alone, by a link in the README of
github.com/perceivelab/hd2s, **CC BY-NC 4.0**. Trained on: DHF1K, from S3D of Kinetics-400.
Published, DHF1K: AUC-J 0.908, SIM 0.406, s-AUC 0.700, CC 0.503, NSS 2.812; which variant is not said.

Input: RGB, bicubic as OpenCV resizes bytes, to 128 x 192, -1..1.
Output: maps of 128 x 192, 0..1, kind `saliency`, for every frame.

A frame is predicted from itself and the 15 before it. The first 15 are predicted, as the authors' scripts do it, from
the 15 that follow and themselves **with red and blue exchanged**: what was meant to reverse time reverses the colours
there. `first_frames="padded"` fills their windows up with the first frame instead, and does not look ahead. A video of
16 to 29 frames has no such window for the last of its first frames, which get that of its end; one of fewer than 16
frames, for which the scripts fail, is predicted with padded windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vidsal.benchmark.predictor import ModelInfo, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import UInt8Image

from .. import checkpoints
from ..base import KnownCheckpoint, Option
from ..networks import network
from ..opencv_resize import resize_cubic
from ..windows.blurred_maps import blurred_map, stretched_map
from ..windows.predictor import THREADS, WindowPredictor, centered
from ..windows.walk import swapped_start

if TYPE_CHECKING:
    from torch import Tensor

    from .network import HD2S

NAME = "hd2s"
HEIGHT, WIDTH, WINDOW = 128, 192, 16
VARIANTS = ("base", "da", "dsl")
SOURCES = ("DHF1K", "Hollywood", "UCFSports")

INFO = ModelInfo(
    name=NAME,
    causal=False,
    lookahead=WINDOW - 1,
    trained_on=("dhf1k",),
    licence="CC BY-NC 4.0",
    paper="Bellitto et al., Hierarchical Domain-Adapted Feature Learning for Video Saliency Prediction, IJCV 2021",
    fit="stretch",
)
TRAINED_ON = {"base": ("dhf1k",), "da": ("dhf1k",), "dsl": ("dhf1k", "hollywood2", "ucf-sports")}

CHECKPOINTS = (
    KnownCheckpoint(
        model=NAME,
        variant="base",
        file="weight_MinLoss.pt",
        source="https://github.com/perceivelab/hd2s, link in the README",
        licence="CC BY-NC 4.0",
        options={"variant": "base"},
        trained_on=("dhf1k",),
    ),
)

OPTIONS = {
    "variant": Option(
        "text", "base", "as published; with domain classifiers; domain-specific. The file shows it", choices=VARIANTS
    ),
    "max_sigma": Option("int", 10, "of the blur of variant dsl, in pixels; the authors trained with 10"),
    "source": Option("text", "DHF1K", "whose parts variant dsl uses", choices=SOURCES, scope="predictor"),
    "first_frames": Option(
        "text",
        "swapped",
        "the first 15 from those that follow, red and blue exchanged, as published; or padded: their windows filled up "
        "with the first frame, which looks ahead at none",
        choices=("swapped", "padded"),
        scope="predictor",
    ),
    "threads": THREADS,
}


class HD2SPredictor(WindowPredictor):
    """Runs HD2S over stimuli; see the module for which frames a prediction sees.

    Held at any time: on a CPU the features that neighbouring windows share, elsewhere 16 frames; at the start of a
    video 30 frames.

    Args:
        module: of any variant; its present weights are used, later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        source: whose parts variant dsl uses.
        first_frames: `swapped` or `padded`.
        threads: of torch on a CPU; None = as they are.
    """

    def __init__(
        self,
        module: HD2S,
        device: str = "cpu",
        *,
        source: str = SOURCES[0],
        first_frames: str = "swapped",
        threads: int | None = None,
    ) -> None:
        from .inference import FastHD2S

        self._variant = variant_of(module)
        super().__init__(
            replace(INFO, trained_on=TRAINED_ON[self._variant]),
            module,
            device,
            threads,
            window=WINDOW,
            first_frames=first_frames,
            published=swapped_start,
            fast=lambda: FastHD2S(module, source).stream,
            keywords={"source": source} if self._variant == "dsl" else None,
        )

    def prepared(self, rgb: UInt8Image) -> Tensor:
        """Return a frame as the network takes it, (3, 128, 192)."""
        return centered(resize_cubic(rgb, WIDTH, HEIGHT))

    def published_map(self, values: Any, stimulus: StimulusInfo) -> UInt8Image:
        """Return the 8-bit map that the authors' scripts write; they leave resizing to the scorer."""
        return stretched_map(values) if self._variant == "dsl" else blurred_map(values)


def build(**options: Any) -> HD2S:
    """Make the network with fresh weights.

    Args:
        options: `variant`: `base` (default), `da` or `dsl`; `max_sigma`, of the latter.

    Raises:
        WrongUse: another variant.
    """
    from .network import HD2S, HD2SAdapted, HD2SSpecific

    variant = options.get("variant", "base")
    if variant not in VARIANTS:
        raise WrongUse(f"variant={variant!r}; one of {', '.join(VARIANTS)} was expected")
    if variant == "dsl":
        return HD2SSpecific(options.get("max_sigma", 10))
    if "max_sigma" in options:
        raise WrongUse(f"max_sigma is a setting of variant dsl; variant={variant} has no blur")
    return HD2SAdapted() if variant == "da" else HD2S()


def settings_of(found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the network of a weight file, which shows the variant.

    Raises:
        WrongUse: another one was given.
    """
    return {**given, "variant": checkpoints.shown_setting("variant", given, found, shown_variant(found))}


def variant_of(module: HD2S) -> str:
    """Return the name of a network's variant."""
    from .network import HD2SAdapted, HD2SSpecific

    return "dsl" if isinstance(module, HD2SSpecific) else "da" if isinstance(module, HD2SAdapted) else "base"


def shown_variant(checkpoint: checkpoints.Checkpoint) -> str:
    """Return the variant that a weight file shows."""
    if "gaussians2__dhf1k" in checkpoint.state:
        return "dsl"
    return "da" if "domainClassifier2.domainClassifier.0.weight" in checkpoint.state else "base"


MODELS = {
    NAME: network(
        INFO,
        build,
        HD2SPredictor,
        options=OPTIONS,
        checkpoints=CHECKPOINTS,
        settings=settings_of,
        signature={
            "featureExtractor.block1.0.conv_s.weight": 5,
            "decoder5.deconvlayer5_5.0.conv.weight": 4,
            "conv_t2_3.conv.weight": 5,
        },
    )
}
