"""The metrics, as definitions: short float64 functions that read like their formulas. These are the truth.

Maps have shape (height, width). A `fixated` map says how often each pixel was looked at: a boolean map counts every
fixated pixel once, an integer map keeps duplicates. `negatives` weighs the pixels that stand for "looked at
elsewhere". A prediction may be given as any real array; all arithmetic is float64. Nothing here is random: what
published code draws by chance (jitter, random splits) is its exact expectation. A map is constant if all its
values are equal; any other map is scored as it is given, however small its range is against its values.

Each family of metrics is a module, with every dialect of published code beside the definition (no module has the name
of a function, so that `metrics.nss` can only be one thing); `find` gives what a metric declares about itself. A new
module of metrics is one import here.

Faster bodies of the same numbers are in `scoring/cpu` (numba) and `scoring/device` (torch), and are tested against
these.
"""

from __future__ import annotations

from functools import cache

from vidsal.loaders.errors import UnknownName

from .at_fixations import (
    nss as nss,
    nss_list as nss_list,
    nss_msu as nss_msu,
    nss_sample as nss_sample,
    nss_sample_list as nss_sample_list,
    nss_undefined as nss_undefined,
    nss_unisal as nss_unisal,
)
from .auc import (
    auc_all_pixels as auc_all_pixels,
    auc_borji as auc_borji,
    auc_borji_open as auc_borji_open,
    auc_judd as auc_judd,
    auc_judd_jittered as auc_judd_jittered,
    auc_judd_levels as auc_judd_levels,
    auc_judd_list as auc_judd_list,
    auc_judd_msu as auc_judd_msu,
    auc_judd_salema as auc_judd_salema,
    auc_judd_tinyhd as auc_judd_tinyhd,
    auc_judd_unisal as auc_judd_unisal,
    auc_judd_untied as auc_judd_untied,
)
from .auc_shuffled import (
    shuffled_auc as shuffled_auc,
    shuffled_auc_disjoint as shuffled_auc_disjoint,
    shuffled_auc_list as shuffled_auc_list,
    shuffled_auc_port as shuffled_auc_port,
    shuffled_auc_step as shuffled_auc_step,
    shuffled_auc_step_open as shuffled_auc_step_open,
    shuffled_auc_union as shuffled_auc_union,
    shuffled_auc_unisal as shuffled_auc_unisal,
)
from .base import REGISTRY, Metric
from .correlation import (
    cc as cc,
    cc_msu as cc_msu,
    cc_undefined as cc_undefined,
)
from .divergence import (
    kld as kld,
    kld_msu as kld_msu,
    kld_of_logs as kld_of_logs,
    kld_plain as kld_plain,
    kld_tuebingen as kld_tuebingen,
    kld_undivided as kld_undivided,
    kld_unisal as kld_unisal,
)
from .information import (
    information_gain as information_gain,
    information_gain_mit as information_gain_mit,
    information_gain_of_logs as information_gain_of_logs,
    log_likelihood as log_likelihood,
    log_likelihood_of_logs as log_likelihood_of_logs,
)
from .maps import (
    EPS as EPS,
    as_density as as_density,
    min_max as min_max,
)
from .roc import (
    mann_whitney as mann_whitney,
    trapezoid as trapezoid,
)
from .similarity import (
    sim as sim,
    sim_msu as sim_msu,
    sim_port as sim_port,
    sim_stretched as sim_stretched,
    sim_tuebingen as sim_tuebingen,
    sim_unisal as sim_unisal,
)


@cache
def find(metric_id: str) -> Metric:
    """Return a metric by its full id.

    Raises:
        UnknownName: no such id; the message lists the known ones.
    """
    if metric_id not in REGISTRY:
        raise UnknownName("metric", metric_id, REGISTRY)
    return REGISTRY[metric_id]
