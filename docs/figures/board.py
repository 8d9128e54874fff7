"""Make the pictures that the README shows: a board and a film strip of `vidsal demo` in headless Chromium, cropped.

python docs/figures/board.py [--chromium PATH]
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from PIL import Image

from vidsal.cli.app import app

OUT = Path(__file__).resolve().parents[1] / "images"
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
WIDTH, HEIGHT = 1200, 2400
MARGIN = 24


def cropped(picture: Image.Image, height: int) -> Image.Image:
    """Cut off what is only background at the edges, after all below `height` pixels."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)[:height]
    ink = np.abs(pixels - pixels[-1, -1]).max(axis=2) > 8
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    left, right = max(columns[0] - MARGIN, 0), min(columns[-1] + MARGIN, picture.width)
    bottom = min(rows[-1] + MARGIN, height)
    return picture.crop((int(left), 0, int(right), int(bottom)))


@click.command()
@click.option("--chromium", default="chromium", show_default=True)
def main(chromium: str) -> None:
    """Write docs/images/board.png and docs/images/film.png."""
    program = shutil.which(chromium)
    if program is None:
        raise click.ClickException(f"{chromium}: no such program; install Chromium or give --chromium PATH")
    with TemporaryDirectory(prefix="vidsal-") as name:
        folder = Path(name)
        app.main(["demo", "-o", str(folder / "demo")], standalone_mode=False)
        site = folder / "demo" / "site"
        for picture, pages, height in (("board.png", "boards/*.html", 1050), ("film.png", "stimuli/*/*.html", 1170)):
            page = sorted(site.glob(pages))[0]
            shot = folder / "shot.png"
            window = f"--window-size={WIDTH},{HEIGHT}"
            command = [program, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--screenshot={shot}", window]
            subprocess.run([*command, page.as_uri()], check=True, capture_output=True, timeout=120)
            with Image.open(shot) as taken:
                kept = cropped(taken, height).convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
            kept.save(OUT / picture, optimize=True)
            click.echo(f"{OUT / picture} ({(OUT / picture).stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
