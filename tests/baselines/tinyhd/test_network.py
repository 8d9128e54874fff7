"""The network of TinyHD against the goldens, and its fast copy against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidsal.baselines import build_module
from vidsal.baselines.tinyhd import inference as tinyhd_fast
from vidsal.baselines.tinyhd.inference import FastTinyHD
from vidsal.baselines.tinyhd.network import TinyHD
from vidsal.loaders.errors import WrongUse

MEAN = np.array((0.485, 0.456, 0.406)).reshape(3, 1, 1, 1)
STD = np.array((0.229, 0.224, 0.225)).reshape(3, 1, 1, 1)

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"S_rc{n}": ("tinyhd_s", {"reduced_channels": n}) for n in (1, 2, 4)},
    **{f"M_rc{n}": ("tinyhd_m", {"reduced_channels": n}) for n in (1, 2, 4)},
    "M_rc1_ucf": ("tinyhd_m", {"d1_last": False}),
}
CASES = [
    *(f"S_rc{n}_64x96" for n in (1, 2, 4)),
    *(f"M_rc{n}_64x96" for n in (1, 2, 4)),
    *(pytest.param(f"{one}", marks=pytest.mark.slow) for one in ("M_rc1_ucf_64x96", "S_rc4_96x128", "M_rc4_96x128")),
    "S_rc4_batch2_64x64",
]

Cases = Callable[[str], dict[str, dict[str, Any]]]


def _made(variant: str) -> TinyHD:
    name, options = VARIANTS[variant]
    module = build_module(name, **options)
    assert isinstance(module, TinyHD)
    return module


def _input(recipe: Any, case: dict[str, Any]) -> torch.Tensor:
    listed = case["input"] if isinstance(case["input"], list) else [case["input"]]
    clips = [recipe.make_video(i["seed"], i["t"], i["h"], i["w"]) for i in listed]
    x = np.stack([(clip.transpose(3, 0, 1, 2) / 255.0 - MEAN) / STD for clip in clips])
    return torch.from_numpy(x.astype(np.float32))


@pytest.mark.data
@pytest.mark.parametrize("variant", VARIANTS)
def test_state_dict_is_the_published_one(variant: str, goldens: Path) -> None:
    text = (goldens / "models" / "tinyhd" / f"manifest_{variant}.json").read_text()
    wanted = {key: (tuple(shape), dtype) for key, shape, dtype, *_ in json.loads(text)["entries"]}
    with torch.device("meta"):
        state = _made(variant).state_dict()
    assert len(state) == 980
    assert {key: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for key, v in state.items()} == wanted


@pytest.mark.data
@pytest.mark.parametrize("case_id", CASES)
def test_goldens(
    case_id: str, goldens: Path, golden_cases: Cases, recipe: Any, filled: Any, assert_golden: Any
) -> None:
    case = golden_cases("tinyhd")[case_id]
    name, options = VARIANTS[case["variant"]]
    module = filled(name, "tinyhd", case["weights_salt"], **options)
    x = _input(recipe, case)
    golden = np.load(goldens / "models" / "tinyhd" / case["file"])
    floors = case["f32_vs_f64_max_abs"]
    with torch.inference_mode():
        maps = module.maps(x)
        assert_golden(module.fuse(*maps), golden["out"], floors["out"])
        for part, found in zip(("inter_d1", "inter_d2", "inter_d3"), maps, strict=True):
            if part in golden:
                assert_golden(found, golden[part], floors[part])
        assert_golden(FastTinyHD(module)(x), golden["out"], floors["out"])


@pytest.mark.data
@pytest.mark.parametrize("case_id", ["S_rc4_encoder_64x64", "M_rc4_encoder_64x64"])
def test_features_of_the_encoder(case_id: str, goldens: Path, golden_cases: Cases, recipe: Any, filled: Any) -> None:
    case = golden_cases("tinyhd")[case_id]
    name, options = VARIANTS[case["variant"]]
    module = filled(name, "tinyhd", **options)
    golden = np.load(goldens / "models" / "tinyhd" / case["file"])
    shapes = []
    with torch.inference_mode():
        y = _input(recipe, case)
        for number, block in enumerate(module.encoder_blocks()):
            y = block(y)
            shapes.append(list(y.shape))
            if f"f{number}" in golden:
                np.testing.assert_allclose(y.numpy(), golden[f"f{number}"], rtol=1e-4, atol=1e-4)
    assert shapes[1:] == case["shapes"]


def _filled(name: str, filled: Any, **options: Any) -> TinyHD:
    module = filled(name, "tinyhd", "own", **options)
    assert isinstance(module, TinyHD)
    return module


@pytest.mark.parametrize(
    ("name", "divisor", "size"),
    [
        ("tinyhd_s", 1, (32, 32)),
        ("tinyhd_s", 2, (64, 32)),
        ("tinyhd_s", 4, (32, 96)),
        ("tinyhd_m", 1, (64, 32)),
        ("tinyhd_m", 2, (32, 96)),
        ("tinyhd_m", 4, (32, 32)),
    ],
)
def test_fast_copy_equals_the_module(
    name: str, divisor: int, size: tuple[int, int], filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _filled(name, filled, reduced_channels=divisor, d1_last=divisor == 2)
    x = torch.randn(2, 3, 16, *size, generator=torch.Generator().manual_seed(3))
    fast = FastTinyHD(module)
    with torch.inference_mode():
        wanted = module(x)
        found = fast(x)
        monkeypatch.setattr(tinyhd_fast, "STRIP_FLOATS", 1)  # strips of two rows: every seam there can be
        narrow = fast(x)
    assert found.shape == wanted.shape == ((2, 1, *size) if name == "tinyhd_s" else (2, 1, 16, *size))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=2e-4)
    torch.testing.assert_close(narrow, found, rtol=0, atol=2e-5)


def test_clips_of_a_batch_do_not_meet(filled: Any) -> None:
    module = _filled("tinyhd_m", filled, reduced_channels=4)
    x = torch.randn(2, 3, 16, 32, 64, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        both = module(x)
        torch.testing.assert_close(both[1:], module(x[1:]), rtol=0, atol=2e-5)
        assert torch.equal(FastTinyHD(module)(x)[1], FastTinyHD(module)(x[1:])[0])


def test_fast_copy_is_a_copy(fill: Any) -> None:
    module = fill(build_module("tinyhd_s", reduced_channels=4), "tinyhd")
    x = torch.randn(1, 3, 16, 32, 32, generator=torch.Generator().manual_seed(5))
    fast = FastTinyHD(module)
    with torch.inference_mode():
        before = fast(x)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    with torch.inference_mode():
        assert torch.equal(fast(x), before)


def test_order_of_the_decoders(filled: Any) -> None:
    one = _filled("tinyhd_m", filled, reduced_channels=4)
    other = _filled("tinyhd_m", filled, reduced_channels=4, d1_last=True)
    assert one.state_dict().keys() == other.state_dict().keys()
    x = torch.randn(1, 3, 16, 32, 32, generator=torch.Generator().manual_seed(6))
    weight = one.decoder["decoder"].get_submodule("0").weight
    with torch.inference_mode():
        d1, d2, d3 = one.maps(x)
        bias = one.decoder["decoder"].get_submodule("0").bias
        d1 = d1.expand(-1, -1, 16, -1, -1)
        for module, parts in ((one, (d1, d2, d3)), (other, (d2, d3, d1))):
            stacked = torch.cat(parts, 1)
            by_hand = torch.sigmoid((stacked * weight.view(1, 6, 1, 1, 1)).sum(1, keepdim=True) + bias)
            torch.testing.assert_close(module(x), by_hand, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(one(x), other(x), atol=1e-4)


def test_default_order() -> None:
    found = {
        (name, n): build_module(name, reduced_channels=n).d1_last for name in ("tinyhd_s", "tinyhd_m") for n in (1, 4)
    }
    assert found == {("tinyhd_s", 1): False, ("tinyhd_s", 4): False, ("tinyhd_m", 1): True, ("tinyhd_m", 4): False}


@pytest.mark.parametrize(
    "shape",
    [
        (3, 16, 32, 32),
        (1, 3, 15, 32, 32),
        (1, 1, 16, 32, 32),
        (1, 3, 16, 48, 32),
        (1, 3, 16, 32, 0),
        (0, 3, 16, 32, 32),
    ],
)
def test_wrong_input(shape: tuple[int, ...]) -> None:
    module = build_module("tinyhd_s", reduced_channels=4).eval()
    assert isinstance(module, TinyHD)
    for network in (module, FastTinyHD(module)):
        with pytest.raises(WrongUse, match=r"multiples of 32; found \("):
            network(torch.zeros(shape))


def test_trains() -> None:
    module = build_module("tinyhd_m", reduced_channels=4).train()
    module(torch.randn(2, 3, 16, 32, 32)).mean().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in module.parameters())
