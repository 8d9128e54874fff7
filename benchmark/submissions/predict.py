"""`vidsal.predict`: store what a model predicts, to be scored later or elsewhere.

    submission.json
    SHA256SUMS
    predictions/<stimulus_id>.npz     or     predictions/<stimulus_id>/<frame, six digits, from 0>.png

With the default encoding, the scores of what was stored equal those of the model to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.progress import Note, Progress
from vidsal.loaders.io.workers import Processes
from vidsal.loaders.release.release import Release

from ..evaluation.pool import Maker, Model, default_threads
from ..evaluation.run import ModelRecord
from .encoding import files
from .manifest import Manifest
from .stimulus_writer import Plan, published_map
from .writer import maker_of, write


@dataclass(frozen=True)
class Submission:
    """Stored predictions.

    Attributes:
        folder: where they are.
        manifest: the content of submission.json.
    """

    folder: Path
    manifest: Manifest


def predict(
    model: Model | None,
    data: Release,
    out: str | Path,
    *,
    encoding: str = "npz",
    as_published: bool = False,
    with_frames_only: bool = False,
    limit: int | None = None,
    fresh: bool = False,
    workers: int = 1,
    make: Maker | None = None,
    record: ModelRecord | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
    children: Processes | None = None,
    fail_fast: bool = True,
) -> Submission:
    """Store what a model predicts for every stimulus of a split whose frames are present.

    A call that was killed resumes where it stopped; a finished one returns at once.

    Args:
        model: any object that follows the predictor protocol; None = `make` makes it in `children` only.
        data: from `vidsal.load`; its split is predicted, stimuli without gaze included.
        out: folder to write; new, empty, or begun by the same call.
        encoding: `npz` keeps the numbers as they are; `npz16`, `png8`, `png16` are smaller and round.
        as_published: write the 8-bit maps that the model's authors would have written.
        with_frames_only: only stimuli whose frames are present, even if the model never looks at them.
        limit: predict at most this number of stimuli.
        fresh: replace what an earlier call left in `out`.
        workers: number of processes; the files do not depend on it. More than one needs `make`.
        make: makes the model in each process; picklable for more than one.
        record: what the manifest says of the model; by default its own declaration.
        threads: torch threads in each process; None = half of the cores.
        progress: called with (done, total, stimulus id) after each stimulus.
        note: called with what is unusual but not a fault.
        children, fail_fast: see `evaluation.pool.Execution`.

    Raises:
        MissingData: no frames. WrongUse: `out` holds something else, or the model cannot be stored this way.
        BadData: the model broke the protocol, or gave a map that is not finite.
    """
    predicts, make, record = maker_of(model, make, record)
    name = files(encoding)
    if as_published:
        if name not in ("npz", "png8"):
            raise WrongUse(f"encoding {encoding} was asked for; published maps are 8-bit PNG files")
        if predicts is not None:
            published_map(predicts)
        name = "png8"
    plan = Plan(Path(out), name, as_published, with_frames_only, limit, threads or default_threads())
    manifest = write(
        make,
        record,
        data,
        plan,
        workers=workers,
        fresh=fresh,
        progress=progress,
        note=note,
        children=children,
        fail_fast=fail_fast,
    )
    return Submission(plan.out, manifest)
