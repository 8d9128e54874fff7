"""How good predicted gaze points are: distance, scanpath NSS, and whether the gaze moves as people's does.

    angular error         degrees from the predicted point to those of the observers, mean; lower is better
    scanpath NSS          the density of all observers in space and time, z-scored over the whole video, at the
                          predicted points; higher is better, chance is about 0
    gaze change length    Wasserstein distance between the lengths of the steps from frame to frame, predicted and
                          of each observer, in degrees; lower is better
    gaze change direction the same for the directions, in degrees of 0..360; lower is better

Source: Spreen-Ledebur's thesis and its code, spreeni/thesis_gaze_prediction; the density follows Dorr, Martinetz,
Gegenfurtner & Barth, Variability of eye movements when viewing dynamic natural scenes, Journal of Vision 10 (2010).

Scanpath NSS is not the NSS of a map: there a predicted map is read at the observers' points, here the observers'
density is read at a predicted point.

A direction has no beginning, but the distance between directions is that of plain numbers, as published: 359 degrees
is far from 1 degree. A step of length 0 has direction 0.

Two declarations: `GAZE_1` keeps pixels, frame rate and steps as they are; `SPREENI_1` does what the thesis's code does
(a raster of 224 x 224, a frame time of 1 / 29.7 s, the first position counted as a step).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import atan, degrees, nan

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Screen
from vidsal.loaders.release.release import Stimulus

Path = npt.NDArray[np.float64]
"""A position for each frame, shape (frames, 2), x and y in pixels of the stimulus; NaN where there is none."""

METRICS = ("angular error", "scanpath NSS", "gaze change length", "gaze change direction")
TRUNCATE = 4.0


@dataclass(frozen=True)
class GazeProtocol:
    """Every choice that moves a number.

    Attributes:
        name: of the declaration.
        sigma_deg, sigma_ms: of the Gaussian in space and in time, cut off at four of them.
        raster: width and height of the grid on which the density lies; None = the stimulus's own pixels.
        frame_ms: time of a frame; None = from the stimulus's frame rate.
        screen: where visual angles come from; None = from the data set.
        published: points of the observers are first rounded to whole numbers of the raster, which count from 1; so
            do predicted points, cut off to whole numbers; points outside are moved to the border; the first
            position of a path counts as a step.
    """

    name: str
    sigma_deg: float = 1.2
    sigma_ms: float = 26.25
    raster: tuple[int, int] | None = None
    frame_ms: float | None = None
    screen: Screen | None = None
    published: bool = False


GAZE_1 = GazeProtocol("gaze-1")
SPREENI_1 = GazeProtocol(
    "spreeni-1",
    raster=(224, 224),
    frame_ms=1000 / 29.7,
    screen=Screen(width_mm=400, height_mm=225, distance_mm=450),
    published=True,
)


@dataclass(frozen=True)
class Viewing:
    """How a stimulus was seen, and how long it was.

    Attributes:
        width, height: of the stimulus in pixels.
        n_frames: number of frames.
        fps: frames a second; None for an image.
        screen: its `px_per_degree`, else its size and distance (the stimulus filling it), give visual angles.
    """

    width: int
    height: int
    n_frames: int
    fps: float | None
    screen: Screen

    def cells(self, raster: tuple[int, int] | None) -> npt.NDArray[np.float64]:
        """Return how many cells of a raster over the frame make a pixel in x and in y."""
        return np.array(raster or (self.width, self.height)) / (self.width, self.height)

    def degrees(self, positions: npt.ArrayLike) -> Path | None:
        """Return positions (..., 2) in degrees from the center, x right, y up; None where the geometry is unknown."""
        screen = self.screen
        centered = (np.asarray(positions, np.float64) / (self.width, self.height) - 0.5) * (1.0, -1.0)
        if screen.px_per_degree:
            return centered * (self.width, self.height) / screen.px_per_degree
        if screen.width_mm and screen.height_mm and screen.distance_mm:
            plane = centered * (screen.width_mm, screen.height_mm) / screen.distance_mm
            return np.degrees(np.arctan(plane))
        return None

    def pixels_per_degree(self, raster: tuple[int, int]) -> tuple[float, float] | None:
        """Return how many cells of a raster over the frame make a degree in x and in y, on average."""
        screen = self.screen
        if screen.px_per_degree:
            return (
                screen.px_per_degree * raster[0] / self.width,
                screen.px_per_degree * raster[1] / self.height,
            )
        if screen.width_mm and screen.height_mm and screen.distance_mm:
            wide = 2 * degrees(atan(screen.width_mm / 2 / screen.distance_mm))
            high = 2 * degrees(atan(screen.height_mm / 2 / screen.distance_mm))
            return raster[0] / wide, raster[1] / high
        return None


@dataclass(frozen=True)
class GazeScores:
    """Scores of one stimulus.

    Attributes:
        values: by the names of `METRICS`; NaN where one cannot be computed.
        reasons: why, by name.
        frames: angular error and scanpath NSS of each frame, NaN where there is none.
    """

    values: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)


def score_gaze(
    predicted: npt.ArrayLike, observers: Sequence[npt.ArrayLike], viewing: Viewing, protocol: GazeProtocol = GAZE_1
) -> GazeScores:
    """Score the predicted points of one stimulus.

    Args:
        predicted: (frames, 2), x and y in pixels of the stimulus; NaN in frames without prediction.
        observers: a path (frames, 2) for each of them; NaN where the gaze was lost or left out.
        viewing: the stimulus; its screen is used where the protocol has none.
        protocol: the choices.

    Raises:
        WrongUse: wrong shapes, or no observer.
    """
    if protocol.screen is not None:
        viewing = Viewing(viewing.width, viewing.height, viewing.n_frames, viewing.fps, protocol.screen)
    path = _checked(predicted, viewing, "predicted")
    paths = [_checked(p, viewing, f"observer {n}") for n, p in enumerate(observers)]
    if not paths:
        raise WrongUse("gaze points cannot be scored without an observer")
    nss = scanpath_nss(path, paths, viewing, protocol)
    labels = [_as_published(p, viewing, protocol) for p in paths]
    error = angular_errors(path, labels, viewing)
    length, direction = change_distances(path, labels, viewing, first=protocol.published)
    values = dict(zip(METRICS, (_mean(error), _mean(nss), length, direction), strict=True))
    reasons = {name: _why(name, viewing, protocol) for name, value in values.items() if np.isnan(value)}
    return GazeScores(values, reasons, {METRICS[0]: error, METRICS[1]: nss})


def angular_errors(predicted: Path, observers: Sequence[Path], viewing: Viewing) -> npt.NDArray[np.float64]:
    """Return for each frame the mean distance in degrees from the predicted point to the observers' points.

    Args:
        predicted: (frames, 2) in pixels.
        observers: likewise, one each.
        viewing: without known angles all is NaN.
    """
    here = viewing.degrees(predicted)
    if here is None:
        return np.full(len(predicted), nan)
    there = [viewing.degrees(path) for path in observers]
    distances = np.stack([np.linalg.norm(path - here, axis=1) for path in there if path is not None])
    return _mean_over_first(distances)


def scanpath_nss(
    predicted: Path, observers: Sequence[Path], viewing: Viewing, protocol: GazeProtocol = GAZE_1
) -> npt.NDArray[np.float64]:
    """Return for each frame the z-scored density of the observers at the predicted point; NaN without one.

    The density is a unit at each observer's cell of the raster, blurred in x, y and time (borders mirrored, the edge
    cell repeated); mean and standard deviation (ddof 0) are those of the whole video. Only one frame's density and
    the few that its blur in time needs are held.

    Args:
        predicted: (frames, 2) in pixels of the stimulus; points outside it are read at its border.
        observers: likewise, one each; points outside count only where the protocol moves them to the border.
        viewing: without known angles, or without frame rate, all is NaN.
        protocol: the choices.
    """
    raster = protocol.raster or (viewing.width, viewing.height)
    scale, frame_ms = viewing.pixels_per_degree(raster), _frame_ms(viewing, protocol)
    frames = len(predicted)
    found = np.full(frames, nan)
    if scale is None or frame_ms is None or not frames:
        return found
    across, down = (blur_matrix(size, protocol.sigma_deg * cells) for size, cells in zip(raster, scale, strict=True))
    taps = gaussian_taps(protocol.sigma_ms / frame_ms)
    labels = np.stack([_cells(path, viewing, protocol, label=True) for path in observers], axis=1)
    places = _cells(predicted, viewing, protocol, label=False)
    blurred: dict[int, npt.NDArray[np.float64]] = {}
    total = squares = 0.0
    for frame in range(frames):
        density = np.zeros(raster[::-1])
        near = mirrored(frame + np.arange(len(taps)) - len(taps) // 2, frames)
        for other, weight in zip(near.tolist(), taps, strict=True):
            if other not in blurred:
                x, y = labels[other][~np.isnan(labels[other]).any(axis=1)].astype(np.intp).T
                blurred[other] = down[:, y] @ across[:, x].T
            density += weight * blurred[other]
        for old in [other for other in blurred if other < near.min()]:
            del blurred[old]
        total += float(density.sum())
        squares += float(np.square(density).sum())
        if not np.isnan(places[frame]).any():
            x, y = places[frame].astype(np.intp)
            found[frame] = density[y, x]
    size = frames * raster[0] * raster[1]
    mean = total / size
    variance = squares / size - mean * mean
    return np.asarray((found - mean) / np.sqrt(variance)) if variance > 0 else np.full(frames, nan)


def gaussian_taps(sigma: float) -> npt.NDArray[np.float64]:
    """Return the weights of a Gaussian cut off at four sigma; they are odd in number and sum to 1."""
    radius = int(TRUNCATE * sigma + 0.5)
    if not radius:
        return np.ones(1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def mirrored(indices: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.intp]:
    """Return indices folded back into 0..size - 1; the border repeats the edge: ... 1 0 | 0 1 2 ..."""
    folded = indices % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def blur_matrix(size: int, sigma: float) -> npt.NDArray[np.float64]:
    """Return the matrix (size, size) of a Gaussian blur with mirrored borders; each row sums to 1."""
    taps = gaussian_taps(sigma)
    rows = np.repeat(np.arange(size), len(taps))
    columns = mirrored(rows + np.tile(np.arange(len(taps)) - len(taps) // 2, size), size)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (rows, columns), np.tile(taps, size))
    return matrix


def gaze_changes(path: Path, *, first: bool = False) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return lengths and directions of the steps of a path.

    Args:
        path: (frames, 2), y up; steps to or from a frame that is NaN are left out.
        first: the first position counts as a step from (0, 0), as the thesis's code counts it.

    Returns:
        Lengths in the unit of the path, directions in degrees of 0..360, counter-clockwise from the right.

    >>> gaze_changes(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 2.0]]))
    (array([5., 2.]), array([ 53.13010235, 270.        ]))
    """
    start = np.zeros((1, 2)) if first else np.empty((0, 2))
    steps = np.diff(np.concatenate((start, path)), axis=0)
    steps = steps[~np.isnan(steps).any(axis=1)]
    return np.linalg.norm(steps, axis=1), np.degrees(np.arctan2(steps[:, 1], steps[:, 0])) % 360


