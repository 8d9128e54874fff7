"""ViNet: the network against the goldens, the predictor against the network."""

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
from vidsal.baselines.vinet import predictor
from vidsal.baselines.vinet.inference import FastViNet
from vidsal.baselines.vinet.network import ViNet
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame

from ..s3d_cases import info, predicted, standardized, videos


@pytest.fixture(scope="module")
def network(filled: Callable[..., Any]) -> ViNet:
    module = filled("vinet", "vinet", clip=8)
    assert isinstance(module, ViNet)
    return module


@pytest.fixture(scope="module")
def model(network: ViNet) -> predictor.ViNetPredictor:
    return predictor.ViNetPredictor(network)


@pytest.fixture
def small_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "HEIGHT", 32)
    monkeypatch.setattr(predictor, "WIDTH", 64)


@pytest.mark.data
@pytest.mark.parametrize("clip", [8, 16, 32, 48])
def test_state_dict_is_the_published_one(clip: int, goldens: Path) -> None:
    entries = json.loads((goldens / f"models/vinet/manifest_ViNet{clip}.json").read_text())["entries"]
    with torch.device("meta"):
        state = build_module("vinet", clip=clip).state_dict()
    ours = [[key, list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in state.items()]
    assert ours == [entry[:3] for entry in entries]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "clip"),
    [("vinet_64x96", 32), ("vinet16_64x96", 16), pytest.param("vinet_96x64_batch2", 32, marks=pytest.mark.slow)],
)
def test_goldens(
    name: str, clip: int, filled: Any, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("vinet")[name]
    network = filled("vinet", "vinet", clip=clip)
    x = standardized(videos(recipe, case["input"]))
    floor = case["f32_vs_f64_max_abs"]["saliency"]
    wanted = np.load(goldens / "models/vinet" / case["file"])["saliency"]
    with torch.inference_mode():
        assert_golden(network(x), wanted, floor)
        if len(x) == 1:
            stream = FastViNet(network).stream()
            for image in x[0].unbind(1):
                stream.push(image)
            assert_golden(stream.map()[None], wanted, floor)


@pytest.mark.parametrize(
    "clip", [8, pytest.param(16, marks=pytest.mark.slow), pytest.param(48, marks=pytest.mark.slow)]
)
def test_streamed_windows_are_the_networks(clip: int, filled: Any, recipe: Any) -> None:
    network = filled("vinet", "vinet", clip=clip)
    x = standardized([recipe.make_video(3, clip + 5, 32, 64)])
    stream = FastViNet(network).stream()
    with torch.inference_mode():
        for last in range(clip + 5):
            stream.push(x[0, :, last])
            if last >= clip - 1:
                wanted = network(x[:, :, last - clip + 1 : last + 1])[0]
                torch.testing.assert_close(stream.map(), wanted, rtol=0, atol=1e-5)


def test_wrong_clips_are_refused(network: ViNet) -> None:
    for shape in ((1, 3, 16, 32, 32), (1, 3, 8, 48, 32), (3, 8, 32, 32)):
        with pytest.raises(WrongUse, match=r"clips \(B, 3, 8, H, W\)"):
            network(torch.zeros(shape))
    with pytest.raises(WrongUse, match="clip=24"):
        build_module("vinet", clip=24)


@pytest.mark.data
def test_preprocessing(model: predictor.ViNetPredictor, goldens: Path) -> None:
    frames = np.load(goldens / "models/inputs/real_0068.npz")["full"]
    wanted = np.load(goldens / "models/vinet/pre_real_224x384.npz")["x_sub"]
    for frame, place in ((frames[0], 0), (frames[2], 1)):
        np.testing.assert_allclose(model.prepared(frame)[:, ::8, ::8], wanted[:, place], rtol=0, atol=1e-5)


@pytest.mark.data
def test_published_maps(goldens: Path) -> None:
    golden = np.load(goldens / "models/vinet/script_real.npz")
    difference = np.abs(predictor.published_map(golden["saliency_first"], 640, 360).astype(int) - golden["png8"][0])
    assert difference.max() <= 2
    assert (difference == 0).mean() >= 0.99
    assert not predictor.published_map(np.full((4, 4), 0.3), 8, 6).any()


@pytest.mark.data
@pytest.mark.slow
def test_the_script_on_a_real_video(filled: Any, goldens: Path, samples: Path) -> None:
    import av

    with av.open(str(samples / "dhf1k/video/068.AVI")) as container:
        decoded = (
            frame.to_ndarray(format="rgb24") for frame, _ in zip(container.decode(video=0), range(64), strict=False)
        )
        video = np.stack(list(decoded))
    golden = np.load(goldens / "models/vinet/script_real.npz")
    model = predictor.ViNetPredictor(filled("vinet", "vinet", clip=32))
    maps = predicted(model, video)
    for index, wanted in zip(golden["index"], golden["png8"], strict=True):
        difference = np.abs(model.published_map(maps[index], info(video)).astype(int) - wanted)
        assert difference.max() <= 2
        assert (difference == 0).mean() >= 0.99


@pytest.mark.usefixtures("small_input")
def test_the_predictor_is_the_network_on_its_windows(
    model: predictor.ViNetPredictor, network: ViNet, recipe: Any
) -> None:
    video = recipe.make_video(5, 17, 40, 50)
    assert (model.info.causal, model.info.lookahead) == (False, 7)
    maps = predicted(model, video)
    assert maps.shape == (17, 32, 64)
    images = [model.prepared(rgb) for rgb in video]
    with torch.inference_mode():
        for frame, window in ((0, range(7, -1, -1)), (6, range(13, 5, -1)), (7, range(8)), (16, range(9, 17))):
            wanted = network(torch.stack([images[i] for i in window], 1)[None])[0]
            np.testing.assert_allclose(maps[frame], wanted, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(predicted(model, video[:8])[7], maps[7])


@pytest.mark.usefixtures("small_input")
def test_padded_windows_look_at_the_past_only(network: ViNet, recipe: Any) -> None:
    video = recipe.make_video(6, 4, 32, 64)
    model = predictor.ViNetPredictor(network, first_frames="padded", threads=1)
    assert (model.info.causal, model.info.lookahead) == (True, 0)
    maps = predicted(model, video)
    again = predicted(model, video[[0, 1, 3, 2]])
    np.testing.assert_array_equal(again[:2], maps[:2])
    assert np.abs(again[2] - maps[2]).max() > 1e-4
    np.testing.assert_array_equal(predicted(model, video[:1], "image"), maps[:1])


@pytest.mark.usefixtures("small_input")
def test_a_frame_of_another_size_is_refused(model: predictor.ViNetPredictor, recipe: Any) -> None:
    video = recipe.make_video(6, 2, 32, 64)
    with pytest.raises(BadData, match=r"clip, frame 0: the frame has the shape \(30, 64, 3\)"):
        next(model.predict(iter([Frame(0, 0.0, video[0, :30])]), info(video)))


@pytest.mark.parametrize("clip", [8, 16, 32, 48])
def test_the_file_shows_the_length_of_a_clip(clip: int, tmp_path: Path) -> None:
    with torch.device("meta"):
        state = build_module("vinet", clip=clip).state_dict()
    assert predictor.shown_clip(Checkpoint(tmp_path, None, state)) == clip


def test_weights_come_back(network: ViNet, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = load_model("vinet", tmp_path / "w.pt")
    assert isinstance(model, predictor.ViNetPredictor)
    assert model.info.lookahead == 7
    with pytest.raises(WrongUse, match="show clip=8; leave the option out"):
        load_model("vinet", tmp_path / "w.pt", clip=32)
