"""The command group, and the one place where errors become exit codes.

0 fine; 1 a check or gate failed, or bad content; 2 wrong use; 3 data or a checkpoint missing; 4 the machine failed us,
or the unexpected; 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
import warnings
from importlib import import_module
from typing import Any, NoReturn

import click

from vidsal._version import __version__
from vidsal.loaders.errors import MACHINE, NO_ROOM, VidsalError

_COMMANDS = {
    "demo": "Make a synthetic data set, convert it, run predictors, score them, build the site; about a minute.",
    "data": "Data sets: what is known of them, conversion to Parquet, inspection, export.",
    "model": "Models: published networks, references, and your own.",
    "run": "Run MODEL (a registered name, or path/to/file.py:Class) over a release and score it.",
    "predict": "Write what MODEL (a registered name, or path/to/file.py:Class) predicts for any video or image.",
    "score": "Score the predictions in SUBMISSION, a folder, zip or tar file of pictures, arrays or gray videos.",
    "view": "Draw PREDICTIONS beside the frame and the gaze of all observers.",
    "submit": "Submissions: stored predictions with a manifest, made, checked, packed, shown.",
    "train": "Train a network by RECIPE (a name of `vidsal recipe list`, or a TOML file).",
    "recipe": "Recipes: everything that decides how a network is trained, under a name.",
    "gate": "Compare two runs; exit code 1 if a score moved, with a table of what moved.",
    "results": "Runs on disk.",
    "cache": "Precomputed truth: what lies with a release, and how to be rid of it.",
    "protocol": "Protocols: every choice that moves a number, under a name.",
    "site": "The static leaderboard.",
    "doctor": "Say which versions and devices are here, and whether the parts work.",
}
"""The first sentence of each command's help, so that `vidsal --help` imports none; its module has the same name."""


class _Lazy(click.Group):
    """A group whose commands are imported when they are called, so `vidsal --help` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"vidsal.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="vidsal")
def app() -> None:
    """Data sets, baselines, scores and leaderboards for video saliency and gaze prediction."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the code that design and documentation name."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(_run(arguments))


def _interrupt(*_: object) -> NoReturn:
    """Take the signal by which a machine ends a job as the one by which a person does."""
    raise KeyboardInterrupt


def _run(arguments: list[str] | None) -> int:
    try:
        code: Any = app.main(arguments, prog_name="vidsal", standalone_mode=False)
    except click.exceptions.Abort:
        return _say("interrupted; what was finished is kept, the same command goes on from there", 130)
    except KeyboardInterrupt:
        return _say("interrupted; what was finished is kept, the same command goes on from there", 130)
    except click.UsageError as error:
        context = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        return _say(f"{error.format_message()}{context}", 2)
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except VidsalError as error:
        return _say(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        from vidsal.loaders.io.extras import lacking

        named = lacking(error)
        return _say(str(named), named.exit_code) if named else _unexpected(error)
    except MemoryError:
        return _say("the memory is full; use fewer --workers, or a machine with more memory", 4)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _os_error(error)
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _os_error(error: OSError) -> int:
    full = error.errno in NO_ROOM
    name = (full and error.filename2) or error.filename  # a copy names what it read, too
    where = f" ({name})" if name else ""
    if full and error.errno != errno.EFBIG:
        return _say(
            f"the disk is full{where}; what was finished is kept: make room and start the same command again", 4
        )
    if full:
        return _say(
            f"a file may not become so large{where}: a limit of this shell (ulimit -f), of the queue or of the file "
            "system; what was finished is kept: lift it and start the same command again",
            4,
        )
    if error.errno in MACHINE:
        return _say(
            f"the machine failed: {error.strerror}{where}; what was finished is kept: mend it and start the same "
            "command again",
            4,
        )
    if isinstance(error, PermissionError):
        return _say(f"no permission{where}; choose another folder or change its rights", 2)
    if isinstance(error, FileNotFoundError):
        return _say(f"no such file or folder{where}", 3)
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return _say(f"{error.strerror}{where}; name another path", 2)
    if isinstance(error, (NotADirectoryError, IsADirectoryError, FileExistsError)):
        return _say(f"{error.strerror}{where}; name another path", 2)
    return _unexpected(error)


def _unexpected(error: Exception) -> int:
    if os.environ.get("VIDSAL_DEBUG"):
        traceback.print_exception(error)
    return _say(
        f"unexpected: {type(error).__name__}: {error}. This is a fault of vidsal; set VIDSAL_DEBUG=1 for the details "
        "and report it",
        4,
    )


def _say(message: str, code: int) -> int:
    _print(message)
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _print(f"note: {message}")


def _print(message: str) -> None:
    from .output import echo

    echo(f"vidsal: {message}", err=True)
