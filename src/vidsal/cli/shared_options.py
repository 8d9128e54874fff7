"""Options that several commands share, each said once; and the command that repeats a scoring."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import click

from .output import any_path

data_option = click.option("--data", "folder", required=True, type=any_path, help="Folder of the converted release.")
split_option = click.option(
    "--split", default="all", show_default=True, help="Official split of the release; all = every stimulus."
)
protocol_option = click.option(
    "--protocol",
    "protocol_name",
    default="exact-1",
    show_default=True,
    help="Rules of scoring: which metrics, computed how; `vidsal protocol list` lists them.",
)
checkpoint_option = click.option(
    "--checkpoint",
    type=any_path,
    help="File with the weights of a network.  [default: looked for in VIDSAL_CHECKPOINTS]",
)
model_option = click.option(
    "--option", "options", multiple=True, metavar="K=V", help="Set option K of the model to V; repeatable."
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where a network runs: cpu, cuda, cuda:1; auto = a GPU if there is one.",
)
frames_option = click.option(
    "--frames", type=any_path, help="Folder to read the frames from, instead of the one that was converted."
)
recipe_option = click.option(
    "--recipe", help="Truth recipe: how densities are made from fixations.  [default: that of the release]"
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of processes; what comes out does not depend on it.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(1), help="Number of torch threads in each process.  [default: half of the cores]"
)
limit_option = click.option("--limit", type=click.IntRange(1), help="Take only the first N stimuli.", metavar="N")
frames_of_option = click.option(
    "--frames-of",
    type=any_path,
    metavar="RUN|FILE",
    help="Score only the frames that this run scored (its folder), or that a file lists: STIMULUS, tab, FRAME.",
)
with_frames_only_option = click.option(
    "--with-frames-only",
    is_flag=True,
    help="Take only stimuli whose frames are present, even if the model does not need frames.",
)
fresh_option = click.option("--fresh", is_flag=True, help="Start again instead of resuming unfinished work.")
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a class of your own (FILE.py:Class) may take for a frame before its process is ended.",
)
fail_fast_option = click.option(
    "--fail-fast",
    is_flag=True,
    help="Stop at the first stimulus that fails; else the others are finished first. Either way the exit code is 1.",
)
fit_option = click.option(
    "--fit",
    type=click.Choice(["stretch", "letterbox", "crop"]),
    help="How maps of another aspect than the frame lie on it: over the whole frame, over the frame and bars beside "
    "it, or over its middle.  [default: as the model declares, else such maps are refused]",
)


def repeating_command(
    verb: str,
    subject: str,
    folder: Path,
    split: str,
    protocol_name: str,
    out: Path,
    own: Iterable[tuple[str, object]],
    *,
    recipe: str | None,
    limit: int | None,
    frames_of: Path | None,
    with_frames_only: bool,
) -> str:
    """Return the command that repeats a scoring; names without their folders, so results do not depend on the machine.

    Args:
        verb, subject: `run` and the model, `score` and the submission.
        own: options of this verb and their values; None = not given.
        folder, split, protocol_name, out, recipe, limit, frames_of, with_frames_only: see the options.
    """
    words = ["vidsal", verb, subject, "--data", folder.name, "--split", split, "--protocol", protocol_name]
    words += ["-o", out.name]
    shared = (("recipe", recipe), ("limit", limit), ("frames-of", frames_of))
    for name, value in [*own, *shared]:
        if value is not None:
            words += [f"--{name}", value.name if isinstance(value, Path) else str(value)]
    words += ["--with-frames-only"] if with_frames_only else []
    return shlex.join(words)
