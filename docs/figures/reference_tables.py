"""Write the parts of data_sets.md, models.md, protocols.md and submissions.md that follow from what the code declares.

python docs/figures/reference_tables.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from generated_blocks import plain, put, table

from vidsal.baselines import registry as models
from vidsal.baselines.base import Baseline
from vidsal.benchmark.predictor import ModelInfo
from vidsal.benchmark.protocols import PROTOCOLS, describe as protocol_words
from vidsal.benchmark.submissions import archive
from vidsal.benchmark.submissions.archive_names import MOST_NAME
from vidsal.benchmark.submissions.rules import RULES
from vidsal.loaders import registry as data_sets
from vidsal.loaders.records import DatasetInfo
from vidsal.models import declared

DOCS = Path(__file__).resolve().parents[1]


def data_set_blocks() -> dict[str, str]:
    """Return the blocks of data_sets.md: what `vidsal data info` knows."""
    infos = [form.INFO for form in data_sets.forms()]
    checked = table(
        ("release", "data set", "`--variant`", "checked on real files", "not checked"),
        (
            (
                f"`{i.release_id}`",
                i.name,
                f"`{i.variant}`" if i.variant else "",
                _facts(i.verified),
                _facts(i.unverified),
            )
            for i in infos
        ),
    )
    return {"checked": checked, "obtain": "\n".join(_sections(infos))}


def _facts(facts: Iterable[str]) -> str:
    return "; ".join(facts) or "nothing"


def _sections(infos: list[DatasetInfo]) -> Iterable[str]:
    for name in data_sets.DATASETS:
        of_name = [i for i in infos if i.name == name]
        yield f"### {name}\n"
        yield from data_set_lines(of_name)
        yield ""


def data_set_lines(infos: list[DatasetInfo]) -> Iterable[str]:
    """What a reader asks of a data set, from the declarations of its variants."""
    for label, value in (
        ("", lambda i: i.title),
        ("Observers", lambda i: i.observers),
        ("Splits", lambda i: i.splits),
        ("Licence", lambda i: i.licence),
        ("How to get it", lambda i: i.obtain),
        ("Cite", lambda i: i.citation),
    ):
        yield from _lines(label, infos, value)


def _lines(label: str, infos: list[DatasetInfo], value: Callable[[DatasetInfo], str]) -> Iterable[str]:
    """One line where all variants say the same, else one for each."""
    texts = list(dict.fromkeys(value(i) for i in infos))
    start = f"**{label}.** " if label else ""
    if len(texts) == 1:
        yield f"- {start}{plain(texts[0])}"
        return
    for text in texts:
        variants = ", ".join(f"`{i.variant}`" for i in infos if value(i) == text)
        yield f"- {start}{variants}: {plain(text)}"


def model_blocks() -> dict[str, str]:
    """Return the blocks of models.md: what `vidsal model info` knows."""
    rows: list[tuple[str, ...]] = []
    sections: list[str] = []
    for name, entry in models.TABLE.items():
        info = declared(name)
        rows.append(
            (f"`{name}`", entry.kind, entry.summary, info.output, _looks(info), ", ".join(info.trained_on or ()))
        )
        if entry.kind == "network":
            sections += [f"### {name}\n", *network_lines(models.baseline(name))]
    header = ("model", "kind", "what it is", "predicts", "looks ahead", "trained on")
    return {"models": table(header, rows), "networks": "\n".join(sections)}


_MISSING = {
    "error": "None: every frame gets one.",
    "first-available": "The first prediction stands for those before it.",
    "center-bias": "The centre bias stands for them.",
    "exclude": "They are left out, and counted.",
}


def _looks(info: ModelInfo) -> str:
    return "no" if info.causal else f"{info.lookahead} frames"


def network_lines(line: Baseline) -> Iterable[str]:
    """Paper, licence, options and published weights of a network."""
    yield f"- **Paper.** {plain(line.info.paper)}"
    yield f"- **Licence of the weights.** {plain(line.info.licence)}"
    yield f"- **Frames without prediction.** {_MISSING[line.info.missing]}"
    if line.info.moves_between_machines:
        yield f"- **Scores move between machines.** {plain(line.info.moves_between_machines)}."
    yield "\nOptions (`--option NAME=VALUE`):\n"
    yield table(
        ("option", "default", "allowed", "what it does"),
        ((f"`{k}`", _default(o.default), o.expected(), o.help) for k, o in line.options.items()),
    )
    if not line.checkpoints:
        yield "\nNo weights were published.\n"
        return
    yield "\nPublished weights:\n"
    yield table(
        ("file", "variant", "trained on", "licence", "where", "digest"),
        (
            (f"`{c.file}`", c.variant, ", ".join(c.trained_on), c.licence, c.source, _digest(c.sha256, c.git_blob_sha1))
            for c in line.checkpoints
        ),
    )
    yield ""


def _default(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def _digest(sha256: str | None, git_blob: str | None) -> str:
    texts = [f"SHA-256 `{sha256[:16]}...`"] if sha256 else []
    texts += [f"git blob `{git_blob[:12]}...`"] if git_blob else []
    return ", ".join(texts) or "none published"


def protocol_blocks() -> dict[str, str]:
    """Return the blocks of protocols.md: what `vidsal protocol show` says."""
    overview = table(
        ("protocol", "reproduces", "mean", "8-bit prediction", "negatives of sAUC", "digest"),
        (
            (
                f"`{p.name}`",
                p.summary,
                f"over {'stimuli' if p.average == 'stimulus' else 'frames'}",
                "yes" if p.encoding == "uint8" else "no",
                p.negatives,
                f"`{p.digest[:12]}`",
            )
            for p in PROTOCOLS.values()
        ),
    )
    return {
        "overview": overview,
        "protocols": "\n".join(line for name in PROTOCOLS for line in (f"### {name}\n", *protocol_lines(name))),
    }


def protocol_lines(name: str) -> Iterable[str]:
    """Every choice of a protocol in words, and the known faults that it reproduces."""
    rules = PROTOCOLS[name]
    yield f"{plain(rules.summary)} Origin: {plain(rules.origin)}.\n"
    for choice, words in protocol_words.choices(name).items():
        yield f"- **{choice}.** {plain(words)}"
    if rules.approximations:
        yield "\nWhere it departs from its origin:\n"
        yield from (f"- {plain(text)}" for text in rules.approximations)
    if rules.faults:
        yield "\nKnown faults of the origin that it reproduces, and how far they move a score:\n"
        yield table(("fault", "effect"), ((fault.what, fault.effect) for fault in rules.faults))
    yield ""


def submission_blocks() -> dict[str, str]:
    """Return the blocks of submissions.md: the rules, and the limits of archives."""
    rules = table(
        ("rule", "", "what holds", "else"),
        ((f"`{name}`", rule.severity, rule.says, rule.mend) for name, rule in RULES.items()),
    )
    limits = table(
        ("limit", "at most"),
        (
            ("files", f"{archive.MOST_FILES:,}"),
            ("bytes to which it expands", f"{archive.MOST_BYTES >> 30:,} GiB, and what the disk has free"),
            (
                "growth",
                f"{archive.MOST_GROWTH} times its own size; {archive.FREE_BYTES >> 20} MiB in any case",
            ),
            ("a name, with its folders", f"{MOST_NAME:,} bytes"),
        ),
    )
    return {"rules": rules, "limits": limits}


PAGES: dict[str, Callable[[], dict[str, str]]] = {
    "data_sets.md": data_set_blocks,
    "models.md": model_blocks,
    "protocols.md": protocol_blocks,
    "submissions.md": submission_blocks,
}
"""Which pages hold generated blocks, and what writes them."""


@click.command()
def main() -> None:
    """Write the generated parts of the reference pages."""
    for name, blocks in PAGES.items():
        changed = put(DOCS / name, blocks())
        click.echo(f"{name}: {'written' if changed else 'as it was'}")


if __name__ == "__main__":
    main()
