"""Scores as formulas on `FrameStats`, degenerate frames included; a score without one is computed by its definition.

Each agrees with its definition on every frame that passes the checks; `FORMULAS` lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from ... import metrics
from ...metrics.base import Function
from ...metrics.maps import EPS, EPS_MIT
from ..kernels import pixels as kernels
from ..truth import TruthMap
from .frame_stats import FrameStats
from .groups import by_levels, jittered, mann_whitney, ported, steps, steps32, untied

Formula = Callable[[FrameStats], float]

_FLOOR = 1e-7
"""What the MSU challenges add to deviations and sums."""


# ---------------------------------------------------------------------------------------------------------------------
# Values at fixations


def _nss(*, ddof: int = 0, repeated: bool = False, constant: float = math.nan) -> Formula:
    def formula(s: FrameStats) -> float:
        return constant if s.constant else s.above_mean(repeated=repeated) / s.deviation(ddof)

    return formula


def _nss_unisal(s: FrameStats) -> float:
    return _nss(ddof=1)(s) if s.truth.n_fixated else 1.0


def _nss_msu(s: FrameStats) -> float:
    span = s.span or 1.0
    return 0.0 if s.constant else s.above_mean(repeated=True) / span / (s.deviation(0) / span + _FLOOR)


# ---------------------------------------------------------------------------------------------------------------------
# Correlation


def _cc(*, constant: float) -> Formula:
    def formula(s: FrameStats) -> float:
        g = s.truth_map
        if g.low == g.high:
            return math.nan
        return constant if s.constant else s.moments[2] / (math.sqrt(s.moments[1]) * math.sqrt(g.squares))

    return formula


def _cc_msu(s: FrameStats) -> float:
    g, n = s.truth_map, s.linear.size
    if s.constant or g.low == g.high:
        return 0.0
    span = s.span or 1.0
    p_squares, products = s.moments[1] / span**2, s.moments[2] / span / g.divisor
    g_squares = g.squares / g.divisor**2
    p_unit, g_unit = (math.sqrt(squares / n) + _FLOOR for squares in (p_squares, g_squares))
    return products / (p_unit * g_unit) / math.sqrt(p_squares / p_unit**2 * g_squares / g_unit**2 + _FLOOR)


# ---------------------------------------------------------------------------------------------------------------------
# Shared mass


def _overlap(s: FrameStats, p_low: float, g_low: float) -> float:
    p_mass, g_mass = s.mass_above(p_low), s.truth_map.excess if g_low else s.truth_map.total
    return s.shared(p_low, g_mass, g_low, p_mass) / (p_mass * g_mass)


def _of_uniform(s: FrameStats) -> float:
    g = s.truth_map
    return float(kernels.capped(g.values.ravel(), 0.0, 1 / g.total, 1 / s.linear.size))


def _sim(s: FrameStats) -> float:
    if s.truth_map.high == 0:
        return math.nan
    return _of_uniform(s) if s.constant else _overlap(s, s.lifted, 0.0)


def _sim_tuebingen(s: FrameStats) -> float:
    g = s.truth_map
    if g.low == g.high:
        return 1.0 if s.constant else s.shared_with_uniform()
    return _sim(s)


def _sim_stretched(s: FrameStats) -> float:
    g = s.truth_map
    if (s.constant and s.low != 0) or (g.low == g.high and g.high != 0):
        return math.nan
    return 0.0 if s.constant or g.high == 0 else _overlap(s, s.low, g.low)


def _sim_port(s: FrameStats) -> float:
    g = s.truth_map
    return math.nan if s.constant or g.low == g.high else _overlap(s, s.low, g.low)


def _sim_unisal(s: FrameStats) -> float:
    g = s.truth_map
    p_scale = 1 / s.total if s.low >= 0 and s.total > 0 else 1.0
    return s.shared(0.0, p_scale, 0.0, 1 / g.total if g.total > 0 else 1.0)


def _sim_msu(s: FrameStats) -> float:
    g = s.truth_map
    p_low, span = (0.0, 1.0) if s.span is None else (s.low, s.span)
    p_scale = 1 / (s.mass_above(p_low) / span + _FLOOR) / span
    return s.shared(p_low, p_scale, 0.0, 1 / (g.total / g.divisor + _FLOOR) / g.divisor)


# ---------------------------------------------------------------------------------------------------------------------
# Divergence


def _from_uniform(s: FrameStats, eps: float) -> float:
    return s.truth_map.negentropy - math.log(1 / s.linear.size + eps)


def _kld(s: FrameStats) -> float:
    if s.truth_map.high == 0:
        return math.nan
    return _from_uniform(s, EPS) if s.constant else s.divergence(s.lifted, EPS)


def _kld_undivided(s: FrameStats) -> float:
    g = s.truth_map
    if g.high == 0:
        return 0.0
    if s.constant:
        return g.negentropy - math.log(EPS) if s.low == 0 else _from_uniform(s, EPS)
    return s.divergence(0.0, EPS)


def _kld_tuebingen(s: FrameStats) -> float:
    if s.truth_map.high == 0:
        return _kld_tuebingen(_against_uniform(s))
    return _from_uniform(s, EPS_MIT) if s.constant else s.divergence(s.lifted, EPS_MIT)


def _against_uniform(s: FrameStats) -> FrameStats:
    truth = replace(s.truth, truth_map=TruthMap(np.ones(s.truth.shape, np.uint8)))
    return FrameStats(s.ranks, s.linear, truth, value_range=(s.low, s.high), rank_range=(s.rank_low, s.rank_high))


def _kld_unisal(s: FrameStats) -> float:
    if s.truth_map.high == 0 or s.low < 0 or s.high == 0:
        return math.nan
    return _from_uniform(s, 0.0) if s.constant else s.divergence(0.0, 0.0)


def _kld_msu(s: FrameStats) -> float:
    g = s.truth_map
    return math.nan if s.constant or g.low == g.high else s.divergence(s.low if s.span else 0.0, EPS_MIT)


_DIVERGENCES: dict[Function, tuple[Formula, Callable[[FrameStats], tuple[float, float]]]] = {
    metrics.kld: (_kld, lambda s: (s.lifted, EPS)),
    metrics.kld_undivided: (_kld_undivided, lambda s: (0.0, EPS)),
    metrics.kld_tuebingen: (_kld_tuebingen, lambda s: (s.lifted, EPS_MIT)),
    metrics.kld_msu: (_kld_msu, lambda s: (s.low if s.span else 0.0, EPS_MIT)),
    metrics.kld_unisal: (_kld_unisal, lambda s: (0.0, 0.0)),
}
"""Formula of each definition of KLD, what it subtracts from an ordinary prediction, and its eps."""


# ---------------------------------------------------------------------------------------------------------------------

FORMULAS: dict[Function, Formula] = {
    metrics.auc_judd: lambda s: mann_whitney(s.groups, repeated=False, against="unfixated"),
    metrics.auc_judd_list: lambda s: mann_whitney(s.groups, repeated=True, against="unfixated"),
    metrics.auc_all_pixels: lambda s: mann_whitney(s.groups, repeated=True, against="all"),
    metrics.auc_judd_jittered: lambda s: jittered(s.groups),
    metrics.auc_judd_salema: lambda s: ported(s.groups32(1)),
    metrics.auc_judd_tinyhd: lambda s: ported(s.groups32(255)),
    metrics.auc_judd_unisal: lambda s: by_levels(s.stretched_density),
    metrics.auc_judd_msu: lambda s: untied(s.groups, s.truth.shape[1]),
    metrics.shuffled_auc: lambda s: mann_whitney(s.groups, repeated=False, against="negatives"),
    metrics.shuffled_auc_list: lambda s: mann_whitney(s.groups, repeated=True, against="negatives"),
    metrics.shuffled_auc_step: lambda s: steps(s.groups, top=True),
    metrics.shuffled_auc_step_open: lambda s: steps(s.groups, top=False),
    metrics.shuffled_auc_unisal: lambda s: steps32(s.stretched_density, few=False),
    metrics.shuffled_auc_port: lambda s: steps32(s.stretched, few=True),
    metrics.nss: _nss(constant=0.0),
    metrics.nss_undefined: _nss(),
    metrics.nss_list: _nss(repeated=True, constant=0.0),
    metrics.nss_sample: _nss(ddof=1),
    metrics.nss_unisal: _nss_unisal,
    metrics.nss_sample_list: _nss(ddof=1, repeated=True),
    metrics.nss_msu: _nss_msu,
    metrics.cc: _cc(constant=0.0),
    metrics.cc_undefined: _cc(constant=math.nan),
    metrics.cc_msu: _cc_msu,
    metrics.sim: _sim,
    metrics.sim_unisal: _sim_unisal,
    metrics.sim_tuebingen: _sim_tuebingen,
    metrics.sim_stretched: _sim_stretched,
    metrics.sim_port: _sim_port,
    metrics.sim_msu: _sim_msu,
    **{definition: formula for definition, (formula, _) in _DIVERGENCES.items()},
}
"""The formula of each definition."""


def plan_kld(stats: FrameStats, definitions: Iterable[Function]) -> FrameStats:
    """Note which KLD will be asked for, so that SIM measures its part on the way."""
    if stats.truth.truth_map is not None and not stats.constant and stats.truth.truth_map.high > 0:
        for definition in definitions:
            if definition in _DIVERGENCES:
                stats.cross_terms = _DIVERGENCES[definition][1](stats)
    return stats
