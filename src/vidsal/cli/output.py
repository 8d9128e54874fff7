"""Results on stdout as text or JSON, and what all commands share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from vidsal.loaders.io.files import canonical
from vidsal.loaders.io.names import address_scheme, escaped, visible
from vidsal.loaders.io.places import json_spelled, named

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


class LocalPath(click.Path):
    """A path on this machine in UTF-8; the address of somewhere else is refused, not taken for the name of a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        scheme = address_scheme(str(value))
        if scheme:
            self.fail(
                f"{value!r} is an address ({scheme}), not a path on this machine; copy or mount it first", param, ctx
            )
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail(
                f"{str(value)!a} is no UTF-8, which table files need; rename the folder or link to it", param, ctx
            )
        return super().convert(value, param, ctx)


class Text(click.ParamType[Any]):
    """A text that can be written: UTF-8, no half characters."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail(f"{str(value)!a} is no UTF-8", param, ctx)
        return value


text = Text()
folder_out = LocalPath(path_type=Path, file_okay=False)
any_path = LocalPath(path_type=Path)
file_out = LocalPath(path_type=Path, dir_okay=False)


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a line; what others wrote cannot take hold of the terminal."""
    click.echo(visible(named(str(text))), err=err)


def print_json(value: Any) -> None:
    """Print canonical JSON; NaN must have become None before."""
    click.echo(escaped(named(canonical(value), json_spelled)), nl=False)


def print_table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """Print aligned columns; numbers to the right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(header), *texts]) for i in range(len(header))]
    numeric = [all(_is_number(r[i]) for r in texts) and bool(texts) for i in range(len(header))]
    for line in [list(header), *texts]:
        cells = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True))
        echo("  ".join(cells).rstrip())


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return "-" if cell != cell else f"{round(cell, 4) + 0.0:.4f}"
    return visible(str(cell)).replace("\n", " ").replace("\t", " ")


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).isdigit()


def note(text: str) -> None:
    """Say what is unusual but not a fault."""
    echo(f"vidsal: note: {text}", err=True)
