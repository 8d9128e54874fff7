"""Speed as a ratio to a control: what is compared with what, by a clock that says what the test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.cli.commands import vidsal

from vidsal.benchmark.model_speed import ModelSpeed, measure, read_speed, write_speed
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame


class Clock:
    """Goes on only when a model works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Takes:
    """Takes so many seconds for a frame in each of its turns, one after the other."""

    def __init__(self, clock: Clock, *turns: float, name: str = "takes") -> None:
        self.info = ModelInfo(name=name, version="2")
        self._clock, self._turns = clock, iter(turns)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        each = next(self._turns)
        for frame in frames:
            self._clock.now += each
            yield Prediction(frame.index, np.ones((stimulus.height, stimulus.width)))


def test_ratios_of_turns_without_what_is_done_once() -> None:
    clock = Clock()
    model = Takes(clock, 100.0, 2.0, 3.0, 4.0)
    control = Takes(clock, 100.0, 1.0, 2.0, 4.0, name="control")
    found = measure(model, control, repeats=3, frames=4, width=32, height=16, clock=clock)
    assert found.ratios == pytest.approx((2.0, 1.5, 1.0))
    assert (found.model, found.control, found.seconds) == ("takes 2", "control 2", pytest.approx(8.0))


def speed(*ratios: float, **other: object) -> ModelSpeed:
    said = {"model": "a", "control": "b", "frames": 4, "width": 32, "height": 16, "ratios": ratios, "seconds": 1.0}
    return ModelSpeed(**{**said, **other})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "then", "threshold", "slower"),
    [
        ((1.26, 9.0), (1.0, 0.5), 0.25, True),
        ((1.25, 9.0), (1.0, 0.5), 0.25, False),  # the fastest turn counts, and the limit is allowed
        ((1.26, 9.0), (0.5, 1.1), 0.25, False),  # the slowest one of then counts
        ((0.1,), (9.0,), 0.0, False),
        ((1.26,), (1.0,), 0.5, False),
    ],
)
def test_the_fastest_turn_is_held_against_the_slowest_of_then(
    now: tuple[float, ...], then: tuple[float, ...], threshold: float, slower: bool
) -> None:
    assert speed(*now).is_slower_than(speed(*then), threshold) is slower


@pytest.mark.parametrize("other", [{"control": "c"}, {"frames": 5}, {"width": 33}])
def test_what_was_measured_otherwise_is_not_compared(other: dict[str, object]) -> None:
    with pytest.raises(WrongUse, match=next(iter(other))):
        speed(1.0).is_slower_than(speed(1.0, **other), 0.25)


def test_a_baseline_is_made_kept_and_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "speed.json"
    command = ["model", "speed", "uniform", "--control", "center_prior", "--repeats", "2", "--baseline", kept]
    command += ["--frames", "2", "--size", "32", "16"]
    assert vidsal(*command) == 0
    assert "this is one now" in capsys.readouterr().err
    first = read_speed(kept)
    assert (first.frames, first.width, first.height, len(first.ratios)) == (2, 32, 16, 2)
    write_speed(kept, first.model_copy(update={"ratios": (1e6,)}))
    assert vidsal(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["slower"] is False
    write_speed(kept, first.model_copy(update={"ratios": (1e-6,)}))
    assert vidsal(*command) == 1
    assert "uniform is slower than in" in capsys.readouterr().err
    assert read_speed(kept).ratios == (1e-6,), "a baseline is never changed"
    assert vidsal(*command, "--size", "48", "16") == 2


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text[:-5],
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace("[\n  1.0\n ]", "[]"),
        lambda text: text.replace("[\n  1.0\n ]", "[-1.0]"),
        lambda text: text.replace('"seconds": 1.0', '"seconds": "1"'),
    ],
)
def test_a_damaged_baseline_is_named(tmp_path: Path, harm: Callable[[str], str]) -> None:
    path = tmp_path / "speed.json"
    write_speed(path, speed(1.0))
    assert read_speed(path) == speed(1.0)
    text = harm(path.read_text())
    assert text != path.read_text()
    path.write_text(text)
    with pytest.raises(BadData, match=r"speed\.json: not what `vidsal model speed` writes"):
        read_speed(path)


@pytest.mark.usefixtures("warm_children")
def test_models_that_cannot_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import sys\nfrom vidsal.benchmark.predictor import ModelInfo\n"
        "class Ends:\n"
        "    info = ModelInfo(name='ends')\n"
        "    def predict(self, frames, stimulus):\n"
        "        sys.exit(0)\n"
        "        yield\n"
        "class Silent(Ends):\n"
        "    def predict(self, frames, stimulus):\n"
        "        return iter(())\n"
    )
    for name, code, said in (
        ("one_vs_rest", 2, "handed the gaze of a data set"),
        ("center_prior_fitted", 2, "learns from the gaze of a data set"),
        (f"{own}:Ends", 1, "ends"),
        (f"{own}:Silent", 1, "predicts nothing of a clip of 24 frames"),
    ):
        assert vidsal("model", "speed", name, "--control", "uniform", "--repeats", 1) == code
        assert said in capsys.readouterr().err
