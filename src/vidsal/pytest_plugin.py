"""A pytest plugin: the fixture `vidsal_score` holds a model's scores against a snapshot file in your repository.

    def test_scores_hold(vidsal_score):
        vidsal_score(MyModel())                                    # on a data set that is made on the spot
        vidsal_score("my_model.py:MyModel", "releases/small", split="val", name="small")

A snapshot that is not there is written, and the test passes; `pytest --vidsal-update` writes what is meant to be new.
Nothing heavy is imported before the fixture is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vidsal.benchmark.evaluation.results.gate import Verdict
    from vidsal.benchmark.evaluation.results.snapshot import Snapshot
    from vidsal.benchmark.evaluation.results.store import Run
    from vidsal.benchmark.evaluation.results.tolerances import Tolerance
    from vidsal.benchmark.protocols import Protocol
    from vidsal.loaders.release.release import Release

FOLDER = "vidsal_snapshots"
"""Where snapshots lie, beside the file of their test."""

_PROPERTY = "vidsal_score"
_TOLERANCES = "vidsal_tolerances"
_MOST_ROWS = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--vidsal-update`, and the setting `vidsal_tolerances`."""
    group = parser.getgroup("vidsal")
    group.addoption("--vidsal-update", action="store_true", help="Write the scores of vidsal_score as they are now.")
    parser.addini(_TOLERANCES, "File of tolerances for vidsal_score, relative to the root folder.", default="")


@pytest.fixture(scope="session")
def _vidsal_release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Release]:
    """Makes the data set of the plugin, once in each process that asks for it."""
    made: list[Release] = []

    def release() -> Release:
        if not made:
            from vidsal.loaders.conversion.convert import convert
            from vidsal.loaders.datasets.synthetic.write import generate
            from vidsal.loaders.release.release import load

            folder = tmp_path_factory.mktemp("vidsal")
            generate(folder / "source", videos=3, frames=20, width=96, height=64, observers=6, val=0)
            convert("synthetic", folder / "source", folder / "release", workers=1)
            made.append(load(folder / "release"))
        return made[0]

    return release


@pytest.fixture
def vidsal_score(request: pytest.FixtureRequest, tmp_path: Path, _vidsal_release: Callable[[], Release]) -> VidsalScore:
    """Hold a model's scores: `vidsal_score(model)`, `vidsal_score(model, "releases/small", split="val")`."""
    return VidsalScore(request, tmp_path, _vidsal_release)


