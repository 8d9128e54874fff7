"""UNISAL: one network for images and videos, with parts of its own for each of its four training domains.

Source: Droste, Jiao & Noble, Unified Image and Video Saliency Modeling, ECCV 2020; rdroste/unisal (Apache-2.0).
Weights: in that repository, `training_runs/pretrained_unisal/`; digests in `CHECKPOINTS`. Licence Apache-2.0.
Trained on: DHF1K, Hollywood-2, UCF Sports and SALICON together (backbone: ImageNet), every batch with weight 1: the
published code has a weight of 0.5 for SALICON among its arguments and uses it nowhere.
Published, DHF1K test server (RecSal-Net README): AUC-J 0.901, SIM 0.390, s-AUC 0.691, CC 0.490, NSS 2.776.
Input: RGB frames, PIL LANCZOS on uint8 to a size that depends on the domain, 0..1, ImageNet mean and deviation.
Output: natural log density at the size of the stimulus, for every frame. Causal.

A video is read as 5 interleaved sequences (DHF1K; 4 for the other video domains): the prediction of frame t uses
frames t, t - 5, t - 10, ... The SALICON domain has no memory.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.records import Frame, UInt8Image

from ..base import KnownCheckpoint, Option, refuse_options
from ..networks import network
from ..preprocess import check_size, normalize, to_tensor
from ..runtime import inference, on_host, resolve

if TYPE_CHECKING:
    import torch

    from .inference import FoldedUNISAL
    from .network import UNISAL

log = logging.getLogger(__name__)

VIDEO_DEFAULT = "DHF1K"
IMAGE_DEFAULT = "SALICON"
#: Every how many frames one sequence advances; SALICON has no sequences, there it is the size of a batch.
MODULO = {"DHF1K": 5, "Hollywood": 4, "UCFSports": 4, "SALICON": 4}
#: Network sizes (height, width) of videos. For DHF1K only if they have that data set's own size.
VIDEO_SIZES = {"DHF1K": (224, 384), "Hollywood": (224, 416), "UCFSports": (256, 384)}
DHF1K_SIZE = (360, 640)

REPOSITORY = "https://github.com/rdroste/unisal/tree/master/training_runs/pretrained_unisal"
DATA_SETS = ("dhf1k", "hollywood2", "ucf-sports", "salicon")

INFO = ModelInfo(
    name="unisal",
    output="log_density",
    trained_on=DATA_SETS,
    licence="Apache-2.0",
    paper="Droste, Jiao & Noble, Unified Image and Video Saliency Modeling, ECCV 2020",
)

OPTIONS = {
    "source": Option(
        "text",
        None,
        "domain whose own parts of the network are used; none: DHF1K for videos, SALICON for images",
        choices=tuple(MODULO),
        optional=True,
        scope="predictor",
    )
}

CHECKPOINTS = (
    KnownCheckpoint(
        model="unisal",
        variant="joint training",
        file="weights_best.pth",
        source=REPOSITORY,
        licence="Apache-2.0",
        git_blob_sha1="f06b52c56405bbf11b40cf1b4307573aa4035bea",
        trained_on=DATA_SETS,
    ),
    KnownCheckpoint(
        model="unisal",
        variant="fine-tuned on MIT1003",
        file="weights_ft_mit1003.pth",
        source=REPOSITORY,
        licence="Apache-2.0",
        git_blob_sha1="2a14bf648bf090a771152bb0f9da2da311c1cbef",
        options={"source": "SALICON"},
        trained_on=(*DATA_SETS, "mit1003"),
    ),
)


class UNISALPredictor:
    """Runs UNISAL over stimuli.

    Args:
        network: its present weights are used; later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        source: domain; None = DHF1K for videos (said once in a logged warning, because nothing else is known of
            them) and SALICON for images.

    Raises:
        UnknownName: no such domain.
        WrongUse: no such device.
    """

    info: ModelInfo
    checkpoint: Path | None = None
    """The weight file, where it came from one."""

    def __init__(self, network: UNISAL, device: str = "cpu", *, source: str | None = None) -> None:
        from .network import domain_key

        if source is not None:
            domain_key(source)
        self.info = INFO
        self.source = source
        self.device = resolve(device)
        self._network = copy.deepcopy(network).to(self.device).eval()
        self._folded: dict[str, FoldedUNISAL] = {}
        self._told = False

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the log density of each frame: float32, shape (stimulus.height, stimulus.width).

        Frames are taken in groups of 5 (or 4), one of each interleaved sequence; an incomplete last group is
        filled up with copies, so that what follows a frame cannot even change the rounding of its prediction.

        Raises:
            BadData: a frame has another size than the stimulus.
        """
        import torch

        source = self._source_of(stimulus)
        folded = self._folded_for(source)
        height, width = network_size(stimulus.height, stimulus.width, source, stimulus.kind)
        group = 1 if stimulus.kind == "image" else MODULO[source]
        state: torch.Tensor | None = None
        frames = iter(frames)
        while batch := list(islice(frames, group)):
            with inference():
                images = [self._input(frame, stimulus, height, width) for frame in batch]
                images += [images[-1]] * (group - len(images))
                clip = torch.stack(images)
                if state is None and source != "SALICON":
                    state = folded.first_state(clip, group)
                maps, state = folded(clip, state, (stimulus.height, stimulus.width))
            for frame, values in zip(batch, maps[:, 0], strict=False):
                yield Prediction(frame.index, values.numpy() if self.device.type == "cpu" else values, "log_density")

    def published_map(self, values: Any, stimulus: StimulusInfo) -> UInt8Image:
        """Return the 8-bit map as the authors wrote it: exponential, maximum to 255, cut off to whole numbers.

        Args:
            values: a prediction's log density, numpy or torch.
            stimulus: not needed; the size is kept.
        """
        return published_map(values)

    def _source_of(self, stimulus: StimulusInfo) -> str:
        if self.source is not None:
            return self.source
        if stimulus.kind == "image":
            return IMAGE_DEFAULT
        if not self._told:
            self._told = True
            log.warning(
                "unisal: no domain was given and stimulus %s does not show one; source=%s is used. Choose it with "
                "--option source=..., one of %s",
                stimulus.id,
                VIDEO_DEFAULT,
                ", ".join(MODULO),
            )
        return VIDEO_DEFAULT

    def _folded_for(self, source: str) -> FoldedUNISAL:
        from .inference import FoldedUNISAL

        if source not in self._folded:
            with inference():
                self._folded[source] = FoldedUNISAL(self._network, source)
        return self._folded[source]

    def _input(self, frame: Frame, stimulus: StimulusInfo, height: int, width: int) -> torch.Tensor:
        check_size(frame, stimulus)
        return prepare(frame.rgb, height, width, self.device)


