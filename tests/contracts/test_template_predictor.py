"""The template that a user copies conforms to the protocol, and runs the way its first lines say."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import vidsal
from vidsal.benchmark.conformance import check
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.records import Frame

FILE = Path(__file__).resolve().parents[2] / "docs" / "template_predictor.py"


@pytest.fixture(scope="module")
def template() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("template_predictor_under_test", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_conforms(template: ModuleType) -> None:
    model = template.MyModel()
    assert isinstance(model, Predictor)
    findings = check(template.MyModel)
    assert [f for f in findings if not f.ok] == []
    assert len(findings) == 9


def test_a_copy_that_looks_ahead_is_caught(template: ModuleType) -> None:
    class Peeks(template.MyModel):  # type: ignore[misc, name-defined]
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            every = list(frames)
            yield from reversed([*super().predict(iter(every[::-1]), stimulus)])

    broken = {f.rule for f in check(Peeks) if not f.ok}
    assert {"lookahead", "streaming"} <= broken


def test_options_as_text_and_its_values(template: ModuleType) -> None:
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[15:25, 30:40] = 255
    frames = [Frame(0, 0.0, rgb), Frame(1, 40.0, np.zeros_like(rgb))]
    info = StimulusInfo("clip", 60, 40, 25.0, "video", 2)
    model = pickle.loads(pickle.dumps(template.MyModel(smooth="0.05", memory="0.5")))  # noqa: S301
    first, second = model.predict(iter(frames), info)
    y, x = np.unravel_index(first.values.argmax(), first.values.shape)
    assert 12 <= y <= 28
    assert 27 <= x <= 43
    np.testing.assert_allclose(second.values, 0.5 * first.values)


def test_runs_as_its_first_lines_say(template: ModuleType, tmp_path: Path) -> None:
    generate(tmp_path / "source", videos=3, frames=6, width=48, height=32, observers=3)
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    run = vidsal.evaluate(template.MyModel(), vidsal.load(tmp_path / "release", split="train"))
    assert len(run.frames) == 12
    assert np.isfinite(run.frames["NSS"]).all()
