"""Where each page of a site lies. Names are built from slugs and digests only, so they are tame on every disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vidsal.benchmark.evaluation.previews.record import Sprite
from vidsal.benchmark.evaluation.results.schema import ProtocolRecord, ReleaseRecord
from vidsal.benchmark.metrics.base import Metric
from vidsal.loaders.io.files import canonical, sha256_text

from .boards import Board, Entry
from .sanitize import slug

INDEX = "index.html"
COMPARE = "compare/index.html"
METRICS = "metrics/index.html"
PROTOCOLS = "protocols/index.html"
DATA = "data/index.html"
MODELS = "models/index.html"
ABOUT = "about.html"
CHANGES = "changes.html"
FEED = "feed.xml"
NOT_FOUND = "404.html"


def _named(folder: str, name: str, key: str) -> str:
    return f"{folder}/{slug(name)}-{sha256_text(key)[:8]}.html"


def board_page(board: Board) -> str:
    """Page of a board."""
    return f"boards/{board.id}.html"


def model_page(entry: Entry) -> str:
    """Page of a model: all runs of one identity."""
    return _model_page(entry.record.model.name, entry.identity)


@lru_cache(maxsize=4096)
def _model_page(name: str, identity: tuple[str, ...]) -> str:
    return _named("models", name, canonical(list(identity)))


def stimulus_page(board: Board, stimulus_id: str) -> str:
    """Page of a stimulus on a board."""
    return _stimulus_page(board.id, stimulus_id)


@lru_cache(maxsize=1 << 16)
def _stimulus_page(board_id: str, stimulus_id: str) -> str:
    return _named(f"stimuli/{board_id}", stimulus_id, stimulus_id)


def stimuli_page(board: Board) -> str:
    """Page that lists the stimuli of a board."""
    return f"stimuli/{board.id}.html"


def compare_page(board: Board, pair: Sequence[Entry]) -> str:
    """Page of two neighbours on a board."""
    return f"compare/{board.id}/{'-'.join(e.record.digest[:12] for e in pair)}.html"


def compare_board_page(board: Board) -> str:
    """Page on which any two models of a board are compared."""
    return f"compare/{board.id}.html"


def metric_page(metric: Metric) -> str:
    """Page of a metric, with all its variants."""
    return f"metrics/{slug(metric.name)}.html"


def protocol_page(protocol: ProtocolRecord) -> str:
    """Page of a protocol; two that differ in anything have different ones."""
    return _named("protocols", protocol.name, protocol.model_dump_json())


def data_page(release: ReleaseRecord) -> str:
    """Page of a release."""
    return _named("data", release.id, release.digest)


def sprite(picture: Sprite) -> str:
    """Picture of a preview; equal ones of several runs are one file."""
    return f"pictures/{picture.sha256[:24]}.{picture.file.rpartition('.')[2]}"


def root_of(page: str) -> str:
    """Return the way from a page up to the site's own folder.

    >>> root_of("index.html"), root_of("stimuli/a/b.html")
    ('', '../../')
    """
    return "../" * page.count("/")
