"""Writing predictions into a submission's folder, one whole stimulus after another, resumed after a kill.

A finished stimulus has its final name, and a note of what it is in `.partial/<input digest>/`;
`submission.json` is written last.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import ValidationError

from vidsal._version import __version__
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import atomic_write, canonical, read_sealed, sealed_write, sha256_text
from vidsal.loaders.io.progress import Note, Progress
from vidsal.loaders.release.release import Release, Stimulus

from ..evaluation.children import Children
from ..evaluation.pool import Job, Maker, Model, versions, work
from ..evaluation.run import ModelRecord
from ..evaluation.stimulus import gap, info_of, predictions
from ..human import HumanReference
from ..metrics.maps import Map
from ..predictor import Kind, ModelInfo, Prediction, Predictor, StimulusInfo
from ..prefetch import prefetch_items
from . import manifest as manifests
from .encoding import Files, encode, encoding, stored_kind
from .formats.npz import NpzWriter
from .manifest import FOLDER, NAME, SUMS, Manifest, ModelPart
from .safe_files import file_digest, folder_digest

_PNG_LEVEL = 3  # of deflate: 4 % larger than the usual 6, twice as fast


@dataclass(frozen=True)
class Plan:
    """What a submission was asked for, beside the model.

    Attributes:
        out: its folder.
        files: name of the encoding.
        as_published: write the model's own 8-bit maps.
        with_frames_only: only stimuli whose frames are present, whatever the model needs.
        limit: at most this number of stimuli.
        threads: of torch in each process; recorded, because a network's bits may depend on it.
    """

    out: Path
    files: Files = "npz"
    as_published: bool = False
    with_frames_only: bool = False
    limit: int | None = None
    threads: int = 1


def predictor(model: Model) -> Predictor:
    """Return the model, if it predicts.

    Raises:
        WrongUse: it is a human reference.
    """
    if isinstance(model, HumanReference):
        raise WrongUse(f"{model.info.name} is handed the gaze itself and predicts nothing; score it with `vidsal run`")
    return model


def published_map(model: Predictor) -> Callable[[Any, StimulusInfo], Any]:
    """Return the method that makes the 8-bit map which the model's authors would have written.

    Raises:
        WrongUse: the model has none.
    """
    found: Any = getattr(model, "published_map", None)
    if not callable(found):
        raise WrongUse(f"{model.info.name}: nobody published 8-bit maps of this model; leave out --as-published")
    return cast("Callable[[Any, StimulusInfo], Any]", found)


def write(
    make: Maker,
    model: ModelRecord,
    data: Release,
    plan: Plan,
    *,
    workers: int = 1,
    fresh: bool = False,
    progress: Progress | None = None,
    note: Note | None = None,
    children: Children | None = None,
    fail_fast: bool = True,
) -> Manifest:
    """Predict and store every stimulus of the split whose frames are present, annotated or not.

    Args:
        make: makes the model; called once in each process (so it must be picklable for more than one worker).
        model: what the manifest says of it.
        data: the release and split.
        plan: what was asked for.
        workers: number of processes; the files do not depend on it.
        fresh: remove what an earlier call left in the folder.
        progress: called with (done, total, stimulus id) after each stimulus.
        note: called with what is unusual but not a fault.
        children, fail_fast: see `evaluation.run.run`.

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
    finished = _claim(plan.out, key, fresh=fresh)
    if finished is not None:
        if progress:
            progress(len(chosen), len(chosen), chosen[-1].id)
        return finished
    folder = plan.out / ".partial" / key[:24]
    folder.mkdir(parents=True, exist_ok=True)
    jobs = _Job.each(chosen, data, make, folder, plan.threads, model.info.name, plan=plan)
    work(jobs, data, workers, progress, note, children=children, fail_fast=fail_fast)
    parts = [job.part() for job in jobs]
    manifest = _manifest(parts, model.info, declared, data, plan, key, left_out)
    sums = "".join(f"{digest}  {name}\n" for part in parts for name, digest in part.sums.items())
    with atomic_write(plan.out / SUMS) as temporary:
        temporary.write_text(sums, encoding="utf-8")
    for left in (plan.out / FOLDER).glob(".*.tmp"):  # of a call that was killed
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    manifests.write(plan.out, manifest)
    shutil.rmtree(plan.out / ".partial")
    return manifest


def _model_part(model: ModelRecord) -> ModelPart:
    """Return what the manifest says of the model."""
    try:
        return ModelPart.model_validate(model.card().model_dump(include=set(ModelPart.model_fields)))
    except ValidationError as error:
        raise WrongUse(
            f"model {model.info.name!r} cannot be described in {NAME}: {manifests.faults(error)[0]}"
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
        "tool": _tool(plan),
        "release": data.digest,
        "split": data.split or "all",
        "model": model.card().model_dump(mode="json", exclude={"submission"}),
        "stimuli": ids,
        "encoding": plan.files,
        "as_published": plan.as_published,
    }
    return sha256_text(canonical(content))


