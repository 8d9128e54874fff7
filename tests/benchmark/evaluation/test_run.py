from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import vidsal
from vidsal.benchmark import protocols, score_frame
from vidsal.benchmark.evaluation.results import store as results
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.human import GoldStandard, OneVsRest
from vidsal.benchmark.metrics.base import RESERVED
from vidsal.benchmark.predictor import Prediction
from vidsal.benchmark.scoring.center_prior import center_prior_density
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.errors import BadData, MissingData, NonFinite, WrongUse
from vidsal.loaders.release.release import Release

from ...loaders.trees import write_map
from ..runs import Brightness, Scripted, small_release


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("run"))


@pytest.fixture
def ds(root: Path) -> Release:
    return vidsal.load(root)


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])
def test_a_row_equals_score_frame_on_the_same_inputs(ds: Release, protocol: str) -> None:
    made = vidsal.evaluate(Brightness(), ds, protocol=protocol)
    stimulus = ds[ds.ids[1]]
    negatives = []
    for other in ds:
        if other.id != stimulus.id:
            negatives += [other.points(f) for f in range(other.n_frames)]
    frames = list(stimulus.frames())
    rows = made.frames[made.frames["stimulus_id"] == stimulus.id].set_index("frame")
    for frame in (0, 5, 11):
        prediction, density = frames[frame].rgb[..., 1].astype(np.float64), stimulus.density(frame)
        if protocol == "dhf1k-1":
            low, high = prediction.min(), prediction.max()
            prediction = np.rint(255 * (prediction - low) / (high - low)).astype(np.uint8)
            density = np.rint(255 * density.astype(np.float64) / density.max()) / 255
        expected = score_frame(
            prediction, stimulus.points(frame), density, np.concatenate(negatives), protocol=protocol
        )
        for name in ("AUC-J", "NSS", "CC", "SIM", "KLD", *(["sAUC"] if protocol == "exact-1" else [])):
            assert rows.loc[frame, name] == pytest.approx(expected[name], abs=1e-9, nan_ok=True), name


def test_every_annotated_frame_has_a_row_and_means_follow(ds: Release) -> None:
    made = vidsal.evaluate(Brightness(), ds)
    assert len(made.frames) == sum(len(s.annotated_indices()) for s in ds)
    scored = made.frames[made.frames["status"] == "scored"]
    by_hand = scored.groupby("stimulus_id")["NSS"].mean().mean()
    assert made.scores["NSS"] == pytest.approx(by_hand, abs=1e-12)
    assert made.summary().loc["NSS", "mean_frames"] == pytest.approx(scored["NSS"].mean(), abs=1e-12)
    empty = made.frames[made.frames["status"] == "no_fixation"]
    assert empty[list(made.metrics)].isna().all().all()
    assert (made.frames["n_fixations"] == 0).sum() == len(empty)


def test_n_fixations_are_distinct_pixels(ds: Release) -> None:
    made = vidsal.evaluate(Brightness(), ds)
    for _, row in made.frames.iterrows():
        points = ds[row["stimulus_id"]].points(row["frame"])
        assert row["n_fixations"] == len(np.unique(np.floor(points), axis=0))


