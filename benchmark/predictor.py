"""The predictor protocol: frames in, one prediction for each frame out.

A predictor is any object with an `info` and a `predict` method; there is no base class. It never sees
fixations or densities.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.registry import DATASETS

Kind = Literal["density", "log_density", "saliency"]
Missing = Literal["error", "first-available", "center-bias", "exclude"]
Fit = Literal["stretch", "letterbox", "crop"]
"""How maps of another aspect than the frame lie on it; see `geometry.py`."""

MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$"
"""What the name of a model is, in code, in submission.json and in run.json: no two names look alike, and each can be a
folder."""
OTHER = "other:"
"""What the name of a data set that is not registered begins with in `ModelInfo.trained_on`."""


@dataclass(frozen=True)
class Audio:
    """The sound that a model asks for: each frame comes with what is heard around the time at which it is seen.

    `Frame.sound` is float32, shape (round((before_ms + after_ms) rate / 1000), channels), -1 to 1; its sample k is
    heard at pts_ms - before_ms + 1000 k / rate. Before the track begins and after it ends there is silence.

    Attributes:
        rate: samples a second; the track is resampled.
        channels: 1 or 2; the track is mixed.
        before_ms, after_ms: the window, from the time of the frame. What is heard until the next frame is seen belongs
            to the frame; later sound counts as later frames, see `ModelInfo.lookahead`.
        missing: what it means that a video has no sound, or less than pictures: an `error`, or `silence`.

    Raises:
        WrongUse: a field is out of range.
    """

    rate: int = 16000
    channels: int = 1
    before_ms: float = 1000.0
    after_ms: float = 0.0
    missing: Literal["error", "silence"] = "error"

    def __post_init__(self) -> None:
        if not 1000 <= self.rate <= 192_000 or self.channels not in (1, 2):
            raise WrongUse(f"Audio: rate {self.rate}, channels {self.channels}; 1000 to 192000, and 1 or 2")
        if not (0 <= self.before_ms <= 60_000 and 0 <= self.after_ms <= 60_000 and self.samples):
            raise WrongUse(
                f"Audio: a window of {self.before_ms} and {self.after_ms} ms; each is 0 to 60000, one above 0"
            )
        if self.missing not in ("error", "silence"):
            raise WrongUse(f"Audio.missing is {self.missing!r}; it is error or silence")

    @property
    def samples(self) -> int:
        """Number of samples in a window."""
        return round((self.before_ms + self.after_ms) * self.rate / 1000)


@dataclass(frozen=True)
class ModelInfo:
    """What a table must know about a model.

    None means that nobody said it; stored predictions often leave much unsaid.

    Attributes:
        name: short name, as on the command line: letters, digits and `. _ + -`, at most 100, a letter or digit first.
        version: raised when the same weights give other numbers.
        causal: True if the prediction of frame t uses frames 0..t only.
        lookahead: largest number of later frames used; 0 for a causal model.
        missing: what a frame without prediction means: `error`, or a declared rule.
        output: kind of the predictions; `point` for gaze positions.
        trained_on: ids of the data sets whose gaze the weights have seen, pre-training on images included; one that is
            not registered as `other:<name>`. A board marks the runs on them.
        licence: licence of the weights.
        paper: citation of the paper.
        needs_frames: False for a predictor that never looks at the pixels.
        audio: the sound that it is to be given with its frames, see `Audio`; False for none. True says of stored
            predictions that their model listened.
        fit: how its maps lie on the frame where they have another aspect: `stretch`, `letterbox`, `crop`; None = they
            always have the frame's.
        moves_between_machines: why scores move from one processor, library or number of threads to another by more than
            rounding, where the model makes them do so by its nature; None: they do not.

    Raises:
        WrongUse: the name is no such name, the fields contradict each other, or `trained_on` names no data set.
    """

    name: str
    version: str | None = "1"
    causal: bool | None = True
    lookahead: int | None = 0
    missing: Missing = "error"
    output: Literal["density", "log_density", "saliency", "point"] = "saliency"
    trained_on: tuple[str, ...] | None = ()
    licence: str = ""
    paper: str = ""
    needs_frames: bool = True
    audio: Audio | bool | None = False
    fit: Fit | None = None
    moves_between_machines: str | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.missing not in get_args(Missing):
            raise WrongUse(f"ModelInfo.missing is {self.missing!r}; it is one of {', '.join(get_args(Missing))}")
        if self.fit not in (None, *get_args(Fit)):
            raise WrongUse(f"ModelInfo.fit is {self.fit!r}; it is one of {', '.join(get_args(Fit))}, or None")
        if self.lookahead is not None and (self.lookahead < 0 or (self.causal and self.lookahead)):
            raise WrongUse(f"model {self.name}: a causal model has lookahead 0, found {self.lookahead}")
        if self.trained_on is not None:
            check_trained_on(self.name, self.trained_on)


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a model.

    Raises:
        WrongUse: it is none; the message shows it and what it could be.
    """
    if not isinstance(name, str) or not re.fullmatch(MODEL_NAME, name):
        shown = ascii(name if not isinstance(name, str) or len(name) <= 60 else f"{name[:60]}...")
        raise WrongUse(
            f"model name {shown}: a name is letters (a-z), digits and . _ + -, at most 100, a letter or digit first; "
            f"write for example {name_like(str(name))!r}"
        )


