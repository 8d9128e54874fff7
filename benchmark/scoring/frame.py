"""Scoring one frame: maps are checked, brought to the truth's grid, and handed to the metrics.

`prepare_truth` does once what does not depend on the prediction, `score` the rest; `score_frame` is both for one call.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.records import Truth

from ..metrics import find
from ..metrics.base import Metric
from ..metrics.maps import EPS32, Map, stretch_eps32
from ..predictor import Kind
from ..protocols import Protocol, protocol as find_protocol
from .center_prior import center_prior_density
from .degenerate import convention, facts_of, impossible_fixations, missing_part
from .inputs import as_map, check_is_density, extent, rescale_extremes
from .kernels.available import kernels
from .negatives import Negatives, points_inside
from .quantize import prediction_to_uint8
from .resize import half_uint8, resize
from .truth import FrameTruth, prepare_truth

__all__ = ["FrameScores", "FrameTruth", "prepare_truth", "score", "score_frame"]


class FrameScores(dict[str, float]):
    """The scores of a frame by the labels of its protocol, in their order (AUC-J, sAUC, NSS, CC, SIM, KLD).

    Attributes:
        reasons: for a score that is NaN, or stated by convention, why.
        n_out_of_bounds: how many fixations lay outside the frame and were left out.
    """

    def __init__(
        self, scores: Mapping[str, float], reasons: Mapping[str, str] | None = None, n_out_of_bounds: int = 0
    ) -> None:
        super().__init__((label, float(value)) for label, value in scores.items())
        self.reasons: dict[str, str] = {label: reasons[label] for label in self if label in reasons} if reasons else {}
        self.n_out_of_bounds = n_out_of_bounds


def score(
    values: Any,
    kind: Kind,
    truth: FrameTruth,
    protocol: Protocol | str,
    *,
    encode: bool,
    where: str = "prediction",
    fast: bool = True,
) -> FrameScores:
    """Score one prediction against a prepared truth.

    Args:
        values: (h, w), numpy or torch, uint8, float16, float32 or float64; any size.
        kind: `saliency` (any scale), `density` (sums to 1) or `log_density` (natural logarithm).
        truth: from `prepare_truth` with the same protocol and `encode`.
        protocol: declaration or name.
        encode: True passes the prediction through the protocol's 8-bit stage, as a run does.
        where: stimulus and frame, named in errors.
        fast: False computes every score by its definition, whatever the machine.

    Raises:
        NonFinite: a value is NaN or +inf, or -inf outside a log density.
        BadData: a density is negative or does not sum to 1.
        WrongUse: not a two-dimensional map of numbers, or an unknown kind.
    """
    rules = find_protocol(protocol)
    prediction = _prepare_prediction(values, kind, truth, rules, encode, where)
    stats = _frame_stats(prediction, truth, rules) if fast else None
    low, high = prediction.value_range
    constant = low == high and prediction.rank_range[0] == prediction.rank_range[1]
    facts = facts_of(truth, constant=constant, negative=low < 0)
    scores, reasons = {}, {}
    for label, metric_id in rules.metrics.items():
        entry = find(metric_id)
        missing = missing_part(entry, truth, kind)
        scores[label] = math.nan if missing else _value(entry, prediction, truth, stats)
        reason = missing or convention(entry, scores[label], facts)
        if scores[label] == -math.inf and entry.of_densities:
            reason = impossible_fixations(prediction.log_density, truth, rounded=prediction.rounded)
        if reason:
            reasons[label] = reason
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
        shape: (H, W) of the truth's grid where `density` does not give it; else the prediction's own.

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
    grid = None if shape is None else _grid(shape)
    if given is not None and grid is not None and given.shape != grid:
        raise WrongUse(f"density has shape {given.shape}, but shape={grid} was asked for")
    if grid is None:
        grid = _grid(values.shape if given is None else given.shape)
    if given is None and truth is not None:
        given = _density_of(fixations, grid, truth)
    others = None
    if negatives is not None:
        distinct = rules.negatives != "others-list"
        others = Negatives.from_points(negatives, grid, distinct=distinct)
    prepared = prepare_truth(fixations, grid, given, others, rules, encode=False, where="density")
    return score(values, kind, prepared, rules, encode=False)


def _grid(shape: Any) -> tuple[int, int]:
    """Check the shape of a grid."""
    try:
        height, width = (operator.index(side) for side in shape)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise WrongUse(f"shape is {shape!r}; expected (H, W), two whole numbers of at least 1")
    return height, width


@dataclass
class _Prediction:
    """A prediction on the grid that is scored: the map that areas rank, the map that all else reads."""

    ranks: Map
    linear: Map
    known_range: tuple[float, float] | None = None
    to_stretch: bool = False
    """True for an 8-bit map that the protocol stretches: formulas do so with its levels, definitions need the map."""
    logs: Map | None = None
    """The log density as it was predicted, where it is on the grid and nothing was rounded."""
    rounded: bool = False
    """True for a log density, finite everywhere, whose smallest values may have been lost on the way to the grid."""

    @property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value of `linear`."""
        if self.known_range is None:
            self.known_range = float(self.linear.min()), float(self.linear.max())
        return self.known_range

    @property
    def rank_range(self) -> tuple[float, float]:
        """Lowest and highest value of `ranks`."""
        if self.ranks is self.linear:
            return self.value_range
        return float(self.ranks.min()), float(self.ranks.max())

    @cached_property
    def log_density(self) -> Map:
        """Natural logarithms of a density or log density, up to a constant; -inf where its probability is 0."""
        if self.logs is not None:
            return self.logs
        with np.errstate(divide="ignore"):
            logs: Map = np.log(self.linear, dtype=np.float64)
        return logs

    @property
    def for_definitions(self) -> tuple[Map, Map]:
        """The two maps as definitions read them."""
        if self.to_stretch:
            self.ranks = self.linear = stretch_eps32(self.linear)
            self.to_stretch = False
        return self.ranks, self.linear


