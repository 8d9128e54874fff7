"""A board says which of the shipped networks saw its data set: their own declarations, not made-up ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidsal.baselines import registry
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.model_card import ModelCard
from vidsal.leaderboard.format import badges
from vidsal.leaderboard.site import build
from vidsal.loaders.registry import DATASETS

MARK = "saw this data set in training"
UNSEEN = "xu-hevc"


@pytest.fixture(scope="module")
def boards(
    tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Run], read_page: Callable[[Path], Any]
) -> Any:
    """The boards of runs of every network on each data set that it saw, and on one that none saw."""
    folder = tmp_path_factory.mktemp("seen")
    for name in registry.names("network"):
        info = registry.baseline(name).info
        declared = ModelCard.of(info, kind="network", device="cpu").model_dump(mode="json")
        for data_set in (*info.trained_on, UNSEEN):
            release = {"id": data_set, "dataset": data_set, "variant": None, "title": data_set}
            make_run(name, info=declared, release=release).save(folder / "results")
    build(folder / "results", folder / "site")
    return [read_page(p) for p in sorted((folder / "site" / "boards").iterdir())]


@pytest.mark.parametrize("name", registry.names("network"))
def test_the_board_of_a_data_set_that_a_network_saw_says_so(name: str, boards: Any) -> None:
    seen = registry.baseline(name).info.trained_on
    assert seen
    assert set(seen) <= set(DATASETS)
    for data_set in (*seen, UNSEEN):
        tables = [page.one("table", id="table") for page in boards]
        (table,) = (t for t in tables if t.one("caption").text.startswith(f"{data_set},"))
        (row,) = (r for r in table.one("tbody").all("tr") if r.all("bdi") and r.all("bdi")[0].text == name)
        assert (MARK in row.text) == (data_set != UNSEEN), data_set


def test_a_result_of_before_ids_were_checked_is_not_passed_over(make_run: Callable[..., Run]) -> None:
    for trained_on, expected in (
        (["DHF1K", "SALICON"], [MARK]),
        (["UCF Sports", "SALICON"], []),
        (["videos of ours"], ["training data not stated by data-set ids"]),
        (["other:my lab", "salicon"], []),
        (["dhf1k", "UCF-Sports"], [MARK]),
        ([], ["training data not stated"]),
    ):
        assert badges(make_run(info={"trained_on": trained_on}).typed) == expected
