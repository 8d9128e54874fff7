"""`vidsal model`: list, info, check, speed, template."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.io.files import atomic_write

from .output import any_path, echo, json_option, note, print_json, print_table
from .shared_options import checkpoint_option, device_option, fit_option, model_option, timeout_option

if TYPE_CHECKING:
    from vidsal.benchmark.predictor import Fit


@click.group()
def model() -> None:
    """Models: published networks, references, and your own."""


@model.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the models; --json adds the data sets that each was trained on."""
    from vidsal.baselines import registry
    from vidsal.models import declared

    lines = registry.TABLE.items()
    if as_json:
        print_json(
            [
                {"name": n, "kind": m.kind, "summary": m.summary, "trained_on": list(declared(n).trained_on or ())}
                for n, m in lines
            ]
        )
    else:
        print_table([(n, m.kind, m.summary) for n, m in lines], ("name", "kind", "summary"))


@model.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Show what is known of a model: paper, licence, training data, options, published checkpoints."""
    from vidsal.baselines import registry
    from vidsal.models import declared

    line = registry.entry(name)
    found = {"kind": line.kind, "summary": line.summary, **asdict(declared(name))}
    options: dict[str, object] = {}
    checkpoints: list[dict[str, object]] = []
    if line.kind != "human":
        model = registry.baseline(name)
        options = {k: {"default": o.default, "help": o.help, "values": o.expected()} for k, o in model.options.items()}
        checkpoints = [asdict(c) for c in model.checkpoints]
    if as_json:
        print_json({**found, "options": options, "checkpoints": checkpoints})
        return
    for key, value in found.items():
        echo(f"{key:<12} {', '.join(value) if isinstance(value, tuple) else value}")
    for key, option in options.items():
        echo(f"option {key}: {option['help']} (default {option['default']}; {option['values']})")  # type: ignore[index]
    for checkpoint in checkpoints:
        facts = ", ".join(f"{k} {v}" for k, v in checkpoint.items() if v and k != "file")
        echo(f"checkpoint {checkpoint.get('file')}: {facts}")


@model.command()
@click.argument("name")
@checkpoint_option
@model_option
@fit_option
@device_option
@timeout_option
@json_option
def check(
    name: str,
    checkpoint: Path | None,
    options: tuple[str, ...],
    fit: Fit | None,
    device: str,
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Check on a two-second clip that a predictor conforms; NAME may be path/to/file.py:Class."""
    from vidsal.guarded import check as check_conformance
    from vidsal.models import parse_spec

    findings = check_conformance(parse_spec(name, checkpoint, device, options, fit), timeout_s)
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        for f in findings:
            echo(f"{'ok  ' if f.ok else 'FAIL'} {f.rule}: {f.message}")
    failed = [f for f in findings if not f.ok]
    if failed:
        raise BadData(f"{name}: {len(failed)} of {len(findings)} rules of the predictor protocol are broken")


@model.command()
@click.argument("name")
@checkpoint_option
@model_option
@device_option
@click.option(
    "--control",
    default="motion_energy",
    show_default=True,
    help="Model that works beside it, a registered name or path/to/file.py:Class; the ratio to it is what is kept.",
)
@click.option(
    "--baseline",
    type=any_path,
    metavar="FILE",
    help="What an earlier call kept: exit code 1 if the model is slower now. A file that is not there is written.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0),
    default=0.25,
    show_default=True,
    help="How much slower than the baseline is allowed: the fastest turn is held against the slowest of then.",
)
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of both models.")
@click.option("--frames", type=click.IntRange(min=1), default=24, show_default=True, help="Frames of the clip.")
@click.option(
    "--size",
    type=(click.IntRange(min=1), click.IntRange(min=1)),
    default=(160, 96),
    show_default=True,
    metavar="WIDTH HEIGHT",
    help="Of the clip, in pixels.",
)
@timeout_option
@json_option
def speed(
    name: str,
    checkpoint: Path | None,
    options: tuple[str, ...],
    device: str,
    control: str,
    baseline: Path | None,
    threshold: float,
    repeats: int,
    frames: int,
    size: tuple[int, int],
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Measure a model beside a control, in turns in one process; NAME may be path/to/file.py:Class.

    Times of different machines, or of one machine at different hours, cannot be compared; ratios to a control can.
    """
    from vidsal.benchmark.model_speed import measure, read_speed, write_speed
    from vidsal.guarded import speed as beside
    from vidsal.models import parse_spec

    before = read_speed(baseline) if baseline is not None and baseline.exists() else None
    spec, other = parse_spec(name, checkpoint, device, options), parse_spec(control, None, device, ())
    turns = partial(measure, repeats=repeats, frames=frames, width=size[0], height=size[1])
    found = beside(spec, other, turns, timeout_s)
    slower = before is not None and found.is_slower_than(before, threshold)
    if as_json:
        kept = None if before is None else before.model_dump(mode="json")
        print_json({**found.model_dump(mode="json"), "baseline": kept, "slower": slower})
    else:
        echo(f"{found.model}: {found.frames / found.seconds:.1f} frames a second in its fastest turn")
        rows = [("now", found)] + ([] if before is None else [("baseline", before)])
        table = [(when, min(one.ratios), max(one.ratios)) for when, one in rows]
        print_table(table, (f"time by that of {found.control}", "fastest turn", "slowest turn"))
    if baseline is not None and before is None:
        write_speed(baseline, found)
        note(f"{baseline}: there was no baseline; this is one now")
    if slower:
        raise BadData(f"{name} is slower than in {baseline}, by more than {100 * threshold:g} %")


@model.command()
@click.argument("file", type=any_path)
@click.option("--torch", "network", is_flag=True, help="A network in torch instead of a model in NumPy.")
def template(file: Path, network: bool) -> None:
    """Write a predictor to copy from: a small model that works, with three marked places to replace."""
    if file.suffix != ".py":
        raise WrongUse(f"{file}: a predictor is a Python file; name it {file.with_suffix('.py')}")
    if file.exists():
        raise WrongUse(f"{file} is there already; name another file, or remove it first")
    kind = "torch_predictor" if network else "numpy_predictor"
    text = files("vidsal").joinpath("templates", f"{kind}.py").read_text(encoding="utf-8")
    with atomic_write(file) as temporary:
        temporary.write_text(text.replace(f"{kind}.py", file.name), encoding="utf-8")
    echo(f"wrote {file}; try it with: vidsal model check {file}:MyModel")