class VidsalScore:
    """What the fixture gives to a test; see `__call__`."""

    def __init__(self, request: pytest.FixtureRequest, scratch: Path, made: Callable[[], Release]) -> None:
        self._item = request.node
        self._config = request.config
        self._scratch = scratch
        self._made = made
        self._taken: set[Path] = set()

    def __call__(
        self,
        model: object,
        data: str | Path | Release | None = None,
        *,
        split: str = "all",
        protocol: str | Protocol = "exact-1",
        recipe: str | None = None,
        limit: int | None = None,
        name: str = "",
        tolerances: str | Path | Mapping[str, Tolerance] | None = None,
        one_sided: bool = False,
        threads: int = 1,
    ) -> Run:
        """Score a model and compare with the snapshot; the test fails if a score moved.

        Args:
            model: a predictor; its name as on the command line, `center_prior` or `path/to/file.py:Class`; or a run
                that was scored already, by `vidsal.evaluate` or `vidsal.score`.
            data: a release, or its folder; None = three videos of 20 frames, made on the spot, that six simulated
                observers watch.
            split: official split of the release; `all` = every stimulus.
            protocol: name or declaration.
            recipe: truth recipe; None = the release's first.
            limit: score at most so many stimuli.
            name: of the snapshot, where a test holds more than one.
            tolerances: a file of them, as `vidsal gate` reads it, or what was read from one; None = the file that the
                setting `vidsal_tolerances` names, else 1e-9.
            one_sided: scores may move to the better, however far.
            threads: of torch, on whose number the last bits of a network depend.

        Returns:
            The run, for further questions. Relative paths begin at pytest's root folder.
        """
        from vidsal.benchmark.evaluation.results.snapshot import Snapshot
        from vidsal.benchmark.evaluation.results.store import Run
        from vidsal.loaders.errors import VidsalError, WrongUse

        __tracebackhide__ = True
        try:
            path = self._path(name)
            allowed = self._tolerances(tolerances)
            if not isinstance(model, Run):
                run = self._score(model, self._release(data, split), protocol, recipe, limit, threads)
            elif data is None:
                run = model
            else:
                raise WrongUse("this is a run, scored already, and data to score on: give one of them")
            self._hold(path, Snapshot.of(run, anew=run is not model and data is None), allowed, one_sided)
        except VidsalError as error:
            if error.__cause__ is not None:
                raise  # somebody's own code failed: its place is worth seeing
            raise _failure(f"vidsal_score: {error}") from None
        return run

    def _hold(self, path: Path, now: Snapshot, allowed: Mapping[str, Tolerance] | None, one_sided: bool) -> None:
        """Compare with the snapshot, or write it."""
        from vidsal.benchmark.evaluation.results.gate import hold
        from vidsal.benchmark.evaluation.results.snapshot import read_snapshot
        from vidsal.loaders.errors import BadData, WrongUse

        __tracebackhide__ = True
        if not path.exists():
            self._write(now, path, "created; commit it")
            return
        update = self._config.getoption("--vidsal-update")
        try:
            verdict = hold(read_snapshot(path).scores, now.scores, allowed, one_sided=one_sided)
        except (WrongUse, BadData) as error:
            reason = str(error).removeprefix(f"{path}: ")
            reason = reason.replace("the candidate", "this run").replace("the baseline", "the snapshot")
            if not update:
                raise _failure(f"{self._shown(path)}: {reason}\n{_HOW_TO_UPDATE}") from None
            self._write(now, path, f"updated; {reason}")
            return
        moved, improved = len(verdict.moved), len(verdict.improved)
        if update and (moved or improved or verdict.notes):
            self._write(now, path, f"updated; {moved + improved} of {verdict.compared} values moved")
        elif moved:
            raise _failure(_table(self._shown(path), verdict))
        elif improved:
            self._say(path, f"held; {improved} values moved to the better, which is allowed")

    def _write(self, now: Snapshot, path: Path, what: str) -> None:
        __tracebackhide__ = True
        try:
            now.save(path)
        except OSError as error:
            raise _failure(f"{self._shown(path)}: cannot be written: {error.strerror}") from None
        self._say(path, what)

    def _path(self, name: str) -> Path:
        """The snapshot's file: named after the test and its file."""
        from vidsal.loaders.errors import WrongUse

        test = self._item.nodeid.partition("::")[2].replace("::", ".")
        words = [self._item.path.stem, test, *([name] if name else [])]
        path = self._item.path.parent / FOLDER / f"{_file_name('.'.join(words))}.json"
        if path in self._taken:
            raise WrongUse(f"{self._item.nodeid} holds two scores under one name: give the second one another `name`")
        self._taken.add(path)
        return Path(path)

    def _below_root(self, path: str | Path) -> Path:
        return Path(self._config.rootpath, path)

    def _shown(self, path: Path) -> str:
        root = self._config.rootpath
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    def _tolerances(self, asked: str | Path | Mapping[str, Tolerance] | None) -> Mapping[str, Tolerance] | None:
        from vidsal.benchmark.evaluation.results.tolerances import read_tolerances

        found = asked or self._config.getini(_TOLERANCES) or None
        return read_tolerances(self._below_root(found)) if isinstance(found, (str, Path)) else found

    def _release(self, data: str | Path | Release | None, split: str) -> Release:
        from vidsal.loaders.errors import WrongUse
        from vidsal.loaders.release.release import load

        if not isinstance(data, (str, Path)):
            if split != "all":
                raise WrongUse(f"split {split!r} is chosen where a release is read: give its folder as `data`")
            return data or self._made()
        return load(self._below_root(data), None if split == "all" else split)

    def _score(
        self, model: Any, data: Release, protocol: str | Protocol, recipe: str | None, limit: int | None, threads: int
    ) -> Run:
        from vidsal.benchmark import protocols
        from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
        from vidsal.models import parse_spec

        if isinstance(model, str):
            file, colon, name = model.rpartition(":")
            spec = parse_spec(f"{self._below_root(file)}:{name}" if colon else model, None, "cpu", ())
            made = spec()
            record = spec.record(made)
        else:
            made, record = model, ModelRecord.of(model)
        settings = Settings(protocols.protocol(protocol), recipe, limit=limit, threads=threads)
        with _torch_threads_kept():
            return run(lambda: made, record, data, settings, partial=self._scratch / "unfinished")

    def _say(self, path: Path, text: str) -> None:
        """Leave a line for the summary; the property comes through the processes of pytest-xdist."""
        self._item.user_properties.append((_PROPERTY, f"{self._shown(path)}: {text}"))


def _failure(text: str) -> BaseException:
    """What fails a test with these words alone."""
    return pytest.fail.Exception(text, pytrace=False)


_HOW_TO_UPDATE = "If this is meant, `pytest --vidsal-update` writes the snapshot anew: commit it with its reason."


def _table(where: str, verdict: Verdict) -> str:
    """What moved, one row a value."""
    from vidsal.benchmark.evaluation.results.gate_report import number, result

    rows = [("metric", "stimulus", "was", "is", "")]
    for m in verdict.moved[:_MOST_ROWS]:
        place = "all" if m.where == "run" else m.where
        rows.append((m.what, place, number(m.baseline), number(m.candidate), m.change))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    more = len(verdict.moved) - _MOST_ROWS
    lines += [f"and {more} more"] if more > 0 else []
    notes = [
        "note: " + note.replace("in the baseline", "in the snapshot").replace("in the candidate", "now")
        for note in verdict.notes
    ]
    return "\n".join([f"{where}: {result(verdict)}", "", *lines, "", *notes, _HOW_TO_UPDATE])


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """A run fixes torch's threads; the tests that follow find them as they were."""
    import sys

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    try:
        yield
    finally:
        if torch and torch.get_num_threads() != before:
            torch.set_num_threads(before)


def _file_name(text: str) -> str:
    """A name for one file; where a character had to be replaced, a digest keeps different names apart."""
    from hashlib import sha256

    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:150]
    return plain if plain == text else f"{plain}-{sha256(text.encode()).hexdigest()[:8]}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which snapshots were created or updated."""
    said = {
        text: None
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for key, text in report.user_properties
        if key == _PROPERTY
    }
    if said:
        terminalreporter.section("vidsal scores")
        for text in said:
            terminalreporter.write_line(str(text))
