"""Which runs share a table, which of them it shows, in which order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from vidsal.benchmark.evaluation.results.schema import read_record
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.leaderboard.boards import Board, Entry, distinct, make_boards
from vidsal.leaderboard.format import (
    badges,
    causality,
    covered,
    earned,
    left_out,
    left_out_of,
    one_of_each,
    partly,
    preferred,
    qualifiers,
    training,
    undefined,
    yes_or_no,
)
from vidsal.leaderboard.pages.board import filters
from vidsal.leaderboard.pages.index import card

MakeRun = Callable[..., Run]
HUMAN = {"kind": "human", "checkpoint": None, "checkpoint_sha256": None}


def entry(run: Run) -> Entry:
    return Entry(read_record(run.record, "here"), f"{run.record['model']['name']}/{run.record['time']}")


def boards(*runs: Run) -> list[Board]:
    return make_boards([entry(run) for run in runs])


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [e.record.model.name for e in entries]


def test_models_of_one_board_are_sorted_by_nss(make_run: MakeRun) -> None:
    runs = [make_run(name, seed=seed) for name, seed in (("a", 1), ("b", 2), ("c", 3))]
    (board,) = boards(*runs)
    expected = sorted(runs, key=lambda r: -r.record["metrics"]["NSS"]["mean"])
    assert names(board.models) == [r.record["model"]["name"] for r in expected]
    assert [c.name for c in board.columns] == ["AUC-J", "SIM", "sAUC", "CC", "NSS", "KLD"]
    assert [c.best_first for c in board.columns] == ["descending"] * 5 + ["ascending"]


@pytest.mark.parametrize(
    "other",
    [
        {"protocol": "dhf1k-1"},
        {"split": "val"},
        {"release": {"id": "dhf1k"}},
        {"release": {"digest": "ef" * 32}},
        {"truth": {"recipe": "released"}},
        {"truth": {"sigma_px": 20.0}},
        {"stimuli": {"002": 30, "003": 30}},
        {"stimuli": {"003": 30}, "coverage": {"annotated": 1}},
    ],
)
def test_runs_that_differ_in_what_moves_a_number_never_share_a_board(make_run: MakeRun, other: dict[str, Any]) -> None:
    made = boards(make_run("a"), make_run("b", **other))
    assert len(made) == 2
    assert sorted(n for board in made for n in names(board.shown)) == ["a", "b"]
    assert len({board.id for board in made}) == 2
    assert len({board.title for board in made}) == 2, "a reader could not tell them apart"


def test_a_protocol_of_the_same_name_and_other_content_is_another_one(make_run: MakeRun) -> None:
    run, forged = make_run("a"), make_run("b")
    forged.record["protocol"]["resize"] = "nearest"
    made = boards(run, forged)
    assert len(made) == 2
    forged.record["protocol"]["resize"] = run.record["protocol"]["resize"]
    assert len(boards(run, forged)) == 1


def test_what_does_not_move_a_number_does_not_split_a_board(make_run: MakeRun) -> None:
    a = make_run("a", stimuli={"1": 9, "2": 9}, coverage={"annotated": 3, "left_out_by_limit": 1})
    b = make_run("b", stimuli={"1": 9, "2": 9}, coverage={"annotated": 3, "without_frames": ["3"]})
    (board,) = boards(a, b)
    assert left_out_of(board) == [
        "The runs leave out the other stimuli for different reasons; each run's page gives them."
    ]


def test_only_the_newest_run_of_a_model_is_shown(make_run: MakeRun) -> None:
    times = ["2026-01-02T00:00:00Z", "2026-03-01T00:00:00Z", "2025-12-31T23:59:59Z"]
    (board,) = boards(*(make_run(seed=i, time=t) for i, t in enumerate(times)))
    assert [e.record.time for e in board.models] == ["2026-03-01T00:00:00Z"]
    assert board.older == 2
    (history,) = board.history.values()
    assert [e.record.time for e in history] == sorted(times, reverse=True)


@pytest.mark.parametrize(
    "info", [{"version": "2"}, {"options": {"alpha": 0.2}}, {"checkpoint_sha256": "ba" * 32, "checkpoint": "b.pth"}]
)
def test_another_version_option_or_weight_file_is_another_row(make_run: MakeRun, info: dict[str, Any]) -> None:
    (board,) = boards(make_run(), make_run(info=info))
    assert len(board.models) == 2
    told = {tuple(qualifiers(e, board.shown)) for e in board.models}
    assert len(told) == 2, "two rows of one name must say in what they differ"


def test_human_references_stand_apart(make_run: MakeRun) -> None:
    (board,) = boards(
        make_run("model"),
        make_run("gold_standard", info=HUMAN),
        make_run("one_vs_rest", info=HUMAN, truth={"points": "single-observer"}),
        make_run("disguised", truth={"points": "single-observer"}),
    )
    assert names(board.models) == ["model"]
    assert sorted(names(board.humans)) == ["disguised", "gold_standard", "one_vs_rest"]


def test_an_undefined_mean_comes_last_and_says_why(make_run: MakeRun) -> None:
    (board,) = boards(
        make_run("zebra", seed=1), make_run("ant", undefined={"NSS": "constant prediction"}), make_run("yak", seed=2)
    )
    assert names(board.models)[-1] == "ant"
    assert undefined(board) == [("NSS", "constant prediction", ["ant"])]


def test_boards_do_not_depend_on_the_order_of_the_runs(make_run: MakeRun) -> None:
    runs = [make_run("a"), make_run("b", seed=1), make_run("a", seed=2, split="val"), make_run("c", protocol="dhf1k-1")]
    made = [boards(*order) for order in itertools.permutations(runs)]
    assert all(m == made[0] for m in made)
    assert [b.title for b in made[0]] == ["dhf1k-raw, train, exact-1", "dhf1k-raw, train, dhf1k-1",
                                          "dhf1k-raw, val, exact-1"]  # fmt: skip


def test_a_copied_folder_is_one_run(make_run: MakeRun) -> None:
    run = make_run()
    record = read_record(run.record, "here")
    assert [e.folder for e in distinct([Entry(record, "b"), Entry(record, "a")])] == ["a"]
    assert len(distinct([entry(run), entry(make_run(time="2026-02-02T00:00:00Z"))])) == 2


def test_coverage_in_words(make_run: MakeRun) -> None:
    c = entry(make_run()).record.coverage
    assert covered(c) == "the one annotated stimulus of the split: 002"
    assert left_out(c) == ["Without gaze, so never scored: 1 stimulus (068)."]
    part = {
        "annotated": 10, "without_frames": ["x", "y"], "not_predicted": ["z"], "left_out_by_limit": 3,
        "not_annotated": [],
    }  # fmt: skip
    c = entry(make_run(stimuli={"a": 2, "b": 2, "c": 2}, coverage=part)).record.coverage
    assert covered(c) == "3 of the 10 annotated stimuli of the split: a, b, c"
    assert left_out(c) == [
        "Left out because their frames were missing: 2 stimuli (x, y).",
        "Not predicted by the submission: 1 stimulus (z).",
        "Left out because the run was limited: 3 stimuli.",
        "Left out without a stated cause: 1 stimulus.",
    ]


def test_further_metrics_follow_the_customary_ones(make_run: MakeRun) -> None:
    (board,) = boards(make_run(protocol="density-1"))
    assert [c.label for c in board.columns] == ["AUC-J", "SIM", "s-AUC", "CC", "NSS", "KLD", "IG", "LL"]


STORED = {"kind": "submission", "submission": {"prediction": {"encoding": {"files": "npz"}}}}
LOSSY = {"kind": "submission", "submission": {"prediction": {"encoding": {"files": "png8"}}}}


def test_a_model_is_one_row_and_its_live_run_stands_for_it(make_run: MakeRun) -> None:
    late, later = "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"
    live, stored, lossy = make_run(seed=1), make_run(info=STORED, time=late), make_run(info=LOSSY, time=later)
    (board,) = boards(live, stored, lossy)
    (row,) = board.models
    assert row.record.model.submission is None
    assert [e.record.time for e in board.runs_of(row)] == [live.record["time"], late, later]
    (board,) = boards(lossy, stored)
    assert [e.record.time for e in board.models] == [late], "the newer one is lossy"
    assert preferred(board.models[0], entry(lossy)) == ", whose predictions were stored with less loss"
    assert "live one rather than stored" in one_of_each(board)


@pytest.mark.parametrize("kind", ["network", "custom", "submission"])
def test_without_a_digest_nothing_is_merged(make_run: MakeRun, kind: str) -> None:
    nameless = {"kind": kind, "checkpoint": None, "checkpoint_sha256": None}
    (board,) = boards(make_run(info=nameless), make_run(info=nameless, time="2026-06-01T00:00:00Z"))
    assert len(board.models) == 2
    assert all("weights or code unknown" in qualifiers(e, board.shown) for e in board.models)


def test_a_class_of_ones_own_is_its_file_or_its_package(make_run: MakeRun) -> None:
    own = {"kind": "custom", "checkpoint": None, "checkpoint_sha256": None}

    def run(time: int, **options: str) -> Run:
        return make_run(info={**own, "options": options}, time=f"2026-06-0{time}T00:00:00Z")

    (board,) = boards(run(1, file="a.py", file_sha256="a"), run(2, file="moved.py", file_sha256="a"))
    assert len(board.models) == 1, "its name is not its content"
    (board,) = boards(run(1, file_sha256="a", package_sha256="b"), run(2, file_sha256="a", package_sha256="c"))
    assert len(board.models) == 2, "another file of its package has changed"
    (board,) = boards(run(1, file_sha256="a"), run(2, file_sha256="b"))
    assert len(board.models) == 2


def test_reference_predictors_have_no_weights_and_are_one_row(make_run: MakeRun) -> None:
    reference = {"kind": "reference", "checkpoint": None, "checkpoint_sha256": None}
    (board,) = boards(make_run("uniform", info=reference), make_run("uniform", info=reference, seed=3))
    assert len(board.models) == 1


def test_what_nobody_said_is_unknown_on_the_board(make_run: MakeRun) -> None:
    unsaid = {**STORED, "version": None, "causal": None, "lookahead": None, "trained_on": None, "audio": None}
    (board,) = boards(make_run(info=unsaid))
    record = board.models[0].record
    assert badges(record) == ["not stated whether causal", "training data not stated"]
    assert qualifiers(board.models[0], board.shown) == []
    (both,) = boards(make_run(info=unsaid), make_run(info={**unsaid, "version": "2"}))
    assert sorted(qualifiers(entry, both.shown) for entry in both.models) == [["version 2"], ["version unknown"]]
    assert (causality(record.model), training(record), yes_or_no(record.model.audio)) == ("unknown",) * 3


def test_a_mean_over_fewer_frames_by_the_models_own_maps_is_not_ranked(make_run: MakeRun) -> None:
    """Under published protocols a constant map has no NSS, so a model could drop its worst frames that way."""
    reference = {"kind": "reference", "checkpoint": None, "checkpoint_sha256": None}
    plain = make_run("plain", seed=1, protocol="dhf1k-1", info=reference)
    sly = make_run("sly", seed=2, protocol="dhf1k-1")
    sly.record["metrics"]["NSS"] |= {"mean": 99.0, "n": 12}
    (board,) = boards(plain, sly)
    assert names(board.models) == ["plain", "sly"]
    assert names(board.ranked) == names(card(board, "").top) == ["plain"], "nowhere is it the best"
    assert partly(board, board.models[1]) == ["NSS undefined in 18 of its 30 frames: not ranked by it"]
    assert not partly(board, board.models[0])


def test_a_human_reference_of_fewer_frames_stands_unranked_beside_the_models(make_run: MakeRun) -> None:
    digest = {"frames_scored": 30, "frames_expected": 30, "frames_digest": "aa" * 32}
    fewer = {"frames_scored": 27, "frames_expected": 30, "frames_digest": "bb" * 32}
    human = make_run("one_vs_rest", info=HUMAN, missing=3, coverage=fewer)
    (board,) = boards(make_run("a", coverage=digest), human)
    assert (names(board.models), names(board.humans)) == (["a"], ["one_vs_rest"])
    assert board.title == "dhf1k-raw, train, exact-1"
    made = boards(make_run("a", coverage=digest), make_run("b", coverage=fewer, missing=3), human)
    assert [names(b.shown) for b in made] == [["a"], ["b", "one_vs_rest"]], "with those of its own frames, if any"


def test_code_and_weights_count_as_open_where_an_https_address_says_where(make_run: MakeRun) -> None:
    def said(**model: Any) -> list[str]:
        return earned(make_run(info={"kind": "submission", "submission": {"model": model}}).typed)

    assert said(code="https://example.org/code", weights="https://example.org/w.pth") == ["open code", "open weights"]
    assert said(code="javascript:alert(1)", weights=None) == []
    assert earned(make_run().typed) == ["reproduced here"]


def test_filters_are_offered_only_where_they_divide_a_board(make_run: MakeRun) -> None:
    heard = make_run("a", info={"audio": True})
    assert [name for name, *_ in filters(boards(heard, make_run("b"))[0])] == ["audio"]
    assert filters(boards(heard)[0]) == []


def test_rules_that_fill_frames_are_badged(make_run: MakeRun) -> None:
    for missing, said in (("first-available", "the first one of their video"), ("center-bias", "the center prior")):
        (badge,) = badges(make_run(info={"missing": missing}).typed)
        assert badge == f"frames without a prediction are given {said}"
