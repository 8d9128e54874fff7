"""`vidsal demo`: the main job on the synthetic data set, from gaze to a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from .output import folder_out, json_option, print_json, print_table
from .progress import progress, quiet_option

MODELS = ("uniform", "center_prior", "shuffled_prior", "motion_energy", "itti_koch", "one_vs_rest")
SPLIT = "all"


@click.command()
@click.option(
    "-o",
    "--out",
    type=folder_out,
    default=Path("vidsal-demo"),
    show_default=True,
    help="Folder for everything that the demo makes.",
)
@click.option("--videos", type=click.IntRange(3), default=6, show_default=True, help="Videos to make.")
@click.option("--frames", type=click.IntRange(2), default=90, show_default=True, help="Frames of each video.")
@click.option("--observers", type=click.IntRange(2), default=10, show_default=True, help="Simulated observers.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed makes other videos and gaze."
)
@quiet_option
@json_option
def demo(out: Path, videos: int, frames: int, observers: int, seed: int, as_json: bool) -> None:
    """Make a synthetic data set, convert it, run predictors, score them, build the site; about a minute."""
    from vidsal.benchmark import protocols
    from vidsal.benchmark.evaluation.run import Settings, run as score_run
    from vidsal.leaderboard.site import build
    from vidsal.loaders.conversion.convert import convert
    from vidsal.loaders.datasets.synthetic.write import generate
    from vidsal.loaders.release.release import load
    from vidsal.models import ModelSpec

    name = f"{videos}x{frames}-{observers}-{seed}"
    source, release, results = out / "source" / name, out / "release" / name, out / "results" / name
    _step(1, f"a synthetic data set of {videos} videos, watched by {observers} observers")
    with progress("generate", "videos") as step:
        generate(source, videos=videos, frames=frames, observers=observers, seed=seed, progress=step)
    _step(2, "its gaze becomes one Parquet schema")
    with progress("convert", "stimuli") as step:
        convert("synthetic", source, release, progress=step, workers=1)
    data = load(release)
    settings = Settings(protocols.protocol("exact-1"), show="frames")
    rows = []
    for number, model in enumerate(MODELS, 3):
        _step(number, f"{model} predicts and is scored (split {SPLIT}, protocol {settings.protocol.name})")
        spec = ModelSpec(model)
        made = spec()
        folder = results / data.id / SPLIT / settings.protocol.name / model
        if folder.is_dir():
            shutil.rmtree(folder)
        with progress(model, "stimuli") as step:
            run = score_run(
                lambda made=made: made,  # type: ignore[misc]
                spec.record(made, f"vidsal run {model} --data release --split {SPLIT} -o results"),
                data,
                settings,
                partial=results / ".partial",
                progress=step,
                results=results,
            )
        rows.append((model, *run.scores.values()))
    _step(3 + len(MODELS), "the site")
    summary = build(results, out / "site")
    if as_json:
        scores = {row[0]: dict(zip(run.metrics, row[1:], strict=True)) for row in rows}
        print_json({"index": str(summary.index), "scores": scores})
        return
    print_table(rows, ("model", *run.metrics))
    click.echo(f"open {summary.index.resolve()}")


def _step(number: int, what: str) -> None:
    click.echo(f"[{number}/{3 + len(MODELS)}] {what}", err=True)
