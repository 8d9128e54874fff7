"""Writing predictions into a submission's folder, one whole stimulus after another, resumed after a kill.

A finished stimulus has its final name, and a note of what it is in `.partial/<input digest>/`;
`submission.json` is written last.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack

from pydantic import ValidationError

from vidsal._version import __version__
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import atomic_write, canonical, read_sealed, sha256_text
from vidsal.loaders.io.progress import Note
from vidsal.loaders.release.release import Release, Stimulus

from ..evaluation.pool import Execution, Job, Maker, Model, versions, work
from ..evaluation.run import ModelRecord
from ..predictor import Predictor
from . import manifest_file
from .encoding import encoding
from .held import PARTIAL, held, unfinished
from .manifest import FOLDER, NAME, SUMS, Manifest
from .parts import CoveragePart, Declarations, Encoding, FilePart, ModelPart, PredictionPart, ReleaseRef, RunPart
from .safe_files import file_digest
from .stimulus_writer import Plan, StoredPart, predictor, store_images, store_npz, warn


def write(
    make: Maker,
    model: ModelRecord,
    data: Release,
    plan: Plan,
    *,
    fresh: bool = False,
    **execution: Unpack[Execution],
) -> Manifest:
    """Predict and store every stimulus of the split whose frames are present, annotated or not.

    Args:
        make: makes the model; called once in each process.
        model: what the manifest says of it.
        data: the release and split.
        plan: what was asked for.
        fresh: remove what an earlier call left in the folder.
        execution: see `Execution`.

    Returns:
        The manifest, as written.

    Raises:
        MissingData: no frames. WrongUse: the folder holds something else, or the model cannot be stored this way.
        BadData: the model broke the protocol, or gave a map that is not finite.
    """
    data.check()
    declared = _model_part(model)
    chosen, left_out = _choose(data, plan, needs_frames=model.info.needs_frames or plan.with_frames_only)
    key = _input_digest(model, data, plan, [s.id for s in chosen])
    _refuse_others(plan.out)

    def do(jobs: list[_Job]) -> None:
        work(jobs, data, **execution)

    with held(plan.out) as partial:
        finished = _claim(plan.out, key, fresh=fresh)
        if finished is None:
            return _write(make, model, declared, data, plan, key, chosen, left_out, do, execution.get("note"))
        shutil.rmtree(partial, ignore_errors=True)  # of a call that was killed at its very end
    if progress := execution.get("progress"):
        progress(len(chosen), len(chosen), chosen[-1].id)
    return finished


def _write(
    make: Maker,
    model: ModelRecord,
    declared: ModelPart,
    data: Release,
    plan: Plan,
    key: str,
    chosen: list[Stimulus],
    left_out: tuple[str, ...],
    do: Callable[[list[_Job]], None],
    note: Note | None,
) -> Manifest:
    """Do the work in a folder that is held, and write the manifest last."""
    folder = plan.out / PARTIAL / key[:24]
    folder.mkdir(parents=True, exist_ok=True)
    jobs = _Job.each(chosen, data, make, folder, plan.threads, model.info.name, plan=plan)
    do(jobs)
    parts = [job.part() for job in jobs]
    warn(((part.stimulus, part.suspicious) for part in parts), encoded=plan.encodes, note=note)
    manifest = _manifest(parts, model, declared, data, plan, key, left_out)
    sums = "".join(f"{digest}  {name}\n" for part in parts for name, digest in part.sums.items())
    with atomic_write(plan.out / SUMS) as temporary:
        temporary.write_text(sums, encoding="utf-8")
    for left in [*plan.out.glob(".*.tmp"), *(plan.out / FOLDER).glob(".*.tmp")]:  # of a call that was killed
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    manifest_file.write(plan.out, manifest)
    shutil.rmtree(plan.out / PARTIAL)
    return manifest


def maker_of(
    model: Model | None, make: Maker | None, record: ModelRecord | None
) -> tuple[Predictor | None, Maker, ModelRecord]:
    """Return the model, if it is here, what makes it, and what is said of it; by default it makes and says itself.

    Raises:
        WrongUse: it is a human reference, or is not here and nothing else makes it.
    """
    predicts = None if model is None else predictor(model)
    if predicts is not None:
        make, record = make or partial(_itself, predicts), record or ModelRecord(predicts.info)
    if make is None or record is None:
        raise WrongUse("a model that is not here needs `make`, `record` and `children`")
    return predicts, make, record


def _itself(model: Model) -> Model:
    return model


def _model_part(model: ModelRecord) -> ModelPart:
    """Return what the manifest says of the model."""
    try:
        return ModelPart.model_validate(model.card().model_dump(include=set(ModelPart.model_fields)))
    except ValidationError as error:
        raise WrongUse(
            f"model {model.info.name!r} cannot be described in {NAME}: {manifest_file.faults(error)[0]}"
        ) from error


def _choose(data: Release, plan: Plan, *, needs_frames: bool) -> tuple[list[Stimulus], tuple[str, ...]]:
    every = list(data)
    if not every:
        raise MissingData(f"{data.id}, split {data.split or 'all'}, has no stimulus: nothing to predict")
    here = [s for s in every if not needs_frames or s.frames_path() is not None]
    if not here:
        raise MissingData(data.frames_hint([s.id for s in every]))
    chosen = here[: plan.limit]
    ids = {s.id for s in chosen}
    strange = [i for i in ids if i != Path(i).name or i.startswith(".")]
    if strange:
        raise BadData(f"stimulus id {strange[0]!r} cannot be the name of a file; convert the data set again")
    return chosen, tuple(s.id for s in every if s.id not in ids)


def _input_digest(model: ModelRecord, data: Release, plan: Plan, ids: list[str]) -> str:
    content = {
        "tool": tool_versions(plan),
        "release": data.digest,
        "split": data.split or "all",
        "model": model.card().model_dump(mode="json", exclude={"submission"}),
        "stimuli": ids,
        "encoding": plan.files,
        "as_published": plan.as_published,
    }
    return sha256_text(canonical(content))


def tool_versions(plan: Plan) -> dict[str, str | int]:
    """Return the versions of what moves the bits of a prediction, where it is installed."""
    return {
        "vidsal": __version__,
        "python": platform.python_version(),
        "threads": plan.threads,
        **versions("numpy", "torch", "av"),
    }


_OURS = {NAME, SUMS, FOLDER, PARTIAL}


def _refuse_others(out: Path) -> None:
    """Refuse a folder that holds something else, before anything is written there.

    Raises:
        WrongUse: it is a file, or not empty and no submission.
    """
    if out.exists() and not out.is_dir():
        raise WrongUse(f"{out}: a file has this name; name another folder")
    names = {p.name for p in out.iterdir()} if out.is_dir() else set()
    if names and not names & {NAME, PARTIAL}:
        raise WrongUse(f"{out}: the folder is not empty and holds no submission; name an empty folder or a new one")


def _claim(out: Path, key: str, *, fresh: bool) -> Manifest | None:
    """Check that a held folder is free or ours; return the manifest if the work is finished."""
    names = {p.name for p in out.iterdir()}
    begun = unfinished(out / PARTIAL)
    if fresh:
        for path in [out / name for name in names & _OURS - {PARTIAL}] + [out / PARTIAL / name for name in begun]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        return None
    if NAME in names:
        manifest = manifest_file.read(out)
        if manifest is not None and manifest.input_digest == key:
            return manifest
        raise WrongUse(f"{out}: holds another submission; name another folder, or replace it with --fresh")
    if any(name != key[:24] for name in begun):
        raise WrongUse(
            f"{out}: holds unfinished predictions of another command; name another folder, or replace them with --fresh"
        )
    return None


@dataclass(frozen=True)
class _Job(Job):
    """One stimulus to predict and store."""

    plan: Plan

    @property
    def home(self) -> Path:
        return self.plan.out

    def moved(self, home: Path) -> Self:
        return replace(self, folder=home / self.folder.relative_to(self.plan.out), plan=replace(self.plan, out=home))

    @property
    def note(self) -> Path:
        return self.result(".json")

    def done(self) -> bool:
        """Whether the stored predictions are those of the note: each file is compared with its digest."""
        content = read_sealed(self.note)
        if content is None:
            return False
        sums = StoredPart.parse(content).sums
        return all((self.plan.out / name).is_file() for name in sums) and all(
            file_digest(self.plan.out / name) == digest for name, digest in sums.items()
        )

    def left(self) -> bool:
        return self.note.exists()

    def part(self) -> StoredPart:
        """Return the note.

        Raises:
            BadData: it was damaged since it was written.
        """
        content = read_sealed(self.note)
        if content is None:
            raise BadData(f"{self.note}: damaged on the disk since it was written; start the same command again")
        return StoredPart.parse(content)

    @property
    def _npz(self) -> Path:
        return self.plan.out / FOLDER / f"{self.stimulus_id}.npz"

    @property
    def _images(self) -> Path:
        return self.plan.out / FOLDER / self.stimulus_id

    def do(self, model: Model, data: Release) -> None:
        store = store_images if self.plan.files in ("png8", "png16") else store_npz
        path = self._images if store is store_images else self._npz
        store(predictor(model), data[self.stimulus_id], self.plan, path).save(self.note)


def _manifest(
    parts: list[StoredPart],
    record: ModelRecord,
    model: ModelPart,
    data: Release,
    plan: Plan,
    key: str,
    left_out: tuple[str, ...],
) -> Manifest:
    info = record.info
    kinds = {part.kind for part in parts if part.kind is not None}
    if len(kinds) > 1:
        raise BadData(f"{info.name}: predictions of several kinds, {', '.join(sorted(kinds))}; a submission has one")
    kind: Any = kinds.pop() if kinds else info.output
    sizes = {shape for part in parts for shape in part.shapes}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    said = encoding(kind, plan.files) if kind != "point" else Encoding(files="npz")
    return Manifest(
        release=ReleaseRef(id=data.id, digest=data.digest, dataset=str(data.record["dataset"])),
        split=data.split or "all",
        model=model,
        prediction=PredictionPart(
            kind=kind,
            encoding=said,
            size=None if size is None else (size[1], size[0]),
            first_frame=0,
            missing=info.missing,
            as_published=plan.as_published,
            fit=info.fit,
        ),
        coverage=CoveragePart(predicted=len(parts), left_out=left_out),
        files=tuple(
            FilePart(
                stimulus=part.stimulus,
                frames=part.frames,
                shape=part.shapes[0] if len(part.shapes) == 1 else None,
                sha256=part.sha256,
            )
            for part in parts
        ),
        tool=tool_versions(plan),
        input_digest=key,
        run=None if record.command is None else RunPart(command=record.command),
        declarations=Declarations(constant_maps=True) if any(part.constant for part in parts) else None,
    )
