"""How sure the order of a board is: by hand, and by what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark.evaluation.results.store import Run
from vidsal.leaderboard import standing as standings
from vidsal.leaderboard.boards import Board, Entry, make_boards
from vidsal.leaderboard.collect import Stimuli
from vidsal.leaderboard.standing import EVERY_PAIR, neighbors, standing

MakeRun = Callable[..., Run]
REFERENCE = {"kind": "reference", "checkpoint": None, "checkpoint_sha256": None, "trained_on": []}
HUMAN = {"kind": "human", "checkpoint": None, "checkpoint_sha256": None, "trained_on": []}


def board_of(make_run: MakeRun, levels: Mapping[str, float], **more: Any) -> tuple[Board, dict[str, Stimuli]]:
    """A board whose models have these means of NSS on each of 12 stimuli, up to a pattern that all share."""
    pattern = np.linspace(-0.3, 0.3, 12)
    entries, found = [], {}
    for k, (name, level) in enumerate(levels.items()):
        info = more.get(name, {"checkpoint_sha256": f"{k:02x}" * 32})
        run = make_run(name, stimuli={f"{s:02}": 2 for s in range(12)}, info=info)
        for metric in run.record["metrics"].values():
            metric["mean"] = metric["mean_stimuli"] = level
        entry = Entry(run.typed, name)
        noise = 0.02 * np.sin(np.arange(12) * (k + 1))
        means = np.repeat((level + pattern + noise - noise.mean())[:, None], 6, axis=1)
        ids = tuple(f"{s:02}" for s in range(12))
        found[entry.page] = Stimuli(ids, ids, ((),) * 12, (2,) * 12, (2,) * 12, means)
        entries.append(entry)
    (board,) = make_boards(entries)
    return board, found


def test_models_apart_and_models_alike(make_run: MakeRun) -> None:
    board, found = board_of(make_run, {"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0})
    told = standing(board, found)
    by_name = {e.record.model.name: e.page for e in board.models}
    assert told.note is None
    assert [set(group) for group in told.groups] == [{by_name["b"], by_name["c"]}]
    assert told.ranks[by_name["a"]] == (1, 1)
    assert told.ranks[by_name["d"]] == (4, 4)
    assert told.ranks[by_name["b"]] == told.ranks[by_name["c"]] == (2, 3)


def test_equal_values_share_a_place_and_lower_is_better_where_it_is(make_run: MakeRun) -> None:
    board, found = board_of(make_run, {"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0})
    places = standing(board, found).places
    by_name = {e.record.model.name: places[e.page] for e in board.models}
    assert [by_name[n]["NSS"] for n in "abcd"] == [1, 2, 2, 4]
    assert [by_name[n]["KLD"] for n in "abcd"] == [4, 2, 2, 1]


def test_the_share_of_the_way_from_the_center_prior_to_people(make_run: MakeRun) -> None:
    board, found = board_of(
        make_run, {"center_prior": 1.0, "one_vs_rest": 3.0, "half": 2.0}, center_prior=REFERENCE, one_vs_rest=HUMAN
    )
    told = standing(board, found)
    (half,) = (e.page for e in board.models if e.record.model.name == "half")
    assert told.shares[half]["NSS"] == pytest.approx(0.5)
    assert "KLD" not in told.shares[half], "people are not better than the prior there, so there is no way to go"
    assert told.ends == "center_prior and one_vs_rest"


def test_an_interval_that_excludes_zero_may_stand_beside_a_test_that_tells_nothing(make_run: MakeRun) -> None:
    """Six stimuli reach p = 1/32 at best; six metrics corrected by Holm's steps never reach 5 %."""
    board, found = board_of(make_run, {"a": 3.0, "b": 2.0})
    few = {p: Stimuli(*(part[:6] for part in vars(s).values())) for p, s in found.items()}
    pairs = [(board.models[0], board.models[1])]
    assert [line.at_odds for line in standings.tested(board, few, pairs)[0]] == [True] * 6
    assert not any(line.at_odds for line in standings.tested(board, found, pairs)[0]), "twelve tell them apart"


def test_few_stimuli_and_one_model_say_why_there_is_nothing(make_run: MakeRun) -> None:
    board, found = board_of(make_run, {"a": 3.0})
    assert standing(board, found).note == "a rank needs two models"
    board, found = board_of(make_run, {"a": 3.0, "b": 1.0})
    few = {
        page: Stimuli(s.ids[:3], s.groups[:3], s.attributes[:3], s.frames[:3], s.scored[:3], s.means[:3])
        for page, s in found.items()
    }
    told = standing(board, few)
    assert told.note is not None
    assert told.note.startswith("3 unrelated stimuli can tell no two models apart")
    assert (told.ranks, told.groups) == ({}, ())


def test_a_test_that_can_find_nothing_joins_nobody(make_run: MakeRun) -> None:
    """Six stimuli reach p = 1/32 at best; three pairs corrected by Holm's steps never reach 5 %."""
    board, found = board_of(make_run, {"a": 3.0, "b": 2.0, "c": 1.0})
    few = {
        page: Stimuli(s.ids[:6], s.groups[:6], s.attributes[:6], s.frames[:6], s.scored[:6], s.means[:6])
        for page, s in found.items()
    }
    told = standing(board, few)
    assert told.groups == ()
    assert told.weak is not None
    assert told.weak.startswith("with 6 unrelated stimuli the paired test of 3 pairs")
    assert standing(board, found).weak is None, "twelve reach 1/2048"


def test_clips_of_one_film_are_one(make_run: MakeRun) -> None:
    board, found = board_of(make_run, {"a": 3.0, "b": 1.0})
    film = {p: Stimuli(s.ids, ("x",) * 12, s.attributes, s.frames, s.scored, s.means) for p, s in found.items()}
    assert standing(board, film).note is not None


def test_a_long_table_tests_neighbors_and_the_best(make_run: MakeRun, tmp_path: Path) -> None:
    assert neighbors(4) == [(0, 1), (1, 2), (2, 3), (0, 2), (0, 3)]
    levels = {f"m{k:02}": 3.0 - 0.5 * (k // 2) for k in range(EVERY_PAIR + 2)}
    board, found = board_of(make_run, levels)
    told = standing(board, found)
    assert not told.pairs
    order = [e.page for e in board.models]
    assert [tuple(order.index(p) for p in g) for g in told.groups] == [(k, k + 1) for k in range(0, EVERY_PAIR + 2, 2)]
