"""DeepGaze MR: the network against the goldens and against plain computations, the predictor by its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vidsal.baselines import build_module, load_model
from vidsal.baselines.deepgaze_mr.network import DeepGazeMR, FeatureMean, GaussianTaps
from vidsal.baselines.deepgaze_mr.predictor import CENTER_BIAS_FILE, DeepGazeMRPredictor, read_center_bias
from vidsal.benchmark.predictor import Prediction, Predictor, StimulusInfo
from vidsal.benchmark.scoring.center_prior import center_prior_density
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.records import Frame

FORWARD = (
    "fwd_64x96",
    "fwd_90x160_cbresize",
    "fwd_75x50_T5",
    pytest.param("fwd_real_90x160", marks=pytest.mark.slow),
)


pytestmark = pytest.mark.usefixtures("rewritten_once")


@pytest.fixture(scope="module")
def network(filled: Callable[..., Any]) -> DeepGazeMR:
    return filled("deepgaze_mr", "deepgaze_mr")


@pytest.fixture(scope="module")
def small(fill: Callable[..., Any]) -> DeepGazeMR:
    """The model with an image network of one layer: for the tests of the predictor, which VGG's 80 MB would slow down."""
    module = build_module("deepgaze_mr")
    layers = torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Conv2d(3, 512, 1), torch.nn.ReLU())
    module.features.vgg.features = layers.requires_grad_(False)
    return fill(module, "deepgaze_mr")


