"""Numbers and facts of a result in the words of a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf, isinf

from vidsal.benchmark.evaluation.results.notices import Notice
from vidsal.benchmark.evaluation.results.schema import CountsRecord, CoverageRecord, ReleaseRecord, RunRecord
from vidsal.benchmark.metrics.base import Metric
from vidsal.benchmark.model_card import ModelClaims
from vidsal.benchmark.predictor import data_set_id, names_a_data_set
from vidsal.loaders.io.names import size as size

from .boards import LABELS, OTHER_TRUTH, Board, Column, Entry
from .sanitize import https_url

DASH = "\u2013"
UNKNOWN = "unknown"
"""What nobody said; never a guess, and never what is most common."""

_COUNT = re.compile(r" \(\d+ of \d+ frames\)$")
"""How a run ends a metric's most frequent reason; models that share the reason may differ in it."""


def decimals(value: float, places: int = 3) -> str:
    """Return a number with fixed decimals, and no minus before a zero.

    >>> decimals(2.0006), decimals(-0.0001), decimals(14.25, 1), decimals(inf)
    ('2.001', '0.000', '14.2', 'infinite')
    """
    if isinf(value):
        return "infinite" if value > 0 else "-infinite"
    text = f"{value:.{places}f}"
    return text.lstrip("-") if not text.strip("-0.") else text


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "run"), count(1200, "run"), count(2, "stimulus", "stimuli")
    ('1 run', '1,200 runs', '2 stimuli')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def stimuli(number: int) -> str:
    """Return a number of stimuli."""
    return count(number, "stimulus", "stimuli")


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are.

    >>> listed(["002", "068"]), listed("abcdefgh", 3)
    ('002, 068', 'a, b, c and 5 more')
    """
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def direction(column: Column) -> str:
    """Say which way is better."""
    return "higher is better" if column.metric.higher_is_better else "lower is better"


def label_of(short: str) -> str:
    """Return the name of a metric as papers print it.

    >>> label_of("sAUC")
    's-AUC'
    """
    return LABELS.get(short, short)


def range_of(metric: Metric) -> str:
    """Say between which values a metric lies."""
    low, high = metric.range
    if (low, high) == (-inf, inf):
        return "unbounded"
    if high == inf:
        return f"{low:g} and above"
    return f"{low:g} to {high:g}"


def definition(column: Column) -> str:
    """Return the first sentence that the metric's own definition says of itself."""
    return column.metric.definition


def stated(value: float | str) -> str:
    """Return a declared value (at chance, at best), a number or words."""
    return value if isinstance(value, str) else f"{value:g}"


def covered(coverage: CoverageRecord) -> str:
    """Say which stimuli are scored."""
    names, n = listed(coverage.scored), len(coverage.scored)
    if not coverage.all_stimuli:
        return f"{n:,} of the {coverage.annotated:,} annotated stimuli of the split: {names}"
    if n == 1:
        return f"the one annotated stimulus of the split: {names}"
    return f"all {n:,} annotated stimuli of the split: {names}"


def left_out(coverage: CoverageRecord) -> list[str]:
    """Say what a run leaves out and why, one sentence a cause; empty if nothing is."""
    c, out = coverage, []
    for what, names in (
        ("Left out because their frames were missing", c.without_frames),
        ("Not predicted by the submission", c.not_predicted),
    ):
        if names:
            out.append(f"{what}: {stimuli(len(names))} ({listed(names)}).")
    if c.left_out_by_frames_of:
        out.append(f"Left out because only certain frames were asked for: {stimuli(c.left_out_by_frames_of)}.")
    if c.left_out_by_limit:
        out.append(f"Left out because the run was limited: {stimuli(c.left_out_by_limit)}.")
    explained = len(c.without_frames) + len(c.not_predicted) + c.left_out_by_limit + c.left_out_by_frames_of
    unexplained = c.annotated - len(c.scored) - explained
    if unexplained > 0:
        out.append(f"Left out without a stated cause: {stimuli(unexplained)}.")
    if c.all_stimuli and c.frames_scored is not None and c.frames_expected is not None and not c.complete:
        left = c.frames_expected - c.frames_scored
        out.append(f"Left out: {left:,} of the {count(c.frames_expected, 'frame')} that somebody looked at.")
    if c.not_annotated:
        out.append(f"Without gaze, so never scored: {stimuli(len(c.not_annotated))} ({listed(c.not_annotated)}).")
    return out


def left_out_of(board: Board) -> list[str]:
    """Say what the runs of a board leave out, where they agree on it."""
    said = [left_out(c) for c in board.coverages]
    if all(s == said[0] for s in said):
        return said[0]
    return ["The runs leave out the other stimuli for different reasons; each run's page gives them."]


