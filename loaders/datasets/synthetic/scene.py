"""What happens in a synthetic video: shots of a textured ground with things that rest, move, appear and hide.

A scene is a small description; every position is a formula of time and every frame is drawn from it alone, so the
gaze simulation needs no pixels and a film of any length needs the memory of one frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ...records import Float64Array, UInt8Image

Shape = Literal["disc", "box", "ring", "star", "face", "pillar"]
Color = tuple[float, float, float]
SHAPES: tuple[Shape, ...] = ("disc", "box", "ring", "star", "face")

SHOT_SECONDS = (1.0, 3.5)
OCTAVES = ((3, 22.0), (7, 12.0), (17, 7.0), (43, 4.0))  # cells across the frame, contrast in grey levels
MARGIN = 0.12  # of the frame: things keep their centres this far from the border


@dataclass(frozen=True)
class Path:
    """A position as a formula of time: centre + amplitude * wave(2 pi (frequency t + phase)).

    Attributes:
        center, amplitude: pixels, (x, y).
        frequency: hertz, (x, y).
        phase: turns, (x, y).
        bounces: True for a triangle wave (steady speed, turning at the ends), False for a sine.
    """

    center: tuple[float, float]
    amplitude: tuple[float, float] = (0.0, 0.0)
    frequency: tuple[float, float] = (0.0, 0.0)
    phase: tuple[float, float] = (0.0, 0.0)
    bounces: bool = False

    def at(self, time_s: Float64Array | float) -> Float64Array:
        """Return positions in pixels, shape (n, 2), at times in seconds, shape (n,) or a number."""
        time = np.atleast_1d(np.asarray(time_s, np.float64))[:, None]
        turn = np.asarray(self.frequency) * time + np.asarray(self.phase)
        if self.bounces:
            wave = 4.0 * np.abs(turn - np.floor(turn + 0.5)) - 1.0
        else:
            wave = np.sin(2.0 * np.pi * turn)
        return np.asarray(np.asarray(self.center) + np.asarray(self.amplitude) * wave)

    def velocity(self, time_s: float) -> Float64Array:
        """Return the velocity in pixels a second, shape (2,)."""
        before, after = self.at(np.array([time_s - 0.01, time_s + 0.01]))
        return np.asarray((after - before) / 0.02)


@dataclass(frozen=True)
class Actor:
    """One thing in a shot.

    Attributes:
        shape: outline; a `pillar` spans the height and stands in front of the others.
        radius: pixels; half the width of a pillar.
        color: RGB, 0 to 255.
        path: where its centre is.
        spin: turns a second.
        first, last: frames in which it is there, inclusive.
        appeal: how much it draws gaze before its motion counts; 0 for a pillar.
    """

    shape: Shape
    radius: float
    color: Color
    path: Path
    first: int
    last: int
    spin: float = 0.0
    appeal: float = 1.0


@dataclass(frozen=True)
class Shot:
    """Frames `first` to `last` (inclusive) on one ground, with its actors in painter's order.

    `lattices` holds one array of random numbers for each octave of the ground, shape (cells + 2, cells + 2, 3).
    """

    first: int
    last: int
    color: Color
    lattices: tuple[Float64Array, ...]
    actors: tuple[Actor, ...]


@dataclass(frozen=True)
class Scene:
    """A whole video: its size, its rate and its shots, which follow each other without gap."""

    width: int
    height: int
    n_frames: int
    fps: Fraction
    shots: tuple[Shot, ...]

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.n_frames / self.fps)

    def shot_at(self, frame: int) -> Shot:
        """Return the shot that frame number `frame` belongs to; past the end the last one."""
        return next((shot for shot in self.shots if frame <= shot.last), self.shots[-1])


def compose(rng: np.random.Generator, *, width: int, height: int, n_frames: int, fps: Fraction) -> Scene:
    """Invent a scene; the same generator state, size and length give the same scene."""
    shots = []
    first = 0
    while first < n_frames:
        length = max(2, round(rng.uniform(*SHOT_SECONDS) * float(fps)))
        left = n_frames - first
        if left - length < 0.5 * fps:  # no stump at the end
            length = left
        shots.append(_compose_shot(rng, width, height, first, first + length - 1, fps))
        first += length
    return Scene(width, height, n_frames, fps, tuple(shots))


def _compose_shot(rng: np.random.Generator, width: int, height: int, first: int, last: int, fps: Fraction) -> Shot:
    size = np.array([width, height], np.float64)
    ground = rng.uniform(70.0, 150.0, 3)
    lattices = tuple(rng.uniform(-1.0, 1.0, (cells + 2, cells + 2, 3)) for cells, _ in OCTAVES)
    n_moving = int(rng.integers(1, 4))
    n_resting = int(rng.integers(1, 4))
    actors = []
    for number in range(n_resting + n_moving):
        moving = number >= n_resting
        begin, end = _presence(rng, first, last, fps, always=number in (0, n_resting))
        actors.append(
            Actor(
                shape=SHAPES[int(rng.integers(len(SHAPES)))],
                radius=float(rng.uniform(0.07, 0.13) * height),
                color=_contrasting(rng, ground),
                path=_wander(rng, size) if moving else Path(_place(rng, size)),
                first=begin,
                last=end,
                spin=float(rng.uniform(-0.3, 0.3)) if moving else 0.0,
                appeal=float(np.exp(rng.normal(0.0, 0.9))),
            )
        )
    if rng.random() < 0.4:
        x, y = _place(rng, size)
        actors.append(
            Actor("pillar", 0.035 * width, _shade(ground, 0.75), Path((x, height / 2)), first, last, appeal=0.0)
        )
    return Shot(first, last, _shade(ground, 1.0), lattices, tuple(actors))


def _presence(rng: np.random.Generator, first: int, last: int, fps: Fraction, *, always: bool) -> tuple[int, int]:
    """First and last frame of an actor: the whole shot, or it appears late, or it leaves early."""
    length = last - first + 1
    fate, share = rng.random(), rng.uniform(0.25, 0.6)
    if always or length < fps:
        return first, last
    if fate < 0.35:
        return first + round(share * length), last
    if fate < 0.5:
        return first, last - round(share * length)
    return first, last


def _place(rng: np.random.Generator, size: Float64Array) -> tuple[float, float]:
    """A place that a photographer would give to a thing: rather in the middle than at the border."""
    relative = np.clip(rng.normal(0.5, (0.19, 0.17)), MARGIN, 1.0 - MARGIN)
    x, y = relative * size
    return float(x), float(y)


def _wander(rng: np.random.Generator, size: Float64Array) -> Path:
    """A path within the frame, of 0.15 to 0.5 frame widths a second."""
    bounces = bool(rng.random() < 0.5)
    center = np.clip(rng.normal(0.5, 0.12, 2), 0.3, 0.7)
    amplitude = rng.uniform((0.15, 0.08), (0.36, 0.3))
    amplitude = np.minimum(amplitude, np.minimum(center, 1.0 - center) - MARGIN)
    speed = rng.uniform(0.15, 0.5)
    frequency = speed / ((4.0 if bounces else 5.0) * amplitude[0]) * np.array([1.0, rng.uniform(0.5, 1.2)])
    phase = rng.random(2)
    return Path(_pair(center * size), _pair(amplitude * size), _pair(frequency), _pair(phase), bounces)


def _pair(values: Float64Array) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _contrasting(rng: np.random.Generator, ground: Float64Array) -> Color:
    """A colour well away from the ground's in luminance and in hue."""
    sign = 1.0 if ground.mean() < 110.0 else -1.0
    return _shade(np.clip(ground + sign * rng.uniform(25.0, 70.0) + rng.uniform(-60.0, 60.0, 3), 10, 245), 1.0)


