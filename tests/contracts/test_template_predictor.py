"""The templates that a user starts from conform to the protocol, and run the way their first lines say."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import vidsal
from vidsal.benchmark.conformance import check
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.cli.app import _run
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.records import Frame


def written(file: Path, *options: str) -> Iterator[ModuleType]:
    assert _run(["model", "template", str(file), *options]) == 0
    spec = importlib.util.spec_from_file_location(f"{file.stem}_under_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    yield from written(tmp_path_factory.mktemp("own") / "my_model.py")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    yield from written(tmp_path_factory.mktemp("own") / "my_network.py", "--torch")


@pytest.mark.parametrize("name", ["template", "network"])
def test_conforms(name: str, request: pytest.FixtureRequest) -> None:
    module = request.getfixturevalue(name)
    assert isinstance(module.MyModel(), Predictor)
    findings = check(module.MyModel)
    assert [f for f in findings if not f.ok] == []
    assert len(findings) == 9
    assert f"vidsal model check {Path(module.__file__).name}:MyModel" in module.__doc__


def test_the_network_reads_the_weights_that_it_is_given(network: ModuleType, tmp_path: Path) -> None:
    weights = {k: torch.zeros_like(v) for k, v in network.Network().state_dict().items()}
    torch.save(weights, tmp_path / "weights.pt")
    frames = [Frame(0, 0.0, np.full((32, 48, 3), 200, np.uint8))]
    info = StimulusInfo("clip", 48, 32, 25.0, "video", 1)
    [prediction] = network.MyModel(checkpoint=tmp_path / "weights.pt").predict(iter(frames), info)
    assert not prediction.values.any()
    [prediction] = network.MyModel().predict(iter(frames), info)
    assert prediction.values.any()


def test_a_file_in_the_way_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text("precious")
    assert _run(["model", "template", str(file)]) == 2
    assert file.read_text() == "precious"
    assert _run(["model", "template", str(tmp_path / "mine")]) == 2
    assert "name it" in capsys.readouterr().err


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