def averaged(average: str) -> str:
    """Say over what a protocol averages."""
    if average == "stimulus":
        return "the mean over stimuli of each one's mean over its frames"
    return "the mean over all frames, whatever stimulus they belong to"


def tally(counts: CountsRecord) -> str:
    """Say how many frames were scored, and why others were not.

    >>> tally(CountsRecord(frames=12, scored=9, no_fixation=2, no_prediction=1))
    '9 scored, 2 that nobody looked at, 1 without a prediction'
    """
    parts = [f"{counts.scored:,} scored"]
    if counts.no_fixation:
        parts.append(f"{counts.no_fixation:,} that nobody looked at")
    if counts.no_prediction:
        parts.append(f"{counts.no_prediction:,} without a prediction")
    if counts.left_out:
        parts.append(f"{counts.left_out:,} that were not asked for")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a time span in words.

    >>> duration(0.25), duration(75.2), duration(7261)
    ('0.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    return f"{minutes} min {round(seconds) % 60} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


_FILLED = {
    "first-available": "are given the first one of their video",
    "center-bias": "are given the center prior",
}
"""What the declared rules do that keep full coverage."""


def badges(record: RunRecord) -> list[str]:
    """Return what a reader must know of a run before trusting its row, a few words each."""
    model, counts, out = record.model, record.counts, []
    if not record.human:
        if model.kind == "reference":
            out.append("reference predictor")
        if model.causal is None:
            out.append("not stated whether causal")
        elif not model.causal:
            out.append(f"not causal: sees {model.lookahead} frames ahead" if model.lookahead else "not causal")
        seen = tuple(map(data_set_id, model.trained_on or ()))
        if record.release.dataset in seen:
            out.append("saw this data set in training")
        elif model.trained_on is None or (model.kind in ("network", "custom") and not seen):
            out.append("training data not stated")
        elif not all(map(names_a_data_set, seen)):
            out.append("training data not stated by data-set ids")  # a result of before they were checked
        if model.audio:
            out.append("uses audio")
        if model.missing in _FILLED:
            out.append(f"frames without a prediction {_FILLED[model.missing]}")
    out += [f"suspicious: {text.partition(':')[0]}" for text in record.suspicious]
    stored = model.submission or {}
    if stored.get("lossy"):
        out.append("lossy")
    if stored.get("unverified"):
        out.append("unverified")
    if model.fit:
        out.append(f"other aspect than the frame: {model.fit}")
    if counts.no_prediction:
        out.append(f"no prediction for {counts.no_prediction:,} of {counts.frames:,} frames: not in its means")
    return out


def earned(record: RunRecord) -> list[str]:
    """Return what speaks for a run's row: a network of the registry ran here, with weights that a digest names; or its
    authors say where its code and its weights are."""
    ours = record.model.kind == "network" and record.model.checkpoint_sha256
    return [
        *(["reproduced here"] if ours else []),
        *(f"open {what}" for what in ("code", "weights") if address(record, what)),
    ]


def address(record: RunRecord, what: str) -> str | None:
    """Return where a submission says that its `code` or `weights` are; None where it does not, or not as https."""
    said = ((record.model.submission or {}).get("model") or {}).get(what)
    return https_url(said) if isinstance(said, str) else None


def partly(board: Board, entry: Entry) -> list[str]:
    """Return a badge for each metric that a model's own maps leave undefined in frames that others are judged by."""
    return [
        f"{column.label} undefined in {entry.record.counts.scored - entry.record.metrics[column.name].n:,} of its "
        f"{entry.record.counts.scored:,} frames: not ranked by it"
        for column in board.columns
        if board.partial(entry, column)
    ]


def qualifiers(entry: Entry, rivals: Sequence[Entry]) -> list[str]:
    """Return what distinguishes a run's model from others of its name: options, version and weights where needed."""
    model = entry.record.model
    same = [r for r in rivals if r.record.model.name == model.name]
    versions = {r.record.model.version for r in same}
    out = [f"version {model.version or UNKNOWN}"] if len(versions) > 1 or model.version not in (None, "1") else []
    out += [f"{name} = {_brief(model.options[name])}" for name in sorted(model.options)]
    out += [] if model.identity else ["weights or code unknown"]
    same = [r for r in same if r.record.model.version == model.version]
    if len({r.record.model.checkpoint_sha256 for r in same}) > 1 and model.checkpoint_sha256:
        out.append(f"weights {model.checkpoint or ''} {model.checkpoint_sha256[:8]}".replace("  ", " "))
    return out


def yes_or_no(said: bool | None) -> str:
    """Return a claim in a word.

    >>> yes_or_no(True), yes_or_no(None)
    ('yes', 'unknown')
    """
    return UNKNOWN if said is None else "yes" if said else "no"


def causality(model: ModelClaims) -> str:
    """Say whether a model uses later frames, and how many."""
    if model.causal is False and model.lookahead:
        return f"no, sees {model.lookahead} frames ahead"
    return yes_or_no(model.causal)


def training(record: RunRecord) -> str:
    """Say whose gaze a model has seen."""
    model = record.model
    if model.trained_on:
        return ", ".join(model.trained_on)
    if model.trained_on is None:
        return UNKNOWN
    return "nothing" if record.human or model.kind in ("reference", "submission") else "not stated"


def _brief(setting: object) -> str:
    """Return a setting in few letters; a digest by its first eight."""
    text = str(setting)
    if re.fullmatch(r"[0-9a-f]{32,}", text):
        return text[:8]
    return text if len(text) <= 60 else f"{text[:60]}\u2026"


def human_note(entry: Entry) -> str:
    """Say what a human reference compares."""
    name = entry.record.model.name
    if entry.record.truth.points != "single-observer":
        return (
            f"{name} judges the truth by its own fixations: the score of a prediction that knows the truth, not of a "
            "rival."
        )
    marked = [label for label in ("CC", "SIM", "KLD") if label in OTHER_TRUTH & set(entry.record.metrics)]
    return (
        f"{name} judges each observer by the density of all others and averages. Its truth is a single observer, so "
        f"its {', '.join(marked)} (marked \u2020 on the board) have another truth than those of the models: "
        "do not compare them."
    )


def one_of_each(board: Board) -> str:
    """Say which run of each model a table shows, and where the others are."""
    pairs = [(runs[0], other) for runs in board.history.values() for other in runs[1:] if not runs[0].notices]
    if all(shown.age_key > other.age_key for shown, other in pairs):
        older = count(len(pairs), "older run")
        return f"Only the newest run of each model is shown. {older} can be reached from the newer one's page."
    others = count(len(pairs), "other run")
    return (
        "Only one run of each model is shown: a live one rather than stored predictions, these rather than lossy ones, "
        f"the newest of equals. {others} can be reached from its page."
    )


def notice(said: Notice) -> str:
    """Return what was said of a run since it was stored, in a sentence.

    >>> notice(Notice(kind="withdrawn", run="0" * 64, reason="wrong weights", time="2026-01-02T03:04:05Z"))
    'Withdrawn on 2026-01-02: wrong weights.'
    """
    by = f" by the run {said.by[:12]}" if said.by else ""
    return f"{said.kind.capitalize()}{by} on {said.time[:10]}: {said.reason.rstrip('.')}."


def preferred(shown: Entry, other: Entry) -> str:
    """Say why one of two runs of a model is shown and not the other, where it is not its age."""
    a, b = shown.record.model.lossiness, other.record.model.lossiness
    if a == b:
        return ""
    return (
        ", whose predictions were scored as they were made"
        if a == 0
        else ", whose predictions were stored with less loss"
    )


def undefined(board: Board) -> list[tuple[str, str, list[str]]]:
    """Return for each dash of a table the metric's label, the reason, and the models that share it."""
    found: dict[tuple[str, str], list[str]] = {}
    for column in board.columns:
        for entry in board.shown:
            metric = entry.record.metrics[column.name]
            if metric.mean is None:
                reason = _COUNT.sub("", metric.reason or "no frame defines it")
                found.setdefault((column.label, reason), []).append(entry.record.model.name)
    return [(label, reason, names) for (label, reason), names in found.items()]


def spread(low: float, mean: float, high: float) -> str:
    """Return lowest, mean and highest value in a phrase."""
    return f"mean {decimals(mean)}, from {decimals(low)} to {decimals(high)}"


def shortened(text: str, most: int) -> str:
    """Return a text, cut where it is longer than a drawing has room for.

    >>> shortened("center_prior", 8)
    'center_…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def title_of(release: ReleaseRecord) -> str:
    """Return the title of a release, cut where it is no title any more; its id where it has none."""
    return shortened(release.title or release.id, 200)


def interval(low: float | None, high: float | None) -> str:
    """Return an interval.

    >>> interval(2.1, 2.53)
    '2.100 to 2.530'
    """
    return DASH if low is None or high is None else f"{decimals(low)} to {decimals(high)}"


def no_interval(note: str | None) -> str:
    """Say in a cell why a value has no interval, from what its run notes of it.

    >>> no_interval("2 groups of stimuli; an interval needs at least 5"), no_interval(None)
    ('too few stimuli', 'no interval kept')
    """
    return "no interval kept" if note is None else "infinite in part" if "infinite" in note else "too few stimuli"


def probability(p: float | None) -> str:
    """Return a p-value as papers print it.

    >>> probability(0.00004), probability(0.0421)
    ('< 0.001', '0.042')
    """
    return DASH if p is None else "< 0.001" if p < 0.001 else decimals(p)
