"""Scoring one frame: maps are checked at the door, brought to the truth's grid, and handed to the metrics.

`prepare_truth` does once what does not depend on the prediction, `score` the rest; `score_frame` is both for one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import BadData, NonFinite, UnknownName, WrongUse
from vidsal.loaders.records import Truth

from .declaration import Metric, find
from .negatives import Negatives, pixel_indices
from .predictor import Kind
from .protocols import SHORT_NAMES, Protocol
from .protocols import protocol as find_protocol
from .published import NOT_SCORED, stretch_eps32
from .quantise import prediction_to_uint8, truth_to_uint8
from .resize import half_uint8, resize

Map = npt.NDArray[Any]
Float64Map = npt.NDArray[np.float64]

NO_FIXATION = "no fixation"
NO_DENSITY = "no density"
NO_NEGATIVES = "no negatives"
NOT_REPORTED = "not reported by this protocol"
ALL_FIXATED = "all pixels fixated"
CONSTANT_PREDICTION = "constant prediction"
CONSTANT_TRUTH = "constant truth"
EMPTY_TRUTH = "truth without mass"
MINIMUM_SUBTRACTED = "negative values: minimum subtracted"

SUM_TOLERANCE = 1e-3
"""How far the sum of a `density` may lie from 1."""


class FrameScores(dict[str, float]):
    """The six scores of a frame, keyed AUC-J, sAUC, NSS, CC, SIM, KLD in this order.

    Attributes:
        reasons: for a score that is NaN, or stated by convention, why.
        n_out_of_bounds: how many fixations lay outside the frame and were left out.
    """

    def __init__(
        self, scores: Mapping[str, float], reasons: Mapping[str, str] | None = None, n_out_of_bounds: int = 0
    ) -> None:
        super().__init__((name, float(scores[name])) for name in SHORT_NAMES)
        self.reasons: dict[str, str] = {n: reasons[n] for n in SHORT_NAMES if n in reasons} if reasons else {}
        self.n_out_of_bounds = n_out_of_bounds


@dataclass(frozen=True)
class FrameTruth:
    """Everything of a frame that does not depend on the prediction; made by `prepare_truth`.

    Attributes:
        shape: (H, W) of the grid on which the frame is scored.
        full_shape: (H, W) of the truth's grid: the same, or twice as large where a protocol halves everything.
        fixated: flat indices of the distinct fixated pixels, ascending, int64.
        counts: how many fixations fell on each of them, int64.
        n_out_of_bounds: fixations outside the grid.
        density: float64 (H, W) on any positive scale, or None.
        negatives: weights for the shuffled AUC, or None.
        no_negatives_reason: why there are none.
    """

    shape: tuple[int, int]
    full_shape: tuple[int, int]
    fixated: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    n_out_of_bounds: int
    density: Float64Map | None
    negatives: Negatives | None
    no_negatives_reason: str

    @property
    def n_fixated(self) -> int:
        """Number of distinct fixated pixels."""
        return len(self.fixated)


def prepare_truth(
    fixations: npt.ArrayLike,
    shape: tuple[int, int],
    density: Any,
    negatives: Negatives | None,
    protocol: Protocol | str,
    *,
    encode: bool,
    no_negatives_reason: str = NO_NEGATIVES,
    where: str = "truth",
) -> FrameTruth:
    """Prepare the truth of one frame.

    Args:
        fixations: (n, 2) x, y in pixels of the grid; those out of bounds are counted and left out.
        shape: (H, W) of the grid.
        density: (H, W), any positive scale; None = no density.
        negatives: weights for the shuffled AUC; None = none.
        protocol: declaration or name.
        encode: True passes the density through the protocol's 8-bit stage, as a run does.
        no_negatives_reason: what a NaN of the shuffled AUC is explained with.
        where: named in errors.

    Raises:
        WrongUse: shapes disagree, or points are no pairs.
        BadData: the density is negative or not finite.
    """
    rules = find_protocol(protocol)
    full = (int(shape[0]), int(shape[1]))
    index, outside = pixel_indices(fixations, full)
    truth_map = None if density is None else _check_density(density, full, where)
    if truth_map is not None and encode and rules.truth_encoding == "uint8":
        truth_map = truth_to_uint8(truth_map) / 255
    if negatives is not None and negatives.weights.shape != full:
        raise WrongUse(f"negatives have shape {negatives.weights.shape}; the truth's grid is {full}")
    if negatives is not None and negatives.empty:
        negatives = None
    grid = full
    if encode and rules.halved:
        index, truth_map, negatives, grid = _halve(index, truth_map, negatives, full)
    if truth_map is not None and rules.stretch == "minmax-eps32":
        truth_map = stretch_eps32(truth_map)
    fixated, counts = np.unique(index, return_counts=True)
    return FrameTruth(grid, full, fixated, counts.astype(np.int64), outside, truth_map, negatives, no_negatives_reason)


def _halve(
    index: npt.NDArray[np.int64], truth_map: Float64Map | None, negatives: Negatives | None, full: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], Float64Map | None, Negatives | None, tuple[int, int]]:
    """Bring an encoded truth to half its resolution: a small pixel is fixated if one of its four was."""
    seen = np.zeros(full, np.uint8)
    seen.flat[index] = 255
    half = half_uint8(seen)
    if truth_map is not None:
        truth_map = half_uint8(np.rint(truth_map * 255).astype(np.uint8)) / 255
    if negatives is not None:
        absent = 1 - np.minimum(negatives.weights, 1)
        rows, columns = (np.arange(0, n, 2)[:m] for n, m in zip(full, half.shape, strict=True))
        absent = np.multiply.reduceat(np.multiply.reduceat(absent, rows, 0), columns, 1)
        negatives = Negatives(1 - absent)
    return np.flatnonzero(half), truth_map, negatives, (half.shape[0], half.shape[1])


def score(
    values: Any,
    kind: Kind,
    truth: FrameTruth,
    protocol: Protocol | str,
    *,
    encode: bool,
    where: str = "prediction",
) -> FrameScores:
    """Score one prediction against a prepared truth.

    Args:
        values: (h, w), numpy or torch, uint8, float16, float32 or float64; any size.
        kind: `saliency` (any scale), `density` (sums to 1) or `log_density` (natural logarithm).
        truth: from `prepare_truth` with the same protocol and `encode`.
        protocol: declaration or name.
        encode: True passes the prediction through the protocol's 8-bit stage, as a run does.
        where: stimulus and frame, named in errors.

    Raises:
        NonFinite: a value is NaN or +inf, or -inf outside a log density.
        BadData: a density is negative or does not sum to 1.
        WrongUse: not a two-dimensional map of numbers, or an unknown kind.
    """
    rules = find_protocol(protocol)
    ranks, linear = _prepare_prediction(values, kind, truth, rules, encode, where)
    facts = _facts(ranks, linear, truth)
    fixated = np.zeros(truth.shape, np.int64)
    fixated.flat[truth.fixated] = truth.counts
    maps: dict[str, Any] = {
        "fixated": fixated,
        "density": truth.density,
        "negatives": None if truth.negatives is None else truth.negatives.weights,
    }
    scores, reasons = {}, {}
    for short, metric_id in zip(SHORT_NAMES, rules.metrics, strict=True):
        entry = find(metric_id)
        missing = _missing(entry, truth)
        saliency = ranks if short in ("AUC-J", "sAUC") else linear
        scores[short] = float("nan") if missing else entry(saliency=saliency, **maps)
        reason = missing or _convention(entry, scores[short], facts)
        if reason:
            reasons[short] = reason
    return FrameScores(scores, reasons, truth.n_out_of_bounds)


def score_frame(
    prediction: Any,
    fixations: npt.ArrayLike,
    density: Any = None,
    negatives: npt.ArrayLike | None = None,
    protocol: Protocol | str = "exact-1",
    kind: Kind = "saliency",
    truth: Truth | str | None = None,
    shape: tuple[int, int] | None = None,
) -> FrameScores:
    """Score one prediction of one frame. Nothing is kept between calls.

    Args:
        prediction: (h, w) uint8, float16, float32 or float64, numpy or torch.
        fixations: (n, 2) x, y in pixels of the truth's grid.
        density: (H, W) on any positive scale. None: made from the fixations by `truth`; both None: CC, SIM and KLD
            are NaN.
        negatives: (m, 2) x, y of fixations of other stimuli on the same grid; duplicates count in `exact-1` and
            collapse to distinct pixels where the protocol's negatives are a union. None: sAUC is NaN.
        protocol: name or declaration.
        kind: `saliency`, `density` or `log_density`.
        truth: recipe of the density, or the id of a release whose recipe is meant.
        shape: (H, W) of the truth's grid where `density` does not tell it; else the prediction's own.

    Raises:
        NonFinite: the prediction holds NaN or +inf.
        BadData: a density (given or predicted) is none.
        WrongUse: shapes or names are wrong.

    >>> scores = score_frame(np.array([[0.0, 1.0], [0.0, 0.0]]), [(1.5, 0.5)])
    >>> scores["AUC-J"], round(scores["NSS"], 3), scores.reasons["CC"]
    (1.0, 1.732, 'no density')
    """
    rules = find_protocol(protocol)
    values = as_map(prediction, "prediction")
    given = None if density is None else as_map(density, "density")
    if given is not None and shape is not None and given.shape != tuple(shape):
        raise WrongUse(f"density has shape {given.shape}, but shape={tuple(shape)} was asked for")
    grid = given.shape if given is not None else tuple(shape) if shape is not None else values.shape
    if len(grid) != 2 or min(grid) < 1:
        raise WrongUse(f"shape is {grid}; expected (H, W), both at least 1")
    height, width = int(grid[0]), int(grid[1])
    if given is None and truth is not None:
        given = _density_of(fixations, (height, width), truth)
    others = None
    if negatives is not None:
        distinct = rules.negatives != "others-list"
        others = Negatives.from_points(negatives, (height, width), distinct=distinct)
    prepared = prepare_truth(fixations, (height, width), given, others, rules, encode=False, where="density")
    return score(values, kind, prepared, rules, encode=False)


def as_map(values: Any, where: str) -> Map:
    """Return a map as a NumPy array of uint8 or a float type; numpy or torch on any device.

    Raises:
        WrongUse: not a two-dimensional array of real numbers with at least one pixel.
    """
    if hasattr(values, "detach"):
        tensor = values.detach()
        tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        values = tensor.cpu().numpy()
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise WrongUse(f"{where}: a map has shape (h, w), both at least 1; found {array.shape}")
    if array.dtype.kind not in "fiub":
        raise WrongUse(f"{where}: a map holds real numbers; found dtype {array.dtype}")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype == np.uint8 or array.dtype in (np.float16, np.float32, np.float64):
        return array
    return array.astype(np.float64)


def _density_of(fixations: npt.ArrayLike, shape: tuple[int, int], truth: Truth | str) -> Map | None:
    """Make a density from the fixations inside the grid; None where there is none."""
    from vidsal.loaders.truth import density as make_density

    xy = np.asarray(fixations, dtype=np.float64).reshape(-1, 2)
    xy = xy[(xy >= 0).all(1) & (xy[:, 0] < shape[1]) & (xy[:, 1] < shape[0])]
    if len(xy) == 0:
        return None
    recipe = truth if isinstance(truth, Truth) else _recipe(truth)
    made: Map = make_density(xy.astype(np.float32), shape, recipe)
    return made


def _recipe(release: str) -> Truth:
    """Return the default truth recipe of a release id."""
    from vidsal.loaders.registry import forms

    known = {form.INFO.release_id: form.INFO for form in forms()}
    if release not in known:
        raise UnknownName("release", release, known)
    return next(iter(known[release].truths.values()))


def _check_finite(array: Map, where: str, *, log: bool = False) -> None:
    if array.dtype.kind != "f":
        return
    finite = np.isfinite(array)
    if finite.all():
        return
    nan, high = int(np.isnan(array).sum()), int(np.isposinf(array).sum())
    low = array.size - int(finite.sum()) - nan - high
    if log and not nan and not high and low < array.size:
        return
    raise NonFinite(
        f"{where}: the map holds {nan} NaN, {high} +inf and {low} -inf of {array.size} values; "
        "every value must be finite (in a log density, -inf may stand for probability 0, but not everywhere)"
    )


def _check_density(density: Any, shape: tuple[int, int], where: str) -> Float64Map:
    array = as_map(density, where)
    if array.shape != shape:
        raise WrongUse(f"{where}: the density has shape {array.shape}, the grid of the fixations is {shape}")
    _check_finite(array, where)
    if array.min() < 0:
        raise BadData(f"{where}: the density has a lowest value of {array.min()}; it can not be negative")
    return _tame(array.astype(np.float64))


def _tame(values: Float64Map) -> Float64Map:
    """Bring extreme magnitudes near 1 by a power of two, so that squares neither overflow nor vanish."""
    largest = max(abs(float(values.max())), abs(float(values.min())))
    if largest == 0 or 1e-140 < largest < 1e140:
        return values
    return np.ldexp(values, -int(np.frexp(largest)[1]))


def _prepare_prediction(
    values: Any, kind: Kind, truth: FrameTruth, rules: Protocol, encode: bool, where: str
) -> tuple[Map, Map]:
    """Return the map that the areas rank and the map that everything else reads, both on the grid that is scored."""
    if kind not in get_args(Kind):
        raise WrongUse(f"{where}: kind is {kind!r}; it is one of {', '.join(get_args(Kind))}")
    array = as_map(values, where)
    _check_finite(array, where, log=kind == "log_density")
    ranks: Map = array
    if kind == "log_density":
        logs = array.astype(np.float64)
        linear: Map = np.exp(logs - logs.max())
        ranks = logs if rules.log_ranks else linear
    else:
        if kind == "density":
            _check_is_density(array, where)
        linear = array if array.dtype == np.uint8 else _tame(array.astype(np.float64))
    if encode and rules.encoding == "uint8":
        ranks = linear = prediction_to_uint8(linear)
    if rules.stretch == "minmax-eps32":
        ranks = linear = stretch_eps32(linear)
    if array.shape != truth.full_shape:
        ranks = linear = _resized(linear, truth.full_shape, rules)
    if encode and rules.halved:
        ranks = linear = half_uint8(linear)
    return ranks, linear


def _resized(values: Map, shape: tuple[int, int], rules: Protocol) -> Map:
    """Resize; a constant map stays exactly constant, though weights sum to 1 only up to rounding."""
    if values.min() == values.max():
        return np.full(shape, values.flat[0])
    return resize(values, shape, rules.resize)


def _check_is_density(array: Map, where: str) -> None:
    total = float(array.sum(dtype=np.float64))
    if array.min() < 0 or abs(total - 1) > SUM_TOLERANCE:
        raise BadData(
            f"{where}: a density is non-negative and sums to 1 within {SUM_TOLERANCE}; found a lowest value of "
            f"{array.min()} and a sum of {total:.6g}. Is it a saliency map or a log density? Say so with `kind`"
        )


@dataclass(frozen=True)
class _Facts:
    """What the reasons are drawn from."""

    no_fixation: bool
    constant_prediction: bool
    negative_values: bool
    all_fixated: bool
    constant_truth: bool
    empty_truth: bool


def _facts(ranks: Map, linear: Map, truth: FrameTruth) -> _Facts:
    g = truth.density
    return _Facts(
        no_fixation=truth.n_fixated == 0,
        constant_prediction=bool(linear.min() == linear.max()) and bool(ranks.min() == ranks.max()),
        negative_values=bool(linear.min() < 0),
        all_fixated=truth.n_fixated == truth.shape[0] * truth.shape[1],
        constant_truth=g is not None and bool(g.min() == g.max()),
        empty_truth=g is not None and not g.any(),
    )


def _missing(entry: Metric, truth: FrameTruth) -> str:
    """Say what a metric lacks, or nothing."""
    if entry.params == NOT_SCORED:
        return NOT_REPORTED
    if "fixated" in entry.needs and truth.n_fixated == 0 and not entry.scores_no_fixation:
        return NO_FIXATION
    if "density" in entry.needs and truth.density is None:
        return NO_DENSITY
    if "negatives" in entry.needs and truth.negatives is None:
        return truth.no_negatives_reason
    return ""


def _convention(entry: Metric, value: float, facts: _Facts) -> str:
    """Say why a score is NaN, or which convention stated it; nothing for an ordinary score."""
    if facts.no_fixation and entry.scores_no_fixation:
        return NO_FIXATION
    if entry.name == "auc_judd" and facts.all_fixated and np.isnan(value):
        return ALL_FIXATED
    if "density" in entry.needs and facts.empty_truth:
        return EMPTY_TRUTH
    if "density" in entry.needs and facts.constant_truth and np.isnan(value):
        return CONSTANT_TRUTH
    if facts.constant_prediction:
        return CONSTANT_PREDICTION
    if entry.subtracts_minimum and facts.negative_values:
        return MINIMUM_SUBTRACTED
    return ""
