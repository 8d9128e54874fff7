"""BIDS 1.11, eye tracking: one subject an observer, one run a stimulus (and trial), behaviour without imaging.

    dataset_description.json  README.md  participants.tsv  participants.json
    sourcedata/runs.tsv  runs.json                                which stimulus a run shows
    task-viewing_events.json                                  the display, and the columns of events.tsv
    sub-<observer>/beh/sub-<observer>_task-viewing_run-001_
        events.tsv                                                the stimulus; where there are no samples the fixations
        recording-eye1_physio.tsv.gz  .json                       the samples: timestamp x_coordinate y_coordinate ...
        recording-eye1_physioevents.tsv.gz  .json                 fixations, saccades, pursuit, where they are labelled

Onsets in events.tsv count in seconds from the first frame; timestamps in microseconds from the first frame. A run has
the same number for all observers. Positions are pixels of the screen where the source has them and the display is
known (`gaze-on-screen`), else pixels of the stimulus (`custom`). BIDS wants the recorded eye: where the source does
not say, the file has `cyclopean` and a note beside it that the eye is unknown. The stimuli are not copied.

Source: the specification, `physiological-recordings.md` and the schema of version 1.11.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import WrongUse
from ..io.files import write_json
from ..io.progress import Progress
from ..records import Float64Array, Screen
from ..release.release import Release, Stimulus
from . import Options
from .bids_sidecars import EVENTS, PARTICIPANTS, RUNS, TASK, description, physio, physioevents, presentation, readme
from .sample_streams import SampleStream, by_stimulus

TITLE = "BIDS 1.11 eye tracking: physio.tsv.gz, events, sidecars"
OPTIONS: frozenset[str] = frozenset()

_Cell = str | int | float | None


@dataclass
class _Tally:
    """What is found out on the way."""

    subjects: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    recordings: int = 0
    without_samples: int = 0
    pooled: int = 0
    timeless: int = 0
    eye_unknown: bool = False
    custom: bool = False


def write(release: Release, out: Path, options: Options, step: Progress) -> list[str]:
    """Write the data set; see `Exporter.write`."""
    tally = _Tally()
    digits = max(3, len(str(len(release))))
    runs: list[Sequence[_Cell]] = []
    for number, (stimulus, fixations, samples) in enumerate(by_stimulus(release), 1):
        own = _by_trial(fixations, samples)
        trials = sorted({rank for _, rank in own}) or [0]
        for rank in trials:
            runs.append(
                (
                    tally.runs + rank + 1,
                    stimulus.id,
                    stimulus.split,
                    stimulus.kind,
                    stimulus.width,
                    stimulus.height,
                    stimulus.n_frames,
                    _seconds(stimulus),
                )
            )
        for (observer, rank), (rows, recording) in own.items():
            subject = _subject(observer, tally.subjects)
            run = f"sub-{subject}_task-{TASK}_run-{tally.runs + rank + 1:0{digits}d}"
            _write_run(out / f"sub-{subject}" / "beh" / run, stimulus, rows, recording, tally)
        tally.pooled += int(pc.sum(pc.is_null(fixations["observer_id"])).as_py() or 0)
        tally.runs += len(trials)
        step(number, len(release), stimulus.id)
    if not tally.recordings and not tally.without_samples:
        why = "its observers are pooled" if tally.pooled else "its gaze has no times"
        raise WrongUse(
            f"{release.id}: {why}, and BIDS knows subjects and times only; `--to csv` and `--to dhf1k` hold it"
        )
    _write_root(release, out, runs, tally)
    return _notes(tally)


def _by_trial(
    fixations: pa.Table, samples: list[SampleStream]
) -> dict[tuple[str, int], tuple[pa.Table, SampleStream | None]]:
    """Group what belongs to one observer and trial; trials are ranked within the observer."""
    known = fixations.filter(pc.is_valid(fixations["observer_id"]))
    pairs = {(r.observer, r.trial or ""): r for r in samples}
    observer = np.array(known["observer_id"].cast(pa.string()).to_pylist(), object)
    trial = np.array([t or "" for t in known["trial_id"].to_pylist()], object)
    keys = sorted({*pairs, *zip(observer.tolist(), trial.tolist(), strict=True)})
    found: dict[tuple[str, int], tuple[pa.Table, SampleStream | None]] = {}
    for one, other in keys:
        rank = sum(1 for o, _ in found if o == one)
        rows = known.filter(pa.array((observer == one) & (trial == other)))
        found[one, rank] = (rows, pairs.get((one, other)))
    return found


def _subject(observer: str, known: dict[str, str]) -> str:
    """Return the observer's label: letters and digits only, different from all others."""
    if observer not in known:
        base = re.sub(r"[^0-9A-Za-z]", "", observer) or "X"
        label, count = base, 1
        while label in known.values():
            count += 1
            label = f"{base}x{count}"
        known[observer] = label
    return known[observer]


