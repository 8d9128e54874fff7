"""DeepGaze MR: log densities from VGG-19 features averaged over the last 16 frames.

Paper: Tangemann, Kümmerer, Wallis & Bethge, Measuring the importance of temporal features in video saliency,
ECCV 2020. Weights: `data/deepgazemr-ledov.pt` of github.com/mtangemann/deepgazemr (MIT), VGG-19 trained on
ImageNet and frozen, 17,634 numbers trained on LEDOV resampled to 30 frames a second.
Published scores: information gain on LEDOV in the paper; none of the metrics of this benchmark.

Frames go in at their own size, RGB in 0..1; out come natural logarithms of densities of the same size. The model
is **not** scale invariant: its blur has 16 pixels whatever the frame is, and the paper worked at about 640 x 360.

A frame is predicted from itself and the 15 before it, so that the first 15 frames of a video have no prediction.
What stands for them is the option `missing`; the authors left them out, which is the default here. A still image
counts as a video that does not change, and has a prediction.

Besides the weights the model needs a centre bias, the density of where people look without regard to the stimulus,
of the data set that it is to predict. The published one, `data/center-bias-ledov.pt` of the same repository, is
LEDOV's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidsal.benchmark.predictor import Missing, ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.scoring.center_prior import center_prior_density
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import rule_out_machine
from vidsal.loaders.records import Frame

from .. import checkpoints
from ..base import KnownCheckpoint, Option, refuse_options
from ..networks import network
from ..preprocess import check_size, to_tensor
from ..runtime import inference, resolve
from ..weight_files import read_object

if TYPE_CHECKING:
    import torch

    from .network import DeepGazeMR

log = logging.getLogger(__name__)

NAME = "deepgaze_mr"
CENTER_BIAS_FILE = "center-bias-ledov.pt"
_SOURCE = "https://github.com/mtangemann/deepgazemr, folder data"

INFO = ModelInfo(
    name=NAME,
    causal=True,
    missing="exclude",
    output="log_density",
    trained_on=("ledov",),
    licence="MIT",
    paper="Tangemann, Kümmerer, Wallis & Bethge, Measuring the importance of temporal features in video saliency, "
    "ECCV 2020",
)

CHECKPOINTS = (
    KnownCheckpoint(
        model=NAME,
        variant="LEDOV",
        file="deepgazemr-ledov.pt",
        source=_SOURCE,
        licence="MIT",
        git_blob_sha1="c871bf5f68425c596f90dc8e9cc6fbca6e9d9b8b",
        trained_on=("ledov",),
        note="about 80 MB",
    ),
)

OPTIONS = {
    "center_bias": Option(
        "text",
        None,
        "file (.npy, .pt) of a density (h, w): where people look without regard to the stimulus; "
        f"none = {CENTER_BIAS_FILE} beside the checkpoint, else a Gaussian at the centre",
        optional=True,
        scope="predictor",
    ),
    "missing": Option(
        "text",
        "exclude",
        "what the first 15 frames get: no prediction, the centre bias, or the first prediction",
        choices=("exclude", "center-bias", "first-available"),
        scope="predictor",
    ),
    "batch": Option(
        "int",
        None,
        "frames that pass the image network at once; none = 1 on a CPU, 8 elsewhere",
        optional=True,
        scope="predictor",
    ),
}


class DeepGazeMRPredictor:
    """Runs the network over a video in memory of 16 feature maps, with the weights that it has now.

    Attributes:
        info: with `missing` as chosen. Under `first-available` the first 15 frames get the prediction of frame 15,
            so that the model is no longer causal.
        module: the network.
        center_bias: density (h, w); None = the reference predictors' Gaussian at the size of the frames.
        checkpoint: the weight file, where the weights came from one.
    """

    checkpoint: Path | None = None

    def __init__(
        self,
        module: DeepGazeMR,
        device: str | torch.device = "cpu",
        *,
        center_bias: torch.Tensor | None = None,
        missing: Missing = "exclude",
        batch: int | None = None,
        info: ModelInfo = INFO,
    ) -> None:
        from .inference import FastBackbone
        from .network import WINDOW

        if batch is not None and batch < 1:
            raise WrongUse(f"batch={batch}; at least 1 was expected")
        self.device = resolve(device)
        self.module = module.to(self.device).eval()
        on_cpu = self.device.type == "cpu"
        self._backbone = FastBackbone(self.module.features) if on_cpu else self.module.features
        self.center_bias = center_bias
        self.batch = batch or (1 if on_cpu else 8)
        late = missing == "first-available"
        self.info = replace(info, missing=missing, causal=not late, lookahead=WINDOW - 1 if late else 0)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield log densities (height, width), on the model's device, in the order of the frames."""
        from .network import WINDOW, FeatureMean

        window = FeatureMean(1 if stimulus.kind == "image" else WINDOW)
        bias: torch.Tensor | None = None
        waiting: list[int] = []
        frames = iter(frames)
        while group := list(islice(frames, self.batch)):
            features = self._features(group, stimulus)
            bias = self._log_center_bias(stimulus) if bias is None else bias
            for position, frame in enumerate(group):
                window.push(features[position : position + 1])
                if window.full:
                    values = self._density(window.mean(), bias)
                    for index in (*waiting, frame.index):
                        yield Prediction(index, values, "log_density")
                    waiting = []
                elif self.info.missing == "center-bias":
                    yield Prediction(frame.index, bias[0, 0] - bias.logsumexp(dim=(0, 1, 2, 3)), "log_density")
                elif self.info.missing == "first-available":
                    waiting.append(frame.index)
        if waiting and bias is not None:  # shorter than the window: from the frames that there are
            values = self._density(window.mean(), bias)
            for index in waiting:
                yield Prediction(index, values, "log_density")

    def _features(self, group: list[Frame], stimulus: StimulusInfo) -> torch.Tensor:
        """Return the feature maps of a group; a short last one is filled up, so that rounding stays the same."""
        import torch

        from .network import STRIDE

        for frame in group:
            check_size(frame, stimulus)
        if min(stimulus.size) < STRIDE:
            raise BadData(
                f"{stimulus.id} is {stimulus.width} x {stimulus.height}; {NAME} needs frames of at least {STRIDE} "
                "pixels on each side"
            )
        with inference():
            images = [to_tensor(frame.rgb, self.device) for frame in group]
            images += [images[-1]] * (self.batch - len(images))
            return self._backbone(torch.stack(images))

    def _density(self, features: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        with inference():
            return self.module.finalizer(self.module.readout(features), bias)  # type: ignore[no-any-return]

    def _log_center_bias(self, stimulus: StimulusInfo) -> torch.Tensor:
        import torch

        density = self.center_bias
        if density is None:
            density = torch.tensor(center_prior_density(stimulus.height, stimulus.width))
        bias = self.module.log_center_bias((stimulus.height, stimulus.width), density)
        return bias.to(self.device, torch.float32)


def read_center_bias(path: Path) -> torch.Tensor:
    """Read a density (h, w) from a `.npy` file or from a tensor that torch saved; float32 or float64.

    Raises:
        MissingData: no such file.
        BadData: it holds something else than a density; the message says what.
    """
    import torch

    if not path.is_file():
        raise MissingData(
            f"no centre bias at {path}; give a .npy or .pt file with a density (h, w), such as {CENTER_BIAS_FILE} "
            f"from {_SOURCE}"
        )
    if path.suffix == ".npy":
        try:
            values: Any = torch.from_numpy(np.load(path, allow_pickle=False))
        except (ValueError, OSError, EOFError, TypeError) as error:
            rule_out_machine(path)
            raise BadData(f"{path} cannot be read as a .npy array of numbers: {error}") from error
    else:
        values = read_object(path)
    if not isinstance(values, torch.Tensor) or values.dim() != 2 or not values.is_floating_point():
        found = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, torch.Tensor) else type(values).__name__
        raise BadData(f"{path} holds {found}; a density (h, w) of floating-point numbers was expected")
    if not bool(torch.isfinite(values).all()) or bool((values < 0).any()) or not bool(values.sum() > 0):
        raise BadData(
            f"{path} holds values from {float(values.min()):.3g} to {float(values.max()):.3g}; a density is finite "
            "and not negative. Is it a log density? Then exponentiate it"
        )
    return values


