"""What looks wrong about maps that can be scored: inverted, cast to whole numbers, of few gray levels, constant.

None of it is an error, because a model may predict so. Each is said once for a run, from its scores, their reasons, and
a look at a few maps of each stimulus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

INVERTED = 0.4
"""A mean AUC-J below this is far from chance, on the wrong side."""

_FEW = 8
_MOST_MAPS = 3
_SAMPLES = 2048
_FEWEST_PIXELS = 64


@dataclass
class Looks:
    """What a few maps of a stimulus look like, by their numbers.

    Attributes:
        looked: maps looked at, constant ones not counted.
        cast: whole numbers of which none is above 1.
        few: maps of few values.
    """

    looked: int = 0
    cast: int = 0
    few: int = 0

    def look(self, values: Any) -> None:
        """Look at a map, numpy or torch, if not enough were seen."""
        if self.looked >= _MOST_MAPS or values.shape[0] * values.shape[1] < _FEWEST_PIXELS:
            return
        if len(np.unique(_plain(values.reshape(-1)[:: 1 + values.shape[0] * values.shape[1] // _SAMPLES]))) > _FEW:
            self.looked += 1
            return
        levels = np.unique(_plain(values))
        if len(levels) < 2:
            return
        self.looked += 1
        self.cast += levels.dtype.kind in "iu" and levels[-1] == 1
        self.few += len(levels) <= _FEW

    def suspicious(self) -> list[str]:
        """Return what looks wrong about the maps of this stimulus alone, one sentence each."""
        return _of_looks([self.to_dict()])

    def to_dict(self) -> dict[str, int]:
        """Return plain data."""
        return {name: int(value) for name, value in asdict(self).items()}


def _plain(values: Any) -> npt.NDArray[Any]:
    if hasattr(values, "detach"):
        tensor = values.detach()
        values = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).cpu().numpy()
    return np.asarray(values)


def suspicious(
    looks: Iterable[Mapping[str, int]], means: Mapping[str, float | None], reasons: Iterable[str | None], kind: str
) -> list[str]:
    """Return what looks wrong about a run's maps, one sentence each.

    Args:
        looks: what was seen of each stimulus, `Looks.to_dict`.
        means: of the scores by label.
        reasons: of the rows that were scored.
        kind: of the model; a reference predictor may be constant, and people are no maps.
    """
    if kind == "human":
        return []
    found = []
    auc = means.get("AUC-J")
    if auc is not None and auc < INVERTED:
        found.append(f"inverted: AUC-J {auc:.3f}, well below the 0.5 of chance; is 255 where nobody looks?")
    found += _of_looks(looks)
    texts = list(reasons)
    constant = sum(text is not None and "constant prediction" in text for text in texts)
    if kind != "reference" and 2 * constant > len(texts):
        found.append(f"constant: {constant} of {len(texts)} maps have one value everywhere")
    return found


def _of_looks(looks: Iterable[Mapping[str, int]]) -> list[str]:
    seen = list(looks)
    total, cast, few = (sum(one.get(name, 0) for one in seen) for name in ("looked", "cast", "few"))
    if 2 * cast > total:
        return ["cast: the maps hold 0 and 1 only, all else of a map of 0 to 1 was cut off; scale before rounding"]
    if 2 * few > total:
        return [f"few levels: the maps hold at most {_FEW} different values; store more bits, or the logarithm"]
    return []