def _shade(color: Float64Array, factor: float) -> Color:
    red, green, blue = (float(value) for value in color * factor)
    return red, green, blue


def film(scene: Scene) -> Iterator[UInt8Image]:
    """Draw the frames in order: uint8, shape (height, width, 3). Holds one ground and one frame at a time."""
    for shot in scene.shots:
        ground = draw_ground(shot, scene.width, scene.height)
        for frame in range(shot.first, shot.last + 1):
            yield draw(shot, ground, frame, scene.fps)


def draw_ground(shot: Shot, width: int, height: int) -> Float64Array:
    """Return the textured ground of a shot: float64, shape (height, width, 3), 0 to 255."""
    ground = np.broadcast_to(np.asarray(shot.color), (height, width, 3)).copy()
    for lattice, (cells, contrast) in zip(shot.lattices, OCTAVES, strict=True):
        ground += contrast * _stretch(lattice, cells, width, height)
    return np.asarray(np.clip(ground, 0.0, 255.0))


def _stretch(lattice: Float64Array, cells: int, width: int, height: int) -> Float64Array:
    """Interpolate a lattice over the frame, linearly with smoothed weights; `cells` squares go across."""
    scale = cells / max(width, height)
    x = (np.arange(width) + 0.5) * scale
    y = (np.arange(height) + 0.5) * scale
    column, row = x.astype(np.int64), y.astype(np.int64)
    wx, wy = x - column, y - row
    wx = (wx * wx * (3.0 - 2.0 * wx))[None, :, None]
    wy = (wy * wy * (3.0 - 2.0 * wy))[:, None, None]
    across = lattice[:, column] * (1.0 - wx) + lattice[:, column + 1] * wx
    return np.asarray(across[row] * (1.0 - wy) + across[row + 1] * wy)


