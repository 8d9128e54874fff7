"""`vidsal protocol`: list, show, diff."""

from __future__ import annotations

from dataclasses import asdict

import click

from .output import json_option, print_json, print_table


@click.group()
def protocol() -> None:
    """Protocols: every choice that moves a number, under a name."""


@protocol.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the protocols."""
    from vidsal.benchmark.protocols import PROTOCOLS

    if as_json:
        print_json([{"name": p.name, "summary": p.summary, "digest": p.digest} for p in PROTOCOLS.values()])
    else:
        print_table([(p.name, p.summary) for p in PROTOCOLS.values()], ("name", "reproduces"))


@protocol.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Explain a protocol in words."""
    from vidsal.benchmark.protocols import protocol as find
    from vidsal.benchmark.protocols.describe import explain

    found = find(name)
    if as_json:
        print_json({**found.to_dict(), "digest": found.digest})
    else:
        click.echo(explain(found))


@protocol.command()
@click.argument("first")
@click.argument("second")
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Say in which choices two protocols differ."""
    from vidsal.benchmark.protocols.describe import diff as compare

    differences = compare(first, second)
    if as_json:
        print_json([asdict(d) for d in differences])
        return
    if not differences:
        click.echo(f"{first} and {second} make the same choices")
    for d in differences:
        click.echo(f"{d.choice}\n  {first}: {d.first}\n  {second}: {d.second}")
