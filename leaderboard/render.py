"""Boards and runs to HTML pages: everything that is said is escaped, every page stands alone and opens from disk."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vidsal._version import __version__
from vidsal.benchmark.evaluation.results.store import Run, summarise
from vidsal.loaders.io.files import sha256_text

from . import format as words, plots
from .boards import DEFAULT_SORT, OTHER_TRUTH, Board, Column, Entry, columns
from .record import ProtocolRecord
from .sanitize import https_url, slug, visible

HERE = Path(__file__).parent


def index_page(boards: Sequence[Board]) -> str:
    """Return the leaderboard page: every board, then how to read it, then what each protocol means."""
    newest = max(entry.age_key for board in boards for entry in board.shown)[0]
    return _environment().get_template("index.html").render(
        root="",
        boards=boards,
        protocols=protocols_of(boards),
        n_runs=sum(len(runs) for board in boards for runs in board.history.values()),
        newest=newest,
    )  # fmt: skip


def run_page(entry: Entry, run: Run, board: Board) -> str:
    """Return the page of one run.

    Args:
        entry: its checked record.
        run: the same run with its rows.
        board: the board that it belongs to, whether the board shows it or a newer one.
    """
    among = columns(entry.record.metrics)
    history = board.history[entry.record.model.identity]
    return _environment().get_template("run.html").render(
        root="../",
        entry=entry,
        r=entry.record,
        board=board,
        columns=among,
        newest=history[0],
        others=[other for other in history if other != entry],
        rows=stimulus_rows(run, among),
        videos=plots.videos(run.frames, among),
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


def stimulus_rows(run: Run, among: Sequence[Column]) -> list[dict[str, Any]]:
    """Return a row a stimulus, computed from the frames: id, number of frames, of scored ones, means (None: no)."""
    ids = {column.name: column.metric.id for column in among}
    table = summarise(run.frame_table, ids, "stimulus")[2]
    return [
        {
            "id": str(row["stimulus_id"]),
            "frames": int(row["n_frames"]),
            "scored": int(row["n_scored"]),
            "means": [None if pd.isna(row[c.name]) else float(row[c.name]) for c in among],
        }
        for row in table.to_dict("records")
    ]


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
    assert "</" not in text, f"{name} would end its own element"
    return Markup(text)  # our own text, not a result's


def _policy(style: str, script: str) -> str:
    """Return a content security policy that allows exactly this style and this script, and nothing else."""
    style_hash, script_hash = (b64encode(sha256(t.encode()).digest()).decode() for t in (style, script))
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )
