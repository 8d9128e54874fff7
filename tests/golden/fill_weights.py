"""Deterministic weights and inputs for the model parity goldens.

Self-contained (numpy only; torch tensors are accepted but torch is not imported).
Nothing here depends on libm, on the BLAS, or on numpy's distribution code: only
`numpy.random.PCG64(...).random_raw`, whose stream numpy guarantees, and +,-,*,/,sqrt
in float64.  So the same key and shape give the same float32 bits everywhere.

Weights
-------
Every entry of a state_dict is filled from its KEY and SHAPE (and an optional salt)::

    seed = first 8 bytes (big endian) of sha256((salt + key).encode("utf-8"))
    u    = (PCG64(seed).random_raw(n) >> 11) * 2**-53        # U[0, 1), C order
    z    = sqrt(3) * (2*u - 1)                               # mean 0, variance 1

and then, first rule that matches:

    1  integer / bool dtype                       left as built (num_batches_tracked)
    2  key ends with gauss_x.sigma, gauss_y.sigma,
       gauss_x.grid, gauss_y.grid                 left as built (fixed Gaussian filter)
    3  last part is drop_mask_<i>                 1.0 (RNG-dependent buffer, unused in eval)
    4  a part contains "gaussians", shape [...,2] mean 0.2+0.6u, log-std -1.5+1.5u
                                                  (last axis: 0 = mean, 1 = log-std)
    5  a part starts with "smoothing", 4-D        separable triangular window times (0.5+u),
                                                  divided by its sum
    6  key is or ends with .alpha                 0.1 + 0.2u
    7  running_mean                               0.1 z
    8  running_var                                0.5 + u
    9  last part starts with a_ or is
       center_bias_weight, or is a 1-D "weight"   1 + 0.1 z
    10 last part has "bias" in it or starts with
       b_                                         0.05 z
    11 last part "w" with 3 axes (grouped linear) gain * sqrt(1 / shape[1]) * z
    12 anything else with >= 2 axes               gain * sqrt(2 / prod(shape[1:])) * z

`gain` is 1 unless a (regex, gain) pair of GAINS[model] matches the key; those exist only
to keep a network's output away from saturation, so that a golden can tell right from wrong.

Inputs
------
`make_video(seed, t, h, w)` -> uint8 [t, h, w, 3] (RGB), smooth in space and time, integer
arithmetic only.  `make_density(seed, h, w)` -> float32 [h, w], positive, sums to 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["GAINS", "fill_array", "fill_state_dict", "make_density", "make_video", "uniform"]

#: model -> [(regex searched in the key, gain)]; first match wins.
GAINS: dict[str, list[tuple[str, float]]] = {
    "deepgaze_mr": [],
    # MobileNetV3 features grow through the frozen backbone; keep the RIM input at O(1)
    "fpn_rim": [(r"^fpn\.fpn\.inner_blocks\.", 0.02), (r"^multihead_attn\.in_proj_weight$", 2.0)],
    # inputs are 0..255 minus mean, not 0..1; keep the sigmoid in its working range
    "salema": [
        (r"^salgan\.0\.weight$", 0.05),
        (r"^salgan\.61\.weight$", 0.5),
        (r"^final_convs\.4\.weight$", 0.5),
        (r"^Gates\.weight$", 0.5),
    ],
    "unisal": [],
    "tinyhd": [],
}


def _bits(name: str, n: int) -> npt.NDArray[np.uint64]:
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:8], "big")
    return np.random.PCG64(seed).random_raw(n)


def uniform(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """float64 U[0, 1) of `shape`, determined by the string `name`."""
    n = int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
    u = (_bits(name, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return u.reshape(shape)


def fill_array(
    key: str, shape: tuple[int, ...], *, model: str | None = None, salt: str = ""
) -> npt.NDArray[np.float32] | None:
    """float32 array for a floating-point entry, or None for "left as built"."""
    shape = tuple(int(s) for s in shape)
    parts = key.split(".")
    last = parts[-1]
    if re.search(r"gauss_[xy]\.(sigma|grid)$", key):
        return None
    if re.fullmatch(r"drop_mask_\d+", last):
        return np.ones(shape, np.float32)
    u = uniform(salt + key, shape)
    z = (2.0 * u - 1.0) * np.sqrt(3.0)
    if any("gaussians" in p for p in parts) and shape[-1] == 2:
        out = np.empty(shape, np.float64)
        out[..., 0] = 0.2 + 0.6 * u[..., 0]
        out[..., 1] = -1.5 + 1.5 * u[..., 1]
    elif any(p.startswith("smoothing") for p in parts) and len(shape) == 4:

        def tri(n: int) -> npt.NDArray[np.float64]:
            c = (n - 1) / 2.0
            return 1.0 - np.abs(np.arange(n) - c) / (c + 1.0)

        out = tri(shape[2])[:, None] * tri(shape[3])[None, :] * (0.5 + u)
        out = out / out.sum(axis=(2, 3), keepdims=True)
    elif last == "alpha":
        out = 0.1 + 0.2 * u
    elif last == "running_mean":
        out = 0.1 * z
    elif last == "running_var":
        out = 0.5 + u
    elif last.startswith("a_") or last == "center_bias_weight" or (last == "weight" and len(shape) == 1):
        out = 1.0 + 0.1 * z
    elif "bias" in last or last.startswith("b_"):
        out = 0.05 * z
    else:
        gain = 1.0
        for pattern, g in GAINS.get(model, []):
            if re.search(pattern, key):
                gain = g
                break
        if last == "w" and len(shape) == 3:
            out = gain * np.sqrt(1.0 / shape[1]) * z
        elif len(shape) >= 2:
            out = gain * np.sqrt(2.0 / float(np.prod(shape[1:]))) * z
        else:
            raise ValueError(f"no rule for {key!r} with shape {shape!r}")
    return np.ascontiguousarray(out.astype(np.float32))


def fill_state_dict(
    state_dict: Mapping[str, Any],
    *,
    model: str | None = None,
    salt: str = "",
    convert: Callable[[npt.NDArray[np.float32]], Any] | None = None,
) -> dict[str, Any]:
    """Return a new dict with every entry of a {key: tensor-or-array} mapping filled.

    `convert(array)` turns a float32 numpy array into the framework's tensor
    (for torch: `torch.from_numpy`).  Entries that the recipe leaves as built are
    returned unchanged.
    """
    out = {}
    for key, value in state_dict.items():
        kind = str(value.dtype)
        if "float" not in kind:
            out[key] = value
            continue
        arr = fill_array(key, tuple(value.shape), model=model, salt=salt)
        if arr is None:
            out[key] = value
        else:
            out[key] = convert(arr) if convert is not None else arr
    return out


def _layer(name: str, nt: int, ny: int, nx: int, t: int, h: int, w: int, step_t: int) -> npt.NDArray[np.int64]:
    """Trilinear blow-up of random control points, 8-bit fixed point per axis."""
    grid = (_bits(name, nt * ny * nx * 3) >> np.uint64(56)).astype(np.int64)
    grid = grid.reshape(nt, ny, nx, 3)

    def axis(n_ctrl: int, n_out: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        pos = np.arange(n_out, dtype=np.int64) * (n_ctrl - 1) * 256 // max(n_out - 1, 1)
        lo = np.minimum(pos // 256, n_ctrl - 2)
        return lo, pos - lo * 256

    y0, fy = axis(ny, h)
    x0, fx = axis(nx, w)
    out = np.empty((t, h, w, 3), np.int64)
    for i in range(t):
        k, r = divmod(i, step_t)
        ft = r * 256 // step_t
        g = (grid[k] * (256 - ft) + grid[k + 1] * ft) // 256
        rows = g[y0] * (256 - fy)[:, None, None] + g[y0 + 1] * fy[:, None, None]
        rows //= 256
        out[i] = (rows[:, x0] * (256 - fx)[None, :, None] + rows[:, x0 + 1] * fx[None, :, None]) // 256
    return out


def make_video(seed: int | str, t: int, h: int, w: int) -> npt.NDArray[np.uint8]:
    """uint8 [t, h, w, 3]: a coarse and a fine layer of moving colour, 3:1.

    The control points are drawn for the whole of `t`, so a longer clip of the same
    seed is a different clip (the grid size is part of the name).
    """
    step = 4
    nt = (t - 1) // step + 2
    coarse = _layer(f"video/{seed}/coarse/{nt}", nt, 4, 5, t, h, w, step)
    fine = _layer(f"video/{seed}/fine/{nt}", nt, 13, 17, t, h, w, step)
    return ((coarse * 3 + fine) // 4).astype(np.uint8)


def make_density(seed: int | str, h: int, w: int) -> npt.NDArray[np.float32]:
    """float32 [h, w]: positive, centre-heavy, sums to 1 (a center-bias stand-in)."""
    tri_y = 1.0 - np.abs(np.arange(h) - (h - 1) / 2.0) / (h / 2.0 + 1.0)
    tri_x = 1.0 - np.abs(np.arange(w) - (w - 1) / 2.0) / (w / 2.0 + 1.0)
    d = (0.05 + tri_y[:, None] * tri_x[None, :]) * (0.5 + uniform(f"density/{seed}", (h, w)))
    return (d / d.sum()).astype(np.float32)
