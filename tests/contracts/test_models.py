"""Every registered model keeps the same contract. A new line in the registry is found by itself."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

import vidsal
from vidsal.baselines import build_module, checkpoints, load_model, registry
from vidsal.baselines.base import Misfit
from vidsal.baselines.checkpoints import Checkpoint, CheckpointWarning
from vidsal.baselines.networks import NetworkLoader
from vidsal.baselines.reference import itti_koch
from vidsal.benchmark.conformance import check, clip
from vidsal.benchmark.predictor import OTHER
from vidsal.cli import app as cli
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.errors import MissingData, UnknownName, WrongUse
from vidsal.loaders.registry import DATASETS
from vidsal.loaders.release.release import Release
from vidsal.models import ModelSpec, declared

SOURCE = Path(__file__).resolve().parents[2] / "src"
MODELS = registry.names()
HUMANS = registry.names("human")
NETWORKS = registry.names("network")
REFERENCES = registry.names("reference")
PREDICTORS = (*NETWORKS, *REFERENCES)

CHEAP = {"fpn_rim": {"backbone_model": "mobilenet_v3_small", "input_dims": (64, 64)}}
"""Options with which a network's forward pass costs little; of a network that is not named, its defaults."""


def text_of(value: Any) -> str:
    """Return an option's value as a user writes it."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("name", MODELS)
def test_declares_itself(name: str) -> None:
    line, info = registry.entry(name), declared(name)
    assert info.name == name
    assert line.summary
    assert info.licence, f"{name}: ModelInfo names no licence"
    assert all(seen in DATASETS or seen.startswith(OTHER) for seen in info.trained_on)
    assert bool(info.trained_on) == (line.kind == "network")
    if line.kind == "human":
        with pytest.raises(WrongUse, match=f"{name} is a human reference"):
            registry.baseline(name)
        return
    model = registry.baseline(name)
    assert (model.build is None, not model.signature) == (line.kind != "network",) * 2
    assert info.paper or line.kind == "reference"
    for published in model.checkpoints:
        assert published.model == name
        assert published.file
        assert published.source.startswith("https://")
        assert published.licence
        assert published.trained_on
        for key, value in published.options.items():
            assert model.options[key].check(key, value) == value


@pytest.mark.parametrize("name", PREDICTORS)
def test_options_survive_the_command_line(name: str) -> None:
    options = registry.baseline(name).options
    for key, option in options.items():
        assert option.help
        values = {option.default, *option.choices} - (
            {None} if option.kind == "text" and not option.optional else set()
        )
        for value in values:
            assert option.check(key, value) == value
            assert registry.parse_options(name, [f"{key}={text_of(value)}"]) == {key: value}
        if option.kind != "text" or option.choices:
            with pytest.raises(WrongUse, match=f"option {key}='\\?': .*{option.expected()[:20]}.* was expected"):
                registry.parse_options(name, [f"{key}=?"])
        if not option.optional:
            with pytest.raises(WrongUse, match=f"option {key}=None"):
                option.check(key, None)


@pytest.mark.parametrize("name", PREDICTORS)
def test_an_unknown_option_names_the_nearest(name: str) -> None:
    options = registry.baseline(name).options
    for key in options:
        for refuse in (
            lambda wrong: registry.parse_options(name, [f"{wrong}=1"]),
            lambda wrong: load_model(name, **{wrong: 1}),
        ):
            with pytest.raises(UnknownName, match=f"option of {name} '{key}_'; did you mean '{key}'"):
                refuse(f"{key}_")
    if not options:
        with pytest.raises(UnknownName, match="it has none"):
            load_model(name, speed=1)


@pytest.mark.parametrize("name", MODELS)
def test_its_spec_goes_to_another_process(name: str) -> None:
    options = {} if name in HUMANS else {key: o.default for key, o in registry.baseline(name).options.items()}
    spec = ModelSpec(name, device="cpu", options=options)
    again = pickle.loads(pickle.dumps(spec))  # noqa: S301
    assert again == spec
    if name not in NETWORKS:
        made = again()
        assert made.info == declared(name)
        assert again.record(made).kind == registry.entry(name).kind


@pytest.mark.parametrize("name", NETWORKS)
def test_without_a_checkpoint_it_says_how_to_get_one(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(checkpoints.FOLDERS, str(tmp_path))
    with pytest.raises(MissingData, match=f"no checkpoint of {name} found") as caught:
        load_model(name)
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert str(tmp_path) in message
    for published in registry.baseline(name).checkpoints:
        assert published.file in message
        assert published.source in message
    if not registry.baseline(name).checkpoints:
        assert f"No weights of {name} were published" in message


@pytest.mark.parametrize("name", REFERENCES)
def test_what_has_no_weights_takes_none(name: str) -> None:
    with pytest.raises(WrongUse, match=f"{name} has no weights"):
        load_model(name, "weights.pt")
    with pytest.raises(WrongUse, match=f"{name} is no network"):
        build_module(name)


@pytest.fixture(scope="module")
def shapes() -> dict[str, dict[str, torch.Tensor]]:
    """Each network's state_dict as zeros that take no memory."""
    found = {}
    for name in NETWORKS:
        with torch.device("meta"):
            state = build_module(name, **CHEAP.get(name, {})).state_dict()
        found[name] = {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in state.items()}
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_its_weights_are_recognized(name: str, shapes: dict[str, dict[str, torch.Tensor]]) -> None:
    signature = registry.baseline(name).signature
    assert {key: shapes[name][key].ndim for key in signature} == dict(signature)
    with pytest.raises(Misfit) as caught:
        checkpoints.fit(torch.nn.Linear(1, 1), Checkpoint(Path("weights.pt"), None, shapes[name]), "another")
    assert registry.likeness(caught.value, "another") == f"The file looks like {name}: load it under that name"


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_found_by_name_are_those_that_a_run_records(
    name: str, shapes: dict[str, dict[str, torch.Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(shapes[name], tmp_path / "weights.pt")
    monkeypatch.setenv(checkpoints.FOLDERS, str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        spec = ModelSpec(name, Path("weights.pt"))
        model = spec()
    record = spec.record(model)
    assert (record.info.name, record.kind) == (name, "network")
    assert record.checkpoint == "weights.pt"
    assert record.checkpoint_sha256 == checkpoints.digests(tmp_path / "weights.pt")[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_one_input_size_says_what_it_does_to_other_aspects(name: str) -> None:
    module = import_module(f"vidsal.baselines.{registry.entry(name).module}")
    if hasattr(module, "HEIGHT") and hasattr(module, "WIDTH"):
        assert registry.baseline(name).info.fit == "stretch"


@pytest.mark.parametrize("name", [*REFERENCES, *(pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS)])
def test_conforms(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ahead is proved by changing the future; networks have random weights. Clips are small, and so is the size to
    which a model brings its input, where it has one."""
    monkeypatch.setattr(clip, "__defaults__", (24, 64, 48))
    module = import_module(f"vidsal.baselines.{registry.entry(name).module}")
    for size, pixels in {"HEIGHT": 32, "WIDTH": 64, "LONGEST": 128}.items():
        if hasattr(module, size):
            monkeypatch.setattr(module, size, pixels)
    if name in REFERENCES:
        findings = check(ModelSpec(name))
    else:
        torch.manual_seed(0)
        network = build_module(name, **CHEAP.get(name, {})).eval()
        load = registry.baseline(name).load
        assert isinstance(load, NetworkLoader)
        findings = check(lambda: load.predictor(network, "cpu"))
    assert [f for f in findings if not f.ok] == []
    rules = {f.rule for f in findings}
    assert "fit" in rules or {"frames", "values", "state", "lookahead", "streaming", "odd size"} <= rules


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("models")
    generate(folder / "source", videos=3, frames=5, width=48, height=32, observers=3, val=1)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return vidsal.load(folder / "release", split="train")


@pytest.mark.parametrize("name", [*REFERENCES, *HUMANS])
def test_what_needs_no_weights_runs(name: str, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(itti_koch, "LONGEST", 128)
    run = vidsal.evaluate(ModelSpec(name)(), release)
    assert len(run.frames) == 10
    assert run.frames["NSS"].notna().all()
    assert run.record["model"]["name"] == name


def report(*arguments: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what a command reports as JSON."""
    assert cli._run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_line_describes_them(capsys: pytest.CaptureFixture[str]) -> None:
    lines = report("model", "list", capsys=capsys)
    assert [line["name"] for line in lines] == list(MODELS)
    for line in lines:
        name = line["name"]
        assert tuple(line["trained_on"]) == declared(name).trained_on
        found = report("model", "info", name, capsys=capsys)
        assert {key: found[key] for key in line} == line
        assert set(found["options"]) == set(() if name in HUMANS else registry.baseline(name).options)


def test_descriptions_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from vidsal.baselines import registry\n"
        "names = registry.names()\n"
        "assert not [m for m in sys.modules if m.startswith('vidsal.baselines.') and m.count('.') > 2], 'all at once'\n"
        "[registry.baseline(name) for name in names if registry.entry(name).kind != 'human']\n"
        "assert not {'torch', 'av', 'matplotlib'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SOURCE)})
