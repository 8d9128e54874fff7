"""Any video, image, folder of frames or arrays through a model: its maps as pictures, without a release.

    OUT/<name>/<frame, six digits, from 0>.png      its maps; OUT/<name>.npz where they are arrays or positions
    OUT/<name>.json                                 what they are, of what, by which model, with their digests

A call that was killed goes on where it stopped: an input is finished when its record is there and the files are those
of the record.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import canonical, sha256_text
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.io.progress import Note, Progress
from vidsal.loaders.io.workers import Processes

from ..evaluation.pool import Job, Maker, Model, default_threads, work
from ..evaluation.run import ModelRecord
from ..evaluation.stimulus import gap, info_of
from ..evaluation.suspicious import Looks
from ..predictor import Prediction, Predictor
from ..scoring.center_prior import center_prior_density
from ..submissions.encoding import files
from ..submissions.held import held
from ..submissions.stimulus_writer import (
    Plan,
    image_bytes,
    in_order,
    predictor,
    published_map,
    store_images,
    store_npz,
    warn,
    write_images,
)
from ..submissions.writer import maker_of, tool_versions
from .arrays import footage_of
from .base import Footage
from .find import check_names, find
from .overlay import check_place, write_overlays
from .records import Record, prediction_part, read_record
from .servers import SERVERS, Server, check as check_server, server as server_of, server_map


@dataclass(frozen=True)
class Maps:
    """What was written.

    Attributes:
        folder: where the maps are.
        places: of each input its folder or file, by its name.
        frames: number of frames of each input.
        kind: of the stored maps; `point` for gaze positions.
    """

    folder: Path
    places: Mapping[str, Path]
    frames: Mapping[str, int]
    kind: str


def predict_footage(
    model: Model | None,
    data: str | Path | Iterable[Any],
    out: str | Path,
    *,
    encoding: str | None = None,
    as_published: bool = False,
    for_server: str | None = None,
    overlay: str | Path | None = None,
    fps: float | Fraction | None = None,
    photos: bool = False,
    name: str = "frames",
    fresh: bool = False,
    workers: int = 1,
    make: Maker | None = None,
    record: ModelRecord | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
    children: Processes | None = None,
    fail_fast: bool = True,
) -> Maps:
    """Write what a model predicts for videos, images, folders of frames, folders of these, or frames in memory.

    A call that was killed resumes where it stopped; a finished one returns at once. Other inputs may be added to the
    folder later.

    Args:
        model: any object that follows the predictor protocol; None = `make` makes it in `children` only.
        data: a path, several, or frames in memory; see `find.find` and `arrays.footage_of`.
        out: folder to write.
        encoding: of the maps, see `submissions/encoding.py`; None = `png8`, and `npz` for gaze positions.
        as_published: write the 8-bit maps that the model's authors would have written.
        for_server: write maps of a test set as its server takes them, `dhf1k`, `mit300` or `salicon`.
        overlay: also show the maps over the frames: a video (.mp4) or picture (.png) of one input, or a folder for all.
        fps: frames a second of folders of images and of frames in memory.
        photos: take every image of a folder for itself, instead of all as one video.
        name: names the maps of frames in memory.
        fresh: replace the maps that an earlier call left of the same inputs.
        workers: number of processes; the files do not depend on it. More than one needs `make`.
        make, record, threads, progress, note, children, fail_fast: see `submissions.predict.predict`.

    Raises:
        MissingData: no such file. BadData: it is no video or image, the model broke the protocol, or a video is
            damaged: the maps of what the decoder made of it are kept.
        WrongUse: two inputs have one name, `out` holds something else in their place, or the model needs a release.
    """
    predicts, make, record = maker_of(model, make, record)
    plan = _plan(Path(out), predicts, record, encoding, as_published, for_server, threads)
    rate = None if fps is None else Fraction(fps).limit_denominator(100_000)
    if rate is not None and rate <= 0:
        raise WrongUse(f"fps is {fps}; it is above 0")
    footage = _footage(data, name, rate, photos=photos, note=note)
    if for_server and (left := check_server(for_server, footage)) and note:
        note(f"not in the test set of {for_server}: {shortlist(left)}")
    if overlay is not None:
        check_place(Path(overlay), footage, plan, for_server)
    jobs = _jobs(footage, make, record, plan, for_server)
    check_names((job.target.name, f.where) for job, f in zip(jobs, footage, strict=True))
    with held(plan.out) as unfinished:
        _claim(jobs, fresh=fresh)
        work(
            jobs,
            {f.id: f for f in footage},
            workers=workers,
            progress=progress,
            note=note,
            children=children,
            fail_fast=fail_fast,
        )
        records = [job.record() for job in jobs]
        for begun in plan.out.glob(".*.json.*.tmp"):  # of a call that was killed
            begun.unlink()
        shutil.rmtree(unfinished)
    odd = ((f.id, r.suspicious) for f, r in zip(footage, records, strict=True))
    warn(odd, encoded=plan.encodes and not for_server, note=note)
    kinds = {r.prediction.kind for r in records}
    if overlay is not None:
        write_overlays(Path(overlay), footage, records, plan.out, progress)
    places = {job.stimulus_id: job.target for job in jobs}
    _check_whole(footage, places)
    return Maps(plan.out, places, {f.id: f.n_frames for f in footage}, kinds.pop() if len(kinds) == 1 else "mixed")


def _check_whole(footage: list[Footage], places: Mapping[str, Path]) -> None:
    """Say which videos have frames that could not be decoded as they were stored, once all maps are there.

    Raises:
        BadData: one or more have.
    """
    damaged = [
        f"{f.where}: {f.damage}; the maps of what could be decoded, frames 0 to {f.n_frames - 1}, are in {places[f.id]}"
        for f in footage
        if f.damage
    ]
    if damaged:
        raise BadData(f"{'. '.join(damaged)}. Fetch what is damaged again, and predict it anew")


def _plan(
    out: Path,
    model: Predictor | None,
    record: ModelRecord,
    encoding: str | None,
    as_published: bool,
    for_server: str | None,
    threads: int | None,
) -> Plan:
    """Settle how the maps are stored.

    Raises:
        WrongUse: what was asked for contradicts itself, or the model cannot be stored so.
    """
    points = record.info.output == "point"
    if out.exists() and not out.is_dir():
        raise WrongUse(f"{out}: a file has this name; name another folder")
    if (as_published or for_server) and encoding not in (None, "png8"):
        raise WrongUse(f"encoding {encoding} was asked for; these maps are 8-bit pictures")
    if points and (as_published or for_server):
        raise WrongUse(f"{record.info.name} predicts gaze positions; there are no maps of it to write")
    if as_published and model is not None:
        published_map(model)
    if for_server:
        server_of(for_server)
    name = files(encoding or ("npz" if points else "png8"))
    return Plan(out, name, as_published, threads=threads or default_threads())


def _footage(
    data: str | Path | Iterable[Any], name: str, fps: Fraction | None, *, photos: bool, note: Note | None
) -> list[Footage]:
    if isinstance(data, (str, Path)):
        return find([data], fps=fps, photos=photos, note=note)
    if isinstance(data, (list, tuple)) and data and all(isinstance(item, (str, Path)) for item in data):
        return find(data, fps=fps, photos=photos, note=note)
    if not name or name != Path(name).name or name.startswith("."):
        raise WrongUse(f"name {name!r} cannot be the name of a folder")
    return [footage_of(data, name, fps)]


def _jobs(footage: list[Footage], make: Maker, model: ModelRecord, plan: Plan, for_server: str | None) -> list[_Job]:
    asked = {
        "tool": tool_versions(plan),
        "model": model.card().model_dump(mode="json", exclude={"submission"}),
        "encoding": plan.files,
        "as_published": plan.as_published,
        "for": for_server,
    }
    every = {f.id: f for f in footage}
    jobs = []
    for each in footage:
        shown = {"name": each.id, "digest": each.digest, "fps": str(each.fps)}
        key = sha256_text(canonical({**asked, "input": shown}))
        jobs.append(
            _Job(
                make,
                str(plan.out),
                None,
                None,
                each.id,
                plan.out / ".partial",
                plan.threads,
                model.info.name,
                plan=plan,
                model=model,
                footage=every,
                key=key,
                for_server=for_server,
            )
        )
    return jobs


def _claim(jobs: Iterable[_Job], *, fresh: bool) -> None:
    """Refuse to write where something else lies; `fresh` removes what earlier calls left.

    Raises:
        WrongUse: something lies there.
    """
    for job in jobs:
        found = read_record(job.note)
        if found is None and job.target.exists():
            raise WrongUse(
                f"{job.target}: is there already, and no record says that it is unfinished work of this command; name "
                "another folder, or remove it"
            )
        if found is None or found.key == job.key:
            continue
        if not fresh:
            raise WrongUse(
                f"{job.target}: holds maps by {found.model.name}, or by other settings or of another input; name "
                "another folder, or replace them with --fresh"
            )
        job.note.unlink()
        _remove(job.target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Job(Job):
    """One input to predict and store."""

    plan: Plan
    model: ModelRecord
    footage: Mapping[str, Footage]
    key: str
    for_server: str | None

    @property
    def server(self) -> Server | None:
        return None if self.for_server is None else SERVERS[self.for_server]

    @property
    def target(self) -> Path:
        """Where the maps go: a folder, or a file."""
        if self.server:
            return self.plan.out / self.server.place(self.stimulus_id)
        arrays = self.plan.files in ("npz", "npz16")
        return self.plan.out / (f"{self.stimulus_id}.npz" if arrays else self.stimulus_id)

    @property
    def note(self) -> Path:
        """The record; among unfinished work where a server would not want it beside the maps."""
        if self.server:
            return self.folder / f"{self.key[:24]}.json"
        return self.plan.out / f"{self.stimulus_id}.json"

    def open(self) -> Mapping[str, Footage]:
        return self.footage

    def done(self) -> bool:
        found = read_record(self.note)
        return found is not None and found.key == self.key and found.whole(self.plan.out)

    def left(self) -> bool:
        return self.note.exists() and self.target.exists()

    def record(self) -> Record:
        """Return the record of the finished work.

        Raises:
            MissingData: it is gone.
        """
        found = read_record(self.note)
        if found is None:
            raise MissingData(f"{self.note}: gone since it was written; start the same command again")
        return found

    def do(self, model: Model, data: Mapping[str, Footage]) -> None:
        shown, predicts, place = data[self.stimulus_id], predictor(model), self.target.name
        made = self.result("")
        _remove(made)
        looks = Looks()
        if self.server:
            sums = _store_for(self.server, predicts, shown, made, looks)
            place = self.target.name
            sums = {f"{place}/{name}" if self.server.folder else name: digest for name, digest in sums.items()}
            prediction, odd = prediction_part(predicts.info, "saliency", self.plan), looks.suspicious()
        else:
            store = store_images if self.plan.files in ("png8", "png16") else store_npz
            part = store(predicts, shown, self.plan, made, place)
            sums, odd = part.sums, list(part.suspicious)
            prediction = prediction_part(predicts.info, part.kind, self.plan)
        if self.server and not self.server.folder:  # one file
            made = made / place
        Record.of(self.key, self.model, shown, prediction, sums, odd).save(self.note)
        _remove(self.target)
        os.replace(made, self.target)


def _store_for(server: Server, model: Predictor, shown: Footage, path: Path, looks: Looks) -> dict[str, str]:
    """Write the maps of a stimulus of a test set, and look at some; every frame has one."""
    published: Any = getattr(model, "published_map", None)
    info, missing = info_of(shown), model.info.missing

    def named(frame: int, prediction: Prediction) -> tuple[str, bytes]:
        numbers = server_map(prediction, info, model.info.fit, published if callable(published) else None)
        looks.look(numbers)
        return server.file(shown.id, frame), image_bytes(numbers, server.image)

    def absent(frame: int, first: Prediction | None) -> tuple[str, bytes]:
        if missing == "center-bias":
            density = center_prior_density(shown.height, shown.width)
            numbers = server_map(Prediction(frame, density, "density"), info, None, None)
            return server.file(shown.id, frame), image_bytes(numbers, server.image)
        if missing == "first-available" and first is not None:
            return named(frame, first)
        fault = gap(model.info, shown, frame)
        raise type(fault)(f"{fault}. A server wants every frame")

    def images() -> Generator[tuple[str, bytes]]:
        expected = 0
        for prediction in in_order(model, shown):
            if prediction.xy is not None:
                raise WrongUse(f"{model.info.name} predicts gaze positions; there are no maps of it to write")
            for frame in range(expected, prediction.frame):
                yield absent(frame, prediction)
            yield named(prediction.frame, prediction)
            expected = prediction.frame + 1
        for frame in range(expected, shown.n_frames):
            yield absent(frame, None)

    return write_images(path, images())
