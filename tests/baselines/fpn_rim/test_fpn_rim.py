"""FPN+RIM as a predictor: points, clips, state, and checkpoints of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidsal.baselines import build_module, load_model
from vidsal.baselines.fpn_rim.network import FpnRim
from vidsal.baselines.fpn_rim.predictor import BACKBONE_NAMES, OPTIONS, FpnRimPredictor, settings_of, squeeze, to_pixels
from vidsal.baselines.fpn_rim.settings import shown_settings
from vidsal.baselines.nn.pyramid_backbones import BACKBONES
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.records import Frame

SMALL = {"input_dims": (32, 32), "rim_hidden_size": 16}


@pytest.fixture(scope="module")
def network(fill: Callable[..., Any]) -> FpnRim:
    return fill(build_module("fpn_rim", **SMALL), "fpn_rim")


def video(recipe: Any, seed: int, t: int, h: int, w: int) -> list[Frame]:
    return [Frame(i, i * 1000 / 30, rgb) for i, rgb in enumerate(recipe.make_video(seed, t, h, w))]


def run(
    predictor: Predictor, frames: list[Frame], fps: float | None = 30.0, kind: Any = "video"
) -> list[tuple[float, float]]:
    height, width = frames[0].rgb.shape[:2]
    info = StimulusInfo("s", width, height, fps, kind, len(frames))
    found = list(predictor.predict(iter(frames), info))
    assert [p.frame for p in found] == [f.index for f in frames]
    assert all(p.values is None for p in found)
    return [p.xy for p in found if p.xy is not None]


def direct(network: FpnRim, frames: list[Frame]) -> np.ndarray:
    """The network's outputs for frames that already have its size."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    clip = (np.stack([f.rgb for f in frames]) / 255 - mean) / std
    with torch.no_grad():
        gaze = network(torch.from_numpy(clip.astype(np.float32)).permute(3, 0, 1, 2)[None])[0]
    return gaze.double().numpy()


def test_points_are_the_networks_output_in_pixels(network: FpnRim, recipe: Any) -> None:
    frames = video(recipe, 1, 11, 32, 32)
    found = run(FpnRimPredictor(network), frames)
    np.testing.assert_allclose(found, (direct(network, frames) + 1) / 2 * 32, atol=1e-3)


def test_columns_are_x_and_y_scaled_by_height_and_width() -> None:
    # A gaze at x = 16, y = 24 of a frame 64 high and 128 wide was a label (16 / 32 - 1, 24 / 64 - 1).
    assert to_pixels((-0.5, -0.625), (64, 128), (128, 64)) == (16.0, 24.0)
    assert to_pixels((-0.5, -0.625), (64, 128), (1280, 320)) == (160.0, 120.0)
    assert to_pixels((-1.0, -1.0), (224, 224), (640, 360)) == (0.0, 0.0)
    assert to_pixels((0.5, -0.5), (224, 224), (640, 360)) == (480.0, 90.0)


def test_points_lie_in_pixels_of_the_stimulus_whatever_its_size(network: FpnRim, recipe: Any) -> None:
    frames = video(recipe, 2, 5, 37, 75)
    found = run(FpnRimPredictor(network), frames)
    small = [Frame(f.index, f.pts_ms, squeeze(f.rgb, 32, 32)) for f in frames]
    wanted = (direct(network, small) + 1) / 2 * [75, 37]
    np.testing.assert_allclose(found, wanted, atol=5e-3)


def test_squeeze_keeps_what_fits_and_means_what_it_shrinks() -> None:
    rgb = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert squeeze(rgb, 4, 6) is rgb
    half = np.zeros((32, 64, 3), np.uint8)
    half[:, 32:] = 200
    found = squeeze(half, 16, 16)
    assert found.shape == (16, 16, 3)
    assert found.dtype == np.uint8
    assert not found[:, :6].any()
    assert (found[:, 10:] == 200).all()


