"""ViNet, without sound: the last frame of a clip of 32, from S3D features joined in time.

Paper: Jain, Yarlagadda, Jyoti, Karthik, Subramanian & Gandhi, ViNet: Pushing the limits of Visual Modality for
Audio-Visual Saliency Prediction, IROS 2021. Weights: by a link in the README of github.com/samyak0210/ViNet (MIT; the
files state no licence of their own). Trained on: DHF1K, from S3D of Kinetics-400; those for other data sets were
fine-tuned from that. Clips of 8, 16 and 48 frames are the authors' ablations, of which no weights are published.
Published (pictures in the README), AUC-J, SIM, s-AUC, CC, NSS: DHF1K test 0.908, 0.381, 0.729, 0.511, 2.872;
Hollywood-2 0.930, 0.550, 0.813, 0.693, 3.73; UCF Sports 0.924, 0.522, 0.810, 0.673, 3.62.

Input: RGB, Pillow's bilinear on bytes, **with** antialias, to 224 x 384, 0..1, ImageNet mean and deviation.
Output: maps of 224 x 384, 0..1, kind `saliency`, for every frame.

A frame is predicted from itself and the 31 before it. The first 31 are predicted, as published, from the 31 that follow
and themselves, in reversed order; `first_frames="padded"` fills their windows up with the first frame instead, and does
not look ahead. In a video of fewer than 63 frames, as the authors' script for Hollywood-2 and UCF Sports does it, the
reversed window serves where it lies before frame n - 32, else the one filled up with the first frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vidsal.benchmark.predictor import ModelInfo, StimulusInfo
from vidsal.benchmark.scoring.resize import bilinear_half_pixel
from vidsal.loaders.records import UInt8Image

from .. import checkpoints
from ..base import KnownCheckpoint, Option
from ..networks import network
from ..preprocess import normalize, to_tensor
from ..runtime import on_host
from ..windows.predictor import FIRST_FRAMES, THREADS, WindowPredictor
from ..windows.walk import reversed_start

if TYPE_CHECKING:
    from torch import Tensor

    from .network import ViNet

NAME = "vinet"
HEIGHT, WIDTH, CLIP = 224, 384, 32
_BLUR_SIGMA = 2.0
_SOURCE = "https://github.com/samyak0210/ViNet, link in the README"

INFO = ModelInfo(
    name=NAME,
    causal=False,
    lookahead=CLIP - 1,
    trained_on=("dhf1k",),
    licence="none stated (code: MIT)",
    paper="Jain et al., ViNet: Pushing the limits of Visual Modality for Audio-Visual Saliency Prediction, IROS 2021",
    fit="stretch",
)

CHECKPOINTS = tuple(
    KnownCheckpoint(
        model=NAME,
        variant=variant,
        file=file,
        source=_SOURCE,
        licence="none stated (code: MIT)",
        options={"clip": CLIP},
        trained_on=trained_on,
        note="about 124 MB",
    )
    for variant, file, trained_on in (
        ("DHF1K", "ViNet_DHF1K.pt", ("dhf1k",)),
        ("Hollywood-2", "ViNet_Hollywood.pt", ("dhf1k", "hollywood2")),
    )
)

OPTIONS = {
    "clip": Option("int", CLIP, "frames of a clip; the file shows it", choices=(8, 16, 32, 48)),
    "first_frames": FIRST_FRAMES,
    "threads": THREADS,
}


class ViNetPredictor(WindowPredictor):
    """Runs ViNet over stimuli; see the module for which frames a prediction sees.

    Held at any time: on a CPU the features that neighbouring windows share (about 0.5 GB), elsewhere one clip; at the
    start of a video 63 frames and 31 maps.

    Args:
        module: its present weights are used; later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        first_frames: `reversed` or `padded`.
        threads: of torch on a CPU; None = as they are.
    """

    def __init__(
        self, module: ViNet, device: str = "cpu", *, first_frames: str = "reversed", threads: int | None = None
    ) -> None:
        from .inference import FastViNet

        super().__init__(
            INFO,
            module,
            device,
            threads,
            window=module.clip,
            first_frames=first_frames,
            published=partial(reversed_start, short="pad"),
            fast=lambda: FastViNet(module).stream,
        )

    def prepared(self, rgb: UInt8Image) -> Tensor:
        """Return a frame as the network takes it, (3, 224, 384)."""
        from PIL import Image

        resized = Image.fromarray(np.ascontiguousarray(rgb)).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        return normalize(to_tensor(np.asarray(resized)))

    def published_map(self, values: Any, stimulus: StimulusInfo) -> UInt8Image:
        """Return the 8-bit map that the authors' script writes, of the stimulus's size."""
        return published_map(values, stimulus.width, stimulus.height)


def published_map(values: Any, width: int, height: int) -> UInt8Image:
    """Return a map enlarged (bilinear), blurred (11 x 11, sigma 2), stretched to 0..1, times 255, plus a half, rounded.

    The half makes it half a level too bright, as published.

    Args:
        values: numpy or torch, shape (h, w).
        width, height: in pixels.
    """
    from scipy.ndimage import correlate1d

    large = np.asarray(bilinear_half_pixel(on_host(values).astype(np.float64), (height, width)))
    taps = np.exp(-((np.arange(-5, 6) / _BLUR_SIGMA) ** 2) / 2)
    for axis in (0, 1):
        large = correlate1d(large, taps / taps.sum(), axis=axis, mode="mirror")
    stretched = (large - large.min()) / max(large.max() - large.min(), 1e-5)
    published: UInt8Image = np.rint(np.minimum(stretched * 255 + 0.5, 255)).astype(np.uint8)
    return published


def build(**options: Any) -> ViNet:
    """Make the network with fresh weights; the option is `clip`.

    Raises:
        WrongUse: another number of frames than 8, 16, 32 or 48.
    """
    from .network import ViNet

    return ViNet(**options)


def settings_of(found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the length of a clip, which a weight file shows.

    Raises:
        WrongUse: another one was given.
    """
    return {"clip": checkpoints.shown_setting("clip", given, found, shown_clip(found))}


def shown_clip(checkpoint: checkpoints.Checkpoint) -> int:
    """Return the length of a clip that the decoder's last convolutions show; 32 for a file that has none."""
    state = checkpoint.state
    if "decoder.convtsp4.8.weight" in state:
        return 48 if "decoder.convtsp4.6.bias" in state else 32
    mixing = state.get("decoder.convtsp4.3.weight")
    return CLIP if mixing is None or mixing.ndim != 5 else 8 * mixing.shape[2]


MODELS = {
    NAME: network(
        INFO,
        build,
        ViNetPredictor,
        options=OPTIONS,
        checkpoints=CHECKPOINTS,
        settings=settings_of,
        signature={
            "backbone.base1.0.conv_s.weight": 5,
            "backbone.base4.1.branch0.0.conv.weight": 5,
            "decoder.convtsp4.3.weight": 5,
        },
    )
}
