"""`vidsal data stats`, `view`, `export`: what a release holds, what it looks like, and other forms of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.export import TARGETS

from .output import any_path, echo, folder_out, json_option, print_json, print_table
from .progress import progress, quiet_option

split_option = click.option(
    "--split", default="all", show_default=True, help="Use the stimuli of this official split; all = every stimulus."
)
recipe_option = click.option(
    "--recipe", help="Make densities by this truth recipe of the release; default: the release's first."
)


@click.command()
@click.argument("folder", type=any_path)
@split_option
@click.option("-o", "--out", type=folder_out, help="Write plots (PNG, SVG) and stats.json into this folder.")
@json_option
def stats(folder: Path, split: str, out: Path | None, as_json: bool) -> None:
    """Count what a release holds: points, durations, saccades, observers; plots with -o."""
    from vidsal.loaders.inspect.stats import statistics
    from vidsal.loaders.release.release import load

    found = statistics(load(folder, split))
    numbers = found.numbers()
    files: list[Path] = []
    if out is not None:
        from vidsal.loaders.inspect.plots import save
        from vidsal.loaders.io.files import write_json

        files = save(found, out)
        write_json(out / "stats.json", numbers)
    if as_json:
        print_json(numbers)
        return
    _print_numbers(numbers)
    for path in files:
        if path.suffix == ".png":
            echo(f"wrote {path} and .svg")


def _print_numbers(numbers: dict[str, Any]) -> None:
    """Print the numbers; where one is missing, a dash and the reason."""
    reasons = numbers["reasons"]
    echo(f"{numbers['release']}, split {numbers['split']}")
    lines: list[tuple[str, str]] = [
        ("stimuli", f"{numbers['stimuli']:,} ({numbers['images']:,} images), {numbers['annotated']:,} annotated"),
        ("frames", f"{numbers['frames']:,}, {numbers['annotated_frames']:,} annotated"),
        ("rows by event", ", ".join(f"{k} {v:,}" for k, v in sorted(numbers["events"].items())) or "-"),
        ("points", f"{numbers['points']:,} in bounds ({numbers['out_of_bounds']:,} rows outside)"),
        ("points a frame", _number(numbers["points_per_frame"], reasons.get("points"))),
        ("observers", _number(numbers["observers"], reasons.get("observers"))),
        ("observers a stimulus", _spread(numbers["observers_per_stimulus"], reasons.get("observers_per_stimulus"))),
    ]
    for name, label in (("mean_xy", "mean position"), ("sd_xy", "sd of position")):
        pair = numbers[name]
        text = f"- ({reasons.get('points')})" if pair is None else f"{pair[0]:.3f} width, {pair[1]:.3f} height"
        lines.append((label, text))
    for event in numbers["duration_ms"] or {"": None}:
        values = (numbers["duration_ms"] or {}).get(event)
        lines.append((f"{event or 'event'} duration [ms]", _spread(values, reasons.get("durations"))))
    for name, unit in (("px", "px"), ("deg", "degrees")):
        reason = reasons.get("amplitudes" if name == "px" else "amplitudes_deg")
        lines.append((f"saccade amplitude [{unit}]", _spread(numbers[f"saccade_amplitude_{name}"], reason)))
    if "over_time" in reasons:
        lines.append(("points over time", f"- ({reasons['over_time']})"))
    for label, text in lines:
        echo(f"  {label:<28}{text}")


def _number(value: float | int | None, reason: str | None) -> str:
    if value is None:
        return f"- ({reason})"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _spread(values: dict[str, float] | None, reason: str | None) -> str:
    if values is None:
        return f"- ({reason})"
    n = f"n {values['n']:,}, " if "n" in values else ""
    return f"{n}median {values['median']:.4g}, mean {values['mean']:.4g}, {values['min']:.4g} to {values['max']:.4g}"


@click.command()
@click.argument("folder", type=any_path)
@click.argument("stimulus_id", metavar="STIMULUS")
@click.option("-o", "--out", type=any_path, help="Write this file; default: STIMULUS.png or .mp4 here.")
@click.option("--sheet", "form", flag_value="sheet", default="sheet", help="Draw a contact sheet (PNG); the default.")
@click.option("--video", "form", flag_value="video", help="Draw a video (.mp4, .avi or .mkv).")
@click.option("--density", is_flag=True, help="Lay the density over the frames.")
@recipe_option
@click.option(
    "--samples/--no-samples", default=True, show_default=True, help="Draw the gaze samples, where there are any."
)
@click.option(
    "--sheet-frames",
    type=click.IntRange(1, 200),
    default=12,
    show_default=True,
    help="Show this many frames on a sheet.",
)
@click.option("--frames", type=any_path, help="Read frames from this folder instead of the converted one.")
@quiet_option
@json_option
def view(
    folder: Path,
    stimulus_id: str,
    out: Path | None,
    form: str,
    density: bool,
    recipe: str | None,
    samples: bool,
    sheet_frames: int,
    frames: Path | None,
    as_json: bool,
) -> None:
    """Draw a stimulus with the gaze of all observers, colored by event."""
    from vidsal.loaders.inspect import view as pictures
    from vidsal.loaders.release.release import load

    if recipe is not None and not density:
        raise WrongUse("--recipe is the density's; ask for --density too")
    release = load(folder, frames=frames)
    stimulus = release[stimulus_id]
    path = out or Path(_safe(stimulus.id) + (".png" if form == "sheet" else ".mp4"))
    if form == "sheet":
        title = pictures.save_sheet(
            release, stimulus, path, frames=sheet_frames, density=density, recipe=recipe, samples=samples
        )
    else:
        with progress(f"draw {stimulus.id}", "frames") as step:
            title = pictures.save_video(
                release,
                stimulus,
                path,
                density=density,
                recipe=recipe,
                samples=samples,
                progress=step,
            )
    if as_json:
        print_json({"file": str(path), "title": title})
    else:
        echo(f"{title}\nwrote {path}")


def _safe(stimulus_id: str) -> str:
    return re.sub(r"[/\\\0]", "-", stimulus_id).lstrip(".") or "stimulus"


@click.command()
@click.argument("folder", type=any_path)
@click.option("--to", "target", type=click.Choice(TARGETS), help="Write this form; without it the forms are listed.")
@click.option("-o", "--out", type=folder_out, help="Write into this folder, which must be new or empty.")
@split_option
@recipe_option
@click.option("--size", metavar="WIDTHxHEIGHT", help="Scale positions to frames of this size (gazelabels only).")
@click.option("--workers", type=click.IntRange(1), help="Use this many processes (dhf1k only); default: 1.")
@click.option("--frames", type=any_path, help="Read frames from this folder, not the converted one (pysaliency).")
@quiet_option
@json_option
def export(
    folder: Path,
    target: str | None,
    out: Path | None,
    split: str,
    recipe: str | None,
    size: str | None,
    workers: int | None,
    frames: Path | None,
    as_json: bool,
) -> None:
    """Write a release in a form that other programs read."""
    from vidsal.loaders import export as forms
    from vidsal.loaders.release.release import load

    if target is None or out is None:
        if target is not None or out is not None:
            raise WrongUse("an export needs both: --to FORM and -o FOLDER")
        listed = [(name, forms.exporter(name).TITLE) for name in forms.TARGETS]
        if as_json:
            print_json([{"form": name, "title": title} for name, title in listed])
        else:
            print_table(listed, ("form", "what it is"))
        return
    release = load(folder, split, frames=frames)
    options = forms.Options(recipe=recipe, size=_size(size), workers=workers)
    with progress(f"export to {target}", "stimuli") as step:
        notes = forms.export(release, target, out, options, step)
    if as_json:
        print_json({"form": target, "out": str(out), "release": release.id, "split": split, "notes": notes})
    else:
        echo(f"{release.id}, split {split} -> {out} ({target})")
    for note in notes:
        echo(f"vidsal: note: {note}", err=True)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})[xX]([1-9][0-9]{0,4})", text)
    if match is None:
        raise WrongUse(f"--size {text}: expected WIDTHxHEIGHT in pixels, as 224x224")
    return int(match[1]), int(match[2])