def _prepare_prediction(
    values: Any, kind: Kind, truth: FrameTruth, rules: Protocol, encode: bool, where: str
) -> _Prediction:
    if kind not in get_args(Kind):
        raise WrongUse(f"{where}: kind is {kind!r}; it is one of {', '.join(get_args(Kind))}")
    array = as_map(values, where)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    linear: Map = array
    ranks: Map | None = None
    logs: Map | None = None
    known: tuple[float, float] | None = None
    if array.dtype != np.uint8 or kind != "saliency":
        low, high, total = extent(array, where, log=kind == "log_density")
        known = low, high
        if kind == "log_density":
            known, linear, logs = None, np.exp(array.astype(np.float64) - high), array
            if rules.log_ranks:
                ranks = _without_infinities(array) if low == -math.inf else array
        else:
            if kind == "density":
                check_is_density(array, low, where, total)
            linear = rescale_extremes(array, low, high)
            if linear is not array:
                known, ranks = None, array if rules.log_ranks else None
    changed = linear
    if encode and rules.encoding == "uint8":
        changed = prediction_to_uint8(changed)
    if rules.stretch == "minmax-eps32":
        if changed.dtype == np.uint8 and array.shape == truth.full_shape:
            return _Prediction(changed, changed, to_stretch=True)
        changed = stretch_eps32(changed)
    if array.shape != truth.full_shape:
        changed = _resized(changed, truth.full_shape, rules)
        if changed.dtype != np.uint8 and rules.stretch == "none":
            # The pixels that set the scale may be gone.
            changed = rescale_extremes(changed, float(changed.min()), float(changed.max()))
    if encode and rules.halved:
        changed = half_uint8(changed)
    if changed is not linear:
        return _Prediction(changed, changed, rounded=kind == "log_density" and bool(np.isfinite(array.min())))
    return _Prediction(linear if ranks is None else ranks, linear, known, logs=logs)


def _without_infinities(logs: Map) -> Map:
    """Put -inf just below the lowest finite value: the order is the same."""
    finite = np.isfinite(logs)
    order = logs.astype(np.float64)
    low, high = order[finite].min(), order[finite].max()
    order[~finite] = low - max(1.0, high - low)
    return order


def _resized(values: Map, shape: tuple[int, int], rules: Protocol) -> Map:
    """Resize; a constant map keeps its value, whatever the method does."""
    if values.min() == values.max():
        return np.full(shape, values.flat[0])
    return resize(values, shape, rules.resize)


@lru_cache(maxsize=1)
def _formulas() -> Any:
    """Return the module of formulas, which needs numba."""
    return import_module("vidsal.benchmark.scoring.cpu.formulas")


def _frame_stats(prediction: _Prediction, truth: FrameTruth, rules: Protocol) -> Any:
    """Statistics of a frame for the formulas; None where numba does not work."""
    if kernels() is None:
        return None
    formulas = _formulas()
    levels = prediction.linear.dtype == np.uint8
    stats = formulas.FrameStats(
        prediction.ranks,
        prediction.linear,
        truth,
        value_range=None if levels else prediction.value_range,
        rank_range=None if prediction.ranks is prediction.linear else prediction.rank_range,
    )
    prediction.known_range = stats.low, stats.high
    if prediction.to_stretch:
        stats.span = stats.high - stats.low + EPS32
    return formulas.plan_kld(stats, (find(metric_id).function for metric_id in rules.metrics.values()))


def _value(entry: Metric, prediction: _Prediction, truth: FrameTruth, stats: Any) -> float:
    """Compute a score by its formula where there is one, else by its definition."""
    if stats is not None:
        formula = _formulas().FORMULAS.get(entry.function)
        if formula is not None:
            return float(formula(stats))
    ranks, linear = prediction.for_definitions
    named = {"saliency": ranks if entry.ranks else linear, "fixated": truth.fixation_map}
    if "log_density" in entry.needs:
        named["log_density"] = prediction.log_density
    if "baseline" in entry.needs:
        named["baseline"] = center_prior_density(*truth.shape)
    if truth.truth_map is not None:
        named["density"] = truth.truth_map.density
    if truth.negatives is not None:
        named["negatives"] = truth.negatives.weights
    return entry(**named)


def _density_of(fixations: npt.ArrayLike, shape: tuple[int, int], truth: Truth | str) -> Map | None:
    """Make a density from the fixations inside the grid; None where there is none."""
    from vidsal.loaders.release.truth import density as make_density

    xy, inside = points_inside(fixations, shape)
    xy = xy[inside]
    if len(xy) == 0:
        return None
    recipe = truth if isinstance(truth, Truth) else _recipe(truth)
    points = xy.astype(np.float32)  # as fixations are stored
    beyond = points >= np.floor(xy) + 1  # rounded up into the next pixel, or out of the grid
    points[beyond] = np.nextafter(points[beyond], np.float32(0))
    made: Map = make_density(points, shape, recipe)
    return made


def _recipe(release: str) -> Truth:
    """Return the default truth recipe of a release id."""
    from vidsal.loaders.registry import forms

    known = {form.INFO.release_id: form.INFO for form in forms()}
    if release not in known:
        raise UnknownName("release", release, known)
    return next(iter(known[release].truths.values()))