def draw(shot: Shot, ground: Float64Array, frame: int, fps: Fraction) -> UInt8Image:
    """Draw one frame of a shot: uint8, shape (height, width, 3)."""
    canvas = ground.copy()
    time = float(frame / fps)
    for actor in shot.actors:
        if actor.first <= frame <= actor.last:
            _paint(canvas, actor, time)
    return np.rint(canvas).astype(np.uint8)


def _paint(canvas: Float64Array, actor: Actor, time: float) -> None:
    height, width = canvas.shape[:2]
    x, y = actor.path.at(time)[0]
    half_height = height if actor.shape == "pillar" else actor.radius
    left, right = max(0, int(x - actor.radius) - 1), min(width, int(x + actor.radius) + 3)
    top, bottom = max(0, int(y - half_height) - 1), min(height, int(y + half_height) + 3)
    if left >= right or top >= bottom:
        return
    dx = np.arange(left, right)[None, :] + 0.5 - x
    dy = np.arange(top, bottom)[:, None] + 0.5 - y
    turn = 2.0 * np.pi * actor.spin * time
    u = (np.cos(turn) * dx + np.sin(turn) * dy) / actor.radius
    v = (np.cos(turn) * dy - np.sin(turn) * dx) / actor.radius
    inside = np.clip(0.5 - actor.radius * _outline(actor.shape, u, v), 0.0, 1.0)[..., None]
    region = canvas[top:bottom, left:right]
    region += inside * (np.asarray(actor.color) * _pattern(actor.shape, u, v)[..., None] - region)
    np.clip(region, 0.0, 255.0, out=region)


def _outline(shape: Shape, u: Float64Array, v: Float64Array) -> Float64Array:
    """Signed distance to the outline in radii, negative inside."""
    if shape == "pillar":
        return np.asarray(np.abs(u) - 1.0 + 0.0 * v)
    if shape == "box":
        return np.asarray(np.maximum(np.abs(u), np.abs(v)) - 0.7)
    distance = np.hypot(u, v)
    if shape == "ring":
        return np.asarray(np.abs(distance - 0.7) - 0.3)
    if shape == "star":
        return np.asarray(distance - 0.75 - 0.25 * np.cos(5.0 * np.arctan2(v, u)))
    return np.asarray(distance - 1.0)


def _pattern(shape: Shape, u: Float64Array, v: Float64Array) -> Float64Array:
    """Brightness factor inside the outline: stripes, or two eyes and a mouth."""
    if shape == "face":
        eyes = np.minimum(np.hypot(u - 0.35, v + 0.25), np.hypot(u + 0.35, v + 0.25)) < 0.17
        mouth = (np.abs(v - 0.42) < 0.09) & (np.abs(u) < 0.42)
        return np.asarray(np.where(eyes | mouth, 0.25, 1.0))
    if shape == "pillar":
        return np.asarray(1.0 - 0.15 * np.abs(u) + 0.0 * v)
    return np.asarray(1.0 + 0.18 * np.sin(7.0 * u))
