"""The predictors of SalEMA and SalCLSTM: goldens of real frames, the predictor protocol, checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from vidsal.baselines import build_module, load_model, registry
from vidsal.baselines.salema import inference, predictor as salema
from vidsal.baselines.salema.predictor import MEAN_BGR, SalEMAPredictor, prepare, published_map
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.records import Frame

UInt8 = npt.NDArray[np.uint8]
NETWORKS = ("salema", "salclstm")
PUBLISHED_SIZE = (192, 256)
SHIPPED_SIZE = (salema.HEIGHT, salema.WIDTH)
SMALL_SIZE = (64, 64)


@pytest.fixture(scope="module", autouse=True)
def small_input() -> Iterator[None]:
    """A twelfth of the published pixels, for all that no size changes; the tests of real frames take the published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(salema, "HEIGHT", SMALL_SIZE[0])
        patch.setattr(salema, "WIDTH", SMALL_SIZE[1])
        yield


@pytest.fixture
def shipped_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the predictor ships with, so that a test sees a wrong size there."""
    monkeypatch.setattr(salema, "HEIGHT", SHIPPED_SIZE[0])
    monkeypatch.setattr(salema, "WIDTH", SHIPPED_SIZE[1])


@pytest.fixture(scope="module")
def models(fill: Callable[..., Any], narrow: Callable[..., Any]) -> dict[str, SalEMAPredictor]:
    return {name: SalEMAPredictor(fill(narrow(build_module(name)), "salema")) for name in NETWORKS}


@pytest.fixture(scope="module")
def video(recipe: ModuleType) -> UInt8:
    made: UInt8 = recipe.make_video(5, 3, 45, 61)
    return made


@pytest.fixture(scope="module")
def whole(small_input: None, models: dict[str, SalEMAPredictor], video: UInt8) -> dict[str, npt.NDArray[np.float32]]:
    return {name: predict(model, video) for name, model in models.items()}


def as_frames(frames: UInt8) -> Iterator[Frame]:
    return (Frame(index, 40.0 * index, rgb) for index, rgb in enumerate(frames))


def info(frames: UInt8, kind: Any = "video") -> StimulusInfo:
    height, width = frames.shape[1:3]
    return StimulusInfo("clip", width, height, 30.0 if kind == "video" else None, kind, len(frames))


def predict(model: Predictor, frames: UInt8, kind: Any = "video") -> npt.NDArray[np.float32]:
    predictions = list(model.predict(as_frames(frames), info(frames, kind)))
    assert [one.frame for one in predictions] == list(range(len(frames)))
    assert {one.kind for one in predictions} == {"saliency"}
    return np.stack([one.values for one in predictions])


@pytest.mark.data
@pytest.mark.usefixtures("shipped_input")
@pytest.mark.parametrize(("name", "case"), [("salema", "salema_native_real"), ("salclstm", "salclstm30_native_real")])
def test_real_frames(
    name: str,
    case: str,
    filled: Callable[..., Any],
    goldens: Path,
    golden_cases: Callable[..., Any],
    assert_golden: Callable[..., None],
) -> None:
    record = golden_cases("salema")[case]
    golden = np.load(goldens / "models" / "salema" / record["file"])
    frames = np.load(goldens / "models" / "inputs" / "real_0068.npz")["full"][slice(*record["input"]["frames"])]
    model = SalEMAPredictor(filled(name, "salema"))
    ours = predict(model, frames)
    assert_golden(ours, golden["saliency"], record["f32_vs_f64_max_abs"]["saliency"])
    maps = np.stack([model.published_map(one, info(frames)) for one in ours])[..., None]
    assert np.abs(maps.astype(int) - golden["png8"]).max() <= 2
    assert (maps == golden["png8"]).mean() >= 0.99


@pytest.mark.data
@pytest.mark.usefixtures("shipped_input")
def test_preprocessing_to_the_value(goldens: Path) -> None:
    frames = np.load(goldens / "models" / "inputs" / "real_0068.npz")["full"]
    golden = np.load(goldens / "models" / "salema" / "pre_real_192x256.npz")["x"]
    for frame, wanted in zip(frames, golden, strict=False):
        np.testing.assert_array_equal(prepare(frame), wanted)


def test_color_order_and_mean() -> None:
    rgb = np.zeros((10, 10, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = 200, 10
    np.testing.assert_allclose(prepare(rgb)[:, 0, 0], [10 - MEAN_BGR[0], -MEAN_BGR[1], 200 - MEAN_BGR[2]], rtol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_keeps_the_predictor_protocol(name: str, models: dict[str, SalEMAPredictor], whole: dict[str, Any]) -> None:
    assert isinstance(models[name], Predictor)
    assert models[name].info.name == name
    assert models[name].info.causal
    assert whole[name].shape == (3, *SMALL_SIZE)
    assert whole[name].dtype == np.float32
    assert 0 <= whole[name].min() <= whole[name].max() <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_the_future_does_not_change_a_byte_but_the_past_counts(
    name: str, models: dict[str, SalEMAPredictor], whole: dict[str, Any], video: UInt8
) -> None:
    shuffled = predict(models[name], video[[0, 2, 1]])
    np.testing.assert_array_equal(shuffled[:1], whole[name][:1])
    assert np.abs(shuffled[1] - whole[name][2]).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_state_does_not_outlive_a_stimulus(
    name: str, models: dict[str, SalEMAPredictor], whole: dict[str, Any], video: UInt8
) -> None:
    np.testing.assert_array_equal(predict(models[name], video[:2]), whole[name][:2])


def test_two_stimuli_at_once_keep_apart(
    models: dict[str, SalEMAPredictor], whole: dict[str, Any], video: UInt8
) -> None:
    one = models["salema"].predict(as_frames(video[:2]), info(video))
    other = models["salema"].predict(as_frames(video[1:]), info(video))
    together = [left.values for left, _ in zip(one, other, strict=True)]
    np.testing.assert_array_equal(np.stack(together), whole["salema"][:2])


@pytest.mark.parametrize("name", NETWORKS)
def test_batches_carry_the_state(
    name: str, models: dict[str, SalEMAPredictor], whole: dict[str, Any], video: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of two, the last filled up: what other devices use."""
    monkeypatch.setattr(models[name], "_group", 2)
    np.testing.assert_allclose(predict(models[name], video), whole[name], rtol=0, atol=2e-5)


