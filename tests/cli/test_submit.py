"""`vidsal submit` as a user meets it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidsal.benchmark.submissions.schema import json_schema

from .commands import small_release, vidsal

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    return small_release(folder, videos=3, frames=6, observers=3, val=2)


@pytest.fixture(scope="module")
def sample(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "sample"
    assert vidsal("submit", "sample", "--data", release, "--split", "val", "-o", out) == 0
    return out


@pytest.fixture
def classic(tmp_path: Path, release: Path) -> Path:
    """Maps as others write them: named by the input frames, from 1, with a prefix."""
    for stimulus in ("scene_001", "scene_002", "scene_003"):
        (tmp_path / "their net" / stimulus).mkdir(parents=True)
        for frame in range(6):
            values = np.linspace(0, 250, 48 * 64).reshape(48, 64).astype(np.uint8) + frame
            Image.fromarray(values).save(tmp_path / "their net" / stimulus / f"pred_{frame + 1:04d}.png")
    return tmp_path / "their net"


def checked(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = vidsal("submit", "check", *arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


def filled(value: Any) -> Any:
    """What somebody makes of the template who knows nothing."""
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items()}
    if isinstance(value, list):
        return [one for one in value if not one.startswith("FILL IN")]
    if isinstance(value, str) and value.startswith("FILL IN"):
        return "" if "an empty text" in value else None
    return value


def test_the_sample_is_clean_and_scores_as_the_model(
    tmp_path: Path, release: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = checked(sample, "--data", release, capsys=capsys)
    assert (code, found["ok"], found["faults"], found["split"]) == (0, True, [], "val")
    assert vidsal("score", sample, "--data", release, "-o", tmp_path / "r", "--strict") == 0
    assert vidsal("submit", "sample", "--data", release, "-o", tmp_path / "all", "--encoding", "npz") == 0
    assert checked(tmp_path / "all", "--data", release, "--strict", capsys=capsys)[1]["faults"] == []


def test_exit_codes_and_reports(
    tmp_path: Path, release: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vidsal("submit", "check", sample, "--data", release) == 0
    assert "no fault" in capsys.readouterr().out
    assert vidsal("submit", "check", tmp_path / "nowhere", "--data", release) == 2
    assert vidsal("submit", "check", sample, "--data", release, "--protocol", "nope") == 2
    assert vidsal("submit", "check", sample) == 2
    for missing in (tmp_path / "nowhere", f"zip://{tmp_path}/nowhere.zip"):
        assert vidsal("submit", "check", sample, "--data", missing) == 2
        assert vidsal("submit", "sample", "--data", missing, "-o", tmp_path / "none") == 3, "elsewhere it is 3"
    assert "nowhere" in capsys.readouterr().err
    shutil.copytree(sample, tmp_path / "cut")
    (tmp_path / "cut" / "predictions" / "scene_002" / "000002.png").unlink()
    junit = tmp_path / "reports" / "junit.xml"
    assert vidsal("submit", "check", tmp_path / "cut", "--data", release, "--junit", junit) == 1
    assert "the first gap is frame 2" in capsys.readouterr().out
    assert 'failures="2"' in junit.read_text()
    code, found = checked(tmp_path / "cut", "--data", release, capsys=capsys)
    assert (code, found["ok"]) == (1, False)
    assert [f["rule"] for f in found["faults"]] == ["frame-missing", "listing"]
    assert {"rule", "place", "message", "count"} <= set(found["faults"][0])
    assert (found["faults"][0]["place"], found["faults"][0]["count"]) == ("scene_002", 1)


def test_init_asks_for_everything_and_check_refuses_what_is_left_open(
    tmp_path: Path, release: Path, classic: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vidsal("submit", "init", classic, "--data", release, "--kind", "saliency", "--name", "their-net") == 0
    assert vidsal("submit", "init", classic, "--data", release) == 2
    assert vidsal("submit", "init", tmp_path / "new", "--data", release, "--name", "their net") == 2
    assert not (tmp_path / "new").exists()
    assert "is there already" in capsys.readouterr().err
    code, found = checked(classic, "--data", release, capsys=capsys)
    assert code == 1
    assert [f["rule"] for f in found["faults"] if f["severity"] == "fault"] == ["placeholder"]
    assert found["faults"][0]["count"] > 20
    assert vidsal("score", classic, "--data", release, "-o", tmp_path / "r") == 1
    assert "placeholder" in capsys.readouterr().err
    path = classic / "submission.json"
    path.write_text(json.dumps(filled(json.loads(path.read_text()))))
    code, found = checked(classic, "--data", release, capsys=capsys)
    assert (code, [f["rule"] for f in found["faults"]]) == (0, ["linear-8-bit"])
    assert vidsal("score", classic, "--data", release, "-o", tmp_path / "r", "--json") == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert (model["name"], model["causal"], model["trained_on"]) == ("their-net", None, None)


def test_import_takes_what_people_have(
    tmp_path: Path, release: Path, classic: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.toml").write_text('name = "their-net"\ncode = "https://example.org/net"\nparameters = 7\n')
    common = ("--data", release, "--kind", "saliency", "--model", tmp_path / "model.toml")
    assert vidsal("submit", "import", classic, *common, "-o", tmp_path / "sub") == 0
    assert vidsal("submit", "import", classic, *common, "-o", tmp_path / "sub") == 2
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["SHA256SUMS", "predictions", "submission.json"]
    first = tmp_path / "sub" / "predictions" / "scene_001" / "000000.png"
    assert first.read_bytes() == (classic / "scene_001" / "pred_0001.png").read_bytes()
    listed = json.loads((tmp_path / "sub" / "submission.json").read_text())["files"]
    assert [part["shape"] for part in listed] == [[48, 64]] * len(listed)
    code, found = checked(tmp_path / "sub", "--data", release, capsys=capsys)
    assert (code, [f["rule"] for f in found["faults"]]) == (0, ["linear-8-bit"])
    for name, source in (("a", classic), ("b", tmp_path / "sub")):
        said = () if name == "b" else ("--kind", "saliency")
        assert vidsal("score", source, "--data", release, *said, "-o", tmp_path / name) == 0
    tables = [next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in ("a", "b")]
    assert tables[0] == tables[1]
    record = json.loads(next((tmp_path / "b").rglob("run.json")).read_text())
    assert record["model"]["submission"]["model"] == {"code": "https://example.org/net", "parameters": 7}
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("form", ["npz numbered from 1", "npz", "points", "video", "jpeg"])
def test_import_keeps_values_and_marks(
    tmp_path: Path, release: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "m").mkdir()
    for stimulus in ("scene_001", "scene_002", "scene_003"):
        maps = rng.random((6, 48, 64)).astype(np.float32)
        path = tmp_path / "m" / stimulus
        if form == "points":
            np.savez(path, frames=np.arange(1, 7), xy=rng.uniform(0, 40, (6, 2)))
        elif form == "npz":
            np.savez(path, maps)
        elif form == "jpeg":
            path.mkdir()
            for n in range(6):
                Image.fromarray((255 * maps[n]).astype(np.uint8)).save(path / f"{n + 1:03d}.JPG")
        elif form == "video":
            import av

            with av.open(path.with_suffix(".mkv"), "w") as file:
                stream = file.add_stream("ffv1", 30)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
                for n in range(6):
                    picture = av.VideoFrame.from_ndarray((255 * maps[n]).astype(np.uint8), "gray")
                    file.mux(stream.encode(picture))
                file.mux(stream.encode(None))
        else:
            np.savez(path, **{str(n + 1): maps[n] for n in range(6)})  # type: ignore[arg-type]
    said = ("--data", release, "--kind", "point" if form == "points" else "saliency")
    said += ("--first-frame", "1") if form == "points" else ()
    assert vidsal("submit", "import", tmp_path / "m", *said, "-o", tmp_path / "sub") == 0
    assert vidsal("submit", "check", tmp_path / "sub", "--data", release) == 0
    assert vidsal("score", tmp_path / "m", *said, "-o", tmp_path / "a") == 0
    assert vidsal("score", tmp_path / "sub", "--data", release, "-o", tmp_path / "b") == 0
    tables = [next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in ("a", "b")]
    assert tables[0] == tables[1]
    record = json.loads(next((tmp_path / "b").rglob("run.json")).read_text())["model"]["submission"]
    assert record.get("lossy") == (["JPEG"] if form == "jpeg" else None)
    assert "unverified" not in record


def test_a_refused_import_leaves_nothing(tmp_path: Path, release: Path, classic: Path) -> None:
    (classic / "scene_002" / "pred_0003.png").unlink()
    assert vidsal("submit", "import", classic, "--data", release, "--kind", "saliency", "-o", tmp_path / "o") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["their net"]


def test_pack_is_the_same_twice_and_reads_as_the_folder(
    tmp_path: Path, release: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sample, tmp_path / "copy")
    (tmp_path / "copy" / ".DS_Store").write_bytes(b"x")
    for folder, name in ((sample, "a.zip"), (tmp_path / "copy", "b.zip")):
        assert vidsal("submit", "pack", folder, "-o", tmp_path / name) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert names[-1] == "SHA256SUMS"
        assert names[:-1] == sorted(names[:-1])
        assert b"submission.json" in archive.read("SHA256SUMS")
    assert checked(tmp_path / "a.zip", "--data", release, capsys=capsys)[1]["faults"] == []
    assert vidsal("score", tmp_path / "a.zip", "--data", release, "-o", tmp_path / "zip") == 0
    assert vidsal("score", sample, "--data", release, "-o", tmp_path / "folder") == 0
    tables = [next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in ("zip", "folder")]
    assert tables[0] == tables[1]
    assert not (tmp_path / "zip" / ".unpacked").exists()
    runs = (tmp_path / "folder", "--submissions", tmp_path / "a.zip", "--data", release)
    assert vidsal("results", "rescore", *runs, "--protocol", "dhf1k-1", "-o", tmp_path / "again") == 0


def test_pack_refuses(tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(sample, tmp_path / "sub")
    assert vidsal("submit", "pack", tmp_path / "sub", "-o", tmp_path / "a.rar") == 2
    assert vidsal("submit", "pack", tmp_path / "sub", "-o", tmp_path / "sub" / "a.zip") == 2
    assert vidsal("submit", "pack", tmp_path / "nowhere", "-o", tmp_path / "a.zip") == 3
    (tmp_path / "sub" / "predictions" / "link").symlink_to(tmp_path)
    assert vidsal("submit", "pack", tmp_path / "sub", "-o", tmp_path / "a.zip") == 1
    (tmp_path / "sub" / "predictions" / "link").unlink()
    changed = tmp_path / "sub" / "predictions" / "scene_002" / "000001.png"
    changed.write_bytes(changed.read_bytes() + b"x")
    assert vidsal("submit", "pack", tmp_path / "sub", "-o", tmp_path / "a.zip") == 1
    assert "000001.png is not what SHA256SUMS lists" in capsys.readouterr().err
    (tmp_path / "sub" / "submission.json").unlink()
    assert vidsal("submit", "pack", tmp_path / "sub", "-o", tmp_path / "a.zip") == 1
    assert not (tmp_path / "a.zip").exists()


def test_show(tmp_path: Path, sample: Path, classic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("submit", "pack", sample, "-o", tmp_path / "a.zip") == 0
    capsys.readouterr()
    shown = []
    for path in (sample, tmp_path / "a.zip"):
        assert vidsal("submit", "show", path) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "center_prior, version 1" in shown[0]
    assert "unknown" in shown[0]
    assert vidsal("submit", "show", tmp_path / "a.zip", "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((sample / "submission.json").read_text())
    assert vidsal("submit", "show", classic) == 1
    assert vidsal("submit", "show", tmp_path / "nowhere") == 2


def test_the_schema_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert vidsal("submit", "schema") == 0
    text = capsys.readouterr().out
    assert text == json_schema()
    published = (ROOT / "docs" / "submission.schema.json").read_text(encoding="utf-8")
    assert text == published, "out of date: run `vidsal submit schema > docs/submission.schema.json`"


MODELS = """
import numpy as np
from vidsal.benchmark.predictor import ModelInfo, Prediction


