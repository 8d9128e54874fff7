"""Frame labels as text: the layout of the training data of FPN+RIM (spreeni/thesis_gaze_prediction).

    train/label_data/<video>/<observer>_<video>.txt     `frame_id em_phase x y`, one line a frame, blanks between
    val/label_data/...                                  the frames: video_data/<video>/frame_00000.png ...

Whole numbers. em_phase: 0 unknown or noise, 1 fixation, 2 saccade, 3 smooth pursuit. x and y are pixels of the frames
that the network sees. Their reader matches lines and frames by position and never looks at `frame_id`: line 1 is frame
0, no line may be missing, and the observer's name ends at the first `_` of the file's name.

Facts: the repository's README, `utils.py` and `gaze_labeled_video_dataset.py`. None of its label files is public, so
the number of the first frame is not certain; 0 is written, 0 and 1 are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import BadData, MissingData, WrongUse
from ..io.files import atomic_write
from ..io.folders import folders, matching
from ..records import Int64Array

PHASES = ("noise", "fixation", "saccade", "pursuit")
"""The eye-movement phases; the index is the code."""

LABELS = "label_data"
_LARGEST = 10**9
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class FrameLabels:
    """One observer's labels of one video; arrays of length n_frames, element i belongs to frame i.

    Attributes:
        phase: int8, index into `PHASES`.
        x, y: int64, pixels.
    """

    phase: npt.NDArray[np.int8]
    x: Int64Array
    y: Int64Array

    def __len__(self) -> int:
        return len(self.phase)


@dataclass(frozen=True)
class LabelFile:
    """Where the labels of one observer and video lie; split None where the tree has none."""

    path: Path
    split: str | None
    video: str
    observer: str


def read(path: str | Path) -> FrameLabels:
    """Read one file.

    Raises:
        MissingData: there is no such file.
        BadData: a line is not four whole numbers, a phase is unknown, or the frames do not count up by one from 0 or
            1; the message names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingData(f"{path}: no such file; expected <observer>_<video>.txt") from error
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: not a text file (byte {error.start})") from error
    rows = [_line(f"{path}, line {number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not rows:
        raise BadData(f"{path}: no line is in it; expected `frame_id em_phase x y` for every frame")
    values = np.array(rows, np.int64)
    first = values[0, 0]
    if first not in (0, 1):
        raise BadData(f"{path}: the first frame has the number {first}; expected 0 or 1")
    wrong = np.flatnonzero(values[:, 0] != first + np.arange(len(values)))
    if len(wrong):
        at = int(wrong[0])
        raise BadData(
            f"{path}: after frame {values[at - 1, 0]} comes {values[at, 0]}; expected a line for every frame, in order"
        )
    return FrameLabels(values[:, 1].astype(np.int8), values[:, 2], values[:, 3])


def _line(where: str, line: str) -> tuple[int, int, int, int]:
    words = line.split()
    if len(words) != 4 or not all(_WHOLE.fullmatch(word) for word in words):
        raise BadData(f"{where}: {line.strip()[:60]!r}; expected four whole numbers, `frame_id em_phase x y`")
    frame, phase, x, y = map(int, words)
    if not 0 <= phase < len(PHASES):
        raise BadData(f"{where}: phase {phase}; known: {', '.join(f'{i} {p}' for i, p in enumerate(PHASES))}")
    if max(abs(frame), abs(x), abs(y)) > _LARGEST:
        raise BadData(f"{where}: {line.strip()[:60]!r}: a number is beyond {_LARGEST}")
    return frame, phase, x, y


def write(path: Path, labels: FrameLabels) -> None:
    """Write one file atomically; frames are numbered from 0."""
    rows = zip(labels.phase.tolist(), labels.x.tolist(), labels.y.tolist(), strict=True)
    text = "".join(f"{frame} {phase} {x} {y}\n" for frame, (phase, x, y) in enumerate(rows))
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


def place(root: Path, split: str, video: str, observer: str) -> Path:
    """Return where the labels of an observer and video belong.

    Raises:
        WrongUse: the observer's name holds `_`, at which their reader would cut it; or a name is no file's name.
    """
    if "_" in observer:
        raise WrongUse(f"observer {observer!r}: the layout cuts a file's name at its first '_'; give another name")
    for name in (split, video, observer):
        if not name or name in (".", "..") or any(c in name for c in "/\\\0"):
            raise WrongUse(f"{name!r} cannot be the name of a file")
    return root / split / LABELS / video / f"{observer}_{video}.txt"


def files(root: str | Path) -> Iterator[LabelFile]:
    """Find the label files below a folder: the data set's root, one split's folder, or a folder `label_data`.

    Raises:
        MissingData: there are none.
        BadData: a file's name does not end in its folder's.
    """
    root = Path(root)
    places: list[tuple[str | None, Path]] = [(None, root)] if root.name == LABELS else [(None, root / LABELS)]
    if root.is_dir():
        places += [(p.name, p / LABELS) for p in folders(root)]
    found = False
    for split, folder in places:
        for video in folders(folder):
            for path in matching(video, "*.txt"):
                observer = path.stem.removesuffix(f"_{video.name}")
                if observer == path.stem or not observer:
                    raise BadData(f"{path}: expected the name <observer>_{video.name}.txt")
                found = True
                yield LabelFile(path, split, video.name, observer)
    if not found:
        raise MissingData(f"{root}: no frame labels; expected <split>/{LABELS}/<video>/<observer>_<video>.txt")
