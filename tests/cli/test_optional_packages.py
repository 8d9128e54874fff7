"""What works without the optional packages, and the one line that names the extra where one is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from vidsal.benchmark.scoring.resize import resize
from vidsal.cli.app import _run
from vidsal.loaders.errors import MissingExtra
from vidsal.loaders.io.extras import EXTRAS
from vidsal.models import ModelSpec, own_predictor

ROOT = Path(__file__).resolve().parents[2]

WITHOUT = """
import contextlib, io, json, sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
sys.path.insert(0, "src")
from vidsal.cli.app import _run
import vidsal.loaders

out = {{}}
for command in {commands}:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            code = _run(command.split())
        except SystemExit as end:
            code = end.code
    out[command] = [code, text.getvalue()]
print(json.dumps(out))
"""

FINE = (
    "--help",
    "data list",
    "model list",
    "protocol list",
    "data info dhf1k",
    "model info unisal",
    "data stats RELEASE",
    "run center_prior --data RELEASE --split val -o OUT/results",
    "predict uniform --data RELEASE --split val -o OUT/submission",
    "score OUT/submission --data RELEASE -o OUT/results",
    "site build OUT/results -o OUT/site",
)
NEEDS = {
    "model check unisal": "models",
    "run unisal --data RELEASE -o OUT/other": "models",
    "data convert --form OUT/own.py:MyModel --src RELEASE --out OUT/formed": "models",
    "data stats RELEASE --out OUT/plots": "plots",
    "data export RELEASE --to pysaliency -o OUT/pysaliency": "matlab",
    "run uniform --data RELEASE -o OUT/other --scheduler local:2": "distributed",
    "run uniform --data RELEASE -o memory://results": "cloud",
    "results list s3://bucket/results": "cloud",
}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory, quick_demo: None) -> dict[str, tuple[int, str]]:
    """Exit code and text of every command, in one process where no optional package can be imported."""
    out = tmp_path_factory.mktemp("core")
    assert _run(["demo", "-o", str(out / "demo"), "--videos", "3", "--frames", "20", "--observers", "3"]) == 0
    assert _run(["model", "template", "--torch", str(out / "own.py")]) == 0
    places = {"RELEASE": str(next((out / "demo").rglob("release.json")).parent), "OUT": str(out)}
    commands = [re.sub("RELEASE|OUT", lambda found: places[found[0]], command) for command in (*FINE, *NEEDS)]
    code = WITHOUT.format(absent={*EXTRAS, "pytest"}, commands=commands)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    return dict(zip((*FINE, *NEEDS), results.values(), strict=True))


@pytest.mark.parametrize("command", FINE)
def test_the_core_does_the_main_jobs(without: dict[str, tuple[int, str]], command: str) -> None:
    code, text = without[command]
    assert code == 0, text


@pytest.mark.parametrize(("command", "extra"), NEEDS.items())
def test_a_missing_package_is_one_line_with_the_command(
    without: dict[str, tuple[int, str]], command: str, extra: str
) -> None:
    code, text = without[command]
    assert code == 3, text
    [line] = [line for line in text.splitlines() if line.startswith("vidsal:")]
    assert f"pip install 'vidsal[{extra}]'" in line


def test_a_resize_of_scikit_image_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.transform", None)
    with pytest.raises(MissingExtra, match=r"vidsal\[skimage\]"):
        resize(np.eye(2), (4, 4), "linear-skimage")


def test_a_class_of_ones_own_that_imports_one_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(["model", "template", "--torch", str(tmp_path / "own.py")]) == 0
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"own\.py: this needs torch.*vidsal\[models\]"):
        own_predictor(ModelSpec(f"{tmp_path / 'own.py'}:MyModel"))


def test_every_extra_is_in_the_package_and_in_all() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) <= set(extras)
    [everything] = extras["all"]
    assert set(EXTRAS.values()) <= set(re.findall(r"\w+", everything))
