"""Runs made by code, in the form in which the engine leaves them on disk; and a strict reading of pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.schema import FORMAT
from vidsal.benchmark.evaluation.results.store import Run, result_digest, rows_digest
from vidsal.benchmark.evaluation.stimulus import frames_schema

MakeRun = Callable[..., Run]
_VOID = {"meta", "link", "br", "img", "input", "hr"}

MODEL: dict[str, Any] = {
    "name": "tinyhd_s",
    "version": "1",
    "causal": True,
    "lookahead": 0,
    "missing": "error",
    "output": "saliency",
    "trained_on": ["salicon"],
    "licence": "MIT",
    "paper": "https://example.org/paper",
    "needs_frames": True,
    "kind": "network",
    "checkpoint": "weights.pth",
    "checkpoint_sha256": "ab" * 32,
    "options": {},
    "device": "cpu",
}
RELEASE = {"id": "dhf1k-raw", "digest": "cd" * 32, "dataset": "dhf1k", "variant": "raw", "title": "DHF1K: videos"}
TRUTH = {"recipe": "corrected", "kernel": "gaussian", "sigma_px": 12.7, "orders": None, "note": "", "points": "all"}
ENGINE = {"vidsal": "0.1.0", "engine": "1", "threads": 1, "python": "3.11.9", "numpy": "2.4.0"}


def frame_rows(
    stimuli: Mapping[str, int],
    labels: tuple[str, ...],
    seed: int,
    undefined: Mapping[str, str],
    missing: int,
    no_fixation: int,
) -> pa.Table:
    """Rows of some stimuli; `undefined` gives the reason of metrics that are NaN throughout; the first `missing` frames
    have no prediction, the next `no_fixation` no fixation."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {name: [] for name in frames_schema(labels).names}
    level = {"AUC-J": 0.8, "sAUC": 0.65, "NSS": 1.5, "CC": 0.3, "SIM": 0.3, "KLD": 2.0, "IG": 0.6, "LL": 1.1}
    for name, n in stimuli.items():
        for frame in range(n):
            status = "no_prediction" if frame < missing else "scored"
            status = "no_fixation" if missing <= frame < missing + no_fixation else status
            rows["stimulus_id"].append(name)
            rows["frame"].append(frame)
            rows["n_fixations"].append(0 if status == "no_fixation" else 20)
            for metric in labels:
                value = level[metric] * (1 + 0.1 * np.sin(frame / 40 + seed) + 0.03 * random.normal())
                rows[metric].append(value if status == "scored" and metric not in undefined else np.nan)
            rows["status"].append(status)
            reasons = [f"{metric}: {why}" for metric, why in undefined.items()]
            rows["reason"].append("; ".join(reasons) or None)
    return pa.table(rows, schema=frames_schema(labels))


def build_run(
    model: str = "tinyhd_s",
    *,
    stimuli: Mapping[str, int] | None = None,
    protocol: str | protocols.Protocol = "exact-1",
    time: str = "2026-01-02T03:04:05Z",
    seed: int = 0,
    undefined: Mapping[str, str] | None = None,
    missing: int = 0,
    no_fixation: int = 0,
    release: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
    truth: Mapping[str, Any] | None = None,
    coverage: Mapping[str, Any] | None = None,
    split: str = "train",
    command: str | None = "vidsal run tinyhd_s --data build/dhf1k-raw",
    **more: Any,
) -> Run:
    """Make one run; everything that is not said is that of an ordinary one."""
    shape = dict(stimuli or {"002": 30})
    declared = protocols.protocol(protocol)
    rows = frame_rows(shape, declared.labels, seed, undefined or {}, missing, no_fixation)
    summary = summarize(rows, declared.metrics, declared.average)
    record: dict[str, Any] = {
        "format": FORMAT,
        "release": {**RELEASE, **(release or {})},
        "split": split,
        "protocol": {**declared.to_dict(), "digest": declared.digest},
        "model": {**MODEL, "name": model, **(info or {})},
        "truth": {**TRUTH, **(truth or {})},
        "coverage": {
            "scored": list(shape),
            "annotated": len(shape),
            "not_annotated": ["068"],
            "without_frames": [],
            "left_out_by_limit": 0,
            "complete": True,
            "with_frames_only": False,
            **(coverage or {}),
        },
        "counts": summary.counts.model_dump(),
        "metrics": {label: metric.model_dump() for label, metric in summary.metrics.items()},
        "input_digest": hashlib.sha256(model.encode()).hexdigest(),
        "rows_digest": rows_digest(rows),
        "engine": ENGINE,
        "command": command,
        "time": time,
        "duration_s": 12.5,
        **more,
    }
    record["digest"] = result_digest(record)
    return Run(record, rows, pa.Table.from_pandas(summary.stimuli, preserve_index=False))


@dataclass
class Element:
    """An element with its attributes, its children in order, and its parent."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text below, spaces collapsed."""
        parts = [c if isinstance(c, str) else c.text for c in self.children]
        return " ".join("".join(parts).split())

    def all(self, tag: str | None = None, **attributes: str) -> list[Element]:
        """Every element below of this tag that has these attributes, in order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                fits = tag in (None, child.tag) and all(child.attributes.get(k) == v for k, v in attributes.items())
                found += [child] if fits else []
                found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} <{tag}> with {attributes}"
        return found[0]

    def has_class(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document", {})
        self.at = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        if tag not in _VOID:
            self.at = self.at.children[-1]  # type: ignore[assignment]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> repeats an attribute: {names}"
        self.at.children.append(Element(tag, {k: v or "" for k, v in attrs}, self.at))

    def handle_endtag(self, tag: str) -> None:
        assert self.at.tag == tag, f"</{tag}> closes <{self.at.tag}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


def parse_page(path: Path) -> Element:
    """Parse a page; a tag that is not closed in its place is an error."""
    parser = _Parser()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    assert parser.at is parser.root, f"<{parser.at.tag}> is never closed"
    return parser.root


@pytest.fixture(scope="session")
def read_page() -> Callable[[Path], Element]:
    """`parse_page`."""
    return parse_page


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    """`build_run`."""
    return build_run


def small_results(folder: Path) -> Path:
    """Save two boards with human references, an undefined metric, an older run; return the folder."""
    no_others = {"sAUC": "no other stimulus of the split is annotated"}
    human = {"kind": "human", "checkpoint": None, "checkpoint_sha256": None, "trained_on": [], "needs_frames": False}
    build_run(seed=1, undefined=no_others, time="2026-01-01T00:00:00Z").save(folder)
    build_run(seed=2, undefined=no_others).save(folder)
    build_run("uniform", seed=3, undefined=no_others, info={**human, "kind": "reference"}).save(folder)
    build_run(
        "one_vs_rest", seed=4, undefined=no_others, info=human, truth={"points": "single-observer"}, missing=3
    ).save(folder)
    build_run(seed=5, protocol="dhf1k-1", no_fixation=2).save(folder)
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """`small_results`, to change at will."""
    return small_results(tmp_path / "results")


@pytest.fixture(scope="module")
def kept_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small_results`, to read only."""
    return small_results(tmp_path_factory.mktemp("kept") / "results")
