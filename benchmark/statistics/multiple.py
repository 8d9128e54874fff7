"""Several tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vidsal.loaders.errors import WrongUse

from .inputs import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Correct p-values for their number, by Holm's steps.

    Whoever calls differences with a corrected p of at most 0.05 real is wrong about any of them in at most one of 20
    such families, however the tests depend on each other.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6 (1979).

    Args:
        p_values: shape (n,), each from 0 to 1; NaN = a test that could not be made, which stays NaN and counts nowhere.

    Returns:
        Shape (n,), in the order of the input, at most 1.

    Raises:
        WrongUse: a value is no probability.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    try:
        found = np.asarray(p_values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongUse(f"p-values are not numbers: {error}") from error
    if found.ndim != 1:
        raise WrongUse(f"p-values have shape {found.shape}; expected a list of numbers")
    wrong = found[~np.isnan(found) & ~((found >= 0) & (found <= 1))]
    if len(wrong):
        raise WrongUse(f"{len(wrong)} p-values lie outside 0 to 1, the first is {wrong[0]:g}")
    made = np.flatnonzero(~np.isnan(found))
    order = made[np.argsort(found[made], kind="stable")]
    corrected = found.copy()
    corrected[order] = np.minimum(1, np.maximum.accumulate(found[order] * np.arange(len(order), 0, -1)))
    return corrected
