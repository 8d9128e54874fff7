"""Maps that can be scored and look wrong: one warning each, for a model that runs and for stored maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.evaluation.results.schema import read_record
from vidsal.benchmark.evaluation.run import ScoreOn
from vidsal.benchmark.evaluation.suspicious import Looks, suspicious
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.score import score
from vidsal.cli import app as cli
from vidsal.leaderboard.format import badges
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release

from ..stored import Maps, gaze_only, levels


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(gaze_only(tmp_path_factory.mktemp("suspicious")))


class Odd:
    """The density of the truth, made odd."""

    def __init__(self, ds: Release, change: Callable[[Any], Any]) -> None:
        self.ds, self.change = ds, change
        self.info = ModelInfo(name="odd", needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in range(stimulus.n_frames):
            density = self.ds[stimulus.id].density(frame)
            yield Prediction(frame, self.change(density / max(density.max(), 1e-30)))


ODD: dict[str, Callable[[Any], Any]] = {
    "inverted": lambda v: np.rint(255 * (1 - v)).astype(np.uint8),
    "cast": lambda v: v.astype(np.uint8),
    "few levels": lambda v: np.rint(3 * v).astype(np.uint8) * 85,
    "constant": lambda v: np.full(v.shape, 9, np.uint8),
}


@pytest.mark.parametrize("what", ODD)
def test_named_by_run_and_by_score(tmp_path: Path, ds: Release, what: str) -> None:
    model = Odd(ds, ODD[what])
    on: tuple[ScoreOn, ...] = ("host", "device")
    found = [vidsal.evaluate(model, ds, score_on=where).record["suspicious"] for where in on]
    predict(model, ds, tmp_path / "sub", encoding="png8")
    found.append(score(tmp_path / "sub", ds).record["suspicious"])
    for texts in found:
        assert [text.partition(":")[0] for text in texts] == [what]


def test_what_is_usual_is_not_named(tmp_path: Path, ds: Release) -> None:
    for model in (Maps(), Maps("log_density"), Odd(ds, lambda v: v), Odd(ds, lambda v: np.rint(255 * v))):
        assert "suspicious" not in vidsal.evaluate(model, ds).record  # type: ignore[arg-type]
    assert suspicious([], {"AUC-J": 0.1}, [], "human") == []
    assert suspicious([], {"AUC-J": 0.5}, ["AUC-J: constant prediction"], "reference") == []
    assert suspicious([], {"NSS": -1.0}, [None, None], "custom") == []


def test_a_log_density_of_three_levels(tmp_path: Path, ds: Release) -> None:
    class Flat(Maps):
        def values(self, stimulus: str, frame: int) -> Any:
            peak = super().values(stimulus, frame)
            density = 3 + peak / peak.max()
            return density / density.sum()

    flat = Flat("density", "float64")
    assert "suspicious" not in vidsal.evaluate(flat, ds).record
    said: list[str] = []
    predict(flat, ds, tmp_path / "exact", note=said.append)
    assert said == []
    predict(flat, ds, tmp_path / "sub", encoding="png8", note=said.append)
    (told,) = score(tmp_path / "sub", ds).record["suspicious"]
    assert told.startswith("few levels")
    assert said == [
        f"suspicious: {ds.ids[0]}, {ds.ids[1]}, {ds.ids[2]}: {told}; --encoding npz keeps the numbers as the model gives them"
    ]


def test_looks_at_a_few_maps_only() -> None:
    looks = Looks()
    for _ in range(9):
        looks.look(np.arange(100.0).reshape(10, 10))
        looks.look(np.zeros((10, 10)))
    assert looks.to_dict() == {"looked": 3, "cast": 0, "few": 0}
    looks = Looks()
    looks.look(np.eye(4))
    assert looks.looked == 0
    sparse = np.zeros((400, 600), np.uint8)
    sparse[123, 321] = 1
    looks.look(sparse)
    assert looks.to_dict() == {"looked": 1, "cast": 1, "few": 1}


def test_one_warning_on_stderr_and_on_the_board(
    tmp_path: Path, ds: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    for stimulus in ds:
        (tmp_path / "m" / stimulus.id).mkdir(parents=True)
        for frame in range(stimulus.n_frames):
            image = Image.fromarray((levels(stimulus.id, frame) // 255).astype(np.uint8))
            image.save(tmp_path / "m" / stimulus.id / f"{frame + 1}.png")
    common = ["--data", str(ds.root), "--kind", "saliency", "-o", str(tmp_path / "r")]
    assert cli._run(["score", str(tmp_path / "m"), *common]) == 0
    out, err = capsys.readouterr()
    assert [line for line in err.splitlines() if "suspicious" in line] == [
        "vidsal: warning: suspicious: cast: the maps hold 0 and 1 only, all else of a map of 0 to 1 was cut off; scale "
        "before rounding"
    ]
    assert "suspicious" not in out
    assert cli._run(["score", str(tmp_path / "m"), *common, "--strict"]) == 1
    run = score(tmp_path / "m", ds, kind="saliency")
    assert "suspicious: cast" in badges(read_record(run.record, "here"))


@pytest.mark.parametrize("encoding", ["png8", "png16"])
@pytest.mark.parametrize("kind", ["density", "log_density"])
def test_probability_zero_keeps_a_level(tmp_path: Path, ds: Release, encoding: str, kind: Any) -> None:
    class Holes(Maps):
        def values(self, stimulus: str, frame: int) -> Any:
            with np.errstate(divide="ignore"):
                density = (
                    np.exp(super().values(stimulus, frame))
                    if kind == "log_density"
                    else super().values(stimulus, frame)
                )
                density[:24] = 0
                density /= density.sum()
                return np.log(density) if kind == "log_density" else density

    model = Holes(kind, "float64")
    exact = vidsal.evaluate(model, ds, "density-1")
    made = predict(model, ds, tmp_path / "sub", encoding=encoding)
    assert made.manifest.prediction.encoding.zero
    run = score(tmp_path / "sub", ds, "density-1")
    assert run.record["metrics"]["IG"]["reason"] == exact.record["metrics"]["IG"]["reason"]
    for name in ("AUC-J", "NSS", "CC", "SIM"):
        assert run.scores[name] == pytest.approx(exact.scores[name], abs=0.03), name
