"""The shape of maps: one rule for run, predict, score and check; declared geometries are undone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.conformance import check
from vidsal.benchmark.geometry import ShapeRule, on_frame, same_aspect
from vidsal.benchmark.predictor import Fit, ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.submissions.predict import predict
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release
from vidsal.models import declared, parse_spec

from .stored import gaze_only, opened, seed_of, smooth


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return opened(gaze_only(tmp_path_factory.mktemp("geometry"), videos=2))


class Shaped:
    """Smooth maps of 48 x 64, changed by a function."""

    def __init__(self, change: Any = None, fit: Fit | None = None, kind: Any = "saliency") -> None:
        self.change, self.kind = change or (lambda values, frame: values), kind
        self.info = ModelInfo(name="shaped", output=kind, needs_frames=False, fit=fit)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in range(stimulus.n_frames):
            values = smooth(seed_of(stimulus.id, frame), (stimulus.height, stimulus.width)).astype(np.float32)
            if self.kind != "saliency":
                values /= values.sum()
            yield Prediction(frame, self.change(values, frame), self.kind)


def transposed(values: Any, frame: int) -> Any:
    return values.T.copy()


def shrinking(values: Any, frame: int) -> Any:
    return values if frame < 3 else values[:10, :10]


@pytest.mark.parametrize(
    ("shape", "frame", "same"),
    [
        ((180, 320), (360, 640), True),
        ((192, 256), (360, 640), False),
        ((640, 360), (360, 640), False),
        ((224, 224), (360, 640), False),
        ((98, 100), (100, 100), False),  # 2.04 %
        ((9, 10), (10, 10), True),  # 11 %, but one pixel
        ((8, 10), (10, 10), False),
        ((1, 1), (1080, 1920), True),
        ((36, 64), (1080, 1920), True),
        ((135, 240), (1088, 1920), True),
    ],
)
def test_two_percent_and_one_pixel(shape: tuple[int, int], frame: tuple[int, int], same: bool) -> None:
    assert same_aspect(shape, frame) is same
    assert same_aspect(shape[::-1], frame[::-1]) is same
    assert (ShapeRule(frame, None).fault(shape, "a") is None) is same
    assert ShapeRule(frame, "stretch").fault(shape, "a") is None


@pytest.mark.parametrize("shape", [(0, 64), (36, 0), (0, 0)])
def test_a_map_without_pixels_has_no_aspect(shape: tuple[int, int]) -> None:
    assert not same_aspect(shape, (360, 640))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (transposed, "the maps are 48 x 64 .* the frames 64 x 48: .*transposed map.*--fit stretch"),
        (shrinking, "maps of several sizes: .*64 x 48, .*is 10 x 10"),
    ],
)
def test_one_rule_for_run_predict_score_and_check(tmp_path: Path, ds: Release, change: Any, message: str) -> None:
    model = Shaped(change)
    with pytest.raises(BadData, match=message):
        vidsal.evaluate(model, ds)
    with pytest.raises(BadData, match=message):
        predict(model, ds, tmp_path / "sub")
    for stimulus in ds:
        (tmp_path / "m" / stimulus.id).mkdir(parents=True)
        for p in model.predict(iter(()), StimulusInfo(stimulus.id, 64, 48, 25.0, "video", stimulus.n_frames)):
            image = Image.fromarray(np.rint(255 * p.values).astype(np.uint8))
            image.save(tmp_path / "m" / stimulus.id / f"{p.frame + 1}.png")
    with pytest.raises(BadData, match=message):
        vidsal.score(tmp_path / "m", ds, kind="saliency")
    broken = {f.rule: f.message for f in check(lambda: model) if not f.ok}
    assert ("several sizes" if change is shrinking else "another aspect") in broken["values"]


def test_a_declared_stretch_is_scored_and_recorded(tmp_path: Path, ds: Release) -> None:
    def half(values: Any, frame: int) -> Any:
        return values[:, ::2].copy()

    with pytest.raises(BadData, match="the maps are 32 x 48"):
        vidsal.evaluate(Shaped(half), ds)
    run = vidsal.evaluate(Shaped(half, "stretch"), ds)
    assert run.record["model"]["fit"] == "stretch"
    assert "fit" not in vidsal.evaluate(Shaped(), ds).record["model"]
    made = vidsal.predict(Shaped(half, "stretch"), ds, tmp_path / "sub")
    assert made.manifest.prediction.fit == "stretch"
    scored = vidsal.score(tmp_path / "sub", ds)
    assert scored.record["rows_digest"] == run.record["rows_digest"]
    assert scored.record["model"]["fit"] == "stretch"
    with pytest.raises(WrongUse, match=r"fit crop was asked for, submission\.json says stretch"):
        vidsal.score(tmp_path / "sub", ds, fit="crop")


def boxed(values: Any, frame: int) -> Any:
    square = np.full((64, 64), values.max() if frame % 2 else 0, values.dtype)
    square[8:56] = values
    return square


def middle(values: Any, frame: int) -> Any:
    return values[:, 8:56].copy()


def uncovered(values: Any, frame: int) -> Any:
    whole = np.full((48, 64), values[:, 8:56].min(), values.dtype)
    whole[:, 8:56] = values[:, 8:56]
    return whole


@pytest.mark.parametrize(
    ("fit", "change", "same_as"), [("letterbox", boxed, lambda v, f: v), ("crop", middle, uncovered)]
)
@pytest.mark.usefixtures("warm_children")
def test_what_was_done_to_the_frame_is_undone_to_the_map(
    tmp_path: Path, ds: Release, fit: Any, change: Any, same_as: Any
) -> None:
    expected = vidsal.evaluate(Shaped(same_as), ds)
    run = vidsal.evaluate(Shaped(change, fit), ds)
    assert run.record["rows_digest"] == expected.record["rows_digest"]
    predict(Shaped(change, fit), ds, tmp_path / "sub")
    assert vidsal.score(tmp_path / "sub", ds, workers=2).record["rows_digest"] == expected.record["rows_digest"]
    content = json.loads((tmp_path / "sub" / "submission.json").read_text())
    del content["prediction"]["fit"]
    (tmp_path / "sub" / "submission.json").write_text(json.dumps(content))
    scored = vidsal.score(tmp_path / "sub", ds, fit=fit, workers=2)
    assert scored.record["rows_digest"] == expected.record["rows_digest"]
    assert vidsal.evaluate(Shaped(change, "stretch"), ds).record["rows_digest"] != run.record["rows_digest"]


@pytest.mark.parametrize("kind", ["density", "log_density"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_densities_stay_densities(kind: Any, library: str) -> None:
    density = np.random.default_rng(1).random((20, 20))
    density /= density.sum()
    values = density if kind == "density" else np.log(density)
    if library == "torch":
        import torch

        values = torch.from_numpy(values)
    wide, tall = (StimulusInfo("s", *size, 25.0, "video", 1) for size in ((40, 20), (20, 40)))
    for stimulus, shape in ((wide, (20, 40)), (tall, (40, 20))):
        cropped = np.asarray(on_frame(Prediction(0, values, kind), stimulus, "crop").values)
        assert cropped.shape == shape
        assert (np.exp(cropped) if kind == "log_density" else cropped).sum() == pytest.approx(1)
    boxed = np.asarray(on_frame(Prediction(0, values, kind), wide, "letterbox").values)
    assert boxed.shape == (10, 20)
    if kind == "density":
        assert boxed == pytest.approx(density[5:15] / density[5:15].sum())
    else:
        assert (boxed == np.log(density)[5:15]).all()


def test_a_density_in_the_bars_alone_is_an_error() -> None:
    density = np.zeros((20, 20))
    density[0] = 0.05
    with pytest.raises(BadData, match="in the bars of the letterbox alone"):
        on_frame(Prediction(3, density, "density"), StimulusInfo("s", 40, 20, 25.0, "video", 9), "letterbox")


def test_models_of_ours_that_squeeze_say_so_and_their_submissions_inherit_it(tmp_path: Path, ds: Release) -> None:
    for name in ("tinyhd_s", "tinyhd_m", "salema", "salclstm"):
        assert declared(name).fit == "stretch"
    assert declared("unisal").fit is None
    for stimulus in ds:
        (tmp_path / "m" / stimulus.id).mkdir(parents=True)
        for frame in range(stimulus.n_frames):
            image = Image.fromarray(np.rint(255 * smooth(frame, (96, 96))).astype(np.uint8))
            image.save(tmp_path / "m" / stimulus.id / f"{frame + 1}.png")
    manifest: dict[str, Any] = {"prediction": {"kind": "saliency"}, "model": {"name": "salema"}}
    (tmp_path / "m" / "submission.json").write_text(json.dumps(manifest))
    scored = vidsal.score(tmp_path / "m", ds)
    assert scored.record["model"]["fit"] == "stretch"
    assert scored.record["model"]["submission"]["prediction"]["fit"] == "stretch"
    manifest["model"]["name"] = "mine"
    (tmp_path / "m" / "submission.json").write_text(json.dumps(manifest))
    with pytest.raises(BadData, match="the maps are 96 x 96"):
        vidsal.score(tmp_path / "m", ds)


def test_the_option_declares_for_a_class_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "from vidsal.benchmark import ModelInfo, Prediction\n"
        "class Square:\n"
        "    info = ModelInfo(name='square')\n"
        "    def predict(self, frames, stimulus):\n"
        "        for f in frames:\n"
        "            yield Prediction(f.index, np.arange(64.0).reshape(8, 8))\n"
        "class Declared(Square):\n"
        "    info = ModelInfo(name='square', fit='letterbox')\n"
    )
    assert [f.rule for f in check(parse_spec(f"{file}:Square", None, "cpu", ())) if not f.ok] == [
        "values",
        "odd size",
    ]
    assert all(f.ok for f in check(parse_spec(f"{file}:Square", None, "cpu", (), "stretch")))
    with pytest.raises(WrongUse, match="--fit crop was asked for; square declares letterbox"):
        parse_spec(f"{file}:Declared", None, "cpu", (), "crop")()
    with pytest.raises(WrongUse, match=r"ModelInfo\.fit is 'squash'"):
        ModelInfo(name="m", fit="squash")  # type: ignore[arg-type]
