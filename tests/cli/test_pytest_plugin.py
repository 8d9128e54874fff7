"""The pytest plugin in a project of somebody else: run as that project runs it, or in a fork that has imported the package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
MODEL = """
import numpy as np
from vidsal.benchmark.predictor import ModelInfo, Prediction


class Mine:
    def __init__(self):
        self.info = ModelInfo(name="mine", output="saliency", licence="CC0-1.0")

    def predict(self, frames, stimulus):
        for frame in frames:
            yield Prediction(frame.index, frame.rgb[..., 1].astype(np.float32) ** POWER)
"""
SAID = "said.txt"
SNAPSHOT = "tests/vidsal_snapshots/test_mine.test_holds.json"


def project(folder: Path, test: str, *, power: str = "1") -> Path:
    """A project with a model and a test."""
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "mine.py").write_text(MODEL.replace("POWER", power))
    (folder / "tests" / "test_mine.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    return folder


OWN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1"}
WORDS = ("-q", "-p", "vidsal.pytest_plugin", "-p", "no:cacheprovider")


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | OWN


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest there; its exit code and what it says."""
    words = [sys.executable, "-m", "pytest", *WORDS, *arguments]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def run_warm(folder: Path, *arguments: str, where: str = ".") -> tuple[int, str]:
    """Do as `run`, in a fork of the process that has imported the package."""
    child = get_context("forkserver").Process(target=_pytest, args=(folder, where, arguments, environment()))
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode, (folder / SAID).read_text()


