"""A choice of frames: those that another run scored, or those that a file lists. What is compared has the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData, WrongUse

from .results.scored_frames import pairs_digest, scored_pairs
from .results.store import find_runs, load_run


@dataclass(frozen=True)
class FrameSelection:
    """Frames to score, by stimulus.

    Attributes:
        name: where they come from, for messages.
        spans: of each stimulus first, last, first, last ... of its frames, inclusive, ascending.
        digest: of all pairs, as `coverage.frames_digest` of a run that scores just these.
    """

    name: str
    spans: Mapping[str, tuple[int, ...]] = field(repr=False)
    digest: str

    def of(self, stimulus_id: str) -> frozenset[int]:
        """Return the chosen frames of a stimulus."""
        ends = self.spans.get(stimulus_id, ())
        return frozenset(f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1))

    def __str__(self) -> str:
        return self.name


def select_frames(path: str | Path) -> FrameSelection:
    r"""Read a choice of frames.

    Args:
        path: a run's folder, or a results folder with one run: the frames that it scored. Or a text file with a line
            `<stimulus_id>\t<frame>` for each frame, counted from 0.

    Raises:
        MissingData: nothing is there. WrongUse: more than one run could be meant. BadData: a line is something else.
    """
    path = Path(path)
    if path.is_file() and path.name != "run.json":
        return _selection(path, _listed(path))
    if not path.exists():
        raise MissingData(f"{path}: is not there; name a run's folder, or a file of lines STIMULUS, tab, FRAME")
    folder = path.parent if path.name == "run.json" else path
    runs = [folder] if (folder / "run.json").is_file() else find_runs(folder)
    if not runs:
        raise MissingData(f"{path}: no run is here; name a run's folder, or a file of lines STIMULUS, tab, FRAME")
    if len(runs) > 1:
        raise WrongUse(f"{path}: {len(runs)} runs are here; name the folder of one, for example {runs[-1]}")
    return _selection(path, scored_pairs(load_run(runs[0]).frame_table))


def _selection(path: Path, pairs: Iterable[tuple[str, int]]) -> FrameSelection:
    ordered = sorted(set(pairs))
    spans: dict[str, list[int]] = {}
    for name, frame in ordered:
        ends = spans.setdefault(name, [])
        if ends and frame == ends[-1] + 1:
            ends[-1] = frame
        else:
            ends += [frame, frame]
    if not spans:
        raise BadData(f"{path}: no frame is chosen here, so there is nothing to score")
    return FrameSelection(str(path), {k: tuple(v) for k, v in spans.items()}, pairs_digest(ordered))


def _listed(path: Path) -> Iterable[tuple[str, int]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: no UTF-8 text ({error}); expected lines STIMULUS, tab, FRAME") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, tab, frame = line.rstrip("\r").rpartition("\t")
        if not tab or not name or not (frame.isascii() and frame.isdigit() and len(frame) < 10):
            raise BadData(f"{path}, line {number}: {line[:80]!r}; expected the stimulus id, a tab, the frame from 0")
        yield name, int(frame)
