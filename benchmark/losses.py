"""Losses: the metrics as torch functions that gradients pass through, for anybody's training loop.

`kld`, `kld_plain`, `kld_of_logs`, `cc`, `nss`, `nss_sample`, `nss_unisal` and `sim` have the names, arguments,
degenerate cases and values of `vidsal.benchmark.metrics`; those where higher is better are not negated. Three more are
losses only: `binary_cross_entropy`, `negative_log_likelihood` and `gaze_loss`.

Maps are (..., height, width): any leading axes, one value for each map. Numbers are computed in the input's precision,
half precision in float32. Importing this module imports torch.

>>> import torch
>>> from vidsal.benchmark import losses
>>> prediction, truth = torch.rand(4, 9, 16, requires_grad=True), torch.rand(4, 9, 16)
>>> loss = (losses.kld(prediction, truth) - 0.1 * losses.cc(prediction, truth)).mean()
>>> loss.backward()
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vidsal.loaders.errors import WrongUse

from .metrics.maps import EPS

Pairing = Literal["previous", "published"]
PAIRINGS: tuple[Pairing, ...] = ("previous", "published")
_PIXELS = (-2, -1)
_STILL, _MOVING = 1 / 1000, 1 / 10
_NOISE, _SACCADE = 0, 2


def kld(saliency: Tensor, density: Tensor) -> Tensor:
    """Divergence of the prediction from the truth, sum Q log(eps + Q / (P + eps)), in nats; see `metrics.kld`.

    Args:
        saliency: prediction of any scale, (..., h, w); lifted to 0 where it has negative values.
        density: truth of any positive scale, same shape.

    Returns:
        (...); NaN where the truth has no mass.
    """
    p, q = _as_density(_pair(saliency, density)[0]), _truth(density, saliency)
    return (q * (EPS + q / (p + EPS)).log()).sum(_PIXELS)


def kld_plain(saliency: Tensor, density: Tensor) -> Tensor:
    """Divergence without any constant, see `metrics.kld_plain`; infinite where the prediction misses what was seen."""
    return _cross(_as_density(_pair(saliency, density)[0]).log(), _truth(density, saliency))


def kld_of_logs(saliency: Tensor, density: Tensor) -> Tensor:
    """Divergence of a prediction given as unnormalized natural logarithms, see `metrics.kld_of_logs`."""
    logs = _pair(saliency, density)[0]
    return _cross(logs - logs.logsumexp(_PIXELS, keepdim=True), _truth(density, saliency))


def cc(saliency: Tensor, density: Tensor) -> Tensor:
    """Pearson's correlation over the pixels, see `metrics.cc`; constant prediction 0, constant truth NaN."""
    a, b = _pair(saliency, density)
    flat, unknown = _is_constant(a), _is_constant(b)
    x, y = _centered(a), _centered(b)
    scale = _safe((x * x).sum(_PIXELS), flat | unknown).sqrt() * _safe((y * y).sum(_PIXELS), flat | unknown).sqrt()
    found = torch.where(flat, (x * 0).sum(_PIXELS), (x * y).sum(_PIXELS) / scale)
    return torch.where(unknown, torch.full_like(found, torch.nan), found)


def nss(saliency: Tensor, fixated: Tensor) -> Tensor:
    """Mean z-score (ddof 0) of the map at the fixated pixels, see `metrics.nss`.

    Args:
        saliency: prediction of any scale, (..., h, w).
        fixated: which pixels were looked at, same shape, bool or counts.

    Returns:
        (...); 0 for a constant map, NaN where nobody looked.
    """
    return _mean_z(saliency, fixated, ddof=0, constant=0.0, none=torch.nan)


def nss_sample(saliency: Tensor, fixated: Tensor) -> Tensor:
    """Mean z-score with the sample standard deviation, see `metrics.nss_sample`; NaN for a constant map."""
    return _mean_z(saliency, fixated, ddof=1, constant=torch.nan, none=torch.nan)


def nss_unisal(saliency: Tensor, fixated: Tensor) -> Tensor:
    """Mean z-score with the sample standard deviation; 1, without gradient, where nobody looked."""
    return _mean_z(saliency, fixated, ddof=1, constant=torch.nan, none=1.0)


def sim(saliency: Tensor, density: Tensor) -> Tensor:
    """Mass that the two densities share, 0..1, see `metrics.sim`; NaN where the truth has no mass."""
    return torch.minimum(_as_density(_pair(saliency, density)[0]), _truth(density, saliency)).sum(_PIXELS)


def binary_cross_entropy(saliency: Tensor, target: Tensor) -> Tensor:
    """Mean over the pixels of -(t ln s + (1 - t) ln(1 - s)); logarithms end at -100, as in torch.

    Args:
        saliency: prediction in 0..1, (..., h, w).
        target: truth in 0..1, same shape.
    """
    s, t = _pair(saliency, target)
    return F.binary_cross_entropy(s, t, reduction="none").mean(_PIXELS)


def negative_log_likelihood(log_density: Tensor, fixated: Tensor) -> Tensor:
    """Mean over the fixations of minus the log density at their pixel, in nats.

    It is ln(pixels) - ln 2 x `metrics.log_likelihood_of_logs`.

    Args:
        log_density: natural logarithm of the prediction up to a constant, (..., h, w).
        fixated: how often each pixel was looked at, same shape.

    Returns:
        (...); NaN where nobody looked.
    """
    logs, count = _pair(log_density, fixated)
    normalized = logs - logs.logsumexp(_PIXELS, keepdim=True)
    at = torch.where(count > 0, normalized, torch.zeros_like(normalized))
    return -(count * at).sum(_PIXELS) / count.sum(_PIXELS)