def test_frames_are_not_hoarded(models: dict[str, SalEMAPredictor], video: UInt8) -> None:
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in as_frames(video[:2]):
            taken += 1
            yield frame

    for prediction in models["salema"].predict(counted(), info(video)):
        assert taken == prediction.frame + 1


@pytest.mark.usefixtures("shipped_input")
def test_one_pixel_image(models: dict[str, SalEMAPredictor]) -> None:
    out = predict(models["salema"], np.full((1, 1, 1, 3), 9, np.uint8), "image")
    assert out.shape == (1, *PUBLISHED_SIZE)


def test_frame_of_another_size_is_refused(models: dict[str, SalEMAPredictor], video: UInt8) -> None:
    stimulus = StimulusInfo("clip", 60, 45, 30.0, "video", 4)
    with pytest.raises(BadData, match=r"clip, frame 0: .*\(45, 61, 3\), expected \(45, 60, 3\)"):
        next(models["salema"].predict(as_frames(video), stimulus))


def test_published_map_rounds_after_stretching() -> None:
    values = np.array([[0.2, 0.3], [0.2503, 0.2498]], np.float32)
    assert published_map(values).tolist() == [[0, 255], [128, 127]]
    assert published_map(torch.from_numpy(values)).tolist() == [[0, 255], [128, 127]]
    assert published_map(np.full((2, 2), 0.7)).tolist() == [[0, 0], [0, 0]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `saved(name, nesting, **options)`: a file with the weights of `fresh(name, **options)`; made once."""
    files: dict[str, Path] = {}

    def save(name: str, nesting: str, **options: Any) -> Path:
        key = repr((name, nesting, options))
        if key in files:
            return files[key]
        state: Any = fresh(name, **options).state_dict()
        if nesting == "parallel":
            state = {f"module.{key}": value for key, value in state.items()}
        if nesting != "bare":
            state = {"epoch": 7, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}
        files[key] = tmp_path_factory.mktemp("weights") / f"{name}.pt"
        torch.save(state, files[key])
        return files[key]

    return save


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions as they are: rewriting those of a network takes longer than reading its file."""
    monkeypatch.setattr(inference, "_rewrites", lambda _: False)


@cache
def fresh(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(1)
    return build_module(name, **options)


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize(
    ("name", "nesting", "options"),
    [
        ("salema", "parallel", {"alpha": None}),
        ("salema", "bare", {"ema_loc": 32, "residual": True, "alpha": 0.7}),
        ("salclstm", "published", {"residual": True}),
    ],
)
def test_checkpoint_round_trip(
    name: str, nesting: str, options: dict[str, Any], saved: Callable[..., Path], video: UInt8
) -> None:
    path = saved(name, nesting, **options)
    given = {key: value for key, value in options.items() if value is not None}
    model = load_model(name, checkpoint=path, **given)
    assert isinstance(model, SalEMAPredictor)
    assert model.checkpoint == path
    np.testing.assert_array_equal(
        predict(model, video[:2]), predict(SalEMAPredictor(fresh(name, **options)), video[:2])
    )


def test_a_learned_alpha_shows_in_the_file(saved: Callable[..., Path]) -> None:
    with pytest.raises(WrongUse, match="holds a learned alpha; leave the option out"):
        load_model("salema", checkpoint=saved("salema", "parallel", alpha=None), alpha=0.1)
    with pytest.raises(WrongUse, match="holds no learned alpha"):
        load_model("salema", checkpoint=saved("salema", "published"), alpha=None)


@pytest.mark.usefixtures("direct")
def test_assumed_settings_are_named(saved: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_model("salema", checkpoint=saved("salema", "published"), ema_loc=30)
    assert "alpha=0.1, residual=False" in caplog.text
    assert "ema_loc" not in caplog.text


def test_the_other_networks_weights_are_recognized(saved: Callable[..., Path]) -> None:
    with pytest.raises(BadData, match="Missing: Gates.weight, Gates.bias.*looks like salema"):
        load_model("salclstm", checkpoint=saved("salema", "published"))


def test_the_lstms_weights_are_recognized(saved: Callable[..., Path]) -> None:
    with pytest.raises(BadData, match="looks like salclstm: load it under that name"):
        load_model("salema", checkpoint=saved("salclstm", "published", residual=True))


def test_no_checkpoint_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDSAL_CHECKPOINTS", raising=False)
    with pytest.raises(MissingData, match=r"SalCLSTM30\.pt from https://imatge\.upc\.edu.*licence: none stated"):
        load_model("salclstm")


def test_options_are_checked() -> None:
    with pytest.raises(UnknownName, match="option of salclstm 'ema_loc'"):
        build_module("salclstm", ema_loc=30)
    parsed = registry.parse_options("salema", ["alpha=none", "ema-loc=54", "residual=yes"])
    assert parsed == {"alpha": None, "ema_loc": 54, "residual": True}
