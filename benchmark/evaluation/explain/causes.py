"""What two results say of themselves and differ in, cause by cause; nothing here reads a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...protocols import PROTOCOLS, Protocol
from ...reported import Reported
from ..results.schema import ProtocolRecord, RunRecord
from .effects import expected


@dataclass(frozen=True)
class Cause:
    """One thing in which two numbers differ.

    Attributes:
        what: the thing.
        a, b: how it is in each.
        effect: what it does to the numbers.
    """

    what: str
    a: str
    b: str
    effect: str

    def to_dict(self) -> dict[str, str]:
        """Plain data for JSON."""
        return asdict(self)


def of_release(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Other data."""
    one, other = a.release, b.release
    if one.digest == other.digest:
        return
    if one.dataset != other.dataset:
        effect = "another data set: the numbers say nothing about each other"
    elif one.variant != other.variant:
        effect = "another form of the data, with other gaze or other videos: every score moves"
    else:
        effect = "the same data set with other content: converted from another copy, or by another version"
    yield Cause("release", f"{one.id} ({one.digest[:12]})", f"{other.id} ({other.digest[:12]})", effect)


def of_split(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Other videos."""
    if a.split != b.split:
        yield Cause("split", a.split, b.split, "other videos, and other negatives of sAUC")


def of_protocol(
    first: Protocol | ProtocolRecord,
    second: Protocol | ProtocolRecord,
    fixations: float,
    means: Mapping[str, tuple[float, float]],
    labels: Sequence[str],
    moved: Mapping[str, float] | None = None,
) -> Iterator[Cause]:
    """Other definitions: first both protocols, then a cause for each choice, the largest expected effect first.

    Args:
        first, second: the protocols, or what results keep of them.
        fixations: fixated pixels in a frame, on average.
        means: by metric, the mean over stimuli and the mean over frames of the same scores.
        labels: the metrics that are asked about; choices that move others only are left out.
        moved: what all choices together did to each metric, second minus first, where nothing else differs.
    """
    if first.digest == second.digest:
        return
    one, other = _shipped(first), _shipped(second)
    if one is None or other is None:
        unknown = (first if one is None else second).name
        yield Cause("protocol", first.name, second.name, f"this version does not know {unknown} in this form")
        return
    choices = expected(one, other, fixations, labels)
    if moved:
        told = f"all choices together: {', '.join(f'{label} {size:+.4f}' for label, size in moved.items())}"
    else:
        told = f"{len(choices)} choices that move these scores, the largest expected effect first"
    yield Cause("protocol", f"{one.name}: {one.summary}", f"{other.name}: {other.summary}", told)
    measured = max((abs(x - y) for x, y in means.values()), default=None)
    found = []
    for e in choices:
        size, effect = e.size, e.effect
        if e.what == "average" and measured is not None:
            size = measured
            effect += f": {', '.join(f'{k} {x:.4f} over stimuli, {y:.4f} over frames' for k, (x, y) in means.items())}"
        first_words, second_words = f"{one.name}: {e.first}", f"{other.name}: {e.second}"
        found.append((size, Cause(f"protocol: {e.what}", first_words, second_words, effect)))
    yield from (cause for _, cause in sorted(found, key=lambda item: -item[0]))


def _shipped(protocol: Protocol | ProtocolRecord) -> Protocol | None:
    """The declaration that a result was scored by; None where this version has none like it."""
    if isinstance(protocol, Protocol):
        return protocol
    known = PROTOCOLS.get(protocol.name)
    return known if known is not None and known.digest == protocol.digest else None


def of_recipe(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Another truth."""
    one, other = a.truth, b.truth
    if (one.recipe, one.parameters) != (other.recipe, other.parameters):
        first, second = (f"{t.recipe} ({', '.join(f'{k}={v}' for k, v in t.parameters.items())})" for t in (one, other))
        yield Cause(
            "recipe", first, second, "another density of the truth: CC, SIM and KLD move, by tenths for another width"
        )
    if one.points != other.points:
        yield Cause(
            "points", one.points, other.points, "judged against a single observer: every score has another ceiling"
        )


def of_engine(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Other code that scored."""
    one, other = ({"score_on": "host", **r.engine} for r in (a, b))
    apart = sorted(k for k in {*one, *other} if one.get(k) != other.get(k))
    if not apart:
        return
    if one.get("engine") != other.get("engine"):
        effect = "another generation of the engine: its changelog names the numbers that changed"
    elif one.get("score_on") != other.get("score_on") or one.get("scored_by") != other.get("scored_by"):
        effect = "scores of the two places agree to 1e-6"
    else:
        effect = "none on scores of the same maps; a network's maps may differ in their last digits"
    first, second = (", ".join(f"{k} {e.get(k, 'not said')}" for k in apart) for e in (one, other))
    yield Cause("engine", first, second, effect)


def of_encoding(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Other files between the model and the scores."""
    one, other = _stored(a), _stored(b)
    if one == other:
        return
    makes_8_bit = all(r.protocol.encoding == "uint8" for r in (a, b))
    forms = [text for text in (one, other) if "8-bit" in text or "video" in text]
    if all(text.startswith(("scored as predicted", "npz, float32")) for text in (one, other)):
        effect = "none where the model's own maps are float32"
    elif makes_8_bit:
        effect = "little: the protocol makes 8-bit maps of all predictions"
    elif forms and not all("logarithm" in text for text in forms):
        effect = (
            "8 bits: AUC within 0.003 a frame on smooth maps; sharp maps lose their order below 1/510 of the peak, "
            "several hundredths of AUC-J, and their KLD depends on eps alone"
        )
    else:
        effect = "below 0.001 on smooth maps"
    yield Cause("encoding", one, other, effect)


def _stored(record: RunRecord) -> str:
    """How predictions came to the scorer, in words."""
    submission = record.model.submission
    if submission is None:
        return "scored as predicted"
    said: dict[str, Any] = submission.get("prediction") or {}
    encoding = said.get("encoding") or {}
    form = {"png8": "8-bit PNG", "png16": "16-bit PNG", "npz": "npz, float32", "npz16": "npz, float16"}
    kept = str(encoding.get("files") or "files of a kind not said, 8-bit or more")
    words = [form.get(kept, kept), f"kind {said.get('kind', 'not said')}"]
    words += ["logarithms"] if encoding.get("transform") == "log" else []
    words += ["as its authors published it"] if said.get("as_published") else []
    words += ["x".join(map(str, said["size"]))] if said.get("size") else []
    return ", ".join(words)


def of_model(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Another model, or another form of it."""
    one, other = a.model, b.model
    for name in ("name", "version", "checkpoint_sha256", "options"):
        x, y = getattr(one, name), getattr(other, name)
        if x != y:
            what = {"name": "model", "checkpoint_sha256": "weights"}.get(name, f"model, {name}")
            yield Cause(
                what, _text(x), _text(y), "other predictions" if name != "version" else "perhaps other predictions"
            )


def _text(value: Any) -> str:
    if value in (None, "", {}):
        return "not said"
    return ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)[:64]


def covered(record: RunRecord) -> str:
    """Return how much a run scored, in words."""
    return f"{record.counts.scored:,} frames, stimuli: {len(record.coverage.scored):,}"


def of_part(record: RunRecord) -> Iterator[Cause]:
    """A run of a part of its split, beside a published number."""
    if not record.coverage.complete:
        theirs = "not said, as a rule the whole split"
        yield Cause("coverage", covered(record), theirs, "other frames have other means")


def of_cited(record: RunRecord, cited: Reported) -> Iterator[Cause]:
    """What the source of a published number says."""
    ours = f"{record.model.name}, scored here"
    yield Cause(
        "source", ours, cited.cited, f"a published number has this value{f'; {cited.note}' if cited.note else ''}"
    )
    if cited.dataset != record.release.dataset:
        effect = "another data set: the numbers say nothing about each other"
        yield Cause("release", record.release.id, cited.dataset, effect)
    elif cited.split != record.split:
        yield Cause("split", record.split, cited.split, "other videos, and other negatives of sAUC")


def of_chance(record: RunRecord, label: str, value: float, digits: int | None) -> Iterator[Cause]:
    """Whether other videos, or rounding, explain a difference."""
    metric = record.metrics[label]
    ours = metric.mean
    if ours is None:
        return
    shown = f"{label} {value:.{digits}f}" if digits is not None else f"{label} {value:g}"
    if digits is not None and abs(ours - value) <= 0.5 * 10**-digits:
        yield Cause("rounding", f"{label} {ours:.6f}", shown, f"the same to {digits} decimals")
    elif metric.low is not None and metric.high is not None:
        inside = metric.low <= value <= metric.high
        effect = (
            "inside: the choice of videos alone would explain the difference" if inside
            else "outside: the choice of videos alone does not explain the difference"
        )  # fmt: skip
        text = f"{label} {ours:.4f}, 95 % interval {metric.low:.4f} to {metric.high:.4f}"
        yield Cause("choice of videos", text, shown, effect)
    else:
        effect = f"not known without an interval: {metric.note or 'this run was scored before intervals were kept'}"
        yield Cause("choice of videos", f"{label} {ours:.4f}", shown, effect)