def test_saved_and_loaded_runs_are_equal_and_damage_is_found(ds: Release, tmp_path: Path) -> None:
    made = vidsal.evaluate(Brightness(), ds).save(tmp_path)
    assert made.folder is not None
    expected = f"{ds.id}/all/exact-1/brightness"
    assert made.folder.parent.relative_to(tmp_path).as_posix() == expected
    loaded = results.load_run(made.folder)
    assert loaded.record == json.loads(json.dumps(made.record))
    assert loaded.frames.equals(made.frames)
    assert results.find_runs(tmp_path) == [made.folder]
    record = json.loads((made.folder / "run.json").read_text())
    record["metrics"]["NSS"]["mean"] += 0.1
    (made.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(BadData, match="damaged"):
        results.load_run(made.folder)


def _settings() -> Settings:
    return Settings(protocols.protocol("exact-1"))


def test_workers_do_not_change_a_byte(ds: Release, tmp_path: Path) -> None:
    tables = []
    for workers in (1, 2):
        made = run(
            Brightness, ModelRecord(Brightness().info), ds, _settings(), partial=tmp_path / "p", workers=workers
        ).save(tmp_path / str(workers))
        assert made.folder is not None
        tables.append((made.folder / "frames.parquet").read_bytes())
        assert not list((tmp_path / "p").iterdir())
    assert tables[0] == tables[1]


def test_a_killed_run_goes_on_and_ends_equal(root: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, vidsal\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "from runs import Brightness\n"
        "from vidsal.benchmark import protocols\n"
        "from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run\n"
        "def stop(done, total, name):\n"
        "    if done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "model = Brightness()\n"
        "run(lambda: model, ModelRecord(model.info), vidsal.load(sys.argv[1]), Settings(protocols.protocol('exact-1')),\n"
        "    partial=Path(sys.argv[2]), progress=stop)\n"
    )
    here = Path(__file__).resolve().parents[1]
    env = {**os.environ, "PYTHONPATH": str(here.parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", code, str(root), str(tmp_path / "p"), str(here)], env=env)
    assert done.returncode == -signal.SIGKILL
    kept = list((tmp_path / "p").rglob("*.parquet"))
    assert len(kept) == 2
    predicted: list[str] = []

    class Watched(Brightness):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            predicted.append(stimulus.id)
            return super().predict(frames, stimulus)

    ds, model = vidsal.load(root), Watched()
    resumed = run(lambda: model, ModelRecord(model.info), ds, _settings(), partial=tmp_path / "p")
    assert predicted == [ds.ids[2]]
    assert resumed.record["rows_digest"] == vidsal.evaluate(Brightness(), ds).record["rows_digest"]


def test_unordered_and_surplus_predictions_are_refused(ds: Release) -> None:
    for numbers in ([0, 2, 1], [0, 0], [*range(12), 12], [-1]):
        with pytest.raises(BadData, match="expected"):
            vidsal.evaluate(Scripted(numbers, missing="exclude"), ds)


def test_a_missing_prediction_is_an_error_unless_declared(ds: Release) -> None:
    with pytest.raises(BadData, match="no prediction of frame 3"):
        vidsal.evaluate(Scripted([0, 1, 2, *range(4, 12)]), ds)
    late = list(range(5, 12))
    excluded = vidsal.evaluate(Scripted(late, missing="exclude"), ds)
    first = excluded.frames[(excluded.frames["frame"] < 5) & (excluded.frames["n_fixations"] > 0)]
    assert set(first["status"]) == {"no_prediction"}
    assert first[list(excluded.metrics)].isna().all().all()
    whole = vidsal.evaluate(Scripted(list(range(12))), ds)
    available = vidsal.evaluate(Scripted(late, missing="first-available"), ds)
    assert available.record["rows_digest"] == whole.record["rows_digest"]  # the ramp is the same in all frames
    with pytest.raises(BadData, match="first-available"):
        vidsal.evaluate(Scripted([], missing="first-available"), ds)
    centered = vidsal.evaluate(Scripted(late, missing="center-bias"), ds).frames
    stimulus = ds[ds.ids[0]]
    row = centered[(centered["stimulus_id"] == stimulus.id) & (centered["n_fixations"] > 0)].iloc[0]
    prior = score_frame(center_prior_density(48, 64), stimulus.points(row["frame"]), kind="density")
    assert row["frame"] < 5
    assert row["NSS"] == pytest.approx(prior["NSS"], abs=1e-9)


def test_a_map_that_is_not_finite_stops_the_run_and_names_the_frame(ds: Release) -> None:
    class Broken(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            for frame in frames:
                yield Prediction(frame.index, np.full((4, 4), np.nan if frame.index == 7 else 1.0))

    with pytest.raises(NonFinite, match=rf"{ds.ids[0]}, frame 7"):
        vidsal.evaluate(Broken([]), ds)


def test_gaze_points_become_densities(ds: Release) -> None:
    class Pointer(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            for frame in frames:
                yield Prediction.point(frame.index, 32.0, 24.0)

    made = vidsal.evaluate(Pointer([], output="point"), ds)
    assert made.scores["NSS"] != 0
    assert made.record["model"]["output"] == "point"
    points = made.record["gaze_points"]
    assert set(points["stimuli"]) == set(ds.ids)
    assert 0 < points["mean"]["angular error"] < 10
    assert points["mean"]["gaze change length"] > 0
    assert "gaze_points" not in vidsal.evaluate(Scripted(list(range(12))), ds).record


def test_coverage_says_what_is_left_out(root: Path, ds: Release, tmp_path: Path) -> None:
    made = vidsal.evaluate(Brightness(), ds, limit=1)
    assert made.record["coverage"]["scored"] == [ds.ids[0]]
    assert made.record["coverage"]["left_out_by_limit"] == 2
    assert not made.record["coverage"]["complete"]
    nowhere = vidsal.load(root, frames=tmp_path)
    with pytest.raises(MissingData, match="no frames for 3 of 3"):
        vidsal.evaluate(Brightness(), nowhere)
    assert vidsal.evaluate(Brightness(needs_frames=False, name="n"), ds, with_frames_only=True)
    with pytest.raises(MissingData):
        vidsal.evaluate(Scripted(list(range(12))), nowhere, with_frames_only=True)


def test_limit_does_not_change_the_negatives(ds: Release) -> None:
    whole, limited = vidsal.evaluate(Brightness(), ds), vidsal.evaluate(Brightness(), ds, limit=1)
    first = whole.frames[whole.frames["stimulus_id"] == ds.ids[0]]
    assert first["sAUC"].tolist() == pytest.approx(limited.frames["sAUC"].tolist(), nan_ok=True)


def test_one_annotated_stimulus_has_no_negatives(tmp_path: Path) -> None:
    ds = vidsal.load(small_release(tmp_path, videos=1))
    made = vidsal.evaluate(Brightness(), ds)
    assert np.isnan(made.scores["sAUC"])
    assert "only one annotated stimulus" in made.summary().loc["sAUC", "reason"]
    assert not np.isnan(vidsal.evaluate(Brightness(), ds, protocol="dhf1k-1").scores["sAUC"])


def test_negatives_of_other_sizes_are_scaled(ds: Release) -> None:
    found = split_negatives(list(ds), (24, 32), protocols.protocol("exact-1"))
    stimulus = ds[ds.ids[0]]
    expected = np.zeros((24, 32))
    for other in ds:
        if other.id != stimulus.id:
            for frame in range(other.n_frames):
                for x, y in other.points(frame).astype(np.float64):
                    expected[int(y * 24 / 48), int(x * 32 / 64)] += 1
    made = found.of(stimulus)
    assert made is not None
    np.testing.assert_allclose(made.weights, expected)


def test_union_probability_of_a_split_by_counting(ds: Release) -> None:
    found = split_negatives(list(ds), (48, 64), protocols.protocol("dhf1k-1"))
    counts = np.zeros((48, 64))
    for stimulus in ds:
        for frame in range(stimulus.n_frames):
            pixels = np.unique(np.floor(stimulus.points(frame)).astype(int), axis=0)
            counts[pixels[:, 1], pixels[:, 0]] += 1
    n = 36
    expected = 1 - np.prod([(n - counts - i).clip(0) / (n - i) for i in range(10)], axis=0)
    np.testing.assert_allclose(found.total, expected, atol=1e-12)


def test_human_references(ds: Release) -> None:
    others = vidsal.evaluate(OneVsRest(), ds)
    gold = vidsal.evaluate(GoldStandard(), ds)
    center = vidsal.evaluate(Scripted(list(range(12))), ds)
    assert gold.scores["CC"] == pytest.approx(1, abs=1e-6)
    told = [(r.record["model"]["kind"], r.record["truth"]["points"]) for r in (others, gold, center)]
    assert told == [("human", "single-observer"), ("human", "all"), ("custom", "all")]
    assert gold.scores["NSS"] > others.scores["NSS"] > center.scores["NSS"]


def test_one_vs_rest_by_hand(ds: Release) -> None:
    made = vidsal.evaluate(OneVsRest(), ds).frames
    stimulus = ds[ds.ids[0]]
    every = stimulus.gaze_points
    here = every.at(6)
    scores = []
    for observer in np.unique(every.observer[here]):
        rest, own = here[every.observer[here] != observer], here[every.observer[here] == observer]
        points = np.stack([every.x[own], every.y[own]], axis=1)
        scores.append(score_frame(stimulus.density_of(rest), points, stimulus.density_of(own), kind="density")["NSS"])
    row = made[(made["stimulus_id"] == stimulus.id) & (made["frame"] == 6)].iloc[0]
    assert row["NSS"] == pytest.approx(np.mean(scores), abs=1e-9)


def test_pooled_observers_can_not_be_left_out(tmp_path: Path) -> None:
    write_map(tmp_path / "src" / "annotation" / "0002" / "fixation" / "0001.png", [(3, 5)])
    convert("dhf1k", tmp_path / "src", tmp_path / "out", variant="released", workers=1)
    with pytest.raises(WrongUse, match="does not distinguish its observers"):
        vidsal.evaluate(OneVsRest(), vidsal.load(tmp_path / "out"))


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_model_may_write_into_one_buffer(ds: Release, as_tensor: bool) -> None:
    class Buffered(Brightness):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            buffer = np.empty((stimulus.height, stimulus.width), np.float32)
            for frame in frames:
                buffer[:] = frame.rgb[..., 1]
                yield Prediction(frame.index, torch.from_numpy(buffer) if as_tensor else buffer)

    expected = vidsal.evaluate(Brightness(), ds).record["rows_digest"]
    assert vidsal.evaluate(Buffered(), ds).record["rows_digest"] == expected


def test_damaged_rows_of_an_unfinished_run_are_made_again(ds: Release, tmp_path: Path) -> None:
    record = ModelRecord(Brightness().info)
    whole = run(Brightness, record, ds, _settings(), partial=tmp_path / "a")

    class Stops(Brightness):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            if stimulus.id == ds.ids[-1]:
                raise BadData("stop")
            yield from super().predict(frames, stimulus)

    with pytest.raises(BadData, match="stop"):
        run(Stops, record, ds, _settings(), partial=tmp_path / "b")
    rows = sorted((tmp_path / "b").rglob("*.parquet"))
    rows[0].write_bytes(rows[0].read_bytes()[:-9])
    assert run(Brightness, record, ds, _settings(), partial=tmp_path / "b").record["digest"] == whole.record["digest"]


def test_a_later_gap_is_not_filled_by_the_first_prediction(ds: Release, tmp_path: Path) -> None:
    gap = Scripted([2, 3, *range(5, 12)], missing="first-available")
    for work in (lambda: vidsal.evaluate(gap, ds), lambda: vidsal.predict(gap, ds, tmp_path / "s")):
        with pytest.raises(BadData, match="frame 4 of 12.* fills only the frames before the first"):
            work()


def test_a_split_can_not_leave_the_results_folder(ds: Release, tmp_path: Path) -> None:
    made = vidsal.evaluate(Brightness(), ds, limit=1)
    made.record["split"] = "../../escaped"
    saved = made.save(tmp_path / "results")
    assert saved.folder is not None
    assert saved.folder.parent == tmp_path / "results" / ds.id / "_._.._escaped" / "exact-1" / "brightness"
    assert results.load_run(saved.folder).record["split"] == "../../escaped"


def test_what_is_no_predictor_is_refused(ds: Release) -> None:
    class Silent:
        info = Brightness().info

    with pytest.raises(WrongUse, match="is no predictor"):
        vidsal.evaluate(Silent(), ds)  # type: ignore[arg-type]


def test_a_bug_in_a_users_model_is_told_as_his(ds: Release) -> None:
    class Raises(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            yield Prediction(0, np.ones((2, 2)))
            raise ZeroDivisionError

    class Arrays(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            yield np.ones((2, 2))

    class Nothing(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            return None

    for model, message in (
        (Raises, r"after frame 0: ZeroDivisionError.*test_run\.py, line"),
        (Arrays, "gave a ndarray, not a Prediction"),
        (Nothing, "predict failed before its first prediction"),
    ):
        with pytest.raises(BadData, match=message):
            vidsal.evaluate(model([]), ds)
    with pytest.raises(WrongUse, match="is no predictor"):
        vidsal.evaluate(object(), ds)  # type: ignore[arg-type]


def test_pooled_observers_have_no_scores_as_positions(tmp_path: Path) -> None:
    class Pointer(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            for frame in frames:
                yield Prediction.point(frame.index, 32.0, 24.0)

    write_map(tmp_path / "src" / "annotation" / "0002" / "fixation" / "0001.png", [(3, 5)])
    convert("dhf1k", tmp_path / "src", tmp_path / "out", variant="released", workers=1)
    made = vidsal.evaluate(Pointer([], output="point"), vidsal.load(tmp_path / "out"))
    assert made.record["counts"]["scored"] == 1
    assert set(made.record["gaze_points"]["mean"].values()) == {None}


def test_a_frame_without_fixation_needs_a_finite_map_too(tmp_path: Path) -> None:
    class Hidden(Scripted):
        def predict(self, frames, stimulus):  # type: ignore[no-untyped-def]
            for frame in frames:
                yield Prediction(frame.index, np.full((9, 16), np.inf if frame.index == 1 else 1.0))

    folder = tmp_path / "src" / "annotation" / "0002" / "fixation"
    write_map(folder / "0001.png", [(3, 5)])
    write_map(folder / "0002.png", [])
    convert("dhf1k", tmp_path / "src", tmp_path / "out", variant="released", workers=1)
    ds = vidsal.load(tmp_path / "out")
    assert vidsal.evaluate(Scripted(list(range(783))), ds).frames["status"].tolist() == ["scored", "no_fixation"]
    with pytest.raises(NonFinite, match="002, frame 1"):
        vidsal.evaluate(Hidden([]), ds)


def test_no_label_can_be_the_name_of_another_column(ds: Release) -> None:
    made = vidsal.evaluate(Brightness(), ds)
    columns = {*made.frame_table.column_names, *made.stimulus_table.column_names} - set(made.metrics)
    assert columns == set(RESERVED)


def test_unfinished_work_of_compiled_and_of_plain_code_does_not_mix(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = vidsal.evaluate(Brightness(), vidsal.load(root))
    monkeypatch.setattr("vidsal.benchmark.evaluation.run.kernels", lambda: None)
    plain = vidsal.evaluate(Brightness(), vidsal.load(root))
    assert plain.record["engine"]["numba"] == "none"
    assert plain.record["input_digest"] != compiled.record["input_digest"]
    assert plain.record["rows_digest"] == compiled.record["rows_digest"]  # the same code ran: only the word differs
