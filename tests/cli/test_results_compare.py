"""`vidsal results compare | why | rescore` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .commands import small_release, vidsal


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two models under two protocols, and one submission."""
    folder = tmp_path_factory.mktemp("results")
    small_release(folder, videos=6, frames=3, observers=4, val=0)
    assert vidsal("predict", "center_prior", "--data", folder / "out", "-o", folder / "kept") == 0
    assert vidsal("score", folder / "kept", "--data", folder / "out", "-o", folder / "results") == 0
    for model in ("uniform", "one_vs_rest"):
        assert vidsal("run", model, "--data", folder / "out", "-o", folder / "results") == 0
    return folder


def of(place: Path, model: str, protocol: str = "exact-1") -> Path:
    return place / "results" / "synthetic" / "all" / protocol / model


def test_show_prints_intervals(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = of(place, "center_prior").iterdir()
    assert vidsal("results", "show", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("95 % interval"))
    assert lines[header].split()[-2:] == ["low", "high"]
    assert [line.split()[0] for line in lines[header + 1 : header + 7]] == ["AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD"]
    assert vidsal("results", "show", folder, "--json") == 0
    metric = json.loads(capsys.readouterr().out)["metrics"]["NSS"]
    assert metric["low"] < metric["mean_stimuli"] < metric["high"]
    assert metric["note"] is None


def test_compare(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = of(place, "center_prior"), of(place, "uniform")
    assert vidsal("results", "compare", a, b, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["differences"]) == {"AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD"}
    nss = found["differences"]["NSS"]
    assert {"mean", "low", "high", "p", "p_holm", "stimuli", "note"} <= set(nss)
    assert nss["low"] < nss["mean"] < nss["high"]
    assert (nss["p"], nss["stimuli"], nss["note"]) == (2 / 64, 6, None)
    assert vidsal("results", "compare", a, b) == 0
    text = capsys.readouterr().out
    assert "on the 18 frames that both scored, stimuli: 6" in text
    assert "p (Holm)" in text
    assert vidsal("results", "compare", a, of(place, "one_vs_rest")) == 0
    assert "CC, SIM, KLD: one of the runs is judged against a single observer" in capsys.readouterr().out


def test_compare_several(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three = [of(place, model) for model in ("uniform", "center_prior", "one_vs_rest")]
    assert vidsal("results", "compare", *three) == 0
    text = capsys.readouterr().out
    assert "1 to 1" in text
    assert "of the gap" in text
    assert vidsal("results", "compare", *three, "--json") == 0
    places = json.loads(capsys.readouterr().out)["metrics"]["NSS"]
    assert [(p["model"], p["rank_low"], p["rank_high"]) for p in places] == [("center_prior", 1, 1), ("uniform", 2, 2)]


def test_why_and_rescore(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["results", "rescore", of(place, "center_prior"), "--submissions", place / "kept"]
    again += ["--data", place / "out", "--protocol", "dhf1k-1", "-o", place / "results", "--json"]
    assert vidsal(*again) == 0
    assert [o["status"] for o in json.loads(capsys.readouterr().out)] == ["rescored"]
    assert vidsal(*again) == 0
    assert [o["status"] for o in json.loads(capsys.readouterr().out)] == ["there already"]
    a, b = of(place, "center_prior"), of(place, "center_prior", "dhf1k-1")
    assert vidsal("results", "why", a, b, "--json") == 0
    causes = json.loads(capsys.readouterr().out)["causes"]
    assert all(set(c) == {"what", "a", "b", "effect"} for c in causes)
    assert [c["what"] for c in causes][:2] == ["protocol", "protocol: AUC-J"]
    assert vidsal("results", "why", a, b) == 0
    assert "2. protocol: AUC-J" in capsys.readouterr().out
    assert vidsal("results", "why", a, a) == 0
    assert "nothing differs" in capsys.readouterr().out
    assert vidsal("results", "compare", a, b) == 2
    assert "vidsal results why A B" in capsys.readouterr().err


def test_why_a_paper(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = of(place, "center_prior")
    assert vidsal("results", "why", a, "--reported", "NSS=2.776", "--protocol", "dhf1k-1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["NSS"]["b"] == 2.776
    assert "UNISAL" in found["causes"][0]["b"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["why", "A"], 2, "name a second run"),
        (["why", "A", "A", "--reported", "NSS=1"], 2, "name a second run"),
        (["why", "A", "A", "--protocol", "exact-1"], 2, "run B says it itself"),
        (["why", "A", "--reported", "NSS"], 2, "expected METRIC=VALUE"),
        (["why", "A", "--reported", "NSS=1", "--reported", "NSS=2"], 2, "NSS is there twice"),
        (["why", "A", "--reported", "NSS=high"], 2, "expected METRIC=VALUE"),
        (["why", "A", "--reported", "NSS=nan"], 2, "expected a finite number"),
        (["why", "A", "--reported", "NNS=1"], 2, "did you mean 'NSS'"),
        (["why", "A", "--reported", "NSS=1", "--protocol", "dhf1k"], 2, "did you mean 'dhf1k-1'"),
        (["why", "A", "A", "--metric", "IG"], 2, "unknown metric"),
        (["compare", "A", "RESULTS"], 2, "name the folder of one"),
        (["compare", "A", "NOWHERE"], 3, "no run is here"),
        (
            ["rescore", "A", "--submissions", "NOWHERE", "--data", "OUT", "--protocol", "exact-1", "-o", "o"],
            3,
            "no such",
        ),
    ],
)
def test_a_users_mistake_is_what_where_how(
    arguments: list[str], code: int, message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {
        "A": of(place, "uniform"),
        "RESULTS": place / "results",
        "OUT": place / "out",
        "NOWHERE": place / "nowhere",
    }
    assert vidsal("results", *(names.get(a, a) for a in arguments)) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