def change_distances(
    predicted: Path, observers: Iterable[Path], viewing: Viewing, *, first: bool = False
) -> tuple[float, float]:
    """Return the Wasserstein distances of step lengths and of step directions, means over the observers.

    Args:
        predicted: (frames, 2) in pixels.
        observers: likewise, one each; those without a step are left out.
        viewing: without known angles both are NaN.
        first: see `gaze_changes`.
    """
    from scipy.stats import wasserstein_distance

    here = viewing.degrees(predicted)
    if here is None:
        return nan, nan
    ours = gaze_changes(here, first=first)
    lengths, directions = [], []
    for path in observers:
        there = viewing.degrees(path)
        theirs = gaze_changes(np.empty((0, 2)) if there is None else there, first=first)
        if len(ours[0]) and len(theirs[0]):
            lengths.append(float(wasserstein_distance(ours[0], theirs[0])))
            directions.append(float(wasserstein_distance(ours[1], theirs[1])))
    return (float(np.mean(lengths)), float(np.mean(directions))) if lengths else (nan, nan)


def observer_paths(stimulus: Stimulus) -> dict[str, Path]:
    """Return each observer's path through a stimulus: the mean of his points of each frame, NaN without.

    Args:
        stimulus: of a release that keeps its observers apart.

    Raises:
        WrongUse: the source pooled its observers.
    """
    points = stimulus.gaze_points
    if not points.observers or (points.observer < 0).any():
        raise WrongUse(f"{stimulus.id}: its points are pooled over observers, so there are no paths to compare")
    paths = np.full((len(points.observers), stimulus.n_frames, 2), nan)
    for frame in range(stimulus.n_frames):
        chosen = points.at(frame)
        who = points.observer[chosen]
        for observer in np.unique(who).tolist():
            own = chosen[who == observer]
            paths[observer, frame] = points.x[own].mean(dtype=np.float64), points.y[own].mean(dtype=np.float64)
    return dict(zip(points.observers, paths, strict=True))


