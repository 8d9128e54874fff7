"""`vidsal results export`: results in forms that others read."""

from __future__ import annotations

from pathlib import Path

import click

from vidsal.loaders.errors import WrongUse

from .output import any_path, echo, file_out, note

FORMS = ("model-index",)


@click.command()
@click.argument("where", metavar="RUN...", nargs=-1, required=True, type=any_path)
@click.option(
    "--form",
    type=click.Choice(FORMS),
    required=True,
    help="Form to write. model-index: the evaluation results of a model card on the Hugging Face Hub, YAML.",
)
@click.option(
    "-o",
    "--out",
    type=file_out,
    help="New file to write.  [default: standard output]",
)
def export(where: tuple[Path, ...], form: str, out: Path | None) -> None:
    """Write results in a form that others read: of each RUN, or of the newest runs of a results folder."""
    from vidsal.benchmark.evaluation.results.folder import standing
    from vidsal.benchmark.evaluation.results.model_index import model_index, undefined
    from vidsal.benchmark.evaluation.results.store import find_runs, load_run
    from vidsal.loaders.io.files import atomic_write

    if out is not None and out.exists():
        raise WrongUse(f"{out} is there already; name another file")
    runs = []
    for path in where:
        folder = path.parent if path.name == "run.json" else path
        whole = not (folder / "run.json").is_file() and folder.is_dir()
        runs += standing(map(load_run, find_runs(folder))) if whole else [load_run(folder)]
    text = model_index(runs)
    for run in runs:
        if labels := undefined(run):
            note(f"{run.folder}: undefined, and left out of {form}: {', '.join(labels)}")
    if out is None:
        echo(text.rstrip("\n"))
        return
    with atomic_write(out) as file:
        file.write_text(text, encoding="utf-8")
    echo(f"wrote {out}")
