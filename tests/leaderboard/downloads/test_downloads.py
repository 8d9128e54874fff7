"""What people take along is what the runs say, in every form, the same bytes each time, and runs nowhere."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidsal.benchmark.evaluation.results.store import Run, load_run
from vidsal.leaderboard import standing
from vidsal.leaderboard.boards import Board, Entry, make_boards
from vidsal.leaderboard.collect import Stimuli
from vidsal.leaderboard.downloads.archive import archive_bytes
from vidsal.leaderboard.downloads.forms import csv_bytes, parquet_bytes
from vidsal.leaderboard.downloads.latex import bibtex, escaped, latex
from vidsal.leaderboard.downloads.tables import board_rows, stimulus_rows
from vidsal.leaderboard.downloads.write import ARCHIVE, write_archive, write_downloads
from vidsal.leaderboard.pages.beside import tables_of

MakeRun = Callable[..., Run]
HOSTILE = "=cmd()|x \\input{/etc/passwd} {$^~%&#_\u202e"


def boards_of(results: Path) -> tuple[list[Board], dict[str, Run]]:
    runs = [load_run(p.parent) for p in sorted(results.rglob("run.json"))]
    entries = [Entry(r.typed, str(Path(str(r.folder)).relative_to(results)), r.notices) for r in runs]
    return make_boards(entries), {r.typed.digest: r for r in runs}


@pytest.fixture
def kept(kept_results: Path) -> tuple[Board, dict[str, Run]]:
    boards, runs = boards_of(kept_results)
    return boards[0], runs


def stimuli_of(board: Board, runs: dict[str, Run]) -> list[tuple[Entry, pa.Table]]:
    return [(e, runs[e.record.digest].stimulus_table) for e in board.shown]


def test_rows_are_those_of_the_runs(kept: tuple[Board, dict[str, Run]]) -> None:
    board, runs = kept
    ranks = {board.models[0].record.digest: {"NSS": (1, 2)}}
    rows = board_rows(board, ranks).to_pylist()
    assert [r["model"] for r in rows] == [e.record.model.name for e in board.shown]
    assert [r["group"] for r in rows] == ["model", "reference", "human"]
    for row in rows:
        run = runs[row["run"]]
        assert row["NSS"] == run.record["metrics"]["NSS"]["mean"]
        assert row["NSS_frames"] == run.record["metrics"]["NSS"]["n"]
        assert row["sAUC"] is None
        assert row["scored_on"] == run.record["time"]
    assert [(r["NSS_rank_low"], r["NSS_rank_high"]) for r in rows] == [(1, 2), (None, None), (None, None)]
    assert [r["truth_points"] for r in rows] == ["all", "all", "single-observer"]
    assert [r"$^\dagger$" in line for line in latex(board).splitlines() if "&" in line] == [False, False, False, True]
    assert rows[2]["badges"] == "no prediction for 3 of 30 frames: not in its means"
    assert "NSS_rank_low" not in board_rows(board).column_names


def test_intervals_are_those_of_run_json(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    metrics = {k: {**m, "low": 0.1, "high": 2.5} if k == "NSS" else m for k, m in run.record["metrics"].items()}
    record = run.typed.model_copy(update={"metrics": {k: type(run.typed.metrics[k])(**m) for k, m in metrics.items()}})
    (board,) = make_boards([Entry(record, "x")])
    (row,) = board_rows(board).to_pylist()
    assert (row["NSS_low"], row["NSS_high"], row["CC_low"]) == (0.1, 2.5, None)


def test_every_table_beside_the_board_can_be_taken_along(tmp_path: Path, make_run: MakeRun) -> None:
    said = {"submission": {"run": {"frames_per_second": 31.5, "hardware": HOSTILE}}, "checkpoint_sha256": "aa" * 32}
    runs = [make_run(name, protocol="dhf1k-1", stimuli={"a": 3, "b": 3}, seed=k, info=info) for k, (name, info) in
            enumerate([("unisal", said), ("other", {"checkpoint_sha256": "bb" * 32})])]  # fmt: skip
    (board,) = make_boards([Entry(run.typed, "x") for run in runs])
    ids, digests = ("a", "b"), {run.record["model"]["name"]: run.record["digest"] for run in runs}
    of = {run.record["digest"]: run.stimuli[[c.name for c in board.columns]].to_numpy() for run in runs}
    stimuli = {e.page: Stimuli(ids, ids, (("outdoor",), ()), (3, 3), (3, 3), of[e.record.digest]) for e in board.models}
    made = tables_of(board, stimuli, standing.tested(board, stimuli, standing.pairs_of(board)))
    paths = [d.path for d in write_downloads(tmp_path, board, beside=made)]
    found = {
        p.rpartition("-")[2][:-4]: list(csv.DictReader((tmp_path / p).read_text().splitlines())) for p in paths[5:]
    }
    assert list(found) == ["speed", "attributes", "pairs", "reported"]
    (speed,) = found["speed"]
    assert (speed["run"], speed["frames_per_second"], speed["peak_memory_bytes"]) == (digests["unisal"], "31.5", "")
    assert speed["hardware"].startswith("'=cmd()")
    assert [line["attribute"] for line in found["attributes"]] == ["outdoor"] * 2
    assert (
        float(found["attributes"][0]["NSS"])
        == of[found["attributes"][0]["run"]][0, board.columns.index(board.sort_column)]
    )
    assert [line["metric"] for line in found["pairs"]] == [c.name for c in board.columns]
    line = next(line for line in found["pairs"] if line["metric"] == "NSS")
    assert float(line["first"]) - float(line["second"]) == pytest.approx(float(line["difference"]))
    ours = {line["model"]: line["our_run"] for line in found["reported"]}
    assert {model for model, run in ours.items() if run} == {"UNISAL"}
    assert ours["UNISAL"] == digests["unisal"]


def test_csv_and_parquet_and_json_say_the_same(kept: tuple[Board, dict[str, Run]], tmp_path: Path) -> None:
    board, runs = kept
    for download in write_downloads(tmp_path, board, None, stimuli_of(board, runs)):
        assert (tmp_path / download.path).stat().st_size == download.size
    start = tmp_path / "downloads" / board.id
    table = pq.read_table(f"{start}.parquet")
    assert table.equals(board_rows(board))
    said = json.loads(Path(f"{start}.json").read_text(encoding="utf-8"))
    assert said["rows"] == table.to_pylist()
    assert said["release"]["digest"] == board.release.digest
    with Path(f"{start}.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, table.to_pylist(), strict=True):
        assert line["sAUC"] == ""
        assert float(line["NSS"]) == row["NSS"], "in full precision"
        assert line["paper"] == row["paper"]
    each = pq.read_table(f"{start}-stimuli.parquet").to_pylist()
    assert len(each) == 3
    assert each[0]["NSS"] == runs[board.models[0].record.digest].stimuli["NSS"][0]
    assert each[0]["sAUC"] is None, "null, not NaN"
    assert b"nan" not in Path(f"{start}-stimuli.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+cmd", "'+cmd"), ("-2+3", "'-2+3"), ("\t=1", "'\t=1"),
        ("\n=1", "'\n=1"), ("\r=1", "\ufffd=1"), ("-1.5", "-1.5"), ("+3e-7", "+3e-7"), ("-.5", "-.5"), ("a=b", "a=b"),
        ("\u202e=1", "\ufffd=1"), ('a"b,c', 'a"b,c'), ("", ""), ("-", "'-"), ("-1\n=x", "'-1\n=x"),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    made = csv_bytes(pa.table({"name": [text], "n": [1.0]}))
    rows = list(csv.reader(io.StringIO(made.decode(), newline="")))
    assert rows == [["name", "n"], [cell, "1"]]


def test_no_head_is_a_formula_and_an_empty_table_has_one() -> None:
    assert csv_bytes(pa.table({"=x": pa.array([], pa.string())})) == b'"\'=x"\n'


def test_csv_has_every_digit_and_nothing_for_nothing() -> None:
    values = [0.1, 1 / 3, 1e-300, -2.5e17, None]
    rows = csv_bytes(pa.table({"x": pa.array(values, pa.float64())})).decode().split("\n")
    assert [float(r) if r else None for r in rows[1:-1]] == values


def test_latex_is_a_table_of_what_is_best(tmp_path: Path, make_run: MakeRun) -> None:
    for k, name in enumerate(["a_1", "b", "one_vs_rest"]):
        make_run(name, seed=k, info={"kind": "human"} if k == 2 else {}).save(tmp_path)
    ((board,), runs) = boards_of(tmp_path)
    text = latex(board)
    assert r"Model & AUC-J $\uparrow$ & SIM $\uparrow$ & s-AUC $\uparrow$" in text
    assert r"KLD $\downarrow$ \\" in text
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(line.count("&") == 6 for line in lines)
    scores = {r.typed.model.name: r.scores for r in runs.values() if not r.typed.human}
    for place, label in enumerate(["AUC-J", "SIM", "sAUC", "CC", "NSS", "KLD"], 1):
        best = (min if label == "KLD" else max)(scores.values(), key=lambda s, label=label: s[label])[label]
        bold = [c.strip(" \\") for line in lines for c in [line.split("&")[place]] if "textbf" in c]
        assert bold == [rf"textbf{{{best:.3f}}}"], label
    assert text.count(r"\midrule") == 2
    assert r"a\_1 &" in text
    assert "textbf" not in lines[-1], "people are not ranked"


def balanced(text: str) -> bool:
    bare, depth = re.sub(r"\\[{}]", "", text), 0
    for c in bare:
        depth += {"{": 1, "}": -1}.get(c, 0)
        if depth < 0:
            return False
    return depth == 0


def test_hostile_text_is_text(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run(release={"title": HOSTILE + "\nx"}, info={"paper": HOSTILE, "licence": HOSTILE, "version": HOSTILE})
    (board,) = make_boards([Entry(run.typed, HOSTILE)])
    for text in (latex(board), bibtex(board)):
        assert r"\input" not in text
        assert "\u202e" not in text
        assert balanced(text)
    (row,) = csv.DictReader(io.StringIO(csv_bytes(board_rows(board)).decode()))
    assert row["version"].startswith("'=cmd()")
    assert escaped("%") == r"\%"
    assert escaped("[1cm]*") == "{[}1cm{]}{*}", "no option of the line break before it"
    assert escaped("a\n\n\\end{x}") == r"a \textbackslash{}end\{x\}"


def test_bibtex_names_all_that_a_number_rests_on(kept: tuple[Board, dict[str, Run]]) -> None:
    text = bibtex(kept[0])
    keys = re.findall(r"^@misc\{(.*),$", text, re.MULTILINE)
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z]+:[a-z0-9-]+", key) for key in keys)
    assert keys[0] == "data:dhf1k-raw"
    assert "protocol:exact-1" in keys
    assert keys[-1] == "software:vidsal"
    assert sum(k.startswith("metric:") for k in keys) == 6
    assert "Revisiting Video Saliency" in text, "the citation that the data set declares"
    assert balanced(text)


def test_two_models_of_one_name_have_two_keys(make_run: MakeRun) -> None:
    runs = [make_run("m", seed=k, info={"version": str(k), "paper": f"paper {k}"}) for k in (1, 2)]
    (board,) = make_boards([Entry(r.typed, str(k)) for k, r in enumerate(runs)])
    text = bibtex(board)
    assert "{model:m," in text
    assert "{model:m-x," in text


def test_the_archive_is_the_same_each_time_and_lists_its_digests(
    kept: tuple[Board, dict[str, Run]], tmp_path: Path
) -> None:
    board, runs = kept
    for turn in ("one", "two"):
        made = write_downloads(tmp_path / turn, board, None, stimuli_of(board, runs))
        assert write_archive(tmp_path / turn, made).path == ARCHIVE
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / turn / "downloads").iterdir()} for turn in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one["all.zip"])) as archive:
        assert archive.testzip() is None
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
        assert sorted([*manifest["files"], "manifest.json"]) == sorted(archive.namelist())
        for name, said in manifest["files"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == said["sha256"]
            assert archive.read(name) == one[name]
        assert {m.date_time for m in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert archive_bytes({"b": b"1", "a": b"2"}, {}) == archive_bytes({"a": b"2", "b": b"1"}, {})


def test_parquet_does_not_hang_on_how_rows_lie_in_memory() -> None:
    whole = pa.table({"x": [1.0, 2.0]})
    assert parquet_bytes(whole) == parquet_bytes(pa.concat_tables([whole.slice(0, 1), whole.slice(1)]))


def test_no_runs_no_rows(kept: tuple[Board, dict[str, Run]]) -> None:
    assert stimulus_rows(kept[0], []).num_rows == 0
