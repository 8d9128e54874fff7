"""BIDS 1.11 eye tracking as `vidsal data export --to bids` writes it, read back; see `export.bids` for the tree.

`sourcedata/runs.tsv` says which stimulus a run shows and how large it is: BIDS itself has no place for that. Samples
labelled `point` are points, others gaze; where a run has labelled events these are its fixations.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, MissingData
from ..io.files import parse_json, rule_out_machine
from ..io.folders import matching
from ..records import DatasetInfo, Float64Array, Gaze, Int64Array, Report, Screen, StimulusRow, Truth
from .recording import frame_of
from .shown import shown

RUNS = "sourcedata/runs.tsv"
_RUN = re.compile(r"_run-([0-9]+)_")
_EVENTS = ("fixation", "pursuit", "saccade", "noise", "point", "mouse")
_NEEDED = ("run", "stimulus_id", "kind", "width", "height", "n_frames", "duration")


@dataclass(frozen=True)
class BidsForm:
    """A BIDS data set.

    Attributes:
        root: the folder, which says what the data set is called and on which display it was recorded.
        videos: folder of the stimuli; None = they are not here.
    """

    root: Path
    videos: Path | None = None
    INFO: DatasetInfo = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "INFO", _info(self.root))

    def present(self, source: Path) -> bool:
        """Return whether the runs are described here."""
        return (source / RUNS).is_file()

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the stimuli of the runs, in the order of `runs.tsv`.

        Raises:
            MissingData: there is no `runs.tsv`.
            BadData: it lacks a column or holds no numbers.
        """
        if not self.present(source):
            raise MissingData(
                f"{source}: no {RUNS}; BIDS has no place for size and length of a stimulus, so it is needed: columns "
                f"{', '.join(_NEEDED)}. A table by a column map needs none of it: `vidsal data convert table`"
            )
        runs: dict[str, list[dict[str, str]]] = {}
        for line in _rows(source / RUNS, _NEEDED):
            runs.setdefault(line["stimulus_id"], []).append(line)
        files = shown(self.videos, list(runs), report)
        for name, lines in runs.items():
            yield _row(name, lines, files.get(name), source / RUNS)

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read the runs of one stimulus, of all observers."""
        observers = _observers(source)
        rate = stimulus.fps or Fraction(1)
        fixations: list[dict[str, Any]] = []
        samples: list[dict[str, Any]] = []
        read: list[str] = []
        seen: set[str] = set()
        for run in stimulus.extra:
            trial = run if len(stimulus.extra) > 1 else None
            for events in matching(source, f"sub-*/*/sub-*_run-{run}_events.tsv"):
                subject = events.name.split("_", 1)[0]
                observer = observers.get(subject, subject.removeprefix("sub-"))
                stem = events.name.removesuffix("events.tsv")
                who = {"observer_id": observer} if trial is None else {"observer_id": observer, "trial_id": trial}
                try:
                    own, rest, files = _run(events, stem, rate, stimulus, who)
                except BadData as error:
                    where = events.relative_to(source).as_posix()
                    report.add("unreadable", where, f"{error}; left out")
                    continue
                seen.add(observer)
                fixations += own
                samples += rest
                read += [file.relative_to(source).as_posix() for file in files]
        if not read:
            report.add("missing", stimulus.stimulus_id, "no events.tsv of its runs; kept as not annotated")
            return Gaze(annotated=False)
        return Gaze(
            fixations=_joined(fixations),
            samples=_joined(samples) or None,
            annotated=bool(fixations),
            n_observers=len(seen),
            source_files=tuple(read),
        )


def _run(
    events: Path, stem: str, rate: Fraction, stimulus: StimulusRow, who: dict[str, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Path]]:
    """Read one observer's run: tables of fixations, tables of samples, and the files."""
    physio = matching(events.parent, f"{stem}*_physio.tsv.gz")
    if not physio:
        rows = [r for r in _rows(events, ("onset", "trial_type", "x_px", "y_px")) if r["trial_type"] in _EVENTS]
        return ([_timed(rows, rate, stimulus, who)] if rows else []), [], [events]
    columns = _physio(physio[0])
    labelled = [Path(f"{str(file).removesuffix('physio.tsv.gz')}physioevents.tsv.gz") for file in physio]
    labelled = [file for file in labelled if file.is_file()]
    files = [events, physio[0], *labelled[:1]]
    x, y = (columns.get(f"{a}_stimulus", columns[f"{a}_coordinate"]) for a in "xy")
    t_us: Int64Array = np.rint(columns["timestamp"]).astype(np.int64)
    label = columns.get("label", np.full(len(t_us), None, dtype=object))
    more = {k: columns[k] for k in ("confidence",) if k in columns}
    screen = {f"{a}_screen_px": columns[f"{a}_coordinate"] for a in "xy"} if "x_stimulus" in columns else {}
    screen = screen or {f"{a}_screen_px": columns[f"{a}_screen"] for a in "xy" if f"{a}_screen" in columns}
    pupil = {"pupil": columns["pupil_size"]} if "pupil_size" in columns else {}
    frame = frame_of(t_us, rate, stimulus.kind)
    points = np.isin(label, ("point",)) & np.isfinite(x) & np.isfinite(y)
    if labelled:
        points[:] = False
    else:
        points &= (frame >= 0) & (frame < (stimulus.n_frames or np.iinfo(np.int64).max))
    fixations, samples = [], []
    if points.any():
        own = {"event": "point", "order": np.arange(int(points.sum())), "onset_ms": t_us[points] / 1000}
        own |= {"frame": frame[points], "x_px": x[points], "y_px": y[points]}
        fixations.append(_filled({**own, **{k: v[points] for k, v in screen.items()}, **who}, int(points.sum())))
    if not points.all():
        rest = {"t_us": t_us[~points], "x_px": x[~points], "y_px": y[~points], "label": label[~points]}
        rest |= {k: v[~points] for k, v in {**screen, **pupil, **more}.items()}
        samples.append(_filled({**rest, **who}, int((~points).sum())))
    for file in labelled[:1]:
        words = _table(file, ("onset", "duration", "trial_type", "x_px", "y_px"))
        rows = [dict(zip(words, values, strict=True)) for values in zip(*words.values(), strict=True)]
        rows = [{**r, "onset": str(float(r["onset"]) / 1e6)} for r in rows]
        fixations.append(_timed(rows, rate, stimulus, who))
    return fixations, samples, files


