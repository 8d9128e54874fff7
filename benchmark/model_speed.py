"""How fast a predictor is beside another one: measured in turns, in one process, on one clip.

A time of one machine says nothing on another, and little on the same an hour later; the ratio to a control that works
beside it does. Two measurements are compared in favour of the later one: its fastest turn against the slowest of then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidsal.loaders.errors import BadData, VidsalError, WrongUse
from vidsal.loaders.io.files import canonical, parse_json, write_json

from .conformance import as_array, clip, predicted
from .model_card import faults_in_words
from .predictor import Predictor

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ModelSpeed(BaseModel):
    """What was measured.

    Attributes:
        model, control: what the two say of themselves, name and version.
        frames, width, height: of the clip.
        ratios: of each turn, the seconds of the model by those of the control.
        seconds: of the model's fastest turn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    model: str
    control: str
    frames: int = Field(ge=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    ratios: tuple[_Positive, ...] = Field(min_length=1)
    seconds: _Positive

    def is_slower_than(self, before: ModelSpeed, threshold: float) -> bool:
        """Whether even the fastest turn is slower than the slowest one before, by more than the threshold.

        Args:
            before: measured beside the same control, on the same clip.
            threshold: 0.25 = a quarter.

        Raises:
            WrongUse: it was measured otherwise.
        """
        for name in ("control", "frames", "width", "height"):
            now, then = getattr(self, name), getattr(before, name)
            if now != then:
                raise WrongUse(f"{name} is {now}, and was {then}: the two ratios say nothing of each other")
        return min(self.ratios) > (1 + threshold) * max(before.ratios)


def measure(
    model: Predictor,
    control: Predictor,
    *,
    repeats: int,
    frames: int,
    width: int,
    height: int,
    clock: Callable[[], float] = time.perf_counter,
) -> ModelSpeed:
    """Let two predictors go over one clip in turns; what each must do only once, it has done before.

    Args:
        model: whose speed is asked for.
        control: what it is held against; the more alike the two work, the less the machine matters.
        repeats: number of turns; in every second one the control is first.
        frames, width, height: of the clip.
        clock: seconds.

    Raises:
        WrongUse: one of them learns from the gaze of a data set before it predicts.
        BadData: one of them fails, or predicts nothing.
    """
    for one in (model, control):
        if callable(getattr(one, "fit", None)):
            raise WrongUse(f"{one.info.name} learns from the gaze of a data set before it predicts; no clip times it")
    video = clip(1, frames, width, height)

    def timed(one: Predictor) -> float:
        begun = clock()
        try:
            answers = predicted(one, video)
            if not answers:
                raise BadData(f"{one.info.name} predicts nothing of a clip of {frames} frames; give it more")
            as_array(answers[-1])  # a device has finished when its last map is here
        except VidsalError:
            raise
        except (Exception, SystemExit) as error:  # a user's own code may fail in any way
            raise BadData(f"{one.info.name}: predict fails: {type(error).__name__}: {error}") from error
        return clock() - begun

    timed(model)
    timed(control)
    turns = []
    for turn in range(repeats):
        if turn % 2:
            beside, own = timed(control), timed(model)
        else:
            own, beside = timed(model), timed(control)
        turns.append((own, beside))
    return ModelSpeed(
        model=_named(model),
        control=_named(control),
        frames=frames,
        width=width,
        height=height,
        ratios=tuple(own / beside for own, beside in turns),
        seconds=min(own for own, _ in turns),
    )


def _named(model: Predictor) -> str:
    return f"{model.info.name} {model.info.version}".strip()


def read_speed(path: Path) -> ModelSpeed:
    """Read what `write_speed` wrote.

    Raises:
        BadData: it is something else.
    """
    try:
        content = parse_json(path.read_bytes())
        return ModelSpeed.model_validate_json(canonical(content))
    except ValidationError as error:
        raise BadData(f"{path}: not what `vidsal model speed` writes: {faults_in_words(error)[0]}") from error
    except ValueError as error:
        raise BadData(f"{path}: not what `vidsal model speed` writes: {error}") from error


def write_speed(path: Path, found: ModelSpeed) -> None:
    """Write what was measured, as canonical JSON."""
    write_json(path, found.model_dump(mode="json"))
