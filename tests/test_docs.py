"""The documentation is true: commands exist and run, links lead somewhere, tables and numbers are those of the code."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark import metrics
from vidsal.benchmark.evaluation.results.gate import read_tolerances
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.cli import app as cli

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FIGURES = DOCS / "figures"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
SCRIPTS = ("why_scores_differ", "measure_statistics", "reference_tables", "reference_pages", "gallery", "looking")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def figures() -> Iterator[dict[str, ModuleType]]:
    """The scripts, imported as they import each other."""
    sys.path.insert(0, str(FIGURES))
    try:
        yield {path.stem: import_module(path.stem) for path in sorted(FIGURES.glob("*.py"))}
    finally:
        sys.path.remove(str(FIGURES))


# Commands


def fenced(page: Path, language: str = r"\w*") -> list[str]:
    """The contents of a page's fenced blocks in a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        command = re.sub(r"^\s*(- run: )?", "", line)
        if command.startswith("vidsal "):
            yield command


def every_command() -> list[tuple[str, str]]:
    found = [(page_id(p), c) for p in PAGES for block in fenced(p) for c in commands(block)]
    found += [
        (page_id(p), " ".join(c.split()))
        for p in PAGES
        for c in re.findall(r"`(vidsal [^`]+)`", p.read_text(encoding="utf-8"))
    ]
    template = ast.get_docstring(
        ast.parse((ROOT / "src/vidsal/templates/numpy_predictor.py").read_text(encoding="utf-8"))
    )
    return found + [("numpy_predictor.py", c) for c in commands(template or "")]


def check_command(text: str) -> None:
    """Parse a command line without running it; one with a placeholder or without arguments only by its names."""
    words = shlex.split(text, comments=True)[1:]
    command: click.Command = cli.app
    context = click.Context(command, info_name="vidsal")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]!r} in {text!r}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    options = {name for p in command.get_params(context) for name in (*p.opts, *p.secondary_opts)}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"no option {word} in {text!r}"
    if words and "..." not in words and not isinstance(command, click.Group) and "--help" not in words:
        command.make_context(command.name, words, parent=context.parent)


def test_commands_are_found() -> None:
    found = every_command()
    assert len(found) > 40
    assert {page for page, _ in found} >= {"README.md", "numpy_predictor.py", "docs/keep_a_score_in_ci.md"}


@pytest.mark.parametrize(("page", "text"), every_command())
def test_commands_and_options_exist(page: str, text: str) -> None:
    try:
        check_command(text)
    except click.UsageError as error:
        pytest.fail(f"{page}: {text}: {error.format_message()}")