def _timed(rows: list[dict[str, str]], rate: Fraction, stimulus: StimulusRow, who: dict[str, str]) -> dict[str, Any]:
    """Events with onset and duration in seconds; frames as given, else those that begin within the event."""
    onset, duration, x, y = (_numbers([r.get(k, "n/a") for r in rows]) for k in ("onset", "duration", "x_px", "y_px"))
    first, last = (_numbers([r.get(k, "n/a") for r in rows]) for k in ("frame", "frame_end"))
    start = frame_of(np.rint(onset * 1e6).astype(np.int64), rate, stimulus.kind)
    frame = np.where(np.isnan(first), start, first).astype(np.int32)
    made: dict[str, Any] = {
        "event": np.array([r["trial_type"] for r in rows], dtype=object),
        "order": np.arange(len(rows)),
        "onset_ms": onset * 1000,
        "duration_ms": duration * 1000,
        "frame": frame,
        "x_px": x,
        "y_px": y,
    }
    end = last
    if np.isnan(first).all() and stimulus.kind == "video":
        end = np.ceil(np.round((onset + duration) * float(rate), 6)) - 1
        end = np.clip(end, frame, (stimulus.n_frames or np.iinfo(np.int32).max) - 1)
    made["frame_end"] = np.where(np.isnan(end), frame, end).astype(np.int32)
    inside = (frame >= 0) & (frame < (stimulus.n_frames or np.iinfo(np.int32).max)) & np.isfinite(x) & np.isfinite(y)
    return _filled({**{k: v[inside] for k, v in made.items()}, **who}, int(inside.sum()))


def _filled(columns: dict[str, Any], rows: int) -> dict[str, Any]:
    return {k: np.full(rows, v, dtype=object) if isinstance(v, str) else v for k, v in columns.items()}


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Put tables below one another; a column that one of them lacks is empty there."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    joined: dict[str, Any] = {}
    for name in names:
        empty = None if name in ("label", "trial_id", "observer_id", "event") else np.nan
        columns = [
            part[name] if name in part else np.full(len(part["x_px"]), empty, dtype=object if empty is None else float)
            for part in parts
        ]
        joined[name] = np.concatenate(columns)
    return joined


