"""Human references: predictors that are handed points, so they have a protocol of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.release.release import Release, Stimulus

from .predictor import ModelInfo

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Comparison:
    """A density made from some points of a frame, judged against others.

    Attributes:
        values: density, float32, shape (H, W), sum 1.
        truth: indices into the stimulus's points against which it is judged.
    """

    values: npt.NDArray[Any]
    truth: Indices


@runtime_checkable
class HumanReference(Protocol):
    """Yields, for a frame, the comparisons whose scores are averaged into the frame's row.

    Attributes:
        info: as of any model.
        truth: what stands in for the truth: `all`, or `single-observer`.
    """

    info: ModelInfo
    truth: str

    def check(self, release: Release) -> None:
        """Raise WrongUse if the release cannot be used."""
        ...

    def compare(self, stimulus: Stimulus, frame: int, recipe: str | None) -> Iterator[Comparison]:
        """Yield the comparisons of one frame; none where they cannot be made."""
        ...


class OneVsRest:
    """Each observer against the truth recipe on all others; the mean over observers.

    Its CC, SIM and KLD have another truth (a single observer's density) than those of a model.
    """

    info = ModelInfo("one_vs_rest", output="density", missing="exclude", needs_frames=False, licence="Apache-2.0")
    truth = "single-observer"

    def check(self, release: Release) -> None:
        """Raise WrongUse if the release pools its observers."""
        if not any(len(s.gaze_points.observers) > 1 for s in release if s.annotated):
            raise WrongUse(
                f"{release.id} does not distinguish its observers, so none can be left out; "
                "one_vs_rest needs a release with observers, such as dhf1k-raw"
            )

    def compare(self, stimulus: Stimulus, frame: int, recipe: str | None) -> Iterator[Comparison]:
        """Yield one comparison for each observer who looked, if another one did."""
        here = stimulus.gaze_points.at(frame)
        observer = stimulus.gaze_points.observer[here]
        seen = np.unique(observer[observer >= 0])
        if len(seen) < 2:
            return
        for one in seen:
            rest = here[observer != one]
            values = stimulus.density_of(rest, recipe)
            if _seen(values, stimulus, rest):
                yield Comparison(values, here[observer == one])


def _seen(values: npt.NDArray[Any], stimulus: Stimulus, chosen: Indices) -> bool:
    """Whether a density is anything but 0; where it peaks is looked at first, for a large frame takes its time."""
    points, (height, width) = stimulus.gaze_points, values.shape
    row = np.clip(points.y[chosen[:1]].astype(np.intp), 0, height - 1)
    column = np.clip(points.x[chosen[:1]].astype(np.intp), 0, width - 1)
    return bool(values[row, column].any() or values.any())


class GoldStandard:
    """The truth itself, against its own fixations: what the recipe lets a perfect prediction score."""

    info = ModelInfo("gold_standard", output="density", missing="exclude", needs_frames=False, licence="Apache-2.0")
    truth = "all"

    def check(self, release: Release) -> None:
        """Any release will do."""

    def compare(self, stimulus: Stimulus, frame: int, recipe: str | None) -> Iterator[Comparison]:
        """Yield the density of all points against all points."""
        here = stimulus.gaze_points.at(frame)
        values = stimulus.density_of(here, recipe)
        if _seen(values, stimulus, here):
            yield Comparison(values, here)


HUMANS: dict[str, type[OneVsRest] | type[GoldStandard]] = {one.info.name: one for one in (OneVsRest, GoldStandard)}


def human_reference(name: str) -> HumanReference:
    """Make a human reference by its name.

    Raises:
        UnknownName: there is none of this name.
    """
    if name not in HUMANS:
        raise UnknownName("human reference", name, HUMANS)
    return HUMANS[name]()
