"""Where people looked elsewhere: the weighted pixels that the shuffled AUC is judged against."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import WrongUse

from ..metrics.maps import Float64Map


class Negatives:
    """Weights of the pixels of the truth's grid: a count of points, or a probability to be in the negative set.

    Kept as a map or as a list of pixels, whichever it was made from; each turns into the other when it is asked for.
    """

    def __init__(self, weights: npt.ArrayLike) -> None:
        """Take a map of weights.

        Args:
            weights: finite, non-negative, shape (H, W).
        """
        dense = np.ascontiguousarray(weights, dtype=np.float64)
        # A NaN fails both comparisons.
        if dense.ndim != 2 or (dense.size and not (dense.min() >= 0 and dense.max() < np.inf)):
            raise WrongUse("negatives are one finite, non-negative weight for each pixel, shape (H, W)")
        self._keep((dense.shape[0], dense.shape[1]), dense, None)

    def _keep(
        self,
        shape: tuple[int, int],
        dense: Float64Map | None,
        sparse: tuple[npt.NDArray[np.int64], Float64Map] | None,
    ) -> None:
        self.shape = shape
        self._dense = dense
        self._sparse = sparse

    @classmethod
    def from_points(
        cls,
        points: npt.ArrayLike,
        shape: tuple[int, int],
        *,
        distinct: bool,
        weight: npt.ArrayLike | None = None,
    ) -> Negatives:
        """Count points on the pixels; those out of bounds are left out.

        Args:
            points: (m, 2) x, y in pixels of the grid.
            shape: (H, W) of the grid.
            distinct: True lets every pixel count once, however many points fall on it.
            weight: (m,) how much each point counts; None = 1.
        """
        index, _ = pixel_indices(points, shape)
        if distinct:
            index = np.unique(index)
        if distinct or weight is None:
            weights = np.ones(len(index))
        else:
            weights = np.asarray(weight, dtype=np.float64)[points_inside(points, shape)[1]]
            if not (weights >= 0).all():
                raise WrongUse("weights of points are non-negative")
            index, weights = index[weights > 0], weights[weights > 0]
        self = cls.__new__(cls)
        self._keep(shape, None, (index, weights))
        return self

    @property
    def weights(self) -> Float64Map:
        """The weight of every pixel: float64, shape (H, W)."""
        if self._dense is None:
            index, weights = self.pixels
            sums = np.bincount(index, weights, self.shape[0] * self.shape[1])
            self._dense = sums.astype(np.float64).reshape(self.shape)
        return self._dense

    @property
    def pixels(self) -> tuple[npt.NDArray[np.int64], Float64Map]:
        """Flat indices of the pixels that have weight, in any order, with repetitions, and the weight of each."""
        if self._sparse is None:
            index = np.flatnonzero(self.weights)
            self._sparse = (index, self.weights.ravel()[index])
        return self._sparse

    @property
    def many(self) -> bool:
        """True if a pass over the whole map is cheaper than one over the list."""
        return len(self.pixels[0]) * 8 > self.shape[0] * self.shape[1]

    @property
    def empty(self) -> bool:
        """True if no pixel has weight."""
        return len(self.pixels[0]) == 0


def pixel_indices(points: npt.ArrayLike, shape: tuple[int, int]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the flat pixel index of each point inside the grid, in their order, and how many lie outside.

    Args:
        points: (n, 2) x, y in pixels; pixel (0, 0) covers [0, 1) x [0, 1). An empty list is no point.
        shape: (H, W) of the grid.

    Raises:
        WrongUse: not a list of pairs of numbers.
    """
    xy, inside = points_inside(points, shape)
    column, row = np.floor(xy[inside]).astype(np.int64).T
    return row * shape[1] + column, int(len(xy) - inside.sum())


def points_inside(points: npt.ArrayLike, shape: tuple[int, int]) -> tuple[Float64Map, npt.NDArray[np.bool_]]:
    """Return points as float64 of shape (n, 2), and which of them lie inside the grid; as `pixel_indices`."""
    try:
        given = np.asarray(points)
        if given.dtype.kind == "c":
            raise TypeError("found complex numbers")
        xy = given.astype(np.float64, copy=False)
    except (TypeError, ValueError) as fault:
        raise WrongUse(f"points are numbers of shape (n, 2), x then y in pixels: {fault}") from fault
    if xy.size == 0:
        xy = xy.reshape(0, 2)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise WrongUse(f"points have shape {xy.shape}; expected (n, 2), x then y in pixels of the truth grid")
    # A comparison with NaN is False: lost samples count as outside.
    return xy, (xy[:, 0] >= 0) & (xy[:, 0] < shape[1]) & (xy[:, 1] >= 0) & (xy[:, 1] < shape[0])


def union_probability(frame_counts: npt.NDArray[Any], n_frames: int, k: int = 10) -> Float64Map:
    """Probability of each pixel to be fixated in at least one of k frames drawn without replacement.

    P = 1 - C(N - K, k) / C(N, k); all N frames are drawn where there are fewer than k.

    Args:
        frame_counts: K, in how many of the frames each pixel is fixated, integers 0..n_frames, shape (H, W).
        n_frames: N, number of frames to draw from.
        k: how many are drawn.

    Returns:
        float64 0..1 of the same shape.

    >>> union_probability(np.array([[0, 1, 4]]), n_frames=4, k=2)
    array([[0. , 0.5, 1. ]])
    """
    counts = np.asarray(frame_counts)
    if n_frames < 1 or counts.min() < 0 or counts.max() > n_frames:
        raise WrongUse(f"frame counts {counts.min()}..{counts.max()} do not fit a number of frames of {n_frames}")
    absent = np.ones(n_frames + 1)
    free = n_frames - np.arange(n_frames + 1)
    for drawn in range(min(k, n_frames)):
        absent *= np.maximum(free - drawn, 0) / (n_frames - drawn)
    return (1 - absent)[counts.astype(np.int64)]


class StimulusUnion:
    """Probability of pixels to be fixated in one random frame of at least one of k random stimuli.

    With a_v the share of frames of stimulus v in which a pixel is not fixated, it stays out of the union of the
    stimuli in a set with the product of their a_v. What is kept is the mean of that product over all sets of j
    stimuli, j = 0..k, built up one stimulus at a time.

    Attributes:
        k: how many stimuli are drawn; all of them where there are fewer.
        n: how many stimuli were added.
    """

    def __init__(self, shape: tuple[int, int], k: int) -> None:
        self.k = k
        self.n = 0
        self._absent = np.zeros((k + 1, *shape))
        self._absent[0] = 1.0

    def add(self, share: Float64Map) -> None:
        """Add a stimulus.

        Args:
            share: in which part of its frames each pixel is fixated, 0..1, shape (H, W).
        """
        self.n += 1
        for j in range(min(self.k, self.n), 0, -1):
            part = j / self.n
            self._absent[j] = (1 - part) * self._absent[j] + part * (1 - share) * self._absent[j - 1]

    def probability(self) -> Float64Map:
        """Return the probability for k of all stimuli; zero where there is none."""
        probability: Float64Map = 1 - self._absent[min(self.k, self.n)]
        return probability
