"""Kept submissions under another protocol: what was scored once is scored again, exactly the files of then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vidsal.loaders.errors import MissingData, VidsalError, WrongUse
from vidsal.loaders.io.progress import Progress
from vidsal.loaders.release.release import Release

from ..evaluation.results.schema import RunRecord
from ..evaluation.results.store import Run, find_runs, load_run
from ..protocols import Protocol, protocol as find_protocol
from . import manifest as manifests
from .archive import opened_folder
from .opened import open_submission
from .parts import ModelPart
from .said import Said
from .score import score

Status = Literal["rescored", "there already", "no submission", "other data", "not kept"]


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        run: the run of then.
        status: `no submission`: a model ran, so run it again; `not kept`: no submission has its digest.
        result: the new run, or the one that is there already; None otherwise.
    """

    run: Run
    status: Status
    result: Run | None = None


def rescore(
    runs: Sequence[Run],
    submissions: Path,
    release: Callable[[str | None], Release],
    protocol: Protocol | str,
    out: Path,
    *,
    workers: int = 1,
    command: str | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Outcome]:
    """Score the submissions of runs under another protocol, with their recipe and coverage of then.

    Args:
        runs: of which to score the submissions again.
        submissions: a submission, a folder or an archive, or a folder of them; they are recognized by their digest.
        release: opens the release with a split, None = all.
        protocol: name or declaration.
        out: results folder; a result that is there already is not made again.
        workers, command, progress: see `score`.
        note: called with what is odd about a submission.

    Yields:
        An outcome for each run, in their order.

    Raises:
        MissingData: there is no such folder. BadData: a submission that is needed is damaged.
    """
    rules = find_protocol(protocol)
    found = _Kept(submissions, out, note)
    done = {_key(run.typed): run for run in map(load_run, find_runs(out))} if out.is_dir() else {}
    for run in runs:
        record = run.typed
        data = release(None if record.split == "all" else record.split)
        if record.model.submission is None:
            yield Outcome(run, "no submission")
        elif record.release.digest != data.digest:
            yield Outcome(run, "other data")
        elif (key := (*_key(record)[:-1], rules.digest)) in done:
            yield Outcome(run, "there already", done[key])
        elif (path := found.path(record, data)) is None:
            yield Outcome(run, "not kept")
        else:
            coverage = record.coverage
            done[key] = score(
                path,
                data,
                rules,
                **asdict(_said(record)),
                model=_model(record),
                recipe=record.truth.recipe,
                with_frames_only=coverage.with_frames_only,
                limit=len(coverage.scored) if coverage.left_out_by_limit else None,
                frames_of=run.folder if coverage.frames_of else None,
                workers=workers,
                partial_folder=out / ".partial",
                command=command,
                progress=progress,
                note=note,
                results=out,
            )
            yield Outcome(run, "rescored", done[key])


def _key(record: RunRecord) -> tuple[Any, ...]:
    """What makes two results the same scoring; the protocol is last."""
    digest = (record.model.submission or {}).get("digest")
    scored = record.coverage.frames_digest
    return digest, record.release.digest, record.split, record.truth.recipe, scored, record.protocol.digest


def _said(record: RunRecord) -> Said:
    """What was said of the predictions when they were scored, by their manifest or by the command."""
    prediction = (record.model.submission or {}).get("prediction") or {}
    return Said(**{key: prediction[key] for key in ("kind", "first_frame", "missing", "fit") if key in prediction})


def _model(record: RunRecord) -> ModelPart:
    """What was said of the model."""
    known = {key: getattr(record.model, key) for key in _CLAIMS}
    return ModelPart.model_validate({key: value for key, value in known.items() if value not in (None, "", {})})


_CLAIMS = (
    *("name", "version", "causal", "lookahead", "trained_on", "licence", "paper", "audio"),
    *("checkpoint", "checkpoint_sha256", "options"),
)


class _Kept:
    """The submissions in a folder, by their digest; each is opened when it is first asked for."""

    def __init__(self, folder: Path, beside: Path, note: Callable[[str], None]) -> None:
        if not folder.exists():
            raise MissingData(f"{folder}: no such folder of submissions")
        single = not folder.is_dir() or (folder / manifests.NAME).is_file()
        inside = [] if single else [p for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
        self._candidates = [folder] if single else [*inside, folder]
        self._beside, self._note = beside, note
        self._digests: dict[tuple[Any, ...], str | None] = {}
        self._faulty: set[Path] = set()

    def path(self, record: RunRecord, data: Release) -> Path | None:
        """Return the submission that a run scored; None if it is not here."""
        wanted = (record.model.submission or {}).get("digest")
        return next((p for p in self._candidates if self._digest(p, record, data) == wanted), None)

    def _digest(self, path: Path, record: RunRecord, data: Release) -> str | None:
        said, only = _said(record), record.coverage.with_frames_only
        key = (path, data.split, said, only)
        if key not in self._digests:
            self._digests[key] = None
            try:
                with opened_folder(path, self._beside) as root:
                    self._digests[key] = open_submission(root, data, said=said, with_frames_only=only).digest
            except VidsalError as error:
                another = isinstance(error, WrongUse)  # it says something else of itself than the run says of it
                around = len(self._candidates) > 1 and path == self._candidates[-1]  # the folder of all may be none
                if not (another or around or path in self._faulty):
                    self._faulty.add(path)
                    self._note(f"{path} cannot be scored again: {error}")
        return self._digests[key]
