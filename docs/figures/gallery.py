"""Make the pictures of the README and of gallery.md from `vidsal demo`: pages of its site, and drawings of its data.

Pages are taken by headless Chromium and cropped.

python docs/figures/gallery.py [--chromium PATH]
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
STIMULUS = "scene_001"

PAGES = {
    "board.png": ("boards/*.html", 945),
    "film.png": ("stimuli/*/*.html", 1195),
    "index.png": ("index.html", 920),
    "model.png": ("models/motion-energy-*.html", 960),
    "compare.png": ("compare/*/*.html", 930),
}
"""A picture, its page among the site's (the first in order of name), and how much of the page it shows, in pixels."""

DRAWN = {
    "gaze.png": (["view", STIMULUS, "--sheet", "--sheet-frames", "8", "--density"], STIMULUS + ".png"),
    "center_bias.png": (["stats"], "centre_bias.png"),
    "saccades.png": (["stats"], "saccade_amplitudes.png"),
}
"""A picture, the `vidsal data` command that draws it, and the name under which that leaves it."""


def cropped(picture: Image.Image, height: int) -> Image.Image:
    """Cut off what is only background at the edges, after all below `height` pixels."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)[:height]
    ink = np.abs(pixels - pixels[-1, -1]).max(axis=2) > 8
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    left, right = max(columns[0] - MARGIN, 0), min(columns[-1] + MARGIN, picture.width)
    bottom = min(rows[-1] + MARGIN, height)
    return picture.crop((int(left), 0, int(right), int(bottom)))


def keep(picture: Image.Image, name: str) -> None:
    """Write one picture with as many colors as its form allows."""
    picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(OUT / name, optimize=True)
    click.echo(f"{OUT / name} ({(OUT / name).stat().st_size / 1000:.0f} kB)")


def take_pages(site: Path, program: str, folder: Path) -> None:
    """Take all PAGES of a site."""
    for name, (pages, height) in PAGES.items():
        shot = folder / "shot.png"
        window = f"--window-size={WIDTH},{HEIGHT}"
        command = [program, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--screenshot={shot}", window]
        page = sorted(site.glob(pages))[0]
        subprocess.run([*command, page.as_uri()], check=True, capture_output=True, timeout=120)
        with Image.open(shot) as taken:
            keep(cropped(taken, height), name)


def draw(release: Path, folder: Path) -> None:
    """Draw all of DRAWN from a release."""
    for name, ([verb, *options], left) in DRAWN.items():
        out = folder / left if verb == "view" else folder
        app.main(["data", verb, str(release), *options, "-o", str(out)], standalone_mode=False)
        with Image.open(folder / left) as drawn:
            keep(drawn, name)


@click.command()
@click.option("--chromium", default="chromium", show_default=True)
def main(chromium: str) -> None:
    """Write the pictures of PAGES and DRAWN into docs/images."""
    program = shutil.which(chromium)
    if program is None:
        raise click.ClickException(f"{chromium}: no such program; install Chromium or give --chromium PATH")
    with TemporaryDirectory(prefix="vidsal-") as name:
        folder = Path(name)
        app.main(["demo", "-o", str(folder / "demo")], standalone_mode=False)
        take_pages(folder / "demo" / "site", program, folder)
        draw(next((folder / "demo" / "release").iterdir()), folder)


if __name__ == "__main__":
    main()