def name_like(text: str) -> str:
    """Return a name of a model made from any text.

    >>> name_like("My Model (v2)"), name_like("...")
    ('My-Model-v2', 'model')
    """
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")[:100] or "model"


def names_a_data_set(entry: str) -> bool:
    """Whether an entry of `trained_on` can be compared: the id of a registered data set, or `other:<name>`."""
    return entry in DATASETS or (entry.startswith(OTHER) and bool(entry.removeprefix(OTHER).strip()))


def data_set_id(entry: str) -> str:
    """Return the id of a data set for its name in papers (`UCF Sports`), as files of before ids were checked have it;
    anything else as it is.

    >>> data_set_id("Hollywood-2"), data_set_id("salicon"), data_set_id("my lab")
    ('hollywood2', 'salicon', 'my lab')
    """
    plain = "".join(c for c in entry.casefold() if c.isalnum())
    return next((name for name in DATASETS if name.replace("-", "") == plain), entry)


def check_trained_on(model: str, trained_on: Iterable[str]) -> None:
    """Refuse what a board could not compare with the data set of a run.

    Args:
        model: name, for the message.
        trained_on: as in `ModelInfo`.

    Raises:
        WrongUse: an entry is neither the id of a registered data set nor `other:<name>`; the message names the nearest.
    """
    if isinstance(trained_on, str):
        raise WrongUse(f"model {model}: trained_on is the text {trained_on!r}; write a tuple, ({trained_on!r},)")
    if not isinstance(trained_on, Iterable) or not all(isinstance(entry, str) for entry in trained_on):
        raise WrongUse(f"model {model}: trained_on is {trained_on!r}; write a tuple of data-set ids, () for none")
    for entry in trained_on:
        if names_a_data_set(entry):
            continue
        near = get_close_matches(entry.casefold(), DATASETS, n=1, cutoff=0.4)
        raise WrongUse(
            f"model {model}: trained_on holds {entry!r}, which is no id of a registered data set"
            f"{f'; did you mean {near[0]!r}?' if near else ''}; write any other as {OTHER}<name>. "
            f"Known: {', '.join(sorted(DATASETS))}"
        )


@dataclass(frozen=True)
class StimulusInfo:
    """What a predictor may know of a stimulus: never its fixations.

    Attributes:
        id: the stimulus id.
        width, height: size of the frames in pixels.
        fps: frames a second; None for an image.
        kind: `video` or `image`.
        n_frames: number of frames.
    """

    id: str
    width: int
    height: int
    fps: float | None
    kind: Literal["video", "image"]
    n_frames: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def frame_rate(self) -> float | None:
        """Frames a second; None for an image."""
        return self.fps


class Shown(Protocol):
    """What a model can be shown: a stimulus of a release, or a video, an image or arrays that belong to none."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def width(self) -> int:
        """Width in pixels."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels."""
        ...

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        ...

    @property
    def fps(self) -> Fraction | None:
        """Frames a second; None for an image or where it is unknown."""
        ...

    @property
    def kind(self) -> Literal["video", "image"]:
        """`video` or `image`."""
        ...

    def frames_path(self) -> Path | None:
        """The file or folder that the frames are read from; None where there is none."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in presentation order, in bounded memory."""
        ...

    def check_frames(self) -> None:
        """Refuse frames that are not those that were described."""
        ...


@dataclass(frozen=True)
class Prediction:
    """What a model says of one frame.

    Attributes:
        frame: 0-based index of the frame.
        values: map of shape (h, w), numpy or torch on any device; any size of the frame's aspect,
            or of another where the model declares its `fit`; one size a stimulus.
        kind: `density` (sums to 1), `log_density` (natural log) or `saliency` (any scale).
        xy: a predicted gaze position in pixels of the stimulus instead of a map.
    """

    frame: int
    values: Any = None
    kind: Kind = "saliency"
    xy: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if (self.values is None) == (self.xy is None):
            raise WrongUse(f"prediction of frame {self.frame}: give a map or a point, and not both")
        if self.values is not None and len(self.values.shape) != 2:
            raise WrongUse(f"prediction of frame {self.frame} has shape {tuple(self.values.shape)}; a map is (h, w)")
        if self.kind not in get_args(Kind):
            raise WrongUse(f"prediction kind is {self.kind!r}; it is one of {', '.join(get_args(Kind))}")

    @classmethod
    def point(cls, frame: int, x: float, y: float) -> Prediction:
        """Make the prediction of one gaze position (x, y) in pixels of the stimulus."""
        if not (np.isfinite(x) and np.isfinite(y)):
            raise WrongUse(f"gaze point of frame {frame} is ({x}, {y}); it must be finite")
        return cls(frame, None, "saliency", (float(x), float(y)))

    def kept(self) -> Prediction:
        """Return the same with a map of its own, so that the model may write its next one into the same memory."""
        if self.values is None:
            return self
        copied = self.values.clone() if hasattr(self.values, "clone") else np.array(self.values)
        return replace(self, values=copied)


@runtime_checkable
class Predictor(Protocol):
    """Anything that maps frames to predictions.

    State is reset between stimuli: `predict` is called once for each of them. Predictions come in the order of
    the frames, may lag behind the input, and must not need the whole video in memory. A map may be overwritten once
    the next prediction is asked for.
    """

    info: ModelInfo

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield one prediction for each frame, in order."""
        ...