def _write_run(stem: Path, stimulus: Stimulus, rows: pa.Table, recording: SampleStream | None, tally: _Tally) -> None:
    timed = rows.filter(pc.is_valid(rows["onset_ms"]))
    tally.timeless += rows.num_rows - timed.num_rows
    if recording is None and not timed.num_rows:
        return
    shown: list[_Cell] = [0, _seconds(stimulus), "stimulus", stimulus.id, *[None] * 5]
    events: list[list[_Cell]] = [shown]
    if recording is None:
        tally.without_samples += 1
        events += _events(timed, stimulus.id)
    else:
        tally.recordings += 1
        labelled = timed.filter(pc.is_valid(timed["duration_ms"]))
        _write_samples(stem, stimulus, labelled, recording, tally)
    events.sort(key=lambda row: row[0])  # type: ignore[arg-type, return-value]
    _write_tsv(Path(f"{stem}_events.tsv"), [list(EVENTS), *events])


def _events(rows: pa.Table, stimulus_id: str) -> list[list[_Cell]]:
    values = {k: rows[k].to_pylist() for k in ("onset_ms", "duration_ms", "event", *_EVENT_COLUMNS)}
    return [
        [onset / 1000, None if duration is None else duration / 1000, event, stimulus_id, *rest]
        for onset, duration, event, *rest in zip(*values.values(), strict=True)
    ]


_EVENT_COLUMNS = ("frame", "frame_end", "x_px", "y_px", "in_bounds")


def _write_samples(stem: Path, stimulus: Stimulus, rows: pa.Table, recording: SampleStream, tally: _Tally) -> None:
    on_screen = _on_screen(recording, stimulus.screen)
    x, y = (recording.x_screen, recording.y_screen) if on_screen else (recording.x, recording.y)
    columns: dict[str, Any] = {"timestamp": recording.t_us, "x_coordinate": x, "y_coordinate": y}
    if np.isfinite(recording.pupil).any():
        columns["pupil_size"] = recording.pupil
    if on_screen:
        columns |= {"x_stimulus": recording.x, "y_stimulus": recording.y}
    elif np.isfinite(recording.x_screen).any():
        columns |= {"x_screen": recording.x_screen, "y_screen": recording.y_screen}
    if np.isfinite(recording.confidence).any():
        columns["confidence"] = recording.confidence
    if any(word is not None for word in recording.label):
        columns["label"] = recording.label
    tally.eye_unknown |= recording.eye is None
    tally.custom |= not on_screen
    base = f"{stem}_recording-eye1"
    _write_tsv_gz(Path(f"{base}_physio.tsv.gz"), list(columns.values()))
    write_json(Path(f"{base}_physio.json"), physio(list(columns), recording, on_screen))
    if rows.num_rows:
        onset = np.rint(rows["onset_ms"].to_numpy() * 1000).astype(np.int64)
        order = np.argsort(onset, kind="stable")
        duration = rows["duration_ms"].to_numpy().astype(np.float64) / 1000
        word = np.array(rows["event"].cast(pa.string()).to_pylist(), object)
        median = [rows[k].to_numpy().astype(np.float64) for k in ("x_px", "y_px")]
        _write_tsv_gz(
            Path(f"{base}_physioevents.tsv.gz"), [v[order] for v in (onset, np.round(duration, 6), word, *median)]
        )
        write_json(Path(f"{base}_physioevents.json"), physioevents())


