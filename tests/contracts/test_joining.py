"""Another package brings a data set, a model and a protocol: all are used by name, and a broken neighbour hides nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PACKAGE = {
    "toy_package/__init__.py": "",
    "toy_package/dataset.py": '''
        """Toy data set: the synthetic one under another name."""
        from dataclasses import replace
        from vidsal.loaders.datasets.synthetic import form
        INFO = replace(form.INFO, name="toy", title="A toy")
        present = form.present
        gaze = form.gaze
        def stimuli(source, report):
            return (replace(row, dataset="toy") if hasattr(row, "dataset") else row for row in form.stimuli(source, report))
    ''',
    "toy_package/model.py": '''
        """Everything is in the corner."""
        import numpy as np
        from vidsal.baselines.base import without_weights
        from vidsal.benchmark import ModelInfo, Prediction
        class Corner:
            info = ModelInfo(name="toy_corner", trained_on=("toy",), licence="MIT")
            def predict(self, frames, stimulus):
                values = np.zeros((stimulus.height, stimulus.width))
                values[0, 0] = 1
                for frame in frames:
                    yield Prediction(frame.index, values)
        MODELS = without_weights(Corner)
    ''',
    "toy_package/protocols.py": """
        from dataclasses import replace
        from vidsal.benchmark.protocols.definitions import EXACT_1
        TOY_1 = replace(EXACT_1, name="toy-1", summary="a toy's", average="frame")
    """,
    "toy_package-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.2\n",
    "toy_package-1.2.dist-info/entry_points.txt": """
        [vidsal.datasets]
        toy = toy_package.dataset
        [vidsal.models]
        toy_corner = toy_package.model
        [vidsal.protocols]
        toy-1 = toy_package.protocols:TOY_1
    """,
    "bad_package/__init__.py": "raise RuntimeError('of another year')",
    "quitting_package.py": "raise SystemExit(3)",
    "quitting_package-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: quitting-package\nVersion: 0.1\n",
    "quitting_package-0.1.dist-info/entry_points.txt": """
        [vidsal.models]
        a_quitter = quitting_package
    """,
    "bad_package-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: bad-package\nVersion: 0.1\n",
    "bad_package-0.1.dist-info/entry_points.txt": """
        [vidsal.datasets]
        dhf1k = toy_package.dataset
        bad_set = bad_package.dataset
        [vidsal.models]
        a_bad_model = bad_package.model
        unisal = toy_package.model
        [vidsal.protocols]
        exact-1 = toy_package.protocols:TOY_1
        a-bad-1 = toy_package.protocols:NOTHING
    """,
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).strip() + "\n")
    return folder


def test_names_of_other_packages(packages: Path, tmp_path: Path) -> None:
    """In one process of its own: registries look for packages once."""
    code = """
        import json, sys
        from pathlib import Path
        import vidsal
        from vidsal.baselines import registry
        from vidsal.benchmark.protocols import PROTOCOLS, protocol
        from vidsal.loaders.conversion.convert import convert
        from vidsal.loaders.datasets.synthetic import generate
        from vidsal.loaders.errors import BadData, UnknownName
        from vidsal.loaders.registry import DATASETS, form, forms, variants
        from vidsal.models import ModelSpec, declared

        def why(call):
            try:
                call()
            except (BadData, UnknownName) as error:
                return f"{type(error).__name__}: {error}"

        generate(Path("src"), videos=2, frames=3, width=32, height=24, observers=2, val=0)
        convert("toy", Path("src"), Path("rel"), workers=1)
        data = vidsal.load("rel")
        run = vidsal.evaluate(ModelSpec("toy_corner")(), data, protocol="toy-1")
        print(json.dumps({
            "datasets": list(DATASETS), "variants": variants("toy"), "forms": len(list(forms())),
            "own": form("dhf1k", "raw").__name__, "models": registry.names(), "kind": registry.entry("toy_corner").kind,
            "summary": registry.entry("toy_corner").summary, "trained_on": declared("toy_corner").trained_on,
            "protocols": list(PROTOCOLS), "digest": protocol("exact-1").digest,
            "run": [run.record["release"]["dataset"], run.record["protocol"]["name"], run.record["model"]["name"], len(run.frames)],
            "quitter": why(lambda: registry.entry("a_quitter")),
            "bad_model": why(lambda: registry.entry("a_bad_model")), "bad_set": why(lambda: variants("bad_set")),
            "bad_protocol": why(lambda: protocol("a-bad-1")), "unknown": why(lambda: registry.entry("toy_corne")),
        }))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{packages}", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["datasets"][-1] == "toy"
    assert found["variants"] == [None]
    assert found["own"] == "vidsal.loaders.datasets.dhf1k.raw"
    assert found["models"][-1] == "toy_corner"
    assert (found["kind"], found["summary"]) == ("reference", "Everything is in the corner")
    assert found["trained_on"] == ["toy"]
    assert found["protocols"][0] == "exact-1"
    assert found["protocols"][-1] == "toy-1"
    assert found["run"] == ["toy", "toy-1", "toy_corner", 6]

    from vidsal.benchmark.protocols import protocol

    assert found["digest"] == protocol("exact-1").digest
    package = "of the package bad-package 0.1"
    assert (
        f"BadData: the model a_bad_model {package} (bad_package.model) cannot be used: RuntimeError: of another year; mend"
        in found["bad_model"]
    )
    assert f"BadData: the data set bad_set {package}" in found["bad_set"]
    assert "NOTHING" in found["bad_protocol"]
    assert (
        "a_quitter of the package quitting-package 0.1 (quitting_package) cannot be used: SystemExit: 3"
        in found["quitter"]
    )
    assert found["unknown"].startswith("UnknownName: unknown model 'toy_corne'; did you mean 'toy_corner'")
    for what in (
        "data set dhf1k",
        "data set bad_set",
        "model a_bad_model",
        "model unisal",
        "protocol exact-1",
        "protocol a-bad-1",
    ):
        assert done.stderr.count(f"the {what} {package}") == 1, what
