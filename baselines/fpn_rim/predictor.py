"""FPN+RIM: a gaze position for every frame, from recurrent units over image features.

Source: Spreen-Ledebur, Gaze prediction in natural videos using end-to-end deep learning, master's thesis;
spreeni/thesis_gaze_prediction (Apache-2.0). No weights were published: give your own, a Lightning checkpoint or a
state_dict. Trained on: GazeCom, one observer's gaze at a time (image network: ImageNet). Published scores: in the
thesis, other metrics than this benchmark's (`vidsal.benchmark.metrics.gaze_path` has them).

Input: RGB frames squeezed to the size of the checkpoint's training (224 x 224), 0..1, ImageNet mean and deviation.
The authors squeezed the videos with ffmpeg and compressed them again; here Pillow's BICUBIC squeezes the frames.
Output: one point a frame, in pixels of the stimulus. Causal. The authors predicted clips of 5 s (150 frames at
29.97 frames a second), each from a fresh state; so does the predictor.

The network's columns are x and y, but the authors scaled labels of x by the **height** of the frames and of y by
their width. That is the same for square frames; for others the predictor undoes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame, UInt8Image

from .. import checkpoints
from ..base import Option
from ..networks import network
from ..preprocess import normalize, to_tensor
from ..runtime import inference, resolve

if TYPE_CHECKING:
    import torch

    from .network import Carry, FpnRim

log = logging.getLogger(__name__)

NAME = "fpn_rim"
CLIP_SECONDS = 5.0
BACKBONE_NAMES = (
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "efficientnet_b7",
    "densenet201",
    "vgg19",
    "resnet152",
)

INFO = ModelInfo(
    name=NAME,
    output="point",
    trained_on=("gazecom",),
    licence="none published",
    paper="Spreen-Ledebur, Gaze prediction in natural videos using end-to-end deep learning, master's thesis; "
    "https://github.com/spreeni/thesis_gaze_prediction",
    moves_between_machines="which units are active flips where two nearly tie, and from there on the path is another: "
    "the published code itself, in single and in double precision, differs by up to 1.5 of an output from -1 to 1",
)

_INERT = "held by checkpoints; changes nothing here"
OPTIONS = {
    "input_dims": Option("ints", (224, 224), "height and width of the frames that the weights take"),
    "rim_hidden_size": Option("int", 400, "state of a unit"),
    "rim_num_units": Option("int", 6, "units"),
    "rim_k": Option("int", 4, "units that are active in a frame"),
    "rim_layers": Option("int", 1, "layers of units"),
    "out_channels": Option("int", 8, "channels of the feature pyramid"),
    "backbone_model": Option("text", "mobilenet_v3_large", "image network", choices=BACKBONE_NAMES),
    "fpn_only_use_last_layer": Option("flag", True, "use the finest map of the pyramid only"),
    "predict_em": Option("flag", False, "four outputs more, for the eye movement"),
    "p_teacher_forcing": Option("float", 0.3, "share of units that see the label where labels are given"),
    "n_teacher_vals": Option("int", 50, "copies of the previous prediction that a unit gets"),
    "channel_wise_attention": Option("flag", False, "one token for each channel of the pyramid"),
    "mode": Option("text", "RIM", "recurrent units, or one LSTM", choices=("RIM", "LSTM")),
    "input_attn_heads": Option("int", 2, "heads of the attention to the input"),
    "input_dropout": Option("float", 0.0, "while training"),
    "comm_dropout": Option("float", 0.0, "while training"),
    "predict_change": Option("flag", False, "outputs are changes of position (branch change_prediction of the thesis)"),
    "positional_encoding": Option("flag", False, "a learned place is added to the maps (branch of that name)"),
    "rnn_cell": Option("text", "LSTM", "the authors' GRU cannot run", choices=("LSTM",)),
    "out_attn_heads": Option("int", 2, _INERT),
    "batch_size": Option("int", 1, _INERT),
    "frames": Option("int", 150, _INERT),
    "clip_seconds": Option(
        "float",
        CLIP_SECONDS,
        "after so many seconds the state starts afresh, as published; none = never within a stimulus",
        optional=True,
        scope="predictor",
    ),
    "observer": Option(
        "text",
        None,
        "whose gaze: the state of each clip is drawn from this name, for weights that were trained so",
        optional=True,
        scope="predictor",
    ),
    "batch": Option(
        "int",
        None,
        "frames that pass the image network at once; none = 8 on a CPU, 32 elsewhere",
        optional=True,
        scope="predictor",
    ),
}
_WITHOUT_EFFECT = ("rnn_cell", "out_attn_heads", "batch_size", "frames")
_NETWORK = tuple(name for name, option in OPTIONS.items() if option.scope == "module" and name not in _WITHOUT_EFFECT)


class FpnRimPredictor:
    """Runs the network over a video, clip by clip.

    Args:
        module: its present weights are used; later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        clip_seconds: length of a clip; None = the whole stimulus.
        batch: frames that pass the image network at once.
        observer: by whose name, and its first frame, the state of each clip is drawn; None = zero.
        info: what tables show.

    Raises:
        WrongUse: no such device, or an impossible number.
    """

    info: ModelInfo
    checkpoint: Path | None = None
    """The weight file, where it came from one."""

    def __init__(
        self,
        module: FpnRim,
        device: str | torch.device = "cpu",
        *,
        clip_seconds: float | None = CLIP_SECONDS,
        batch: int | None = None,
        observer: str | None = None,
        info: ModelInfo = INFO,
    ) -> None:
        from .inference import FastFpnRim

        if clip_seconds is not None and not clip_seconds > 0:
            raise WrongUse(f"clip_seconds={clip_seconds}; more than 0 was expected, or none")
        if batch is not None and batch < 1:
            raise WrongUse(f"batch={batch}; at least 1 was expected")
        self.info, self.observer = info, observer
        self.device = resolve(device)
        self.module = module.to(self.device).eval()
        self.clip_seconds = clip_seconds
        self.batch = batch or (8 if self.device.type == "cpu" else 32)
        with inference():
            self._fast = FastFpnRim(self.module)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield one point for each frame, in pixels of the stimulus.

        Frames are taken in groups; an incomplete one is filled up with copies, so that what follows a frame can
        not even change the rounding of its prediction.
        """
        frames = iter(frames)
        left = clip = self._clip_frames(stimulus)
        carry: Carry | None = None
        while group := list(islice(frames, self.batch if left is None else min(self.batch, left))):
            with inference():
                if carry is None and self.observer is not None:
                    like = next(self.module.fpn.parameters())
                    carry = self.module.seeded([(self.observer, group[0].index)], like)
                trace = self._fast.follow(self._tokens(group)[None], carry, len(group))
                gaze = trace.gaze[0, :, :2].double().cpu().numpy()
            carry = trace.carry
            if left is not None:
                left -= len(group)
                if not left:
                    left, carry = clip, None
            for frame, columns in zip(group, gaze, strict=True):
                yield Prediction.point(frame.index, *to_pixels(columns, self.module.input_dims, stimulus.size))

    def _clip_frames(self, stimulus: StimulusInfo) -> int | None:
        if self.clip_seconds is None or stimulus.fps is None:
            return None
        return max(1, round(self.clip_seconds * stimulus.fps))

    def _tokens(self, group: list[Frame]) -> torch.Tensor:
        import torch

        height, width = self.module.input_dims
        images = [to_tensor(squeeze(frame.rgb, height, width), self.device) for frame in group]
        images += [images[-1]] * (self.batch - len(images))
        return self._fast.tokens(normalize(torch.stack(images)))


