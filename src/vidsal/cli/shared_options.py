"""Options that several commands share, each said once; and the command that repeats a scoring."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.names import address_scheme

from .output import any_path, text
from .places import any_place

if TYPE_CHECKING:
    from vidsal.benchmark.evaluation.children import Children
    from vidsal.benchmark.evaluation.previews.collector import Show
    from vidsal.benchmark.submissions.sandbox import Sandbox


class FirstFrame(click.ParamType[Any]):
    """A number from 0, or `own`."""

    name = "N|own"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or `own`."""
        text = str(value)
        if text == "own":
            return text
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            self.fail(
                f"{text!r} is neither a number from 0, that of frame 0, nor own, which takes the release's", param, ctx
            )
        return int(text)


data_option = click.option(
    "--data", "folder", required=True, type=any_place, help="Folder of the converted release, or its address."
)
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
    "--recipe",
    help="Truth recipe: how densities are made from fixations; sigma=PX is a Gaussian.  [default: that of the release]",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of processes; what comes out does not depend on it.",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS|local:N",
    help="Do the work on a Dask cluster: that of a scheduler that runs (tcp://HOST:8786), or N processes of this "
    "machine. Instead of --workers; what comes out does not depend on it.",
)
truth_cache_option = click.option(
    "--truth-cache",
    default="auto",
    show_default=True,
    metavar="auto|build|off|DIR",
    help="Use of precomputed truth: auto = that of the release, where the first run leaves what saves time; build = "
    "build all of it there first; off = none; DIR = build and use it in this folder. Scores do not depend on it.",
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
    metavar="SECONDS",
    help="How long a frame may take before the process of the model is ended.  [default: 600 for a class of your own "
    "(FILE.py:Class), for ever for other models]",
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
no_previews_option = click.option(
    "--no-previews", is_flag=True, help="Keep nothing to look at: no small maps of some frames beside the scores."
)
with_frames_option = click.option(
    "--with-frames",
    is_flag=True,
    help="Keep small copies of the video's own frames beside the maps, where the licence of the data allows it.",
)
stored_split_option = click.option(
    "--split", help="Official split that was predicted.  [default: that of the submission, else all]"
)
kind_option = click.option(
    "--kind",
    type=click.Choice(["saliency", "density", "log_density", "point"]),
    help="What the maps are; needed if there is no submission.json.",
)
_SAID = (
    kind_option,
    click.option(
        "--pattern",
        metavar="PATH",
        help="Path of a file of the submission, as '{stimulus}/maps/{frame}.png' or '{stimulus}_{frame}.jpg'; * stands "
        "for any part of a name.  [default: a known layout]",
    ),
    click.option(
        "--first-frame",
        type=FirstFrame(),
        metavar="N|own",
        help="Number of frame 0 in the names of images or arrays; own = that of each stimulus's first image in the "
        "release.  [default: as the names and the release show; 1 where they show nothing]",
    ),
    click.option(
        "--missing",
        type=click.Choice(["error", "first-available", "center-bias", "exclude"]),
        help="What a frame without prediction means: a fault, the first prediction, the center prior, or a row without "
        "scores.  [default: that of submission.json, else error]",
    ),
    fit_option,
    click.option(
        "--name", type=text, help="Name of the model, if there is no submission.json.  [default: name of the folder]"
    ),
)


def said_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a user may say of stored predictions that say nothing of themselves; the command takes it as `said`."""

    @wraps(command)
    def with_said(*arguments: Any, **given: Any) -> Any:
        from vidsal.benchmark.submissions.said import Said

        said = Said(**{field.name: given.pop(field.name) for field in fields(Said)})
        return command(*arguments, said=said, **given)

    for option in reversed(_SAID):
        with_said = option(with_said)
    return with_said


model_file_option = click.option(
    "--model",
    "model_file",
    type=any_path,
    metavar="FILE",
    help="What submission.json says of a model (name, version, trained_on, causal, checkpoint_sha256, ...), as TOML or "
    "JSON, for what it leaves unsaid.",
)


sandbox_option = click.option(
    "--sandbox",
    is_flag=True,
    help="For files of strangers: read them in processes whose memory (4 GiB) and time (60 s a frame) have an end.",
)


def sandboxed(asked: bool, workers: int) -> AbstractContextManager[Sandbox | None]:
    """Return the sandbox that is asked for."""
    from vidsal.benchmark.submissions.sandbox import sandbox

    return sandbox(workers) if asked else nullcontext()


@contextmanager
def workers_started(workers: int) -> Iterator[Children | None]:
    """Start the processes that will score, so that they get ready while this one does; None for one: it is this one."""
    from vidsal.benchmark.evaluation.children import Children

    if workers < 2:
        yield None
        return
    with Children(workers) as children:
        children.start(("vidsal.benchmark.submissions.score", "vidsal.benchmark.scoring.kernels.pixels"))
        yield children


def check_truth_cache(truth_cache: str) -> None:
    """Refuse an address.

    Raises:
        WrongUse: it is one.
    """
    if address_scheme(truth_cache):
        raise WrongUse(f"--truth-cache {truth_cache}: an address, not a folder on this machine")


def check_scheduler(scheduler: str | None, workers: int | None, *, sandbox: bool = False) -> None:
    """Refuse two numbers of processes, and a sandbox elsewhere.

    Raises:
        WrongUse: both are given.
    """
    if sandbox and scheduler is not None:
        raise WrongUse("--sandbox and --scheduler contradict each other: a sandbox is processes of this machine")
    if scheduler is not None and (workers or 1) > 1:
        raise WrongUse("--scheduler and --workers contradict each other; a cluster has its own number of workers")


def shown(*, no_previews: bool, with_frames: bool) -> Show:
    """Return what the two options ask for.

    Raises:
        WrongUse: both are given.
    """
    if no_previews and with_frames:
        raise WrongUse("--no-previews and --with-frames contradict each other; give one of them")
    return "nothing" if no_previews else "frames" if with_frames else "maps"


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
    words = ["vidsal", verb, subject, "--data", folder.absolute().name, "--split", split, "--protocol", protocol_name]
    words += ["-o", out.absolute().name]
    shared = (("recipe", recipe), ("limit", limit), ("frames-of", frames_of))
    for name, value in [*own, *shared]:
        if value is not None:
            words += [f"--{name}", value.name if isinstance(value, Path) else str(value)]
    words += ["--with-frames-only"] if with_frames_only else []
    return shlex.join(words)
