"""Predictions scored in batches where they are: rows, faults and records as on the host. On the CPU's torch here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import vidsal
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation import batches
from vidsal.benchmark.evaluation.results.gate import compare
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.evaluation.run import ModelRecord, ScoreOn, Settings, run
from vidsal.benchmark.human import GoldStandard
from vidsal.benchmark.predictor import Kind, ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.scoring import frame as host, truth_cache
from vidsal.benchmark.scoring.device.batch import covers
from vidsal.cli import app as cli
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, NonFinite, UnknownName, VidsalError, WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, gaze_only, seed_of, smooth

COVERED = [name for name, rules in protocols.PROTOCOLS.items() if covers(rules)]
MIXED = [(48, 64), (24, 32), (60, 80)]


class Tensors:
    """Smooth maps as torch tensors, other ones for each frame; `change` makes of each what a test needs."""

    def __init__(self, kind: Kind = "saliency", size: tuple[int, int] | None = (48, 64), **info: Any) -> None:
        self.kind, self.size = kind, size
        self.info = ModelInfo(**{"name": "tensors", "needs_frames": False, "output": kind, **info})

    def values(self, stimulus: str, frame: int) -> Any:
        values = smooth(seed_of(stimulus, frame), self.size or MIXED[seed_of(stimulus, 0) % 3])
        if self.kind != "saliency":
            values = values / values.sum()
        if self.kind == "log_density":
            with np.errstate(divide="ignore"):
                values = np.log(np.where(values > np.quantile(values, 0.1), values, 0))
        return torch.from_numpy(values.astype(np.float32))

    def change(self, frame: int, values: Any) -> Any:
        return values

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction(frame.index, self.change(frame.index, self.values(stimulus.id, frame.index)), self.kind)


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(gaze_only(tmp_path_factory.mktemp("batches")))


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release in which nobody looks at the second half of each video."""
    folder = tmp_path_factory.mktemp("gaps")
    generate(folder / "src", videos=2, frames=8, width=64, height=48, observers=1, seed=5, val=0, write_video=False)
    for text in (folder / "src").rglob("O01.txt"):
        lines = text.read_text().splitlines(keepends=True)
        text.write_text("".join(lines[: len(lines) // 2]))
    convert("synthetic", folder / "src", folder / "rel", workers=1)
    return vidsal.load(folder / "rel")


def agree(model: Any, ds: Release, protocol: str = "exact-1") -> Run:
    """Score on both, compare every row, and return the run on the device."""
    one, other = (vidsal.evaluate(model, ds, protocol, score_on=where) for where in places())
    a, b = one.frames, other.frames
    labels = list(one.metrics)
    pd.testing.assert_frame_equal(a.drop(columns=labels), b.drop(columns=labels))
    np.testing.assert_allclose(b[labels].to_numpy(), a[labels].to_numpy(), rtol=0, atol=1e-6, equal_nan=True)
    assert compare(one, other).passed
    return other


def places() -> tuple[ScoreOn, ScoreOn]:
    return "host", "device"


@pytest.mark.parametrize("protocol", COVERED)
@pytest.mark.parametrize("kind", ["saliency", "density", "log_density"])
@pytest.mark.parametrize("size", [(48, 64), None])
def test_rows_are_those_of_the_host(ds: Release, protocol: str, kind: Kind, size: Any) -> None:
    made = agree(Tensors(kind, size), ds, protocol)
    assert made.record["counts"]["scored"] == 3 * FRAMES
    assert made.record["engine"]["score_on"] == "device"
    assert made.record["engine"]["scored_by"] == "torch cpu"


def test_the_host_is_the_default_and_says_so(ds: Release) -> None:
    engine = vidsal.evaluate(Tensors(), ds).record["engine"]
    assert engine["score_on"] == "host"
    assert "scored_by" not in engine


class Everything(Tensors):
    """Every type and form of map in one video."""

    def change(self, frame: int, values: Any) -> Any:
        scaled = (200 * values).round()
        return [
            values.numpy(),
            scaled.to(torch.uint8),
            scaled.to(torch.int64),
            values > values.median(),
            values.to(torch.bfloat16).requires_grad_(),
            values.double().numpy()[::-1],
            torch.full(values.shape, 3.0),
        ][frame]


@pytest.mark.parametrize("protocol", COVERED)
def test_every_type_of_map(ds: Release, protocol: str) -> None:
    made = agree(Everything(size=None), ds, protocol).frames
    assert made.loc[made["frame"] == 6, "reason"].str.contains("constant prediction").all()


def test_kinds_may_change_within_a_video(ds: Release) -> None:
    class Changing(Tensors):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            kinds: tuple[Kind, ...] = ("saliency", "density", "log_density")
            models = [Tensors(kind).predict(frames, stimulus) for kind in kinds]
            for index in range(stimulus.n_frames):
                yield next(models[index % 3])

    agree(Changing(), ds)


class Lazy(Tensors):
    """Skips frames, among them some at which nobody looks; may write into one buffer."""

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        buffer = torch.empty(48, 64)
        for frame in frames:
            if frame.index not in (0, 2, 7):
                buffer[:] = self.values(stimulus.id, frame.index)
                yield Prediction(frame.index, buffer)


@pytest.mark.parametrize("missing", ["exclude", "center-bias"])
@pytest.mark.parametrize("most", [1, 3, 64])
def test_every_status(gaps: Release, missing: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_MOST_FRAMES", most)
    made = agree(Lazy(missing=missing), gaps)
    found = made.frames["status"].value_counts()
    assert found["no_fixation"] > 2
    assert found["scored"] > 2
    assert found.get("no_prediction", 0) == (4 if missing == "exclude" else 0)


class Faulty(Tensors):
    """One bad map, at a frame."""

    def __init__(self, at: int, bad: Any, kind: Kind = "saliency") -> None:
        super().__init__(kind)
        self.at, self.bad = at, bad

    def change(self, frame: int, values: Any) -> Any:
        if frame == self.at:
            values = self.bad(values)
        return values


def one_pixel(values: Any) -> Any:
    values[3, 4] = math.nan
    return values


@pytest.mark.parametrize(
    ("at", "bad", "kind", "error"),
    [
        (1, one_pixel, "saliency", NonFinite),
        (7, one_pixel, "saliency", NonFinite),  # nobody looks at this frame
        (2, lambda v: v * math.inf, "log_density", NonFinite),
        (2, lambda v: 2 * v, "density", BadData),
        (1, lambda v: v.to(torch.complex64), "saliency", WrongUse),
        (1, lambda v: v[:0], "saliency", WrongUse),
    ],
)
def test_a_bad_map_stops_the_run_in_the_same_words(
    gaps: Release, at: int, bad: Any, kind: Kind, error: type[VidsalError]
) -> None:
    messages = []
    for where in places():
        with pytest.raises(error, match=rf"{gaps.ids[0]}, frame {at}: ") as caught:
            vidsal.evaluate(Faulty(at, bad, kind), gaps, score_on=where)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_the_first_of_two_bad_maps_is_named(gaps: Release) -> None:
    class Twice(Tensors):
        def change(self, frame: int, values: Any) -> Any:
            return one_pixel(values) if frame in (2, 7) else values

    class Unseen(Tensors):
        def change(self, frame: int, values: Any) -> Any:
            if frame == 6:
                return values.fill_(math.inf)
            return one_pixel(values) if frame == 7 else values

    for model, frame in ((Twice(), 2), (Unseen(), 6)):
        with pytest.raises(NonFinite, match=rf"{gaps.ids[0]}, frame {frame}: "):
            vidsal.evaluate(model, gaps, score_on="device")


def test_batches_are_bounded_and_do_not_move_a_score(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    score_batch = batches.score_batch

    def counted(values: torch.Tensor, *rest: Any) -> Any:
        sizes.append(len(values))
        return score_batch(values, *rest)

    monkeypatch.setattr(batches, "score_batch", counted)
    whole = vidsal.evaluate(Tensors(), ds, score_on="device")
    assert sizes == [FRAMES] * 3
    for name, value, expected in (("_MOST_FRAMES", 3, [3, 3, 1]), ("_MOST_PIXELS", 2 * 48 * 64 * 2 + 1, [2, 2, 2, 1])):
        sizes.clear()
        with monkeypatch.context() as patch:
            patch.setattr(batches, name, value)
            cut = vidsal.evaluate(Tensors(), ds, score_on="device")
        assert sizes == expected * 3
        labels = list(whole.metrics)
        np.testing.assert_allclose(cut.frames[labels], whole.frames[labels], rtol=0, atol=1e-12)


def test_a_tensor_is_not_brought_to_the_host(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a map was taken to the host")

    expected = vidsal.evaluate(Tensors(), ds, score_on="device")
    truth_cache.build(ds, protocols.EXACT_1)
    monkeypatch.setattr(batches, "as_map", refuse)
    monkeypatch.setattr(host, "as_map", refuse)
    made = vidsal.evaluate(Tensors(), ds, score_on="device")
    assert made.record["rows_digest"] == expected.record["rows_digest"]
    with pytest.raises(AssertionError, match="taken to the host"):
        vidsal.evaluate(Tensors(), ds)


class Pointer(Tensors):
    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction.point(frame.index, 30.0 + frame.index, 24.0)


def test_positions_become_densities_on_the_device(ds: Release) -> None:
    made = agree(Pointer(output="point"), ds)
    assert made.record["gaze_points"]["mean"]["angular error"] > 0
    assert made.record["engine"]["scored_by"] == "torch cpu"


def test_arrays_go_to_the_device_of_the_model(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    class Arrays(Tensors):
        device: Any = torch.device("meta")

        def change(self, frame: int, values: Any) -> Any:
            return values.numpy()

    with pytest.raises(WrongUse, match=rf"{ds.ids[0]}, frame 0: predicted on meta; only cpu and cuda"):
        vidsal.evaluate(Arrays(), ds, score_on="device")
    for device in ("cpu", "of my own", object()):
        monkeypatch.setattr(Arrays, "device", device)
        assert vidsal.evaluate(Arrays(), ds, score_on="device").record["engine"]["scored_by"] == "torch cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("protocol", COVERED)
def test_on_a_gpu(ds: Release, protocol: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")

    class OnGPU(Everything):
        device = torch.device("cuda")

        def change(self, frame: int, values: Any) -> Any:
            values = super().change(frame, values)
            return values.cuda() if isinstance(values, torch.Tensor) else values

    assert agree(OnGPU(size=None), ds, protocol).record["engine"]["scored_by"] == "torch cuda"


def settings(score_on: ScoreOn = "device") -> Settings:
    return Settings(protocols.EXACT_1, threads=1, score_on=score_on)


def test_a_run_is_resumed_by_its_own_engine_only(ds: Release, tmp_path: Path) -> None:
    record = ModelRecord(Tensors().info)
    unbroken = run(Tensors, record, ds, settings(), partial=tmp_path / "whole")
    predicted: list[str] = []

    class Watched(Tensors):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            predicted.append(stimulus.id)
            if len(predicted) == 3 and stops:
                raise BadData("stop")
            return super().predict(frames, stimulus)

    stops = True
    for where in places():
        predicted.clear()
        with pytest.raises(BadData, match="stop"):
            run(Watched, record, ds, settings(where), partial=tmp_path / "p")
        assert predicted == list(ds.ids)
    stops = False
    predicted.clear()
    resumed = run(Watched, record, ds, settings(), partial=tmp_path / "p")
    assert predicted == [ds.ids[2]]
    assert resumed.record["digest"] == unbroken.record["digest"]


@pytest.mark.usefixtures("warm_children")
def test_workers_do_not_change_a_byte(ds: Release, tmp_path: Path) -> None:
    digests = set()
    for workers in (1, 2):
        made = run(Tensors, ModelRecord(Tensors().info), ds, settings(), partial=tmp_path, workers=workers)
        digests.add(made.record["digest"])
    assert len(digests) == 1


def test_what_is_not_scored_on_a_device_is_refused(ds: Release) -> None:
    for name in protocols.PROTOCOLS.keys() - set(COVERED):
        with pytest.raises(WrongUse, match=f"{name} cannot be scored on the device; .*exact-1, dhf1k-1, tuebingen-1"):
            vidsal.evaluate(Tensors(), ds, name, score_on="device")
    with pytest.raises(WrongUse, match="score on the host"):
        vidsal.evaluate(GoldStandard(), ds, score_on="device")
    with pytest.raises(UnknownName, match="'gpu'.* Known: device, host"):
        vidsal.evaluate(Tensors(), ds, score_on="gpu")  # type: ignore[arg-type]


OWN = """
import torch
from vidsal.benchmark import ModelInfo, Prediction

class Ramp:
    info = ModelInfo("ramp", needs_frames=False)
    def __init__(self, device):
        self.device = device
    def predict(self, frames, stimulus):
        for frame in frames:
            values = torch.arange(48 * 64, dtype=torch.float32, device=self.device).reshape(48, 64)
            yield Prediction(frame.index, values.roll(7 * frame.index))
"""


@pytest.mark.usefixtures("warm_children")
def test_the_command_line(ds: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text(OWN)
    words = ["run", f"{tmp_path / 'own.py'}:Ramp", "--data", str(ds.root), "--json", "--device", "cpu"]
    records = []
    for where in places():
        assert cli._run([*words, "--score-on", where, "-o", str(tmp_path / where)]) == 0
        records.append(json.loads(capsys.readouterr().out))
    assert [r["engine"]["score_on"] for r in records] == ["host", "device"]
    assert records[1]["engine"]["scored_by"] == "torch cpu"
    assert ["--score-on device" in r["command"] for r in records] == [False, True]
    gate = ["gate", "--baseline", str(tmp_path / "host"), "--candidate", str(tmp_path / "device"), "--json"]
    assert cli._run(gate) == 0
    assert any("different engines" in note for note in json.loads(capsys.readouterr().out)["notes"])
    assert cli._run([*words, "--score-on", "device", "--protocol", "msu-1", "-o", str(tmp_path / "msu")]) == 2
    assert "exact-1, dhf1k-1, tuebingen-1" in capsys.readouterr().err
