"""Write the reference pages of the documentation site: one for each data set, model, metric and protocol, and the API.

python docs/figures/reference_pages.py FOLDER

They follow from what the code declares, are made anew with every build of the site, and are not kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from generated_blocks import plain, table
from reference_tables import data_set_lines, network_lines, protocol_lines

from vidsal.baselines import registry as models
from vidsal.benchmark.metrics.base import NOT_SCORED, REGISTRY, Metric
from vidsal.benchmark.protocols import PROTOCOLS, describe
from vidsal.loaders import registry as data_sets
from vidsal.models import declared

ROOT = Path(__file__).resolve().parents[2]

API = {
    "vidsal": ("load", "evaluate", "predict", "score", "Run"),
    "vidsal.metrics": ("SaliencyMetrics", "score_maps"),
    "vidsal.loaders": ("Release", "Stimulus", "Frame", "Truth"),
    "vidsal.benchmark": (
        *("score_frame", "prepare_truth", "FrameScores", "FrameTruth", "Negatives"),
        *("ModelInfo", "Prediction", "Predictor", "StimulusInfo", "Protocol", "protocol"),
    ),
    "vidsal.benchmark.statistics": (
        *("cluster_bootstrap", "intervals", "Interval", "sign_flip_test", "smallest_p", "paired_difference"),
        *("Difference", "holm", "rank_intervals", "indistinguishable", "gap_share", "Share", "by_attribute"),
        *("AttributeScore", "seed_of"),
    ),
    "vidsal.baselines": ("build_module", "load_model"),
}
"""The public names, by the module from which they are imported."""

ERRORS = "vidsal.loaders.errors"


def data_set_page(name: str) -> Iterator[str]:
    """What is known of a data set, all variants."""
    infos = [form.INFO for form in data_sets.forms() if form.INFO.name == name]
    yield f"# {name}\n"
    yield from data_set_lines(infos)
    yield "\n## Releases\n"
    yield table(
        ("release", "`--variant`", "checked on real files", "not checked"),
        ((f"`{i.release_id}`", i.variant or "", *(_facts(f) for f in (i.verified, i.unverified))) for i in infos),
    )


def _facts(facts: Iterable[str]) -> str:
    return "; ".join(facts) or "nothing"


def model_page(name: str) -> Iterator[str]:
    """What a model declares; options and weights of a network."""
    line, info = models.entry(name), declared(name)
    yield f"# {name}\n"
    yield f"{plain(line.summary)}\n"
    facts = {
        "Kind": line.kind,
        "Predicts": info.output,
        "Looks ahead": "no" if info.causal else f"{info.lookahead} frames",
        "Trained on": ", ".join(info.trained_on) or "nothing",
    }
    yield from (f"- **{key}.** {plain(value)}" for key, value in facts.items())
    if line.kind == "network":
        yield from network_lines(models.baseline(name))


def metric_page(name: str) -> Iterator[str]:
    """All variants of a metric, with their definitions."""
    variants = [m for m in REGISTRY.values() if m.name == name]
    first = variants[0]
    yield f"# {first.short}: {name}\n"
    yield f"- **Direction.** {'higher' if first.higher_is_better else 'lower'} is better"
    yield f"- **Range.** {first.range[0]:g} to {first.range[1]:g}; unit: {plain(first.unit)}"
    yield f"- **Chance.** {first.chance}; **a perfect prediction:** {plain(str(first.ceiling))}"
    yield f"- **Reads.** {', '.join(first.needs)}\n"
    yield "## Variants\n"
    yield table(("id", "used by", "constant maps, empty truths", "source"), map(_variant, variants))
    yield "\n## Definitions\n"
    defined = dict.fromkeys(m.function for m in variants if m.params != NOT_SCORED)
    for function in defined:
        yield f"```{{eval-rst}}\n.. autofunction:: {function.__module__}.{function.__name__}\n```\n"


def _variant(entry: Metric) -> tuple[str, ...]:
    users = [f"`{p.name}`" for p in PROTOCOLS.values() if entry.id in p.metrics.values()]
    return f"`{entry.id}`", ", ".join(users), entry.degenerate, entry.source


def protocol_page(name: str) -> Iterator[str]:
    """Every choice of a protocol, and what differs from the default."""
    yield f"# {name}\n"
    yield from protocol_lines(name)
    yield f"- **Digest.** `{PROTOCOLS[name].digest}`"
    if name != "exact-1":
        yield "\n## What differs from exact-1\n"
        yield table(
            ("choice", name, "exact-1"), ((d.choice, d.first, d.second) for d in describe.diff(name, "exact-1"))
        )


def api_page(module: str) -> Iterator[str]:
    """The docstrings of the public names of a module."""
    yield f"# {module}\n"
    names = [
        f"autoclass:: {module}.{n}\n   :members:" if n[0].isupper() else f"autofunction:: {module}.{n}"
        for n in API[module]
    ]
    yield from (f"```{{eval-rst}}\n.. {directive}\n```\n" for directive in names)


def errors_page() -> Iterator[str]:
    """The tree of errors."""
    yield f"# Errors\n\nAll are in `{ERRORS}`.\n"
    yield f"```{{eval-rst}}\n.. automodule:: {ERRORS}\n   :members:\n```"


def pages() -> dict[str, Callable[[], Iterator[str]]]:
    """Return what writes each page, by its path without suffix."""
    found: dict[str, Callable[[], Iterator[str]]] = {}
    families = list(dict.fromkeys(m.name for m in REGISTRY.values()))
    for room, names, write in (
        ("data_sets", list(data_sets.DATASETS), data_set_page),
        ("models", list(models.TABLE), model_page),
        ("metrics", families, metric_page),
        ("protocols", list(PROTOCOLS), protocol_page),
        ("api", list(API), api_page),
    ):
        found |= {f"{room}/{name}": (lambda write=write, name=name: write(name)) for name in names}
    return found | {"api/errors": errors_page}


def write_all(folder: Path) -> list[str]:
    """Write all pages into a folder, which is emptied first; return their paths without suffix."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, write in pages().items():
        file = folder / f"{path}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(write()) + "\n", encoding="utf-8")
    for name in ("CONTRIBUTING", "CHANGELOG"):
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
        (folder / f"{name.lower()}.md").write_text(text.replace("](docs/", "](../"), encoding="utf-8")
    return [*pages(), "contributing", "changelog"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write the reference pages."""
    click.echo(f"{len(write_all(folder))} pages in {folder}")


if __name__ == "__main__":
    main()
