"""A board of held-out truth: what its pages say, and what they do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import vidsal
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.leaderboard.collect import collect
from vidsal.leaderboard.config import Config
from vidsal.leaderboard.held_out import held_back
from vidsal.leaderboard.site import build, content_of
from vidsal.loaders.errors import UnknownName

from ..benchmark.runs import Brightness, small_release

MakeRun = Callable[..., Run]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one model on a real, small release, with their previews."""
    folder = tmp_path_factory.mktemp("held")
    release = vidsal.load(small_release(folder / "data", frames=12))
    for number in range(2):
        run = vidsal.evaluate(Brightness(), release, limit=None if number else 2)
        run.save(folder / "results")
    return folder / "results"


def texts(site: Path) -> str:
    return "".join(p.read_text(encoding="utf-8") for p in sorted(site.rglob("*.html")))


def test_no_frame_no_map_and_no_gaze_is_published(scored: Path, tmp_path: Path) -> None:
    build(scored, tmp_path / "open")
    said = texts(tmp_path / "open")
    assert list((tmp_path / "open").rglob("*.png"))
    assert 'class="film' in said
    release = collect(scored)[0].entry.record.release.id
    (tmp_path / "site.toml").write_text(f'held_out = ["{release}"]\n')
    build(scored, tmp_path / "held", config=tmp_path / "site.toml")
    held = texts(tmp_path / "held")
    assert not list((tmp_path / "held").rglob("*.png"))
    assert 'class="film' not in held
    assert "Frame by frame" not in held
    assert "the scores of its single frames are not published" in held
    assert "nothing to plot over time" not in held
    assert "Held-out truth:" in held
    for run in collect(scored):  # not one score of a frame, or of a stimulus beyond two decimals
        values = [run.rows.of(k)[1] for k in range(len(run.stimuli.ids))]
        for value in np.concatenate([*map(np.ravel, values), run.stimuli.means.ravel()]):
            text = f"{value:.6f}"
            if np.isfinite(value) and not text.endswith("000"):
                assert text not in held
    assert Config().held_out == ()


def test_the_order_is_that_of_the_full_numbers_and_stimuli_are_rounded(results: Path) -> None:
    (id_,) = {run.entry.record.release.id for run in collect(results)}
    plain = content_of(collect(results), results, Config())
    held = content_of(collect(results), results, Config(held_out=(id_,)))
    for board in plain.boards:
        assert held.standings[board.id].ranks == plain.standings[board.id].ranks
    for page, run in held.runs.items():
        full = plain.runs[page].stimuli.means
        assert np.allclose(run.stimuli.means, np.round(full, 2), equal_nan=True)
        assert not np.allclose(run.stimuli.means, full, atol=1e-6, equal_nan=True)
        assert run.entry == plain.runs[page].entry


def test_how_often_a_model_was_scored_is_shown(tmp_path: Path, make_run: MakeRun) -> None:
    for seed in range(3):
        make_run("often", seed=seed, time=f"2026-01-0{seed + 1}T00:00:00Z").save(tmp_path / "results")
    make_run("seldom", seed=7).save(tmp_path / "results")
    make_run("uniform", seed=8, info={"kind": "reference"}).save(tmp_path / "results")
    (tmp_path / "results" / "site.toml").write_text('held_out = ["dhf1k-raw"]\n')
    build(tmp_path / "results", tmp_path / "site")
    (board,) = (tmp_path / "site" / "boards").glob("*.html")
    said = re.sub(r"<[^>]*>", "", board.read_text(encoding="utf-8"))
    assert "Scored so far: often 3 times, seldom once." in said


def test_a_page_that_was_kept_before_is_made_anew(scored: Path, tmp_path: Path) -> None:
    """Both builds find the same runs; a page of the open site must not be taken over."""
    release = collect(scored)[0].entry.record.release.id
    build(scored, tmp_path / "site")
    (tmp_path / "site.toml").write_text(f'held_out = ["{release}"]\n')
    build(scored, tmp_path / "site", config=tmp_path / "site.toml")
    build(scored, tmp_path / "anew", config=tmp_path / "site.toml")
    assert texts(tmp_path / "site") == texts(tmp_path / "anew")


def test_a_slip_of_the_pen_publishes_nothing(results: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('held_out = ["dhf1k-rw"]\n')
    with pytest.raises(UnknownName, match="release in held_out of site.toml 'dhf1k-rw'; did you mean 'dhf1k-raw'"):
        build(results, tmp_path / "site", config=tmp_path / "site.toml")
    assert not (tmp_path / "site").exists()


def test_nothing_of_a_frame_is_left_in_what_is_shown(results: Path) -> None:
    for run in collect(results):
        shown = held_back(run)
        assert not shown.previews
        assert all(len(shown.rows.of(k)[0]) == 0 for k in range(len(shown.stimuli.ids)))
        assert json.dumps(shown.stimuli.ids) == json.dumps(run.stimuli.ids)