def _row(name: str, lines: list[dict[str, str]], file: str | None, where: Path) -> StimulusRow:
    line = lines[0]
    try:
        width, height, n_frames = (int(line[k]) for k in ("width", "height", "n_frames"))
        seconds = None if line["duration"] == "n/a" else Fraction(line["duration"])
    except ValueError as error:
        raise BadData(f"{where}: {name}: width, height, n_frames and duration should be numbers ({error})") from error
    is_image = line["kind"] == "image"
    rate = None if is_image or not seconds else (n_frames / seconds).limit_denominator(1001)
    return StimulusRow(
        stimulus_id=name,
        split=line.get("split", "all"),
        source_file=file or f"{name}{'.png' if is_image else '.mp4'}",
        width=width,
        height=height,
        n_frames=n_frames,
        fps=rate,
        kind="image" if is_image else "video",
        duration_ms=float(seconds * 1000) if is_image and seconds else None,
        extra=tuple(_padded(one["run"], where) for one in lines),
    )


def _padded(run: str, where: Path) -> str:
    """The number of a run as file names have it."""
    names = (_RUN.search(p.name) for p in where.parent.parent.glob("sub-*/*/*_events.tsv"))
    digits = next((len(match[1]) for match in names if match), 3)
    return run.zfill(digits)


def _observers(source: Path) -> dict[str, str]:
    file = source / "participants.tsv"
    return {r["participant_id"]: r.get("observer_id", r["participant_id"]) for r in _rows(file, ("participant_id",))}


def _rows(file: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            lacking = [name for name in needed if name not in (reader.fieldnames or ())]
            if lacking:
                raise BadData(f"{file}: no column {', '.join(lacking)}")
            return [{k: v if v is not None else "n/a" for k, v in row.items() if k} for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        rule_out_machine(file)
        raise BadData(f"{file}: cannot be read ({error})") from error


def _physio(file: Path) -> dict[str, Any]:
    sidecar = Path(f"{str(file).removesuffix('.tsv.gz')}.json")
    try:
        names = tuple(parse_json(sidecar.read_bytes())["Columns"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule_out_machine(sidecar)
        raise BadData(f"{sidecar}: does not tell the columns ({error})") from error
    table = _table(file, names)
    lacking = [name for name in ("timestamp", "x_coordinate", "y_coordinate") if name not in table]
    if lacking:
        raise BadData(f"{sidecar}: no column {', '.join(lacking)}")
    columns: dict[str, Any] = {k: _numbers(v) for k, v in table.items() if k != "label"}
    if "label" in table:
        columns["label"] = np.array([None if w == "n/a" else w for w in table["label"]], dtype=object)
    return columns


def _table(file: Path, names: tuple[str, ...]) -> dict[str, list[str]]:
    try:
        lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        rule_out_machine(file)
        raise BadData(f"{file}: not a readable tsv.gz ({error})") from error
    cells = [line.split("\t") for line in lines]
    for number, row in enumerate(cells, 1):
        if len(row) != len(names):
            raise BadData(f"{file}, line {number}: {len(row)} columns, its sidecar names {len(names)}")
    return {name: [row[i] for row in cells] for i, name in enumerate(names)}


def _numbers(cells: list[str]) -> Float64Array:
    try:
        return np.array([np.nan if cell in ("n/a", "") else float(cell) for cell in cells], np.float64)
    except ValueError as error:
        raise BadData(f"a cell is no number: {error}") from error


def _info(root: Path) -> DatasetInfo:
    about = _json(root / "dataset_description.json")
    display = next((_json(file) for file in matching(root, "task-*_events.json")), {}).get("StimulusPresentation", {})
    size, metres = display.get("ScreenResolution", (None, None)), display.get("ScreenSize", (None, None))
    width_mm, height_mm, distance_mm = (
        None if m is None else float(m) * 1000 for m in (*metres, display.get("ScreenDistance"))
    )
    return DatasetInfo(
        name="bids",
        title=str(about.get("Name", "A BIDS data set")),
        truths={"gaussian": Truth(sigma_px=25.0, note="BIDS has no recipe; 25 px")},
        licence=str(about.get("License", "not stated")),
        citation=str(about.get("HowToAcknowledge", "not stated")),
        obtain="",
        layout=(RUNS, "participants.tsv", "sub-<label>/beh/sub-<label>_task-<task>_run-<number>_events.tsv"),
        screen=Screen(size[0], size[1], width_mm, height_mm, distance_mm),
    )


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = parse_json(file.read_bytes())
    except ValueError as error:
        raise BadData(f"{file}: not JSON ({error})") from error
    return content if isinstance(content, dict) else {}
