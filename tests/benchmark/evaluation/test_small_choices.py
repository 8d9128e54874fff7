"""Choices that move a number and crash nothing: each has an answer that was worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from vidsal.benchmark.evaluation import run as runs
from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.run import ModelRecord, Settings
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.evaluation.stimulus import Case, Row, info_of, row_of
from vidsal.benchmark.predictor import Kind, ModelInfo
from vidsal.benchmark.protocols import protocol
from vidsal.benchmark.scoring.quantize import prediction_to_uint8, truth_to_uint8
from vidsal.loaders.errors import NonFinite
from vidsal.loaders.release.points import points_of
from vidsal.loaders.schema import fixations_table


def test_work_of_another_question_is_never_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever moves a row is in the name of the folder of unfinished work."""
    model = ModelRecord(ModelInfo("x"))
    release: dict[str, Any] = {"digest": "a" * 64, "split": "val", "default_truth": "narrow"}
    settings, scored = Settings(protocol("exact-1"), threads=1), ("a", "b")

    def key(**changes: Any) -> str:
        data = SimpleNamespace(**{k: changes.get(k, v) for k, v in release.items()})
        coverage = SimpleNamespace(scored=changes.get("scored", scored))
        asked, who = changes.get("settings", settings), changes.get("model", model)
        return runs._input_digest(who, cast(Any, data), asked, cast(Any, coverage))

    keys = {
        "plain": key(),
        "release": key(digest="b" * 64),
        "split": key(split=None),
        "default recipe": key(default_truth="wide"),
        "recipe": key(settings=replace(settings, recipe="other")),
        "protocol": key(settings=replace(settings, protocol=protocol("dhf1k-1"))),
        "threads": key(settings=replace(settings, threads=2)),
        "device": key(settings=replace(settings, score_on="device")),
        "stimuli": key(scored=("a",)),
        "order": key(scored=("b", "a")),
        "model": key(model=ModelRecord(ModelInfo("y"))),
        "options": key(model=replace(model, options={"sigma": 2})),
        "weights": key(model=replace(model, checkpoint_sha256="c" * 64)),
    }
    monkeypatch.setattr(runs, "versions", lambda *_: {"numba": "0.0.1"})
    keys["numba"] = key()
    monkeypatch.setattr(runs, "kernels", lambda: None)
    keys["no numba"] = key()
    assert len(set(keys.values())) == len(keys), keys
    assert key(default_truth="wide", settings=replace(settings, recipe="narrow")) == keys["no numba"]  # the same recipe


def test_negatives_of_another_size_are_floored() -> None:
    """Of 8 x 6 pixels on a grid of 4 x 3: x = 7 lies in column 3 (7 x 4 / 8 = 3.5), y = 5.5 in row 2 (2.75)."""
    points = SimpleNamespace(x=np.float32([7, 1, 6.9]), y=np.float32([5.5, 1, 4.9]))
    points.weight = np.ones(3)
    points.frame, points.frame_end = np.int32([0, 0, 1]), np.int32([1, 0, 1])  # the first one lasts two frames
    stimulus = SimpleNamespace(
        width=8, height=6, gaze_points=points, annotated_indices=lambda: np.array([0, 1]), id="a", n_frames=2
    )
    other = SimpleNamespace(**{**vars(stimulus), "id": "b"})
    found = split_negatives(cast(Any, [stimulus, other]), (3, 4), protocol("exact-1"))
    assert np.argwhere(found.total).tolist() == [[0, 0], [2, 3]]
    assert found.total[2, 3] == 3 * found.total[0, 0]
    without_own = found.of(cast(Any, stimulus))
    assert without_own is not None
    np.testing.assert_array_equal(without_own.weights, found.total / 2)  # the two stimuli are alike


