"""The plots of the page on why scores differ, from the measured numbers.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; each protocol has its own marker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measure_scores import COMPARED, Measured

from vidsal.benchmark.protocols import SIX

BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
LOOKS = dict(
    zip(
        COMPARED,
        zip((BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE), ("D", "o", "s", "^", "v", "X", "P"), strict=True),
        strict=True,
    )
)
"""Colour and marker of each protocol."""

STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E0E0E0",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.dpi": 110,
    "svg.hashsalt": "vidsal",
}


class Numbers:
    """The measured rows, looked up by what they are."""

    def __init__(self, rows: Sequence[Measured]) -> None:
        self.rows = rows
        self._by_key = {(r.experiment, r.series, r.x, r.statistic): r.value for r in rows}

    def __call__(self, experiment: str, series: str, x: str, statistic: str) -> float:
        """Return one number."""
        return self._by_key[experiment, series, x, statistic]

    def line(self, experiment: str, series: str, statistic: str) -> tuple[list[float], list[float]]:
        """Return x and value of a series, in the order of the rows."""
        found = [r for r in self.rows if (r.experiment, r.series, r.statistic) == (experiment, series, statistic)]
        return [float(r.x) for r in found], [r.value for r in found]


def draw_all(rows: Sequence[Measured], folder: Path) -> list[Path]:
    """Draw every plot into a folder; return the files."""
    numbers = Numbers(rows)
    drawn = []
    with mpl.rc_context(STYLE):
        for name, draw in PLOTS.items():
            file = folder / f"{name}.png"
            draw(numbers).savefig(file, metadata={"Software": None})
            drawn.append(file)
    return drawn


def _figure(columns: int, rows: int = 1, *, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def _beside(ax: Axes, text: str, x: float, y: float) -> None:
    """Write a number to the right of its point."""
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.annotate(text, (x, y), (8, 0), textcoords="offset points", va="center", fontsize=9.5, bbox=white)


def _protocols(model: str) -> Callable[[Numbers], Figure]:
    def draw(numbers: Numbers) -> Figure:
        figure, axes = _figure(3, 2, size=(10, 6.4))
        names = list(COMPARED)
        for ax, metric in zip(axes, SIX, strict=True):
            exact = numbers("protocols", model, "exact-1", metric)
            ax.axvline(exact, color=BLACK, linewidth=1, linestyle=(0, (4, 3)))
            values = [numbers("protocols", model, name, metric) for name in names]
            low, high = np.nanmin(values), np.nanmax(values)
            room = high - low
            digits = 4 if room < 0.01 else 3
            ax.set_xlim(low - 0.12 * room, high + 0.45 * room)
            for row, (name, value) in enumerate(zip(names, values, strict=True)):
                color, marker = LOOKS[name]
                if np.isnan(value):
                    where = ax.get_yaxis_transform()
                    ax.text(0.97, row, "not scored", transform=where, va="center", ha="right", style="italic")
                    continue
                ax.plot(value, row, marker, color=color, markersize=8)
                _beside(ax, f"{value:.{digits}f}", value, row)
            ax.set_yticks(range(len(names)), names if ax in axes[::3] else [""] * len(names))
            ax.set_ylim(len(names) - 0.5, -0.5)
            better = "lower is better, " if metric == "KLD" else ""
            ax.set_xlabel(f"{metric} ({better}range {room:.{digits}f})")
            ax.locator_params(axis="x", nbins=4)
        return figure

    return draw


def _bonus(numbers: Numbers) -> Figure:
    figure, (ax,) = _figure(1, size=(8, 4.8))
    n, mean = numbers.line("bonus", "AUC-J", "mean")
    _, low = numbers.line("bonus", "AUC-J", "p5")
    _, high = numbers.line("bonus", "AUC-J", "p95")
    _, law = numbers.line("bonus", "AUC-J", "law")
    ax.fill_between(n, low, high, color=SKY, alpha=0.35, linewidth=0, label="simulation, 5 % to 95 % of the frames")
    fine = np.geomspace(1, 300, 200)
    ax.plot(fine, 1 / (2 * (fine + 1)), color=RED, linestyle=(0, (5, 2)), label="constant map: 1 / (2 (n + 1))")
    ax.plot(n, law, color=BLACK, label="law: mean of fp$_n$ / (2 n)")
    ax.plot(n, mean, "o", color=BLUE, markersize=8, label="simulation: published algorithm, jitter drawn; mean")
    ax.set_xscale("log")
    ticks = [1, 2, 3, 5, 8, 17, 30, 50, 100, 300]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel("n, fixated pixels in the frame")
    ax.set_ylabel("AUC-J as published - exact area")
    ax.set_ylim(0, 0.27)
    ax.legend()
    return figure


def _same_order(numbers: Numbers) -> Figure:
    figure, axes = _figure(2, size=(10, 4.6))
    for ax, metric in zip(axes, ("AUC-J", "sAUC"), strict=True):
        for name, size in zip(COMPARED, (12, 12, 10, 8, 6, 8, 7), strict=True):  # those behind larger
            power, values = numbers.line("sharpened", name, metric)
            if not np.isnan(values).all():
                color, marker = LOOKS[name]
                ax.plot(power, values, color=color, marker=marker, markersize=size, linewidth=size / 6, label=name)
        ax.set_xscale("log", base=2)
        ax.set_xticks(power, [f"{p:g}" for p in power])
        ax.set_xlabel("the prediction raised to this power")
        ax.set_ylabel(metric)
    axes[0].axhline(0.5, color="#606060", linewidth=1, linestyle=":")
    axes[0].annotate("chance, in an exact area", (1, 0.5), (0, -13), textcoords="offset points", fontsize=9.5)
    axes[0].legend(loc="lower left", ncols=2, fontsize=9.5)
    axes[1].annotate("exact-1, tuebingen-1", (8, 0.642), (0, -17), textcoords="offset points", ha="center")
    axes[1].annotate("dhf1k-1, unisal-1,\nsalema-1, tinyhd-1", (4.3, 0.582), (5, 3), textcoords="offset points")
    return figure


def _shuffled(numbers: Numbers) -> Figure:
    figure, (step, sets, union) = _figure(3, size=(12, 4.4))
    for place, (n, color, marker) in enumerate((("3", RED, "^"), ("15", BLUE, "o"), ("100", BLACK, "s"))):
        x, mean = numbers.line("step", n, "mean")
        low, high = numbers.line("step", n, "p5")[1], numbers.line("step", n, "p95")[1]
        at = np.arange(len(x)) + 0.2 * (place - 1)
        below, above = np.subtract(mean, low), np.subtract(high, mean)
        step.errorbar(at, mean, (below, above), fmt=marker, color=color, markersize=6, label=f"{n} fixations")
    step.set_xticks(range(len(x)), [f"{s:g}" for s in x], rotation=45)
    step.set_ylim(-0.125, 0.085)
    step.axhline(0, color=BLACK, linewidth=1)
    step.set_xlabel("threshold step; published code uses 0.1")
    step.set_ylabel("sAUC at steps - exact sAUC")
    step.legend(loc="lower right")
    step.set_title("a  The threshold step", loc="left", fontsize=11)

    names = [
        ("others, list", "all other videos,\nwith duplicates"),
        ("others, union", "all other videos,\ndistinct pixels"),
        ("ten frames, one draw", "ten random frames,\n20 draws"),
        ("ten frames, expected", "ten random frames,\nexpected"),
        ("same video", "the same video"),
        ("all pixels", "all pixels"),
    ]
    for row, (name, _) in enumerate(names):
        values = [r.value for r in numbers.rows if (r.experiment, r.series) == ("negatives", name)]
        single = len(values) == 1
        sets.plot(values, [row] * len(values), "D" if single else "|", color=BLACK if single else BLUE, markersize=8)
        text = f"{values[0]:.3f}" if single else f"{min(values):.3f} to {max(values):.3f}"
        _beside(sets, text, max(values), row)
    sets.set_yticks(range(len(names)), [label for _, label in names], fontsize=9.5)
    sets.set_ylim(len(names) - 0.5, -0.5)
    sets.set_xlim(0.54, 0.95)
    sets.set_xlabel("exact sAUC of the same predictions")
    sets.set_title("b  Where the negatives come from", loc="left", fontsize=11)

    for name, color, marker, label in (
        ("list", BLACK, "D", "counted with duplicates"),
        ("union", ORANGE, "o", "union of pixels"),
    ):
        x, values = numbers.line("saturation", name, "sAUC")
        union.plot(x, values, color=color, marker=marker, markersize=7, label=label)
    union.set_xscale("log")
    union.set_xlabel("fixations of other frames")
    union.set_ylabel("sAUC of a pure centre bias")
    union.set_ylim(0.45, 0.85)
    union.legend(loc="upper left")
    union.set_title("c  A union saturates", loc="left", fontsize=11)
    return figure


def _floor_and_eps(numbers: Numbers) -> Figure:
    figure, (floor, eps) = _figure(2, size=(10, 4.2))
    for name, color, marker, label in (
        ("min-max", ORANGE, "o", "both maps stretched to 0..1 first (MIT, DHF1K)"),
        ("sum", BLACK, "D", "divided by the sum only (exact-1)"),
    ):
        x, values = numbers.line("floor", name, "SIM")
        floor.plot([100 * v for v in x], values, color=color, marker=marker, markersize=7, label=label)
    floor.set_xlabel("floor added to the prediction, % of its peak")
    floor.set_ylabel("SIM")
    floor.set_ylim(0.4, 0.9)
    floor.legend(loc="upper right")
    for share, color, marker in (("0.6", RED, "^"), ("0.3", BLUE, "o"), ("0", BLACK, "D")):
        x, values = numbers.line("eps", share, "KLD")
        label = f"{100 * float(share):.0f} % of the pixels set to zero" if float(share) else "no zeros"
        eps.plot(x, values, color=color, marker=marker, markersize=7, label=label)
    eps.set_xscale("log")
    eps.set_xlabel("eps of the formula")
    eps.set_ylabel("KLD, nats")
    eps.legend(loc="upper right")
    return figure


PLOTS: dict[str, Callable[[Numbers], Figure]] = {
    "scores_by_protocol": _protocols("blend"),
    "scores_by_protocol_flat": _protocols("motion_energy"),
    "auc_bonus": _bonus,
    "same_order": _same_order,
    "shuffled_auc": _shuffled,
    "floor_and_eps": _floor_and_eps,
}
"""Each plot by the name of its file."""
