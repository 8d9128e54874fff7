"""`vidsal gate --init`: what it writes into somebody's project holds a score there, from the wheel in an empty
environment too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from vidsal._version import __version__
from vidsal.cli.app import _run
from vidsal.cli.gate_init import RECIPE

from .test_pytest_plugin import run_warm

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW, TEST, TOLERANCES = RECIPE


def test_it_writes_what_is_not_there_and_says_what_it_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = tmp_path / "new" / "project"
    assert _run(["gate", "--init", str(toy)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote {toy / path}" for path in RECIPE]
    assert f'"vidsal=={__version__}"' in (toy / WORKFLOW).read_text()
    tomllib.loads((toy / TOLERANCES).read_text())
    (toy / WORKFLOW).write_text("mine")
    (toy / TEST).unlink()
    assert _run(["gate", "--init", str(toy)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"kept  {toy / WORKFLOW}: it is there already",
        f"wrote {toy / TEST}",
        f"kept  {toy / TOLERANCES}: it is there already",
    ]
    assert (toy / WORKFLOW).read_text() == "mine"
    assert _run(["gate", "--init", str(toy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": str(toy), "written": [], "kept": sorted(RECIPE)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--init", "FILE"], "is a file"),
        (["--init", "--baseline", "a"], "--init compares nothing"),
        (["--init", ".", "--candidate", "a"], "--init compares nothing"),
        (["--baseline", "a"], "Missing option '--candidate'"),
        ([], "Missing option '--baseline'"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    assert _run(["gate", *words]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


@pytest.mark.usefixtures("warm_children")
def test_the_test_that_it_writes_holds_the_template_model(tmp_path: Path) -> None:
    assert _run(["gate", "--init", str(tmp_path)]) == 0
    assert _run(["model", "template", str(tmp_path / "my_model.py")]) == 0
    code, said = run_warm(tmp_path, TEST)
    assert code == 0, said
    assert "tests/vidsal_snapshots/test_vidsal_scores.test_scores_hold.json: created" in said


def steps(workflow: str) -> dict[str, str]:
    """The shell lines of a workflow's steps, by their names."""
    found = {}
    for step in re.split(r"^      - ", workflow, flags=re.MULTILINE)[1:]:
        script = re.search(r"^        run: (?:\|\n((?:          .*\n|\n)+)|(.*)\n)", step, re.MULTILINE)
        if script:
            name = re.match(r"name: (.*)\n", step)
            assert name, step
            found[name[1]] = re.sub(r"^          ", "", script[1], flags=re.MULTILINE) if script[1] else script[2]
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel of this checkout; what the wheel needs is lent by this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    shutil.copytree(ROOT, sources, symlinks=True, ignore=shutil.ignore_patterns(".*", "build", "tests", "*.egg-info"))
    offline = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(sources)]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    place = folder / "empty"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", *offline, str(wheel)], check=True, cwd=folder)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    lib = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip()
    Path(lib, "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read
    return place / "bin"


@pytest.mark.slow
def test_the_recipe_works_with_the_wheel_in_a_project_of_its_own(environment: Path, tmp_path: Path) -> None:
    toy = tmp_path / "toy"
    toy.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHON", "GITHUB_"))}
    kept |= {"PATH": f"{environment}{os.pathsep}{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}

    def sh(script: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=toy, env=kept, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    def fine(script: str) -> str:
        code, said = sh(script)
        assert code == 0, f"{script}\n{said}"
        return said

    assert str(environment.parent) in fine("python -c 'import vidsal; print(vidsal.__file__)'")
    fine("git init -q . && vidsal model template my_model.py && vidsal gate --init")
    fine(
        "vidsal demo -o demo --videos 3 --frames 12 --observers 4 && mv demo/release/* release && mv demo/source/* frames && rm -r demo"
    )
    fine("vidsal run my_model.py:MyModel --data release --frames frames -o gate/baseline")
    install, check, plugin, committed, gate = steps((toy / WORKFLOW).read_text()).values()
    assert re.findall(r"pip install (.*)", install)[0] == f'"vidsal=={__version__}" "pytest>=8"'
    assert "FAIL" not in fine(check)

    said = fine(plugin)  # as found by its entry point
    assert "test_scores_hold.json: created; commit it" in said
    assert "::warning::not committed:" in fine(committed)
    fine("git add . && git -c user.name=a -c user.email=a@b.c commit -qm first")
    assert fine(committed) == ""
    assert "created" not in fine(plugin)
    assert "nothing moved" in fine(gate)
    assert "**Passed**" in (tmp_path / "summary").read_text()

    file = toy / "my_model.py"
    file.write_text(file.read_text().replace("smooth: float | str = 0.03", "smooth: float | str = 0.04"))
    code, said = sh(plugin)
    assert code == 1
    assert re.search(r"^NSS +scene_001 +\S+ +\S+ +(better|worse)$", said, re.MULTILINE), said
    assert "Traceback" not in said
    code, said = sh(gate)
    assert code == 1
    assert re.search(r"^scene_001 +NSS .* (better|worse)$", said, re.MULTILINE), said
    assert "<failure" in (toy / "gate.xml").read_text()

    assert "updated" in fine(f"{plugin} --vidsal-update")
    assert "vidsal scores" not in fine(plugin)
    assert "vidsal scores" not in fine(f"{plugin} -n 2")
