"""`vidsal gate`: has a score moved?"""

from __future__ import annotations

from pathlib import Path

import click

from .output import any_path, echo, folder_out, json_option, print_json, print_table

_MOST_ROWS = 60


def _needed(context: click.Context, option: click.Parameter, value: Path | None) -> Path | None:
    """Both runs are needed where two are compared."""
    if (value is None) == (context.params["init"] is None):
        if value is None:
            raise click.MissingParameter(ctx=context, param=option)
        raise click.UsageError("--init compares nothing: leave out --baseline and --candidate", context)
    return value


@click.command()
@click.option(
    "--init",
    is_flag=False,
    flag_value=".",
    is_eager=True,
    type=folder_out,
    metavar="[DIR]",
    help="Instead of comparing, write into a project what holds its scores at every push: a workflow for GitHub "
    "Actions, a test, and a file of tolerances. Files that are there stay.  [default of DIR: this folder]",
)
@click.option(
    "--baseline",
    callback=_needed,
    type=any_path,
    help="Run folder, or results folder, of which the newest run counts; made from the candidate where there is none.",
)
@click.option("--candidate", callback=_needed, type=any_path, help="The same, as it is now.")
@click.option(
    "--tolerances",
    type=any_path,
    help="TOML or JSON: for each metric absolute, relative, one_sided; default: 1e-9, between host and device 1e-6.",
)
@click.option("--one-sided", is_flag=True, help="Scores may move to the better, however far.")
@click.option("--junit", type=any_path, metavar="FILE", help="Write JUnit XML too.")
@click.option("--markdown", type=any_path, metavar="FILE", help="Append Markdown too, as to $GITHUB_STEP_SUMMARY.")
@json_option
def gate(
    init: Path | None,
    baseline: Path,
    candidate: Path,
    tolerances: Path | None,
    one_sided: bool,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> int:
    """Compare two runs; exit code 1 if a score moved, with a table of what moved."""
    if init is not None:
        return _init(init, as_json)
    from vidsal.benchmark.evaluation.results import gate_report as reports
    from vidsal.benchmark.evaluation.results.gate import compare, find_pair, read_tolerances
    from vidsal.benchmark.evaluation.results.pairs import make_baseline
    from vidsal.loaders.io.files import atomic_write

    allowed = None if tolerances is None else read_tolerances(tolerances)
    made = make_baseline(baseline, candidate)
    if made is not None:
        echo(f"vidsal: note: there was no baseline; the candidate is one now: {made.folder}", err=True)
    one, other = find_pair(baseline, candidate)
    verdict = compare(one, other, allowed, one_sided=one_sided)
    if junit is not None:
        with atomic_write(junit) as temporary:
            temporary.write_text(reports.junit(verdict), encoding="utf-8")
    if markdown is not None:
        with markdown.open("a", encoding="utf-8") as file:
            file.write(reports.markdown(verdict))
    if as_json:
        print_json(
            {
                "passed": verdict.passed,
                "baseline": str(one.folder),
                "baseline_created": made is not None,
                "candidate": str(other.folder),
                "compared": verdict.compared,
                "moved": [m.to_dict() for m in verdict.moved],
                "improved": [m.to_dict() for m in verdict.improved],
                "notes": list(verdict.notes),
            }
        )
        return 0 if verdict.passed else 1
    for note in verdict.notes:
        echo(f"note: {note}", err=True)
    echo(reports.heading(verdict))
    echo(reports.result(verdict))
    if verdict.passed:
        return 0
    number = reports.number
    rows = [
        (m.where, m.what, number(m.baseline), number(m.candidate), number(m.difference, 3), number(m.allowed, 3))
        + (m.change,)
        for m in verdict.moved[:_MOST_ROWS]
    ]
    print_table(rows, ("where", "what", "baseline", "candidate", "difference", "allowed", ""))
    if len(verdict.moved) > _MOST_ROWS:
        echo(f"and {len(verdict.moved) - _MOST_ROWS} more; --json has them all")
    return 1


def _init(folder: Path, as_json: bool) -> int:
    """Write the recipe, and say what was written and what comes next."""
    from .gate_init import write_recipe

    written = write_recipe(folder)
    if as_json:
        print_json(
            {"folder": str(folder), "written": [k for k, new in written.items() if new]}
            | {"kept": [k for k, new in written.items() if not new]}
        )
        return 0
    for path, new in written.items():
        echo(f"{'wrote' if new else 'kept '} {folder / path}" + ("" if new else ": it is there already"))
    echo(
        "next: name your model in the test and in the workflow (`vidsal model template my_model.py` makes one to start "
        "from), run `python -m pytest tests/test_vidsal_scores.py`, and commit what it writes",
        err=True,
    )
    return 0
