"""One stimulus of a converted release, read lazily: its frames, points and densities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import BadData, MissingData, WrongUse
from ..formats import frames as frame_files
from ..records import RELEASED, Float32Array, Frame, Int64Array, Screen, Truth
from . import truth as truths
from .points import POINT_COLUMNS, Points, points_of
from .released import ReleasedMaps

if TYPE_CHECKING:
    from .release import Release


class Stimulus:
    """One stimulus of a release.

    Attributes:
        id: stimulus id.
        row: its line of stimuli.parquet.
    """

    def __init__(self, release: Release, row: Mapping[str, Any]) -> None:
        self._release = release
        self.row = dict(row)
        self.id: str = row["stimulus_id"]

    def __repr__(self) -> str:
        return f"<Stimulus {self.id}: {self.n_frames} frames of {self.width} x {self.height}>"

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.row["width"])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.row["height"])

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.row["n_frames"])

    @property
    def kind(self) -> Literal["video", "image"]:
        """`video` or `image`."""
        return "image" if self.row["kind"] == "image" else "video"

    @property
    def split(self) -> str:
        """Official split."""
        return str(self.row["split"])

    @property
    def fps(self) -> Fraction | None:
        """Frames a second; None for an image or where it is unknown."""
        num, den = self.row["fps_num"], self.row["fps_den"]
        return None if not num or not den else Fraction(int(num), int(den))

    @property
    def first_frame_number(self) -> int | None:
        """Number of the image of frame 0 in a folder of images; None = the lowest one there."""
        number = self._release.record.get("first_frame_numbers", {}).get(self.id)
        return None if number is None else int(number)

    @property
    def annotated(self) -> bool:
        """Whether there is gaze for the stimulus at all."""
        return bool(self.row["annotated"])

    @property
    def screen(self) -> Screen:
        """The display on which the stimulus was shown."""
        return Screen(**self._release.record["screen"])

    def annotated_indices(self) -> Int64Array:
        """Return the annotated frames, ascending, 0-based."""
        if not self.annotated:
            return np.empty(0, np.int64)
        ranges = self.row["annotated_frames"]
        if ranges is None:
            return np.arange(self.n_frames)
        pairs = zip(ranges[::2], ranges[1::2], strict=True)
        return np.concatenate([np.empty(0, np.int64), *(np.arange(a, b + 1) for a, b in pairs)])

    @cached_property
    def gaze_points(self) -> Points:
        """All points of the stimulus, see `Points`."""
        return points_of(self._release.table("fixations", self.id, POINT_COLUMNS))

    def points(self, frame: int) -> Float32Array:
        """Return the points of a frame.

        Args:
            frame: 0-based index.

        Returns:
            float32, shape (n, 2): x and y in pixels; duplicates kept.

        Raises:
            WrongUse: the stimulus has no such frame.
        """
        self._check(frame)
        every = self.gaze_points
        chosen = every.at(frame)
        return np.stack([every.x[chosen], every.y[chosen]], axis=1)

    def density(self, frame: int, recipe: str | Truth | None = None) -> Float32Array:
        """Make the density of a frame from its points.

        Args:
            frame: 0-based index.
            recipe: name of one of the release's recipes, or a recipe; None = the default one.

        Returns:
            float32, shape (height, width), sum 1; all zero where nobody looked.

        Raises:
            WrongUse: no such frame or recipe.
        """
        self._check(frame)
        if self.truth(recipe).kernel != RELEASED:
            return self.density_of(self.gaze_points.at(frame), recipe)
        values = self.released(frame)
        total = values.sum(dtype=np.float64)
        return (values / total if total > 0 else values).astype(np.float32)

    def released(self, frame: int) -> npt.NDArray[Any]:
        """Return the density of a frame that the data set releases, as stored.

        Returns:
            float64 or uint8, shape (height, width), on its own scale.

        Raises:
            WrongUse: no such frame.
            MissingData: there is none of this stimulus, or its video is not on this machine.
            BadData: it is not the video that was converted, is of another size, or cannot be decoded.
        """
        self._check(frame)
        return self._released_maps.at(frame)

    @cached_property
    def _released_maps(self) -> ReleasedMaps:
        maps = ReleasedMaps(self._release.released_truth(self.id))
        if maps.shape != (self.height, self.width):
            height, width = maps.shape
            raise BadData(f"{maps.path}: densities of {width}x{height}, {self.id} has {self.width}x{self.height}")
        return maps

    def density_of(self, chosen: npt.NDArray[np.intp], recipe: str | Truth | None = None) -> Float32Array:
        """Make a density from some of the points; `chosen` are indices into `gaze_points`.

        Raises:
            WrongUse: the recipe makes none: its densities are released.
        """
        truth = self.truth(recipe)
        if truth.kernel == RELEASED:
            raise WrongUse(f"{self.id}: a released density follows from no points; name a recipe that makes one")
        every = self.gaze_points
        if truth.orders is not None:
            low, high = truth.orders
            chosen = chosen[(every.order[chosen] >= low) & (every.order[chosen] <= high)]
        xy = np.stack([every.x[chosen], every.y[chosen]], axis=1)
        return truths.density(xy, (self.height, self.width), truth, every.weight[chosen])

    def truth(self, recipe: str | Truth | None = None) -> Truth:
        """Return a truth recipe of the release; None = the default one."""
        return self._release.truth(recipe)

    def frames_path(self) -> Path | None:
        """Where the frames lie on this machine; None where they are not found."""
        return self._release.find_frames(self)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in presentation order, in bounded memory.

        Raises:
            MissingData: the frames are not on this machine; the message says where they were expected.
            BadData: a frame cannot be decoded, or the file is not the one that was converted.
        """
        path = self.frames_path()
        if path is None:
            raise MissingData(self._release.frames_hint([self.id]))
        return self._checked(frame_files.read(path, self.first_frame_number, self.fps), path)

    def check_frames(self) -> None:
        """Compare the frames with those that were converted; in a folder that somebody named they may be others.

        Raises:
            BadData: they lie in the converted folder, and are not what was converted.
        """
        path, expected = self.frames_path(), self.row["source_sha256"]
        if path is None or expected is None or self._release.names_frames:
            return
        if frame_files.digest(path) != expected:
            raise BadData(
                f"{path}: not what was converted (its SHA-256 differs from the one in stimuli.parquet): damaged on the "
                "disk, or replaced; fetch it again, convert again, or name the folder with --frames to take it as it is"
            )

    def _checked(self, source: Iterator[Frame], path: Path) -> Iterator[Frame]:
        count = 0
        for frame in source:
            if frame.rgb.shape[:2] != (self.height, self.width):
                height, width = frame.rgb.shape[:2]
                raise BadData(
                    f"{path}: frame {frame.index} is {width}x{height}, the release says {self.width}x{self.height}"
                )
            if frame.index != count:
                number = "" if self.first_frame_number is None else f" (number {self.first_frame_number + count})"
                raise BadData(
                    f"{path}: the image of frame {count}{number} is missing; a stimulus needs all of its frames"
                )
            if count < self.n_frames:
                yield frame
            count += 1
        if count < self.n_frames:
            raise BadData(f"{path}: {count} frames decoded, the release says {self.n_frames}; is it the same file?")

    def _check(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise WrongUse(f"{self.id} has frames 0 to {self.n_frames - 1}; asked for {frame}")