@pytest.fixture(scope="module")
def checkpoint(network: DeepGazeMR, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deepgaze_mr") / "weights.pt"
    torch.save({"model_state_dict": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def bias(recipe: Any) -> torch.Tensor:
    return torch.from_numpy(recipe.make_density(9, 24, 40))


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def video(recipe: Any, seed: int, t: int, h: int, w: int) -> list[Frame]:
    return [Frame(i, i * 1000 / 30, rgb) for i, rgb in enumerate(recipe.make_video(seed, t, h, w))]


def stimulus(frames: list[Frame], kind: Any = "video") -> StimulusInfo:
    height, width = frames[0].rgb.shape[:2]
    return StimulusInfo("s", width, height, 30.0, kind, len(frames))


def run(predictor: Predictor, frames: list[Frame], kind: Any = "video") -> list[Prediction]:
    return list(predictor.predict(iter(frames), stimulus(frames, kind)))


def clip_of(frames: list[Frame]) -> torch.Tensor:
    return torch.from_numpy(np.stack([f.rgb for f in frames])).permute(0, 3, 1, 2).float() / 255


# The network


def test_sizes_of_the_published_model(network: DeepGazeMR) -> None:
    assert len(network.state_dict()) == 47
    parameters = list(network.parameters())
    assert sum(p.numel() for p in parameters) == 20_042_020
    assert sum(p.numel() for p in parameters if p.requires_grad) == 17_634


@pytest.mark.data
def test_state_dict_is_the_manifest(network: DeepGazeMR, goldens: Path) -> None:
    import json

    entries = json.loads((goldens / "models/deepgaze_mr/manifest_default.json").read_text())["entries"]
    ours = [(k, list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in network.state_dict().items()]
    assert ours == [(key, shape, dtype) for key, shape, dtype, _, _ in entries]


def golden_input(case: dict[str, Any], recipe: Any, goldens: Path) -> tuple[torch.Tensor, torch.Tensor]:
    given = case["input"]
    if given["recipe"] == "file":
        first, last = given["frames"]
        rgb = np.load(goldens / "models/inputs" / given["file"])[given["array"]][first:last]
    else:
        rgb = recipe.make_video(given["seed"], given["t"], given["h"], given["w"])
    density = case["center_bias"]
    return (
        torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255,
        torch.from_numpy(recipe.make_density(density["seed"], density["h"], density["w"])),
    )


@pytest.mark.data
@pytest.mark.parametrize("name", FORWARD)
def test_forward_is_golden(
    name: str, network: DeepGazeMR, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("deepgaze_mr")[name]
    clip, density = golden_input(case, recipe, goldens)
    wanted = np.load(goldens / "models/deepgaze_mr" / case["file"])["log_density"]
    found = network(clip, density)
    assert_golden(found, wanted, case["f32_vs_f64_max_abs"]["log_density"])
    assert float(found.logsumexp((0, 1))) == pytest.approx(0, abs=1e-5)


@pytest.mark.data
def test_predict_is_golden(
    network: DeepGazeMR, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("deepgaze_mr")["predict_64x96_T20"]
    clip, density = golden_input(case, recipe, goldens)
    wanted = np.load(goldens / "models/deepgaze_mr" / case["file"])
    found = list(network.predict(clip, density))
    assert [item is None for item in found] == wanted["is_none"].tolist()
    maps = torch.stack([item for item in found if item is not None])
    assert_golden(maps, wanted["log_density"], case["f32_vs_f64_max_abs"]["log_density"])


@pytest.mark.data
def test_the_predictor_is_golden(
    network: DeepGazeMR, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("deepgaze_mr")["predict_64x96_T20"]
    given = case["input"]
    _, density = golden_input(case, recipe, goldens)
    frames = video(recipe, given["seed"], given["t"], given["h"], given["w"])
    found = run(DeepGazeMRPredictor(network, center_bias=density), frames)
    wanted = np.load(goldens / "models/deepgaze_mr" / case["file"])["log_density"]
    maps = torch.stack([item.values for item in found])
    assert_golden(maps, wanted, case["f32_vs_f64_max_abs"]["log_density"])


@pytest.mark.data
def test_parts_are_golden(
    network: DeepGazeMR, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("deepgaze_mr")["parts_48x80"]
    clip, density = golden_input(case, recipe, goldens)
    wanted = np.load(goldens / "models/deepgaze_mr" / case["file"])
    floor = case["f32_vs_f64_max_abs"]
    assert_golden(network.features(clip), wanted["features"], floor["features"])
    priority = network.readout(network.clip_features(clip))
    assert_golden(priority, wanted["priority"], floor["priority"])
    assert_golden(network.finalizer.smooth(priority, (48, 80)), wanted["smoothed"], floor["smoothed"])
    assert_golden(network.log_center_bias((70, 50), density), wanted["adapted_log_center_bias"], 0.0)
    taps = np.load(goldens / "models/deepgaze_mr/gaussian_kernel.npz")
    assert_golden(network.finalizer.gauss_x.taps(), taps["kernel"], 0.0)


@pytest.mark.parametrize(
    ("cells", "size"), [((3, 5), (48, 80)), ((4, 3), (75, 50)), ((1, 1), (17, 31)), ((2, 9), (40, 147))]
)
def test_blur_equals_the_convolution_of_the_enlarged_map(
    network: DeepGazeMR, cells: tuple[int, int], size: tuple[int, int]
) -> None:
    priority = torch.randn(1, 1, *cells, generator=torch.Generator().manual_seed(1))
    enlarged = F.interpolate(priority, size=size, mode="nearest")
    taps = torch.exp(-0.5 * (torch.arange(-48.0, 49.0) / 16) ** 2)
    taps = taps / taps.sum()
    plain = F.conv2d(F.pad(enlarged, (48, 48, 0, 0), "replicate"), taps.view(1, 1, 1, -1))
    plain = F.conv2d(F.pad(plain, (0, 0, 48, 48), "replicate"), taps.view(1, 1, -1, 1))
    torch.testing.assert_close(network.finalizer.smooth(priority, size), plain, rtol=1e-5, atol=1e-5)


def test_every_row_of_the_blur_sums_to_one() -> None:
    matrix = GaussianTaps((1, 1, 1, -1)).spread(7, 121)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(121))


def test_running_mean_does_not_drift() -> None:
    generator = torch.Generator().manual_seed(3)
    maps = [torch.rand(1, 4, 2, 3, generator=generator) * 10.0 ** (i % 7) for i in range(300)]
    window = FeatureMean(16)
    for number, features in enumerate(maps):
        window.push(features)
        held = torch.cat(maps[max(0, number - 15) : number + 1])
        torch.testing.assert_close(window.mean()[0], held.double().mean(dim=0).float())
        assert window.full == (number >= 15)


def test_forward_takes_any_number_of_frames_and_averages_them(
    network: DeepGazeMR, recipe: Any, bias: torch.Tensor
) -> None:
    clip = clip_of(video(recipe, 4, 3, 40, 56))
    features = network.features(clip).mean(dim=0, keepdim=True)
    wanted = network.finalizer(network.readout(features), network.log_center_bias((40, 56), bias))
    torch.testing.assert_close(network(clip, bias), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network(clip.flip(0), bias), wanted, rtol=1e-5, atol=1e-5)


def test_predict_of_a_short_video_is_all_none(network: DeepGazeMR, bias: torch.Tensor) -> None:
    assert list(network.predict(torch.zeros(15, 3, 32, 32), bias)) == [None] * 15


def test_center_bias_may_be_an_attribute_and_holds_zeros(bias: torch.Tensor) -> None:
    network = build_module("deepgaze_mr")
    with pytest.raises(WrongUse, match="centre bias"):
        network(torch.zeros(1, 3, 32, 32))
    holed = bias.clone()
    holed[:, :20] = 0
    network.center_bias = holed
    found = network(torch.zeros(1, 3, 24, 40))
    assert torch.isinf(found[:, :20]).all()
    assert torch.isfinite(found[:, 20:]).all()
    assert float(found.logsumexp((0, 1))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("shape", [(0, 3, 32, 32), (1, 1, 32, 32), (3, 32, 32), (1, 3, 15, 32)])
def test_wrong_clips_are_refused(network: DeepGazeMR, bias: torch.Tensor, shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongUse, match="clip has shape|at least 16"):
        network(torch.zeros(shape), bias)


# The predictor


def test_first_fifteen_frames_are_left_out_and_the_rest_is_the_network(
    small: DeepGazeMR, recipe: Any, bias: torch.Tensor
) -> None:
    frames = video(recipe, 5, 17, 37, 53)
    found = run(DeepGazeMRPredictor(small, center_bias=bias), frames)
    assert [item.frame for item in found] == [15, 16]
    for item in found:
        assert item.kind == "log_density"
        assert tuple(item.values.shape) == (37, 53)
        clip = clip_of(frames[item.frame - 15 : item.frame + 1])
        torch.testing.assert_close(item.values, small(clip, bias), rtol=1e-5, atol=1e-5)


def test_the_future_changes_nothing(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    frames = video(recipe, 6, 18, 32, 48)
    predictor = DeepGazeMRPredictor(small, center_bias=bias)
    assert predictor.info.causal
    first = run(predictor, frames)
    for last in (10, 15, 16):
        # The mean over a window does not see an order: other pictures as well.
        future = [255 - frames[i].rgb for i in reversed(range(last + 1, 18))]
        changed = [*frames[: last + 1], *(Frame(last + 1 + i, 0.0, rgb) for i, rgb in enumerate(future))]
        second = run(predictor, changed)
        for a, b in zip(first, second, strict=True):
            assert torch.equal(a.values, b.values) == (a.frame <= last)


def test_nothing_is_carried_to_the_next_stimulus(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    one, two = video(recipe, 7, 17, 32, 48), video(recipe, 8, 17, 48, 32)
    predictor = DeepGazeMRPredictor(small, center_bias=bias)
    alone = run(predictor, two)
    run(predictor, one)
    again = run(predictor, two)
    assert all(torch.equal(a.values, b.values) for a, b in zip(alone, again, strict=True))


def test_groups_of_frames_change_no_prediction(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    frames = video(recipe, 9, 19, 32, 48)
    one = run(DeepGazeMRPredictor(small, center_bias=bias), frames)
    four = run(DeepGazeMRPredictor(small, center_bias=bias, batch=4), frames)
    assert [p.frame for p in one] == [p.frame for p in four]
    for a, b in zip(one, four, strict=True):
        torch.testing.assert_close(a.values, b.values, rtol=1e-5, atol=1e-5)


def test_missing_center_bias_gives_the_center_bias(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    predictor = DeepGazeMRPredictor(small, center_bias=bias * 3, missing="center-bias")
    assert predictor.info.missing == "center-bias"
    found = run(predictor, video(recipe, 10, 17, 48, 80))
    assert [p.frame for p in found] == list(range(17))
    wanted = bias.repeat_interleave(2, 0).repeat_interleave(2, 1)
    torch.testing.assert_close(found[0].values.exp(), wanted / wanted.sum(), rtol=1e-4, atol=0.0)
    assert torch.equal(found[0].values, found[14].values)
    assert not torch.equal(found[14].values, found[15].values)


def test_missing_first_available_looks_ahead_and_says_so(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    predictor = DeepGazeMRPredictor(small, center_bias=bias, missing="first-available")
    assert (predictor.info.causal, predictor.info.lookahead) == (False, 15)
    found = run(predictor, video(recipe, 11, 17, 32, 48))
    assert [p.frame for p in found] == list(range(17))
    assert all(torch.equal(p.values, found[15].values) for p in found[:15])
    assert not torch.equal(found[15].values, found[16].values)


@pytest.mark.parametrize(("missing", "expected"), [("exclude", 0), ("center-bias", 5), ("first-available", 5)])
def test_fewer_frames_than_the_window(
    small: DeepGazeMR, recipe: Any, bias: torch.Tensor, missing: Any, expected: int
) -> None:
    frames = video(recipe, 12, 5, 32, 48)
    found = run(DeepGazeMRPredictor(small, center_bias=bias, missing=missing), frames)
    assert [p.frame for p in found] == list(range(expected))
    if missing == "first-available":
        torch.testing.assert_close(found[0].values, small(clip_of(frames), bias), rtol=1e-5, atol=1e-5)


def test_one_frame_and_a_still_image(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    frames = video(recipe, 13, 1, 32, 48)
    predictor = DeepGazeMRPredictor(small, center_bias=bias)
    assert run(predictor, frames) == []
    (image,) = run(predictor, frames, "image")
    still = [Frame(i, 0.0, frames[0].rgb) for i in range(16)]
    torch.testing.assert_close(image.values, run(predictor, still)[0].values, rtol=1e-5, atol=1e-5)


def test_no_frames_give_no_predictions(small: DeepGazeMR, bias: torch.Tensor) -> None:
    info = StimulusInfo("s", 48, 32, 30.0, "video", 0)
    assert list(DeepGazeMRPredictor(small, center_bias=bias).predict(iter(()), info)) == []


def test_frames_of_another_size_and_tiny_frames_are_refused(small: DeepGazeMR, recipe: Any, bias: torch.Tensor) -> None:
    predictor = DeepGazeMRPredictor(small, center_bias=bias)
    frames = video(recipe, 14, 2, 32, 48)
    with pytest.raises(BadData, match="s, frame 0: the frame has the shape"):
        list(predictor.predict(iter(frames), StimulusInfo("s", 64, 32, 30.0, "video", 2)))
    with pytest.raises(BadData, match="at least 16 pixels"):
        run(predictor, video(recipe, 14, 2, 12, 48))


# The checkpoint


def test_a_saved_checkpoint_comes_back(
    checkpoint: Path, network: DeepGazeMR, recipe: Any, bias: torch.Tensor, tmp_path: Path
) -> None:
    torch.save(bias, tmp_path / "bias.pt")
    predictor = load_model("deepgaze_mr", checkpoint, center_bias=str(tmp_path / "bias.pt"))
    assert isinstance(predictor, Predictor)
    state = predictor.module.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    frames = video(recipe, 15, 16, 16, 32)
    (found,) = run(predictor, frames)
    (wanted,) = run(DeepGazeMRPredictor(network, center_bias=bias), frames)
    assert torch.equal(found.values, wanted.values)


def test_a_missing_key_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    del content["model_state_dict"]["readout.conv3.bias"]
    torch.save(content, tmp_path / "less.pt")
    with pytest.raises(BadData, match=r"readout\.conv3\.bias"):
        load_model("deepgaze_mr", tmp_path / "less.pt")


def test_without_a_center_bias_a_gaussian_stands_in_and_is_announced(
    checkpoint: Path, network: DeepGazeMR, recipe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = load_model("deepgaze_mr", checkpoint)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert CENTER_BIAS_FILE in record.getMessage()
    frames = video(recipe, 16, 16, 16, 32)
    (found,) = run(predictor, frames)
    gaussian = torch.tensor(center_prior_density(16, 32))
    torch.testing.assert_close(found.values, network(clip_of(frames), gaussian), rtol=1e-5, atol=1e-5)


def test_the_published_center_bias_beside_the_checkpoint_is_used(checkpoint: Path, bias: torch.Tensor) -> None:
    beside = checkpoint.parent / CENTER_BIAS_FILE
    torch.save(bias, beside)
    try:
        predictor = load_model("deepgaze_mr", checkpoint)
        assert torch.equal(predictor.center_bias, bias)  # type: ignore[attr-defined]
    finally:
        beside.unlink()


def test_center_bias_from_npy(tmp_path: Path, bias: torch.Tensor) -> None:
    np.save(tmp_path / "b.npy", bias.numpy().astype(np.float64))
    found = read_center_bias(tmp_path / "b.npy")
    assert found.dtype == torch.float64
    assert torch.equal(found.float(), bias)


def test_bad_center_biases_are_refused(tmp_path: Path, bias: torch.Tensor) -> None:
    with pytest.raises(MissingData, match="no centre bias at"):
        read_center_bias(tmp_path / "none.pt")
    torch.save(bias.log(), tmp_path / "log.pt")
    with pytest.raises(BadData, match="log density"):
        read_center_bias(tmp_path / "log.pt")
    torch.save(bias[None], tmp_path / "three.pt")
    with pytest.raises(BadData, match=r"\(1, 24, 40\)"):
        read_center_bias(tmp_path / "three.pt")
    torch.save({"density": bias}, tmp_path / "dict.pt")
    with pytest.raises(BadData, match="dict"):
        read_center_bias(tmp_path / "dict.pt")
    np.save(tmp_path / "whole.npy", np.ones((3, 4), np.int64))
    with pytest.raises(BadData, match="int64"):
        read_center_bias(tmp_path / "whole.npy")
    np.save(tmp_path / "objects.npy", np.array([[None, 1]], object), allow_pickle=True)
    with pytest.raises(BadData, match="cannot be read"):
        read_center_bias(tmp_path / "objects.npy")
    torch.save(torch.zeros(3, 4), tmp_path / "zero.pt")
    with pytest.raises(BadData, match="density is finite"):
        read_center_bias(tmp_path / "zero.pt")


def test_options_are_checked(checkpoint: Path) -> None:
    with pytest.raises(WrongUse, match="missing='nearest'.*exclude"):
        load_model("deepgaze_mr", checkpoint, missing="nearest")
    with pytest.raises(UnknownName, match="option of deepgaze_mr 'centre_bias'.*center_bias"):
        load_model("deepgaze_mr", checkpoint, centre_bias="x")
    with pytest.raises(WrongUse, match="batch=0"):
        load_model("deepgaze_mr", checkpoint, batch=0)
