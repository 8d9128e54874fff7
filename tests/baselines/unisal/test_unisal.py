"""UNISAL's predictor: the published 8-bit maps, the predictor protocol, checkpoints and domains."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from vidsal.baselines import build_module, load_model, registry
from vidsal.baselines.networks import NetworkLoader
from vidsal.baselines.unisal import predictor as unisal
from vidsal.baselines.unisal.network import UNISAL
from vidsal.baselines.unisal.predictor import (
    CHECKPOINTS,
    UNISALPredictor,
    best_size,
    network_size,
    prepare,
    published_map,
)
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.records import Frame

UInt8 = npt.NDArray[np.uint8]


SMALL_SIZE = (64, 96)


@pytest.fixture(scope="module", autouse=True)
def small_input() -> Iterator[None]:
    """A fifteenth of the published pixels, for all that no size changes; the tests of goldens take the published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unisal, "network_size", lambda *_: SMALL_SIZE)
        yield


@pytest.fixture
def shipped_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """The predictor's own rule, so that a test sees a wrong size there."""
    monkeypatch.setattr(unisal, "network_size", network_size)


@pytest.fixture(scope="module")
def network(filled: Callable[..., Any]) -> UNISAL:
    module = filled("unisal", "unisal")
    assert isinstance(module, UNISAL)
    return module


@pytest.fixture(scope="module")
def video(recipe: ModuleType) -> UInt8:
    made: UInt8 = recipe.make_video(5, 8, 45, 61)
    return made


def info(frames: UInt8, kind: Any = "video") -> StimulusInfo:
    height, width = frames.shape[1:3]
    return StimulusInfo("clip", width, height, 30.0 if kind == "video" else None, kind, len(frames))


def as_frames(frames: UInt8) -> Iterator[Frame]:
    return (Frame(index, 40.0 * index, rgb) for index, rgb in enumerate(frames))


def predict(model: Predictor, frames: UInt8, kind: Any = "video") -> npt.NDArray[np.float32]:
    predictions = list(model.predict(as_frames(frames), info(frames, kind)))
    assert [one.frame for one in predictions] == list(range(len(frames)))
    assert {one.kind for one in predictions} == {"log_density"}
    return np.stack([one.values for one in predictions])


@pytest.mark.data
@pytest.mark.usefixtures("shipped_input")
@pytest.mark.parametrize(
    ("name", "source"),
    [("infer_ucfsports", "UCFSports"), ("infer_dhf1k", "DHF1K")],
)
def test_published_maps_of_a_video(
    name: str, source: str, network: UNISAL, goldens: Path, golden_cases: Callable[..., Any]
) -> None:
    first, last = golden_cases("unisal")[name]["input"]["frames"]
    frames = np.load(goldens / "models" / "inputs" / "real_0068.npz")["small"][first:last]
    golden = np.load(goldens / "models" / "unisal" / f"{name}.npz")["png8"]
    ours = np.stack([published_map(one) for one in predict(UNISALPredictor(network, source=source), frames)])
    assert np.abs(ours.astype(int) - golden).max() <= 2
    assert (ours == golden).mean() >= 0.99


@pytest.mark.data
@pytest.mark.usefixtures("shipped_input")
def test_published_maps_of_images(network: UNISAL, goldens: Path, golden_cases: Callable[..., Any]) -> None:
    first, last = golden_cases("unisal")["infer_images_salicon"]["input"]["frames"]
    frames = np.load(goldens / "models" / "inputs" / "real_0068.npz")["small"][first:last]
    golden = np.load(goldens / "models" / "unisal" / "infer_images_salicon.npz")["png8"]
    model = UNISALPredictor(network)
    for image, wanted in zip(frames, golden, strict=True):
        ours = published_map(predict(model, image[None], "image")[0])
        assert np.abs(ours.astype(int) - wanted).max() <= 2
        assert (ours == wanted).mean() >= 0.99


@pytest.mark.data
def test_preprocessing_to_the_value(goldens: Path) -> None:
    frame = np.load(goldens / "models" / "inputs" / "real_0068.npz")["full"][0]
    golden = np.load(goldens / "models" / "unisal" / "pre_dhf1k_real.npz")["x"][0]
    np.testing.assert_allclose(prepare(frame, 224, 384).numpy(), golden, rtol=0, atol=1e-5)


@pytest.mark.data
@pytest.mark.usefixtures("shipped_input")
def test_native_size_golden(
    network: UNISAL, goldens: Path, golden_cases: Callable[..., Any], assert_golden: Callable[..., None]
) -> None:
    """The network at 224 x 384, and the predictor on the same two frames as sequences of their own."""
    case = golden_cases("unisal")["dhf1k_native_real"]
    golden = np.load(goldens / "models" / "unisal" / case["file"])["log_density"]
    frames = np.load(goldens / "models" / "inputs" / "real_0068.npz")["full"][:2]
    x = torch.stack([prepare(frame, 224, 384) for frame in frames])[None]
    with torch.inference_mode():
        out = network(x, target_size=(360, 640), static=False)
    floor = case["f32_vs_f64_max_abs"]["log_density"]
    assert_golden(out, golden, floor)
    # five copies of each frame put them one after the other into every interleaved sequence
    five = predict(UNISALPredictor(network, source="DHF1K"), np.repeat(frames, 5, axis=0))
    assert_golden(five[[0, 5]], golden[0, :, 0], floor)


