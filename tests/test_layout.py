"""The house: every package is shipped, imports point one way, light imports stay light, guards speak."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("loaders", "benchmark", "baselines", "leaderboard")
ALLOWED = {
    "loaders": {"loaders"},
    "benchmark": {"loaders", "benchmark"},
    "baselines": {"loaders", "benchmark", "baselines"},
    "leaderboard": {"loaders", "benchmark", "leaderboard"},
}


def _packages() -> dict[str, Path]:
    found = {"vidsal": ROOT / "src" / "vidsal"}
    for init in sorted((ROOT / "src" / "vidsal").glob("*/__init__.py")):
        if not init.parent.is_symlink():
            found[f"vidsal.{init.parent.name}"] = init.parent
    for folder in FOLDERS:
        for init in sorted((ROOT / folder).rglob("__init__.py")):
            relative = init.parent.relative_to(ROOT)
            found["vidsal." + ".".join(relative.parts)] = init.parent
    return found


def test_every_package_is_declared_with_its_folder() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    expected = _packages()
    assert sorted(setup["packages"]) == sorted(expected)
    for name, folder in expected.items():
        root = max((known for known in setup["package-dir"] if f"{name}.".startswith(f"{known}.")), key=len)
        below = name.removeprefix(root).replace(".", "/")
        assert setup["package-dir"][root] + below == folder.relative_to(ROOT).as_posix(), name


def test_the_links_lead_to_the_four_folders() -> None:
    for folder in FOLDERS:
        link = ROOT / "src" / "vidsal" / folder
        assert link.is_symlink()
        assert link.readlink() == Path(f"../../{folder}")


def _imports(path: Path) -> set[str]:
    """Top folders of the package that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "vidsal" and len(parts) > 1 and not parts[1].startswith("_"):
                found.add(parts[1])
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        assert _imports(path) <= ALLOWED[folder], path.relative_to(ROOT)


def test_light_imports_stay_light() -> None:
    code = (
        "import sys; sys.path.insert(0, 'src'); import vidsal.loaders, vidsal.benchmark, vidsal.loaders.release.release; "
        "print(sorted({'torch', 'av', 'matplotlib', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_not_imported_by_its_own_name(folder: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"import vidsal.{folder}" in done.stderr.splitlines()[-1]


def test_no_machine_paths_or_unfinished_marks() -> None:
    words = ("/wo" + "rk/", "TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")
    for folder in (*FOLDERS, "src", "docs", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not [w for w in words if w in text], path.relative_to(ROOT)
