"""`vidsal data list`, `info`, `convert`, `verify`; the other verbs of `data` are in `inspect`."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.files import atomic_write
from vidsal.loaders.records import Anomaly, DatasetInfo

from .inspect import export, stats, view
from .output import any_path, echo, file_out, json_option, print_json, print_table
from .places import any_place, delivered, places, release_out
from .progress import progress, quiet_option
from .shared_options import check_scheduler, sandbox_option, sandboxed, scheduler_option

if TYPE_CHECKING:
    from vidsal.loaders.io.progress import Progress
    from vidsal.loaders.io.workers import Processes
    from vidsal.loaders.own.bids import BidsForm
    from vidsal.loaders.own.form import TableForm

_MOST_ANOMALIES = 20


class _How(TypedDict):
    workers: int | None
    children: Processes | None
    progress: Progress


_OWN = ("table", "bids")


@click.group()
def data() -> None:
    """Data sets: what is known of them, conversion to Parquet, inspection, export."""


@data.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the data sets and their variants."""
    from vidsal.loaders.registry import forms

    infos = [form.INFO for form in forms()]
    if as_json:
        print_json([{"name": i.name, "variant": i.variant, "release": i.release_id, "title": i.title} for i in infos])
    else:
        print_table(
            [(i.name, i.variant, i.release_id, i.title) for i in infos], ("name", "variant", "release", "title")
        )


@data.command()
@click.argument("name")
@click.option("--variant", help="Show this variant only; default: all variants.")
@click.option("--all", "everything", is_flag=True, help="Print all that is known, variant by variant.")
@json_option
def info(name: str, variant: str | None, everything: bool, as_json: bool) -> None:
    """Show what a data set is, and where to get it; with --all or --variant all that is known of it."""
    from vidsal.loaders import registry

    chosen = [variant] if variant else list(registry.variants(name))
    infos = [registry.form(name, v).INFO for v in chosen]
    if as_json:
        print_json([_plain(i) for i in infos])
        return
    if everything or variant:
        for i in infos:
            _print_info(i)
    else:
        _print_short(name, infos)


def _plain(info: DatasetInfo) -> dict[str, object]:
    return {**asdict(info), "truths": {k: asdict(v) for k, v in info.truths.items()}, "release": info.release_id}


def _print_short(name: str, infos: list[DatasetInfo]) -> None:
    """Print what a newcomer asks first; of what variants say differently, each."""
    echo(f"{name}: {infos[0].title}")
    for label in ("observers", "splits", "licence", "obtain"):
        for text in dict.fromkeys(getattr(i, label) for i in infos):
            if text:
                echo(f"  {label:<10} {text}")
    echo("  layout:")
    for line in dict.fromkeys(line for i in infos for line in i.layout):
        echo(f"    {line}")
    if len(infos) > 1:
        echo(f"  variants   {', '.join(f'{i.variant} (release {i.release_id})' for i in infos)}")
    echo(f"truth recipes, screen, citation, and what was checked on real files: vidsal data info {name} --all")


def _print_info(info: DatasetInfo) -> None:
    echo(f"{info.release_id}: {info.title}")
    lines = [
        ("variant", info.variant or "(one form)"),
        ("observers", info.observers),
        ("splits", info.splits),
        ("licence", info.licence),
        ("cite", info.citation),
        ("obtain", info.obtain),
    ]
    for label, text in lines:
        if text:
            echo(f"  {label:<10} {text}")
    screen = {k: v for k, v in asdict(info.screen).items() if v}
    if screen:
        echo("  screen     " + ", ".join(f"{k} {v}" for k, v in screen.items()))
    if info.released_truth:
        echo(f"  truth      released: {info.released_truth}; the default of a release that has them")
    for name, truth in info.truths.items():
        fields = {k: v for k, v in asdict(truth).items() if v not in (None, "", 0.0)}
        echo(f"  truth      {name}: " + ", ".join(f"{k} {v}" for k, v in fields.items()))
    for heading, facts in (("layout", info.layout), ("verified", info.verified), ("not verified", info.unverified)):
        if facts:
            echo(f"  {heading}:")
            for fact in facts:
                echo(f"    {fact}")
    echo()


