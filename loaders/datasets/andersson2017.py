"""andersson2017: eye movements on video clips and images, labelled sample by sample by hand.

Source: Andersson, Larsson, Holmqvist, Stridh & Nyström, One algorithm to rule them all?, Behavior Research Methods 49,
2017. A MAT file for each recording and annotator: struct `ETdata` with `pos`, one row a sample: microseconds of the
tracker's clock, two pupils, x and y in pixels of a screen of 1024 x 768, label. Labels: 1 fixation, 2 saccade, 3
post-saccadic oscillation, 4 smooth pursuit, 5 blink, 6 undefined.

Each longest run of one label is a row of fixations.parquet; all samples, with their labels, go to gaze.parquet. RA and
MN are two annotators of the **same** samples: RA, who labelled all, is read. Videos were shown unscaled at the centre
of the screen, images filled it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, MissingData
from ..formats import matlab
from ..formats.frames import IMAGE_SUFFIXES, find_video
from ..io.folders import any_matching, files
from ..records import LOST, Arrays, DatasetInfo, Float64Array, Gaze, Int64Array, Report, Screen, StimulusRow, Truth
from ..schema import categorical

_SCREEN = (1024, 768)
_VIDEO = (720, 576)
_FPS = Fraction(25)
_ANNOTATOR = "RA"
_FOLDERS = tuple(
    f"{root}{folder}/{kind}"
    for folder, kinds in (
        ("data used in the article", ("video", "img")),
        ("originally uploaded data", ("videos", "images")),
    )
    for kind in kinds
    for root in ("annotated_data/", "")
)
_NAME = re.compile(r"(?P<observer>[A-Za-z0-9]+)_(?P<kind>video|img)_(?P<stimulus>.+)_labelled_(?P<annotator>[A-Z]+)")
_LABELS = ("fixation", "saccade", "noise", "pursuit", "noise", "noise")
_FLAGS = {3: "post_saccadic_oscillation", 5: "blink", 6: "undefined"}
_EVENTS = ("fixation", "saccade", "pursuit", "noise")

INFO = DatasetInfo(
    name="andersson2017",
    title="Video clips and images, every sample labelled by hand: fixation, saccade, pursuit and more",
    truths={
        "degree": Truth(sigma_px=32.4, note="no official density; one degree of visual angle, averaged over the screen")
    },
    licence="GPL-3.0 (the repository's, for data and stimuli alike)",
    citation="R. Andersson, L. Larsson, K. Holmqvist, M. Stridh, M. Nyström. One algorithm to rule them all? An "
    "evaluation and discussion of ten eye movement event-detection algorithms. Behavior Research Methods 49(2), 2017",
    obtain="clone https://github.com/richardandersson/EyeMovementDetectorEvaluation and give its folder",
    layout=(
        "annotated_data/data used in the article/video/<observer>_video_<clip>_labelled_RA.mat (and img/)",
        "annotated_data/originally uploaded data/videos/... (and images/): more observers",
        "Stimuli/videos/<clip>.avi",
        "Stimuli/images/<image>1024x768.png",
    ),
    screen=Screen(1024, 768, 380.0, 300.0, 670.0, 32.4, "as the files state; videos unscaled at its centre"),
    observers="a few a stimulus, free viewing, SMI HiSpeed 500 Hz (two at 200 Hz)",
    splits="none official",
    verified=(
        "21 recordings on two videos and an image: columns, labels, screen, clock; both annotators of seven of them",
        "`sampFreq` says 500 throughout, but two recordings have a sample every 5 ms: times are used, never rates",
        "six files end in rows of zeros, which are left out; lost samples are 0, 0",
        "`data used in the article` and `originally uploaded data` hold other recordings in part: each counts once",
    ),
    unverified=(
        "whether the videos of 720 x 576 were shown so (taken) or at 768 x 576: pictures and gaze fit both",
        "the first sample is the first frame; recordings end 60 to 80 ms before their clip",
        "the corrected labels of `fix_by_Zemblys2018` are not read",
    ),
)


def present(source: Path) -> bool:
    """Return whether labelled recordings are here."""
    return any_matching(source, *(f"{folder}/*_labelled_*.mat" for folder in _FOLDERS))


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the clips, then the images, that have recordings labelled by RA.

    Raises:
        MissingData: there are none.
    """
    if not present(source):
        raise MissingData(f"{source}: no labelled recording is here; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    found: dict[tuple[bool, str], dict[str, str]] = {}
    repeated = others = 0
    for path in (file for folder in _FOLDERS for file in files(source / folder, ".mat")):
        parts = _NAME.fullmatch(path.stem)
        where = path.relative_to(source).as_posix()
        if parts is None:
            report.add("surplus", where, "expected <observer>_video|img_<stimulus>_labelled_<annotator>.mat; left out")
        elif parts["annotator"] != _ANNOTATOR:
            others += 1
        elif parts["observer"] in found.setdefault((parts["kind"] == "img", parts["stimulus"]), {}):
            repeated += 1
        else:
            found[parts["kind"] == "img", parts["stimulus"]][parts["observer"]] = where
    if others:
        message = f"labels of the same samples by another annotator than {_ANNOTATOR}; not converted"
        report.add("surplus", "annotated_data", message, count=others, fatal=False)
    if repeated:
        message = "recordings that `data used in the article` has too; that one is read"
        report.add("surplus", "originally uploaded data", message, count=repeated, fatal=False)
    for (is_image, name), recordings in sorted(found.items()):
        yield _stimulus(source, name, is_image, tuple(sorted(recordings.items())))


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all recordings on one stimulus; one that cannot be read is reported and left out.

    Raises:
        BadData: none of them can be used.
    """
    fps = None if stimulus.kind == "image" else stimulus.fps or _FPS
    size = (stimulus.width or _VIDEO[0], stimulus.height or _VIDEO[1])
    if stimulus.kind == "video" and size != _VIDEO:
        report.add(
            "mismatch", stimulus.stimulus_id, f"the video is {size[0]}x{size[1]}, expected 720x576; taken as unscaled"
        )
    offset = [(screen - shown) / 2 for screen, shown in zip(_SCREEN, size, strict=True)]
    parts: list[Arrays] = []
    samples: list[Arrays] = []
    kept: dict[str, str] = {}
    for observer, file in stimulus.extra:
        try:
            pos = parse(source / file, file, report)
        except (BadData, MissingData) as error:
            report.add("unreadable", file, f"{error}; this recording is left out")
            continue
        kept[observer] = file
        t_us, xy, label = pos[:, 0].astype(np.int64), pos[:, 3:5], pos[:, 5].astype(np.int64)
        parts.append(_runs(t_us, xy, label, fps))
        samples.append({"t_us": t_us, "xy": xy, "label": label})
    if not parts:
        raise BadData(f"{stimulus.stimulus_id}: none of the {len(stimulus.extra)} recordings can be used")
    if fps is not None and stimulus.n_frames:
        _cut(parts, stimulus.stimulus_id, stimulus.n_frames, report)
    columns = _joined(parts, [*kept])
    event, label, lost = (columns.pop(name) for name in ("event", "label", "lost"))
    raw = _joined(samples, [*kept])
    raw_xy = raw.pop("xy")
    return Gaze(
        fixations={
            **columns,
            "event": categorical(event, _EVENTS),
            "x_px": columns["x_screen_px"] - offset[0],
            "y_px": columns["y_screen_px"] - offset[1],
            "flags": {LOST: lost, **{word: label == code for code, word in _FLAGS.items()}},
        },
        samples={
            **raw,
            "x_px": raw_xy[:, 0] - offset[0],
            "y_px": raw_xy[:, 1] - offset[1],
            "x_screen_px": raw_xy[:, 0],
            "y_screen_px": raw_xy[:, 1],
            "label": categorical(_event_of(raw["label"]), _EVENTS),
        },
        last_annotated=None if fps is None or stimulus.n_frames else int(columns["frame_end"].max()),
        n_observers=len(kept),
        source_files=tuple(kept.values()),
        fps=fps,
    )


def parse(path: Path, where: str, report: Report) -> Float64Array:
    """Read the samples of one file, time from the first one.

    Returns:
        float64, shape (n, 6): microseconds, two pupils, x, y on the screen, label.

    Raises:
        BadData: it has another build, an unknown label, or a clock that runs backwards.
    """
    data = matlab.struct(matlab.variable(matlab.read(path), "ETdata", path), path, "ETdata")
    pos = matlab.matrix(matlab.variable(data, "pos", path), 6, path, "ETdata.pos")
    screen = matlab.matrix(matlab.variable(data, "screenRes", path), 2, path, "ETdata.screenRes")
    if screen.ravel().tolist() != list(_SCREEN):
        raise BadData(f"{path}: screenRes is {screen.ravel().tolist()}, expected {list(_SCREEN)}")
    if not matlab.plausible(pos[:, 3:5]).all() or not np.isfinite(pos).all():
        raise BadData(f"{path}: pos holds a value that is no number")
    empty = (pos[:, :5] == 0).all(axis=1)
    if empty.any():
        report.add("note", where, "rows of zeros, without a time; left out", count=int(empty.sum()), fatal=False)
    pos = pos[~empty]
    if not len(pos):
        raise BadData(f"{path}: pos holds no sample")
    strange = ~np.isin(pos[:, 5], np.arange(1, len(_LABELS) + 1))
    if strange.any():
        raise BadData(
            f"{path}: pos row {int(strange.argmax()) + 1} has the label {pos[strange.argmax(), 5]:g}, known: 1 to 6"
        )
    back = np.diff(pos[:, 0]) <= 0
    if back.any():
        raise BadData(f"{path}: pos row {int(back.argmax()) + 2}: the clock does not run on")
    pos[:, 0] -= pos[0, 0]
    return np.asarray(pos)


def _stimulus(source: Path, name: str, is_image: bool, recordings: tuple[tuple[str, str], ...]) -> StimulusRow:
    if is_image:
        file = next((f for f in files(source / "Stimuli/images", *IMAGE_SUFFIXES) if f.stem.startswith(name)), None)
        place = file.relative_to(source).as_posix() if file else f"Stimuli/images/{name}1024x768.png"
        return StimulusRow(name, "all", place, *_SCREEN, 1, kind="image", duration_ms=10_000.0, extra=recordings)
    video = find_video(source / "Stimuli/videos", name)
    place = video.relative_to(source).as_posix() if video else f"Stimuli/videos/{name}.avi"
    return StimulusRow(name, "all", place, *_VIDEO, None, None if video else _FPS, extra=recordings)


def _event_of(label: Int64Array) -> Int64Array:
    codes = np.array([_EVENTS.index(word) for word in _LABELS], np.int64)
    return np.asarray(codes[label - 1])


def _runs(t_us: Int64Array, xy: Float64Array, label: Int64Array, fps: Fraction | None) -> Arrays:
    """One row for each longest run of a label, at the median of its samples that are not lost."""
    first = np.flatnonzero(np.diff(label, prepend=-1))
    last = np.append(first[1:], len(label)) - 1
    tracked = (xy != 0).any(axis=1)
    spans = [slice(a, b + 1) for a, b in zip(first, last, strict=True)]
    place = np.array([np.median(xy[s][tracked[s]] if tracked[s].any() else xy[s], axis=0) for s in spans])
    begin, end = t_us[first], t_us[last]
    return {
        "event": _event_of(label[first]),
        "label": label[first],
        "lost": np.array([not tracked[s].any() for s in spans]),
        "order": np.arange(len(first), dtype=np.int32),
        "onset_ms": begin / 1000,
        "duration_ms": (end - begin) / 1000,
        "frame": _frame_of(begin, fps),
        "frame_end": _frame_of(end, fps),
        "x_screen_px": place[:, 0],
        "y_screen_px": place[:, 1],
    }


def _frame_of(t_us: Int64Array, fps: Fraction | None) -> Int64Array:
    return np.zeros_like(t_us) if fps is None else t_us * fps.numerator // (fps.denominator * 1_000_000)


def _cut(parts: list[Arrays], stimulus_id: str, n_frames: int, report: Report) -> None:
    """End runs with the clip; leave out and report those that begin after it."""
    late = 0
    for at, part in enumerate(parts):
        inside = part["frame"].astype(np.int64) < n_frames
        late += int((~inside).sum())
        parts[at] = {name: column[inside] for name, column in part.items()}
        parts[at]["frame_end"] = np.minimum(parts[at]["frame_end"], n_frames - 1)
    if late:
        report.add(
            "after-end", stimulus_id, "eye movements that begin after the clip; left out", count=late, fatal=False
        )


def _joined(parts: list[Arrays], observers: list[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lengths = [len(next(iter(part.values()))) for part in parts]
    columns["observer_id"] = categorical(np.repeat(np.arange(len(parts)), lengths), observers)
    return columns