def build(**options: Any) -> DeepGazeMR:
    """Make the network with fresh weights; it has no options.

    Raises:
        WrongUse: an option was given.
    """
    from .network import DeepGazeMR

    refuse_options(NAME, options)
    return DeepGazeMR()


def running_with(found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the predictor, the centre bias as a density: as given, else as it lies beside the weights.

    Raises:
        MissingData, BadData: see `read_center_bias`.
    """
    beside = found.path.parent / CENTER_BIAS_FILE
    named = given.get("center_bias")
    path = Path(named) if named is not None else beside if beside.is_file() else None
    if path is None:
        log.warning(
            "%s: no centre bias was given; a Gaussian at the centre of the frame stands in (sd 0.15 of the width, "
            "0.194 of the height), and scores will differ from the published model's. Put %s from %s beside the "
            "checkpoint, or give --option center_bias=FILE with the density of your data set",
            NAME,
            CENTER_BIAS_FILE,
            _SOURCE,
        )
    return {**given, "center_bias": None if path is None else read_center_bias(path)}


MODELS = {
    NAME: network(
        INFO,
        build,
        DeepGazeMRPredictor,
        options=OPTIONS,
        checkpoints=CHECKPOINTS,
        running=running_with,
        signature={"finalizer.center_bias_weight": 1, "finalizer.gauss_x.grid": 4, "readout.conv3.weight": 4},
    )
}
