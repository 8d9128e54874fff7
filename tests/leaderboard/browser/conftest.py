"""A small site, built once, and a browser to visit it; without one these tests are skipped with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vidsal.leaderboard.site import build

from ..conftest import build_run, small_results
from .browser import close, missing

collect_ignore = ["screenshots.py"]  # a script, which finds its neighbor beside itself


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two boards, people, an older run, an undefined metric, four models of long and of strange texts, one in two variants."""
    reason = missing()
    if reason:
        pytest.skip(f"no browser: {reason}")
    root = tmp_path_factory.mktemp("browser")
    results = small_results(root / "results")
    undefined = {"sAUC": "no other stimulus of the split is annotated"}
    for k, name in enumerate(["a_model_with_a_very_long_name_that_has_no_space_in_it_at_all", "beta", "gamma"]):
        info = {"version": "<b>1</b> & a long version", "options": {"reduced_channels": 4}, "trained_on": ["dhf1k"]}
        if name == "gamma":
            more = {"submission": {"model": {"code": "https://example.org/code"}}}
            build_run(name, seed=12, undefined=undefined, info={**info, **more}, time="2026-05-06T07:08:09Z").save(
                results
            )
            continue
        build_run(name, seed=10 + k, undefined=undefined, info=info).save(results)
    build_run("beta", seed=20, undefined=undefined, info={**info, "options": {"reduced_channels": 8}}).save(results)
    build(results, root / "site")
    yield root / "site"
    close()
