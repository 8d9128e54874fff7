"""How a template becomes a page: escaping, the words it may use, the policy that the browser holds it to."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vidsal._version import __version__

from .. import format as words, links
from ..boards import DEFAULT_SORT, OTHER_TRUTH
from ..config import Config
from ..sanitize import https_url, slug, visible

HERE = Path(__file__).parent.parent

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)
"""Own style, own script, own pictures; nothing else, and nothing from elsewhere."""


def own_policy(style: str, script: str = "") -> str:
    """Return the policy of a page that needs no other file: exactly this style, this script, pictures in the page."""
    of = [f"'sha256-{b64encode(sha256(t.encode()).digest()).decode()}'" if t else "'none'" for t in (style, script)]
    return (
        f"default-src 'none'; style-src {of[0]}; script-src {of[1]}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def page(template: str, address: str, config: Config, *, root: str | None = None, **shown: Any) -> str:
    """Fill a template.

    Args:
        template: its file name.
        address: of the page, relative to the site.
        config: what the site says of itself.
        root: the way from the page to the site's own folder; None = by its address.
        shown: the template's own names.
    """
    way = links.root_of(address) if root is None else root
    return filled(template, root=way, address=address, site=config, **shown)


def part(template: str, address: str, **shown: Any) -> Markup:
    """Fill a template that is a part of a page at an address."""
    return Markup(filled(template, root=links.root_of(address), **shown).strip())


def filled(template: str, **shown: Any) -> str:
    """Fill a template with nothing but its own names."""
    return _environment().get_template(template).render(**shown)


def _finalize(value: Any) -> Any:
    """Make text visible before it is escaped; templates themselves and numbers pass."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def cells(means: npt.NDArray[np.float64]) -> list[str]:
    """Return the cells of lines of means, (lines, columns), as the macro `value` writes them, many times faster."""
    near_zero = np.where(np.abs(means) < 0.0005, np.abs(means), means)  # no -0.000
    line, defined = _CELL * means.shape[1], np.isfinite(means).all(axis=1)
    lines = [line % tuple(values) for values in near_zero.tolist()]
    for k in np.flatnonzero(~defined).tolist():
        lines[k] = "".join(_CELL % m if isfinite(m) else _UNDEFINED for m in near_zero[k].tolist())
    return lines


_CELL = '<td class="number">%.3f</td>'
_DASH = f'<span aria-hidden="true">{words.DASH}</span>'
_UNDEFINED = f'<td class="number" data-v="">{_DASH}<span class="unseen">undefined</span></td>'


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        newline_sequence="\n",
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.globals.update(
        words=words,
        links=links,
        slug=slug,
        https_url=https_url,
        OTHER_TRUTH=OTHER_TRUTH,
        DEFAULT_SORT=DEFAULT_SORT,
        version=__version__,
        policy=POLICY,
    )
    return environment


def assets() -> dict[str, str]:
    """Return the style and the script of a site by file name."""
    return {
        "site.css": "\n".join(map(asset, ("site.css", "steps.css", "film.css"))),
        "site.js": "\n".join(map(asset, ("site.js", "plots.js", "compare.js", "film.js"))),
    }


def asset(name: str) -> str:
    """Return one of our own styles and scripts, without indentation and lines of comment."""
    lines = (line.strip() for line in (HERE / "assets" / name).read_text(encoding="utf-8").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))
