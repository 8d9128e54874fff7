"""What comes in: one value a stimulus, NaN where a stimulus has none, and the group of each stimulus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidsal.loaders.errors import WrongUse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Groups = Sequence[object] | NDArray[np.generic]


def columns_of(values: ArrayLike, groups: Groups) -> tuple[Floats, Ints]:
    """Check values and groups.

    Args:
        values: shape (stimuli,) or (stimuli, columns); NaN where a stimulus has no value.
        groups: the group of each stimulus, shape (stimuli,), of text or numbers.

    Returns:
        Values of shape (stimuli, columns), and the number of each stimulus's group, from 0 in the order of their names:
        the order of the stimuli moves nothing.

    Raises:
        WrongUse: a shape is wrong, the lengths differ, a value is infinite or no number, a stimulus has no group.
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongUse(f"values are not numbers: {error}") from error
    if found.ndim not in (1, 2):
        raise WrongUse(f"values have shape {found.shape}; expected one a stimulus, or (stimuli, columns)")
    names = list(groups)
    if len(names) != len(found):
        raise WrongUse(f"{len(found)} values and {len(names)} groups; each stimulus has one of both")
    infinite = np.argwhere(np.isinf(found))
    if len(infinite):
        raise WrongUse(
            f"{len(infinite)} values are infinite, the first at {infinite[0][0]}; a mean over them is no number. NaN "
            "stands for a stimulus without a value"
        )
    missing = [i for i, name in enumerate(names) if name is None or name != name]
    if missing:
        raise WrongUse(f"{len(missing)} stimuli have no group, the first at {missing[0]}; a stimulus alone is its own")
    return found[:, None] if found.ndim == 1 else found, group_numbers(names)


def group_numbers(names: Sequence[object]) -> Ints:
    """Return the number of each name among the sorted distinct ones.

    >>> group_numbers(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    known = sorted(set(names), key=lambda name: (str(name), str(type(name))))
    place = {name: i for i, name in enumerate(known)}
    return np.array([place[name] for name in names], dtype=np.int64)


def column_of(values: ArrayLike, groups: Groups) -> tuple[Floats, Ints]:
    """Check one value a stimulus, see `columns_of`, and leave out the stimuli without one; their groups may go too."""
    if np.ndim(values) != 1:
        raise WrongUse(f"values have shape {np.shape(values)}; expected one a stimulus")
    found, numbers = columns_of(values, groups)
    return dropped(found[:, 0], numbers)


def dropped(values: Floats, numbers: Ints) -> tuple[Floats, Ints]:
    """Leave out stimuli without a value; the groups that are left are counted from 0 again."""
    here = ~np.isnan(values)
    if here.all():
        return values, numbers
    return values[here], np.unique(numbers[here], return_inverse=True)[1].astype(np.int64)


def check_level(level: float) -> float:
    """Return the level.

    Raises:
        WrongUse: it is not between 0 and 1.
    """
    if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)) or not 0 < level < 1:
        raise WrongUse(f"level is {level!r}; expected a share between 0 and 1, as 0.95")
    return float(level)


def check_count(name: str, value: int, least: int = 1) -> int:
    """Return a whole number.

    Raises:
        WrongUse: it is none, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise WrongUse(f"{name} is {value!r}; expected a whole number from {least}")
    return int(value)


def sums(values: Floats, numbers: Ints) -> tuple[Floats, Floats]:
    """Return the sum of each group's values, and their number."""
    count = int(numbers.max(initial=-1)) + 1
    total = np.bincount(numbers, values, count).astype(np.float64)  # of no stimulus it is of whole numbers
    return total, np.bincount(numbers, minlength=count).astype(np.float64)