def _tool(plan: Plan) -> dict[str, str | int]:
    """Return the versions of what moves the bits of a prediction, where it is installed."""
    return {
        "vidsal": __version__,
        "python": platform.python_version(),
        "threads": plan.threads,
        **versions("numpy", "torch", "av"),
    }


def _claim(out: Path, key: str, *, fresh: bool) -> Manifest | None:
    """Check that the folder is free or ours; return the manifest if the work is finished."""
    if out.exists() and not out.is_dir():
        raise WrongUse(f"{out}: a file has this name; name another folder")
    names = {p.name for p in out.iterdir()} if out.is_dir() else set()
    ours = {NAME, SUMS, FOLDER, ".partial"}
    if names and not names & {NAME, ".partial"}:
        raise WrongUse(f"{out}: the folder is not empty and holds no submission; name an empty folder or a new one")
    if fresh:
        for name in names & ours:
            path = out / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        return None
    if NAME in names:
        manifest = manifests.read(out)
        if manifest is not None and manifest.input_digest == key:
            return manifest
        raise WrongUse(f"{out}: holds another submission; name another folder, or replace it with --fresh")
    begun = sorted(p.name for p in (out / ".partial").iterdir()) if ".partial" in names else []
    if any(name != key[:24] for name in begun):
        raise WrongUse(
            f"{out}: holds unfinished predictions of another command; name another folder, or replace them with --fresh"
        )
    return None


@dataclass(frozen=True)
class _Part:
    """The note of a finished stimulus."""

    stimulus: str
    kind: str | None
    frames: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    sha256: str
    sums: dict[str, str]

    def save(self, path: Path) -> None:
        with sealed_write(path) as temporary:
            temporary.write_text(canonical(self.__dict__), encoding="utf-8")

    @classmethod
    def parse(cls, content: bytes) -> _Part:
        found = json.loads(content)
        shapes = tuple((h, w) for h, w in found["shapes"])
        return cls(**found | {"frames": tuple(found["frames"]), "shapes": shapes})


@dataclass(frozen=True)
class _Job(Job):
    """One stimulus to predict and store."""

    plan: Plan

    @property
    def note(self) -> Path:
        return self.result(".json")

    def done(self) -> bool:
        """Whether the stored predictions are those of the note: each file is compared with its digest."""
        content = read_sealed(self.note)
        if content is None:
            return False
        sums = _Part.parse(content).sums
        return all((self.plan.out / name).is_file() for name in sums) and all(
            file_digest(self.plan.out / name) == digest for name, digest in sums.items()
        )

    def left(self) -> bool:
        return self.note.exists()

    def part(self) -> _Part:
        """Return the note.

        Raises:
            BadData: it was damaged since it was written.
        """
        content = read_sealed(self.note)
        if content is None:
            raise BadData(f"{self.note}: damaged on the disk since it was written; start the same command again")
        return _Part.parse(content)

    @property
    def _npz(self) -> Path:
        return self.plan.out / FOLDER / f"{self.stimulus_id}.npz"

    @property
    def _images(self) -> Path:
        return self.plan.out / FOLDER / self.stimulus_id

    def do(self, model: Model, data: Release) -> None:
        store = _store_images if self.plan.files in ("png8", "png16") else _store_npz
        path = self._images if store is _store_images else self._npz
        store(predictor(model), data[self.stimulus_id], self.plan, path).save(self.note)


@dataclass
class _Tally:
    """What was stored so far of a stimulus."""

    kind: str | None
    frames: list[int]
    shapes: set[tuple[int, int]]

    def add(self, frame: int, kind: str, shape: tuple[int, int] | None, where: str) -> None:
        if self.kind not in (None, kind):
            raise BadData(f"{where}: the prediction is of kind {kind}, those before it of kind {self.kind}")
        self.kind = kind
        self.frames.append(frame)
        if shape is not None:
            self.shapes.add(shape)

    def part(self, stimulus: str, digest: str, sums: dict[str, str]) -> _Part:
        return _Part(stimulus, self.kind, manifests.ranges(self.frames), tuple(sorted(self.shapes)), digest, sums)


