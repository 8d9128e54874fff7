"""The statistics of a release as pictures: PNG and SVG, the same bytes for the same numbers.

No window, no global state of matplotlib; colors that color-blind readers can distinguish (Okabe and Ito); no dates.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..io.extras import optional_packages
from ..io.files import atomic_write
from .stats import ONSET_BIN_MS, Histogram, Statistics

SIZE_IN = (7.2, 4.2)
COLORS = {"fixation": "#0072B2", "pursuit": "#E69F00", "saccade": "#D55E00"}
_PLAIN = "#0072B2"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "vidsal",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
}
METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}

Axes = Any


@optional_packages()
def save(statistics: Statistics, folder: Path) -> list[Path]:
    """Write a picture of each statistic that the source can give, as PNG and SVG.

    Args:
        statistics: of a release.
        folder: made if need be.

    Returns:
        The files, in a fixed order; what has no number has no picture.
    """
    from matplotlib import rc_context, rcdefaults
    from matplotlib.figure import Figure

    files = []
    with rc_context():
        rcdefaults()
        with rc_context(STYLE):
            for name, draw in _chosen(statistics):
                for kind in ("png", "svg"):
                    figure = Figure(figsize=SIZE_IN, layout="constrained")
                    draw(figure.add_subplot(), statistics)
                    buffer = io.BytesIO()
                    figure.savefig(buffer, format=kind, dpi=150, metadata=METADATA[kind])
                    path = folder / f"{name}.{kind}"
                    with atomic_write(path) as temporary:
                        temporary.write_bytes(buffer.getvalue())
                    files.append(path)
    return files


def _chosen(s: Statistics) -> Iterator[tuple[str, Callable[[Axes, Statistics], None]]]:
    if s.points:
        yield "centre_bias", _center_bias
    if s.points and np.isfinite(s.over_time).sum() > 1:
        yield "points_over_time", _over_time
    if any(h.n for h in s.durations_ms.values()):
        yield "durations", _durations
    if s.amplitude_px.n:
        yield "saccade_amplitudes", _amplitudes
    if s.observers_per_stimulus:
        yield "observers", _observers


def _title(axes: Axes, s: Statistics, text: str) -> None:
    split = "" if s.split == "all" else f", {s.split}"
    axes.set_title(f"{s.release}{split}: {text}")


def _center_bias(axes: Axes, s: Statistics) -> None:
    _title(axes, s, f"where people look ({s.points:,} points)")
    uniform = s.center_bias * s.center_bias.size
    picture = axes.imshow(uniform, cmap="viridis", extent=(0, 1, 1, 0), aspect="auto", vmin=0, interpolation="nearest")
    axes.figure.colorbar(picture, ax=axes, label="times the uniform share")
    if s.mean_xy is not None and s.sd_xy is not None:
        (x, y), (sx, sy) = s.mean_xy, s.sd_xy
        axes.errorbar([x], [y], xerr=[sx], yerr=[sy], color="white", marker="o", ms=4, lw=1.2, capsize=3)
        axes.set_xlabel(f"x / width   (mean {x:.3f}, sd {sx:.3f})")
        axes.set_ylabel(f"y / height   (mean {y:.3f}, sd {sy:.3f})")


def _over_time(axes: Axes, s: Statistics) -> None:
    if s.over_time_images:
        last = int(np.flatnonzero(s.over_time)[-1]) + 1
        _title(axes, s, "fixations that begin, after the image appears")
        axes.stairs(s.over_time[:last], np.arange(last + 1) * ONSET_BIN_MS / 1000, color=_PLAIN)
        axes.set_xlabel("time [s]")
        axes.set_ylabel(f"fixations an image in {ONSET_BIN_MS} ms")
    else:
        _title(axes, s, "points on a frame")
        known = np.flatnonzero(np.isfinite(s.over_time))
        axes.plot(np.arange(known[-1] + 1), s.over_time[: known[-1] + 1], color=_PLAIN, lw=1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("frame")
        axes.set_ylabel("points, mean over stimuli")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)


def _durations(axes: Axes, s: Statistics) -> None:
    _title(axes, s, "how long events last")
    for event, histogram in s.durations_ms.items():
        if histogram.n:
            values, edges = _coarse(histogram, 20)
            label = f"{event} (n = {histogram.n:,}, median {histogram.quantile(0.5):.0f} ms)"
            axes.stairs(values / histogram.n, edges, color=COLORS[event], label=label, lw=1.4)
    shown = max(h.quantile(0.99) for h in s.durations_ms.values() if h.n)
    axes.set_xlim(0, max(shown * 1.1, 40))
    axes.set_xlabel("duration [ms], cut at the 99th percentile")
    axes.set_ylabel("share in 20 ms")
    axes.legend(frameon=False)


def _amplitudes(axes: Axes, s: Statistics) -> None:
    in_degrees = s.amplitude_deg.n == s.amplitude_px.n
    histogram, unit, step = (s.amplitude_deg, "degrees", 0.5) if in_degrees else (s.amplitude_px, "px", 10.0)
    _title(axes, s, "from one fixation to the next")
    values, edges = _coarse(histogram, round(step / histogram.width))
    axes.stairs(values / histogram.n, edges, color=COLORS["saccade"], fill=True, alpha=0.8)
    axes.set_xlim(0, max(histogram.quantile(0.99) * 1.1, step * 4))
    axes.set_xlabel(f"amplitude [{unit}], cut at the 99th percentile; median {histogram.quantile(0.5):.1f}")
    axes.set_ylabel(f"share in {step:g} {unit}")


def _observers(axes: Axes, s: Statistics) -> None:
    numbers = np.array(s.observers_per_stimulus)
    low, high = int(numbers.min()), int(numbers.max())
    _title(axes, s, f"observers of a stimulus (median {np.median(numbers):g})")
    counts = np.bincount(numbers - low, minlength=high - low + 1)
    axes.bar(np.arange(low, high + 1), counts, color=_PLAIN, width=0.9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(low - 3, high + 3)
    axes.set_xlabel("observers")
    axes.set_ylabel("stimuli")


def _coarse(histogram: Histogram, factor: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Join bins; return counts and edges. The last bins that do not fill one are joined too."""
    counts = np.pad(histogram.counts, (0, -len(histogram.counts) % factor))
    joined = counts.reshape(-1, factor).sum(axis=1)
    return joined, np.arange(len(joined) + 1) * factor * histogram.width
