"""TASED-Net: the last of 32 frames, from S3D features and max-unpooling.

Paper: Min & Corso, TASED-Net: Temporally-Aggregating Spatial Encoder-Decoder Network for Video Saliency Detection, ICCV
2019. Weights: `TASED_updated.pt`, by a link in the README of github.com/MichiganCOG/TASED-Net (MIT; the file states no
licence of its own). Trained on: DHF1K, from S3D of Kinetics-400.
Published, DHF1K test (README): AUC-J 0.897, SIM 0.393, s-AUC 0.712, CC 0.489, NSS 2.797, of the 8-bit blurred maps.

Input: RGB, bilinear as OpenCV resizes bytes, **without** antialias, to 224 x 384, -1..1.
Output: maps of 224 x 384, 0..1, kind `saliency`, for every frame.

A frame is predicted from itself and the 31 before it. The first 31 are predicted, as published, from the 31 that follow
and themselves, in reversed order; `first_frames="padded"` fills their windows up with the first frame instead, and does
not look ahead. A video of fewer than 63 frames is repeated until it has 63, as the authors advise.

Max-unpooling is discontinuous: another order of summation moves single pixels, and the scores of raw maps with them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from vidsal.benchmark.predictor import ModelInfo, StimulusInfo
from vidsal.loaders.records import UInt8Image

from ..base import KnownCheckpoint, refuse_options
from ..networks import network
from ..opencv_resize import resize_linear
from ..windows.blurred_maps import blurred_map
from ..windows.predictor import FIRST_FRAMES, THREADS, WindowPredictor, centered
from ..windows.walk import reversed_start

if TYPE_CHECKING:
    from torch import Tensor

    from .network import TASEDNet

NAME = "tased_net"
HEIGHT, WIDTH, WINDOW = 224, 384, 32

INFO = ModelInfo(
    name=NAME,
    causal=False,
    lookahead=WINDOW - 1,
    trained_on=("dhf1k",),
    licence="none stated (code: MIT)",
    paper="Min & Corso, TASED-Net: Temporally-Aggregating Spatial Encoder-Decoder Network for Video Saliency "
    "Detection, ICCV 2019",
    moves_between_machines="max-unpooling is discontinuous: where two neighbours nearly tie, the rounding of another "
    "processor, library or number of threads moves a value to another pixel",
    fit="stretch",
)

CHECKPOINTS = (
    KnownCheckpoint(
        model=NAME,
        variant="updated",
        file="TASED_updated.pt",
        source="https://github.com/MichiganCOG/TASED-Net, link in the README",
        licence="none stated (code: MIT)",
        trained_on=("dhf1k",),
        note="about 82 MB",
    ),
)

OPTIONS = {"first_frames": FIRST_FRAMES, "threads": THREADS}


class TASEDPredictor(WindowPredictor):
    """Runs TASED-Net over stimuli; see the module for which frames a prediction sees.

    Held at any time: on a CPU the features that neighbouring windows share (about 0.5 GB), elsewhere 32 frames; at the
    start of a video 63 frames and 31 maps.

    Args:
        module: its present weights are used; later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        first_frames: `reversed` or `padded`.
        threads: of torch on a CPU; None = as they are.
    """

    def __init__(
        self, module: TASEDNet, device: str = "cpu", *, first_frames: str = "reversed", threads: int | None = None
    ) -> None:
        from .inference import FastTASEDNet

        super().__init__(
            INFO,
            module,
            device,
            threads,
            window=WINDOW,
            first_frames=first_frames,
            published=partial(reversed_start, short="loop"),
            fast=lambda: FastTASEDNet(module).stream,
        )

    def prepared(self, rgb: UInt8Image) -> Tensor:
        """Return a frame as the network takes it, (3, 224, 384)."""
        return centered(resize_linear(rgb, WIDTH, HEIGHT))

    def published_map(self, values: Any, stimulus: StimulusInfo) -> UInt8Image:
        """Return the 8-bit map that the authors' script writes; it leaves resizing to the scorer."""
        return blurred_map(values)


def build(**options: Any) -> TASEDNet:
    """Make the network with fresh weights; it has no options.

    Raises:
        WrongUse: an option was given.
    """
    from .network import TASEDNet

    refuse_options(NAME, options)
    return TASEDNet()


MODELS = {
    NAME: network(
        INFO,
        build,
        TASEDPredictor,
        options=OPTIONS,
        checkpoints=CHECKPOINTS,
        signature={"base1.0.conv_s.weight": 5, "convtsp4.12.weight": 5, "convtsp4.13.bias": 1},
    )
}
