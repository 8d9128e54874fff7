"""Boards and runs to HTML pages: everything that is said is escaped, every page stands alone and opens from disk."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vidsal._version import __version__
from vidsal.benchmark.evaluation.results.schema import ProtocolRecord
from vidsal.loaders.io.files import sha256_text

from . import format as words
from .boards import DEFAULT_SORT, OTHER_TRUTH, Board
from .collect import Loaded
from .sanitize import https_url, slug, visible

HERE = Path(__file__).parent


def index_page(boards: Sequence[Board], comparisons: Sequence[Board] = ()) -> str:
    """Return the leaderboard page: every board, comparisons on common frames, how to read it, what protocols mean."""
    newest = max(entry.age_key for board in boards for entry in board.shown)[0]
    return _environment().get_template("index.html").render(
        root="",
        boards=boards,
        comparisons=comparisons,
        protocols=protocols_of(boards),
        n_runs=sum(len(runs) for board in boards for runs in board.history.values()),
        newest=newest,
    )  # fmt: skip


def run_page(run: Loaded, board: Board) -> str:
    """Return the page of one run.

    Args:
        run: what is shown of it.
        board: the board that it belongs to, whether the board shows it or a newer one.
    """
    entry = run.entry
    history = board.runs_of(entry)
    return _environment().get_template("run.html").render(
        root="../",
        entry=entry,
        r=entry.record,
        board=board,
        columns=run.columns,
        shown=history[0],
        others=[other for other in history if other != entry],
        rows=run.stimuli,
        videos=run.videos,
    )  # fmt: skip


def protocols_of(boards: Sequence[Board]) -> list[tuple[str, Board]]:
    """Return each protocol of a page once, as its anchor and one board under it."""
    found: dict[str, Board] = {}
    for board in boards:
        found.setdefault(protocol_anchor(board.protocol), board)
    return list(found.items())


def protocol_anchor(protocol: ProtocolRecord) -> str:
    """Return the anchor of a protocol; two that differ in anything have different ones."""
    return f"protocol-{slug(protocol.name)}-{sha256_text(protocol.model_dump_json())[:8]}"


def _finalize(value: Any) -> Any:
    """Make text visible before it is escaped; templates themselves and numbers pass."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        newline_sequence="\n",
    )
    style, script = _asset("site.css"), _asset("site.js")
    environment.globals.update(
        words=words,
        https_url=https_url,
        protocol_anchor=protocol_anchor,
        OTHER_TRUTH=OTHER_TRUTH,
        DEFAULT_SORT=DEFAULT_SORT,
        version=__version__,
        style=style,
        script=script,
        policy=_policy(style, script),
    )
    return environment


def _asset(name: str) -> Markup:
    """Return one of our own files, to stand inside its element."""
    text = (HERE / "assets" / name).read_text(encoding="utf-8")
    if "</" in text:
        raise ValueError(f"{name} would end its own element")
    return Markup(text)  # our own text, not a result's


def _policy(style: str, script: str) -> str:
    """Return a content security policy that allows exactly this style and this script, and nothing else."""
    style_hash, script_hash = (b64encode(sha256(t.encode()).digest()).decode() for t in (style, script))
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )
