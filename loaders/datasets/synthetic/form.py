"""Synthetic: procedural videos and simulated observers, of any number and size; no gaze is real.

Source: made by `vidsal.loaders.datasets.synthetic.generate`, the same for the same arguments. Licence: CC0 1.0.
Frames: any size and rate, FFV1 in AVI, lossless. Gaze: one text a video and observer, 250 Hz, pixels of the
stimulus, origin top left; microseconds since the first frame began; 0.00 0.00 with confidence 0 in a blink. The
label is the simulator's own, so it is right by construction; the position carries the errors of a tracker.
Stored: each maximal run of one label as one row (median position), all samples in gaze.parquet.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import BadData, MissingData
from ...formats.completeness import Extent, extent_of, report_incomplete
from ...io.files import rule_out_machine
from ...io.folders import files, folders, matching
from ...io.names import natural_key
from ...records import DatasetInfo, Float64Array, Gaze, Int64Array, Mask, Report, Screen, StimulusRow, Truth
from .observers import PX_PER_DEGREE, RATE_HZ
from .write import DISTANCE_MM, MAGIC, PITCH_MM

SPLITS = ("train", "val")
EVENTS = {"fixation": "fixation", "saccade": "saccade", "pursuit": "pursuit", "blink": "noise"}

INFO = DatasetInfo(
    name="synthetic",
    title="Procedural videos and simulated observers, made on the spot",
    truths={
        "synthetic": Truth(sigma_px=PX_PER_DEGREE, note="one degree of visual angle; one kernel a fixation or pursuit")
    },
    screen=Screen(
        distance_mm=DISTANCE_MM,
        px_per_degree=PX_PER_DEGREE,
        note=f"simulated; a pixel is {PITCH_MM:.3f} mm at every resolution, the frame fills the screen",
    ),
    licence="CC0-1.0",
    citation="none; the data set is made by vidsal itself",
    obtain="it is made, not fetched: `vidsal demo` makes a small one, "
    "vidsal.loaders.datasets.synthetic.generate(folder) one of any size",
    layout=(
        "synthetic.json                  the arguments it was made with",
        "train/video/scene_001.avi       FFV1, lossless",
        "train/gaze/scene_001/O01.txt    t_us x_px y_px confidence label",
        "val/...                         the same",
    ),
    observers="10 unless asked otherwise; simulated",
    splits="train, and val: a third of the videos unless asked otherwise",
    split_names=SPLITS,
    verified=("frame counts, sizes and time stamps after decoding; the gaze text to its last digit",),
)


class _Header(NamedTuple):
    width: int
    height: int
    n_frames: int
    fps: Fraction


class _Recording(NamedTuple):
    header: _Header
    t_us: Int64Array
    xy: Float64Array
    confidence: Float64Array
    label: npt.NDArray[np.str_]

    def take(self, rows: Mask) -> _Recording:
        return _Recording(self.header, self.t_us[rows], self.xy[rows], self.confidence[rows], self.label[rows])


def present(source: Path) -> bool:
    """Return whether `source` holds gaze of this form."""
    for split in SPLITS:
        for file in matching(source / split, "gaze/*/*.txt"):  # the first may be damaged
            with file.open("rb") as stream:
                if stream.readline(200).rstrip() == MAGIC.encode():
                    return True
    return (source / "synthetic.json").is_file()


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the scenes in natural order.

    Raises:
        MissingData: neither videos nor gaze are there.
    """
    split_of: dict[str, str] = {}
    for split in SPLITS:
        here = {p.stem for p in files(source / split / "video", ".avi")}
        here |= {p.name for p in folders(source / split / "gaze")}
        for name in sorted(here & split_of.keys(), key=natural_key):
            report.add("surplus", f"{split}/*/{name}", f"{name} is in {split_of[name]} too; left out here")
        split_of |= dict.fromkeys(here - split_of.keys(), split)
    if not split_of:
        raise MissingData(
            f"{source}: no synthetic data set; expected {', '.join(f'{s}/gaze/<scene>/*.txt' for s in SPLITS)}. "
            f"How to get it: {INFO.obtain}"
        )
    for name in sorted(split_of, key=natural_key):
        split = split_of[name]
        header = _first_header(source / split / "gaze" / name)
        yield StimulusRow(
            stimulus_id=name,
            split=split,
            source_file=f"{split}/video/{name}.avi",
            width=header.width if header else None,
            height=header.height if header else None,
            n_frames=header.n_frames if header else None,
            fps=header.fps if header else None,
        )


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the recordings of one scene; a bad file or line is noted and left out.

    Raises:
        BadData: there are recordings, and none can be read.
    """
    folder = source / stimulus.split / "gaze" / stimulus.stimulus_id
    recordings = _recordings(folder)
    where = folder.relative_to(source).as_posix()
    if not recordings:
        report.add("missing", where, "a video without gaze; it has no annotation")
        return Gaze(annotated=False, n_observers=0)
    rows: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    read: list[str] = []
    extents: list[Extent] = []
    other: list[str] = []
    late = 0
    for file in recordings:
        name = f"{where}/{file.name}"
        try:
            recording = _read(file, name, report)
        except BadData as error:
            report.add("unreadable", name, str(error))
            continue
        header = _Header(
            stimulus.width or recording.header.width,
            stimulus.height or recording.header.height,
            stimulus.n_frames or recording.header.n_frames,
            stimulus.fps or recording.header.fps,
        )
        if header != recording.header:
            other.append(name)
        frame = recording.t_us * header.fps.numerator // (header.fps.denominator * 1_000_000)
        shown = (frame >= 0) & (frame < header.n_frames)
        late += int((~shown).sum())
        extents.append(extent_of(file.stem, name, recording.t_us))
        rows.append(_runs(file.stem, recording.take(shown), frame[shown]))
        samples.append(_samples(file.stem, recording))
        read.append(name)
    if not read:
        raise BadData(f"{where}: none of its {len(recordings)} recordings can be read")
    length_s = float(stimulus.n_frames / stimulus.fps) if stimulus.n_frames and stimulus.fps else None
    report_incomplete(extents, length_s, stimulus.stimulus_id, report)
    if other:
        report.add(
            "mismatch", other[0], "recorded on frames of another size, number or rate than there are", count=len(other)
        )
    if late:
        report.add("out-of-range", where, "samples before or after the video; in gaze only", count=late)
    return Gaze(_stack(rows), _stack(samples), n_observers=len(read), source_files=tuple(read), folders=(where,))


def _recordings(folder: Path) -> list[Path]:
    return sorted(files(folder, ".txt"), key=lambda p: natural_key(p.stem))


def _first_header(folder: Path) -> _Header | None:
    for file in _recordings(folder):
        try:
            return _header(file.read_text(encoding="utf-8").splitlines())
        except (BadData, UnicodeDecodeError):
            continue  # `gaze` reports it
    return None


def _header(lines: list[str]) -> _Header:
    if not lines or lines[0].rstrip() != MAGIC:
        raise BadData(f"begins with {(lines[0] if lines else '')[:40]!r}; expected {MAGIC!r}")
    words: dict[str, list[str]] = {}
    for line in lines[1:12]:
        if line.startswith("# ") and len(line.split()) > 2:
            words[line.split()[1]] = line.split()[2:]
    try:
        width, height = (int(word) for word in words["stimulus_px"])
        n_frames, fps = int(words["frames"][0]), Fraction(words["frames"][2])
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise BadData(f"header: no usable stimulus_px or frames line ({error})") from error
    if min(width, height, n_frames) < 1 or fps <= 0:
        raise BadData(f"header: {width}x{height} pixels, {n_frames} frames, {fps} fps")
    return _Header(width, height, n_frames, fps)


def _read(file: Path, name: str, report: Report) -> _Recording:
    """Parse one recording, whatever its line ends are."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        rule_out_machine(file)
        raise BadData(f"not readable as text ({error})") from error
    header = _header(lines)
    good: list[tuple[int, float, float, float, str]] = []
    last = -1
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        try:
            t, x, y, confidence, label = line.split()
            sample = (int(t), float(x), float(y), float(confidence), label)
        except ValueError:
            report.add("unreadable", f"{name}:{number}", f"found {line[:60]!r}; expected t_us x y confidence label")
            continue
        if label not in EVENTS or not np.isfinite(sample[1:4]).all():
            report.add("unreadable", f"{name}:{number}", f"found {line[:60]!r}; label or number unknown")
        elif sample[0] <= last:
            report.add("out-of-range", f"{name}:{number}", f"time {t} us does not come after {last} us")
        else:
            good.append(sample)
            last = sample[0]
    if not good:
        raise BadData("no sample in it")
    t_us, x_px, y_px, confidences, labels = zip(*good, strict=True)
    return _Recording(
        header,
        np.array(t_us, np.int64),
        np.column_stack([x_px, y_px]).astype(np.float64),
        np.array(confidences, np.float64),
        np.array(labels),
    )


