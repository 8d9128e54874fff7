"""The plain records that data moves through: what a data set is, a stimulus, a frame, its gaze.

data set  ->  DatasetInfo, StimulusRow, Gaze  ->  converter  ->  Parquet  ->  Stimulus, Frame
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

EVENTS = ("fixation", "pursuit", "saccade", "noise", "point", "mouse")
POINT_EVENTS = ("fixation", "pursuit", "point", "mouse")
FORCED_START = "forced_start"
LOST = "lost"
RELEASED: Final = "released"
"""Kernel, and name, of the recipe whose densities are read from the videos that a data set releases."""
OTHER_SPLIT = "split:"
"""Attributes of a stimulus that is in several splits begin so; its own split is then `all`."""

UInt8Image = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Arrays = dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]
"""Columns of equal length by name, before they are joined."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: 0-based number in presentation order.
        pts_ms: presentation time in milliseconds from the first frame; 0 for images of unknown rate.
        rgb: uint8, shape (height, width, 3).
        sound: what is heard around it, for a model that asks for it: float32, shape (samples, channels), -1 to 1.
    """

    index: int
    pts_ms: float
    rgb: UInt8Image
    sound: Float32Array | None = None


@dataclass(frozen=True)
class Screen:
    """The display on which the stimuli were shown; None where the source does not say.

    Attributes:
        width_px, height_px: resolution of the display.
        width_mm, height_mm: size of the visible area.
        distance_mm: from eye to screen.
        px_per_degree: **stimulus** pixels in one degree of visual angle, averaged over the width.
        note: what is uncertain.
    """

    width_px: int | None = None
    height_px: int | None = None
    width_mm: float | None = None
    height_mm: float | None = None
    distance_mm: float | None = None
    px_per_degree: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Truth:
    """A truth recipe: how the density of a frame is made from its points.

    Attributes:
        kernel: `gaussian` (untruncated, or cut at `radius_px`), `window` (a square kernel of `size_px` with
            replicated border and its anchor at `anchor_px`, as MATLAB's imfilter does), or `fourier` (a Gaussian
            with a cut-off in cycles per image on a square power-of-two canvas, zero padding); `released`: nothing is
            made, the density is read from the video that the data set releases.
        sigma_px: standard deviation in pixels of the stimulus (of an image 1024 wide for `fourier`).
        per: `pixel` sets each fixated pixel once, at its centre; `row` sums one kernel a row at its position.
        shift_px: added to x and y of every kernel.
        radius_px: `gaussian`: kernels are cut to a square of this half width; None = never.
        size_px, anchor_px: of `window`.
        cycles: cut-off of `fourier`.
        orders: inclusive range of the fixations' `order` (0-based) that are used; None = all points.
        note: where the recipe comes from.
    """

    kernel: Literal["gaussian", "window", "fourier", "released"] = "gaussian"
    sigma_px: float = 0.0
    per: Literal["pixel", "row"] = "row"
    shift_px: float = 0.0
    radius_px: int | None = None
    size_px: int | None = None
    anchor_px: int | None = None
    cycles: float | None = None
    orders: tuple[int, int] | None = None
    note: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """What users ask before they trust the data; one for each data set and variant.

    Attributes:
        name: pinned name of the data set.
        variant: pinned name of the variant; None where there is only one form.
        version: raised when the same source converts to other numbers.
        title: one line.
        truths: recipes by name; the first is the default of `stimulus.density`.
        screen: the display.
        licence, citation: of the data, as its authors state them.
        obtain: how a user gets the data; printed when files are missing.
        layout: the expected tree, a line each.
        observers: how many and what they did.
        splits: official splits with their numbers of stimuli, in words.
        register: file of `registers/` (without suffix) that lists the stimuli, their sizes and splits; None = none.
        withheld: the splits whose gaze its authors keep, so that frames alone are a release.
        split_names: the official splits where there is no register.
        verified: facts checked on real files.
        unverified: facts taken from documentation or other people's readers only.
        release: id where it is not `name-variant`.
        released_truth: note of the recipe `released`, which is the default of a release whose rows name a `truth_file`.
        processing: how recordings became events, where that was chosen and is no fact of the data set.
    """

    name: str
    title: str
    truths: Mapping[str, Truth]
    licence: str
    citation: str
    obtain: str
    layout: tuple[str, ...]
    variant: str | None = None
    version: str = "1"
    screen: Screen = field(default_factory=Screen)
    observers: str = ""
    splits: str = ""
    register: str | None = None
    split_names: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    verified: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    release: str | None = None
    released_truth: str = ""
    processing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def release_id(self) -> str:
        """Id of a converted release: the name, then the variant where there is one."""
        return self.release or (f"{self.name}-{self.variant}" if self.variant else self.name)


@dataclass(frozen=True)
class StimulusRow:
    """What is known of one stimulus before its gaze is read.

    Attributes:
        stimulus_id: id within the data set.
        split: official split, else `all`.
        source_file: where the frames lie, or would lie, below the source folder: a video file, an image, or a
            folder of numbered images (POSIX separators).
        width, height: pixels, from the register or the annotation; the converter replaces them by the decoded
            size. None = known from the frames only.
        n_frames: from the register, else None; the converter replaces it by the decoded count.
        fps: frames a second; None for an image, or unknown until the video is opened.
        kind: `video` or `image`.
        group_id: film or scene, the unit that statistics resample; None = the stimulus itself.
        duration_ms: presentation time of an image; None for a video (then n_frames / fps).
        attributes: tags of the stimulus.
        parent_id, parent_start_frame: the longer clip that this one was cut from.
        first_frame_number: number of the first image file in a folder of frames.
        truth_file: video of the released densities, relative to the source.
        extra: whatever the loader wants to hand to its own `gaze`.
    """

    stimulus_id: str
    split: str
    source_file: str
    width: int | None
    height: int | None
    n_frames: int | None
    fps: Fraction | None = None
    kind: Literal["video", "image"] = "video"
    group_id: str | None = None
    duration_ms: float | None = None
    attributes: tuple[str, ...] = ()
    parent_id: str | None = None
    parent_start_frame: int | None = None
    first_frame_number: int | None = None
    truth_file: str | None = None
    extra: Any = None


@dataclass(frozen=True)
class Anomaly:
    """An anomaly of a source, reported to the user and kept in release.json.

    Attributes:
        kind: `missing`, `surplus`, `unreadable`, `wrong-size`, `out-of-range`, `mismatch`, `assumption`, ...
        where: file (with line where it has lines) or stimulus, relative to the source.
        message: what was found, what was expected.
        count: how many times.
        fatal: False for what is merely noted (an assumption); `--strict` ignores those.
    """

    kind: str
    where: str
    message: str
    count: int = 1
    fatal: bool = True


class Report(list[Anomaly]):
    """Collects anomalies in the order in which they are met."""

    def add(self, kind: str, where: str, message: str, *, count: int = 1, fatal: bool = True) -> None:
        """Note one anomaly."""
        self.append(Anomaly(kind, where, message, count, fatal))


Column: TypeAlias = "npt.NDArray[Any] | list[Any] | pa.DictionaryArray | Mapping[str, Mask] | str | int | float | None"
"""A column of a table: an array of its length, a list, categories by code (`schema.categorical`), or one value for all
rows; of flags, a list for each row, or the rows that have each."""


@dataclass(frozen=True)
class Samples:
    """The samples of one observer on one stimulus; a source that knows more adds it in a record of its own.

    Attributes:
        t_us: (n,), microseconds, from wherever the source counts.
        x, y: (n,), pixels of the stimulus, or of the screen where the record says so.
    """

    t_us: Int64Array
    x: Float64Array
    y: Float64Array


@dataclass(frozen=True)
class Gaze:
    """The gaze of one stimulus as a loader returns it; the converter completes, checks and sorts it.

    Attributes:
        fixations: columns of the fixations schema by name, without dataset, stimulus_id, split and in_bounds.
            Needed: `event`, `frame`, `x_px`, `y_px`. Arrays of equal length, or one value for all rows.
            `flags` is a list of flags for each row, or for each flag the rows that have it.
        samples: columns of the gaze schema likewise (needed: `observer_id`, `t_us`, `x_px`, `y_px`); None where
            the source has no samples that are not themselves the points.
        annotated: False if there is no gaze for the stimulus at all.
        annotated_frames: first, last, first, last ..., inclusive, 0-based; None = all frames.
        last_annotated: number of the last annotated frame where annotation is by frame (pooled maps); the
            converter compares it with n_frames. None where recordings may run on past the clip.
        n_observers: how many observers; None if the source pooled them.
        source_files: the gaze files read, relative to the source; their digests go into the release.
        folders: folders, relative to the source, whose list of files decided what was read; a conversion that goes on
            reads the stimulus again if one has changed.
        n_frames: set where the loader knows better than decoding and register (pinned exceptions only).
        fps: the rate by which times became frames, where the loader had to assume one.
    """

    fixations: Mapping[str, Column] = field(default_factory=dict)
    samples: Mapping[str, Column] | None = None
    annotated: bool = True
    annotated_frames: tuple[int, ...] | None = None
    last_annotated: int | None = None
    n_observers: int | None = None
    source_files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    n_frames: int | None = None
    fps: Fraction | None = None


class Form(Protocol):
    """What the module of one form of a data set offers.

    The converter calls `present` to find the form, `stimuli` once, and `gaze` for each stimulus, in worker
    processes. Before `gaze` it has put the decoded size, frame count and frame rate into the row.
    """

    @property
    def INFO(self) -> DatasetInfo:  # noqa: N802
        """The facts."""
        ...

    def present(self, source: Path) -> bool:
        """Return whether `source` holds this form."""
        ...

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield every stimulus that has gaze or frames in `source`, in the order of the register.

        Raises:
            MissingData: nothing of this form is there; the message says what was expected and how to get it.
        """
        ...

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read one stimulus's gaze. A bad file is noted in `report` and left out.

        Raises:
            BadData: nothing of this stimulus can be used.
        """
        ...
