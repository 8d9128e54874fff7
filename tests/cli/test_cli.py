"""The command line as a user meets it: what comes out, exit codes, no traceback."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vidsal.cli import app as cli
from vidsal.loaders.datasets.synthetic.write import generate

from .commands import small_release, vidsal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    return small_release(folder, videos=2, frames=8, observers=3, val=0)


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("--help") == 0
    for name in cli._COMMANDS:
        assert vidsal(name, "--help") == 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "info", "dhf1"], 2, "did you mean 'dhf1k'"),
        (["data", "convert", "dhf1k", "--src", "/nowhere", "--out", "o", "--variant", "raw"], 3, "no such folder"),
        (["data", "verify", "/nowhere"], 3, "no release is here"),
        (["run", "uniform", "--data", "/nowhere", "-o", "o"], 3, "no release is here"),
        (["run", "uniform", "--data", "/nowhere"], 2, "Missing option"),
        (["run", "unifrom", "--data", "RELEASE", "-o", "o"], 2, "did you mean 'uniform'"),
        (["run", "uniform", "--data", "RELEASE", "-o", "o", "--protocol", "exact"], 2, "did you mean 'exact-1'"),
        (["run", "uniform", "--data", "RELEASE", "-o", "o", "--split", "vla"], 2, "unknown split"),
        (["run", "uniform", "--data", "RELEASE", "-o", "o", "--option", "a=1"], 2, "unknown option"),
        (["run", "tinyhd_s", "--data", "RELEASE", "-o", "o", "--checkpoint", "/no.pth"], 3, "no.pth"),
        (["run", "motion_energy", "--data", "RELEASE", "-o", "o", "--frames", "/nowhere"], 3, "--frames DIR"),
        (["run", "uniform", "--data", "RELEASE", "-o", "o", "--frames", "/nowhere"], 3, "/nowhere: no such folder"),
        (["run", "/no/file.py:Mine", "--data", "RELEASE", "-o", "o"], 3, "no such file"),
        (["protocol", "show", "nothing"], 2, "unknown protocol"),
        (["site", "build", "/nowhere", "-o", "o"], 3, "/nowhere"),
        (["site", "check", "/nowhere"], 3, "/nowhere"),
        (["results", "list", "/nowhere"], 3, "no such results folder"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_a_users_mistake_is_what_where_how(
    arguments: list[str], code: int, message: str, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vidsal(*(release if a == "RELEASE" else a for a in arguments)) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) <= 3


def test_run_show_and_site(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(release)
    for model in ("uniform", "one_vs_rest", "motion_energy"):
        assert vidsal("run", model, "--data", ".", "-o", tmp_path / "results") == 0
    capsys.readouterr()
    assert vidsal("results", "list", tmp_path / "results", "--json") == 0
    runs = json.loads(capsys.readouterr().out)
    assert {r["model"]["name"] for r in runs} == {"uniform", "one_vs_rest", "motion_energy"}
    assert not (tmp_path / "results" / ".partial").exists()
    uniform = next(r for r in runs if r["model"]["name"] == "uniform")
    assert [uniform["metrics"][m]["mean"] for m in ("AUC-J", "sAUC", "NSS", "CC")] == [0.5, 0.5, 0, 0]
    assert "/" not in uniform["command"].replace("vidsal run", "")
    assert f" --data {release.name} " in uniform["command"], "a folder is kept by its name"
    assert vidsal("results", "show", uniform["folder"]) == 0
    assert vidsal("site", "build", tmp_path / "results", "-o", tmp_path / "site") == 0
    assert "index.html" in capsys.readouterr().out
    assert "one_vs_rest" in (tmp_path / "site" / "index.html").read_text()


def test_reports_as_json(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["data", "list"],
        ["data", "info", "dhf1k"],
        ["data", "verify", release],
        ["model", "list"],
        ["model", "info", "uniform"],
        ["model", "check", "uniform"],
        ["protocol", "list"],
        ["protocol", "show", "dhf1k-1"],
        ["doctor"],
    ):
        assert vidsal(*arguments, "--json") == 0
        assert json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("warm_children")
def test_a_predictor_of_ones_own(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "from vidsal.benchmark import ModelInfo, Prediction\n"
        "class Mine:\n"
        "    info = ModelInfo('mine', output='saliency')\n"
        "    def predict(self, frames, stimulus):\n"
        "        for frame in frames:\n"
        "            yield Prediction(frame.index, frame.rgb.mean(2))\n"
        "class Leaky(Mine):\n"
        "    info = ModelInfo('leaky', output='saliency')\n"
        "    seen = 0\n"
        "    def predict(self, frames, stimulus):\n"
        "        for frame in frames:\n"
        "            self.seen += 1\n"
        "            yield Prediction(frame.index, frame.rgb.mean(2) + np.arange(frame.rgb.shape[1]) * self.seen)\n"
    )
    assert vidsal("model", "check", f"{file}:Mine") == 0
    assert vidsal("run", f"{file}:Mine", "--data", release, "-o", tmp_path / "r", "--workers", "2") == 0
    capsys.readouterr()
    assert vidsal("model", "check", f"{file}:Leaky") == 1
    captured = capsys.readouterr()
    assert "FAIL state" in captured.out
    assert vidsal("run", f"{file}:Absent", "--data", release, "-o", tmp_path / "r") == 2
    assert "it has Leaky, Mine" in capsys.readouterr().err
    for text, code, message in (
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import sys\nsys.exit(0)", 1, "SystemExit"),
        ("class Mine:\n    def __init__(self): raise RuntimeError('no weights')", 1, "RuntimeError: no weights"),
        ("class Mine:\n    info = 'x'\n    def predict(self, frames, stimulus): pass", 2, "is no predictor"),
    ):
        file.write_text(text + "\n")
        for command in (["model", "check", f"{file}:Mine"], ["run", f"{file}:Mine", "--data", release, "-o", tmp_path]):
            assert vidsal(*command) == code
            assert message in capsys.readouterr().err


@pytest.mark.usefixtures("warm_children")
def test_weights_and_device_of_a_predictor_of_ones_own(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, weights = tmp_path / "mine.py", tmp_path / "weights.bin"
    weights.write_bytes(b"7")
    body = (
        "    info = ModelInfo('mine', output='saliency')\n"
        "    def predict(self, frames, stimulus):\n"
        "        for frame in frames:\n"
        "            yield Prediction(frame.index, frame.rgb.mean(2) + frame.index)\n"
    )
    file.write_text(
        "from vidsal.benchmark import ModelInfo, Prediction\n"
        f"class Plain:\n{body}"
        f"class Takes:\n    def __init__(self, checkpoint, device):\n        assert device == 'cpu'\n{body}"
    )
    run = ["--data", release, "-o", tmp_path / "r", "--json"]
    assert vidsal("run", f"{file}:Takes", "--checkpoint", weights, *run) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert (model["checkpoint"], model["device"]) == ("weights.bin", "cpu")
    assert model["checkpoint_sha256"] == hashlib.sha256(b"7").hexdigest()
    for arguments, message in (
        ([f"{file}:Plain", "--checkpoint", weights], "takes no checkpoint"),
        ([f"{file}:Plain", "--device", "cuda"], "takes no device"),
        ([f"{file}:Takes", "--checkpoint", weights, "--device", "banana"], "banana"),
    ):
        assert vidsal("run", *arguments, *run) == 2
        assert message in capsys.readouterr().err


def test_strict_makes_anomalies_fatal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tmp_path / "s", videos=1, frames=6, width=64, height=48, observers=2, val=0)
    (gaze,) = (p for p in [next((tmp_path / "s").rglob("O01.txt"))])
    gaze.write_text("broken\n")
    arguments = ["data", "convert", "synthetic", "--src", tmp_path / "s", "--out", tmp_path / "o"]
    assert vidsal(*arguments) == 0
    assert "anomaly" in capsys.readouterr().err
    assert vidsal(*arguments, "--strict") == 1
    assert "O01.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), 4, "the disk is full (x)"),
        (MemoryError(), 4, "memory is full"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(errno.EACCES, "denied", "x"), 2, "no permission (x)"),
        (ZeroDivisionError("division"), 4, "unexpected: ZeroDivisionError"),
    ],
)
def test_faults_of_the_machine(
    error: BaseException,
    code: int,
    message: str,
    release: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from vidsal.loaders.inspect import verify

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(verify, "verify", fail)
    assert vidsal("data", "verify", release) == code
    assert message in capsys.readouterr().err


def test_ctrl_c_says_a_line_and_exits_130(tmp_path: Path) -> None:
    source = tmp_path / "source"
    generate(source, videos=40, frames=60, width=64, height=48, observers=4, write_video=False)
    command = [sys.executable, "-m", "vidsal", "data", "convert", "synthetic", "--src", str(source)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out"), "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    while process.poll() is None and not list(tmp_path.glob("out/.partial/*/*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error


def test_demo_twice_in_a_folder_with_a_blank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["demo", "-o", tmp_path / "my demo", "--videos", 3, "--frames", 4, "--observers", 3]
    for _ in range(2):
        assert vidsal(*arguments) == 0
        last = capsys.readouterr().out.strip().splitlines()[-1]
        assert last == f"open {(tmp_path / 'my demo' / 'site' / 'index.html').resolve()}"
        assert Path(last.removeprefix("open ")).is_file()