def test_the_future_changes_nothing(network: FpnRim, recipe: Any) -> None:
    frames = video(recipe, 3, 21, 32, 32)
    predictor = FpnRimPredictor(network)
    assert predictor.info.causal
    first = run(predictor, frames)
    for last in (0, 7, 12, 19):
        future = [
            Frame(i, 0.0, 255 - frames[j].rgb) for i, j in zip(range(last + 1, 21), range(20, last, -1), strict=True)
        ]
        second = run(predictor, [*frames[: last + 1], *future])
        assert first[: last + 1] == second[: last + 1]
        assert all(a != b for a, b in zip(first[last + 1 :], second[last + 1 :], strict=True))
        # Nor does it matter that there is a future.
        assert run(predictor, frames[: last + 1]) == first[: last + 1]


def test_nothing_is_carried_to_the_next_stimulus(network: FpnRim, recipe: Any) -> None:
    one, two = video(recipe, 4, 9, 32, 32), video(recipe, 5, 9, 40, 32)
    predictor = FpnRimPredictor(network)
    alone = run(predictor, two)
    run(predictor, one)
    assert run(predictor, two) == alone


def test_the_state_starts_afresh_with_each_clip(network: FpnRim, recipe: Any) -> None:
    frames = video(recipe, 6, 25, 32, 32)
    predictor = FpnRimPredictor(network, clip_seconds=0.4)  # 10 frames at 25 a second
    found = run(predictor, frames, fps=25.0)
    parts = [run(predictor, frames[first : first + 10], fps=25.0) for first in (0, 10, 20)]
    assert found == [point for part in parts for point in part]
    np.testing.assert_allclose(found[10:20], (direct(network, frames[10:20]) + 1) / 2 * 32, atol=1e-3)
    whole = run(FpnRimPredictor(network, clip_seconds=None), frames, fps=25.0)
    assert whole[:10] == found[:10]
    assert whole[10:] != found[10:]
    np.testing.assert_allclose(whole, (direct(network, frames) + 1) / 2 * 32, atol=1e-3)


def test_a_published_clip_has_150_frames(network: FpnRim) -> None:
    predictor = FpnRimPredictor(network)
    for fps, frames in ((30000 / 1001, 150), (25.0, 125), (60.0, 300), (0.1, 1), (None, None)):
        assert predictor._clip_frames(StimulusInfo("s", 32, 32, fps, "video", 9)) == frames


def test_groups_of_frames_change_no_point(network: FpnRim, recipe: Any) -> None:
    frames = video(recipe, 7, 13, 32, 32)
    np.testing.assert_allclose(
        run(FpnRimPredictor(network, batch=1), frames), run(FpnRimPredictor(network, batch=5), frames), atol=1e-3
    )


def test_one_frame_no_frame_and_an_image(network: FpnRim, recipe: Any) -> None:
    frames = video(recipe, 8, 1, 50, 33)
    predictor = FpnRimPredictor(network)
    (video_point,) = run(predictor, frames)
    (image_point,) = run(predictor, frames, None, "image")
    assert video_point == image_point
    assert list(predictor.predict(iter(()), StimulusInfo("s", 50, 33, 30.0, "video", 0))) == []


def test_other_outputs_and_modes_predict_too(fill: Any, recipe: Any) -> None:
    frames = video(recipe, 9, 4, 32, 32)
    for variant in ({"predict_em": True}, {"mode": "LSTM"}, {"rim_layers": 2}, {"channel_wise_attention": True}):
        network = fill(build_module("fpn_rim", **SMALL, **variant), "fpn_rim")
        found = run(FpnRimPredictor(network), frames)
        np.testing.assert_allclose(found, (direct(network, frames)[:, :2] + 1) / 2 * 32, atol=1e-3)


# Checkpoints

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"predict_em": True},
    {"rim_num_units": 5, "rim_k": 5, "input_attn_heads": 3, "rim_layers": 2},
    {"n_teacher_vals": 0, "out_channels": 4},
    {"fpn_only_use_last_layer": False},
    {"channel_wise_attention": True},
    {"mode": "LSTM"},
    {"backbone_model": "mobilenet_v3_small"},
    {"backbone_model": "mobilenetv3_large_100"},
)


def shown_by(variant: dict[str, Any], **given: Any) -> dict[str, Any]:
    with torch.device("meta"):
        network = build_module("fpn_rim", **{**SMALL, **variant})
    return shown_settings(network.state_dict(), given)[0]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "thesis")
