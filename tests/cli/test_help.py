"""Help texts: every command and option says what it does, and every output has `-o`."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from vidsal.cli.app import app


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