@data.command()
@click.argument("name", required=False)
@click.option("--variant", help="Convert this variant; needed where the source holds several.")
@click.option(
    "--src",
    "source",
    required=True,
    type=any_place,
    help="Read the data set, as distributed, from this folder or address.",
)
@click.option("-o", "--out", required=True, type=release_out, help="Write the release into this folder or address.")
@click.option("--columns", metavar="MAP.toml", help="`table`: what the columns mean; tobii, pupil, eyelink are ready.")
@click.option("--videos", type=any_path, help="`table`, `bids`: the folder of the videos or images.")
@click.option("--form", "own", metavar="FILE.py:NAME", help="Read by a form of your own instead of a NAME.")
@click.option("--workers", type=click.IntRange(1), help="Use this many processes; default: one for each core.")
@scheduler_option
@sandbox_option
@click.option("--strict", is_flag=True, help="Exit 1 if the source has any anomaly.")
@quiet_option
@json_option
@places
def convert(
    name: str | None,
    variant: str | None,
    source: Path,
    out: Path,
    columns: str | None,
    videos: Path | None,
    own: str | None,
    workers: int | None,
    scheduler: str | None,
    sandbox: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Convert a data set, as distributed, to a Parquet release.

    NAME is one of `vidsal data list`; or `table`: recordings of your own in tables, by a column map; or `bids`: eye
    tracking as BIDS, as `data export` writes it.
    """
    from vidsal.benchmark.evaluation.cluster import Cluster
    from vidsal.benchmark.submissions.sandbox import TimedChildren
    from vidsal.loaders.conversion.convert import convert as run_conversion, convert_own

    _check_options(name, variant, columns, videos, own)
    check_scheduler(scheduler, workers, sandbox=sandbox)
    with (
        nullcontext() if scheduler is None else Cluster(scheduler) as cluster,
        sandboxed(sandbox, workers or os.cpu_count() or 1) as box,
        progress(f"convert {name or own}", "stimuli") as step,
    ):
        children = cluster if box is None else TimedChildren(box)
        how: _How = {"workers": workers, "children": children, "progress": step}
        if name in _OWN:
            form, folder = _table(source, columns or "", videos) if name == "table" else _bids(source, videos)
            result = convert_own(form, folder, out, frames=videos, **how)
        elif own is not None:
            from vidsal.loaders.own.user_form import user_form

            result = convert_own(user_form(own), source, out, **how)
        else:
            result = run_conversion(name or "", source, out, variant=variant, **how)
    delivered()
    release = result.release
    if as_json:
        print_json(release)
    else:
        echo(f"{release['release']} -> {out} (digest {release['digest'][:16]})")
        for key, value in release["counts"].items():
            if value is not None:
                echo(f"  {key.replace('_', ' '):<18}{value:>12,}")
    _print_anomalies(result.anomalies)
    if strict and result.fatal:
        count = f"{len(result.fatal)} anomal{'y' if len(result.fatal) == 1 else 'ies'}"
        raise BadData(f"--strict: {count} (see above, and {out / 'release.json'})")


def _check_options(
    name: str | None, variant: str | None, columns: str | None, videos: Path | None, own: str | None
) -> None:
    """Refuse an option that does not apply."""
    if (name is None) == (own is None):
        raise WrongUse("name a data set, or `table`, or give a form of your own with --form: one of them")
    if name == "table" and columns is None:
        raise WrongUse("`data convert table` needs --columns MAP.toml; `vidsal data template` writes one to fill in")
    for option, given, applies in (
        ("--columns", columns, name == "table"),
        ("--videos", videos, name in _OWN),
        ("--variant", variant, name is not None and name not in _OWN),
    ):
        if given is not None and not applies:
            raise WrongUse(f"{option} does not apply to {name or '--form'}")


def _table(source: Path, columns: str, videos: Path | None) -> tuple[TableForm, Path]:
    from vidsal.loaders.own.column_map import read_map
    from vidsal.loaders.own.form import TableForm

    column_map = read_map(Path(columns))
    if not source.exists():
        raise MissingData(f"{source}: no such file or folder")
    only = source.name if source.is_file() else None
    return TableForm(column_map, only, _folder(videos)), source if only is None else source.parent


def _bids(source: Path, videos: Path | None) -> tuple[BidsForm, Path]:
    from vidsal.loaders.own.bids import BidsForm

    if not source.is_dir():
        raise MissingData(f"{source}: no such folder")
    return BidsForm(source.resolve(), _folder(videos)), source


def _folder(videos: Path | None) -> Path | None:
    if videos is not None and not videos.is_dir():
        raise MissingData(f"{videos}: no such folder")
    return None if videos is None else videos.resolve()


@data.command()
@click.argument("name", default="template")
@click.option("-o", "--out", type=file_out, help="Write into this file, not to stdout.")
def template(name: str, out: Path | None) -> None:
    """Write a commented column map for `data convert table`, or a ready one: `tobii`, `pupil`, `eyelink`."""
    from vidsal.loaders.own.column_map import ready_map

    text = ready_map(name)
    if out is None:
        echo(text.rstrip())
        return
    if out.exists():
        raise WrongUse(f"{out} is there already; name another file")
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _print_anomalies(anomalies: tuple[Anomaly, ...]) -> None:
    most = _MOST_ANOMALIES if sys.stderr.isatty() else len(anomalies)
    for anomaly in anomalies[:most]:
        stated = str(anomaly.count) in anomaly.message or f"{anomaly.count:,}" in anomaly.message
        times = "" if anomaly.count == 1 or stated else f" ({anomaly.count} times)"
        echo(f"vidsal: {'anomaly' if anomaly.fatal else 'note'}: {anomaly.where}: {anomaly.message}{times}", err=True)
    more = len(anomalies) - most
    if more > 0:
        echo(f"vidsal: and {more} more anomalies, all in release.json", err=True)


@data.command()
@click.argument("folder", type=any_path)
@quiet_option
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Recompute a release's digests, counts and rules, and compare frame counts with the registers."""
    from vidsal.loaders.inspect.verify import verify as check

    with progress(f"verify {folder.name}", "rows") as step:
        findings = check(folder, step)
    failed = [f for f in findings if not f.ok]
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        for f in findings:
            echo(f"{'ok  ' if f.ok else 'FAIL'} {f.rule}: {f.message}")
    if failed:
        raise BadData(f"{folder}: {len(failed)} of {len(findings)} checks failed")


for _command in (stats, view, export):
    data.add_command(_command)
