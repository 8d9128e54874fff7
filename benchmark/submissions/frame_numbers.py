"""Which frame a stored map is of: the one place where numbers in names become frames.

Frames count from 0. Files do not: DHF1K numbers images from 1, the shots of Hollywood-2 go on counting through their
film, programs count from 0. So the number of frame 0 is settled for each stimulus, from the numbers that are there, the
release's own number of its first image, and what `--first-frame` or the manifest say. Numbers are the names of images
and of the arrays of an npz or HDF5 file, and the entries of an array `frames`. A video and an array of all maps have
none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from vidsal.loaders.release.release import Stimulus

from ..predictor import Missing
from .formats.stored import Numbered
from .manifest import ranges
from .parts import FirstFrame


@dataclass(frozen=True)
class FrameFacts:
    """What must be known of a stimulus to number its predictions.

    Attributes:
        n_frames: number of frames.
        own: number of its first image in the release; None where the release has none.
        annotated: first, last, first, last ... of the frames with gaze.
        missing: what a frame without prediction means.
    """

    n_frames: int
    own: int | None
    annotated: tuple[int, ...]
    missing: Missing = "error"

    @classmethod
    def of(cls, stimulus: Stimulus, missing: Missing) -> FrameFacts:
        """Take them from the release."""
        annotated = ranges(stimulus.annotated_indices().tolist())
        return cls(stimulus.n_frames, stimulus.first_frame_number, annotated, missing)

    def absent(self, have: Collection[int]) -> list[int]:
        """Return the annotated frames that lack a prediction and may not, ascending."""
        if self.missing in ("exclude", "center-bias"):
            return []
        ends = self.annotated
        needed = {f for a, b in zip(ends[::2], ends[1::2], strict=True) for f in range(a, b + 1)}
        begin = min(have, default=-1) if self.missing == "first-available" else -1
        return sorted(f for f in needed.difference(have) if f > begin)

    def fits(self, numbers: Sequence[int], first: int) -> bool:
        """Whether all numbers are frames if frame 0 has the number `first`, and no frame is absent."""
        if not numbers or numbers[0] < first or numbers[-1] >= first + self.n_frames:
            return False
        return not self.absent({n - first for n in numbers})


@dataclass(frozen=True)
class Asked:
    """What is said of the numbers.

    Attributes:
        first: of frame 0, as the option or the manifest say; None = nothing.
        option: whether it was given on the command line, so that it must apply.
        usual: where nothing is said: 0 below `predictions/`, 1 in the layouts of others.
    """

    first: FirstFrame | None
    option: bool
    usual: int


@dataclass(frozen=True)
class Numbering:
    """The number of frame 0, and what is wrong with it, if anything."""

    first: int
    faults: tuple[str, ...] = ()


def settle(numbers: Sequence[int], facts: FrameFacts, asked: Asked, numbered: Numbered) -> Numbering:
    """Settle which number frame 0 has.

    Args:
        numbers: that the files name, ascending; 0, 1, 2 ... where they name none.
        facts: of the stimulus.
        asked: what is said of the numbers.
        numbered: where the numbers stand; those of a list count from 0 by custom.

    Returns:
        The number, with a fault where it stays ambiguous, or where what is asked cannot apply.
    """
    if numbered == "order":
        if asked.first is None or (asked.first == 0 and not asked.option):
            return Numbering(0)
        said = f"--first-frame {asked.first}" if asked.option else f"first_frame {asked.first} of submission.json"
        return Numbering(
            0, (f"{said} cannot apply: these maps have no numbers, the n-th is that of frame n; leave it out",)
        )
    if asked.first == "own":
        if facts.own is None:
            return Numbering(
                asked.usual, ("--first-frame own: the release has no image numbers of its own; say the number",)
            )
        return Numbering(facts.own)
    if asked.first is not None:
        return Numbering(asked.first)
    candidates = _candidates(facts, 0 if numbered == "list" else asked.usual)
    fitting = [c for c in candidates if facts.fits(numbers, c)]
    if len(fitting) > 1:
        return Numbering(fitting[0], (_ambiguous(numbers, fitting, facts),))
    if fitting:
        return Numbering(fitting[0])
    return Numbering(max(candidates, key=lambda c: sum(c <= n < c + facts.n_frames for n in numbers)))


def remedy(numbers: Sequence[int], facts: FrameFacts, first: int) -> str:
    """Return which `--first-frame` would make the numbers fit that do not fit `first`; empty if none."""
    for other in dict.fromkeys((facts.own, 1, 0, *numbers[:1])):
        if other is not None and other != first and facts.fits(numbers, other):
            return f"; they fit if frame 0 has the number {other}: --first-frame {_word(other, facts)}"
    return ""


def _candidates(facts: FrameFacts, usual: int) -> list[int]:
    """Numbers that frame 0 may have where nothing is said, the likeliest first.

    An image that the release numbers from 1 cannot be told from one that is numbered so by custom; 0 must be said.
    """
    own = 1 if facts.own is None else facts.own
    return list(dict.fromkeys((usual, own) if usual == 0 else (own, usual)))


def _word(first: int, facts: FrameFacts) -> str:
    return "own" if first == facts.own and first > 1 else str(first)


def _ambiguous(numbers: Sequence[int], fitting: Iterable[int], facts: FrameFacts) -> str:
    ways = " or ".join(f"--first-frame {_word(c, facts)}" for c in fitting)
    froms = " or ".join(str(c) for c in fitting)
    return (
        f"the numbers {numbers[0]} to {numbers[-1]} may count from {froms}, and {facts.n_frames} frames settle "
        f"neither; say {ways}"
    )
