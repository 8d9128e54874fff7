"""UNISAL's network: its state_dict, its goldens, its rules of shape and state, and the frozen form against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from vidsal.baselines import build_module
from vidsal.baselines.nn.gaussian_priors import gaussian_maps
from vidsal.baselines.preprocess import normalize
from vidsal.baselines.unisal.inference import CELL, REACH, FoldedUNISAL, polyphase
from vidsal.baselines.unisal.layers import DOMAINS, DomainNorm
from vidsal.baselines.unisal.network import UNISAL
from vidsal.loaders.errors import UnknownName, WrongUse

UInt8 = npt.NDArray[np.uint8]
DOMAIN_CASES = [f"{domain.lower()}_{mode}_64x96" for domain in DOMAINS for mode in ("dynamic", "static")]


@pytest.fixture(scope="module")
def network(filled: Callable[..., Any]) -> UNISAL:
    module = filled("unisal", "unisal")
    assert isinstance(module, UNISAL)
    return module


def clip(video: UInt8) -> torch.Tensor:
    """(T, H, W, 3) uint8 to the network's input (T, 3, H, W)."""
    return normalize(torch.from_numpy(video).permute(0, 3, 1, 2).contiguous().float() / 255)


def clips(recipe: ModuleType, case: dict[str, Any]) -> torch.Tensor:
    given = case["input"] if isinstance(case["input"], list) else [case["input"]]
    return torch.stack([clip(recipe.make_video(one["seed"], one["t"], one["h"], one["w"])) for one in given])


def run(network: UNISAL, *args: Any, **options: Any) -> Any:
    with torch.inference_mode():
        return network(*args, **options)


@pytest.mark.data
def test_state_dict_is_the_published_one(goldens: Path) -> None:
    text = (goldens / "models" / "unisal" / "manifest_default.json").read_text()
    published = {key: (tuple(shape), dtype) for key, shape, dtype, *_ in json.loads(text)["entries"]}
    ours = {
        key: (tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for key, value in build_module("unisal").state_dict().items()
    }
    assert ours == published


def test_size_of_the_network() -> None:
    module = build_module("unisal")
    assert len(module.state_dict()) == 835
    assert sum(value.numel() for value in module.parameters()) == 3_714_872


@pytest.mark.data
def test_values_before_training(goldens: Path) -> None:
    golden = np.load(goldens / "models" / "unisal" / "init_values.npz")
    state = build_module("unisal").state_dict()
    for domain in DOMAINS:
        np.testing.assert_array_equal(state[f"coarse_gaussians_{domain.lower()}"], golden["coarse_gaussians"])
        np.testing.assert_allclose(state[f"smoothing_{domain.lower()}.weight"], golden["smoothing"], rtol=1e-6, atol=0)


@pytest.mark.data
@pytest.mark.parametrize("name", [*DOMAIN_CASES, "dhf1k_portrait_target75x50"])
def test_domain_goldens(
    name: str,
    network: UNISAL,
    recipe: ModuleType,
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
) -> None:
    case = golden_cases("unisal")[name]
    x = clips(recipe, case)
    out = run(network, x, target_size=case.get("target_size"), source=case["source"], static=case["static"])
    golden = np.load(goldens / "models" / "unisal" / case["file"])["log_density"]
    assert_golden(out, golden, case["f32_vs_f64_max_abs"]["log_density"])


@pytest.mark.data
def test_chunks_carry_their_state(
    network: UNISAL,
    recipe: ModuleType,
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
) -> None:
    case = golden_cases("unisal")["chunks_of_6"]
    golden = np.load(goldens / "models" / "unisal" / case["file"])
    x, state, out = clips(recipe, case), None, []
    for start in range(0, x.shape[1], 6):
        part, state = run(
            network, x[:, start : start + 6], h0=state, return_hidden=True, source=case["source"], static=False
        )
        out.append(part)
    assert_golden(torch.cat(out, 1), golden["log_density"], case["f32_vs_f64_max_abs"]["log_density"])
    assert_golden(state, golden["hidden"], case["f32_vs_f64_max_abs"]["hidden"])


@pytest.mark.data
@pytest.mark.parametrize(("static", "key"), [(False, "static_false"), (None, "static_none")])
def test_frame_by_frame(
    static: bool | None,
    key: str,
    network: UNISAL,
    recipe: ModuleType,
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
) -> None:
    case = golden_cases("unisal")["frame_by_frame"]
    state, out = None, []
    for frame in clips(recipe, case).split(1, 1):
        one, state = run(network, frame, h0=state, return_hidden=True, static=static)
        out.append(one)
    golden = np.load(goldens / "models" / "unisal" / case["file"])[key]
    assert_golden(torch.cat(out, 1), golden, case["f32_vs_f64_max_abs"][key])


@pytest.mark.data
def test_parts(
    network: UNISAL,
    recipe: ModuleType,
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
) -> None:
    golden = np.load(goldens / "models" / "unisal" / "parts.npz")
    with torch.inference_mode():
        top, mid, low = network.cnn(clips(recipe, golden_cases("unisal")["parts"])[0])
        priors = network.priors("Hollywood", 7, 12)
    for ours, key in ((top, "feat_1x"), (mid, "feat_2x"), (low, "feat_4x"), (priors, "gaussian_maps")):
        # no floor is recorded; another memory layout alone moves feat_1x by 2e-4 (values up to 6)
        assert_golden(ours, golden[key], 3e-5)


def test_densities_sum_to_one_at_any_size(network: UNISAL) -> None:
    out = run(network, torch.randn(2, 2, 3, 64, 96), target_size=(33, 71), source="Hollywood")
    assert out.shape == (2, 2, 1, 33, 71)
    torch.testing.assert_close(out.exp().sum((-2, -1)), torch.ones(2, 2, 1), rtol=0, atol=1e-5)


def test_state_may_come_as_a_sequence_of_one(network: UNISAL) -> None:
    x = torch.randn(1, 2, 3, 64, 64)
    _, state = run(network, x, return_hidden=True)
    bare, listed = run(network, x, h0=state), run(network, x, h0=[state])
    assert torch.equal(bare, listed)
    assert torch.equal(run(network, x, h0=[None]), run(network, x))
    assert not torch.equal(bare, run(network, x))


def test_static_returns_no_state(network: UNISAL) -> None:
    x = torch.randn(1, 1, 3, 64, 64)
    out, state = run(network, x, return_hidden=True)
    assert state is None
    assert torch.equal(out, run(network, x, static=True))


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 1, 1, 64, 64), (1, 0, 3, 64, 64)])
def test_refuses_what_is_no_clip(network: UNISAL, shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongUse, match=r"clips \(B, T, 3, H, W\)"):
        network(torch.zeros(shape))


