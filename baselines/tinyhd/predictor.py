"""TinyHD: a small inflated MobileNetV2 with three decoders. S predicts the last of 16 frames, M all sixteen at once.

Source: Hu, Palazzo, Proietto Salanitri, Bellitto, Moradi, Spampinato & McGuinness, TinyHD: Efficient Video Saliency
Prediction with Heterogeneous Decoders using Hierarchical Maps Distillation, WACV 2023.
Weights: github.com/feiyanhu/tinyHD, folder `weights`; digests in `CHECKPOINTS`. **No licence is stated.**
Trained on: DHF1K (two of the files: UCF Sports), taught by HD2S with Kinetics-400 as further, unlabelled videos.
Published scores: in the paper; its tables are not repeated here because they could not be checked.

Input: RGB, 0..1, ImageNet mean and deviation, **then** squeezed to 192 x 256, bilinear without antialias.
Output: maps of 192 x 256 in 0..1, kind `saliency` (no density), for every frame.

Which frames a prediction sees:

* S: the frame and the 15 before it; before the start of the video lie copies of its first frame. Causal.
* M: windows of 16 frames from frame 0, 16, 32, ...; where the last one is incomplete, the last 16 frames of the video
  make one more, whose maps replace those of the window before. A frame sees up to 15 later ones. A video of fewer
  than 16 frames, for which upstream predicts nothing, is filled up with copies of its last frame.

A still image is a video of one frame: sixteen copies of it.

The authors have two scripts for S. `generate.py`, which made the maps of the published scores, does as above, and so
does the predictor. `quick_start.py` computes the same maps but writes frame 15's for frames 0 to 14;
`first_frames="quick-start"` does that too, and looks ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame, UInt8Image

from .. import checkpoints
from ..base import KnownCheckpoint, Option
from ..networks import network
from ..preprocess import check_size, imagenet_frame
from ..runtime import inference, on_host, resolve
from .published_maps import eight_bit

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .network import TinyHD

HEIGHT, WIDTH, WINDOW = 192, 256, 16
S, M = "tinyhd_s", "tinyhd_m"
GPU_BATCH = {S: 8, M: 2}

_PAPER = (
    "Hu et al., TinyHD: Efficient Video Saliency Prediction with Heterogeneous Decoders using Hierarchical Maps "
    "Distillation, WACV 2023"
)
_INFO = ModelInfo(name=S, trained_on=("dhf1k",), licence="none stated", paper=_PAPER, fit="stretch")
INFOS = {S: _INFO, M: replace(_INFO, name=M, causal=False, lookahead=WINDOW - 1)}


def _known(
    model: str,
    variant: str,
    file: str,
    blob: str,
    *,
    sha256: str | None = None,
    n_bytes: int | None = None,
    d1_last: bool = False,
    trained_on: str = "dhf1k",
) -> KnownCheckpoint:
    return KnownCheckpoint(
        model=model,
        variant=variant,
        file=file,
        source=f"https://github.com/feiyanhu/tinyHD/blob/main/weights/{file}",
        licence="none stated",
        sha256=sha256,
        git_blob_sha1=blob,
        n_bytes=n_bytes,
        options={"d1_last": d1_last},
        trained_on=(trained_on,),
    )


CHECKPOINTS = (
    _known(S, "full", "d1d2d3_S_lt.pth", "d1ed80fa95b9baaeac3ed2bc4c3b15ac525221ba"),
    _known(S, "half the channels", "d123s_rc2_rc1T.pth", "3b8e363d241e32f971c4c5bdd9117d578dd4e4bc"),
    _known(
        S,
        "a quarter of the channels",
        "d123s_rc4_rc1T.pth",
        "88653d3e46fbdf1ad3e4224299bb3c62bd48db9b",
        sha256="939f818117dda22faa1232127f479c107e7932398c2b1901a963c6fe93b3413c",
        n_bytes=2473113,
    ),
    _known(S, "full", "ucf_d123s.pth", "2f87a75612d95e100cc24f842629371261f69b03", trained_on="ucf-sports"),
    _known(M, "full", "d1d2d3_M_lt.pth", "6e77140078bdff6fb1828174a4051c2c35d92e97", d1_last=True),
    _known(M, "half the channels", "d123m_rc2_rc1T.pth", "272f30ebc7e7e667105b5147aa1ebb57827451f6"),
    _known(
        M,
        "a quarter of the channels",
        "d123m_rc4_rc1T.pth",
        "e87c128c9f2116017e940b9bff3a7633f7add22b",
        sha256="53e8a306d3e260f6c236e99694bec5852ee208b21d816d93a2918c1828771958",
        n_bytes=2481689,
    ),
    _known(M, "full", "ucf_d123m.pth", "45a2e28bcfb546aa4825485ca37bb5836b01729a", trained_on="ucf-sports"),
)

OPTIONS = {
    "reduced_channels": Option("int", 1, "divisor of the encoder's channels; the file shows it", choices=(1, 2, 4)),
    "d1_last": Option(
        "flag",
        None,
        "the last layer takes the first decoder's maps last; none = true for tinyhd_m with all channels, else false",
        optional=True,
    ),
    "batch": Option(
        "int",
        None,
        "windows that pass the network at once; none = 1 on a CPU, elsewhere 8 (S) or 2 (M)",
        optional=True,
        scope="predictor",
    ),
    "threads": Option("int", None, "of torch on a CPU; none = as they are", optional=True, scope="predictor"),
    "first_frames": Option(
        "text",
        "padded",
        "tinyhd_s: frames 0 to 14 from windows filled up with frame 0, or frame 15's map as quick_start.py writes it",
        choices=("padded", "quick-start"),
        scope="predictor",
    ),
}

Infer = Callable[[list["Tensor"]], "Tensor"]


class TinyHDPredictor:
    """Runs TinyHD over stimuli; see the module for which frames a prediction sees.

    Args:
        module: the network; its present weights are used, later changes of them are not seen.
        device: `cpu`, `cuda`, `cuda:1`.
        batch: windows that pass the network at once; None = 1 on a CPU, elsewhere 8 (S) or 2 (M).
        threads: of torch on a CPU; None = as they are.
        first_frames: S only: `padded`, or `quick-start` for frame 15's map in frames 0 to 14.
        info: what tables show.

    Raises:
        WrongUse: no such device, or `batch` or `threads` is not positive.
    """

    info: ModelInfo
    checkpoint: Path | None = None
    """The weight file, where it came from one."""

    def __init__(
        self,
        module: TinyHD,
        device: str = "cpu",
        *,
        batch: int | None = None,
        threads: int | None = None,
        first_frames: str = "padded",
        info: ModelInfo | None = None,
    ) -> None:
        self.info = info if info is not None else INFOS[M if module.multiple else S]
        self.repeats_start = first_frames == "quick-start"
        if self.repeats_start:
            if module.multiple:
                raise WrongUse("first_frames is a choice of tinyhd_s only")
            self.info = replace(self.info, causal=False, lookahead=WINDOW - 1)
        self.device = resolve(device)
        if batch is not None and batch < 1:
            raise WrongUse(f"batch={batch}; at least 1 was expected")
        if threads is not None and threads < 1:
            raise WrongUse(f"threads={threads}; at least 1 was expected")
        self.threads = threads
        self.multiple = module.multiple
        self.batch = batch or (1 if self.device.type == "cpu" else GPU_BATCH[M if self.multiple else S])
        self._network = _inference_copy(module, self.device)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the map of each frame: float32, shape (192, 256), 0..1; numpy, or torch on a GPU.

        What is held at any time: 16 frames of 192 x 256 and one batch of windows (S); 32 frames and 16 maps, that
        for each window of a batch (M).

        Raises:
            BadData: a frame has another size than the stimulus.
        """
        windows = all_windows if self.multiple else last_frames
        maps = windows(self._inputs(frames, stimulus), self._infer, self.batch)
        if self.repeats_start:
            maps = repeated_start(maps)
        for index, values in maps:
            yield Prediction(index, values.numpy() if values.device.type == "cpu" else values, "saliency")

    def published_map(self, values: Any, stimulus: StimulusInfo) -> UInt8Image:
        """Return the 8-bit map that the published scores were computed from.

        Args:
            values: a prediction's map, numpy or torch, shape (h, w).
            stimulus: gives the size of the video.

        Returns:
            uint8, shape (stimulus.height, stimulus.width).
        """
        return eight_bit(on_host(values), stimulus.width, stimulus.height)

    def _inputs(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[tuple[int, Tensor]]:
        for frame in frames:
            check_size(frame, stimulus)
            with inference(self.threads):
                image = imagenet_frame(frame, HEIGHT, WIDTH, self.device)
            yield frame.index, image

    def _infer(self, windows: list[Tensor]) -> Tensor:
        """Map windows (3, 16, H, W) to maps, (windows, 1 or 16, H, W)."""
        import torch

        with inference(self.threads):
            maps: Tensor = self._network(torch.stack(windows))
            return maps.flatten(1, -3)


Indexed = Iterator[tuple[int, "Tensor"]]


def last_frames(inputs: Indexed, infer: Infer, batch: int) -> Indexed:
    """Predict each frame from the window that ends with it; the first frame is repeated before the start.

    Args:
        inputs: index and tensor (3, H, W) of each frame.
        infer: maps windows (3, 16, H, W) to their results, (windows, 1, H, W).
        batch: windows for one call of `infer`.
    """
    import torch

    held: deque[Tensor] = deque(maxlen=WINDOW)
    inputs = iter(inputs)
    while group := list(islice(inputs, batch)):
        windows = []
        for _, image in group:
            held.extend([image] * (1 if held else WINDOW))
            windows.append(torch.stack(list(held), dim=1))
        for (index, _), maps in zip(group, infer(windows), strict=True):
            yield index, maps[0]


def repeated_start(maps: Indexed) -> Indexed:
    """Give frames 0 to 14 the map of frame 15, where there is one."""
    early: list[tuple[int, Tensor]] = []
    for index, values in maps:
        if index < WINDOW - 1:
            early.append((index, values))
            continue
        yield from ((number, values) for number, _ in early)
        early.clear()
        yield index, values
    yield from early


def all_windows(inputs: Indexed, infer: Infer, batch: int) -> Indexed:
    """Predict windows of 16 frames side by side; the last one is moved back to end with the video.

    Args:
        inputs: index and tensor (3, H, W) of each frame.
        infer: maps windows (3, 16, H, W) to their results, (windows, 16, H, W).
        batch: windows for one call of `infer`.
    """
    import torch

    def inferred(windows: list[list[tuple[int, Tensor]]]) -> Iterator[tuple[int, Tensor]]:
        clips = [torch.stack([image for _, image in window], dim=1) for window in windows]
        for window, maps in zip(windows, infer(clips), strict=True):
            yield from zip((index for index, _ in window), maps, strict=True)

    inputs = iter(inputs)
    take = partial(islice, inputs, WINDOW)
    window = list(take())
    n_short = len(window) % WINDOW
    if n_short:
        yield from islice(inferred([window + [window[-1]] * (WINDOW - n_short)]), n_short)
        return
    full: list[list[tuple[int, Tensor]]] = []
    while window:
        following = list(take())
        full.append(window)
        if len(following) == WINDOW:
            if len(full) == batch:
                yield from inferred(full)
                full = []
        elif following:
            # The last window takes over from its first frame on.
            last = window[len(following) :] + following
            yield from islice(inferred(full), WINDOW * (len(full) - 1) + len(following))
            yield from inferred([last])
            return
        else:
            yield from inferred(full)
        window = following


def build(name: str, **options: Any) -> TinyHD:
    """Make the network with fresh weights.

    Args:
        name: `tinyhd_s` or `tinyhd_m`.
        options: `reduced_channels`, `d1_last`.

    Raises:
        WrongUse: a wrong value.
    """
    from .network import TinyHD

    divisor = options.get("reduced_channels", 1)
    d1_last = options.get("d1_last")
    if d1_last is None:
        d1_last = _default_d1_last(name, divisor)
    return TinyHD(multiple=name == M, reduced_channels=divisor, d1_last=d1_last)


def settings_of(name: str, found: checkpoints.Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the network of a weight file.

    Args:
        name: `tinyhd_s` or `tinyhd_m`.
        found: the file, which shows `reduced_channels`.
        given: `d1_last` belongs to a published file; for another one the default is named in a warning.

    Raises:
        WrongUse: `reduced_channels` is not what the file shows.
    """
    divisor = shown_divisor(found)
    if divisor is None:
        return {}
    checkpoints.shown_setting("reduced_channels", given, found, divisor)
    known = {key: value for key, value in given.items() if value is not None}
    last = checkpoints.hidden_setting("d1_last", known, found, _default_d1_last(name, divisor))
    return {"reduced_channels": divisor, "d1_last": last}


def shown_divisor(checkpoint: checkpoints.Checkpoint) -> int | None:
    """Return the `reduced_channels` that the first convolution of a weight file shows; None if it has none."""
    first = checkpoint.state.get("encoder.encoder.0.0.weight")
    channels = len(first) if first is not None and first.ndim else 0
    return {32: 1, 16: 2, 8: 4}.get(channels)


def _default_d1_last(name: str, divisor: int) -> bool:
    return name == M and divisor == 1


def _inference_copy(module: TinyHD, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return a callable with the module's present weights: folded for a CPU, a plain copy elsewhere."""
    from copy import deepcopy

    from .inference import FastTinyHD

    if device.type == "cpu":
        return FastTinyHD(module)
    return deepcopy(module).to(device).eval()


MODELS = {
    name: network(
        INFOS[name],
        partial(build, name),
        TinyHDPredictor,
        options=OPTIONS,
        checkpoints=tuple(entry for entry in CHECKPOINTS if entry.model == name),
        settings=partial(settings_of, name),
        signature={
            "encoder.encoder.17.conv.3.running_var": 1,
            "aggregator.aggregate_adapter.36.conv.0.0.weight": 5,
            "decoder.decoder.0.weight": 5 if name == M else 4,
        },
    )
    for name in (S, M)
}