def _checked(path: npt.ArrayLike, viewing: Viewing, who: str) -> Path:
    values = np.array(path, np.float64)
    if values.shape != (viewing.n_frames, 2):
        raise WrongUse(f"{who}: a path of shape {(viewing.n_frames, 2)} was expected, found {values.shape}")
    values[np.isnan(values).any(axis=1)] = nan
    return values


def _why(name: str, viewing: Viewing, protocol: GazeProtocol) -> str:
    if viewing.degrees((0.0, 0.0)) is None:
        return "pixels per degree unknown"
    if name == METRICS[1] and _frame_ms(viewing, protocol) is None:
        return "frame rate unknown"
    return "no frame, or no step, has both a prediction and an observer"


def _frame_ms(viewing: Viewing, protocol: GazeProtocol) -> float | None:
    return protocol.frame_ms or (1000 / viewing.fps if viewing.fps else None)


def _as_published(path: Path, viewing: Viewing, protocol: GazeProtocol) -> Path:
    """Return an observer's path in whole numbers of the raster, clamped, where the protocol rounds."""
    if not protocol.published:
        return path
    cells = viewing.cells(protocol.raster)
    last = np.array(protocol.raster or (viewing.width, viewing.height)) - 1
    return np.asarray(np.clip(np.round(path * cells), 0, last) / cells)


def _cells(positions: Path, viewing: Viewing, protocol: GazeProtocol, *, label: bool) -> Path:
    """Return columns and rows of the raster for positions (n, 2).

    NaN where there is none, and for an observer's point outside the frame; a predicted one moves to the border.
    Published: numbers count from 1, those of observers are rounded, and all outside move to the border.
    """
    scaled = positions * viewing.cells(protocol.raster)
    last = np.array(protocol.raster or (viewing.width, viewing.height)) - 1
    if protocol.published:
        return np.asarray(np.clip((np.round(scaled) if label else np.floor(scaled)) - 1, 0, last))
    cells = np.floor(scaled)
    if not label:
        return np.asarray(np.clip(cells, 0, last))
    cells[((cells < 0) | (cells > last)).any(axis=1)] = nan
    return cells


def _mean(values: npt.NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else nan


def _mean_over_first(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over the first axis of what is not NaN; NaN where all is."""
    counts = (~np.isnan(values)).sum(axis=0)
    sums = np.nansum(values, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), nan)
