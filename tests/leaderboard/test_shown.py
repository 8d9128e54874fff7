"""What the pages show of real runs with previews: pictures that exist, numbers that other commands give too."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidsal.baselines import load_model
from vidsal.benchmark.evaluation.results.differences import compare
from vidsal.benchmark.evaluation.results.store import load_run
from vidsal.benchmark.evaluation.run import evaluate
from vidsal.leaderboard.site import build
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.errors import BadData
from vidsal.loaders.release.release import load

ReadPage = Callable[[Path], Any]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on six small videos, with previews."""
    folder = tmp_path_factory.mktemp("shown")
    generate(folder / "source", videos=6, frames=8, width=48, height=32, observers=4, val=0, write_video=False)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    release = load(folder / "release")
    for name in ("center_prior", "shuffled_prior"):
        evaluate(load_model(name), release, "exact-1").save(folder / "results")
    return folder / "results"


@pytest.fixture(scope="module")
def site(real: Path) -> Path:
    """Their site."""
    build(real, real.parent / "site")
    return real.parent / "site"


def test_every_picture_that_a_page_names_is_there_once(site: Path, read_page: ReadPage) -> None:
    named = set()
    for page in site.rglob("*.html"):
        for image in read_page(page).all("image"):
            named.add((page.parent / image.attributes["href"]).resolve())
        for source in read_page(page).all("script", type="application/json"):
            for href in re.findall(r'"((?:\.\./)*pictures/[^"]+)"', source.text):
                named.add((page.parent / href).resolve())
    files = {p.resolve() for p in (site / "pictures").iterdir()}
    assert named == files
    truth = {p.name for p in real_files(site, "-truth")}
    assert len(truth) == 6, "both models share the file of the truth of each video"


def real_files(site: Path, what: str) -> list[Path]:
    """The pictures of a kind in the site, found through the runs that they were copied from."""
    from hashlib import sha256

    kept = {sha256(p.read_bytes()).hexdigest()[:24] for p in site.parent.rglob(f"previews/*{what}*")}
    return [p for p in (site / "pictures").iterdir() if p.stem in kept]


def test_a_damaged_preview_is_named_and_left_out_and_the_numbers_stay(real: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(real, results)
    victim = sorted(results.rglob("previews/*.png"))[0]
    victim.write_bytes(victim.read_bytes()[:-20])
    summary = build(results, tmp_path / "site")
    assert (summary.runs, len(summary.faults)) == (2, 1)
    assert "preview" in summary.faults[0]
    assert victim.name[:24] in summary.faults[0] or "of " in summary.faults[0]
    with pytest.raises(BadData, match="preview"):
        build(results, tmp_path / "strict", strict=True)


def test_a_page_of_two_models_says_what_results_compare_says(real: Path, site: Path, read_page: ReadPage) -> None:
    runs = {load_run(p.parent).typed.model.name: load_run(p.parent) for p in real.rglob("run.json")}
    (file,) = (site / "compare").glob("*/*.html")
    page = read_page(file)
    first, second = (name.text for name in page.one("h1").all("bdi"))
    table = page.all("table")[0]
    expected = compare(runs[first], runs[second]).differences
    for row in table.one("tbody").all("tr"):
        label = {"s-AUC": "sAUC"}.get(row.one("th").children[0], row.one("th").children[0])
        cells = [c.text for c in row.all("td")]
        found = expected[label]
        assert cells[:3] == [f"{v:.3f}".replace("-0.000", "0.000") for v in (found.a, found.b, found.mean)], label
        assert cells[4] == ("< 0.001" if found.p_holm < 0.001 else f"{found.p_holm:.3f}"), label


def test_the_data_of_the_comparison_by_script_are_the_means(real: Path, site: Path, read_page: ReadPage) -> None:
    (file,) = (p for p in (site / "compare").glob("*.html") if p.name != "index.html")
    data = json.loads(read_page(file).one("script", id="means").text)
    runs = {load_run(p.parent).typed.model.name: load_run(p.parent).stimuli for p in real.rglob("run.json")}
    for label, metric in data["metrics"].items():
        levels = np.frombuffer(b64decode(metric["levels"]), "<u2").reshape(len(data["models"]), -1)
        for name, line in zip(data["models"], levels, strict=True):
            means = metric["low"] + line / 65534 * metric["span"]
            kept = runs[name].set_index("stimulus_id")[label].reindex(data["stimuli"]).to_numpy()
            assert means == pytest.approx(kept, abs=metric["span"] / 65534), (label, name)


def test_a_stimulus_has_a_film_strip_and_every_model(site: Path, read_page: ReadPage) -> None:
    pages = sorted((site / "stimuli").glob("*/*.html"))
    assert len(pages) == 6
    for file in pages:
        page = read_page(file)
        assert len(page.all("section", **{"aria-label": f"Film strip: {page.one('h1').one('bdi').text}"})) == 1
        assert len(page.one("table", id="table").one("tbody").all("tr")) == 2


def test_intervals_stand_below_the_values(real: Path, site: Path, read_page: ReadPage) -> None:
    (board,) = (site / "boards").iterdir()
    rows = read_page(board).one("table", id="table").one("tbody").all("tr")
    for run in (load_run(p.parent) for p in real.rglob("run.json")):
        (row,) = (r for r in rows if r.all("bdi") and r.all("bdi")[0].text == run.typed.model.name)
        nss = run.typed.metrics["NSS"]
        assert nss.low is not None
        assert f"{nss.mean:.3f}{nss.low:.3f}–{nss.high:.3f}" in row.text
