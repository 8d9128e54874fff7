"""SalEMA and SalCLSTM: an image saliency network with memory, an average or a ConvLSTM, at its bottleneck.

Source: Linardos, Mohedano, Nieto, O'Connor, Giro-i-Nieto & McGuinness, Simple vs complex temporal recurrences for
video saliency prediction, BMVC 2019; Linardos/SalEMA (no licence file).
Weights: see `CHECKPOINTS`; no licence is stated and no digest was published.
Trained on: SALICON (images), then DHF1K; backbone: ImageNet.
Published, SalEMA, DHF1K test server (READMEs of TASED-Net and RecSal-Net): AUC-J 0.890, SIM 0.466, s-AUC 0.667, CC
0.449, NSS 2.574; the repository's own scores on DHF1K's validation videos: 0.885, 0.358, 0.688, 0.446, 2.476 (the two
SIMs do not agree).
Input: BGR frames, OpenCV INTER_AREA on uint8 to 192 x 256, minus (103.939, 116.779, 123.68).
Output: a saliency map in 0..1, 192 x 256, for every frame. Causal; the memory lasts for the whole video.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame, UInt8Image

from .. import checkpoints
from ..base import KnownCheckpoint, Option
from ..networks import network
from ..preprocess import check_size
from ..runtime import inference, on_host, resolve
from .area_resize import resize_area

if TYPE_CHECKING:
    import torch

    from .network import SalCLSTM, SalEMA

log = logging.getLogger(__name__)

HEIGHT, WIDTH = 192, 256
#: Blue, green, red.
MEAN_BGR = (103.939, 116.779, 123.68)
#: Frames that go through the network at once: on a CPU more gain nothing.
GROUP = {"cpu": 1}
GROUP_ELSEWHERE = 8

FILES = "https://imatge.upc.edu/web/sites/default/files/projects/saliency/public/VideoSalGAN-II/"
DATA_SETS = ("salicon", "dhf1k")
PAPER = "Linardos et al., Simple vs complex temporal recurrences for video saliency prediction, BMVC 2019"
LICENCE = "none stated"

INFO = {
    name: ModelInfo(name=name, trained_on=DATA_SETS, licence=LICENCE, paper=PAPER, fit="stretch")
    for name in ("salema", "salclstm")
}

RESIDUAL = Option("flag", False, "add the layer's input to its averaged output")
OPTIONS = {
    "salema": {
        "alpha": Option(
            "float",
            0.1,
            "a new frame counts sigmoid(alpha); none: learned, as the checkpoint shows",
            optional=True,
        ),
        "ema_loc": Option("int", 30, "number of the averaged layer, 0 to 61"),
        "residual": RESIDUAL,
    },
    "salclstm": {"residual": Option("flag", False, "add the encoder's output to the cell")},
}

CHECKPOINTS = {
    name: (
        KnownCheckpoint(
            model=name,
            variant="DHF1K",
            file=file,
            source=FILES + file,
            licence=LICENCE,
            trained_on=DATA_SETS,
            note=f"{size} according to the README; no digest was published",
        ),
    )
    for name, file, size in (("salema", "SalEMA30.pt", "364 MB"), ("salclstm", "SalCLSTM30.pt", "580 MB"))
}


class SalEMAPredictor:
    """Runs SalEMA or SalCLSTM over stimuli.

    Args:
        network: its present weights are used; later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.

    Raises:
        WrongUse: no such device.
    """

    info: ModelInfo
    checkpoint: Path | None = None
    """The weight file, where it came from one."""

    def __init__(self, network: SalEMA | SalCLSTM, device: str = "cpu") -> None:
        from .inference import FastSalCLSTM, FastSalEMA
        from .network import SalEMA

        self.device = resolve(device)
        self._group = GROUP.get(self.device.type, GROUP_ELSEWHERE)
        moved = network if self.device.type == "cpu" else copy.deepcopy(network).to(self.device)
        with inference():
            if isinstance(moved, SalEMA):
                self.info = INFO["salema"]
                self._network: FastSalEMA | FastSalCLSTM = FastSalEMA(moved)
            else:
                self.info = INFO["salclstm"]
                self._network = FastSalCLSTM(moved)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the saliency of each frame: float32, shape (192, 256), in 0..1.

        Raises:
            BadData: a frame has another size than the stimulus.
        """
        import torch

        state: Any = None
        frames = iter(frames)
        while batch := list(islice(frames, self._group)):
            with inference():
                images = [self._input(frame, stimulus) for frame in batch]
                images += [images[-1]] * (self._group - len(images))
                maps, state = self._network(torch.stack(images), state)
            for frame, values in zip(batch, maps[:, 0], strict=False):
                yield Prediction(frame.index, values.numpy() if self.device.type == "cpu" else values)

    def published_map(self, values: Any, stimulus: StimulusInfo) -> UInt8Image:
        """Return the 8-bit map as the authors wrote it, 192 x 256: stretched to 0..255 and rounded.

        Args:
            values: a prediction's map, numpy or torch.
            stimulus: not needed; the map was not brought to its size.
        """
        return published_map(values)

    def _input(self, frame: Frame, stimulus: StimulusInfo) -> torch.Tensor:
        import torch

        check_size(frame, stimulus)
        return torch.from_numpy(prepare(frame.rgb)).to(self.device)


