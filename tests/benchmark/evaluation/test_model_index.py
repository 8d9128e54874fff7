from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vidsal
from vidsal.benchmark.evaluation.results.folder import withdraw
from vidsal.benchmark.evaluation.results.model_index import model_index, undefined
from vidsal.benchmark.evaluation.results.store import Run, load_run
from vidsal.cli.app import _run
from vidsal.loaders.errors import WrongUse

from ..stored import Maps, gaze_only


def parse(lines: list[str], indent: int = 0) -> Any:
    """Block YAML of this one form, read line by line: maps, lists of maps, JSON scalars."""
    found: Any = None
    while lines and len(lines[0]) - len(lines[0].lstrip()) >= indent:
        line = lines[0][indent:]
        if line.startswith("- "):
            found = [] if found is None else found
            lines[0] = f"{' ' * indent}  {line[2:]}"
            found.append(parse(lines, indent + 2))
            continue
        key, _, value = lines.pop(0).strip().partition(":")
        found = {} if found is None else found
        if value:
            found[key] = json.loads(value)
        else:
            deeper = len(lines[0]) - len(lines[0].lstrip())
            found[key] = parse(lines, deeper)
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    vidsal.evaluate(Maps(), vidsal.load(gaze_only(folder / "data"))).save(folder / "results")
    return folder / "results"


@pytest.fixture(scope="module")
def run(results: Path) -> Run:
    (found,) = results.rglob("run.json")
    return load_run(found.parent)


def changed(run: Run, **metric: Any) -> Run:
    record = json.loads(json.dumps(run.record))
    record["metrics"]["NSS"] |= metric
    return replace(run, record=record)


def test_it_says_what_the_record_says(run: Run) -> None:
    ((entry,),) = parse(model_index([run]).splitlines()).values()
    assert entry["name"] == run.record["model"]["name"]
    (result,) = entry["results"]
    assert set(result) == {"task", "dataset", "metrics"}
    assert result["dataset"]["split"] == "all"
    assert result["dataset"]["revision"] == run.record["release"]["digest"]
    assert result["dataset"]["args"]["frames_digest"] == run.record["coverage"]["frames_digest"]
    values = {m["name"]: m["value"] for m in result["metrics"]}
    assert values == {name: m["mean"] for name, m in run.record["metrics"].items()}
    nss = next(m for m in result["metrics"] if m["name"] == "NSS")
    assert nss["type"] == "nss"
    assert nss["args"]["definition"] == run.record["metrics"]["NSS"]["id"]
    assert nss["args"]["protocol_digest"] == run.record["protocol"]["digest"]


def test_several_runs_of_a_model_are_one_entry(run: Run) -> None:
    ((entry,),) = parse(model_index([run, run]).splitlines()).values()
    assert len(entry["results"]) == 2


def test_intervals_undefined_scores_and_small_numbers(run: Run) -> None:
    text = model_index([changed(run, mean=1e-7, mean_stimuli=1e-7, low=-1e22, high=2.0)])
    assert re.search(r"value: 1\.0e-07$", text, re.MULTILINE)  # YAML 1.1 takes 1e-07 for a text
    assert re.search(r"low_95: -1\.0e\+22$", text, re.MULTILINE)
    of_frames = changed(run, mean=1.0, mean_stimuli=2.0, low=1.5, high=2.5)
    assert "low_95: 1.5" not in model_index([of_frames])  # the interval is not of this mean
    empty = changed(run, mean=None)
    assert undefined(empty) == ["NSS"]
    assert '"NSS"' not in model_index([empty])


@pytest.mark.parametrize("title", ["a: b # c", "- x", 'quo"te', "new\nline", "\U0001f600 é", "a\x9b\u202eb"])
def test_words_of_others_stay_words(run: Run, title: str) -> None:
    record = json.loads(json.dumps(run.record))
    record["release"]["title"] = title
    ((entry,),) = parse(model_index([replace(run, record=record)]).splitlines()).values()
    expected = title.replace("\x9b", "\ufffd").replace("\u202e", "\ufffd")
    assert entry["results"][0]["dataset"]["name"] == expected


def test_the_command(results: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for where in (results, run.folder, Path(str(run.folder)) / "run.json"):
        assert _run(["results", "export", str(where), "--form", "model-index"]) == 0
        assert capsys.readouterr().out == model_index([run])
    out = tmp_path / "index.yml"
    assert _run(["results", "export", str(results), "--form", "model-index", "-o", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == model_index([run])
    capsys.readouterr()
    assert _run(["results", "export", str(results), "--form", "model-index", "-o", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert _run(["results", "export", str(tmp_path / "no"), "--form", "model-index"]) == 3
    (tmp_path / "empty").mkdir()
    assert _run(["results", "export", str(tmp_path / "empty"), "--form", "model-index"]) == 2


def test_a_withdrawn_run_is_not_exported(run: Run, tmp_path: Path) -> None:
    folder = replace(run).save(tmp_path).folder
    withdraw(Path(str(folder)), "wrong weights")
    with pytest.raises(WrongUse, match=r"withdrawn \(wrong weights\)"):
        model_index([load_run(str(folder))])
