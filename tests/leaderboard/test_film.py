"""The film strip: its data, its pictures, its page, and the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64decode
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidsal
from vidsal.benchmark.evaluation.previews.record import StimulusPreview
from vidsal.benchmark.evaluation.results.store import load_run
from vidsal.benchmark.submissions.predict import predict
from vidsal.cli import main
from vidsal.leaderboard.boards import Column, columns
from vidsal.leaderboard.film.film import MOST_STEPS, Film, FilmRun, dots, film_of
from vidsal.leaderboard.film.previews import read_previews
from vidsal.leaderboard.pages.environment import filled
from vidsal.leaderboard.pages.preview import film_page, run_films
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.release.release import Release

from ..benchmark.runs import Brightness, Scripted, small_release
from .conftest import build_run

HOSTILE = "</script><b>\u202e=cmd()"


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(small_release(tmp_path_factory.mktemp("film"), frames=40))


def metrics(*labels: str) -> tuple[Column, ...]:
    return tuple(c for c in columns(build_run().typed) if c.name in labels)


def line(label: str, values: list[float], **more: Any) -> FilmRun:
    frames = np.arange(len(values)) * more.pop("step", 1)
    return FilmRun(label, "runs/a.html", frames, np.array(values, np.float64).reshape(-1, 1), metrics("NSS"), **more)


def data_of(film: Film) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(film.data)
    return found


def unpacked(film: Film, run: int, metric: int = 0) -> np.ndarray[Any, Any]:
    """The values as the script reads them."""
    data = data_of(film)
    raw = b64decode(data["values"])
    at = data["at"]
    shape = len(data["runs"]), len(data["metrics"]), at["n"] if isinstance(at, dict) else len(at)
    wide = len(raw) > np.prod(shape)
    levels = np.frombuffer(raw, "<u2" if wide else "u1").reshape(shape)[run, metric].astype(float)
    low, *_, high = data["metrics"][metric]["ticks"]
    return np.where(levels > 0, low + (levels - 1) / (65534 if wide else 254) * (high - low), np.nan)


def test_values_come_back_as_they_were() -> None:
    one, other = [0.5, np.nan, 2.25, -0.5, np.inf], [1.0, 3.9, 0.1, 0.2, 0.3]
    film = film_of("002", [line("a", one), line("b", other)], title="002")
    assert np.allclose(unpacked(film, 0), [0.5, np.nan, 2.25, -0.5, np.nan], atol=1e-4, equal_nan=True)
    assert np.allclose(unpacked(film, 1), other, atol=1e-4)
    assert data_of(film)["exact"] is True


def test_frames_that_only_some_runs_score_are_gaps() -> None:
    film = film_of("002", [line("a", [1.0, 2.0], step=4), line("b", [3.0, 4.0, 5.0], step=2)], title="002")
    assert data_of(film)["at"] == {"first": 0, "step": 2, "n": 3}
    assert np.allclose(unpacked(film, 0), [1, np.nan, 2], atol=1e-3, equal_nan=True)


def test_many_runs_are_given_in_steps() -> None:
    values = np.random.default_rng(0).normal(2, 1, (200, 1000))
    film = film_of("002", [line(f"m{k}", list(v)) for k, v in enumerate(values)], title="002")
    data = data_of(film)
    width = -(-1000 // MOST_STEPS)
    means = values[7].reshape(-1, width).mean(axis=1)
    found = unpacked(film, 7)
    assert data["exact"] is False
    assert len(found) == len(means) <= MOST_STEPS
    low, *_, high = data["metrics"][0]["ticks"]
    assert np.abs(found - means).max() <= (high - low) / 254
    assert len(film.data) < 150_000
    assert len(film.table.header) == 4, "quantiles of so many, not a column each"


def test_a_metric_without_a_value_has_no_plot() -> None:
    among = metrics("NSS", "sAUC")
    both = np.column_stack([np.ones(3) if c.name == "NSS" else np.full(3, np.nan) for c in among])
    run = FilmRun("a", "", np.arange(3), both, among)
    film = film_of("002", [run], title="002")
    assert [m["label"] for m in data_of(film)["metrics"]] == ["NSS"]
    nothing = film_of("002", [line("a", [np.nan])], title="002")
    assert "no finite value" in nothing.summary
    with pytest.raises(ValueError, match="no frame is scored"):
        film_of("002", [line("a", [])], title="002")


def test_what_strangers_wrote_stays_text(ds: Release) -> None:
    film = film_of(HOSTILE, [line(HOSTILE, [1.0, 2.0])], title=HOSTILE)
    assert not re.search("[<>&\u202e]", film.data)
    assert "\u202e" not in film.summary
    page = filled("film_part.html", film=film)
    assert page.count("</script>") == 1, "its own"
    assert "<b>" not in page
    assert "\u202e" not in page


def test_dots() -> None:
    assert dots("", (160, 90)) == ""
    assert dots("5000,10000", (160, 90)) == "M80 90z"


def test_moments_are_cells_of_the_sprites(ds: Release, tmp_path: Path) -> None:
    run = vidsal.evaluate(Brightness(), ds, show="frames").save(tmp_path)
    assert run.folder is not None
    previews = read_previews(run.folder, run.typed)
    assert set(previews) == set(ds.ids)
    name, preview = next(iter(previews.items()))
    rows = run.frames[run.frames["stimulus_id"] == name].set_index("frame")
    rows = rows[rows["status"] == "scored"]
    among = columns(run.typed)
    addresses = {s.file: f"p/{s.file}" for g in preview.groups for s in g.sprites}
    film = film_of(
        name,
        [FilmRun("b", "", np.array(rows.index), rows[[c.name for c in among]].to_numpy(), among, preview, addresses)],
        title=name,
    )  # fmt: skip
    (moments,) = film.moments
    shown = [m.frame for m in moments.best]
    assert (shown[0], len(shown)) == (preview.best[0], 3)
    assert set(shown) <= set(preview.best)
    assert min(abs(a - b) for a, b in combinations(shown, 2)) > len(rows) // 40, "neighbors look alike"
    for moment in (*moments.best, *moments.worst):
        group = next(g for g in preview.groups if moment.frame in g.frames)
        x, y, w, h = (int(v) for v in moment.map.view.split())
        assert group.frames[y // h * 8 + x // w] == moment.frame
        assert (w, h) == (group.maps.width, group.maps.height)
        assert (moment.map.width, moment.map.height) == (8 * w, -(-len(group.frames) // 8) * h)
        assert moment.map.href == f"p/{group.maps.file}"
        assert moment.picture is not None
        assert moment.picture.href.endswith(".jpg")
        assert f"{rows['NSS'][moment.frame]:.2f}" in moment.text
        assert len(moment.dots.split("M")) - 1 == len(group.fixations[group.frames.index(moment.frame)].split())
    best = rows["NSS"].idxmax()
    assert f"(frame {best})" in film.summary


def test_damaged_previews_are_named_and_left_out(ds: Release, tmp_path: Path) -> None:
    run = vidsal.evaluate(Brightness(), ds).save(tmp_path)
    assert run.folder is not None
    picture = sorted((run.folder / "previews").glob("*-truth.png"))[0]
    picture.write_bytes(picture.read_bytes() + b"x")
    faults: list[str] = []
    assert len(read_previews(run.folder, run.typed, faults)) == len(ds.ids) - 1
    assert len(faults) == 1
    assert "damaged on the disk" in faults[0]
    with pytest.raises(BadData, match="damaged on the disk"):
        read_previews(run.folder, run.typed)
    shutil.rmtree(run.folder / "previews")
    faults.clear()
    assert read_previews(run.folder, run.typed, faults) == {}
    assert len(faults) == 1
    with pytest.raises(MissingData):
        read_previews(run.folder, run.typed)
    assert load_run(run.folder).scores == run.scores
    assert read_previews(run.folder, build_run().typed) == {}, "a run that kept none lacks nothing"


def test_previews_that_speak_of_other_frames_show_nothing(ds: Release) -> None:
    run = vidsal.evaluate(Brightness(), ds)
    assert run.previews is not None
    preview = StimulusPreview.model_validate_json(json.dumps(json.loads(run.previews.text)["stimuli"][ds.ids[0]]))
    addresses = {s.file: s.file for g in preview.groups for s in g.sprites}
    film = film_of("x", [line("a", [1.0], preview=preview, addresses=addresses)], title="x")
    assert {m.frame for row in film.moments for m in (*row.best, *row.worst)} <= {0}


def test_the_page_needs_nothing_but_itself(ds: Release) -> None:
    run = vidsal.evaluate(Brightness(), ds)
    page = film_page(run)
    assert " style=" not in page
    assert not re.search(r"(?:href|src)=\"(?!data:|#)", page)
    assert page == film_page(vidsal.evaluate(Brightness(), ds)), "the same bytes again"
    assert page.count("The dots are fixations") == 1
    table = re.sub(r"<[^>]+>", " ", page[page.index("<table>") : page.index("</table>")]).split()
    for name, nss in run.stimuli[["stimulus_id", "NSS"]].itertuples(index=False):
        assert f"{nss:.3f}" in table[table.index(name) :][:7], "with links, which are checked below"
    assert "unsafe-inline" not in page
    for name in {*re.findall(r"url\(#([\w-]+)\)", page), *re.findall(r'href="#([\w-]+)"', page)}:
        assert f'id="{name}"' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    sprites = re.findall(r"data:image/png;base64,[^\"]+", page)
    assert len(sprites) == len(set(sprites)) == 2 * len(ds.ids), "each picture once"


def test_where_nothing_is_scored_there_is_no_film(ds: Release) -> None:
    with pytest.raises(MissingData, match="no frame is scored"):
        run_films(vidsal.evaluate(Scripted([], missing="exclude"), ds))


def test_a_preview_of_ones_own_submission(ds: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(Brightness(), ds, tmp_path / "mine")
    out = tmp_path / "film.html"
    arguments = ["site", "preview", str(tmp_path / "mine"), "--data", str(ds.root), "-o", str(out), "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--stimuli", "2"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["stimuli"], told["bytes"]) == (2, out.stat().st_size)
    assert out.read_text().count('data-film="') == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.html", "mine"], "nothing else is kept"


BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@pytest.mark.skipif(not BROWSER, reason="no Chromium here")
def test_the_strip_comes_alive_in_a_browser(ds: Release, tmp_path: Path) -> None:
    run = vidsal.evaluate(Brightness(), ds, show="frames")
    film = run_films(run)[0]
    (tmp_path / "film.html").write_text(film_page(run), encoding="utf-8")
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=3000", "--dump-dom", (tmp_path / "film.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    best = film.moments[0].best[0]
    first = done.stdout.partition("</section>")[0]
    said = re.search(r'aria-valuetext="([^"]+)"', first)
    assert said, "the script did not run, or the policy stopped it"
    assert said[1] == f"frame {best.frame} of {film.last}, {best.value}"
    live = first[first.index('class="film-live"') : first.index('class="film-row"')]
    assert 'hidden=""' not in live[:40]
    assert live.count("<figure") == 3, "the video, where people looked, the map"
    assert f'viewBox="{best.map.view}"' in live
    assert f'd="{best.dots}"' in live
    assert first.count('<button type="button">') == len(film.moments[0].best) + len(film.moments[0].worst)
