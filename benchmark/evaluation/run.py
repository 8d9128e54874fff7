"""The run: a predictor over a release, scored as it predicts.

Work is a list of stimuli. Each one's rows are written once, atomically, to `<out>/.partial/<input digest>/`; a killed
run resumes there and ends equal to an unbroken one. The same code runs in this process or in a pool.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vidsal._version import __version__
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import canonical, lock_folder, parse_json, read_sealed, sealed_write, sha256_text
from vidsal.loaders.io.progress import Progress
from vidsal.loaders.io.workers import Processes
from vidsal.loaders.release.release import Release, Stimulus

from .. import protocols
from ..human import HumanReference
from ..metrics.gaze_path import GAZE_1, METRICS as GAZE_METRICS
from ..scoring import truth_cache
from ..scoring.kept_truth import Keeper, Room, room
from ..scoring.kernels.available import kernels
from ..scoring.truth_file import StimulusTruth
from ..statistics import seed_of
from .coverage import cover, expected_elsewhere
from .human_stimulus import score_humans
from .pool import Execution, Job, Maker, Model as Model, limit_torch, versions, work
from .previews.collector import PreviewCollector, RankedBy, Show, packed, unpacked
from .previews.licence import allows_frames
from .previews.record import Part, Previews, joined
from .results.aggregate import Summary, summarize
from .results.intervals import with_intervals
from .results.schema import CoverageRecord
from .results.scored_frames import by_frame
from .results.store import Run, make_record, now, rows_digest, stimuli_digest, try_place
from .settings import (
    ModelRecord as ModelRecord,
    ScoreOn as ScoreOn,
    Settings as Settings,
    with_frames_of as with_frames_of,
    with_threads as with_threads,
)
from .split_negatives import SplitNegatives, split_negatives
from .stimulus import DEVICES_KEY, GAZE_KEY, LOOKS_KEY, SCORED, FrameScorer, frames_schema, score_stimulus
from .suspicious import suspicious

ENGINE = "1"
_PACKAGES = ("numpy", "scipy", "torch", "av")  # whose versions move a number


def evaluate(
    model: Model,
    data: Release,
    protocol: str | protocols.Protocol = "exact-1",
    *,
    recipe: str | None = None,
    with_frames_only: bool = False,
    limit: int | None = None,
    score_on: ScoreOn = "host",
    frames_of: str | Path | None = None,
    show: Show = "maps",
    progress: Progress | None = None,
) -> Run:
    """Score a predictor as it predicts; nothing is written.

    Args:
        model: any object that follows the predictor protocol, or a human reference.
        data: from `vidsal.load`; its split is the one that is scored.
        protocol: name or declaration.
        recipe: truth recipe of the release; None = its default one.
        with_frames_only: cover only stimuli whose frames are here.
        limit: at most so many stimuli.
        score_on: `host`, or `device`: predictions are scored in batches on the device where they are; the scores are
            equal to 1e-6. Not for every protocol.
        frames_of: score only the frames that this run scored (its folder), or that a file lists; see `select_frames`.
        show: what is kept to look at: `nothing`; `maps`, small ones of some frames of each stimulus, with their truth;
            `frames`, the video's own with them, where the release's licence allows it.
        progress: called with (done, total, stimulus id) after each stimulus.

    Returns:
        The run; `run.summary()`, `run.stimuli`, `run.frames`, `run.save("results/")`.

    Raises:
        MissingData: no annotated stimulus, or no frames.
        BadData: the model broke the protocol, or gave a map that is not finite.
    """
    described = ModelRecord.of(model)
    settings = Settings(protocols.protocol(protocol), recipe, with_frames_only, limit, score_on=score_on, show=show)
    settings = with_frames_of(settings, frames_of)
    with TemporaryDirectory(prefix="vidsal-") as partial:
        return run(lambda: model, described, data, settings, partial=Path(partial), progress=progress)


def run(
    make: Maker,
    model: ModelRecord,
    data: Release,
    settings: Settings,
    *,
    partial: Path,
    fresh: bool = False,
    results: Path | None = None,
    approve: Callable[[Run], None] | None = None,
    **execution: Unpack[Execution],
) -> Run:
    """Score a model on a release.

    Args:
        make: makes the model; called once in each process.
        model: what the result says of it.
        data: the release and split.
        settings: what was asked for.
        partial: folder of unfinished work; what lies there under the same input digest is not done again.
        fresh: forget unfinished work of the same input.
        results: folder in which the run is saved, before the unfinished work is forgotten; that it can be is tried
            before the work. None = it is not saved.
        approve: called with the run before it is saved; what it raises leaves the work to be gone on from.
        execution: see `Execution`.

    Raises:
        MissingData, BadData, WrongUse: see `evaluate`; WrongUse if no run can be saved in `results`.
    """
    begun = time.monotonic()
    if results is not None:
        try_place(results, data.id, data.split or "all", settings.protocol.name, model.info.name)
    data.check("fixations")
    if settings.score_on == "device":
        _check_device(model, settings.protocol)
    coverage, chosen = cover(
        data,
        needs_frames=model.info.needs_frames,
        with_frames_only=settings.with_frames_only,
        limit=settings.limit,
        predicted=settings.predicted,
        frames_of=settings.frames_of,
    )
    if settings.show == "frames":
        _check_frames(data, chosen)
    key = _input_digest(model, data, settings, coverage)
    folder = partial / key[:24]
    with lock_folder(folder):
        for left in [p for p in folder.iterdir() if fresh and p.suffix in (".parquet", ".npz", ".json", ".sha256")]:
            left.unlink()
        annotated = [s for s in data if s.annotated]
        for shape in sorted({(s.height, s.width) for s in chosen}):
            _store_negatives(folder, annotated, shape, settings)
        plain = replace(settings, frames_of=None, predicted=None)  # each job has its own part of it
        kept = _room_for_truth(chosen, data, settings, execution.get("children"))
        bytes_of = kept.bytes_of if kept else {}
        jobs = [
            replace(
                job,
                only=settings.only(job.stimulus_id),
                keep_bytes=bytes_of.get(job.stimulus_id),
            )
            for job in _Job.each(chosen, data, make, folder, settings.threads, model.info.name, settings=plain)
        ]
        try:
            work(jobs, data, **execution)
        finally:
            _negatives.cache_clear()
        if kept:
            kept.say(execution.get("note"), data)
        schema = frames_schema(settings.protocol.labels)
        tables = [job.table() for job in jobs]
        rows = pa.concat_tables([table.cast(schema) for table in tables])
        notes = {job.stimulus_id: table.schema.metadata or {} for job, table in zip(jobs, tables, strict=True)}
        previews = _previews(jobs, settings)
        made = _finish(rows, notes, model, data, settings, coverage, key, previews, time.monotonic() - begun)
        if approve:
            approve(made)
        if results is not None:
            made = made.save(results, newest=True)
        shutil.rmtree(folder)
    if results is not None:
        with suppress(OSError):
            partial.rmdir()  # unless other unfinished work lies there
    return made


def _check_device(model: ModelRecord, protocol: protocols.Protocol) -> None:
    """Refuse what the batch engine cannot score.

    Raises:
        WrongUse: a protocol that it does not know, or a human reference.
    """
    from ..scoring.device.batch import check_covered

    check_covered(protocol)
    if model.kind == "human":
        raise WrongUse(f"{model.info.name} predicts nothing that lies on a device; score on the host")


def _check_frames(data: Release, chosen: Iterable[Stimulus]) -> None:
    """Refuse to show frames that nobody may show, or that are not here.

    Raises:
        WrongUse: the licence; MissingData: a stimulus without frames.
    """
    licence = str(data.record.get("licence", ""))
    if not allows_frames(licence):
        raise WrongUse(
            f"{data.id}: its frames are not shown, because its licence is {licence!r}; CC0, public domain, CC BY and "
            "CC BY-SA let anybody show them. Leave --with-frames out: maps and gaze are shown without"
        )
    missing = [s.id for s in chosen if s.frames_path() is None]
    if missing:
        raise MissingData(f"{data.frames_hint(missing)}; or leave --with-frames out")


def _previews(jobs: Iterable[_Job], settings: Settings) -> Previews | None:
    """Join what the jobs kept to look at."""
    if settings.show == "nothing":
        return None
    parts = {job.stimulus_id: part for job in jobs if (part := job.part()) is not None}
    by = RankedBy.of(settings.protocol)
    return joined(parts, by.label, higher_is_better=by.higher_is_better)


def _gaze_of(notes: Mapping[bytes, bytes]) -> dict[str, float | None]:
    """Scores of predicted positions as positions, where a model predicts them."""
    text = notes.get(GAZE_KEY)
    return {} if text is None else dict(parse_json(text))


def _suspicious(
    rows: pa.Table, notes: Iterable[Mapping[bytes, bytes]], summary: Summary, model: ModelRecord
) -> list[str]:
    """What looks wrong about the maps."""
    looks = [parse_json(n[LOOKS_KEY]) for n in notes if LOOKS_KEY in n]
    scored = rows.filter(pc.equal(rows["status"], SCORED))
    means = {label: metric.mean for label, metric in summary.metrics.items()}
    return suspicious(looks, means, scored["reason"].to_pylist(), model.kind)


def _gaze_record(gaze: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any] | None:
    """Aggregate the scores of positions: the mean over stimuli of each; None where no position was predicted."""
    if not any(gaze.values()):
        return None
    means = {}
    for name in GAZE_METRICS:
        values = [v for scores in gaze.values() if (v := scores.get(name)) is not None]
        means[name] = sum(values) / len(values) if values else None
    return {"protocol": asdict(GAZE_1), "mean": means, "stimuli": dict(gaze)}


@dataclass(frozen=True)
class _Job(Job):
    """One stimulus to score, or some frames of it; its truth may be kept in so many bytes."""

    settings: Settings
    only: frozenset[int] | None = None
    keep_bytes: int | None = None

    @property
    def rows(self) -> Path:
        return self.result(".parquet")

    @property
    def shown(self) -> Path | None:
        """Where its previews lie; None where there are none."""
        return None if self.settings.show == "nothing" else self.result(f".{self.settings.show}.json")

    @property
    def results(self) -> list[Path]:
        return [self.rows, *([self.shown] if self.shown else [])]

    def done(self) -> bool:
        return all(read_sealed(path) is not None for path in self.results)

    def left(self) -> bool:
        return any(path.exists() and read_sealed(path) is None for path in self.results)

    def part(self) -> Part | None:
        """Return the previews, as they were written.

        Raises:
            BadData: they were damaged since.
        """
        content = None if self.shown is None else read_sealed(self.shown)
        if content is None:
            raise BadData(f"{self.shown}: damaged on the disk since it was written; start the same command again")
        return unpacked(content)

    def table(self) -> pa.Table:
        """Return the rows, as they were written.

        Raises:
            BadData: they were damaged since.
        """
        content = read_sealed(self.rows)
        if content is None:
            raise BadData(f"{self.rows}: damaged on the disk since it was written; start the same command again")
        return pq.read_table(pa.BufferReader(content), use_threads=False)

    def prepare(self, data: Release) -> None:
        stimulus = data[self.stimulus_id]
        _store_negatives(
            self.folder, [s for s in data if s.annotated], (stimulus.height, stimulus.width), self.settings
        )

    def do(self, model: Model, data: Release) -> None:
        stimulus = data[self.stimulus_id]
        negatives = _negatives(self.folder, (stimulus.height, stimulus.width))
        stored = _stored(stimulus, data, self.settings)
        protocol, show = self.settings.protocol, self.settings.show
        previews = None if show == "nothing" else PreviewCollector(stimulus, protocol, frames=show == "frames")
        keeper = None
        if self.keep_bytes and stored is None:
            keeper = Keeper(_truths(data, self.settings), stimulus, self.keep_bytes)
        scorer = FrameScorer(protocol, self.settings.recipe, negatives, stored, self.only, previews, keeper)
        if isinstance(model, HumanReference):
            table = score_humans(model, stimulus, scorer)
        elif self.settings.score_on == "device":
            from .batches import score_in_batches

            limit_torch(self.threads)  # it may have been imported just now
            table = score_in_batches(model, stimulus, scorer)
        else:
            table = score_stimulus(model, stimulus, scorer)
        if previews and self.shown:
            with sealed_write(self.shown) as temporary:
                temporary.write_text(packed(previews.part()), encoding="utf-8")
        with sealed_write(self.rows) as temporary:
            pq.write_table(table, temporary, compression="lz4")
        if keeper:
            keeper.finish()


def _room_for_truth(
    chosen: Iterable[Stimulus], data: Release, settings: Settings, children: Processes | None
) -> Room | None:
    """Where truth is kept on the way; None where it is not: other machines have disks of their own."""
    if not settings.keep_truth or settings.frames_of is not None or (children and children.away):
        return None
    return room(_truths(data, settings), chosen)


def _truths(data: Release, settings: Settings) -> truth_cache.TruthCache:
    root = settings.truth_cache if settings.truth_cache != "auto" else None
    return truth_cache.find(data, settings.protocol, settings.recipe, root)


def _stored(stimulus: Stimulus, data: Release, settings: Settings) -> StimulusTruth | None:
    """The precomputed truths of a stimulus, if any."""
    if settings.truth_cache is None:
        return None
    return _truths(data, settings).open(stimulus)


def _numba() -> str:
    """The version of the compiler that made the kernels; `none` where the definitions score."""
    return versions("numba").get("numba", "none") if kernels() else "none"


def _input_digest(model: ModelRecord, data: Release, settings: Settings, coverage: CoverageRecord) -> str:
    content = {
        "engine": [ENGINE, __version__],
        "release": data.digest,
        "split": data.split or "all",
        "protocol": settings.protocol.digest,
        "recipe": settings.recipe or data.default_truth,
        "model": model.card().model_dump(mode="json"),
        "scored": list(coverage.scored),
        "threads": settings.threads,
        **({} if settings.score_on == "host" else {"score_on": settings.score_on}),
        "kernels": _numba(),  # other ones may give other last bits
        **({} if settings.frames_of is None else {"frames_of": settings.frames_of.digest}),
    }
    return sha256_text(canonical(content))


def _negatives_file(folder: Path, shape: tuple[int, ...]) -> Path:
    return folder / f"negatives-{shape[1]}x{shape[0]}.npz"


def _store_negatives(folder: Path, annotated: list[Stimulus], shape: tuple[int, int], settings: Settings) -> None:
    path = _negatives_file(folder, shape)
    if read_sealed(path) is None:
        found = split_negatives(annotated, shape, settings.protocol)
        with sealed_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, total=found.total, others=found.others, reason=found.reason)


@lru_cache(maxsize=1)
def _negatives(folder: Path, shape: tuple[int, int]) -> SplitNegatives:
    path = _negatives_file(folder, shape)
    content = read_sealed(path)
    if content is None:
        raise BadData(f"{path}: damaged on the disk since it was written; start the same command again")
    with np.load(BytesIO(content), allow_pickle=False) as data:
        return SplitNegatives(data["total"], bool(data["others"]), str(data["reason"]))


def _finish(
    rows: pa.Table,
    notes: Mapping[str, Mapping[bytes, bytes]],
    model: ModelRecord,
    data: Release,
    settings: Settings,
    coverage: CoverageRecord,
    key: str,
    previews: Previews | None,
    seconds: float,
) -> Run:
    protocol = settings.protocol
    summary = summarize(rows, protocol.metrics, protocol.average)
    recipe = settings.recipe or data.default_truth
    stimuli = _stimulus_table(summary.stimuli, data)
    covered = by_frame(coverage, rows, expected_elsewhere(data, coverage.scored))
    metrics = with_intervals(summary.metrics, stimuli.to_pandas(), seed_of(str(covered.frames_digest)))
    record = make_record(
        {
            "release": {k: data.record[j] for k, j in _RELEASE.items()},
            "split": data.split or "all",
            "protocol": {**protocol.to_dict(), "digest": protocol.digest},
            "model": model.card().model_dump(),
            "truth": {"recipe": recipe, **data.truth_parameters(recipe), "points": model.points},
            "coverage": covered.model_dump(),
            "counts": summary.counts.model_dump(),
            "metrics": {label: metric.model_dump() for label, metric in metrics.items()},
            "suspicious": _suspicious(rows, notes.values(), summary, model),
            "gaze_points": _gaze_record({stimulus_id: _gaze_of(n) for stimulus_id, n in notes.items()}),
            "input_digest": key,
            "rows_digest": rows_digest(rows),
            "stimuli_digest": stimuli_digest(stimuli),
            "engine": {
                "vidsal": __version__,
                "engine": ENGINE,
                "threads": settings.threads,
                **_place(settings, notes.values()),
                "python": platform.python_version(),
                "numba": _numba(),
                **versions(*_PACKAGES),
            },
            "command": model.command,
            "previews_digest": previews and previews.digest,
            "time": now(),
            "duration_s": round(seconds, 3),
        }
    )
    return Run(record, rows, stimuli, previews=previews)


def _stimulus_table(means: pd.DataFrame, data: Release) -> pa.Table:
    """Return stimuli.parquet: the means of each stimulus, its group and its attributes."""
    known = {s.id: s.row for s in data}
    table = means.copy()
    table["group_id"] = [known[i]["group_id"] for i in means["stimulus_id"]]
    table["attributes"] = [list(known[i]["attributes"]) for i in means["stimulus_id"]]
    return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)


_RELEASE = {"id": "release", "digest": "digest", "dataset": "dataset", "variant": "variant", "title": "title"}


def _place(settings: Settings, notes: Iterable[Mapping[bytes, bytes]]) -> dict[str, str]:
    """Where predictions were scored, and for batches by which kinds of devices."""
    if settings.score_on == "host":
        return {"score_on": "host"}
    devices = {device for n in notes for device in n.get(DEVICES_KEY, b"").decode().split()}
    return {"score_on": "device", "scored_by": " ".join(["torch", *sorted(devices)])}
