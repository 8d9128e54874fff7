"""`vidsal results rescore`: kept submissions under another protocol."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .output import any_path, echo, folder_out, json_option, print_json, print_table
from .places import places
from .progress import progress, quiet_option
from .shared_options import data_option, workers_option


@click.command()
@click.argument("runs", type=any_path)
@click.option("--submissions", required=True, type=any_path, help="The submission, or the folder that keeps them.")
@data_option
@click.option("--protocol", "protocol_name", required=True, help="The other protocol; see `vidsal protocol list`.")
@click.option("-o", "--out", required=True, type=folder_out, help="Folder to write the results to.")
@workers_option
@quiet_option
@json_option
@places
def rescore(
    runs: Path, submissions: Path, folder: Path, protocol_name: str, out: Path, workers: int, as_json: bool
) -> int:
    """Score the submissions of RUNS, a run or a results folder, under another protocol; exit code 1 if one is not kept.

    Old results stay. A submission is recognized by its digest, so it is the files of then that are scored.
    """
    from vidsal.benchmark.evaluation.results.store import find_runs, load_run
    from vidsal.benchmark.protocols import protocol
    from vidsal.benchmark.submissions.rescore import rescore as score_again
    from vidsal.loaders.release.release import load

    rules = protocol(protocol_name)
    paths = [runs] if (runs / "run.json").is_file() else find_runs(runs)
    words = ["vidsal", "results", "rescore", runs.name, "--submissions", submissions.name, "--data", folder.name]
    command = shlex.join([*words, "--protocol", rules.name, "-o", out.name])
    with progress("rescore", "stimuli") as step:
        found = list(
            score_again(
                [load_run(path) for path in paths],
                submissions,
                lambda split: load(folder, split),
                rules,
                out,
                workers=workers,
                command=command,
                progress=step,
                note=lambda text: echo(f"vidsal: note: {text}", err=True),
            )
        )
    rows = [(str(o.run.folder), o.status, o.result and str(o.result.folder)) for o in found]
    if as_json:
        print_json([{"run": run, "status": status, "result": result} for run, status, result in rows])
    else:
        print_table(rows, ("run", "status", "result"))
    return 0 if all(o.result for o in found) else 1
