"""The registry of models: lazy, strict about names and options."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vidsal.baselines import build_module, load_model, registry
from vidsal.baselines.base import Baseline, Option
from vidsal.benchmark.predictor import ModelInfo
from vidsal.loaders.errors import UnknownName, WrongUse


def test_kinds_part_the_names() -> None:
    parts = [registry.names(kind) for kind in ("network", "reference", "human")]
    assert sorted(name for part in parts for name in part) == sorted(registry.names())
    assert "tinyhd_m" in parts[0]
    assert "uniform" in parts[1]
    assert "gold_standard" in parts[2]


def test_unknown_name_lists_the_nearest() -> None:
    for use in (registry.entry, registry.baseline, build_module, load_model):
        with pytest.raises(UnknownName, match="did you mean 'tinyhd_s'") as caught:
            use("tinyhd-s")
        assert "Known: " in str(caught.value)
        assert "center_prior" in str(caught.value)


def test_a_human_reference_is_no_predictor() -> None:
    with pytest.raises(WrongUse, match="one_vs_rest is a human reference"):
        load_model("one_vs_rest")


def test_reference_has_no_network_and_no_weights() -> None:
    with pytest.raises(WrongUse, match="uniform is no network; networks are .*tinyhd_s"):
        build_module("uniform")
    with pytest.raises(WrongUse, match="uniform has no weights"):
        load_model("uniform", "weights.pth")


def test_wrong_options_name_the_known_ones() -> None:
    with pytest.raises(WrongUse, match="d1_first.*Known: .*d1_last.*reduced_channels"):
        build_module("tinyhd_s", d1_first=True)
    with pytest.raises(WrongUse, match="reduced_channels=3: one of 1, 2, 4 was expected"):
        build_module("tinyhd_s", reduced_channels=3)
    with pytest.raises(WrongUse, match="batch"):
        build_module("tinyhd_s", batch=2)  # of the predictor, not of the network
    with pytest.raises(WrongUse, match="threads='two': a whole number or none was expected"):
        load_model("tinyhd_s", "weights.pth", threads="two")


def test_options_from_text() -> None:
    given = registry.parse_options("tinyhd_m", ["reduced-channels=4", "d1_last=No", "batch=none", "threads = 2"])
    assert given == {"reduced_channels": 4, "d1_last": False, "batch": None, "threads": 2}
    with pytest.raises(WrongUse, match="'batch' has no value"):
        registry.parse_options("tinyhd_m", ["batch"])
    with pytest.raises(UnknownName, match="option of tinyhd_m 'bach'; did you mean 'batch'"):
        registry.parse_options("tinyhd_m", ["bach=1"])
    with pytest.raises(WrongUse, match="d1_last='maybe': true or false"):
        registry.parse_options("tinyhd_m", ["d1_last=maybe"])
    for word in ("nan", "inf", "-inf", "1e999"):
        with pytest.raises(WrongUse, match=f"option alpha={float(word)}: a number.*a finite one"):
            registry.parse_options("salema", [f"alpha={word}"])


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (Option("flag", False, ""), "TRUE", True),
        (Option("int", 1, ""), "-3", -3),
        (Option("float", 1.0, ""), "1e-1", 0.1),
        (Option("float", 1.0, "", optional=True), "None", None),
        (Option("text", "a", "", choices=("a", "b")), " b ", "b"),
        (Option("ints", (), ""), "8x56x56", (8, 56, 56)),
        (Option("ints", (), ""), "224,224", (224, 224)),
    ],
)
def test_option_kinds(option: Option, text: str, value: object) -> None:
    assert option.parse("k", text) == value
    assert option.check("k", value) == value


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        (Option("flag", False, ""), 1),
        (Option("int", 1, ""), True),
        (Option("int", 1, ""), 1.5),
        (Option("float", 1.0, ""), "1"),
        (Option("float", 1.0, ""), float("nan")),
        (Option("float", 1.0, ""), float("inf")),
        (Option("float", 1.0, ""), np.float32("-inf")),
        (Option("text", "a", "", choices=("a",)), "c"),
        (Option("ints", (), ""), (1, 2.0)),
        (Option("int", 1, ""), None),
    ],
)
def test_option_refuses(option: Option, wrong: object) -> None:
    with pytest.raises(WrongUse, match="was expected"):
        option.check("k", wrong)


def test_numpy_scalars_are_values() -> None:
    assert Option("int", 1, "").check("k", np.int64(3)) == 3
    assert type(Option("float", 1, "").check("k", np.float32(0.5))) is float
    with pytest.raises(WrongUse, match="option kind 'complex'"):
        Option("complex", 1, "")  # type: ignore[arg-type]


def test_a_new_model_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Constant:
        info = ModelInfo("constant")

    seen: dict[str, object] = {}

    def load(checkpoint: Path | None, device: str, **options: object) -> Constant:
        seen.update(options, checkpoint=checkpoint, device=device)
        return Constant()

    module = type(sys)("vidsal.baselines.constant_for_test")
    module.MODELS = {"constant": Baseline(Constant.info, load, {"level": Option("float", 0.5, "")})}  # type: ignore[attr-defined, arg-type]
    monkeypatch.setitem(sys.modules, "vidsal.baselines.constant_for_test", module)
    monkeypatch.setitem(registry.TABLE, "constant", registry.ModelEntry("constant_for_test", "reference", "constant"))
    assert isinstance(load_model("constant", level=1, device="cuda"), Constant)
    assert seen == {"level": 1.0, "checkpoint": None, "device": "cuda"}