def squeeze(rgb: UInt8Image, height: int, width: int) -> UInt8Image:
    """Resize a frame (h, w, 3) to (height, width, 3) by Pillow's BICUBIC on uint8, whatever its aspect."""
    from PIL import Image

    if rgb.shape[:2] == (height, width):
        return rgb
    resized = Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def to_pixels(columns: Any, input_dims: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    """Return the gaze (x, y) in pixels of the stimulus.

    Args:
        columns: the network's first two outputs, in -1..1: 2 x / height - 1 and 2 y / width - 1 of its input.
        input_dims: height and width of the network's input.
        size: width and height of the stimulus.

    >>> to_pixels((0.0, -0.5), (224, 224), (1280, 720))
    (640.0, 180.0)
    """
    height, width = input_dims
    x = (float(columns[0]) + 1) / 2 * height
    y = (float(columns[1]) + 1) / 2 * width
    return x / width * size[0], y / height * size[1]


def build(**options: Any) -> FpnRim:
    """Make the network with fresh weights; see `OPTIONS`, defaults as in the thesis.

    Raises:
        WrongUse: impossible numbers.
    """
    from .network import FpnRim

    return FpnRim(**{name: value for name, value in options.items() if name not in _WITHOUT_EFFECT})


def converted(found: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    """Return a checkpoint with the pyramid's keys in today's form."""
    from ..nn.feature_pyramid import current_keys

    return replace(found, state=current_keys(dict(found.state), "fpn.fpn."))


def settings_of(found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the network that belongs to a checkpoint, a Lightning one or a state_dict.

    They come from the checkpoint's hyper-parameters where it has them, else from its shapes; a given option must agree
    with them. Where none of them says a setting that matters (`rim_k`, the size of the frames), the likeliest is
    assumed, and a logged warning names every one.

    Args:
        found: with the pyramid's keys in today's form.
        given: options of the user.

    Raises:
        WrongUse: an option contradicts the checkpoint.
    """
    from .settings import in_words, shown_settings

    held = {name: found.hyper_parameters[name] for name in _NETWORK if name in found.hyper_parameters}
    held = {name: OPTIONS[name].check(name, value) for name, value in held.items()}
    wanted = {name: value for name, value in given.items() if name in _NETWORK}
    shown, guessed = shown_settings(found.state, {**held, **wanted})
    for name, value in shown.items():
        checkpoints.shown_setting(name, wanted, found, value)
    if guessed:
        log.warning(
            "%s does not say all its settings, and its shapes leave some open; assumed: %s. Others may fit as well: "
            "give what you know as options (--option NAME=VALUE)",
            found.path,
            in_words({name: shown[name] for name in guessed}),
        )
    return {**held, **wanted, **shown}


MODELS = {
    NAME: network(
        INFO,
        build,
        FpnRimPredictor,
        options=OPTIONS,
        settings=settings_of,
        converted=converted,
        signature={"multihead_attn.in_proj_weight": 2, "multihead_attn.out_proj.weight": 2},
    )
}
