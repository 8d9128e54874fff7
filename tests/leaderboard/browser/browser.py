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
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Any

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[2] / "build" / "browser"
_HUNG_S = 600.0
PHONE, SCREEN = (390, 844), (1400, 900)
SCHEMES = ("light", "dark")

Step = tuple[str, Any]
"""What to do, and with what. `go` (page, with its fragment), `reload`, `back`, `click` (selector), `fill` ((selector,
text)), `select` ((selector, value)), `focus` (selector), `press` (key), `wait` (expression), `scheme` (`light` or `dark`),
`shot` (file) answer nothing; `ask` (expression) its value, `hash` the fragment, `overflow` what makes the page wider than the screen or None, `links`
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


class Browser:
    """A browser that plays scenarios until it is closed: starting one takes longer than most visits."""

    def __init__(self) -> None:
        words = ["node", str(HERE / "drive.mjs"), str(MODULES), str(chromium())]
        pipe, self._said = subprocess.PIPE, TemporaryFile("w+")  # noqa: SIM115  # closed by `close`
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=self._said, text=True)

    def drive(self, site: Path, scenarios: Iterable[Scenario]) -> list[Visit]:
        """Play scenarios over a site, each from a blank page."""
        played = [
            {"steps": s.steps, "width": s.size[0], "height": s.size[1], "scheme": s.scheme, "scripts": s.scripts}
            for s in scenarios
        ]
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        into.write(json.dumps({"site": str(site.resolve()), "scenarios": played}) + "\n")
        into.flush()
        hung = Timer(_HUNG_S, self._process.kill)
        hung.start()
        answer = out.readline()
        hung.cancel()
        if not answer:
            self._said.seek(0)
            raise RuntimeError(f"the browser could not be driven: {self._said.read()[-2000:]}")
        return [Visit(**result) for result in json.loads(answer)]

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=_HUNG_S)
        self._said.close()


_open = cache(Browser)


def drive(site: Path, scenarios: Iterable[Scenario]) -> list[Visit]:
    """`Browser.drive` of the one browser of this process, started when it is first asked for."""
    return _open().drive(site, scenarios)


def close() -> None:
    """End that browser, if there is one."""
    if _open.cache_info().currsize:
        _open().close()
        _open.cache_clear()


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
