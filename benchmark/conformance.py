"""Conformance to the predictor protocol, checked on a two-second clip on this machine.

Every rule is tried on any predictor: one prediction for each frame in order, two-dimensional finite maps of the
declared kind, of one size and the frame's aspect or a declared fit, no memory of the previous stimulus, the same answer
twice, no look-ahead beyond the declared one, no need of the whole video before the first answer, and short clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidsal.loaders.records import Frame

from .geometry import ShapeRule
from .predictor import Audio, ModelInfo, Prediction, Predictor, StimulusInfo

FPS = 12
N_FRAMES = 2 * FPS
WIDTH, HEIGHT = 160, 96
_SLACK = 40
"""How many frames beyond its look-ahead a predictor may take before its first answer (a batch, or a chunk)."""

Video = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Finding:
    """What came of one rule.

    Attributes:
        rule: short name.
        ok: whether the predictor keeps it.
        message: what was seen.
    """

    rule: str
    ok: bool
    message: str


def clip(seed: int, n_frames: int = N_FRAMES, width: int = WIDTH, height: int = HEIGHT) -> Video:
    """Return a small video: a bright square that moves over texture; uint8, shape (n, height, width, 3)."""
    random = np.random.default_rng(seed)
    ground = random.integers(40, 120, (height, width, 3)).astype(np.uint8)
    video = np.repeat(ground[None], n_frames, axis=0)
    side = max(height // 6, 1)
    x, y = random.integers(0, max(width - side, 1)), random.integers(0, max(height - side, 1))
    for index in range(n_frames):
        left = int(x + 3 * index) % max(width - side, 1)
        top = int(y + 2 * index) % max(height - side, 1)
        video[index, top : top + side, left : left + side] = (230, 220, 60)
    return video


def check(make: Callable[[], object]) -> list[Finding]:
    """Check every rule.

    Args:
        make: makes the predictor; called once.

    Returns:
        A finding for each rule that could be checked; after a rule on which the others rest is broken, those are left
        out.
    """
    model = make()
    if not isinstance(model, Predictor) or not isinstance(getattr(model, "info", None), ModelInfo):
        return [Finding("protocol", False, "needs `info: ModelInfo` and `predict(frames, stimulus)`")]
    findings = [Finding("protocol", True, f"{model.info.name}, version {model.info.version or 'unknown'}")]
    if callable(getattr(model, "fit", None)):
        message = "is fitted to a release before it runs, so the other rules cannot be checked on a clip alone"
        return [*findings, Finding("fit", True, message)]
    first = clip(1)
    answers, finding = _answers(model, first)
    findings.append(finding)
    if answers is None:
        return findings
    findings.append(_values(model.info, answers, first))
    findings.append(_tried("state", lambda: _state(model, first, answers)))
    findings.append(_tried("lookahead", lambda: _lookahead(model, first, answers)))
    findings.append(_tried("streaming", lambda: _streaming(model)))
    findings += [_short(model, n) for n in (1, 5)]
    findings.append(_odd_size(model))
    return findings


def _tried(rule: str, look: Callable[[], Finding]) -> Finding:
    """Check a rule; a user's own code may fail in any way, and the finding says how."""
    try:
        return look()
    except (Exception, SystemExit) as error:
        return Finding(rule, False, f"predict fails: {type(error).__name__}: {error}")


def _info(video: Video) -> StimulusInfo:
    n, height, width = video.shape[:3]
    return StimulusInfo("clip", width, height, float(FPS), "video", n)


def _frames(video: Video, info: ModelInfo) -> Iterator[Frame]:
    """Yield the frames; noise is heard by a model that listens."""
    asked = info.audio
    for index, rgb in enumerate(video):
        sound = None
        if isinstance(asked, Audio):
            noise = np.random.default_rng(index).uniform(-0.5, 0.5, (asked.samples, asked.channels))
            sound = noise.astype(np.float32)
        yield Frame(index, index * 1000 / FPS, rgb, sound)


def predicted(model: Predictor, video: Video) -> list[Prediction]:
    """Return all that a predictor says of a video, kept as it was when it was said."""
    answers = model.predict(_frames(video, model.info), _info(video))
    return [a.kept() if isinstance(a, Prediction) else a for a in answers]


def as_array(prediction: Prediction) -> npt.NDArray[np.float64]:
    """Return a map, (h, w), or a position, (1, 2), wherever it lies."""
    if prediction.xy is not None:
        return np.array([prediction.xy])
    values = prediction.values
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, np.float64)


def _same(a: list[Prediction], b: list[Prediction], tolerance: float = 0.0) -> bool:
    pairs = list(zip(a, b, strict=False))
    return len(a) == len(b) and all(
        p.frame == q.frame and np.allclose(as_array(p), as_array(q), rtol=tolerance, atol=tolerance) for p, q in pairs
    )


