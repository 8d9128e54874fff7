from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark.conformance import N_FRAMES, check, clip
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame


class Honest:
    """Green channel, causal, nothing remembered."""

    info = ModelInfo("honest", output="saliency")

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction(frame.index, self.map(frame))

    def map(self, frame: Frame) -> Any:
        return frame.rgb[..., 1].astype(np.float64)


class Greedy(Honest):
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        return iter([Prediction(f.index, self.map(f)) for f in frames])


class Future(Honest):
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        previous: Frame | None = None
        for frame in frames:
            if previous is not None:
                yield Prediction(previous.index, self.map(frame))
            previous = frame
        if previous is not None:
            yield Prediction(previous.index, self.map(previous))


class Random(Honest):
    def map(self, frame: Frame) -> Any:
        return np.random.default_rng().random(frame.rgb.shape[:2])


class Unnormalized(Honest):
    info = ModelInfo("u", output="density")

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction(frame.index, self.map(frame), "density")


class NotFinite(Honest):
    def map(self, frame: Frame) -> Any:
        return np.where(frame.rgb[..., 1] > 200, np.nan, 1.0)


class Skips(Honest):
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        return (p for p in super().predict(frames, stimulus) if p.frame != 5)


class Late(Honest):
    info = ModelInfo("late", output="saliency", missing="exclude")

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        return (p for p in super().predict(frames, stimulus) if p.frame >= 15)


class OnlyEven(Honest):
    def map(self, frame: Frame) -> Any:
        height, width = frame.rgb.shape[:2]
        return frame.rgb.reshape(height // 2, 2, width, 3).mean((1, 3))


class NeedsTwo(Honest):
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        first, second = next(frames), next(frames)
        yield Prediction(0, self.map(first))
        yield Prediction(1, self.map(second))
        yield from super().predict(frames, stimulus)


@pytest.mark.parametrize("model", [Honest, Late])
def test_a_predictor_that_conforms(model: type[Honest]) -> None:
    assert [f for f in check(model) if not f.ok] == []


@pytest.mark.parametrize(
    ("model", "broken"),
    [
        (Greedy, "streaming"),
        (Future, "lookahead"),
        (Random, "state"),
        (Unnormalized, "values"),
        (NotFinite, "values"),
        (Skips, "frames"),
        (OnlyEven, "odd size"),
        (NeedsTwo, "1 frames"),
    ],
)
def test_each_rule_catches_its_breach(model: type[Honest], broken: str) -> None:
    findings = check(model)
    assert broken in {f.rule for f in findings if not f.ok}
    assert next(f for f in findings if f.rule == broken).message


def test_declared_lookahead_is_allowed() -> None:
    class Declared(Future):
        info = ModelInfo("declared", causal=False, lookahead=1, output="saliency")

    assert [f for f in check(Declared) if not f.ok] == []


class FarAhead(Honest):
    """Says 15 frames, sees 20."""

    info = ModelInfo("far", causal=False, lookahead=15, output="saliency")

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        kept: list[Frame] = []
        for frame in frames:
            kept.append(frame)
            if len(kept) > 20:
                yield Prediction(kept.pop(0).index, self.map(frame))
        for one in kept:
            yield Prediction(one.index, self.map(kept[-1]))


class LateAndPeeks(Future):
    """Begins at frame 15 and sees one frame ahead."""

    info = ModelInfo("late", output="saliency", missing="exclude")

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        return (p for p in super().predict(frames, stimulus) if p.frame >= 15)


@pytest.mark.parametrize("model", [FarAhead, LateAndPeeks])
def test_the_clip_is_long_enough_to_show_the_future(model: type[Honest]) -> None:
    (finding,) = (f for f in check(model) if not f.ok)
    assert finding.rule == "lookahead"


def test_what_is_no_predictor() -> None:
    (finding,) = check(object)
    assert not finding.ok
    assert "info" in finding.message


def test_the_clip_is_two_seconds_and_moves() -> None:
    video = clip(1)
    assert video.shape == (N_FRAMES, 96, 160, 3)
    assert len({v.tobytes() for v in video}) == N_FRAMES
    assert np.array_equal(video, clip(1))


def test_a_causal_model_has_no_lookahead() -> None:
    with pytest.raises(WrongUse, match="lookahead 0"):
        ModelInfo("x", causal=True, lookahead=3)
    with pytest.raises(WrongUse, match="exclude"):
        ModelInfo("x", missing="skip")  # type: ignore[arg-type]