def build(**options: Any) -> UNISAL:
    """Make the network with fresh weights; it has no options.

    Raises:
        WrongUse: an option was given.
    """
    from .network import UNISAL

    refuse_options("unisal", options)
    return UNISAL()


def network_size(height: int, width: int, source: str, kind: str) -> tuple[int, int]:
    """Return the height and width to which stimuli are squeezed for the network.

    Args:
        height, width: of the stimulus.
        source: domain.
        kind: `video` or `image`.
    """
    fixed = VIDEO_SIZES.get(source)
    if kind == "image" or fixed is None or (source == "DHF1K" and (height, width) != DHF1K_SIZE):
        return best_size(height, width)
    return fixed


def best_size(height: int, width: int) -> tuple[int, int]:
    """Return the size nearest to the stimulus's aspect among 100 to 120 cells of 32 pixels, 7 to 13 a side.

    Of sizes equally near the one of fewest rows wins.

    >>> best_size(480, 640), best_size(640, 360)
    ((288, 384), (416, 256))
    """
    aspect = height / width
    sizes = [(rows, columns) for rows in range(7, 14) for columns in range(7, 14) if 100 <= rows * columns <= 120]
    rows, columns = max(sizes, key=lambda size: min(aspect, size[0] / size[1]) / max(aspect, size[0] / size[1]))
    return 32 * rows, 32 * columns


def prepare(rgb: UInt8Image, height: int, width: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Resize a frame by Pillow's LANCZOS on uint8 and normalise it.

    Args:
        rgb: uint8, shape (h, w, 3).
        height, width: of the network's input.
        device: where to put it.

    Returns:
        float32, shape (3, height, width).
    """
    from PIL import Image

    resized = Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), Image.Resampling.LANCZOS)
    return normalize(to_tensor(np.asarray(resized), device))


def published_map(log_density: Any) -> UInt8Image:
    """Return exp(log density) / max * 255 as uint8, cut off, shape unchanged; numpy or torch in."""
    density: npt.NDArray[np.float32] = np.exp(on_host(log_density).astype(np.float32))
    published: UInt8Image = (density / density.max() * np.float32(255)).astype(np.uint8)
    return published


MODELS = {
    "unisal": network(
        INFO,
        build,
        UNISALPredictor,
        options=OPTIONS,
        checkpoints=CHECKPOINTS,
        signature={
            "coarse_gaussians_dhf1k": 3,
            "rnn.cell_list.0.drop_mask_1": 2,
            "post_rnn.1.bn_DHF1K.weight": 1,
            "smoothing_salicon.weight": 4,
        },
    )
}