@pytest.mark.data
def test_network_sizes_of_the_goldens(golden_cases: Callable[..., Any]) -> None:
    for stimulus, network in golden_cases("unisal")["out_sizes"]["table"]:
        assert list(best_size(*stimulus)) == network


@pytest.mark.parametrize(
    ("stimulus", "source", "kind", "network"),
    [
        ((360, 640), "DHF1K", "video", (224, 384)),
        ((360, 640), "DHF1K", "image", (256, 416)),
        ((90, 160), "DHF1K", "video", (256, 416)),
        ((1080, 1920), "Hollywood", "video", (224, 416)),
        ((480, 720), "UCFSports", "video", (256, 384)),
        ((480, 640), "SALICON", "image", (288, 384)),
        ((480, 640), "SALICON", "video", (288, 384)),
        ((512, 512), "Hollywood", "image", (320, 320)),
    ],
)
def test_network_size_rule(stimulus: tuple[int, int], source: str, kind: str, network: tuple[int, int]) -> None:
    assert network_size(*stimulus, source, kind) == network


@pytest.mark.parametrize(("source", "modulo"), [("DHF1K", 5), ("Hollywood", 4)])
def test_interleaved_sequences(network: UNISAL, video: UInt8, source: str, modulo: int) -> None:
    """Frame t is what the network says after frames ..., t - modulo, t and no others."""
    ours = predict(UNISALPredictor(network, source=source), video)
    for offset in (0, modulo - 2):
        sequence = torch.stack([prepare(rgb, *SMALL_SIZE) for rgb in video[offset::modulo]])[None]
        with torch.inference_mode():
            plain = network(sequence, target_size=(45, 61), source=source, static=False)[0, :, 0]
        np.testing.assert_allclose(ours[offset::modulo], plain.numpy(), rtol=0, atol=1e-3)


def test_keeps_the_predictor_protocol(network: UNISAL, video: UInt8) -> None:
    model = UNISALPredictor(network, source="DHF1K")
    assert isinstance(model, Predictor)
    assert model.info.causal
    out = predict(model, video)
    assert out.shape == video.shape[:3]
    assert out.dtype == np.float32
    np.testing.assert_allclose(np.exp(out).sum((1, 2)), 1, rtol=0, atol=1e-4)


def test_the_future_does_not_change_a_byte(network: UNISAL, video: UInt8) -> None:
    model = UNISALPredictor(network, source="UCFSports")
    whole = predict(model, video)
    shuffled = np.concatenate([video[:3], video[3:][::-1]])
    np.testing.assert_array_equal(predict(model, shuffled)[:3], whole[:3])
    np.testing.assert_array_equal(predict(model, video[:6]), whole[:6])
    assert not np.array_equal(predict(model, shuffled)[7], whole[7])


def test_state_does_not_outlive_a_stimulus(network: UNISAL, video: UInt8) -> None:
    model = UNISALPredictor(network, source="DHF1K")
    before = predict(model, video)
    predict(model, np.ascontiguousarray(video[::-1]))
    np.testing.assert_array_equal(predict(model, video), before)


def test_two_stimuli_at_once_keep_apart(network: UNISAL, video: UInt8) -> None:
    model = UNISALPredictor(network, source="UCFSports")
    alone = predict(model, video)
    one = model.predict(as_frames(video), info(video))
    other = model.predict(as_frames(video[::-1]), info(video))
    together = [left.values for left, _ in zip(one, other, strict=True)]
    np.testing.assert_array_equal(np.stack(together), alone)


def test_memory_is_bounded(network: UNISAL, video: UInt8) -> None:
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in as_frames(video):
            taken += 1
            yield frame

    for prediction in UNISALPredictor(network, source="UCFSports").predict(counted(), info(video)):
        assert taken <= prediction.frame + 5


@pytest.mark.parametrize("size", [(1, 1), (33, 50), (7, 91)])
def test_one_frame_of_odd_size(network: UNISAL, size: tuple[int, int]) -> None:
    frame = np.random.default_rng(3).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    out = predict(UNISALPredictor(network, source="DHF1K"), frame)
    assert out.shape == (1, *size)
    assert np.exp(out).sum() == pytest.approx(1, abs=1e-4)


def test_no_frames_no_predictions(network: UNISAL, video: UInt8) -> None:
    assert list(UNISALPredictor(network, source="DHF1K").predict(iter(()), info(video))) == []


def test_the_calling_threads_settings_are_left_alone(network: UNISAL, video: UInt8) -> None:
    predictions = UNISALPredictor(network, source="UCFSports").predict(as_frames(video), info(video))
    next(predictions)
    assert not torch.is_inference_mode_enabled()
    predictions.close()  # type: ignore[attr-defined]


