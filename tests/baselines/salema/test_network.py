"""SalEMA's and SalCLSTM's networks: state_dicts, goldens, the frozen forms and their convolutions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidsal.baselines import build_module
from vidsal.baselines.nn import fast_convolutions as fast
from vidsal.baselines.salema.inference import FastSalCLSTM, FastSalEMA
from vidsal.baselines.salema.network import SalCLSTM, SalEMA
from vidsal.baselines.salema.predictor import MEAN_BGR
from vidsal.loaders.errors import WrongUse

EMA_CASES = {
    "salema_a0.1_64x96_T12": 3,
    "salema_learned_alpha_64x96_T6": 2,
    "salema_residual_64x64_T4": 2,
    "salema_loc7_64x96_T4": 2,
    "salema_loc54_64x96_T4": 2,
    "salema_loc61_64x96_T4": 2,
    "salema_100x150_T3": 1,
}
"""Goldens, and how many of their frames are enough beside `make test-all`, which takes all."""
LSTM_CASES = [
    pytest.param("salclstm30_64x96_T8", marks=pytest.mark.slow),
    "salclstm30_residual_48x80_T4",
]
Salgan = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("rewritten_once")


@pytest.fixture(scope="module")
def salgan(filled: Callable[..., Any]) -> nn.Sequential:
    """The 62 layers with recipe weights, shared: filling them takes longer than most tests."""
    layers = filled("salema", "salema").salgan
    assert isinstance(layers, nn.Sequential)
    return layers


@pytest.fixture(scope="module")
def lstm(filled: Callable[..., Any]) -> SalCLSTM:
    module = filled("salclstm", "salema")
    assert isinstance(module, SalCLSTM)
    return module


@pytest.fixture(scope="module")
def thin(fill: Callable[..., Any], narrow: Callable[..., Any]) -> nn.Sequential:
    layers = fill(narrow(build_module("salema")), "salema").salgan
    assert isinstance(layers, nn.Sequential)
    return layers


def average(salgan: nn.Sequential, **options: Any) -> SalEMA:
    with torch.device("meta"):
        module = build_module("salema", **options)
    assert isinstance(module, SalEMA)
    if isinstance(module.alpha, nn.Parameter):
        module.alpha = nn.Parameter(torch.full((1,), 0.1))
    module.salgan = salgan
    return module.eval()


def frames_of(recipe: ModuleType, given: dict[str, Any]) -> Tensor:
    video = recipe.make_video(given["seed"], given["t"], given["h"], given["w"])
    bgr = (video[..., ::-1] - np.array(MEAN_BGR)).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(bgr.transpose(0, 3, 1, 2)))


def run(module: nn.Module, frames: Tensor) -> tuple[Tensor, Any]:
    """Maps (T, H, W) and the last state, frame by frame."""
    state, maps = None, []
    with torch.inference_mode():
        for frame in frames.split(1):
            out, state = module(frame, state)
            maps.append(out[0, 0])
    return torch.stack(maps), state


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "options", "manifest"),
    [
        ("salema", {}, "SalEMA"),
        ("salema", {"alpha": None}, "SalEMA_learned_alpha"),
        ("salclstm", {}, "SalCLSTM30"),
    ],
)
def test_state_dict_is_the_published_one(name: str, options: dict[str, Any], manifest: str, goldens: Path) -> None:
    text = (goldens / "models" / "salema" / f"manifest_{manifest}.json").read_text()
    published = [(key, tuple(shape), dtype) for key, shape, dtype, *_ in json.loads(text)["entries"]]
    with torch.device("meta"):
        state = build_module(name, **options).state_dict()
    ours = [(key, tuple(v.shape), str(v.dtype).removeprefix("torch.")) for key, v in state.items()]
    assert sorted(ours) == sorted(published)


@pytest.mark.parametrize(("name", "count"), [("salema", 31_787_009), ("salclstm", 50_663_425)])
def test_size_of_the_networks(name: str, count: int) -> None:
    with torch.device("meta"):
        assert sum(value.numel() for value in build_module(name).parameters()) == count


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n"),
    [*EMA_CASES.items(), *(pytest.param(name, None, marks=pytest.mark.slow) for name in EMA_CASES)],
)
def test_average_goldens(
    name: str,
    n: int | None,
    salgan: nn.Sequential,
    recipe: ModuleType,
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
) -> None:
    case = golden_cases("salema")[name]
    module = average(salgan, **{key: value for key, value in case["constructor"].items() if key != "kind"})
    if isinstance(module.alpha, nn.Parameter):
        module.alpha.data = torch.from_numpy(recipe.fill_array("alpha", (1,), model="salema"))
    golden = np.load(goldens / "models" / "salema" / case["file"])
    frames = frames_of(recipe, case["input"])[:n]
    floors = case["f32_vs_f64_max_abs"]
    maps, state = run(module, frames)
    assert_golden(maps, golden["saliency"][:n], floors["saliency"])
    if n is None and "final_state" in golden:
        assert_golden(state, golden["final_state"], floors["final_state"])
    with torch.inference_mode():
        frozen, last = FastSalEMA(module)(frames, None)
    assert_golden(frozen[:, 0], golden["saliency"][:n], floors["saliency"])
    torch.testing.assert_close(last, state, rtol=1e-4, atol=1e-4)


@pytest.mark.data
@pytest.mark.parametrize("name", LSTM_CASES)
def test_lstm_goldens(
    name: str,
    lstm: SalCLSTM,
    recipe: ModuleType,
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = golden_cases("salema")[name]
    monkeypatch.setattr(lstm, "residual", case["constructor"].get("residual", False))
    golden = np.load(goldens / "models" / "salema" / case["file"])
    frames = frames_of(recipe, case["input"])
    with torch.inference_mode():
        frozen, last = FastSalCLSTM(lstm)(frames, None)
    for maps, (hidden, cell) in (run(lstm, frames), (frozen[:, 0], last)):
        for ours, key in ((maps, "saliency"), (hidden, "final_state_0"), (cell, "final_state_1")):
            assert_golden(ours, golden[key], case["f32_vs_f64_max_abs"][key])


def test_the_new_frame_counts_a_sigmoid(thin: nn.Sequential) -> None:
    """With the average on the output the blend is seen directly: sigmoid(0.1) = 0.52498."""
    frames = torch.randn(2, 3, 32, 32) * 50
    averaged, _ = run(average(thin, ema_loc=61), frames)
    with torch.inference_mode():
        alone = thin(frames)[:, 0]
    share = 1 / (1 + math.exp(-0.1))
    torch.testing.assert_close(averaged[0], alone[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(averaged[1], share * alone[1] + (1 - share) * alone[0], rtol=0, atol=1e-5)


def test_learned_alpha_is_a_parameter() -> None:
    learned = build_module("salema", alpha=None)
    assert tuple(learned.state_dict()["alpha"].shape) == (1,)
    frame = torch.randn(1, 3, 16, 16)
    _, state = learned(frame)
    learned(frame + 1, state)[0].sum().backward()
    assert learned.get_parameter("alpha").grad is not None


def test_no_layer_62() -> None:
    with torch.device("meta"), pytest.raises(WrongUse, match=r"ema_loc is 62; the network has the modules 0\.\.61"):
        build_module("salema", ema_loc=62)


@pytest.mark.parametrize("place", [4, 0, 44, 36])
def test_residual_needs_equal_shapes(place: int) -> None:
    with torch.device("meta"), pytest.raises(WrongUse, match=f"module {place} changes the shape"):
        build_module("salema", ema_loc=place, residual=True)


@pytest.mark.parametrize("options", [{"ema_loc": 37}, {"ema_loc": 36}, {"ema_loc": 31, "residual": True}])
@pytest.mark.parametrize("encoder", [False, True])
def test_frozen_average_equals_the_network(thin: nn.Sequential, options: dict[str, Any], encoder: bool) -> None:
    """Layers at which fusing could go wrong: around an enlargement, and ReLUs; likewise in the encoder."""
    if encoder:
        options = {**options, "ema_loc": options["ema_loc"] - 29}  # convolution 7, ReLU 8 and 2's like
    if encoder and options.get("residual"):
        options = {"ema_loc": 8, "residual": True}
    module = average(thin, **options)
    frames = torch.randn(3, 3, 32, 48) * 50
    maps, state = run(module, frames)
    frozen = FastSalEMA(module)
    with torch.inference_mode():
        first, carried = frozen(frames[:2], None)
        second, carried = frozen(frames[2:], carried)
    torch.testing.assert_close(torch.cat((first, second))[:, 0], maps, rtol=0, atol=2e-5)
    torch.testing.assert_close(carried, state, rtol=1e-4, atol=1e-3)


CONVOLUTIONS = [
    pytest.param(fast.DirectConvolution, 1, id="direct"),
    pytest.param(fast.WinogradConvolution, 1, id="winograd"),
    pytest.param(fast.DoublingConvolution, 2, id="doubling"),
]


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (7, 5), (6, 8)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("band", [1, 1 << 18])
@pytest.mark.parametrize(("make", "factor"), CONVOLUTIONS)
def test_convolutions_with_fewer_products(
    make: Any, factor: int, band: int, bias: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64 against the definition, whole and in bands of one row, with and without ReLU."""
    monkeypatch.setattr(fast, "BAND", band)
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 3, padding=1, bias=bias).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        expected = conv(F.interpolate(x, scale_factor=factor, mode="nearest") if factor > 1 else x)
        torch.testing.assert_close(make(conv.weight, conv.bias)(x), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(make(conv.weight, conv.bias, rectify=True)(x), expected.relu(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "factor", "most"), [(fast.WinogradConvolution, 1, 20), (fast.DoublingConvolution, 2, 8)]
)
def test_rounding_of_the_rewritten_convolutions(make: Any, factor: int, most: int) -> None:
    """In float32 no more than some times the error of the direct convolution; at 0, 1, -1, 2, -2 it would be 34."""
    torch.manual_seed(0)
    conv = nn.Conv2d(256, 16, 3, padding=1)
    x = torch.randn(1, 256, 12, 16).relu()
    with torch.inference_mode():
        wide = F.interpolate(x, scale_factor=factor, mode="nearest") if factor > 1 else x
        exact = conv.double()(wide.double())
        conv.float()
        direct = (conv(wide) - exact).abs().max()
        assert (make(conv.weight, conv.bias)(x) - exact).abs().max() < most * direct


def test_maps_stay_in_range_at_odd_sizes() -> None:
    out, state = build_module("salema")(torch.randn(1, 3, 50, 37) * 50)
    assert out.shape == (1, 1, 48, 32)
    assert state.shape == (1, 512, 3, 2)
    values: npt.NDArray[np.float32] = out.detach().numpy()
    assert 0 <= values.min() <= values.max() <= 1