def test_refuses_sizes_that_are_no_multiples(network: UNISAL) -> None:
    with pytest.raises(WrongUse, match="multiples of 32, found 64 x 100"):
        network(torch.zeros(1, 1, 3, 64, 100))


def test_unknown_domain_names_the_nearest(network: UNISAL) -> None:
    with pytest.raises(UnknownName, match="did you mean 'UCFSports'"):
        network(torch.zeros(1, 1, 3, 64, 64), source="ucfsports")


def test_prior_peaks_where_it_should() -> None:
    maps = gaussian_maps(torch.tensor([[[0.25, -2.0], [0.75, -1.0]]]), 5, 9)
    assert maps.shape == (1, 5, 9)
    assert maps[0, 1, 6] == 6.0
    assert maps.argmax() == 1 * 9 + 6
    # one row of a unit square of 5 rows is 0.25 away: exp(-(0.25 / e^-2)^2 / 2)
    assert float(maps[0, 2, 6]) == pytest.approx(6 * np.exp(-((0.25 / np.exp(-2)) ** 2) / 2), rel=1e-6)


def test_training_draws_a_mask_and_evaluation_none(network: UNISAL) -> None:
    module = build_module("unisal")
    before = torch.get_rng_state()
    module.eval()(torch.zeros(1, 2, 3, 64, 64))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(module.state_dict()["rnn.cell_list.0.drop_mask_1"], torch.ones(3, 256))
    module.train()(torch.randn(1, 2, 3, 64, 64)).sum().backward()
    mask = module.state_dict()["rnn.cell_list.0.drop_mask_1"]
    assert set(mask.unique().tolist()) == {0.0, 1.25}


def test_domain_norms_have_their_own_statistics() -> None:
    norm = DomainNorm(2).train()
    norm(torch.full((1, 2, 3, 3), 5.0), "Hollywood")
    assert float(norm.of("Hollywood").running_mean[0]) == pytest.approx(0.05)
    assert float(norm.of("DHF1K").running_mean[0]) == 0.0


@pytest.mark.parametrize("domain", DOMAINS)
def test_frozen_form_equals_the_network(network: UNISAL, recipe: ModuleType, domain: str) -> None:
    x = clip(recipe.make_video(7, 6, 96, 64))
    frozen = FoldedUNISAL(network, domain)
    with torch.inference_mode():
        state: torch.Tensor | None = frozen.first_state(x, 3)
        for step in range(2):
            # three interleaved sequences of two frames each
            maps, state = frozen(x[3 * step : 3 * step + 3], state, (50, 41))
        sequences = torch.stack((x[:3], x[3:]), 1)
        plain, hidden = network(sequences, target_size=(50, 41), source=domain, static=False, return_hidden=True)
        still, none = frozen(x[:1], None, (50, 41))
        bypassed = network(x[None, :1], target_size=(50, 41), source=domain)
    assert none is None
    torch.testing.assert_close(maps, plain[:, 1], rtol=0, atol=3e-4)
    torch.testing.assert_close(state, hidden, rtol=0, atol=2e-3)
    torch.testing.assert_close(still, bypassed[:, 0], rtol=0, atol=3e-4)


def test_frozen_form_equals_the_network_in_double_precision(fill: Callable[..., Any]) -> None:
    """In float64 the rearrangement must agree to rounding, so that no real difference hides in float32's."""
    double = fill(build_module("unisal"), "unisal", "double").double()
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 64, 96)))
    frozen = FoldedUNISAL(double, "SALICON")
    with torch.inference_mode():
        ours, _ = frozen(x, frozen.first_state(x, 2), (64, 96))
        plain = double(x[:, None], source="SALICON", static=False)[:, 0]
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-9)


def test_polyphase_filter_equals_enlarging_first() -> None:
    rng = np.random.default_rng(0)
    kernel = torch.from_numpy(rng.normal(size=(41, 41)))
    small = torch.from_numpy(rng.normal(size=(1, 1, 5, 7)))
    large = F.pad(F.interpolate(small, scale_factor=CELL, mode="nearest"), [20] * 4, mode="replicate")
    expected = F.conv2d(large, kernel[None, None])
    padded = F.pad(small, [REACH] * 4, mode="replicate")
    torch.testing.assert_close(F.pixel_shuffle(F.conv2d(padded, polyphase(kernel)), CELL), expected)