def build_salema(**options: Any) -> SalEMA:
    """Make SalEMA's network with fresh weights; the options are those of `salema_network.SalEMA`.

    Raises:
        WrongUse: a setting does not fit the network.
    """
    from .network import SalEMA

    return SalEMA(**options)


def build_salclstm(**options: Any) -> SalCLSTM:
    """Make SalCLSTM's network with fresh weights; the option is `residual`."""
    from .network import SalCLSTM

    return SalCLSTM(**options)


def settings_of_salema(found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the network of a weight file; whether alpha is learned shows in it.

    Raises:
        WrongUse: an alpha was given although the file holds one, or the reverse.
    """
    learned = "alpha" in found.state
    if "alpha" in given and (given["alpha"] is None) != learned:
        raise WrongUse(
            f"alpha={given['alpha']} was given, but {found.path} holds "
            f"{'a learned alpha' if learned else 'no learned alpha'}; leave the option out"
            + ("" if learned else " or give a number (published: 0.1)")
        )
    hidden = {} if learned else {"alpha": 0.1}
    _warn_assumed(found, {**hidden, "ema_loc": 30, "residual": False}, given)
    return {**hidden, **given, **({"alpha": None} if learned else {})}


def settings_of_salclstm(found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the network of a weight file, which shows none."""
    _warn_assumed(found, {"residual": False}, given)
    return given


def prepare(rgb: UInt8Image) -> npt.NDArray[np.float32]:
    """Resize a frame as OpenCV's INTER_AREA does, turn it to BGR and subtract the mean.

    Args:
        rgb: uint8, shape (h, w, 3).

    Returns:
        float32, shape (3, 192, 256).
    """
    small = resize_area(rgb, WIDTH, HEIGHT)[..., ::-1]
    return np.ascontiguousarray((small - np.array(MEAN_BGR)).astype(np.float32).transpose(2, 0, 1))


def published_map(saliency: Any) -> UInt8Image:
    """Return a map stretched to 0..1, times 255, plus a half, cut off, as uint8; constant maps become 0.

    Args:
        saliency: numpy or torch, any shape.
    """
    values = on_host(saliency).astype(np.float32)
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros(values.shape, np.uint8)
    stretched = (values - low) / (high - low) * np.float32(255) + np.float32(0.5)
    published: UInt8Image = stretched.clip(0, 255).astype(np.uint8)
    return published


def _warn_assumed(found: checkpoints.Checkpoint, published: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    assumed = [f"{name}={value}" for name, value in published.items() if name not in options]
    if assumed:
        log.warning(
            "%s: weights do not show the settings they were trained with, and no digests were published; %s, as "
            "in the paper, is assumed",
            found.path,
            ", ".join(assumed),
        )


SIGNATURE = {"salgan.0.weight": 4, "salgan.30.weight": 4, "salgan.60.weight": 4}

MODELS = {
    "salema": network(
        INFO["salema"],
        build_salema,
        SalEMAPredictor,
        options=OPTIONS["salema"],
        checkpoints=CHECKPOINTS["salema"],
        settings=settings_of_salema,
        signature=SIGNATURE,
    ),
    "salclstm": network(
        INFO["salclstm"],
        build_salclstm,
        SalEMAPredictor,
        options=OPTIONS["salclstm"],
        checkpoints=CHECKPOINTS["salclstm"],
        settings=settings_of_salclstm,
        signature={**SIGNATURE, "Gates.weight": 4, "Gates.bias": 1},
    ),
}