def gaze_loss(gaze: Tensor, labels: Tensor, phase: Tensor, pairing: Pairing = "previous") -> dict[str, Tensor]:
    """Squared distance of gaze points, times how much gaze moves in pursuit over how much it moves in saccades.

        total = mse (1/1000 + mean |g[P] - g[P']|^2) / (1/10 + mean |g[S] - g[S']|)

    mse over all frames that are not noise; S are saccade frames, P the others, P' and S' their predecessors. Source:
    Spreen-Ledebur, spreeni/thesis_gaze_prediction.

    Args:
        gaze: predictions (B, T, 2 or more), the first two columns are the position.
        labels: (B, T, 2 or more) likewise.
        phase: (B, T), 0 noise, 1 fixation, 2 saccade, 3 pursuit.
        pairing: `previous`: frames from the second on, each with the one before it; an empty set adds nothing.
            `published`: as that code pairs them: the sets without the first frame of the first sample, and their masks
            rolled back by one in time, both read row by row, so that rows beginning inside a set are shifted by one;
            empty sets give NaN.

    Returns:
        Scalars `total`, `mse`, `reg_fix`, `reg_sacc`.

    Raises:
        WrongUse: shapes differ, or no such pairing.
    """
    if gaze.shape[:2] != labels.shape[:2] or tuple(phase.shape) != tuple(gaze.shape[:2]):
        raise WrongUse(f"gaze {tuple(gaze.shape)}, labels {tuple(labels.shape)} and phase {tuple(phase.shape)} differ")
    if pairing not in PAIRINGS:
        raise WrongUse(f"pairing={pairing!r}; one of {', '.join(PAIRINGS)} was expected")
    at, wanted = _wide(gaze)[..., :2], labels[..., :2].to(_wide(gaze).dtype)
    known, moving = phase != _NOISE, phase == _SACCADE
    still = known & ~moving
    partners = _previous if pairing == "previous" else _rolled
    mean = _mean_or_zero if pairing == "previous" else torch.mean
    mse = mean((at[known] - wanted[known]) ** 2)
    here, before = partners(at, still)
    reg_fix = _STILL + mean((here - before) ** 2)
    here, before = partners(at, moving)
    reg_sacc = _MOVING + mean((here - before).abs())
    return {"mse": mse, "reg_fix": reg_fix, "reg_sacc": reg_sacc, "total": mse * reg_fix / reg_sacc}


def _previous(at: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    chosen = mask[:, 1:]
    return at[:, 1:][chosen], at[:, :-1][chosen]


def _rolled(at: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    chosen = mask.clone()
    chosen[0, 0] = False
    return at[chosen], at[chosen.roll(-1, dims=1)]


def _mean_or_zero(values: Tensor) -> Tensor:
    return values.mean() if values.numel() else values.sum()


def _mean_z(saliency: Tensor, fixated: Tensor, *, ddof: int, constant: float, none: float) -> Tensor:
    s, looked_at = _wide(saliency), fixated > 0
    if s.shape != looked_at.shape:
        raise WrongUse(f"prediction {tuple(s.shape)} and fixated pixels {tuple(looked_at.shape)} differ in shape")
    x, flat, count = _centered(s), _is_constant(s), looked_at.sum(_PIXELS)
    size = s.shape[-2] * s.shape[-1]
    deviation = _safe((x * x).sum(_PIXELS) / (size - ddof), flat).sqrt()
    z = (x * looked_at).sum(_PIXELS) / (count.clamp(min=1) * deviation)
    z = torch.where(flat, torch.full_like(z, constant) + (x * 0).sum(_PIXELS), z)
    return torch.where(count == 0, torch.full_like(z, none), z)


def _cross(log_p: Tensor, q: Tensor) -> Tensor:
    """Sum of q (ln q - ln p) where q > 0; NaN where q is."""
    seen = q > 0
    known = torch.where(seen, q, torch.ones_like(q))
    terms = known * (known.log() - torch.where(seen, log_p, torch.zeros_like(log_p)))
    return torch.where(seen, terms, q * 0).sum(_PIXELS)


def _truth(density: Tensor, like: Tensor) -> Tensor:
    """The truth divided by its sum; NaN without mass."""
    q = _pair(like, density)[1]
    total = q.sum(_PIXELS, keepdim=True)
    return q / torch.where(total > 0, total, torch.full_like(total, torch.nan))


def _as_density(s: Tensor) -> Tensor:
    """Divide by the sum, after subtracting the minimum where it is negative; constant -> uniform."""
    flat = _is_constant(s)[..., None, None]
    low = s.amin(_PIXELS, keepdim=True)
    lifted = torch.where(low < 0, s - low, s)
    p = lifted / _safe(lifted.sum(_PIXELS, keepdim=True), flat)
    return torch.where(flat, torch.full_like(p, 1 / (s.shape[-2] * s.shape[-1])), p)


def _centered(s: Tensor) -> Tensor:
    """Subtract the mean; the minimum before it, so that an offset far above the range costs no digits."""
    lifted = s - s.detach().amin(_PIXELS, keepdim=True)
    return lifted - lifted.mean(_PIXELS, keepdim=True)


def _is_constant(s: Tensor) -> Tensor:
    return s.detach().amin(_PIXELS) == s.detach().amax(_PIXELS)


def _safe(values: Tensor, replaced: Tensor) -> Tensor:
    """1 where a value is not used, so that no gradient divides by zero there."""
    return torch.where(replaced, torch.ones_like(values), values)


def _pair(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    if first.shape != second.shape or first.dim() < 2:
        raise WrongUse(
            f"prediction {tuple(first.shape)} and truth {tuple(second.shape)}: equal shapes (..., h, w) were expected"
        )
    wide = _wide(first)
    return wide, second.to(wide.dtype)


def _wide(values: Tensor) -> Tensor:
    """Half precision and whole numbers as float32."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()
