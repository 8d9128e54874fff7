"""LOG.txt: what befell a run, in lines that are only added."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import vidsal
from vidsal.benchmark.evaluation.results.folder import merge, verify, withdraw
from vidsal.benchmark.evaluation.results.log import add_to_log, read_log
from vidsal.benchmark.evaluation.results.notices import KINDS
from vidsal.benchmark.evaluation.results.store import Run, load_run
from vidsal.loaders.errors import BadData, WrongUse

from ...leaderboard.conftest import build_run

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def saved(out: Path, model: str = "tinyhd_s", *, seed: int = 0, time: str = OLD) -> Path:
    folder = build_run(model, seed=seed, time=time).save(out).folder
    assert folder is not None
    return folder


def faults(results: Path) -> list[str]:
    return [str(item) for item in verify(results) if not isinstance(item, Run)]


def test_a_log_begins_with_the_scoring_and_grows(tmp_path: Path) -> None:
    old, new = saved(tmp_path, seed=1), saved(tmp_path, seed=2, time=NEW)
    digests = [load_run(folder).record["digest"] for folder in (old, new)]
    assert (old / "LOG.txt").read_text() == f"{OLD} scored {digests[0]}\n"
    first = withdraw(old, 'the gaze was "mended"\nin two videos', new)
    second = withdraw(old, "wrong weights: \u00fcber\x1b[2J")
    assert (old / "LOG.txt").read_text("utf-8").split("\n") == [
        f"{OLD} scored {digests[0]}",
        f'{first.time} superseded {digests[0]} by {digests[1]} "the gaze was \\"mended\\"\\nin two videos"',
        f'{second.time} withdrawn {digests[0]} "wrong weights: \u00fcber\\u001b[2J"',
        "",
    ]
    assert faults(tmp_path) == []


def test_a_withdrawal_that_was_deleted_is_found(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    withdraw(folder, "wrong weights")
    (folder / "withdrawn.json").unlink()
    (fault,) = faults(tmp_path)
    assert "LOG.txt, line 2: the run was withdrawn, but withdrawn.json is gone" in fault


def test_a_run_of_before_has_no_log_until_something_befalls_it(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "LOG.txt").unlink()
    assert faults(tmp_path) == []
    withdraw(folder, "wrong weights")
    assert [line.split(" ")[1] for line in read_log(folder)] == ["scored", "withdrawn"]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda p: p.write_bytes(b""), "does not say that the run was scored"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "does not say that the run was scored"),
        (lambda p: p.write_bytes(p.read_bytes().replace(b"2026-01", b"2025-01")), "was scored at 2026-01-01"),
        (lambda p: p.write_bytes(p.read_bytes() * 2 + b"\xff\n"), "no UTF-8"),
        (lambda p: p.write_bytes(p.read_bytes() + b"<script>\n"), "line 2: not a time"),
        (lambda p: p.write_bytes(p.read_bytes() + f"{NEW} scored {'0' * 64}\n".encode()), "line 2: it is about ano"),
        (lambda p: p.write_bytes(p.read_bytes() * 20_000), "larger than"),
        (lambda p: (p.rename(p.with_name("else")), p.symlink_to("else")), "not a plain file"),
        (lambda p: (p.unlink(), os.mkfifo(p)), "not a plain file"),
    ],
)
def test_a_damaged_log_is_named_and_never_touches_the_numbers(
    tmp_path: Path, damage: Callable[[Path], object], what: str
) -> None:
    folder = saved(tmp_path)
    damage(folder / "LOG.txt")
    (fault,) = faults(tmp_path)
    assert what in fault
    assert str(folder / "LOG.txt") in fault
    assert load_run(folder).scores, "a reader of scores does not read it"


def test_a_last_line_that_was_cut_off_is_none(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    whole = (folder / "LOG.txt").read_bytes()
    (folder / "LOG.txt").write_bytes(whole + f"{NEW} withdrawn {'a' * 3000}".encode())
    assert faults(tmp_path) == []
    withdraw(folder, "wrong weights")
    after = (folder / "LOG.txt").read_bytes()
    assert after.startswith(whole)
    assert b"aaaa" not in after, "what was cut off is written over, to its end"
    assert len(read_log(folder)) == 2


def test_a_withdrawal_that_was_killed_is_finished_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path)
    calls = iter(range(9))

    def killed(*_: object) -> None:
        if next(calls):  # the first call writes down what was before
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vidsal.benchmark.evaluation.results.folder.add_to_log", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw(folder, "wrong weights")
    assert (folder / "withdrawn.json").exists()
    assert faults(tmp_path) == [], "the notice holds, whatever the log lacks"
    with pytest.raises(WrongUse, match="withdrawn already"):
        withdraw(folder, "again")
    assert read_log(folder)[-1].endswith('"wrong weights"')


def test_merging_joins_logs_without_doubles(tmp_path: Path) -> None:
    a, b, out = tmp_path / "a", tmp_path / "b", tmp_path / "out"
    mine, theirs = saved(a), saved(b, time=NEW)
    withdraw(theirs, "wrong weights")
    (bad,) = [saved(b, "other", seed=3)]
    (bad / "LOG.txt").write_text("no log\n")
    for _ in range(2):
        merged = merge([a, b], out)
        assert ["LOG.txt, line 1" in fault for fault in merged.faults] == [True]
        (joined,) = out.rglob("LOG.txt")
        assert joined.read_text().split("\n")[:-1] == [*read_log(mine), *read_log(theirs)]
        assert faults(out) == []
    assert [kind for kind in KINDS if (joined.parent / f"{kind}.json").exists()] == ["withdrawn"]


def test_two_processes_write_down_every_line(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vidsal.benchmark.evaluation.results.log import add_to_log\n"
        "for n in range(60): add_to_log(Path(sys.argv[1]), [f'2026-01-01T00:00:{n:02}Z {sys.argv[2]} ' + 'a' * 64])"
    )
    source = str(Path(vidsal.__file__).resolve().parents[1])
    words = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": source}
    children = [subprocess.Popen([*words, name], env=environment) for name in ("one", "two")]
    assert [child.wait() for child in children] == [0, 0]
    lines = read_log(tmp_path)
    assert len(lines) == len(set(lines)) == 120
    for name in ("one", "two"):
        assert [line for line in lines if f" {name} " in line] == sorted(line for line in lines if f" {name} " in line)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "LOG.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(BadData, match="not a plain file"):
        add_to_log(tmp_path / "run", [f"{NEW} scored {'a' * 64}"])
    assert (tmp_path / "secret").read_text() == "secret"