def _samples(observer: str, recording: _Recording) -> dict[str, Any]:
    return {
        "observer_id": [observer] * len(recording.t_us),
        "t_us": recording.t_us,
        "x_px": recording.xy[:, 0],
        "y_px": recording.xy[:, 1],
        "confidence": recording.confidence,
        "label": recording.label.tolist(),
    }


def _runs(observer: str, recording: _Recording, frame: Int64Array) -> dict[str, Any]:
    """Turn each maximal run of one label into a row: median position, onset, duration, first and last frame."""
    label = recording.label
    if not len(label):
        return {}
    first = np.concatenate([[0], np.flatnonzero(label[1:] != label[:-1]) + 1])
    end = np.concatenate([first[1:], [len(label)]])
    middle = np.array([np.median(recording.xy[a:b], axis=0) for a, b in zip(first, end, strict=True)])
    period_ms = 1000 / RATE_HZ
    return {
        "observer_id": [observer] * len(first),
        "event": [EVENTS[str(word)] for word in label[first]],
        "order": np.arange(len(first)),
        "onset_ms": recording.t_us[first] / 1000,
        "duration_ms": (recording.t_us[end - 1] - recording.t_us[first]) / 1000 + period_ms,
        "frame": frame[first],
        "frame_end": frame[end - 1],
        "x_px": middle[:, 0],
        "y_px": middle[:, 1],
        "flags": [["lost"] if word == "blink" else [] for word in label[first]],
    }


def _stack(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Join columns of tables with the same names, arrays with arrays and lists with lists."""
    parts = [part for part in parts if part]
    if not parts:
        return {}
    return {
        name: np.concatenate([part[name] for part in parts])
        if isinstance(column, np.ndarray)
        else [value for part in parts for value in part[name]]
        for name, column in parts[0].items()
    }