def test_default_domain_is_named_once(network: UNISAL, video: UInt8, caplog: pytest.LogCaptureFixture) -> None:
    model = UNISALPredictor(network)
    with caplog.at_level(logging.WARNING):
        image = predict(model, video[:1], "image")
        assert caplog.text == ""
        unnamed = predict(model, video[:2])
        predict(model, video[:1])
    assert caplog.text.count("source=DHF1K is used") == 1
    np.testing.assert_array_equal(unnamed, predict(UNISALPredictor(network, source="DHF1K"), video[:2]))
    np.testing.assert_array_equal(image, predict(UNISALPredictor(network, source="SALICON"), video[:1], "image"))


def test_salicon_has_no_memory(network: UNISAL, video: UInt8) -> None:
    model = UNISALPredictor(network, source="SALICON")
    twice = predict(model, np.concatenate([video[:4], video[:4]]))
    np.testing.assert_array_equal(twice[:4], twice[4:])


def test_later_changes_of_the_network_are_not_seen(fill: Callable[..., Any], video: UInt8) -> None:
    module = fill(build_module("unisal"), "unisal", "other")
    model = UNISALPredictor(module)
    before = predict(model, video[:1], "image")
    for value in module.parameters():
        value.data.zero_()
    np.testing.assert_array_equal(predict(model, video[:1], "image"), before)
    model.source = "DHF1K"
    assert not np.allclose(predict(model, video[:1]), np.log(1 / (45 * 61)))


def test_frame_of_another_size_is_refused(network: UNISAL, video: UInt8) -> None:
    stimulus = StimulusInfo("clip", 60, 45, 30.0, "video", 8)
    with pytest.raises(BadData, match=r"clip, frame 0: .*\(45, 61, 3\), expected \(45, 60, 3\)"):
        next(UNISALPredictor(network, source="DHF1K").predict(as_frames(video), stimulus))


def test_published_map_cuts_off() -> None:
    density = np.array([[1.0, 0.5], [0.9999, 0.1]], np.float32) / 3
    assert published_map(np.log(density)).tolist() == [[255, 127], [254, 25]]
    assert published_map(torch.log(torch.from_numpy(density))).dtype == np.uint8


NESTINGS: dict[str, Callable[[Any], Any]] = {
    "bare": lambda state: state,
    "trainer": lambda state: {"epoch": 3, "model_state_dict": state, "best_val_score": -1.0},
    "parallel": lambda state: OrderedDict((f"module.{key}", value) for key, value in state.items()),
}


@pytest.mark.parametrize("nesting", NESTINGS)
def test_checkpoint_round_trip(nesting: str, network: UNISAL, video: UInt8, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(NESTINGS[nesting](network.state_dict()), path)
    model = load_model("unisal", checkpoint=path, source="Hollywood")
    np.testing.assert_array_equal(
        predict(model, video[:1]), predict(UNISALPredictor(network, source="Hollywood"), video[:1])
    )


def test_a_missing_key_is_named(network: UNISAL, tmp_path: Path) -> None:
    state = network.state_dict()
    del state["post_rnn.0.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(BadData, match=r"do not fit unisal\. Missing: post_rnn\.0\.weight"):
        load_model("unisal", checkpoint=tmp_path / "cut.pth")


def test_no_checkpoint_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDSAL_CHECKPOINTS", raising=False)
    with pytest.raises(MissingData, match="weights_best.pth from https://github.com/rdroste/unisal"):
        load_model("unisal")


def test_fine_tuned_weights_bring_their_domain(
    network: UNISAL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights_ft_mit1003.pth"
    torch.save(network.state_dict(), path)
    monkeypatch.setenv("VIDSAL_CHECKPOINTS", str(tmp_path))
    data = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    tuned = replace(CHECKPOINTS[1], git_blob_sha1=blob)
    shipped = unisal.MODELS["unisal"]
    assert isinstance(shipped.load, NetworkLoader)
    load = replace(shipped.load, checkpoints=(CHECKPOINTS[0], tuned))
    monkeypatch.setitem(unisal.MODELS, "unisal", replace(shipped, load=load))
    model = load_model("unisal")
    assert isinstance(model, UNISALPredictor)
    assert model.checkpoint == path
    assert model.source == "SALICON"
    assert "mit1003" in model.info.trained_on
    given = load_model("unisal", checkpoint=path, source="DHF1K")
    assert isinstance(given, UNISALPredictor)
    assert given.source == "DHF1K"


def test_options_are_checked(network: UNISAL) -> None:
    with pytest.raises(WrongUse, match="one of DHF1K, Hollywood, UCFSports, SALICON"):
        load_model("unisal", source="MIT1003")
    with pytest.raises(UnknownName, match="UNISAL domain"):
        UNISALPredictor(network, source="MIT1003")
    with pytest.raises(UnknownName, match="option of unisal"):
        build_module("unisal", source="DHF1K")
    assert registry.parse_options("unisal", ["source=none"]) == {"source": None}
