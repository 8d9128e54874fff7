"""Help texts: every command and option says what it does, and every output has `-o`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vidsal.cli.app import _COMMANDS, app

ROOT = Path(__file__).resolve().parents[2]


def commands(command: click.Command, name: str = "vidsal") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from commands(found, f"{name} {below}")


ALL = dict(commands(app))


@pytest.mark.parametrize("name", ALL)
def test_a_command_explains_itself_and_its_options(name: str) -> None:
    command = ALL[name]
    assert len(command.get_short_help_str()) > 10
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name}: {option.opts} has no help"
            assert len(option.help) > 12, f"{name}: {option.opts} says only {option.help!r}"
            if option.name in ("out", "output"):
                assert "-o" in option.opts, f"{name}: {option.opts} has no -o"


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_overview_says_what_the_command_says(name: str) -> None:
    assert _COMMANDS[name] == ALL[f"vidsal {name}"].get_short_help_str(1000)


def test_the_overview_imports_no_command() -> None:
    code = (
        "import sys; sys.path.insert(0, 'src'); from vidsal.cli import app; app._run(['--help']); "
        "print(sorted(m for m in sys.modules if m.startswith('vidsal.') or m == 'numpy'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *overview, imported = done.stdout.splitlines()
    assert imported == str(
        ["vidsal._version", "vidsal.cli", "vidsal.cli.app", "vidsal.loaders", "vidsal.loaders.errors"]
    )
    assert all(any(line.startswith(f"  {name} ") for line in overview) for name in _COMMANDS)


def test_run_predict_and_score_say_the_same_of_the_same_option() -> None:
    texts: dict[str, dict[str, str | None]] = {}
    for name in ("run", "predict", "score"):
        for option in ALL[f"vidsal {name}"].params:
            if isinstance(option, click.Option):
                texts.setdefault(option.opts[-1], {})[name] = option.help
    differing = {flag for flag, by_command in texts.items() if len(set(by_command.values())) > 1}
    assert differing == {"--out", "--split", "--frames", "--fresh"}  # where a command does something else
