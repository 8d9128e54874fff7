"""`vidsal submit check`: every fault at once, by the rules that guard scoring."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.submissions import check_report
from vidsal.benchmark.submissions.examine import Examination, examine
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.rules import RULES
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, Maps, gaze_only, levels, opened, write_classic


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("check"), videos=4, val=2)


@pytest.fixture
def ds(root: Path) -> Release:
    return opened(root)


@pytest.fixture
def sub(tmp_path: Path, ds: Release) -> Path:
    predict(Maps(), ds, tmp_path / "sub", encoding="png16")
    return tmp_path / "sub"


def rewrite(sub: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = sub / "submission.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def unlisted(sub: Path) -> None:
    rewrite(sub, lambda m: m.pop("files"))
    (sub / "SHA256SUMS").unlink()


def check(sub: Path, root: Path, **options: Any) -> Examination:
    return examine(sub, root, **options)


def rules(found: Examination) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in found.findings:
        counts[finding.rule] = counts.get(finding.rule, 0) + len(finding.places)
    return counts


def test_a_clean_one_has_no_fault(root: Path, sub: Path) -> None:
    found = check(sub, root)
    assert found.ok
    assert found.to_dict() == {
        "ok": True,
        "release": "synthetic",
        "split": "all",
        "stimuli": 4,
        "strict": False,
        "faults": [],
    }


def test_all_faults_at_once_folded_with_places_and_mending(root: Path, ds: Release, sub: Path) -> None:
    maps = sub / "predictions"
    for stimulus in ds.ids:
        Image.fromarray(np.full((48, 64), 7, np.uint16)).save(maps / stimulus / "000002.png")
    (maps / ds.ids[0] / "000003.png").write_bytes((maps / ds.ids[0] / "000003.png").read_bytes()[:-40])
    (maps / ds.ids[0] / "000005.png").write_bytes((maps / ds.ids[0] / "000005.png").read_bytes()[:60])
    rewrite(sub, lambda m: (m.update(licence="FILL IN: a licence"), m["model"].update(paper="FILL IN", speed=3)))
    found = check(sub, root)
    assert not found.ok
    assert rules(found) == {"placeholder": 2, "manifest": 1, "constant": 4, "digest": 3, "file": 2}
    constant = next(f.to_dict() for f in found.findings if f.rule == "constant")
    assert constant["count"] == 4
    assert constant["place"] == ", ".join(f"{i}/frame 2" for i in ds.ids[:3]) + " and 1 more"
    assert constant["mend"] == RULES["constant"].mend
    assert constant["severity"] == "fault"
    text = "\n".join(check_report.lines(found, sub))
    assert text.count("mend:") == len(found.findings)
    assert "not accepted" in text


def test_a_frame_that_is_missing_or_too_many(root: Path, ds: Release, sub: Path) -> None:
    a, b, c, d = ds.ids
    (sub / "predictions" / a / "000000.png").unlink()
    (sub / "predictions" / b / "000003.png").unlink()
    shutil.copy(sub / "predictions" / c / "000000.png", sub / "predictions" / c / "000007.png")
    shutil.rmtree(sub / "predictions" / d)
    unlisted(sub)
    found = check(sub, root)
    assert rules(found) == {"frame-missing": 2, "frame-surplus": 1, "stimulus-missing": 1}
    first, gap = (f for f in found.findings if f.rule == "frame-missing")
    assert "--missing first-available, center-bias or exclude" in first.message
    assert "the first gap is frame 3" in gap.message
    rewrite(sub, lambda m: m["prediction"].update(missing="first-available"))
    assert rules(check(sub, root))["frame-missing"] == 1


def test_what_is_inside_the_maps(tmp_path: Path, root: Path, ds: Release) -> None:
    predict(Maps("density", "float64"), ds, tmp_path / "sub")
    arrays = {f"{f:06d}": np.full((48, 64), f + 1.0) * np.linspace(1, 2, 64) for f in range(FRAMES)}
    arrays["000001"][3, 4] = np.nan
    arrays["000002"][3, 4] = np.inf
    arrays["000004"] = -arrays["000004"]
    arrays["000005"] /= arrays["000005"].sum()
    np.savez(tmp_path / "sub" / "predictions" / f"{ds.ids[1]}.npz", **arrays)  # type: ignore[arg-type]
    found = check(tmp_path / "sub", root)
    assert rules(found) == {"not-finite": 2, "density": 4, "digest": 1}
    assert not check(tmp_path / "sub", root, strict=True).ok


def test_constant_maps_that_are_meant(tmp_path: Path, root: Path, ds: Release) -> None:
    class Flat(Maps):
        def values(self, stimulus: str, frame: int) -> Any:
            return np.ones((48, 64), np.float32)

    predict(Flat(), ds, tmp_path / "sub")
    assert check(tmp_path / "sub", root).findings == ()
    rewrite(tmp_path / "sub", lambda m: m.pop("declarations"))
    assert rules(check(tmp_path / "sub", root)) == {"constant": 4 * FRAMES}


def test_warnings_are_faults_only_when_strict(tmp_path: Path, root: Path, ds: Release) -> None:
    predict(Maps(trained_on=("synthetic",)), ds, tmp_path / "sub", encoding="png8")
    found = check(tmp_path / "sub", root)
    assert found.ok
    assert rules(found) == {"training-overlap": 1, "linear-8-bit": 4}
    assert {f["severity"] for f in found.to_dict()["faults"]} == {"warning"}
    strict = check(tmp_path / "sub", root, strict=True)
    assert not strict.ok
    assert {f["severity"] for f in strict.to_dict()["faults"]} == {"fault"}
    assert "training-overlap" in rules(strict)
    predict(Maps("log_density"), ds, tmp_path / "logs", encoding="png8")
    assert check(tmp_path / "logs", root).findings == ()


def test_data_set_split_and_conversion(root: Path, ds: Release, sub: Path) -> None:
    rewrite(sub, lambda m: m["release"].update(digest="0" * 64))
    assert rules(check(sub, root)) == {"other-conversion": 1}
    rewrite(sub, lambda m: m["release"].update(id="dhf1k", dataset="dhf1k"))
    assert rules(check(sub, root)) == {"data-set": 1}
    rewrite(sub, lambda m: (m["release"].update(id="synthetic", dataset="synthetic"), m.update(split="test")))
    assert "split" in rules(check(sub, root))
    rewrite(sub, lambda m: m.update(split="train"))
    assert rules(check(sub, root))["stimulus-surplus"] == 2
    assert "split" in rules(check(sub, root, split="val"))
    with pytest.raises(WrongUse, match="unknown split"):
        check(sub, root, split="nope")
    with pytest.raises(WrongUse, match="no such submission"):
        check(sub / "nowhere", root)


@pytest.mark.parametrize("shape", [(FRAMES, 0, 64), (FRAMES, 48, 0), (48, 0, 64), (0, 0, 0)])
def test_arrays_without_pixels_are_a_fault(tmp_path: Path, root: Path, ds: Release, shape: tuple[int, ...]) -> None:
    (tmp_path / "m").mkdir()
    np.save(tmp_path / "m" / f"{ds.ids[0]}.npy", np.zeros(shape, np.float32))
    assert rules(check(tmp_path / "m", root))["file"] >= 1


def test_files_are_listed_by_frame_whatever_the_number_of_the_first(tmp_path: Path, root: Path, ds: Release) -> None:
    folder = write_classic(tmp_path / "m", ds, first=1)
    listed = [{"stimulus": s.id, "frames": [0, s.n_frames - 1], "sha256": "0" * 64} for s in ds]
    said = {"format": 1, "prediction": {"kind": "saliency", "first_frame": 1}, "files": listed}
    (folder / "submission.json").write_text(json.dumps(said))
    found = rules(check(folder, root))
    assert "digest" in found
    assert "listing" not in found


def test_an_archive_that_cannot_be_opened_is_examined_as_of_all_stimuli(tmp_path: Path, root: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"PK\3\4 and no more")
    found = check(tmp_path / "m.zip", root)
    assert (found.split, rules(found)) == ("all", {"archive-damaged": 1})


def test_a_submission_without_a_manifest_is_checked_all_the_same(tmp_path: Path, root: Path, ds: Release) -> None:
    folder = write_classic(tmp_path / "m", ds)
    (folder / ds.ids[0] / "0003.png").unlink()
    found = rules(check(folder, root))
    assert found == {"manifest-missing": 1, "frame-missing": 1, "linear-8-bit": 4}
    (folder / "submission.json").write_text('{"prediction": {"kind": "salience", "missing": "exclude"}, "files": 3}')
    assert rules(check(folder, root)) == {"manifest": 2, "linear-8-bit": 4}
    (folder / "submission.json").write_text("{")
    assert rules(check(folder, root)) == {"manifest": 1, "frame-missing": 1, "linear-8-bit": 4}


def test_score_refuses_by_the_same_rules(root: Path, ds: Release, sub: Path) -> None:
    (sub / "predictions" / ds.ids[0] / "000000.png").unlink()
    (sub / "predictions" / "strange.doc").write_text("")
    (sub / "predictions" / ds.ids[1] / "link.png").symlink_to(sub / "submission.json")
    found = [f for f in check(sub, root).findings if f.severity == "fault"]
    assert {f.rule for f in found} == {"frame-missing", "unknown-file", "link", "listing"}
    with pytest.raises(BadData) as caught:
        score(sub, ds)
    for finding in found:
        assert finding.message in str(caught.value)


def test_every_rule_of_the_table_can_be_read(root: Path, sub: Path) -> None:
    for name, rule in RULES.items():
        assert rule.says
        assert rule.mend
        assert name == name.lower()
    suite = ElementTree.fromstring(check_report.junit(check(sub, root), sub))
    assert [case.get("name") for case in suite] == list(RULES)
    assert suite.get("failures") == "0"


def test_junit_holds_what_xml_may_not(root: Path, ds: Release, sub: Path) -> None:
    (sub / "predictions" / "a\x01<b>&.png").write_bytes(b"")
    found = check(sub, root)
    suite = ElementTree.fromstring(check_report.junit(found, sub))
    assert suite.get("failures") == "1"
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert failed.get("name") == "unknown-stimulus"
    assert "<b>&" in (failed.find("failure").text or "")  # type: ignore[union-attr]


def test_a_map_that_is_another_one(root: Path, ds: Release, sub: Path) -> None:
    Image.fromarray(levels("another", 0, 65535)).save(sub / "predictions" / ds.ids[0] / "000003.png")
    assert rules(check(sub, root)) == {"digest": 1}
    assert vidsal.load(root).ids == ds.ids


def test_files_that_are_not_those_of_sha256sums(root: Path, ds: Release, sub: Path) -> None:
    rewrite(sub, lambda m: m.pop("files"))
    assert rules(check(sub, root)) == {}
    sums = sub / "SHA256SUMS"
    as_sha256sum_does = sums.read_text().replace("  predictions", " *./predictions").replace("\n", "\r\n")
    sums.write_text(as_sha256sum_does + "0" * 64 + "  ../outside\n" + "0" * 64 + "  submission.json\n", newline="")
    (sub.parent / "outside").write_text("not of the submission")
    maps = sub / "predictions" / ds.ids[0]
    Image.fromarray(levels("another", 0, 65535)).save(maps / "000003.png")
    (maps / "000005.png").unlink()
    found = check(sub, root)
    assert rules(found) == {"digest": 3, "frame-missing": 1}
    changed, gone = (f for f in found.findings if f.rule == "digest")
    assert changed.places == (f"predictions/{ds.ids[0]}/000003.png",)
    assert gone.places == (f"predictions/{ds.ids[0]}/000005.png", "../outside")
    with pytest.raises(BadData, match="is not what SHA256SUMS lists"):
        score(sub, ds)
    sums.write_text("no digest\n")
    assert rules(check(sub, root)) == {"digest": 1, "frame-missing": 1}


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_none_are_named_by_their_field(root: Path, tmp_path: Path) -> None:
    predict(Maps(), vidsal.load(root, "val"), tmp_path / "sub", encoding="png16")
    rewrite(tmp_path / "sub", lambda m: m.update(format=True))
    rewrite(tmp_path / "sub", lambda m: m["prediction"].update(first_frame=-1))
    told = [f.places for f in check(tmp_path / "sub", root).findings if f.rule == "manifest"]
    assert set(told) == {("submission.json, format",), ("submission.json, prediction.first_frame",)}
    rewrite(tmp_path / "sub", lambda m: m.update(format=1))
    rewrite(tmp_path / "sub", lambda m: m["prediction"].update(first_frame=0))
    rewrite(tmp_path / "sub", lambda m: m["prediction"]["encoding"].update(scale=1e308, offset=1.0))
    assert set(rules(check(tmp_path / "sub", root))) == {"not-finite"}


@pytest.mark.parametrize("name", ["<script>", "x" * 5000, "FILL IN", 7])
def test_a_wrong_name_leaves_the_rest_of_the_manifest(root: Path, tmp_path: Path, name: Any) -> None:
    half = vidsal.load(root, "val")
    predict(Maps(), half, tmp_path / "sub", encoding="png16")
    rewrite(tmp_path / "sub", lambda m: m["model"].update(name=name, trained_on=["synthetic"]))
    found = check(tmp_path / "sub", root)
    assert (found.split, found.stimuli) == ("val", len(half))
    assert set(rules(found)) <= {"manifest", "placeholder", "training-overlap"}, "nothing is held against the split all"
    assert rules(found)["training-overlap"] == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"split": "nowhere", "prediction": {"kind": "saliency"}}'])
def test_without_a_split_no_stimulus_is_called_missing(root: Path, tmp_path: Path, text: str) -> None:
    predict(Maps(), vidsal.load(root, "val"), tmp_path / "sub", encoding="png16")
    (tmp_path / "sub" / "submission.json").write_text(text)
    assert len(check(tmp_path / "sub", root).findings) == 1
    assert rules(check(tmp_path / "sub", root, split="train"))["stimulus-missing"] == 2