def _answers(model: Predictor, video: Video) -> tuple[list[Prediction] | None, Finding]:
    try:
        answers = predicted(model, video)
    except (Exception, SystemExit) as error:  # a user's own code may fail in any way; the finding says how
        return None, Finding("frames", False, f"predict fails: {type(error).__name__}: {error}")
    if not all(isinstance(a, Prediction) for a in answers):
        return None, Finding("frames", False, "predict yields something else than Prediction")
    numbers = [a.frame for a in answers]
    expected = list(range(len(video)))
    if numbers == expected:
        return answers, Finding("frames", True, f"one prediction for each of {len(video)} frames, in order")
    tail = expected[len(expected) - len(numbers) :]
    if model.info.missing != "error" and numbers == tail and numbers:
        message = f"the first {len(expected) - len(numbers)} frames have none; declared: missing={model.info.missing}"
        return answers, Finding("frames", True, message)
    wrong = next((i for i, (a, b) in enumerate(zip(numbers, expected, strict=False)) if a != b), len(numbers))
    got = numbers[wrong] if wrong < len(numbers) else "nothing"
    return (answers or None), Finding("frames", False, f"prediction {wrong} is of frame {got}, expected {wrong}")


def _values(info: ModelInfo, answers: list[Prediction], video: Video) -> Finding:
    for answer in answers:
        values = as_array(answer)
        if info.output == "point":
            if answer.xy is None:
                return Finding("values", False, f"frame {answer.frame}: declared output is point, got a map")
            continue
        if answer.kind != info.output:
            return Finding("values", False, f"frame {answer.frame}: kind {answer.kind}, declared output {info.output}")
        low = np.isneginf(values).all() if answer.kind == "log_density" else not np.isfinite(values).all()
        if low or np.isnan(values).any() or np.isposinf(values).any():
            return Finding("values", False, f"frame {answer.frame}: the map is not finite")
        if answer.kind == "density" and (values.min() < 0 or abs(values.sum() - 1) > 1e-3):
            return Finding("values", False, f"frame {answer.frame}: a density sums to 1, this to {values.sum():.5g}")
        if answer.kind == "log_density" and abs(np.exp(values).sum() - 1) > 1e-3:
            total = np.exp(values).sum()
            return Finding(
                "values", False, f"frame {answer.frame}: exp of a log density sums to 1, this to {total:.5g}"
            )
    fault = _shape_fault(info, answers, video)
    if fault:
        return Finding("values", False, fault)
    shape = "points" if info.output == "point" else f"{info.output} maps of shape {as_array(answers[0]).shape}"
    return Finding("values", True, f"{shape}, finite" + (", normalised" if "density" in info.output else ""))


def _shape_fault(info: ModelInfo, answers: list[Prediction], video: Video) -> str | None:
    """Ask the rule of runs for every map."""
    rule = ShapeRule((video.shape[1], video.shape[2]), info.fit)
    faults = (rule.fault(tuple(a.values.shape), f"frame {a.frame}") for a in answers if a.values is not None)
    return next((fault for fault in faults if fault), None)


def _state(model: Predictor, first: Video, answers: list[Prediction]) -> Finding:
    predicted(model, clip(2))
    again = predicted(model, first)
    ok = _same(answers, again)
    return Finding(
        "state",
        ok,
        "the same clip gives the same bits after another stimulus"
        if ok
        else "the same clip gives other values after another stimulus: state is carried over, or the model is random",
    )


def _lookahead(model: Predictor, first: Video, answers: list[Prediction]) -> Finding:
    """Change the end of a clip, long enough that a second of predictions must stay."""
    begin, lookahead = answers[0].frame, model.info.lookahead or 0
    cut = begin + lookahead + N_FRAMES // 2
    last = cut - 1 - lookahead
    video = first
    if cut > N_FRAMES // 2:
        video = clip(1, cut + N_FRAMES // 2)
        answers = predicted(model, video)
    changed = video.copy()
    changed[cut:] = clip(3, len(video))[cut:][::-1]
    before, after = ([a for a in found if a.frame <= last] for found in (answers, predicted(model, changed)))
    if _same(before, after, 1e-6):
        stay = f"frames {begin} to {last} do not change when frames from {cut} on do (look-ahead {lookahead})"
        return Finding("lookahead", True, stay)
    return Finding("lookahead", False, f"frames up to {last} change with frames from {cut} on: not causal")


def _streaming(model: Predictor) -> Finding:
    taken = 0
    total = N_FRAMES + _SLACK + (model.info.lookahead or 0) + 8
    video = clip(4, total)

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in _frames(video, model.info):
            taken += 1
            yield frame

    next(iter(model.predict(counted(), _info(video))), None)
    ok = taken < total or not model.info.needs_frames
    message = f"the first prediction came after {taken} of {total} frames"
    return Finding("streaming", ok, message + ("" if ok else ": the whole video is held in memory"))


def _short(model: Predictor, n_frames: int) -> Finding:
    answers, finding = _answers(model, clip(5, n_frames))
    if model.info.missing != "error" and (answers is not None or "fails" not in finding.message):
        return Finding(f"{n_frames} frames", True, f"missing={model.info.missing} applies to a clip this short")
    return Finding(f"{n_frames} frames", finding.ok, finding.message)


def _odd_size(model: Predictor) -> Finding:
    video = clip(6, N_FRAMES, 101, 75)
    answers, finding = _answers(model, video)
    if finding.ok and answers is not None:
        fault = _shape_fault(model.info, answers, video)
        finding = Finding("odd size", False, fault) if fault else finding
    return Finding("odd size", finding.ok, f"101 x 75: {finding.message}")
