"""A site in a real browser: scenarios to `drive.mjs`, its answers back.

Needs Chromium (the variable CHROMIUM, or a `chromium`, `chromium-browser` or `google-chrome` on the PATH), Node, and what
`make browser` installs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[2] / "build" / "browser"
PHONE, SCREEN = (390, 844), (1400, 900)
SCHEMES = ("light", "dark")

Step = tuple[str, Any]
"""What to do, and with what. `go` (page, with its fragment), `reload`, `back`, `click` (selector), `fill` ((selector,
text)), `select` ((selector, value)), `focus` (selector), `press` (key), `wait` (expression), `shot` (file) answer nothing;
`ask` (expression) its value, `hash` the fragment, `overflow` what makes the page wider than the screen or None, `links`
the addresses of files that it links to, `found` whether the fragment is there, `axe` (rules, None for all) what axe-core finds."""


@dataclass(frozen=True)
class Scenario:
    """One visit.

    Attributes:
        steps: in order.
        size: width and height of the window.
        scheme: `light` or `dark`.
        scripts: whether the browser runs scripts.
    """

    steps: Sequence[Step]
    size: tuple[int, int] = SCREEN
    scheme: str = "light"
    scripts: bool = True


@dataclass(frozen=True)
class Visit:
    """What came of a scenario.

    Attributes:
        answers: one a step.
        messages: what the console said, requests that failed included.
        requests: addresses outside of the site that were asked for.
        error: why a step could not be done.
    """

    answers: list[Any]
    messages: list[str]
    requests: list[str]
    error: str | None


def chromium() -> str | None:
    """Where Chromium is."""
    named = os.environ.get("CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    return named or next((found for name in names if (found := shutil.which(name))), None)


def missing() -> str | None:
    """What is missing to drive a browser; None = nothing."""
    if shutil.which("node") is None:
        return "Node is not here"
    if not (MODULES / "node_modules" / "playwright-core").is_dir():
        return "playwright-core is not here; `make browser` installs it"
    return None if chromium() else "no Chromium is here; install it, or name it in the variable CHROMIUM"


def drive(site: Path, scenarios: Iterable[Scenario]) -> list[Visit]:
    """Play scenarios over a site, each in a fresh profile."""
    played = [
        {"steps": s.steps, "width": s.size[0], "height": s.size[1], "scheme": s.scheme, "scripts": s.scripts}
        for s in scenarios
    ]
    task = {"site": str(site.resolve()), "modules": str(MODULES), "chromium": chromium(), "scenarios": played}
    done = subprocess.run(
        ["node", str(HERE / "drive.mjs")], input=json.dumps(task), capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"the browser could not be driven: {done.stderr[-2000:]}")
    return [Visit(**result) for result in json.loads(done.stdout)["results"]]


def page_types(site: Path) -> dict[str, list[str]]:
    """The pages of a site by type (the folder in which they lie, or their own name), the largest of each first."""
    found: dict[str, list[str]] = {}
    for page in sorted(site.rglob("*.html"), key=lambda p: (-p.stat().st_size, p.as_posix())):
        place = page.relative_to(site)
        found.setdefault(place.parts[0] if len(place.parts) > 1 else place.stem, []).append(place.as_posix())
    return dict(sorted(found.items()))


def as_text(visits: Iterable[Visit]) -> str:
    """Visits as JSON, to be read by people."""
    return json.dumps([asdict(v) for v in visits], indent=1)
