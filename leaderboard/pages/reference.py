"""What the words of the boards mean: pages of metrics, protocols and data sets."""

from __future__ import annotations

from collections.abc import Sequence

from vidsal.benchmark.evaluation.results.schema import ProtocolRecord, ReleaseRecord
from vidsal.benchmark.metrics.base import REGISTRY, Metric
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.benchmark.protocols.describe import ABSENT, choices
from vidsal.loaders.records import DatasetInfo
from vidsal.loaders.registry import DATASETS, form, variants

from .. import links
from ..boards import Board
from ..content import Content
from .environment import page


def families(content: Content) -> dict[str, list[Metric]]:
    """Return the variants of the metrics that any board uses, by page of the metric."""
    used = {metric_id for b in content.boards for metric_id in b.protocol.metric_ids.values()}
    found: dict[str, list[Metric]] = {}
    for metric_id, metric in sorted(REGISTRY.items()):
        if metric_id in used:
            found.setdefault(links.metric_page(metric), []).append(metric)
    return found


def metrics_page(content: Content) -> str:
    """Return the list of metrics."""
    return page("metrics.html", links.METRICS, content.config, families=families(content))


def metric_page(content: Content, address: str, variants: Sequence[Metric]) -> str:
    """Return the page of a metric: its definition, and each variant with the protocols and boards that use it."""
    used = {
        m.id: [b for b in content.boards if m.id in b.protocol.metric_ids.values()] for m in variants
    }  # fmt: skip
    return page("metric.html", address, content.config, metric=variants[0], variants=variants, used=used)


def protocols_page(content: Content) -> str:
    """Return the list of protocols, and every choice of each beside the others."""
    records = {address: boards[0].protocol for address, boards in content.protocols.items()}
    words = {address: _choices(record) for address, record in records.items()}
    every = list(dict.fromkeys(choice for found in words.values() for choice in found))
    table = [(choice, [words[address].get(choice, ABSENT) for address in records]) for choice in every]
    return page("protocols.html", links.PROTOCOLS, content.config, records=records, table=table)


def protocol_page(content: Content, address: str, boards: Sequence[Board]) -> str:
    """Return the page of a protocol."""
    return page(
        "protocol.html", address, content.config, p=boards[0].protocol, boards=boards,
        words_of=_choices(boards[0].protocol), shipped=boards[0].shipped,
    )  # fmt: skip


def _choices(record: ProtocolRecord) -> dict[str, str]:
    """Return every choice of a protocol in words; of one that this version does not ship, as its results have it."""
    known = PROTOCOLS.get(record.name)
    if known is not None and known.digest == record.digest:
        return choices(known)
    said = {
        **record.metric_ids,
        "resize": record.resize,
        "prediction": record.encoding,
        "negatives": record.negatives_note,
        "average": record.average,
        "frames": record.frames,
    }
    return {**said, **{name.replace("_", " "): str(value) for name, value in record.further.items()}}


def data_pages(content: Content) -> str:
    """Return the list of releases."""
    return page("data.html", links.DATA, content.config, releases=content.releases)


def data_page(content: Content, address: str, release: ReleaseRecord, boards: Sequence[Board]) -> str:
    """Return the page of a release."""
    return page("data_set.html", address, content.config, release=release, boards=boards, info=info_of(release))


def info_of(release: ReleaseRecord) -> DatasetInfo | None:
    """Return what this version knows of the data set; None of data of one's own."""
    if release.dataset not in DATASETS or release.variant not in variants(release.dataset):
        return None
    found: DatasetInfo = form(release.dataset, release.variant).INFO
    return found
