"""Where a simulated observer looks: fixations, saccades, smooth pursuit, blinks, and a tracker that errs.

An observer dwells on an aim (a thing, the centre, some place of the ground), then jumps to the next. Things draw him
by their own appeal, which all observers share, by moving, by having just appeared, and by lying near the centre; a
cut sends him back towards the centre. A moving aim is pursued. What is stored is not the gaze but a measurement of
it, at 250 Hz with a constant offset and with noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...records import Float64Array, Int64Array, Samples
from .scene import Actor, Scene, Shot

RATE_HZ = 250
PX_PER_DEGREE = 8.0  # at any resolution: a larger frame is a wider view
LABELS = ("fixation", "saccade", "pursuit", "blink")
FIXATION, SACCADE, PURSUIT, BLINK = range(4)

PURSUIT_FROM = 2.0 * PX_PER_DEGREE  # px/s
REACTION_S = 0.18
NOVELTY_S = 0.5  # time constant of what is new: a thing that appears, the centre after a cut


@dataclass(frozen=True)
class Traits:
    """What distinguishes an observer.

    Attributes:
        dwell_s: median duration of a fixation.
        motion: how much moving things attract.
        center: how much the center of the frame attracts.
        roaming: how much places without any thing attract.
        blinks_hz: blinks a second.
        offset_deg: sd of the tracker's constant error in a recording.
        noise_deg: sd of the tracker's error of a sample.
    """

    dwell_s: float
    motion: float
    center: float
    roaming: float
    blinks_hz: float
    offset_deg: float
    noise_deg: float


@dataclass(frozen=True)
class SimulatedSamples(Samples):
    """A recording: arrays of equal length.

    Attributes:
        t_us: microseconds from the first frame's start, every 4000.
        x, y: stimulus pixels; 0.0, 0.0 while the eye is closed.
        confidence: float64, 1.0 or, while the eye is closed, 0.0.
        label: int8, index into `LABELS`.
    """

    confidence: Float64Array
    label: npt.NDArray[np.int8]


@dataclass(frozen=True)
class _Aim:
    """What is looked at: a thing with an offset from its centre, or (no thing) the place `offset` itself."""

    offset: Float64Array
    actor: Actor | None = None

    def at(self, time_s: Float64Array | float) -> Float64Array:
        if self.actor is None:
            return np.repeat(self.offset[None], np.size(time_s), axis=0)
        return self.actor.path.at(time_s) + self.offset


def invent(rng: np.random.Generator) -> Traits:
    """Draw the traits of an observer."""
    return Traits(
        dwell_s=float(rng.uniform(0.22, 0.36)),
        motion=float(rng.uniform(1.5, 3.0)),
        center=float(rng.uniform(0.3, 0.7)),
        roaming=float(rng.uniform(0.15, 0.4)),
        blinks_hz=float(rng.uniform(0.1, 0.4)),
        offset_deg=float(rng.uniform(0.15, 0.4)),
        noise_deg=float(rng.uniform(0.06, 0.15)),
    )


def watch(scene: Scene, traits: Traits, rng: np.random.Generator) -> SimulatedSamples:
    """Simulate one observer watching one scene once; the clip's end is the recording's."""
    last_us = int(scene.n_frames * 1_000_000 / scene.fps)
    t_us = np.arange(0, max(last_us, 1), 1_000_000 // RATE_HZ, dtype=np.int64)
    time = t_us / 1e6
    gaze = np.empty((len(time), 2))
    label = np.full(len(time), FIXATION, np.int8)

    size = np.array([scene.width, scene.height], np.float64)
    aim = _Aim(size / 2 + rng.normal(0.0, 0.7 * PX_PER_DEGREE, 2))
    now, landed = 0.0, aim.at(0.0)[0]
    while now < scene.seconds:
        # Dwell, following a moving aim with a gain below one.
        until = min(now + _dwell_s(aim, now, traits, rng), _disturbance(scene, aim, now, rng))
        during = slice(*np.searchsorted(time, (now, until)))
        start = aim.at(now)[0]
        gain = 0.92 if _speed(aim, now) > PURSUIT_FROM else 1.0
        gaze[during] = landed + gain * (aim.at(time[during]) - start) + _drift(during, rng)
        label[during] = PURSUIT if gain < 1.0 else FIXATION
        leaving = landed + gain * (aim.at(until)[0] - start)

        # Jump; the landing leads a moving aim by the flight, and misses a little.
        aim = _choose(scene, aim, until, traits, rng)
        way = float(np.hypot(*(aim.at(until)[0] - leaving)))
        now = until + 0.021 + 0.0022 * min(way / PX_PER_DEGREE, 30.0)
        landed = aim.at(now)[0] + rng.normal(0.0, 0.04 * way + 0.1 * PX_PER_DEGREE, 2)
        flight = slice(*np.searchsorted(time, (until, now)))
        share = ((time[flight] - until) / (now - until))[:, None]
        gaze[flight] = leaving + (landed - leaving) * share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
        label[flight] = SACCADE
    return _measure(t_us, gaze, label, traits, rng)


def _speed(aim: _Aim, time_s: float) -> float:
    return 0.0 if aim.actor is None else float(np.hypot(*aim.actor.path.velocity(time_s)))


def _dwell_s(aim: _Aim, now: float, traits: Traits, rng: np.random.Generator) -> float:
    """Log-normal; who pursues stays longer."""
    median = traits.dwell_s * (1.7 if _speed(aim, now) > PURSUIT_FROM else 1.0)
    return float(np.clip(median * np.exp(rng.normal(0.0, 0.4)), 0.08, 2.0))


def _disturbance(scene: Scene, aim: _Aim, now: float, rng: np.random.Generator) -> float:
    """Time at which the next cut, or the end of the thing looked at, has been noticed."""
    delay = REACTION_S * float(np.exp(rng.normal(0.0, 0.15)))
    frame = int(now * scene.fps)
    ends = [shot.first for shot in scene.shots if shot.first > frame]
    if aim.actor is not None and aim.actor.last >= frame:
        ends.append(aim.actor.last + 1)
    return min(ends, default=scene.n_frames) / float(scene.fps) + delay


def _drift(during: slice, rng: np.random.Generator) -> Float64Array:
    steps = rng.normal(0.0, 0.006 * PX_PER_DEGREE, (max(during.stop - during.start, 0), 2))
    return np.asarray(np.cumsum(steps, axis=0))


def _choose(scene: Scene, before: _Aim, now: float, traits: Traits, rng: np.random.Generator) -> _Aim:
    """Draw the next aim in proportion to what draws: the things there, the centre, the ground."""
    frame = min(int(now * scene.fps), scene.n_frames - 1)
    shot = scene.shot_at(frame)
    size = np.array([scene.width, scene.height], np.float64)
    things = [actor for actor in shot.actors if actor.first <= frame <= actor.last and actor.appeal > 0]
    pull = [_pull(actor, shot, now, traits, size, scene) * (0.35 if actor is before.actor else 1.0) for actor in things]
    since_cut = now - float(shot.first / scene.fps)
    pull += [traits.center * (1.0 + 4.0 * np.exp(-since_cut / NOVELTY_S)), traits.roaming]
    chance = np.asarray(pull) / np.sum(pull)
    pick = int(np.searchsorted(np.cumsum(chance), rng.random() * 0.999999))
    if pick < len(things):
        return _Aim(rng.normal(0.0, 0.25 * things[pick].radius, 2), things[pick])
    spread = (0.05, 0.06) if pick == len(things) else (0.22, 0.2)
    return _Aim(size * np.clip(rng.normal(0.5, spread), 0.03, 0.97))


def _pull(actor: Actor, shot: Shot, now: float, traits: Traits, size: Float64Array, scene: Scene) -> float:
    """How strongly a thing draws gaze: its appeal, more if it moves, is new, is near the centre."""
    speed_deg = float(np.hypot(*actor.path.velocity(now))) / PX_PER_DEGREE
    new = (
        float(np.exp(-max(now - float(actor.first / scene.fps), 0.0) / NOVELTY_S)) if actor.first > shot.first else 0.0
    )
    away = float(np.sum(((actor.path.at(now)[0] / size - 0.5) / (0.3, 0.3)) ** 2))
    return (
        actor.appeal * (0.4 + traits.motion * min(speed_deg / 3.0, 1.5)) * (1.0 + 4.0 * new) * float(np.exp(-away / 2))
    )


def _measure(
    t_us: Int64Array,
    gaze: Float64Array,
    label: npt.NDArray[np.int8],
    traits: Traits,
    rng: np.random.Generator,
) -> SimulatedSamples:
    """Add the tracker's errors, and lose the samples of the blinks."""
    n = len(t_us)
    seen = gaze + PX_PER_DEGREE * (rng.normal(0.0, traits.offset_deg, 2) + rng.normal(0.0, traits.noise_deg, (n, 2)))
    confidence = np.ones(n)
    for begin in rng.integers(0, n, rng.poisson(traits.blinks_hz * n / RATE_HZ)):
        closed = slice(int(begin), int(begin) + int(rng.integers(25, 55)))
        seen[closed], confidence[closed], label[closed] = 0.0, 0.0, BLINK
    return SimulatedSamples(t_us, seen[:, 0], seen[:, 1], confidence, label)
