"""TASED-Net: the network against the goldens, the predictor against the network.

Max-unpooling makes it discontinuous: another order of operations is judged by quantiles.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vidsal.baselines import build_module, load_model
from vidsal.baselines.tased_net import predictor
from vidsal.baselines.tased_net.inference import FastTASEDNet
from vidsal.baselines.tased_net.network import TASEDNet, unpool
from vidsal.loaders.errors import BadData, WrongUse

from ..s3d_cases import centered, info, predicted, videos


@pytest.fixture(scope="module")
def network(filled: Callable[..., Any]) -> TASEDNet:
    module = filled("tased_net", "tased_net")
    assert isinstance(module, TASEDNet)
    return module


@pytest.fixture(scope="module")
def model(network: TASEDNet) -> predictor.TASEDPredictor:
    return predictor.TASEDPredictor(network)


@pytest.fixture
def small_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "HEIGHT", 32)
    monkeypatch.setattr(predictor, "WIDTH", 32)


def assert_close(ours: Any, theirs: Any) -> None:
    difference = np.abs(np.asarray(ours, np.float64) - np.asarray(theirs))
    assert np.median(difference) <= 1e-4
    assert np.quantile(difference, 0.99) <= 0.02


@pytest.mark.data
def test_state_dict_is_the_published_one(goldens: Path) -> None:
    entries = json.loads((goldens / "models/tased_net/manifest_TASED_v2.json").read_text())["entries"]
    with torch.device("meta"):
        state = build_module("tased_net").state_dict()
    ours = [[key, list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in state.items()]
    assert ours == [entry[:3] for entry in entries]


@pytest.mark.data
@pytest.mark.parametrize("name", ["tased_64x96", pytest.param("tased_96x64_batch2", marks=pytest.mark.slow)])
def test_goldens(
    name: str, network: TASEDNet, recipe: Any, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    case = golden_cases("tased_net")[name]
    with torch.inference_mode():
        found = network(centered(videos(recipe, case["input"])))
    wanted = np.load(goldens / "models/tased_net" / case["file"])["saliency"]
    assert_golden(found, wanted, case["f32_vs_f64_max_abs"]["saliency"])


def test_clips_of_a_batch_do_not_meet(network: TASEDNet, recipe: Any) -> None:
    clips = centered([recipe.make_video(seed, 32, 32, 32) for seed in (1, 2)])
    with torch.inference_mode():
        both = network(clips)
        assert_close(both[1], network(clips[1:])[0])


def test_unpooling_is_torchs() -> None:
    x = torch.randn(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(1))
    pooled, places = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1), return_indices=True)
    values = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(2))
    wanted = F.max_unpool3d(values, places, (1, 3, 3), (1, 2, 2), (0, 1, 1), list(x.shape))
    assert torch.equal(unpool(values, places, x.shape), wanted)


@pytest.mark.parametrize("shape", [(1, 3, 31, 32, 32), (1, 3, 32, 48, 32), (3, 32, 32, 32), (1, 1, 32, 32, 32)])
def test_wrong_clips_are_refused(network: TASEDNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongUse, match=r"clips \(B, 3, 32, H, W\)"):
        network(torch.zeros(shape))


def test_streamed_windows_are_the_networks(network: TASEDNet, recipe: Any) -> None:
    """Six windows: from the third on, each finds what an earlier one computed, of its own parity."""
    clip = centered([recipe.make_video(3, 37, 64, 96)])
    stream = FastTASEDNet(network).stream()
    with torch.inference_mode():
        for last in range(37):
            stream.push(clip[0, :, last])
            if last in (31, 34, 36):
                assert_close(stream.map(), network(clip[:, :, last - 31 : last + 1])[0])
            elif last > 31:
                stream.map()


@pytest.mark.data
def test_preprocessing(model: predictor.TASEDPredictor, goldens: Path) -> None:
    frames = np.load(goldens / "models/inputs/real_0068.npz")["full"]
    wanted = np.load(goldens / "models/tased_net/pre_real_224x384.npz")["x_sub"]
    for frame, place in ((frames[0], 0), (frames[2], 1)):
        np.testing.assert_allclose(model.prepared(frame)[:, ::8, ::8], wanted[:, place], rtol=0, atol=1e-6)


@pytest.mark.data
@pytest.mark.slow
def test_the_script_on_a_real_video(
    model: predictor.TASEDPredictor, network: TASEDNet, goldens: Path, samples: Path
) -> None:
    """Maps of 64 frames as the published script writes them, the first from reversed windows.

    Its order of operations gives its bytes. The stream's moves a maximum here and there, and the whole map is stretched
    to its largest value: of frame 47 a fifth of the pixels is one level off.
    """
    import av

    with av.open(str(samples / "dhf1k/video/068.AVI")) as container:
        decoded = (
            frame.to_ndarray(format="rgb24") for frame, _ in zip(container.decode(video=0), range(64), strict=False)
        )
        video = np.stack(list(decoded))
    golden = np.load(goldens / "models/tased_net/script_real.npz")

    def difference(values: Any, place: int) -> Any:
        return np.abs(model.published_map(values, info(video)).astype(int) - golden["png8"][place])

    maps = predicted(model, video)
    for place, index in enumerate(golden["index"]):
        assert difference(maps[index], place).max() <= 4
        assert (difference(maps[index], place) <= 1).mean() >= 0.99
    place = list(golden["index"]).index(47)
    window = torch.stack([model.prepared(frame) for frame in video[16:48]], dim=1)
    with torch.inference_mode():
        assert (difference(network(window[None])[0], place) == 0).mean() >= 0.95


@pytest.mark.usefixtures("small_input")
def test_the_predictor_is_the_network_on_its_windows(
    model: predictor.TASEDPredictor, network: TASEDNet, recipe: Any
) -> None:
    video = recipe.make_video(5, 33, 40, 50)
    assert (model.info.causal, model.info.lookahead) == (False, 31)
    assert model.info.moves_between_machines
    maps = predicted(model, video)
    assert maps.shape == (33, 32, 32)
    assert maps.dtype == np.float32
    images = [model.prepared(rgb) for rgb in video]
    with torch.inference_mode():
        for frame, window in ((0, range(31, -1, -1)), (30, (x % 33 for x in range(61, 29, -1))), (32, range(1, 33))):
            assert_close(maps[frame], network(torch.stack([images[i] for i in window], 1)[None])[0])


@pytest.mark.usefixtures("small_input")
def test_padded_windows_look_at_the_past_only(network: TASEDNet, recipe: Any) -> None:
    video = recipe.make_video(6, 4, 32, 32)
    model = predictor.TASEDPredictor(network, first_frames="padded")
    assert (model.info.causal, model.info.lookahead) == (True, 0)
    maps = predicted(model, video)
    np.testing.assert_array_equal(predicted(model, video[[0, 1, 3, 2]])[:2], maps[:2])
    assert len(predicted(model, video[:1], "image")) == 1


def test_weights_come_back(network: TASEDNet, tmp_path: Path) -> None:
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, tmp_path / "w.pt")
    model = load_model("tased_net", tmp_path / "w.pt", first_frames="padded")
    assert isinstance(model, predictor.TASEDPredictor)
    assert model.checkpoint == tmp_path / "w.pt"
    state = dict(network.state_dict())
    del state["convtsp4.13.bias"]
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(BadData, match=r"Missing: convtsp4\.13\.bias.*looks like tased_net, but incomplete"):
        load_model("tased_net", tmp_path / "less.pt")
