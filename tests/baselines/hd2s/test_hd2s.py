"""HD2S in its three variants: the networks against the goldens, the predictor against the published script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidsal.baselines import build_module, load_model
from vidsal.baselines.checkpoints import Checkpoint
from vidsal.baselines.hd2s import predictor
from vidsal.baselines.hd2s.layers import GaussianLayer, reverse_gradient
from vidsal.baselines.hd2s.network import HD2S, HD2SAdapted, HD2SSpecific
from vidsal.baselines.windows.blurred_maps import blurred_map, stretched_map
from vidsal.loaders.errors import UnknownName, WrongUse

from ..s3d_cases import centered, info, predicted, videos

VARIANTS = {"base": "HD2S", "da": "HD2S_DA", "dsl": "HD2S_DSL"}
MAPS = ("sal2", "sal3", "sal4", "sal5", "out")


@pytest.fixture(scope="module")
def networks(recipe: Any) -> Callable[[str], Any]:
    """Return `networks(variant)`: with recipe weights, built once; the width of the blur stays as it was built."""
    made: dict[str, Any] = {}

    def network(variant: str) -> Any:
        if variant not in made:
            module = build_module("hd2s", variant=variant).eval()
            state = {key: value for key, value in module.state_dict().items() if not key.endswith(".sigma")}
            filled = recipe.fill_state_dict(state, model="hd2s", convert=torch.from_numpy)
            module.load_state_dict({**module.state_dict(), **filled})
            made[variant] = module
        return made[variant]

    return network


@pytest.fixture
def small_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "HEIGHT", 32)
    monkeypatch.setattr(predictor, "WIDTH", 64)


@pytest.mark.data
@pytest.mark.parametrize(("variant", "manifest"), VARIANTS.items())
def test_state_dict_is_the_published_one(variant: str, manifest: str, goldens: Path) -> None:
    entries = json.loads((goldens / f"models/hd2s/manifest_{manifest}.json").read_text())["entries"]
    with torch.device("meta"):
        module = build_module("hd2s", variant=variant)
    state = module.state_dict()
    ours = [[key, list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in state.items()]
    assert sorted(ours) == sorted(entry[:3] for entry in entries)
    assert predictor.shown_variant(Checkpoint(goldens, None, state)) == variant


@pytest.mark.data
@pytest.mark.parametrize("name", ["clip_64x96", "batch2_64x32"])
def test_base_goldens(
    name: str, networks: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("hd2s")[name]
    golden = np.load(goldens / "models/hd2s" / case["file"])
    network, x = networks("base"), centered(videos(recipe, case["input"]))
    with torch.inference_mode():
        squeezed = network.squeezed(network.features(x))
        maps = network.finished(squeezed)
    found = dict(zip(MAPS, maps, strict=True)) | {f"t{level}": values for level, values in squeezed.items()}
    for part, values in found.items():
        if part in golden:
            assert_golden(values, golden[part], case["f32_vs_f64_max_abs"][part])
    if "png8" in golden:
        np.testing.assert_array_equal(blurred_map(maps[4][0]), golden["png8"])


@pytest.mark.data
def test_domain_heads_are_golden(
    networks: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("hd2s")["da_heads_128x192"]
    golden = np.load(goldens / "models/hd2s" / case["file"])
    with torch.inference_mode():
        out, *chances = networks("da").with_domains(centered(videos(recipe, case["input"])))
    assert_golden(out[:, ::4, ::4], golden["out"], case["f32_vs_f64_max_abs"]["out"])
    for level, values in zip((5, 4, 3, 2), chances, strict=True):
        assert_golden(values, golden[f"dom{level}"], case["f32_vs_f64_max_abs"][f"dom{level}"])


@pytest.mark.data
def test_domain_specific_goldens(
    networks: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("hd2s")["dsl_hollywood_64x64"]
    golden = np.load(goldens / "models/hd2s" / case["file"])
    network, x = networks("dsl"), centered(videos(recipe, case["input"]))
    with torch.inference_mode():
        squeezed = network.squeezed(network.features(x))
        found = dict(zip(MAPS, network.finished(squeezed, "Hollywood", quantization=False), strict=True))
        found["out_raw"] = network.finished(squeezed, "Hollywood", activate_GL=False)[4]
        steps = network.finished(squeezed, "Hollywood")[4]
        other = network.finished(squeezed, "UCFSports")[4]
    for part, values in found.items():
        assert_golden(values, golden[part], case["f32_vs_f64_max_abs"][part])
    assert 1e-5 < (steps - found["out"]).abs().max() < 1 / 255 + 1e-5
    assert (other - steps).abs().max() > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_five_maps_in_both_modes(variant: str) -> None:
    module = build_module("hd2s", variant=variant)
    x = torch.zeros(2, 3, 16, 32, 32)
    with torch.no_grad():
        for mode in (True, False):
            maps = module.train(mode)(x, source="Hollywood") if variant == "dsl" else module.train(mode)(x)
            assert [tuple(one.shape) for one in maps] == [(2, 32, 32)] * 5


def test_classes_and_numbers_of_parameters() -> None:
    for variant, kind, count in (
        ("base", HD2S, 29_795_597),
        ("da", HD2SAdapted, 31_446_141),
        ("dsl", HD2SSpecific, 30_042_282),
    ):
        with torch.device("meta"):
            module = build_module("hd2s", variant=variant)
        assert type(module) is kind
        assert sum(p.numel() for p in module.parameters()) == count


def test_sizes(networks: Any) -> None:
    with torch.inference_mode():
        assert networks("base")(torch.zeros(1, 3, 5, 57, 26))[4].shape == (1, 64, 32)
    for shape in ((1, 3, 4, 32, 32), (1, 3, 17, 32, 32), (1, 3, 16, 56, 32), (3, 16, 32, 32)):
        with pytest.raises(WrongUse, match=r"clips \(B, 3, T, H, W\), T 5 to 16"):
            networks("base")(torch.zeros(shape))


def test_the_gradient_is_reversed() -> None:
    x = torch.ones(3, requires_grad=True)
    (reverse_gradient(x, 0.5) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5, -1.0, -1.5]


def test_the_blur_is_the_normalized_gaussian_with_zeros_beyond() -> None:
    blur = GaussianLayer(10).requires_grad_(False)
    assert blur.size == 61
    assert GaussianLayer(11).size == 67
    assert float(blur.sigma) == 5.0
    image = torch.zeros(1, 1, 90, 90)
    image[0, 0, 45, 45] = 1
    y, x = np.mgrid[-30:31, -30:31]
    kernel = np.exp(-(x**2 + y**2) / 50)
    np.testing.assert_allclose(blur(image)[0, 0, 15:76, 15:76], kernel / kernel.sum(), atol=1e-7)
    assert float(blur(torch.ones(1, 1, 90, 90))[0, 0, 0, 45]) < 0.6


@pytest.mark.data
@pytest.mark.usefixtures("small_input")
def test_the_published_script_over_a_video(
    networks: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("hd2s")["video_n34_32x64"]
    golden = np.load(goldens / "models/hd2s" / case["file"])
    (video,) = videos(recipe, case["input"])
    model = predictor.HD2SPredictor(networks("base"))
    assert (model.info.causal, model.info.lookahead) == (False, 15)
    maps = predicted(model, video)
    assert_golden(maps, golden["out"], case["f32_vs_f64_max_abs"]["out"])
    published = np.stack([model.published_map(one, info(video)) for one in maps]).astype(int)
    assert np.abs(published - golden["png8"]).max() <= 2
    assert (published == golden["png8"]).mean() >= 0.99


@pytest.mark.usefixtures("small_input")
def test_padded_windows_look_at_the_past_only(networks: Any, recipe: Any) -> None:
    video = recipe.make_video(6, 3, 40, 50)
    model = predictor.HD2SPredictor(networks("dsl"), first_frames="padded", source="UCFSports")
    assert (model.info.causal, model.info.lookahead) == (True, 0)
    assert model.info.trained_on == ("dhf1k", "hollywood2", "ucf-sports")
    maps = predicted(model, video)
    np.testing.assert_array_equal(predicted(model, video[[0, 2, 1]])[:1], maps[:1])
    window = torch.stack([model.prepared(rgb) for rgb in video[[0] * 14 + [1, 2]]], 1)[None]
    with torch.inference_mode():
        wanted = networks("dsl")(window, source="UCFSports")[4][0]
    # the truncation to steps of 1/255 before the blur turns rounding into single steps
    np.testing.assert_allclose(maps[2], wanted, rtol=0, atol=1e-4)


@pytest.mark.data
def test_published_maps(goldens: Path) -> None:
    golden = np.load(goldens / "models/hd2s/post_128x192.npz")
    np.testing.assert_array_equal(blurred_map(golden["map"]), golden["png8"])
    assert stretched_map(np.array([[0.1, 0.2], [0.05, 0.1999]])).tolist() == [[127, 255], [63, 254]]
    assert not blurred_map(np.zeros((4, 4))).any()


def test_weights_come_back(networks: Any, tmp_path: Path) -> None:
    torch.save({f"module.{key}": value for key, value in networks("base").state_dict().items()}, tmp_path / "w.pt")
    model = load_model("hd2s", tmp_path / "w.pt", first_frames="padded")
    assert isinstance(model, predictor.HD2SPredictor)
    with pytest.raises(WrongUse, match="show variant=base; leave the option out"):
        load_model("hd2s", tmp_path / "w.pt", variant="dsl")


def test_wrong_settings(networks: Any) -> None:
    with pytest.raises(WrongUse, match="max_sigma is a setting of variant dsl"):
        build_module("hd2s", max_sigma=11)
    with pytest.raises(WrongUse, match="variant='big'"):
        build_module("hd2s", variant="big")
    with pytest.raises(UnknownName, match="source of HD2S 'hollywood'; did you mean 'Hollywood'"):
        networks("dsl")(torch.zeros(1, 3, 16, 32, 32), source="hollywood")
