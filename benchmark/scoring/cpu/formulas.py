"""Every score of every protocol as a formula on a `Visit`, degenerate frames included.

Each agrees with its definition on every frame that passes the door; `formula` says which there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...metrics.maps import EPS, EPS_MIT
from ..kernels import pixels as kernels
from ..truth import TruthMap
from .frame_stats import Visit
from .groups import by_levels, jittered, mann_whitney, ported, steps, steps32, untied

Formula = Callable[[Visit], float]

_FLOOR = 1e-7
"""What the MSU challenges add to deviations and sums."""


# ---------------------------------------------------------------------------------------------------------------------
# Values at fixations


def _nss(*, ddof: int = 0, repeated: bool = False, constant: float = math.nan) -> Formula:
    def formula(v: Visit) -> float:
        return constant if v.constant else v.above_mean(repeated=repeated) / v.deviation(ddof)

    return formula


def _nss_unisal(v: Visit) -> float:
    return _nss(ddof=1)(v) if v.truth.n_fixated else 1.0


def _nss_msu(v: Visit) -> float:
    span = v.span or 1.0
    return 0.0 if v.constant else v.above_mean(repeated=True) / span / (v.deviation(0) / span + _FLOOR)


# ---------------------------------------------------------------------------------------------------------------------
# Correlation


def _cc(*, constant: float) -> Formula:
    def formula(v: Visit) -> float:
        g = v.truth_map
        if g.low == g.high:
            return math.nan
        return constant if v.constant else v.moments[2] / (math.sqrt(v.moments[1]) * math.sqrt(g.squares))

    return formula


def _cc_msu(v: Visit) -> float:
    g, n = v.truth_map, v.linear.size
    if v.constant or g.low == g.high:
        return 0.0
    span = v.span or 1.0
    p_squares, products = v.moments[1] / span**2, v.moments[2] / span / g.divisor
    g_squares = g.squares / g.divisor**2
    p_unit, g_unit = (math.sqrt(s / n) + _FLOOR for s in (p_squares, g_squares))
    return products / (p_unit * g_unit) / math.sqrt(p_squares / p_unit**2 * g_squares / g_unit**2 + _FLOOR)


# ---------------------------------------------------------------------------------------------------------------------
# Shared mass


def _overlap(v: Visit, p_low: float, g_low: float) -> float:
    p_mass, g_mass = v.mass_above(p_low), v.truth_map.excess if g_low else v.truth_map.total
    return v.shared(p_low, g_mass, g_low, p_mass) / (p_mass * g_mass)


def _of_uniform(v: Visit) -> float:
    g = v.truth_map
    return float(kernels.capped(g.values.ravel(), 0.0, 1 / g.total, 1 / v.linear.size))


def _sim(v: Visit) -> float:
    if v.truth_map.high == 0:
        return math.nan
    return _of_uniform(v) if v.constant else _overlap(v, v.lifted, 0.0)


def _sim_tuebingen(v: Visit) -> float:
    g = v.truth_map
    if g.low == g.high:
        return 1.0 if v.constant else v.shared_with_uniform()
    return _sim(v)


def _sim_stretched(v: Visit) -> float:
    g = v.truth_map
    if (v.constant and v.low != 0) or (g.low == g.high and g.high != 0):
        return math.nan
    return 0.0 if v.constant or g.high == 0 else _overlap(v, v.low, g.low)


def _sim_port(v: Visit) -> float:
    g = v.truth_map
    return math.nan if v.constant or g.low == g.high else _overlap(v, v.low, g.low)


def _sim_unisal(v: Visit) -> float:
    g = v.truth_map
    p_scale = 1 / v.total if v.low >= 0 and v.total > 0 else 1.0
    return v.shared(0.0, p_scale, 0.0, 1 / g.total if g.total > 0 else 1.0)


def _sim_msu(v: Visit) -> float:
    g = v.truth_map
    p_low, span = (0.0, 1.0) if v.span is None else (v.low, v.span)
    p_scale = 1 / (v.mass_above(p_low) / span + _FLOOR) / span
    return v.shared(p_low, p_scale, 0.0, 1 / (g.total / g.divisor + _FLOOR) / g.divisor)


# ---------------------------------------------------------------------------------------------------------------------
# Divergence


def _from_uniform(v: Visit, eps: float) -> float:
    return v.truth_map.negentropy - math.log(1 / v.linear.size + eps)


def _kld(v: Visit) -> float:
    if v.truth_map.high == 0:
        return math.nan
    return _from_uniform(v, EPS) if v.constant else v.divergence(v.lifted, EPS)


def _kld_undivided(v: Visit) -> float:
    g = v.truth_map
    if g.high == 0:
        return 0.0
    if v.constant:
        return g.negentropy - math.log(EPS) if v.low == 0 else _from_uniform(v, EPS)
    return v.divergence(0.0, EPS)


def _kld_tuebingen(v: Visit) -> float:
    if v.truth_map.high == 0:
        return _kld_tuebingen(_against_uniform(v))
    return _from_uniform(v, EPS_MIT) if v.constant else v.divergence(v.lifted, EPS_MIT)


def _against_uniform(v: Visit) -> Visit:
    truth = replace(v.truth, truth_map=TruthMap(np.ones(v.truth.shape, np.uint8)))
    return Visit(v.ranks, v.linear, truth, value_range=(v.low, v.high), rank_range=(v.rank_low, v.rank_high))


def _kld_unisal(v: Visit) -> float:
    if v.truth_map.high == 0 or v.low < 0 or v.high == 0:
        return math.nan
    return _from_uniform(v, 0.0) if v.constant else v.divergence(0.0, 0.0)


def _kld_msu(v: Visit) -> float:
    g = v.truth_map
    return math.nan if v.constant or g.low == g.high else v.divergence(v.low if v.span else 0.0, EPS_MIT)


_MIT = "kld[gt||pred;sum;log(eps+q/(p+eps));eps="

_DIVERGENCES: dict[str, tuple[Formula, Callable[[Visit], tuple[float, float]]]] = {
    f"{_MIT}2.220446049250313e-16]": (_kld, lambda v: (v.lifted, EPS)),
    f"{_MIT}2.220446049250313e-16;zero_sum=undivided]": (_kld_undivided, lambda v: (0.0, EPS)),
    f"{_MIT}2.2204e-16]": (_kld_tuebingen, lambda v: (v.lifted, EPS_MIT)),
    f"{_MIT}2.2204e-16;constant=nan]": (_kld_msu, lambda v: (v.low if v.span else 0.0, EPS_MIT)),
    "kld[gt||pred;log_softmax;no_eps;0*inf=nan]": (_kld_unisal, lambda v: (0.0, 0.0)),
}
"""Formula of each KLD, what it subtracts from an ordinary prediction, and its eps."""


# ---------------------------------------------------------------------------------------------------------------------

FORMULAS: dict[str, Formula] = {
    "auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]": lambda v: mann_whitney(
        v.groups, repeated=False, against="unfixated"
    ),
    "auc_judd[mw;pos=fixation_list;neg=unfixated_pixels]": lambda v: mann_whitney(
        v.groups, repeated=True, against="unfixated"
    ),
    "auc_judd[mw;pos=fixation_list;neg=all_pixels]": lambda v: mann_whitney(v.groups, repeated=True, against="all"),
    "auc_judd[trapz;jitter=expected]": lambda v: jittered(v.groups),
    "auc_judd[trapz;jitter=expected;float32;scale=255]": lambda v: ported(v.groups32(1)),
    "auc_judd[trapz;jitter=expected;float32;scale=1]": lambda v: ported(v.groups32(255)),
    "auc_judd[trapz;unique_thresholds;round=4;float32]": lambda v: by_levels(v.stretched_density),
    "auc_judd[trapz;jitter=none;pos=fixation_list;unique=columns]": lambda v: untied(v.groups, v.truth.shape[1]),
    "shuffled_auc[mw;pos=fixated_pixels;neg=other_list]": lambda v: mann_whitney(
        v.groups, repeated=False, against="negatives"
    ),
    "shuffled_auc[mw;pos=fixation_list;neg=other_list]": lambda v: mann_whitney(
        v.groups, repeated=True, against="negatives"
    ),
    "shuffled_auc[step=0.1;expected;thr=0..1.0]": lambda v: steps(v.groups, top=True),
    "shuffled_auc[step=0.1;expected;thr=0..0.9]": lambda v: steps(v.groups, top=False),
    "shuffled_auc[step=0.1;expected;thr=0..0.9;float32]": lambda v: steps32(v.stretched_density, few=False),
    "shuffled_auc[step=0.1;expected;thr=0..0.9;float32;fp=over_fixations]": lambda v: steps32(v.stretched, few=True),
    "nss[ddof=0;pos=fixated_pixels]": _nss(constant=0.0),
    "nss[ddof=0;pos=fixated_pixels;constant=nan]": _nss(),
    "nss[ddof=0;pos=fixation_list]": _nss(repeated=True, constant=0.0),
    "nss[ddof=1;pos=fixated_pixels]": _nss(ddof=1),
    "nss[ddof=1;pos=fixated_pixels;none=1]": _nss_unisal,
    "nss[ddof=1;pos=fixation_list]": _nss(ddof=1, repeated=True),
    "nss[ddof=0;std+1e-7;pos=fixation_list]": _nss_msu,
    "cc[pearson]": _cc(constant=0.0),
    "cc[pearson;constant=nan]": _cc(constant=math.nan),
    "cc[pearson;+1e-7]": _cc_msu,
    "sim[sum]": _sim,
    "sim[none]": _sim_unisal,
    "sim[sum;constant=uniform]": _sim_tuebingen,
    "sim[minmax;sum]": _sim_stretched,
    "sim[minmax;sum;zero=nan]": _sim_port,
    "sim[sum+1e-7]": _sim_msu,
    **{metric_id: formula for metric_id, (formula, _) in _DIVERGENCES.items()},
}
"""Scores as formulas on a visit, by the metric's full id."""


def announce(visit: Visit, metrics: tuple[str, ...]) -> Visit:
    """Tell a visit which KLD will be asked for, so that SIM measures its part on the way."""
    if visit.truth.truth_map is not None and not visit.constant and visit.truth.truth_map.high > 0:
        for metric_id in metrics:
            if metric_id in _DIVERGENCES:
                visit.cross_terms = _DIVERGENCES[metric_id][1](visit)
    return visit
