"""`vidsal data stats`, `view`, `export` as a user meets them: what comes out, exit codes, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate

from ..loaders.releases import image, write_release
from .commands import vidsal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-data")
    generate(folder / "source", videos=2, frames=8, width=64, height=48, observers=2, val=1)
    convert("synthetic", folder / "source", folder / "out", workers=1)
    return folder / "out"


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {"event": "point", "frame": np.zeros(2, np.int32), "x_px": np.ones(2), "y_px": np.ones(2)}
    return write_release(tmp_path_factory.mktemp("pooled") / "r", [image("a", n_observers=None)], {"a": rows})


def test_stats_in_text_and_json_agree(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("data", "stats", release, "--split", "val", "-o", tmp_path / "out", "--json") == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers == json.loads((tmp_path / "out" / "stats.json").read_text())
    assert (numbers["split"], numbers["stimuli"], numbers["observers"]) == ("val", 1, 2)
    assert (tmp_path / "out" / "centre_bias.png").is_file()
    assert vidsal("data", "stats", release, "--split", "val") == 0
    shown = capsys.readouterr()
    assert f"{numbers['points']:,} in bounds" in shown.out
    assert f"{numbers['points_per_frame']:,.2f}" in shown.out
    assert shown.err == ""


def test_stats_give_a_dash_and_the_reason(pooled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("data", "stats", pooled) == 0
    lines = {line[:30].strip(): line[30:].strip() for line in capsys.readouterr().out.splitlines()[1:]}
    assert lines["observers"] == "- (the source pooled its observers)"
    assert lines["event duration [ms]"].startswith("- (the rows are samples or pixels")
    assert lines["saccade amplitude [degrees]"].startswith("- (there are no fixations")
    assert lines["points over time"].startswith("- (images,")


def test_view_writes_where_it_is_told_or_here(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert vidsal("data", "view", release, "scene_001", "--sheet-frames", 2) == 0
    assert capsys.readouterr().out.splitlines() == [
        "synthetic: scene_001, 64 x 48, 8 frames, 2 observers",
        "wrote scene_001.png",
    ]
    assert vidsal("data", "view", release, "scene_002", "--video", "--density", "-o", "b.avi", "--json") == 0
    assert json.loads(capsys.readouterr().out)["file"] == "b.avi"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.avi", "scene_001.png"]


def test_export_and_the_list_of_forms(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("data", "export", release, "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [set(form) for form in listed] == [{"form", "title"}] * 5
    assert vidsal("data", "export", release) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "csv", "bids", "pysaliency", "dhf1k", "gazelabels",
    ]  # fmt: skip
    target = tmp_path / "labels"
    assert vidsal("data", "export", release, "--to", "gazelabels", "--size", "224x224", "-o", target, "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["notes"] == ["frames without a label have phase 0 and the last known position"]
    assert "vidsal: note: frames without a label" in shown.err
    assert len(list(target.rglob("*.txt"))) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stats", "/nowhere"], 3, "no release is here"),
        (["stats", "RELEASE", "--split", "vla"], 2, "unknown split"),
        (["view", "RELEASE", "scene_1"], 2, "did you mean 'scene_001'"),
        (["view", "RELEASE", "scene_001", "--recipe", "x"], 2, "ask for --density too"),
        (["view", "RELEASE", "scene_001", "--density", "--recipe", "x", "-o", "OUT.png"], 2, "truth recipe"),
        (["view", "RELEASE", "scene_001", "-o", "OUT.gif"], 2, "a sheet is a PNG"),
        (["view", "RELEASE", "scene_001", "--video", "-o", "OUT.gif"], 2, ".mp4, .avi"),
        (["export", "RELEASE", "--to", "bdis", "-o", "OUT"], 2, "'csv', 'bids'"),
        (["export", "RELEASE", "--to", "csv"], 2, "both: --to FORM and -o FOLDER"),
        (["export", "RELEASE", "--to", "csv", "-o", "RELEASE"], 2, "is not empty"),
        (["export", "RELEASE", "--to", "csv", "-o", "OUT", "--size", "2x2"], 2, "it belongs to gazelabels"),
        (["export", "RELEASE", "--to", "gazelabels", "-o", "OUT", "--size", "224"], 2, "WIDTHxHEIGHT"),
        (["export", "POOLED", "--to", "bids", "-o", "OUT"], 2, "observers are pooled"),
        (["export", "POOLED", "--to", "gazelabels", "-o", "OUT"], 2, "nothing can be labelled"),
    ],
)
def test_a_users_mistake_is_what_where_how(
    arguments: list[str],
    code: int,
    message: str,
    release: Path,
    pooled: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"RELEASE": str(release), "POOLED": str(pooled)}
    words = [places.get(a, a.replace("OUT", str(tmp_path / "out"))) for a in arguments]
    assert vidsal("data", *words) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_data_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.path.insert(0, 'src'); from vidsal.cli import app; app._run(['data', '--help']); "
        "print(sorted({'torch', 'av', 'matplotlib', 'pandas', 'pyarrow', 'numba', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in ("stats", "view", "export"))