def test_shapes_show_the_settings(variant: dict[str, Any]) -> None:
    shown = shown_by(variant)
    defaults = {name: option.default for name, option in OPTIONS.items()}
    wanted = {**defaults, **SMALL, **variant}
    # An LSTM has no units, and copies of its output cannot be distinguished from its input: the thesis's number is taken.
    shown.pop("rim_k", None)
    assert {name: wanted[name] for name in shown} == shown


def test_frame_sizes_are_found() -> None:
    for size in (64, 96, 128, 224, 100, 37):
        found = shown_by({"input_dims": (size, size)})["input_dims"]
        assert -(-found[0] // 4) == -(-size // 4)
        assert found == (size, size) or size % 4
    assert shown_by({"input_dims": (64, 96)}, input_dims=(64, 96))["input_dims"] == (64, 96)
    with pytest.raises(WrongUse, match="no square frame explains.*input_dims=HxW"):
        shown_by({"input_dims": (64, 96)})
    with pytest.raises(WrongUse, match="which input_dims=32x96 does not explain, nor does any square frame"):
        shown_by({"input_dims": (64, 96)}, input_dims=(32, 96))
    with pytest.raises(WrongUse, match="input_dims=64x64 does not explain .input_dims=96x96, channel.*false.* would"):
        shown_by({"input_dims": (96, 96)}, input_dims=(64, 64))


def test_the_names_on_the_command_line_are_the_networks() -> None:
    assert set(BACKBONE_NAMES) == set(BACKBONES)


def save(network: FpnRim, path: Path, hyper_parameters: dict[str, Any] | None, *, old_keys: bool = False) -> Path:
    state = {
        (
            key.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
            if old_keys and key.startswith("fpn.")
            else key
        ): value
        for key, value in network.state_dict().items()
    }
    content: dict[str, Any] = {"state_dict": state, "epoch": 200, "pytorch-lightning_version": "1.5.10"}
    if hyper_parameters is not None:
        content["hyper_parameters"] = hyper_parameters
    torch.save(content, path)
    return path


def test_a_lightning_checkpoint_comes_back(fill: Any, recipe: Any, tmp_path: Path, caplog: Any) -> None:
    settings = {**SMALL, "rim_k": 2, "p_teacher_forcing": 0.1}
    network = fill(build_module("fpn_rim", **settings), "fpn_rim")
    others = {"lr": 1e-6, "batch_size": 16, "frames": 150, "loss_fn": "mse_loss", "rnn_cell": "LSTM"}
    path = save(network, tmp_path / "epoch=200.ckpt", {**settings, **others}, old_keys=True)
    predictor = load_model("fpn_rim", path)
    assert not caplog.records
    module = predictor.module  # type: ignore[attr-defined]
    assert module.rim.rimcell[0].k == 2
    assert module.p_teacher_forcing == 0.1
    assert all(torch.equal(module.state_dict()[key], value) for key, value in network.state_dict().items())
    frames = video(recipe, 10, 6, 32, 32)
    assert run(predictor, frames) == run(FpnRimPredictor(network), frames)


def test_a_bare_state_dict_comes_back_and_what_is_assumed_is_said(
    fill: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = fill(build_module("fpn_rim", **SMALL, rim_k=3), "fpn_rim")
    torch.save(network.state_dict(), tmp_path / "bare.pt")
    assert load_model("fpn_rim", tmp_path / "bare.pt").module.rim.rimcell[0].k == 4  # type: ignore[attr-defined]
    (said,) = (r.getMessage() for r in caplog.records)
    assert "rim_k=4, input_dims=32x32, channel_wise_attention=false, fpn_only_use_last_layer=true" in said
    caplog.clear()
    told = load_model("fpn_rim", tmp_path / "bare.pt", rim_k=3, input_dims=(32, 32))
    assert told.module.rim.rimcell[0].k == 3  # type: ignore[attr-defined]
    assert not caplog.records


def test_every_guess_about_an_unknown_frame_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Frames of 64 x 128 make tokens as long as those of 256 x 256 with one token for each channel do."""
    torch.save(build_module("fpn_rim", **{**SMALL, "input_dims": (64, 128)}).state_dict(), tmp_path / "bare.pt")
    load_model("fpn_rim", tmp_path / "bare.pt", rim_k=4)
    (said,) = (r.getMessage() for r in caplog.records)
    assert "assumed: input_dims=256x256, channel_wise_attention=true, fpn_only_use_last_layer=true" in said
    caplog.clear()
    told = load_model("fpn_rim", tmp_path / "bare.pt", rim_k=4, input_dims=(64, 128))
    assert not told.module.channel_wise  # type: ignore[attr-defined]
    assert not caplog.records


def test_what_the_shapes_leave_open(tmp_path: Path) -> None:
    def guessed(variant: dict[str, Any], **given: Any) -> tuple[str, ...]:
        with torch.device("meta"):
            network = build_module("fpn_rim", **{**SMALL, **variant})
        return shown_settings(network.state_dict(), given)[1]

    frame = {"input_dims": (32, 32)}
    assert guessed({}, **frame) == ("rim_k",)
    assert guessed({}, **frame, rim_k=4) == ()
    assert guessed({"mode": "LSTM"}, **frame) == ("n_teacher_vals",)
    assert guessed({"mode": "LSTM"}, n_teacher_vals=50, channel_wise_attention=False) == (
        "input_dims",
        "fpn_only_use_last_layer",
    )
    # One channel: a token of each channel is as long as one of all channels.
    assert guessed({"out_channels": 1}, **frame, rim_k=4) == ("channel_wise_attention",)
    assert shown_settings({}, {}) == ({}, ())


@pytest.mark.parametrize("name", ["p_teacher_forcing", "input_dropout", "comm_dropout"])
@pytest.mark.parametrize("share", [-0.1, 2.0])
def test_shares_lie_between_0_and_1(name: str, share: float) -> None:
    with pytest.raises(WrongUse, match=f"{name}={share}: a share"):
        build_module("fpn_rim", **SMALL, **{name: share})


def test_options_that_contradict_the_shapes_are_refused(network: FpnRim, tmp_path: Path) -> None:
    path = save(network, tmp_path / "a.ckpt", {"rim_k": 4, "input_dims": [32, 32]})
    with pytest.raises(WrongUse, match="rim_num_units=7 was given.*rim_num_units=6"):
        load_model("fpn_rim", path, rim_num_units=7)
    with pytest.raises(WrongUse, match="clip_seconds=-1"):
        load_model("fpn_rim", path, clip_seconds=-1.0)
    with pytest.raises(WrongUse, match="batch=0"):
        load_model("fpn_rim", path, batch=0)
    assert load_model("fpn_rim", path, clip_seconds=None).clip_seconds is None  # type: ignore[attr-defined]


def test_other_files_are_refused(network: FpnRim, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="No weights of fpn_rim were published"):
        load_model("fpn_rim", tmp_path / "none.ckpt")
    torch.save({"state_dict": {"layer.weight": torch.zeros(2, 2)}}, tmp_path / "other.pt")
    with pytest.raises(BadData, match="do not fit fpn_rim"):
        load_model("fpn_rim", tmp_path / "other.pt")
    state = dict(network.state_dict())
    del state["multihead_attn.out_proj.bias"]
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(BadData, match=r"multihead_attn\.out_proj\.bias"):
        load_model("fpn_rim", tmp_path / "less.pt", rim_k=4, input_dims=(32, 32))


def test_arguments_of_the_authors_constructor_are_taken() -> None:
    with torch.device("meta"):
        network = build_module("fpn_rim", **SMALL, batch_size=16, frames=150, rnn_cell="LSTM", out_attn_heads=2)
    assert isinstance(network, FpnRim)
    with pytest.raises(WrongUse, match="rnn_cell='GRU'"):
        build_module("fpn_rim", rnn_cell="GRU")


def test_settings_of_hyper_parameters_that_are_wrong(network: FpnRim, tmp_path: Path) -> None:
    from vidsal.baselines import checkpoints

    path = save(network, tmp_path / "a.ckpt", {"mode": "GRU"})
    with pytest.raises(WrongUse, match="mode='GRU'"):
        settings_of(checkpoints.read(path), {})
