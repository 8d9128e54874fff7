"""Scores of arrays, frame by frame, for a training or evaluation loop: no release, no files."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import BadData, WrongUse

from ..geometry import same_aspect
from ..predictor import Kind
from ..protocols import Protocol, protocol as find_protocol
from .frame import FrameScores, score_frame


class SaliencyMetrics:
    """Means over frames of a protocol's scores: `update` with each frame or batch, `compute` at the end.

    The numbers are those of `vidsal.benchmark.score_frame`, by the definitions of the protocol. Predictions may be
    NumPy arrays or torch tensors on any device. Where `torch.distributed` is initialized, `compute` sums over all
    of its processes, so each of them gets the means over the frames of all; every process must call it.

    Args:
        protocol: name or declaration; see `vidsal protocol list`.

    Attributes:
        frames: scores of each frame of this process since the last `reset`, in the order of `update`.

    >>> metrics = SaliencyMetrics()
    >>> metrics.update(np.array([[0.0, 1.0], [0.0, 0.0]]), [(1.5, 0.5)])
    >>> metrics.update(np.array([[1.0, 0.0], [0.0, 0.0]]), [(1.5, 0.5)])
    >>> round(metrics.compute()["AUC-J"], 6)
    0.666667
    """

    def __init__(self, protocol: Protocol | str = "exact-1") -> None:
        self.protocol = find_protocol(protocol)
        self.frames: list[FrameScores] = []

    def update(
        self,
        prediction: Any,
        fixations: Any,
        density: Any = None,
        negatives: Any = None,
        kind: Kind = "saliency",
    ) -> None:
        """Score one frame, or a batch of frames.

        Args:
            prediction: (h, w), or (B, h, w) or (B, 1, h, w) for a batch; see `score_frame` for types and scale.
            fixations: (n, 2) x, y in pixels of the truth's grid, or a fixation map (H, W): zero, and one other value
                at fixated pixels; for a batch B of them.
            density: (H, W) on any positive scale, for a batch (B, H, W) or (B, 1, H, W); None: CC, SIM and KLD have
                no value.
            negatives: (m, 2) x, y of fixations of other stimuli on the same grid, or a map of them (H, W), the same
                for a whole batch; None: sAUC has no value.
            kind: `saliency`, `density` or `log_density`.

        Raises:
            NonFinite: a prediction holds NaN or +inf.
            BadData: a density is none.
            WrongUse: shapes, lengths or names are wrong. Nothing of the batch is counted then.
        """
        axes = np.ndim(prediction) if not hasattr(prediction, "ndim") else prediction.ndim
        if axes not in (2, 3) and not (axes == 4 and prediction.shape[1] == 1):
            raise WrongUse(
                f"prediction has {axes} axes; expected (h, w), or (B, h, w) or (B, 1, h, w) for a batch of frames"
            )
        if axes == 2:
            scores = [self._score(prediction, fixations, density, negatives, kind)]
        else:
            _check_batch("fixations", fixations, len(prediction))
            if density is not None:
                _check_batch("density", density, len(prediction))
            scores = [
                self._score(
                    _without_channel(prediction[i]),
                    fixations[i],
                    None if density is None else _without_channel(density[i]),
                    negatives,
                    kind,
                )
                for i in range(len(prediction))
            ]
        self.frames += scores

    def _score(self, prediction: Any, fixations: Any, density: Any, negatives: Any, kind: Kind) -> FrameScores:
        points, shape = _points("fixations", fixations)
        others, grid = (None, None) if negatives is None else _points("negatives", negatives)
        truth = shape or tuple((prediction if density is None else density).shape)
        if grid is not None and grid != truth:
            raise WrongUse(f"negatives are a map of shape {grid}, the truth's grid is {truth}; give both on one grid")
        return score_frame(prediction, points, density, others, self.protocol, kind, shape=shape)

    def compute(self) -> dict[str, float]:
        """Return the mean of each score over the frames that have one; NaN where none has."""
        labels = self.protocol.labels
        values = np.array([[scores[label] for label in labels] for scores in self.frames]).reshape(-1, len(labels))
        sums = _sum_over_processes(np.stack([np.nansum(values, axis=0), (~np.isnan(values)).sum(axis=0)]))
        return {
            label: float(total / count) if count else math.nan
            for label, total, count in zip(labels, *sums.tolist(), strict=True)
        }

    def reset(self) -> None:
        """Forget all frames."""
        self.frames = []


def _without_channel(values: Any) -> Any:
    return values[0] if getattr(values, "ndim", 0) == 3 and values.shape[0] == 1 else values


def _points(name: str, values: Any) -> tuple[Any, tuple[int, int] | None]:
    """Return points (n, 2), and the grid of the map that held them; None where they were points."""
    array = np.asarray(_without_channel(values.detach().cpu() if hasattr(values, "detach") else values))
    if array.ndim != 2 or (array.dtype != bool and array.shape[1] == 2) or not array.size:
        return array, None
    if not _is_fixation_map(array):
        raise WrongUse(
            f"{name} have shape {array.shape}; expected (n, 2), x then y in pixels of the truth grid, or a fixation "
            "map (H, W) of zero and one other value"
        )
    return _points_of(array), (array.shape[0], array.shape[1])


def _points_of(fixation_map: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    rows, columns = np.nonzero(fixation_map)
    return np.stack([columns + 0.5, rows + 0.5], axis=1)


def _check_batch(name: str, values: Any, expected: int) -> None:
    if len(values) != expected:
        raise WrongUse(f"{name} has {len(values)} entries, prediction {expected} frames; give one for each frame")


def _sum_over_processes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Add up an array over the processes of torch.distributed; alone, or without torch, it is returned as it is."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return values
    on_gpu = torch.distributed.get_backend() == "nccl"
    shared = torch.from_numpy(values.astype(np.float64)).to("cuda" if on_gpu else "cpu")
    torch.distributed.all_reduce(shared)
    summed: npt.NDArray[np.float64] = shared.cpu().numpy()
    return summed


def score_arrays(
    predictions: Sequence[Any] | npt.NDArray[Any],
    truths: Sequence[Any] | npt.NDArray[Any],
    densities: Sequence[Any] | npt.NDArray[Any] | None = None,
    *,
    protocol: Protocol | str = "exact-1",
    kind: Kind = "saliency",
    names: Sequence[str] = (),
) -> dict[str, float]:
    """Score maps against maps, one of each a frame.

    Args:
        predictions: T maps (h, w).
        truths: T maps (H, W): fixation maps (zero, and one other value at fixated pixels) or densities.
        densities: T maps (H, W), where `truths` are fixation maps and densities are there too.
        protocol: name or declaration.
        kind: of the predictions.
        names: of the frames, for errors; empty = their numbers.

    Returns:
        The mean of each score over the frames; NaN where the truths cannot give it (AUC-J, NSS without fixation maps;
        CC, SIM, KLD without densities; sAUC always, as there are no negatives).

    Warns:
        UserWarning: once, where predictions have another aspect than their truths, and are stretched.

    Raises:
        WrongUse: the numbers of maps differ.
        BadData, NonFinite: see `score_frame`.

    >>> score_arrays([np.eye(2)], [np.eye(2, dtype=bool)])["NSS"]
    1.0
    """
    metrics, of_another = SaliencyMetrics(protocol), list[str]()
    _check_batch("truths", truths, len(predictions))
    if densities is not None:
        _check_batch("densities", densities, len(predictions))
    for i in range(len(predictions)):
        prediction, truth = predictions[i], np.asarray(truths[i])
        density = None if densities is None else densities[i]
        if _is_fixation_map(truth):
            points, shape = _points_of(truth), truth.shape
        elif density is None:
            points, shape, density = np.zeros((0, 2)), truth.shape, truth
        else:
            what = f"{names[i]}: its truth" if names else f"truth {i}"
            raise WrongUse(f"{what} is no fixation map: it holds more than two values, and densities are given too")
        try:
            scores = score_frame(prediction, points, density, protocol=metrics.protocol, kind=kind, shape=shape)
        except (BadData, WrongUse) as error:
            error.args = (f"{names[i]}: {error}",) if names else error.args
            raise
        metrics.frames.append(scores)
        size = tuple(n for n in np.shape(prediction) if n > 1)
        if len(size) == 2 and 0 not in shape and not same_aspect((size[0], size[1]), (shape[0], shape[1])):
            of_another.append(f"{names[i] if names else f'prediction {i}'} of {size[1]} x {size[0]}")
    if of_another:
        warnings.warn(
            f"{len(of_another)} of {len(predictions)} predictions have another aspect than their truths, the first "
            f"{of_another[0]} (width x height): they were stretched; are they transposed, letterboxed or cropped?",
            stacklevel=2,
        )
    return metrics.compute()


def _is_fixation_map(values: npt.NDArray[Any]) -> bool:
    """Whether a map holds zero and at most one other value."""
    if values.dtype == bool:
        return True
    above = values[values != 0]
    return above.size == 0 or bool((above == above.flat[0]).all())