def test_rows_without_a_score_move_no_mean() -> None:
    """Only scored rows count; what another row holds by mistake is not averaged."""
    frames = pa.table(
        {
            "stimulus_id": ["a", "a", "a", "b", "b", "b"],
            "status": ["scored", "no_fixation", "scored", "scored", "no_prediction", "left_out"],
            "NSS": [1.0, 100.0, 2.0, 4.0, 100.0, 100.0],
            "reason": pa.array([None, "NSS: odd", None, "NSS: flat", "NSS: odd", "NSS: odd"], pa.string()),
        }
    )
    found = summarize(frames, {"NSS": "nss"}, "stimulus")
    metric, counts = found.metrics["NSS"], found.counts
    assert (metric.mean, metric.mean_stimuli, metric.n) == ((1.5 + 4) / 2, (1.5 + 4) / 2, 3)
    assert metric.mean_frames == pytest.approx(7 / 3, abs=1e-15)
    assert metric.reason == "flat (1 of 3 frames)"
    assert (counts.frames, counts.scored, counts.no_fixation) == (6, 3, 1)
    assert (counts.no_prediction, counts.left_out, counts.looked_at) == (1, 1, 5)
    assert found.stimuli[["n_frames", "n_scored", "NSS"]].to_numpy().tolist() == [[3, 2, 1.5], [3, 1, 4.0]]
    often = pa.table(
        {
            "stimulus_id": ["a"] * 3,
            "status": ["scored"] * 3,
            "NSS": [0.0] * 3,
            "reason": ["NSS: a", "NSS: flat", "CC, NSS: flat"],
        }
    )
    assert summarize(often, {"NSS": "nss"}, "stimulus").metrics["NSS"].reason == "flat (2 of 3 frames)"
    unknown = often.set_column(1, "status", pa.array(["scored", None, "scored"]))
    assert summarize(unknown, {"NSS": "nss"}, "stimulus").metrics["NSS"].n == 2
    assert summarize(frames, {"NSS": "nss"}, "frame").metrics["NSS"].mean == metric.mean_frames


def test_what_counts_as_a_point() -> None:
    """Out of the frame, a forced start, a saccade, noise: no points. The first pixel belongs to the frame, x = 8 not."""
    rows: list[tuple[float, float, str, list[str]]] = [
        (0.0, 0.0, "fixation", []),
        (7.9, 5.9, "pursuit", []),
        (8.0, 3.0, "fixation", []),
        (3.0, 6.0, "point", []),
        (-0.1, 3.0, "mouse", []),
        (4.0, 4.0, "fixation", ["forced_start"]),
        (4.0, 4.0, "saccade", []),
        (4.0, 4.0, "noise", []),
        (2.0, 1.0, "mouse", []),
        (3.0, 2.0, "point", []),
    ]
    x, y, event, flags = (list(column) for column in zip(*rows, strict=True))
    columns = {
        "x_px": x,
        "y_px": y,
        "event": event,
        "flags": flags,
        "frame": [0] * len(rows),
        "order": range(len(rows)),
    }
    table = fixations_table(cast(Any, columns), dataset="d", stimulus_id="s", split="all", width=8, height=6)
    found = points_of(table)
    assert found.order.tolist() == [0, 1, 8, 9]
    assert found.x.tolist() == [0.0, np.float32(7.9), 2.0, 3.0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_levels_of_eight_bits(dtype: type[np.floating[Any]]) -> None:
    """From 2 to 6: 0, 1/4, 1/2 and all of 255; of a peak of 6: 1/3, 1/2, 2/3 and all. Halves go to the even level."""
    values = np.array([[2, 3], [4, 6]], dtype)
    assert prediction_to_uint8(values).tolist() == [[0, 64], [128, 255]]
    assert truth_to_uint8(values).tolist() == [[85, 128], [170, 255]]


def test_a_map_of_a_frame_at_which_nobody_looked_must_be_one_all_the_same() -> None:
    """A log density may be -inf somewhere, a saliency map may not, whether it is scored or not."""
    values = np.array([[0.0, -np.inf]])

    def row(kind: Kind) -> Row:
        case = Case(3, cast(Any, SimpleNamespace(n_fixated=0)), values, kind, "a, frame 3")
        return row_of(case, cast(Any, None), cast(Any, SimpleNamespace(previews=None, keeper=None)))

    assert row("log_density") == (3, 0, None, "no_fixation", None)
    with pytest.raises(NonFinite, match="a, frame 3"):
        row("saliency")


@pytest.mark.parametrize(("rate", "told"), [(Fraction(30_000, 1001), 30_000 / 1001), (None, None)])
def test_a_predictor_is_told_the_rate_where_there_is_one(rate: Fraction | None, told: float | None) -> None:
    shown = SimpleNamespace(id="a", width=64, height=48, fps=rate, kind="video", n_frames=5)
    assert info_of(cast(Any, shown)).fps == told
