"""Histograms of gaze change: how far, and where to, predicted points and the observers' gaze move in a frame.

Drawn as the gaze predictor's thesis code draws them (99 bins of 0 to 90 degrees on a log scale; 99 bins of 0 to 360
degrees around the clock), but prediction and observers in one axis, and the first position of a path is no step.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.inspect.plots import METADATA, STYLE
from vidsal.loaders.io.extras import optional_packages
from vidsal.loaders.io.files import atomic_write
from vidsal.loaders.release.release import Stimulus

from ..metrics.gaze_path import Path as GazePath, Viewing, change_distances, gaze_changes, observer_paths

BINS, FARTHEST_DEG = 99, 90.0
OBSERVERS = "observers"
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")

Steps = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GazeChanges:
    """The steps of the observers and of each model, pooled over stimuli.

    Attributes:
        lengths: in degrees, by name; `observers` first.
        directions: in degrees of 0..360, counter-clockwise from the right, likewise; of the steps that move.
        distances: Wasserstein distances of lengths and of directions by model: each observer's to the model's on the
            same stimulus, means over observers, then over stimuli. Two baselines are among them: `still` never moves,
            `anywhere` moves as far as each observer in directions spread evenly.
        stimuli: how many.
    """

    lengths: Mapping[str, Steps]
    directions: Mapping[str, Steps]
    distances: Mapping[str, tuple[float, float]]
    stimuli: int


def collect(stimuli: Sequence[Stimulus], paths: Mapping[str, Sequence[GazePath]]) -> GazeChanges:
    """Return the gaze changes of some stimuli.

    Args:
        stimuli: with observers kept apart.
        paths: of each model one a stimulus, (frames, 2) in pixels.

    Raises:
        MissingData: the release pools its observers, or visual angles are unknown.
    """
    found: dict[str, list[tuple[Steps, Steps]]] = {name: [] for name in (OBSERVERS, *paths)}
    distances: dict[str, list[tuple[float, float]]] = {name: [] for name in (*paths, "still", "anywhere")}
    for number, stimulus in enumerate(stimuli):
        fps = None if stimulus.fps is None else float(stimulus.fps)
        viewing = Viewing(stimulus.width, stimulus.height, stimulus.n_frames, fps, stimulus.screen)
        observers = _observers(stimulus)
        steps = [_steps(path, viewing, stimulus) for path in observers]
        found[OBSERVERS] += steps
        for name, given in paths.items():
            found[name].append(_steps(given[number], viewing, stimulus))
            distances[name].append(change_distances(given[number], observers, viewing))
        distances["still"].append((_mean(lengths.mean() for lengths, _ in steps if len(lengths)), np.nan))
        distances["anywhere"].append((np.nan, _mean(_to_even(d) for _, d in steps if len(d))))
    lengths = {name: np.concatenate([a for a, _ in pairs]) for name, pairs in found.items()}
    directions = {name: np.concatenate([b[a > 0] for a, b in pairs]) for name, pairs in found.items()}
    if not len(lengths[OBSERVERS]):
        raise MissingData("no observer has a position in two frames that follow one another")
    means = {
        name: (_mean(a for a, _ in pairs if not np.isnan(a)), _mean(b for _, b in pairs if not np.isnan(b)))
        for name, pairs in distances.items()
    }
    return GazeChanges(lengths, directions, means, len(stimuli))


@optional_packages()
def save_gaze_changes(changes: GazeChanges, path: Path, title: str) -> Path:
    """Write the two histograms side by side, and their numbers as a table beside them.

    Args:
        changes: from `collect`.
        path: `.png` or `.svg`.
        title: above.

    Returns:
        The table, `.csv`: quantity, low and high end of the bin, and the share of each name's steps.
    """
    from matplotlib import rc_context, rcdefaults
    from matplotlib.figure import Figure

    kind = path.suffix.lower().removeprefix(".")
    with rc_context():
        rcdefaults()
        with rc_context(STYLE):
            figure = Figure(figsize=(11, 4.8), layout="constrained")
            figure.suptitle(title, x=0.01, ha="left", fontsize=12)
            _draw_lengths(figure.add_subplot(1, 2, 1), changes)
            _draw_directions(figure.add_subplot(1, 2, 2, projection="polar"), changes)
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=150, metadata=METADATA[kind])
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    table = path.with_suffix(".csv")
    with atomic_write(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["quantity", "low_deg", "high_deg", *changes.lengths])
        for quantity, values, edges in _histograms(changes):
            shares = [share(v, edges) for v in values.values()]
            for i in range(BINS):
                rows.writerow([quantity, f"{edges[i]:.6g}", f"{edges[i + 1]:.6g}", *(f"{s[i]:.6g}" for s in shares)])
    return table


def share(values: Steps, edges: Steps) -> Steps:
    """Return which share of all values lies in each bin; those beyond the last edge lie in none."""
    counts = np.histogram(values, edges)[0]
    return np.asarray(counts / max(1, len(values)), np.float64)


def _histograms(changes: GazeChanges) -> list[tuple[str, Mapping[str, Steps], Steps]]:
    return [
        ("length", changes.lengths, np.linspace(0, FARTHEST_DEG, BINS + 1)),
        ("direction", changes.directions, np.linspace(0, 360, BINS + 1)),
    ]


def _draw_lengths(axes: Any, changes: GazeChanges) -> None:
    _, values, edges = _histograms(changes)[0]
    for number, (name, lengths) in enumerate(values.items()):
        shares, label = share(lengths, edges), f"{name} ({len(lengths):,} steps)"
        if name == OBSERVERS:
            axes.stairs(shares, edges, fill=True, color="#BBBBBB", label=label)
        else:
            axes.stairs(shares, edges, color=COLORS[(number - 1) % len(COLORS)], lw=1.6, label=label)
    axes.set_yscale("log")
    farthest = max((float(v.max()) for v in values.values() if len(v)), default=1.0)
    axes.set_xlim(0, min(FARTHEST_DEG, max(10.0, np.ceil(farthest / 5) * 5)))
    axes.set_xlabel(f"gaze change in a frame [degrees of visual angle]\n{_caption(changes, 0, 'still')}")
    axes.set_ylabel("share of steps")
    axes.legend(frameon=False)


def _draw_directions(axes: Any, changes: GazeChanges) -> None:
    from matplotlib.ticker import MaxNLocator

    _, values, edges = _histograms(changes)[1]
    turned = np.radians(edges)
    for number, (name, directions) in enumerate(values.items()):
        shares = share(directions, edges)
        if name == OBSERVERS:
            axes.bar(turned[:-1], shares, np.diff(turned), align="edge", color="#BBBBBB")
        else:
            closed = np.append(shares, shares[0])
            axes.step(turned, closed, where="post", color=COLORS[(number - 1) % len(COLORS)], lw=1.4)
    rings = MaxNLocator(4).tick_values(0, axes.get_ylim()[1])[1:-1]
    axes.set_rgrids(rings, [f"{100 * ring:.3g} %" for ring in rings], angle=22.5, color="#555555")
    axes.set_xlabel(f"direction of the steps that move, right = 0, up = 90 degrees\n{_caption(changes, 1, 'anywhere')}")


def _caption(changes: GazeChanges, part: int, baseline: str) -> str:
    named = {name: pair[part] for name, pair in changes.distances.items() if name not in ("still", "anywhere")}
    shown = {**named, {"still": "no change", "anywhere": "even"}[baseline]: changes.distances[baseline][part]}
    listed = ", ".join(f"{name} {value:.3g}" for name, value in shown.items())
    return "\n".join(wrap(f"Wasserstein distance to an observer, all steps: {listed}", 62))


def _observers(stimulus: Stimulus) -> list[GazePath]:
    try:
        return list(observer_paths(stimulus).values())
    except WrongUse as error:
        raise MissingData(f"{error}; gaze changes need observers kept apart, as in gazecom") from error


def _steps(path: GazePath, viewing: Viewing, stimulus: Stimulus) -> tuple[Steps, Steps]:
    angles = viewing.degrees(path)
    if angles is None:
        raise MissingData(f"{stimulus.id}: the release does not know how large a degree is on the screen")
    return gaze_changes(angles)


def _to_even(directions: Steps) -> float:
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(directions, np.arange(360.0)))


def _mean(values: Iterable[float]) -> float:
    found = [float(v) for v in values]
    return float(np.mean(found)) if found else float("nan")
