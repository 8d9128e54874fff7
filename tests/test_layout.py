"""The house: every package is shipped, imports point one way, light imports stay light, guards speak."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from vidsal.baselines.registry import TABLE
from vidsal.loaders.registry import DATASETS

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("loaders", "benchmark", "baselines", "leaderboard")
MOST_MODULES = {"loaders": 14, "benchmark": 12, "baselines": 12, "leaderboard": 14}
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


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


def _modules() -> dict[str, Path]:
    """Every module of the package by its full name."""
    found = {}
    for base, prefix in ((ROOT, ["vidsal"]), (ROOT / "src", [])):
        tops = [base / folder for folder in FOLDERS] if base == ROOT else [base / "vidsal"]
        for path in (p for top in tops for p in top.rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            if base != ROOT and len(parts) > 1 and parts[1] in FOLDERS:
                continue
            found[".".join([*prefix, *(parts[:-1] if parts[-1] == "__init__" else parts)])] = path
    return found


MODULES = _modules()
MODELS = {entry.module.split(".")[0] for entry in TABLE.values() if entry.module}
"""The rooms of registered models."""


def _imports(name: str) -> set[str]:
    """The modules of the package that a module imports, also inside a function or by a name in a string; not those that
    only type checkers see."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                found.add(f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count("."):
            found.add(node.value)
    if name == "vidsal.baselines.registry":
        found |= {f"vidsal.baselines.{entry.module}" for entry in TABLE.values() if entry.module}
    if name == "vidsal.loaders.registry":
        found |= {f"vidsal.loaders.datasets.{module}" for forms in DATASETS.values() for module in forms.values()}
    return (found & MODULES.keys()) - {name}


@cache
def imports() -> dict[str, set[str]]:
    """What each module imports; read where a test asks, not by every process that collects."""
    return {name: _imports(name) for name in MODULES}


def test_no_module_imports_itself_through_others() -> None:
    try:
        tuple(TopologicalSorter(imports()).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def _steps(folder: str) -> list[list[str]]:
    """The rooms of a folder from left to right, as docs/architecture.md draws them."""
    line = re.search(rf"^{folder}: +(.*)$", PAGE, re.MULTILINE)
    assert line, f"docs/architecture.md draws no rooms of {folder}"
    return [step.split() for step in line[1].split(" | ")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_rooms_import_only_rooms_to_their_left(folder: str) -> None:
    place = {room: i for i, step in enumerate(_steps(folder)) for room in step}
    rooms = {m.split(".")[2] for m in MODULES if m.startswith(f"vidsal.{folder}.")}
    last = place.pop("<model>", 0)
    if folder == "baselines":
        place |= dict.fromkeys(MODELS - set(place), last)
    assert set(place) == rooms, "docs/architecture.md draws other rooms"
    for name, imported in imports().items():
        if not name.startswith(f"vidsal.{folder}."):
            continue
        room = name.split(".")[2]
        for other in (m.split(".")[2] for m in imported if m.startswith(f"vidsal.{folder}.")):
            assert other == room or place[other] < place[room], f"{name} imports {other}"


def test_folders_import_one_way() -> None:
    arrows = set(re.findall(r"^(\w+)  <-  (\w+)  <-  (\w+)$", PAGE, re.MULTILINE))
    assert arrows == {("loaders", "benchmark", "baselines"), ("loaders", "benchmark", "leaderboard")}
    allowed = {(b, a) for chain in arrows for i, a in enumerate(chain) for b in chain[i + 1 :]}
    for name, imported in imports().items():
        folder = name.split(".")[1] if name.count(".") else ""
        if folder not in FOLDERS:
            continue
        for other in {m.split(".")[1] for m in imported if m.count(".") and not m.startswith("vidsal._")} - {folder}:
            assert (folder, other) in allowed, f"{name} imports vidsal.{other}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_few_modules_at_its_top(folder: str) -> None:
    own = MODELS if folder == "baselines" else set()  # a small model may be one module
    assert len({p.stem for p in (ROOT / folder).glob("*.py")} - own) <= MOST_MODULES[folder]


def test_the_picture_of_the_house_names_what_exists() -> None:
    walk = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(walk) >= 20
    for file, name in walk:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
        assert name in defined, f"{file} has no {name}"
    for path in re.findall(rf"`((?:src|{'|'.join(FOLDERS)})/[\w/]+)`", PAGE):
        assert (ROOT / path).exists(), path


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


def test_the_citation_and_the_changelog_know_the_version() -> None:
    from vidsal import __version__

    assert re.search(rf"^version: {re.escape(__version__)}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first
    assert first[1] == __version__