def _on_screen(recording: SampleStream, screen: Screen) -> bool:
    geometry = (screen.width_px, screen.height_px, screen.width_mm, screen.height_mm, screen.distance_mm)
    return None not in geometry and bool(np.isfinite(recording.x_screen).all())


def _seconds(stimulus: Stimulus) -> float | None:
    if stimulus.row["duration_ms"] is not None:
        return float(stimulus.row["duration_ms"]) / 1000
    return None if stimulus.fps is None else float(stimulus.n_frames / stimulus.fps)


def _write_root(release: Release, out: Path, runs: list[Sequence[_Cell]], tally: _Tally) -> None:
    write_json(out / "dataset_description.json", description(release.record))
    (out / "README.md").write_text(readme(release.record), encoding="utf-8")
    subjects = sorted((label, observer) for observer, label in tally.subjects.items())
    _write_tsv(
        out / "participants.tsv", [list(PARTICIPANTS), *([f"sub-{label}", observer] for label, observer in subjects)]
    )
    write_json(out / "participants.json", PARTICIPANTS)
    _write_tsv(out / "sourcedata" / "runs.tsv", [list(RUNS), *runs])
    write_json(out / "sourcedata" / "runs.json", RUNS)
    events = {**EVENTS, "TaskName": TASK, "StimulusPresentation": presentation(Screen(**release.record["screen"]))}
    write_json(out / f"task-{TASK}_events.json", events)


def _notes(tally: _Tally) -> list[str]:
    notes = []
    if tally.custom:
        notes.append("positions are pixels of the stimulus (SampleCoordinateSystem custom), not of the screen")
    if tally.eye_unknown:
        notes.append("the source does not say which eye was recorded: RecordedEye is cyclopean, with a note beside it")
    if tally.without_samples:
        notes.append(f"{tally.without_samples} recordings have no samples: their fixations are in events.tsv")
    if tally.pooled:
        notes.append(f"{tally.pooled} rows without an observer are left out")
    if tally.timeless:
        notes.append(f"{tally.timeless} rows without a time are left out")
    return notes


def _text(value: object) -> str:
    """One cell: `n/a` for what is not known; no tab, no line break.

    >>> _text(None), _text(float("nan")), _text(True), _text(2.50)
    ('n/a', 'n/a', 'true', '2.5')
    """
    if value is None or value != value:
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return " ".join(str(value).split()) or "n/a"


def _write_tsv(path: Path, rows: Sequence[Sequence[_Cell]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join("\t".join(map(_text, row)) + "\n" for row in rows).encode())


def _write_tsv_gz(path: Path, columns: Sequence[Any]) -> None:
    """Write without a header; no name and no time in the gzip header, so equal rows give equal bytes."""
    words = [[_text(v) for v in _rounded(column)] for column in columns]
    text = "".join("\t".join(row) + "\n" for row in zip(*words, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as file:
        file.write(text.encode())
    path.write_bytes(buffer.getvalue())


def _rounded(column: Any) -> list[Any]:
    """Positions were stored as float32: print no digit beyond what that holds."""
    values: Float64Array = column
    if values.dtype.kind == "f" and np.array_equal(values, values.astype(np.float32), equal_nan=True):
        return [float(str(v)) for v in values.astype(np.float32)]
    listed: list[Any] = column.tolist()
    return listed