@pytest.mark.parametrize(
    "text",
    [
        "vidsal scroe a",
        "vidsal data lsit",
        "vidsal run a --data b -o c --worker 2",
        "vidsal gate --baseline a",
        "vidsal -x",
    ],
)
def test_a_wrong_command_is_caught(text: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        check_command(text)


# Python


@pytest.mark.parametrize(
    ("page", "code"), [(page_id(p), code) for p in PAGES for code in fenced(p, "python")]
)  # fmt: skip
def test_python_blocks_use_names_that_exist(page: str, code: str) -> None:
    tree = ast.parse(code, page)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vidsal":
            assert hasattr(vidsal, node.attr) or import_module(f"vidsal.{node.attr}"), f"{page}: vidsal.{node.attr}"
        if isinstance(node, ast.Import):
            for name in node.names:
                assert not name.name.startswith("vidsal") or import_module(name.name)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vidsal"):
            module = import_module(node.module or "")
            for name in node.names:
                known = hasattr(module, name.name) or find_spec(f"{node.module}.{name.name}")
                assert known, f"{page}: {node.module} has no {name.name}"


@pytest.mark.parametrize("path", re.findall(r"python (docs/figures/\w+\.py)", (DOCS / "index.md").read_text()))
def test_scripts_named_exist(path: str) -> None:
    assert (ROOT / path).is_file()


# Links


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {slug(h) for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or not target.is_relative_to(ROOT) or anchor and anchor not in anchors(target):
            broken.append(link)
    assert not broken


def test_every_page_and_picture_is_reached() -> None:
    reached = {(p.parent / link.partition("#")[0]).resolve() for p in PAGES for link in links(p)}
    for path in [*DOCS.glob("*.md"), *(DOCS / "images").iterdir(), *FIGURES.glob("*.csv")]:
        assert path in reached or path.name == "index.md", f"no page links to {path.name}"


@pytest.mark.parametrize("file", sorted((DOCS / "images").iterdir()), ids=lambda p: p.name)
def test_pictures_are_small(file: Path) -> None:
    assert file.suffix in (".png", ".svg")
    assert file.stat().st_size < 200_000


# Generated parts


@pytest.mark.parametrize("name", ["data_sets.md", "models.md", "protocols.md", "submissions.md"])
def test_reference_tables_are_up_to_date(figures: dict[str, ModuleType], name: str) -> None:
    script = figures["reference_tables"]
    assert set(script.PAGES) == {"data_sets.md", "models.md", "protocols.md", "submissions.md"}
    text = (DOCS / name).read_text(encoding="utf-8")
    fresh = figures["generated_blocks"].filled(text, script.PAGES[name]())
    assert text == fresh, f"docs/{name} is out of date: run `python docs/figures/reference_tables.py`"


def test_every_data_set_model_metric_protocol_and_public_name_has_a_page(
    figures: dict[str, ModuleType], tmp_path: Path
) -> None:
    script = figures["reference_pages"]
    written = script.write_all(tmp_path)
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.md")} == {f"{p}.md" for p in written}
    for path in ("data_sets/dhf1k", "models/unisal", "metrics/nss", "protocols/dhf1k-1", "api/vidsal.metrics"):
        assert path in written
    assert "constant map 0" in (tmp_path / "metrics" / "nss.md").read_text(encoding="utf-8")
    for module, names in script.API.items():
        assert all(getattr(import_module(module), name).__doc__ for name in names)


def test_blocks_must_fit_their_page(figures: dict[str, ModuleType]) -> None:
    filled = figures["generated_blocks"].filled
    page = "a\n<!-- begin one -->\nold\n<!-- end one -->\nb\n"
    assert filled(page, {"one": "new"}) == "a\n<!-- begin one -->\n\nnew\n\n<!-- end one -->\nb\n"
    assert filled(filled(page, {"one": "new"}), {"one": "new"}) == filled(page, {"one": "new"})
    with pytest.raises(ValueError, match="places for"):
        filled(page, {"two": "new"})
    with pytest.raises(ValueError, match="does not end"):
        filled("<!-- begin one -->", {"one": "new"})
    assert figures["generated_blocks"].table(("a", "b"), [("x|y", 1)], " r") == (
        "| a | b |\n| :-- | --: |\n| x\\|y | 1 |"
    )


# Statistics


def test_tables_of_the_simulations_are_those_of_the_csv(figures: dict[str, ModuleType]) -> None:
    script = figures["measure_statistics"]
    text = (DOCS / "statistics.md").read_text(encoding="utf-8")
    fresh = figures["generated_blocks"].filled(text, script.blocks(script.read()))
    assert text == fresh, "out of date: run `python docs/figures/measure_statistics.py --write-only`"


def test_intervals_keep_their_word_in_the_simulations(figures: dict[str, ModuleType]) -> None:
    script = figures["measure_statistics"]
    share = {
        row[1]: row[4] for row in script.read() if (row[0], row[2], row[3]) == ("coverage", script.METHODS[2], "40")
    }
    for kind in ("normal", "gamma, shape 2", "exponential", "lognormal, sigma 0.5", script.UNEQUAL):
        assert 0.93 < share[kind] < 0.97
    assert share[script.APART] < 0.75


@pytest.mark.slow
def test_simulations_are_made_again(figures: dict[str, ModuleType]) -> None:
    script = figures["measure_statistics"]
    before = {row[:4]: row[4] for row in script.read()}
    for row in islice(script.false_positives(), 6):  # of 6 and 10 groups
        assert row[4] == pytest.approx(before[row[:4]], abs=1e-3)


# Why scores differ


@pytest.fixture(scope="module")
def measured(figures: dict[str, ModuleType]) -> Any:
    rows = figures["measure_scores"].read(FIGURES / "why_scores_differ.csv")
    return figures["draw_scores"].Numbers(rows)


def test_tables_of_the_page_are_those_of_the_csv(figures: dict[str, ModuleType], measured: Any) -> None:
    text = (DOCS / "why_scores_differ.md").read_text(encoding="utf-8")
    fresh = figures["generated_blocks"].filled(text, figures["why_scores_differ"].blocks(measured.rows))
    assert text == fresh, "out of date: run `python docs/figures/why_scores_differ.py --draw-only`"


def test_every_compared_protocol_is_measured(figures: dict[str, ModuleType], measured: Any) -> None:
    compared = set(figures["measure_scores"].COMPARED)
    assert {r.x for r in measured.rows if r.experiment == "protocols"} == compared <= set(PROTOCOLS)


def test_sentences_quote_the_csv(figures: dict[str, ModuleType], measured: Any) -> None:
    compared = figures["measure_scores"].COMPARED
    text = " ".join((DOCS / "why_scores_differ.md").read_text(encoding="utf-8").split())

    def smooth(protocol: str, metric: str) -> float:
        return measured("protocols", "blend", protocol, metric)

    def flat(protocol: str, metric: str) -> float:
        return measured("protocols", "motion_energy", protocol, metric)

    def span(metric: str) -> float:
        values = [smooth(p, metric) for p in compared]
        return float(np.nanmax(values) - np.nanmin(values))

    draws = [r.value for r in measured.rows if r.series == "ten frames, one draw"]
    bonused = [smooth(p, "AUC-J") for p in compared if p not in ("exact-1", "tuebingen-1")]
    for sentence in (
        f"two exact areas, {smooth('exact-1', 'AUC-J'):.3f} and {smooth('tuebingen-1', 'AUC-J'):.3f}, and five of "
        f"{min(bonused):.3f} to {max(bonused):.3f}",
        f"**SIM** is higher by {smooth('dhf1k-1', 'SIM') - smooth('exact-1', 'SIM'):.3f}",
        f"`unisal-1` costs {smooth('unisal-1', 'KLD') - smooth('exact-1', 'KLD'):.3f}",
        f"differ by {span('sAUC'):.4f}, {span('NSS'):.4f} and {span('CC'):.4f} at most",
        f"**AUC-J, from {flat('msu-1', 'AUC-J'):.3f} to {flat('unisal-1', 'AUC-J'):.3f}.**",
        f"gains {flat('dhf1k-1', 'NSS') - flat('exact-1', 'NSS'):.2f} of NSS",
        f"**KLD, from {flat('exact-1', 'KLD'):.2f} to {flat('dhf1k-1', 'KLD'):.2f}.**",
        f"falls to {measured('sharpened', 'msu-1', '16', 'AUC-J'):.2f}, far below chance",
        f"frame by up to {measured('step', '15', '0.1', 'max_abs'):.3f} and the mean by "
        f"{measured('step', '15', '0.1', 'mean'):.3f}",
        f"{measured('negatives', 'others, list', '', 'sAUC'):.3f} against the fixations of all other videos, "
        f"{measured('negatives', 'same video', '', 'sAUC'):.3f} against",
        f"and {measured('negatives', 'all pixels', '', 'sAUC'):.3f} against all pixels",
        f"{len(draws)} runs of it gave {min(draws):.3f} to {max(draws):.3f}",
        f"it scores {measured('saturation', 'union', '1000000', 'sAUC'):.3f}, because",
        f"SIM stays {measured('floor', 'min-max', '1', 'SIM'):.3f}",
        f"falls from {measured('floor', 'sum', '0', 'SIM'):.3f} to {measured('floor', 'sum', '1', 'SIM'):.3f}",
        f"score {measured('eps', '0.6', '1e-20', 'KLD'):.2f} with eps = 1e-20, "
        f"{measured('eps', '0.6', '2.2e-16', 'KLD'):.2f} with 2.2e-16, {measured('eps', '0.6', '1e-07', 'KLD'):.2f} with 1e-7",
        f"from {measured('bonus', 'AUC-J', '1', 'mean'):.2f} with one fixation to "
        f"{measured('bonus', 'AUC-J', '300', 'mean'):.3f} with 300",
    ):
        assert sentence in text
    rounding = measured("sharpened", "exact area of the 8-bit map", "1", "AUC-J")
    assert abs(rounding - measured("sharpened", "exact-1", "1", "AUC-J")) < 0.001
    assert measured("floor", "min-max", "0", "SIM") == measured("floor", "min-max", "1", "SIM")


def again(measured: Any, rows: Iterator[Any]) -> int:
    """Compare rows measured now with the CSV; return how many."""
    count = 0
    for row in rows:
        before = measured(row.experiment, row.series, row.x, row.statistic)
        assert row.value == pytest.approx(before, abs=2e-6, nan_ok=True), row
        count += 1
    return count


def test_the_bonus_is_measured_again(figures: dict[str, ModuleType], measured: Any) -> None:
    assert again(measured, figures["measure_scores"].bonus_of_judd((1, 3, 17))) == 21
    for n in (1, 3, 17, 300):
        # The law, not only its reproduction.
        law, mean = (measured("bonus", "AUC-J", str(n), k) for k in ("law", "mean"))
        assert mean == pytest.approx(law, abs=1e-6)


def test_steps_saturation_floor_and_eps_are_measured_again(figures: dict[str, ModuleType], measured: Any) -> None:
    script = figures["measure_scores"]
    assert again(measured, script.steps_of_shuffled((15,), (10, 100))) == 8
    assert again(measured, script.saturation((10, 1_000_000))) == 4
    assert again(measured, script.floor_and_eps()) == 26
    assert again(measured, script.sharpened((16,))) == 16


def test_the_written_out_algorithms_agree_with_the_definitions(figures: dict[str, ModuleType]) -> None:
    frames = figures["simulated_frames"]
    drawn = []
    for number in range(8):
        frame = frames.simulate((9, number), 12)
        random = np.random.default_rng(number)
        drawn.append(frames.drawn_judd_area(frame.prediction, frame.fixated, random))
        # Two fixated pixels share no value here, so the jitter changes nothing that can be seen.
        assert drawn[-1] == pytest.approx(metrics.auc_judd_jittered(frame.prediction, frame.fixated), abs=1e-4)
        stepped = frames.step_area(frame.prediction, frame.fixated, frame.negatives, 10)
        assert stepped == pytest.approx(
            metrics.shuffled_auc_step(frame.prediction, frame.fixated, frame.negatives), abs=1e-12
        )
        divergence = figures["measure_scores"].divergence(frame.prediction, frame.density, metrics.EPS)
        assert divergence == pytest.approx(metrics.kld(frame.prediction, frame.density), abs=1e-12)
    assert len(set(drawn)) == 8


@pytest.mark.slow
def test_scores_of_the_synthetic_release_are_measured_again(
    figures: dict[str, ModuleType], measured: Any, tmp_path: Path
) -> None:
    script, predictions = figures["measure_scores"], figures["synthetic_predictions"]
    release = predictions.make_release(tmp_path)
    stored = predictions.predict_once(release)
    flat, smooth = {"motion_energy": stored["motion_energy"]}, {"blend": stored["blend"]}
    assert again(measured, script.by_protocol(release, smooth)) == 12 * len(figures["measure_scores"].COMPARED) + 7
    assert again(measured, script.by_protocol(release, flat, ("msu-1",))) == 12
    sets = ("others, list", "same video", "ten frames, expected")
    assert again(measured, script.by_negatives(release, stored["blend"], sets)) == 3


def test_pictures_are_drawn(figures: dict[str, ModuleType], measured: Any, tmp_path: Path) -> None:
    files = figures["draw_scores"].draw_all(measured.rows, tmp_path)
    by_hand = {*figures["gallery"].PAGES, *figures["gallery"].DRAWN, "looking.png", "gaze_changes.png"}
    there = {f.name for f in (DOCS / "images").glob("*.png")}
    assert {f.name for f in files} | by_hand == there
    shown = {Path(link).name for page in PAGES for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())}
    assert there <= shown
    assert all(f.stat().st_size > 10_000 for f in files)


def test_scripts_say_what_they_do(figures: dict[str, ModuleType]) -> None:
    for name in SCRIPTS:
        assert inspect.getdoc(figures[name].main.callback)


# The tutorials run


def run_block(block: str) -> None:
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "vidsal"
            assert cli._run(words[1:]) == 0, line


@pytest.mark.usefixtures("quick_demo", "warm_children")
def test_tutorials_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    tutorial, gate = DOCS / "score_my_model.md", DOCS / "keep_a_score_in_ci.md"
    *blocks, real_data = fenced(tutorial, "sh")
    assert "releases/dhf1k-raw" in real_data
    assert len(blocks) == 5
    for block in blocks:
        run_block(block)
    shown = capsys.readouterr().out
    assert "val" in shown
    assert (tmp_path / "site" / "index.html").is_file()
    monkeypatch.delitem(sys.modules, "my_model", raising=False)
    for code in fenced(tutorial, "python"):
        exec(compile(code, "score_my_model.md", "exec"), {"__name__": "tutorial"})
    assert "mean_stimuli" in capsys.readouterr().out
    sys.modules.pop("my_model", None)

    (tolerances,) = fenced(gate, "toml")
    Path("tolerances.toml").write_text(tolerances, encoding="utf-8")
    assert read_tolerances("tolerances.toml")["KLD"].absolute == 1e-4
    for block in fenced(gate, "sh"):
        run_block(block)
    assert "nothing moved" in capsys.readouterr().out
    # And the gate closes when the model changes.
    changed = (
        "vidsal run my_model.py:MyModel --option smooth=0.05 --data demo/release/6x30-8-0 --split val -o gate/other"
    )
    run_block(changed)
    assert cli._run(["gate", "--baseline", "gate/baseline", "--candidate", "gate/other"]) == 1


@pytest.mark.usefixtures("warm_children")
def test_the_page_on_any_video_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (36, 64, 3), np.uint8)) for _ in range(3)]
    pictures[0].save("photo.jpg")
    Path("frames").mkdir()
    for number, picture in enumerate(pictures):
        picture.save(f"frames/{number:03d}.png")
    assert cli._run(["predict", "uniform", "frames", "-o", "first", "--overlay", "clip.mp4"]) == 0
    page = DOCS / "any_video.md"
    (readme,) = [block for block in fenced(ROOT / "README.md", "sh") if "clip.mp4" in block]
    for block in fenced(page, "sh"):
        run_block(block)
    for code in fenced(page, "python"):
        exec(compile(code, page.name, "exec"), {"__name__": "page"})
    assert "from_python/clip 3" in capsys.readouterr().out
    for made in ("maps/clip/000002.png", "maps/photo/000000.png", "mine/clip/000000.png", "each/001/000000.png"):
        assert Path(made).is_file(), made
    assert len(list(Path("from_python/made_up").iterdir())) == 10
    shutil.rmtree("maps")
    run_block(readme)
    assert Path("maps/clip/000000.png").is_file()


@pytest.mark.usefixtures("quick_demo", "warm_children")
def test_the_page_on_submissions_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = fenced(DOCS / "submissions.md", "sh")
    assert len(blocks) == 3
    for block in blocks:
        run_block(block)
    assert "no fault" in capsys.readouterr().out
    ran, again = (next(Path(name).rglob("frames.parquet")) for name in ("results", "again"))
    assert ran.read_bytes() == again.read_bytes()
    assert 'failures="0"' in Path("check.xml").read_text(encoding="utf-8")


# Guards


def test_every_guard_and_every_test_of_it_is_there() -> None:
    """docs/security.md names them as `file::function`; each row of its table has a guard and a test."""
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/.]+\.py)::(\w+)`", text)
    assert len(named) > 40
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        here = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert name in here, f"{file} has no {name}"
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| what |")]
    assert len(rows) > 15
    for row in rows:
        *_, guard, test, _ = row.split(" |")
        assert ".py::" in guard, row
        assert "tests/" not in guard, row
        assert "`tests/" in test, row