def _pytest(folder: Path, where: str, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    said = os.open(folder / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = True  # the variable speaks to processes that start; a model changes within a second
    os.chdir(folder / where)
    sys.path[:0] = [""]
    raise SystemExit(pytest.main([*WORDS, *arguments]))


@pytest.mark.usefixtures("warm_children")
def test_a_score_is_created_held_lost_and_updated(tmp_path: Path) -> None:
    toy = project(tmp_path, "def test_holds(vidsal_score):\n    vidsal_score('mine.py:Mine')\n")
    code, said = run_warm(toy)
    assert code == 0, said
    assert f"{SNAPSHOT}: created; commit it" in said
    first = (toy / SNAPSHOT).read_bytes()
    assert len(first) < 4000
    assert first.decode() == json.dumps(json.loads(first), sort_keys=True, indent=1, ensure_ascii=False) + "\n"

    project(toy, "from mine import Mine\ndef test_holds(vidsal_score):\n    vidsal_score(Mine())\n")
    code, said = run_warm(toy, where="tests")  # another folder, and the object instead of its name
    assert code == 0, said
    assert "vidsal scores" not in said

    project(toy, "def test_holds(vidsal_score):\n    vidsal_score('mine.py:Mine')\n", power="2")
    code, said = run_warm(toy)
    assert code == 1, said
    assert re.search(r"^metric +stimulus +was +is$", said, re.MULTILINE), said
    was = json.loads(first)["stimuli"]["scene_002"]["NSS"]
    row = re.search(r"^NSS +scene_002 +(\S+) +(\S+) +(better|worse)$", said, re.MULTILINE)
    assert row, said
    assert float(row[1]) == was
    assert (float(row[2]) > was) == (row[3] == "better")
    assert "--vidsal-update" in said
    assert "Traceback" not in said
    assert (toy / SNAPSHOT).read_bytes() == first

    code, said = run_warm(toy, "--vidsal-update")
    assert code == 0, said
    assert re.search(rf"^{re.escape(SNAPSHOT)}: updated; \d+ of \d+ values moved$", said, re.MULTILINE), said
    assert json.loads((toy / SNAPSHOT).read_bytes())["stimuli"]["scene_002"]["NSS"] == float(row[2])


MANY = """
import json
import pytest
import vidsal
from pathlib import Path
from vidsal.benchmark.evaluation.results.tolerances import Tolerance

HERE = Path(__file__).parent


def shift(file, by, release="synthetic", metric="NSS"):
    path = HERE / "vidsal_snapshots" / file
    content = json.loads(path.read_text())
    content["metrics"][metric]["mean"] += by
    content["release"]["id"] = release
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("model", ["center_prior", "uniform"])
def test_references(vidsal_score, model):
    assert vidsal_score(model).record["model"]["name"] == model


def test_within(vidsal_score, tmp_path):
    vidsal_score("uniform", limit=1)
    shift("test_mine.test_within.json", 1e-3)
    (tmp_path / "allowed.toml").write_text("[NSS]\\nabsolute = 0.01\\n")
    vidsal_score._taken.clear()
    vidsal_score("uniform", limit=1, tolerances=tmp_path / "allowed.toml")
    vidsal_score._taken.clear()
    vidsal_score("uniform", limit=1, tolerances={"NSS": Tolerance(0.01)})


def test_better(vidsal_score):
    vidsal_score("uniform", limit=1)
    shift("test_mine.test_better.json", -1.0)
    vidsal_score._taken.clear()
    vidsal_score("uniform", limit=1, one_sided=True)


def test_setting(vidsal_score):
    vidsal_score("uniform", limit=1)
    shift("test_mine.test_setting.json", 1.0)
    shift("test_mine.test_setting.json", 1.0, metric="KLD")
    vidsal_score._taken.clear()
    vidsal_score("uniform", limit=1)


def test_other_data(vidsal_score):
    vidsal_score("uniform", limit=1)
    shift("test_mine.test_other_data.json", 0.0, "elsewhere")
    vidsal_score._taken.clear()
    vidsal_score("uniform", limit=1)


def test_damaged(vidsal_score):
    vidsal_score("uniform", limit=1)
    (HERE / "vidsal_snapshots" / "test_mine.test_damaged.json").write_text('{"format": 1, "format": 1}')
    vidsal_score._taken.clear()
    vidsal_score("uniform", limit=1)


def test_twice(vidsal_score):
    vidsal_score("uniform", limit=1, name="one")
    vidsal_score("uniform", limit=1, name="two")
    vidsal_score("uniform", limit=1, name="two")


def test_no_model(vidsal_score):
    vidsal_score(object())


def test_no_release(vidsal_score):
    vidsal_score("uniform", "releases/none")


def test_a_run(vidsal_score, _vidsal_release):
    run = vidsal.evaluate(__import__("mine").Mine(), _vidsal_release(), limit=1)
    assert vidsal_score(run) is run
    vidsal_score(run, "releases/none", name="both")


class Broken:
    def __init__(self):
        self.info = __import__("mine").Mine().info

    def predict(self, frames, stimulus):
        raise ZeroDivisionError("in the model")


def test_broken(vidsal_score):
    vidsal_score(Broken())
"""


def test_many_at_once_in_another_process(tmp_path: Path) -> None:
    toy = project(tmp_path, MANY)
    (toy / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\npythonpath = .\nvidsal_tolerances = tolerances.toml\n"
    )
    (toy / "tolerances.toml").write_text("[KLD]\nabsolute = 2.0\n")
    code, said = run(toy, "-p", "xdist.plugin", "-n", "1", "--junit-xml", "said.xml")
    assert code == 1, said
    failed = dict(
        re.findall(r"^_+ (?:\S+\.)?(test_\w+) _+\n(?:\[gw\d\].*\n)?((?:(?!^___|^===).*\n)*)", said, re.MULTILINE)
    )
    wanted = {
        "test_setting": r"1 of \d+ values moved \(1 worse\)",
        "test_other_data": r"release: elsewhere in the snapshot, synthetic in this run",
        "test_damaged": r"no snapshot of scores: the key 'format' stands twice",
        "test_twice": r"two scores under one name",
        "test_no_model": r"object is no predictor",
        "test_no_release": r"no release is here",
        "test_a_run": r"give one of them",
        "test_broken": r"in the model",
    }
    assert set(failed) == set(wanted), said
    for name, pattern in wanted.items():
        assert re.search(pattern, failed[name]), failed[name]
        assert ("Error" in failed[name]) == (name == "test_broken"), failed[name]
    assert "values moved to the better, which is allowed" in said
    here = {path.name for path in (toy / "tests" / "vidsal_snapshots").iterdir()}
    created = set(re.findall(r"^tests/vidsal_snapshots/(\S+): created", said, re.MULTILINE))
    assert created == here
    assert {"test_mine.test_twice.one.json", "test_mine.test_twice.two.json"} < here
    assert all(re.fullmatch(r"[A-Za-z0-9._+-]+", name) for name in here)
    assert "created; commit it" in (toy / "said.xml").read_text()
    one, other = (path.read_bytes() for path in sorted((toy / "tests" / "vidsal_snapshots").glob("*twice*")))
    assert one == other


@pytest.mark.usefixtures("warm_children")
def test_a_snapshot_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    toy = project(tmp_path, "def test_holds(vidsal_score):\n    vidsal_score('uniform', limit=1)\n")
    (toy / "tests" / "vidsal_snapshots").write_text("a file")
    code, said = run_warm(toy)
    assert code == 1, said
    assert f"{SNAPSHOT}: cannot be written: " in said


def test_the_plugin_imports_nothing_heavy_before_it_is_used(tmp_path: Path) -> None:
    heavy = ("numpy", "pandas", "torch", "av", "vidsal.benchmark", "vidsal.loaders")
    test = f"import sys\ndef test_light():\n    assert not [m for m in {heavy} if m in sys.modules]\n"
    code, said = run(project(tmp_path, test))
    assert code == 0, said


@pytest.mark.parametrize("option", ["--vidsal-update", "vidsal_tolerances", "vidsal_score"])
def test_pytest_explains_it(tmp_path: Path, option: str) -> None:
    code, said = run(project(tmp_path, ""), "--help" if option != "vidsal_score" else "--fixtures")
    assert option in said, code
