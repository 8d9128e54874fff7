"""FPN+RIM's network: against the goldens, against loops written out, and against torch's own layers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from vidsal.baselines import build_module
from vidsal.baselines.fpn_rim.cell import RimCell, RimState, active_units
from vidsal.baselines.fpn_rim.inference import FastFpnRim
from vidsal.baselines.fpn_rim.network import Attention, FpnRim, Lstm
from vidsal.baselines.nn.folded import fold, folded
from vidsal.baselines.nn.pyramid_backbones import BACKBONES, pyramid_backbone
from vidsal.loaders.errors import UnknownName, WrongUse

CLIPS = (
    "small_96_T12",
    "small_96_batch2_T6",
    "small_64x128_T6",
    "small_96_teacher_p1_T6",
    "small_96_teacher_p0_T6",
    "small_96_noteacher_T6",
    "small_96_em_T5",
    "small_96_alllevels_T5",
    "small_96_channelwise_T5",
    "small_96_layers2_T5",
    "small_96_lstm_T5",
    "small_96_mbv3small_T5",
)
SMALL = {"input_dims": (32, 64), "rim_hidden_size": 16}
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"rim_k": 6},
    {"n_teacher_vals": 0},
    {"predict_em": True},
    {"fpn_only_use_last_layer": False},
    {"rim_layers": 2},
    {"channel_wise_attention": True},
    {"mode": "LSTM"},
    {"input_attn_heads": 3, "rim_num_units": 5, "rim_k": 2},
    {"backbone_model": "mobilenet_v3_small"},
)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def names(variant: dict[str, Any]) -> str:
    return "-".join(f"{key}={value}" for key, value in variant.items()) or "thesis"


def normalized(rgb: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Return (3, T, H, W) from frames (T, H, W, 3)."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(((rgb / 255 - mean) / std).astype(np.float32)).permute(3, 0, 1, 2)


def golden_clip(given: Any, recipe: Any) -> torch.Tensor:
    clips = given if isinstance(given, list) else [given]
    return torch.stack([normalized(recipe.make_video(c["seed"], c["t"], c["h"], c["w"])) for c in clips])


def golden_network(case: dict[str, Any], fill: Callable[..., Any]) -> FpnRim:
    return fill(
        build_module("fpn_rim", **case.get("constructor", {"input_dims": (96, 96), "rim_hidden_size": 64})), "fpn_rim"
    )


def check_clip(
    case: dict[str, Any], network: FpnRim, recipe: Any, goldens: Path, assert_golden: Any, n: int | None = None
) -> None:
    """Compare the first `n` frames, or all and the state after them."""
    wanted = np.load(goldens / "models/fpn_rim" / case["file"])
    clip, labels = golden_clip(case["input"], recipe)[:, :, :n], None
    if case["labels"]:
        name = case["labels"].split("'")[1]
        labels = torch.from_numpy((2 * recipe.uniform(name, (1, clip.shape[2], 2)) - 1).astype(np.float32))
    trace = network.trace(clip, labels)
    floor = case["f32_vs_f64_max_abs"]["gaze"]
    assert_golden(trace.gaze, wanted["gaze"][:, :n], floor)
    if case["id"] == "small_96_mbv3small_T5":
        assert torch.equal(network(clip, labels), trace.gaze)
    if trace.unit_mask is not None:
        assert np.array_equal(trace.unit_mask, wanted["unit_mask"][:, :n])
    if trace.unit_mask is not None and n is None:
        assert_golden(trace.carry.state.hidden, wanted["h_final"], floor)
        assert_golden(trace.carry.state.cell, wanted["c_final"], floor)
    if labels is None:
        fast = FastFpnRim(network)
        tokens = torch.stack([fast.tokens(one.transpose(0, 1)) for one in clip])
        again = fast.follow(tokens)
        assert_golden(again.gaze, wanted["gaze"][:, :n], floor)
        assert trace.unit_mask is None or np.array_equal(again.unit_mask, wanted["unit_mask"][:, :n])


@pytest.mark.data
@pytest.mark.parametrize("name", CLIPS)
def test_clips_are_golden(
    name: str, fill: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("fpn_rim")[name]
    network = golden_network(case, fill)
    manifest = json.loads((goldens / f"models/fpn_rim/manifest_{case['variant']}.json").read_text())
    state = network.state_dict()
    ours = [(key, list(v.shape), str(v.dtype).removeprefix("torch.")) for key, v in state.items()]
    assert ours == [(key, shape, dtype) for key, shape, dtype, _, _ in manifest["entries"]]
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained == manifest["n_trainable"]
    check_clip(case, network, recipe, goldens, assert_golden)


@pytest.mark.data
@pytest.mark.parametrize("n", [2, pytest.param(None, marks=pytest.mark.slow)])
def test_the_thesis_configuration_is_golden(
    n: int | None, fill: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("fpn_rim")["default_224_T8"]
    check_clip(case, golden_network(case, fill), recipe, goldens, assert_golden, n)


@pytest.mark.data
def test_features_are_golden(fill: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any) -> None:
    case = golden_cases("fpn_rim")["fpn_features_96"]
    network = golden_network(case, fill)
    frames = golden_clip(case["input"], recipe)[0].transpose(0, 1)
    wanted = np.load(goldens / "models/fpn_rim" / case["file"])
    floor = case["f32_vs_f64_max_abs"]["features"]
    assert_golden(network.tokens(frames)[:, 0], wanted["features"], floor)
    for tap, maps in zip((3, 6, 12, 16), network.backbone.body(frames), strict=True):
        golden = wanted[f"backbone_{tap}"]
        np.testing.assert_allclose(maps, golden, rtol=1e-4, atol=1e-5 * np.abs(golden).max())


@pytest.mark.data
def test_a_step_from_a_given_state_is_golden(
    fill: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("fpn_rim")["rim_step_given_state"]
    network = golden_network(case, fill)
    given = {
        name: torch.from_numpy((2 * recipe.uniform(f"rim/{name}", shape) - 1).astype(np.float32))
        for name, shape in case["shapes"].items()
    }
    keys, values = network.rim.rimcell[0].attended(given["x"][0][:, None])
    feedback = given["yhat"][0][None, :, None].expand(1, 2, 6, 2).repeat(1, 1, 1, 50)
    out, state, mask = network.rim(keys, values, RimState(given["h"], given["c"]), feedback)
    wanted = np.load(goldens / "models/fpn_rim" / case["file"])
    floor = case["f32_vs_f64_max_abs"]
    assert_golden(out[None], wanted["out"], floor["out"])
    assert_golden(state.hidden, wanted["h"], floor["h"])
    assert_golden(state.cell, wanted["c"], floor["c"])
    assert np.array_equal(mask[None], wanted["mask"])


# Without goldens


def step_by_loops(
    cell: RimCell, x: npt.NDArray[Any], h: npt.NDArray[Any], c: npt.NDArray[Any], fed: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], list[int]]:
    """One clip, one token, one unit and one head after the other, in double precision."""
    weights = {key: value.double().numpy() for key, value in cell.state_dict().items()}

    def softmax(v: npt.NDArray[Any]) -> npt.NDArray[Any]:
        e = np.exp(v - v.max())
        return e / e.sum()

    def sigmoid(v: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return 1 / (1 + np.exp(-v))

    units, size, heads = cell.units, cell.hidden, cell.heads
    tokens = [x, np.zeros_like(x)]
    keys = [weights["key.weight"] @ t + weights["key.bias"] for t in tokens]
    values = [(weights["value.weight"] @ t + weights["value.bias"]).reshape(heads, 400).mean(0) for t in tokens]
    chances = []
    for u in range(units):
        query = h[u] @ weights["query.w"][u]
        scores = [
            np.mean([query[64 * n : 64 * n + 64] @ key[64 * n : 64 * n + 64] / 8 for n in range(heads)]) for key in keys
        ]
        chances.append(softmax(np.array(scores)))
    active = sorted(range(units), key=lambda u: chances[u][1])[: cell.k]
    new_h, new_c = h.copy(), c.copy()
    stepped = np.empty_like(h)
    for u in range(units):
        mixed = chances[u][0] * values[0] + chances[u][1] * values[1] if u in active else np.zeros(400)
        gates = np.concatenate([mixed, fed]) @ weights["rnn.i2h.w"][u] + h[u] @ weights["rnn.h2h.w"][u]
        i, f, o, g = (gates[n * size : n * size + size] for n in range(4))
        memory = c[u] * sigmoid(f) + sigmoid(i) * np.tanh(g)
        stepped[u] = sigmoid(o) * np.tanh(memory)
        if u in active:
            new_c[u] = memory
    for u in active:
        context = []
        for n in range(4):
            part = slice(32 * n, 32 * n + 32)
            query = (stepped[u] @ weights["query_.w"][u])[part]
            scores = [query @ (stepped[v] @ weights["key_.w"][v])[part] / np.sqrt(32) for v in range(units)]
            said = [(stepped[v] @ weights["value_.w"][v])[n * size : n * size + size] for v in range(units)]
            context.append(softmax(np.array(scores)) @ np.array(said))
        new_h[u] = stepped[u] + np.concatenate(context) @ weights["comm_attention_output.w"][u]
    return new_h, new_c, active


def test_a_step_equals_loops() -> None:
    torch.manual_seed(2)
    cell = RimCell(7, hidden=5, units=4, k=2, heads=2, feedback=3, input_dropout=0, comm_dropout=0).eval()
    for weight in cell.parameters():
        nn.init.normal_(weight, std=0.4)
    x, h, c, fed = torch.randn(1, 1, 7), torch.randn(1, 4, 5), torch.randn(1, 4, 5), torch.randn(3)
    hidden, memory, mask = cell(*cell.attended(x), h, c, fed.expand(1, 4, 3))
    wanted_h, wanted_c, active = step_by_loops(
        cell, x[0, 0].double().numpy(), h[0].double().numpy(), c[0].double().numpy(), fed.double().numpy()
    )
    assert mask[0].nonzero().flatten().tolist() == sorted(active)
    np.testing.assert_allclose(hidden[0], wanted_h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(memory[0], wanted_c, rtol=1e-4, atol=1e-5)


def test_equal_units_are_chosen_as_published() -> None:
    mask = active_units(torch.full((2, 6), 0.5), 4)
    assert mask.tolist() == [[1, 0, 0, 1, 1, 1]] * 2
    assert active_units(torch.tensor([[0.9, 0.1, 0.5, 0.2]]), 2).tolist() == [[0, 1, 0, 1]]


def test_the_head_equals_attention_over_one_frame() -> None:
    torch.manual_seed(0)
    plain = nn.MultiheadAttention(12, 2)
    plain.out_proj = nn.Linear(12, 3)  # type: ignore[assignment]
    nn.init.normal_(plain.in_proj_bias)
    ours = Attention(12, 3)
    ours.load_state_dict(plain.state_dict())
    rows = torch.randn(5, 12)
    torch.testing.assert_close(ours(rows), plain(rows[None], rows[None], rows[None])[0][0])


def test_the_lstm_equals_torch() -> None:
    torch.manual_seed(0)
    plain = nn.LSTM(9, 5)
    ours = Lstm(9, 5)
    ours.load_state_dict(plain.state_dict())
    rows, h, c = torch.randn(2, 9), torch.randn(1, 2, 5), torch.randn(1, 2, 5)
    _, (wanted_h, wanted_c) = plain(rows[None], (h, c))
    state = ours(ours.drive(rows[:, :6]), rows[:, 6:], RimState(h, c))
    torch.testing.assert_close(state.hidden, wanted_h)
    torch.testing.assert_close(state.cell, wanted_c)


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_the_fast_form_and_frame_by_frame_agree_with_the_network(
    variant: dict[str, Any], fill: Any, recipe: Any
) -> None:
    network = fill(build_module("fpn_rim", **{**SMALL, **variant}), "fpn_rim", "v")
    clip = torch.stack([normalized(recipe.make_video(s, 5, 32, 64)) for s in (1, 2)])
    whole = network.trace(clip)
    assert whole.gaze.shape == (2, 5, 6 if variant.get("predict_em") else 2)
    carry, steps = None, []
    for number in range(5):
        trace = network.trace(clip[:, :, number : number + 1], carry=carry)
        carry = trace.carry
        steps.append(trace.gaze)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole.gaze, rtol=1e-4, atol=1e-5)
    fast = FastFpnRim(network)
    tokens = torch.stack([fast.tokens(one.transpose(0, 1)) for one in clip])
    first = fast.follow(tokens[:, :2])
    second = fast.follow(tokens[:, 2:], first.carry)
    gaze = torch.cat((first.gaze, second.gaze), dim=1)
    torch.testing.assert_close(gaze, whole.gaze, rtol=1e-4, atol=1e-4)
    if whole.unit_mask is not None:
        assert torch.equal(torch.cat((first.unit_mask, second.unit_mask), dim=1), whole.unit_mask)
        assert int(whole.unit_mask.sum()) == 2 * 5 * network.rim.rimcell[0].k
    torch.testing.assert_close(second.carry.state.hidden, whole.carry.state.hidden, rtol=1e-3, atol=1e-4)


def test_labels_are_drawn_as_published(fill: Any, recipe: Any) -> None:
    network = fill(build_module("fpn_rim", **SMALL, rim_layers=2, p_teacher_forcing=0.5), "fpn_rim")
    clip = normalized(recipe.make_video(1, 4, 32, 64))[None]
    labels = torch.full((1, 4, 2), 0.9)
    torch.manual_seed(7)
    forced = network(clip, labels)
    after = torch.rand(1)
    torch.manual_seed(7)
    for _ in range(3 * 2):  # frames with a previous label, layers
        torch.FloatTensor(1, 6).uniform_()
    assert torch.equal(after, torch.rand(1))
    torch.manual_seed(7)
    assert torch.equal(network(clip, labels), forced)
    assert not torch.equal(network(clip), forced)
    labels[:, 3] = -0.9  # the last label is no one's previous label
    torch.manual_seed(7)
    assert torch.equal(network(clip, labels), forced)


def test_it_trains_and_the_image_network_does_not(recipe: Any) -> None:
    torch.manual_seed(0)
    network = build_module("fpn_rim", **SMALL).train()
    clip = normalized(recipe.make_video(1, 3, 32, 64))[None]
    with torch.enable_grad():
        network(clip, torch.zeros(1, 3, 2)).square().sum().backward()
    moved = {key for key, weight in network.named_parameters() if weight.grad is not None}
    assert not any(key.startswith("backbone.") for key in moved)
    assert {"rim.rimcell.0.key.weight", "rim.rimcell.0.value_.w", "fpn.fpn.layer_blocks.0.0.weight"} <= moved


def test_old_pyramid_keys_load_strictly() -> None:
    torch.manual_seed(0)
    network = build_module("fpn_rim", **SMALL)
    old = {
        key.replace("blocks.0.0.", "blocks.0.").replace("blocks.1.0.", "blocks.1.")
        if key.startswith("fpn.")
        else key: value
        for key, value in network.state_dict().items()
    }
    assert "fpn.fpn.inner_blocks.0.weight" in old
    other = build_module("fpn_rim", **SMALL)
    other.load_state_dict(old)
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in other.state_dict().items())
    del old["fpn.fpn.inner_blocks.0.weight"]
    with pytest.raises(RuntimeError, match=r"fpn\.fpn\.inner_blocks\.0\.0\.weight"):
        other.load_state_dict(old)


def test_wrong_shapes_and_numbers_are_refused() -> None:
    network = build_module("fpn_rim", **SMALL)
    with pytest.raises(WrongUse, match=r"\(B, 3, T, 32, 64\)"):
        network(torch.zeros(1, 3, 2, 64, 32))
    with pytest.raises(WrongUse, match=r"\(B, 3, T, 32, 64\)"):
        network(torch.zeros(1, 3, 0, 32, 64))
    with pytest.raises(WrongUse, match="labels"):
        network(torch.zeros(1, 3, 2, 32, 64), torch.zeros(1, 2, 6))
    with pytest.raises(WrongUse, match="rim_k=7 of rim_num_units=6"):
        build_module("fpn_rim", **SMALL, rim_k=7)
    with pytest.raises(WrongUse, match="mode='GRU'"):
        build_module("fpn_rim", mode="GRU")
    with pytest.raises(WrongUse, match="backbone_model='alexnet'.*mobilenet_v3_large"):
        build_module("fpn_rim", backbone_model="alexnet")
    with pytest.raises(UnknownName, match="'resnet150'.*did you mean 'resnet152'"):
        pyramid_backbone("resnet150")


# The image networks: parameters as published for the whole network, less those behind the last tap

PARAMETERS = {
    "mobilenet_v3_large": 5_483_032 - (960 * 1280 + 1280) - (1280 * 1000 + 1000),
    "mobilenetv3_large_100": 5_483_032 - (960 * 1280 + 1280) - (1280 * 1000 + 1000),
    "mobilenet_v3_small": 2_542_856 - (576 * 1024 + 1024) - (1024 * 1000 + 1000) - (96 * 576 + 2 * 576),
    "efficientnet_b0": 5_288_548 - (1280 * 1000 + 1000) - (320 * 1280 + 2 * 1280),
    "efficientnet_b7": 66_347_960 - (2560 * 1000 + 1000) - (640 * 2560 + 2 * 2560),
    "densenet201": 20_013_928 - (1920 * 1000 + 1000) - 2 * 1920,
    "vgg19": 143_667_240 - (25088 * 4096 + 4096) - (4096 * 4096 + 4096) - (4096 * 1000 + 1000),
    "resnet152": 60_192_808 - (2048 * 1000 + 1000),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_image_networks_have_the_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        network = BACKBONES[name].build()
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]
    key, shape = BACKBONES[name].mark
    assert tuple(network.state_dict()[key].shape) == shape


@pytest.mark.parametrize("name", BACKBONES)
def test_image_networks_give_maps_of_the_declared_sizes(name: str) -> None:
    backbone = BACKBONES[name]
    with torch.device("meta"):
        network = backbone.build().eval()
    for size in ((101, 75), (33, 224)) if name == "mobilenet_v3_small" else ((101, 75),):
        maps = network(torch.empty(1, 3, *size, device="meta"))
        assert [m.shape[1] for m in maps] == list(backbone.channels)
        assert [tuple(m.shape[2:]) for m in maps] == backbone.level_sizes(size)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenetv3_large_100", "efficientnet_b0", "densenet201"])
def test_folding_changes_nothing_but_rounding(name: str) -> None:
    torch.manual_seed(1)
    network = BACKBONES[name].build().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    images = torch.randn(1, 3, 37, 50)
    before = images.clone()
    for plain, fast in zip(network(images), folded(network)(images), strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))
    assert torch.equal(images, before)


def test_timm_and_torchvision_name_the_same_layers() -> None:
    torch.manual_seed(1)
    ours, timm = BACKBONES["mobilenet_v3_large"].build().eval(), BACKBONES["mobilenetv3_large_100"].build().eval()
    timm.load_state_dict(dict(zip(timm.state_dict(), ours.state_dict().values(), strict=True)))
    for module in timm.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    images = torch.randn(1, 3, 64, 64)
    for a, b in zip(ours(images), timm(images), strict=True):
        torch.testing.assert_close(a, b)


def test_fold_by_hand() -> None:
    conv, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0).eval()
    conv.weight.fill_(3.0)
    norm.weight.fill_(4.0)
    norm.bias.fill_(1.0)
    norm.running_mean.fill_(2.0)  # type: ignore[union-attr]
    norm.running_var.fill_(0.25)  # type: ignore[union-attr]
    # (3 x - 2) / 0.5 * 4 + 1 = 24 x - 15
    weight, bias = fold(conv, norm)
    assert (float(weight), float(bias)) == (24.0, -15.0)