class Own:
    info = ModelInfo("own-model", output="{kind}", trained_on=("dhf1k",))

    def predict(self, frames, stimulus):
        for frame in frames:
            values = frame.rgb[::2, ::2].astype("{dtype}").mean(axis=2) + 1
            values = values / values.sum() if "{kind}" != "saliency" else values
            yield Prediction(frame.index, np.log(values) if "{kind}" == "log_density" else values, "{kind}")
"""


@pytest.mark.parametrize(
    ("kind", "dtype"), [("saliency", "float32"), ("log_density", "float32"), ("density", "float64")]
)
def test_a_run_leaves_a_submission_that_scores_to_the_same_bytes(
    tmp_path: Path, release: Path, kind: str, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(MODELS.replace("{kind}", kind).replace("{dtype}", dtype))
    model = f"{tmp_path / 'own.py'}:Own"
    common = (model, "--data", release, "--split", "val")
    assert vidsal("run", *common, "-o", tmp_path / "run", "--submit", tmp_path / "sub") == 0
    assert vidsal("run", *common, "-o", tmp_path / "plain") == 0
    assert vidsal("score", tmp_path / "sub", "--data", release, "-o", tmp_path / "again") == 0
    tables = [next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in ("run", "plain", "again")]
    assert tables[0] == tables[1] == tables[2]
    code, found = checked(tmp_path / "sub", "--data", release, capsys=capsys)
    assert (code, found["faults"]) == (0, [])
    ran, scored = (json.loads(next((tmp_path / n).rglob("run.json")).read_text()) for n in ("run", "again"))
    assert ran["model"]["kind"] == "custom"
    assert ran["model"]["submission"]["digest"] == scored["model"]["submission"]["digest"]
    assert ran["command"].endswith("--submit sub")
    assert scored["model"]["submission"]["run"] == {"command": ran["command"]}
    # Under another protocol nothing is predicted again.
    before = (tmp_path / "sub" / "submission.json").stat().st_mtime_ns
    dhf1k = ("--protocol", "dhf1k-1")
    assert vidsal("run", *common, *dhf1k, "-o", tmp_path / "run", "--submit", tmp_path / "sub") == 0
    assert (tmp_path / "sub" / "submission.json").stat().st_mtime_ns == before


def test_what_cannot_be_stored_is_refused(tmp_path: Path, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--data", release, "-o", tmp_path / "r", "--submit", tmp_path / "sub")
    assert vidsal("run", "center_prior", *common, "--score-on", "device") == 2
    assert "leave out --score-on device, or --submit" in capsys.readouterr().err
    assert vidsal("run", "one_vs_rest", *common) == 2
    assert not (tmp_path / "sub").exists()


def test_a_limited_run_is_scored_again_to_the_same_bytes(tmp_path: Path, release: Path) -> None:
    common = ("center_prior", "--data", release, "--limit", "2", "--workers", "2")
    assert vidsal("run", *common, "-o", tmp_path / "run", "--submit", tmp_path / "sub") == 0
    assert vidsal("score", tmp_path / "sub", "--data", release, "-o", tmp_path / "again") == 0
    tables = [next((tmp_path / name).rglob("frames.parquet")).read_bytes() for name in ("run", "again")]
    assert tables[0] == tables[1]
