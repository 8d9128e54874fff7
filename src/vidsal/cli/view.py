"""`vidsal view`: predictions beside the frames and the observers' gaze, to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidsal.loaders.errors import MissingData, WrongUse

from .output import any_path, echo, json_option, print_json
from .places import places
from .progress import progress, quiet_option
from .shared_options import (
    checkpoint_option,
    data_option,
    device_option,
    frames_option,
    kind_option,
    model_option,
    recipe_option,
)

if TYPE_CHECKING:
    from vidsal.benchmark.looking.pages import Pick
    from vidsal.benchmark.looking.panels import Scale
    from vidsal.benchmark.predictor import Predictor
    from vidsal.loaders.release.release import Release, Stimulus

    Model = tuple[str, Predictor]

LABELS = ("NSS", "CC", "SIM")
"""Scores under a panel, of those that the protocol has."""


@click.command()
@click.argument("predictions", nargs=-1, required=True)
@data_option
@click.option("--stimulus", "ids", multiple=True, metavar="ID", help="Stimulus to show; repeatable for --gaze-changes.")
@click.option("-o", "--out", type=any_path, help="Write this file; default: STIMULUS.png or .mp4 here.")
@click.option(
    "--sheet", "form", flag_value="sheet", default="sheet", help="Draw some frames (.png, .svg); the default."
)
@click.option("--video", "form", flag_value="video", help="Draw all frames (.mp4, .avi or .mkv).")
@click.option(
    "--gaze-changes",
    "form",
    flag_value="gaze-changes",
    help="Draw how far and where to gaze moves, of models that predict points (.png or .svg, and .csv beside it).",
)
@click.option(
    "--sheet-frames",
    type=click.IntRange(1, 200),
    default=6,
    show_default=True,
    help="How many frames a sheet shows.",
)
@click.option(
    "--pick",
    type=click.Choice(["even", "random", "worst"]),
    default="even",
    show_default=True,
    help="Which frames a sheet shows; worst = those of the lowest NSS of the first model.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of --pick random.")
@click.option("--scores", is_flag=True, help=f"Write scores under each prediction, and as .csv: {', '.join(LABELS)}.")
@click.option("--protocol", "protocol_name", default="exact-1", show_default=True, help="Rules of these scores.")
@click.option(
    "--scale",
    type=click.Choice(["column", "frame"]),
    default="column",
    show_default=True,
    help="What the brightest color of a map stands for: the highest value of its column, or of each frame.",
)
@click.option("--samples/--no-samples", default=True, show_default=True, help="Draw gaze samples, where there are any.")
@recipe_option
@kind_option
@checkpoint_option
@model_option
@device_option
@frames_option
@quiet_option
@json_option
@places
def view(
    predictions: tuple[str, ...],
    folder: Path,
    ids: tuple[str, ...],
    out: Path | None,
    form: str,
    sheet_frames: int,
    pick: Pick,
    seed: int,
    scores: bool,
    protocol_name: str,
    scale: Scale,
    samples: bool,
    recipe: str | None,
    kind: str | None,
    checkpoint: Path | None,
    options: tuple[str, ...],
    device: str,
    frames: Path | None,
    as_json: bool,
) -> None:
    """Draw PREDICTIONS beside the frame and the gaze of all observers.

    Each of PREDICTIONS is a folder, zip or tar file of stored predictions, a registered model, or FILE.py:Class; a
    model predicts on the spot. Frames are read from your own disk.
    """
    from vidsal.benchmark.looking.pages import check_sheet_name
    from vidsal.loaders.inspect.drawing import check_video_name
    from vidsal.loaders.release.release import load

    release = load(folder, frames=frames)
    stimuli = [release[i] for i in ids]
    if form != "gaze-changes" and len(stimuli) != 1:
        raise WrongUse(f"a {form} shows one stimulus; name it with --stimulus ID")
    path = out or Path((_safe(ids[0]) if len(ids) == 1 else "gaze-changes") + (".mp4" if form == "video" else ".png"))
    (check_video_name if form == "video" else check_sheet_name)(path)
    own = (checkpoint, options, device)
    with ExitStack() as stack:
        models = _told_apart(predictions, list(_models(predictions, release, stimuli, kind, own, stack)))
        if form == "gaze-changes":
            title, files = _gaze_changes(models, release, stimuli, path)
        else:
            rules = protocol_name if scores or pick == "worst" else None
            asked = _Asked(sheet_frames if form == "sheet" else None, pick, seed, scores, rules, recipe, samples, scale)
            title, files = _panels(models, release, stimuli[0], path, asked)
    if as_json:
        print_json({"files": [str(file) for file in files], "title": title})
    else:
        echo(title)
        for file in files:
            echo(f"wrote {file}")


class _Asked:
    """What a sheet or a video is to show."""

    def __init__(
        self,
        sheet_frames: int | None,
        pick: Pick,
        seed: int,
        scores: bool,
        rules: str | None,
        recipe: str | None,
        samples: bool,
        scale: Scale,
    ) -> None:
        self.sheet_frames, self.pick, self.seed, self.scores = sheet_frames, pick, seed, scores
        self.rules, self.recipe, self.samples, self.scale = rules, recipe, samples, scale


def _models(
    names: Sequence[str],
    release: Release,
    stimuli: Sequence[Stimulus],
    kind: str | None,
    own: tuple[Path | None, tuple[str, ...], str],
    stack: ExitStack,
) -> Iterator[Model]:
    """Yield a name and a predictor of each of the arguments; archives are unpacked until the stack is left."""
    from vidsal.baselines.registry import TABLE
    from vidsal.benchmark.human import HUMANS
    from vidsal.benchmark.looking.stored import check_holds, stored_predictor
    from vidsal.benchmark.submissions.archive import opened_folder
    from vidsal.benchmark.submissions.said import Said
    from vidsal.models import ModelSpec, parse_spec, shipped

    checkpoint, options, device = own
    live = [n for n in names if n in TABLE or n in HUMANS or ModelSpec(n).own_class or not Path(n).exists()]
    if (checkpoint or options) and len(live) != 1:
        raise WrongUse(
            f"--checkpoint and --option are of one model, and {len(live)} are to predict on the spot; store what the "
            "others predict (vidsal predict) and name the folders"
        )
    for name in names:
        if name in HUMANS:
            raise WrongUse(f"{name} is a comparison of the observers with each other and predicts nothing to look at")
        if name in live:
            if not ModelSpec(name).own_class and name not in TABLE and re.search(r"[/\\]|\.(zip|tar|t?gz)$", name):
                raise MissingData(f"{name}: no such folder, zip or tar file of predictions")
            spec = parse_spec(name, checkpoint, device, options)
            model: Any = spec()
            yield model.info.name, model
            continue
        root = stack.enter_context(opened_folder(Path(name)))
        reader = stored_predictor(root, release, Said(kind=kind), shipped)
        for stimulus in stimuli:
            check_holds(reader, stimulus)
        yield (reader.info.name, reader)


def _told_apart(given: Sequence[str], models: Sequence[Model]) -> list[Model]:
    """Add to a name that several have what was given for it."""
    names = [name for name, _ in models]
    return [
        (f"{name} ({text})" if names.count(name) > 1 else name, model)
        for text, (name, model) in zip(given, models, strict=True)
    ]


def _panels(
    models: Sequence[Model], release: Release, stimulus: Stimulus, path: Path, asked: _Asked
) -> tuple[str, list[Path]]:
    """Draw a sheet or a video; return its title and the files."""
    from vidsal.benchmark import protocols
    from vidsal.benchmark.looking.pages import frames_to_show, panel_width, save_scores, save_sheet, save_video
    from vidsal.benchmark.looking.panels import Panels
    from vidsal.benchmark.looking.tracks import read_track, truth_track

    sheet = asked.sheet_frames is not None
    width = panel_width(stimulus, len(models) + (2 if sheet else 1), video=not sheet)
    size = width, max(1, round(width * stimulus.height / stimulus.width))
    every = list(range(stimulus.n_frames))
    chosen = every
    if asked.sheet_frames is not None and asked.pick != "worst":
        chosen = frames_to_show(stimulus, asked.sheet_frames, asked.pick, asked.seed)
    rules = protocols.protocol(asked.rules) if asked.rules else None
    labels = [label for label in LABELS if rules and label in rules.metrics]
    tracks = []
    for name, model in models:
        with progress(f"{name} on {stimulus.id}", "frames") as step:
            tracks.append(
                read_track(
                    name,
                    model,
                    stimulus,
                    chosen,
                    size,
                    protocol=rules,
                    labels=labels,
                    recipe=asked.recipe,
                    progress=step,
                )  # fmt: skip
            )
    if asked.sheet_frames is not None and asked.pick == "worst":
        chosen = frames_to_show(stimulus, asked.sheet_frames, "worst", first=tracks[0])
        tracks = [track.only(chosen) for track in tracks]
    if not asked.scores:
        tracks = [track.without_scores() for track in tracks]
    panels = Panels(
        release, stimulus, truth_track(stimulus, chosen, size, asked.recipe), tracks, width,
        bare=sheet, samples=asked.samples, scale=asked.scale,
    )  # fmt: skip
    title = panels.title
    if sheet:
        save_sheet(panels, chosen, path, title)
    else:
        with progress(f"draw {stimulus.id}", "frames") as step:
            save_video(panels, path, title, step)
    return title, [path, *([save_scores(tracks, path)] if asked.scores else [])]


def _gaze_changes(
    models: Sequence[Model], release: Release, stimuli: Sequence[Stimulus], path: Path
) -> tuple[str, list[Path]]:
    """Draw the histograms over the stimuli that were named, else over all that can be compared."""
    from vidsal.benchmark.looking.gaze_changes import collect, save_gaze_changes
    from vidsal.benchmark.looking.tracks import read_track

    chosen = list(stimuli)
    if not chosen:
        chosen = [s for s in release if s.annotated and s.kind == "video"]
        for _, model in models:
            held = getattr(model, "entries", None)
            chosen = [s for s in chosen if (held is None and s.frames_path() is not None) or s.id in (held or ())]
    if not chosen:
        raise MissingData("no stimulus with gaze has predictions of all models; name some with --stimulus ID")
    paths: dict[str, list[Any]] = {name: [] for name, _ in models}
    with progress("gaze changes", "stimuli") as step:
        for done, stimulus in enumerate(chosen, 1):
            for name, model in models:
                track = read_track(name, model, stimulus, [stimulus.n_frames - 1], (16, 16))
                if track.path is None:
                    raise WrongUse(f"{name} predicts maps; gaze changes are of models that predict points")
                paths[name].append(track.path)
            step(done, len(chosen), stimulus.id)
    over = chosen[0].id if len(chosen) == 1 else f"{len(chosen)} stimuli"
    title = f"{release.id}: gaze change from frame to frame, {over}"
    return title, [path, save_gaze_changes(collect(chosen, paths), path, title)]


def _safe(stimulus_id: str) -> str:
    return re.sub(r"[/\\\0]", "-", stimulus_id).lstrip(".") or "stimulus"