def _in_order(model: Predictor, stimulus: Stimulus) -> Iterator[Prediction]:
    """Yield the model's predictions, checked for their order."""
    expected, missing = 0, model.info.missing
    for prediction in predictions(model, stimulus):
        frame = int(prediction.frame)
        if not expected <= frame < stimulus.n_frames:
            raise BadData(
                f"{model.info.name}, {stimulus.id}: got a prediction of frame {frame}, expected {expected} of "
                f"{stimulus.n_frames}; predictions come once for each frame, in order"
            )
        if frame > expected and (missing == "error" or (missing == "first-available" and expected)):
            raise gap(model.info, stimulus, expected)
        yield prediction
        expected = frame + 1
    if expected < stimulus.n_frames and missing in ("error", "first-available"):
        raise gap(model.info, stimulus, expected)


def _numbers(
    model: Predictor, stimulus: Stimulus, plan: Plan, tally: _Tally
) -> Iterator[tuple[int, Map | tuple[float, float]]]:
    """Yield what is to be stored of each prediction."""
    published = published_map(model) if plan.as_published else None
    for prediction in _in_order(model, stimulus):
        where = f"{model.info.name}, {stimulus.id}, frame {prediction.frame}"
        if prediction.xy is not None:
            if plan.files != "npz" or plan.as_published:
                raise WrongUse(f"{model.info.name} predicts gaze points, which are stored as npz only")
            tally.add(prediction.frame, "point", None, where)
            yield prediction.frame, prediction.xy
            continue
        kind: Kind = "saliency" if published else prediction.kind
        values = published(prediction.values, info_of(stimulus)) if published else prediction.values
        numbers = encode(values, kind, plan.files, where)
        tally.add(prediction.frame, stored_kind(kind, plan.files), (numbers.shape[0], numbers.shape[1]), where)
        yield prediction.frame, numbers


def _store_npz(model: Predictor, stimulus: Stimulus, plan: Plan, path: Path) -> _Part:
    tally = _Tally(None, [], set())
    points: list[tuple[float, float]] = []
    with atomic_write(path) as temporary:
        with NpzWriter(temporary) as file:
            for frame, numbers in _numbers(model, stimulus, plan, tally):
                if isinstance(numbers, tuple):
                    points.append(numbers)
                else:
                    file.add(f"{frame:06d}", numbers)
            if points:
                file.add("frames", np.array(tally.frames, np.int32))
                file.add("xy", np.array(points, np.float64))
        digest = file_digest(temporary)
    return tally.part(stimulus.id, digest, {f"{FOLDER}/{path.name}": digest})


def _store_images(model: Predictor, stimulus: Stimulus, plan: Plan, path: Path) -> _Part:
    tally = _Tally(None, [], set())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    digests: dict[str, str] = {}
    try:
        for frame, data in prefetch_items(_images(model, stimulus, plan, tally)):
            name = f"{frame:06d}.png"
            (temporary / name).write_bytes(data)
            digests[name] = sha256(data).hexdigest()
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sums = {f"{FOLDER}/{path.name}/{name}": digest for name, digest in digests.items()}
    return tally.part(stimulus.id, folder_digest(digests), sums)


def _images(model: Predictor, stimulus: Stimulus, plan: Plan, tally: _Tally) -> Any:
    from PIL import Image

    for frame, numbers in _numbers(model, stimulus, plan, tally):
        assert not isinstance(numbers, tuple)
        file = BytesIO()
        Image.fromarray(numbers).save(file, "PNG", compress_level=_PNG_LEVEL)
        yield frame, file.getvalue()


def _manifest(
    parts: list[_Part],
    info: ModelInfo,
    model: ModelPart,
    data: Release,
    plan: Plan,
    key: str,
    left_out: tuple[str, ...],
) -> Manifest:
    kinds = {part.kind for part in parts if part.kind is not None}
    if len(kinds) > 1:
        raise BadData(f"{info.name}: predictions of several kinds, {', '.join(sorted(kinds))}; a submission has one")
    kind: Any = kinds.pop() if kinds else info.output
    sizes = {shape for part in parts for shape in part.shapes}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    said = encoding(kind, plan.files) if kind != "point" else manifests.Encoding(files="npz")
    return Manifest(
        release=manifests.ReleaseRef(id=data.id, digest=data.digest, dataset=str(data.record["dataset"])),
        split=data.split or "all",
        model=model,
        prediction=manifests.PredictionPart(
            kind=kind,
            encoding=said,
            size=None if size is None else (size[1], size[0]),
            first_frame=0,
            missing=info.missing,
            as_published=plan.as_published,
            fit=info.fit,
        ),
        coverage=manifests.CoveragePart(predicted=len(parts), left_out=left_out),
        files=tuple(
            manifests.FilePart(
                stimulus=part.stimulus,
                frames=part.frames,
                shape=part.shapes[0] if len(part.shapes) == 1 else None,
                sha256=part.sha256,
            )
            for part in parts
        ),
        tool=_tool(plan),
        input_digest=key,
    )
