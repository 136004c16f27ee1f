"""The arrows of the house: who may import whom, and which modules may touch the outside world."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("gee_export", "training", "inference", "reproduction")

# what several rooms of gee_export build on, from the ground up
LEAVES = {f"gee_export.{name}" for name in ("console", "regions", "grid", "outline", "session", "revision")}
FOUND = {"gee_export.datasets", "gee_export.base", "gee_export.requests", "gee_export.sentinel.scenes", *LEAVES}
COMPOSED = {f"gee_export.{name}" for name in ("radar", "optical", "labelling", "composite", "ground")} | FOUND

# what training takes of gee_export, and what its own rooms build on, from the ground up
OPENED = {
    "gee_export.console",
    "gee_export.datasets.dataset",
    "gee_export.datasets.manifest",
    "gee_export.base.grid",
    "gee_export.base.revision",
    "gee_export.base.storage",
    "gee_export.base.atomic",
}
TAUGHT = {*(f"training.{name}" for name in ("models", "losses", "home", "cpu")), *OPENED}
PREPARED = {
    *(f"training.{name}" for name in ("samples", "checkpoints", "recipes", "memory", "devices")),
    *TAUGHT,
}

# package (or sub-package) -> what of this project it may import; the longest matching key counts
ALLOWED = {
    "local_ee": {"local_ee", "gee_export.console", "gee_export.base.grid", "gee_export.base.regions"},
    "local_ee.raster": {"local_ee.raster", "local_ee.errors"},
    "local_ee.evaluation": {
        "local_ee.evaluation",
        "local_ee.raster",
        "local_ee.catalog",
        "local_ee.errors",
    },
    "local_ee.algorithms": {
        "local_ee.algorithms",
        "local_ee.catalog",
        "local_ee.evaluation",
        "local_ee.raster",
        "local_ee.errors",
    },
    "local_ee.storage": {
        "local_ee.storage",
        "local_ee.durable",
        "local_ee.home",
        "local_ee.wire",
    },
    "local_ee.catalog": {
        "local_ee.catalog",
        "local_ee.durable",
        "gee_export.console",
        "gee_export.base.grid",
        "gee_export.base.regions",
    },
    "gee_export.earth_engine.session": {"local_ee", "gee_export.console"},
    "gee_export.base": {"gee_export.base", "gee_export.console"},
    "gee_export.requests": {"gee_export.requests", *LEAVES},
    "gee_export.datasets": {"gee_export.datasets", "gee_export.base", "gee_export.requests", *LEAVES},
    "gee_export.coregistration": {"gee_export.coregistration", "gee_export.base", *LEAVES},
    "gee_export.sentinel": {"gee_export.sentinel", "gee_export.coregistration", *FOUND},
    "gee_export.sentinel": {"gee_export.sentinel", *FOUND},
    "gee_export.labelling": {"gee_export.labelling", *FOUND},
    "gee_export.images": {"gee_export.images", *COMPOSED},
    "gee_export.export": {"gee_export.export", "gee_export.images", *COMPOSED},
    "gee_export.tasks": {"gee_export.tasks", "gee_export.export", "gee_export.requests", "gee_export.base", *LEAVES},
    "gee_export.card": {
        "gee_export.card",
        "gee_export.coregistration",
        "gee_export.datasets",
        "gee_export.base",
        *LEAVES,
    },
    "gee_export.cli": {"gee_export"},
    "gee_export": {"gee_export"},
    "training.cli": {"training", "gee_export.earth_engine.session"},
    "training.models": {"training.models", "gee_export.console"},
    "training.losses": {"training.losses", "training.models"},
    "training.recipes": {"training.recipes", *TAUGHT, "training.samples.augment"},
    "training.checkpoints": {"training.checkpoints", *TAUGHT},
    "training.samples": {"training.samples", "training.checkpoints", *TAUGHT},
    "training.runtimes": {"training.runtimes", "training.checkpoints", *TAUGHT},
    "training.accuracy": {"training.accuracy", "training.runtimes", *PREPARED},
    "training.fitting": {"training.fitting", "training.accuracy", *PREPARED},
    "training.imperfect": {"training.imperfect", "training.accuracy", *PREPARED},
    "training.runs": {"training.runs", "training.fitting", "training.accuracy", "training.imperfect", *PREPARED},
    "training.pruning": {"training.pruning", "training.runs", "training.accuracy", *PREPARED},
    "training": {"training", *OPENED},
    "inference": {"inference", "training", "gee_export"},
    "reproduction": {"reproduction", "inference", "training", "gee_export"},
}

# outside library -> the only modules that may import it
KEEPERS = {
    "starlette": "local_ee",
    "uvicorn": "local_ee",
    "socket": "local_ee",
    "http": ("local_ee", "gee_export.tasks.task_queue"),
    "aiohttp": "gee_export.requests.transport",
    "geopandas": ("gee_export.datasets.index", "gee_export.labelling.label_vectors"),
    "pyogrio": "gee_export.labelling.label_vectors",
    "pyarrow": "gee_export.datasets.index",
    "pytorch_lightning": "training",
    "tensorboard": "training",
    "safetensors": "training.checkpoints.checkpoint",
    "cv2": "inference.postprocess",
    "typer": ("gee_export.cli", "training.cli", "inference.cli", "reproduction.cli", "gee_export.console"),
    "numba": "local_ee",
    "google": ("gee_export", "inference.asset"),
    "ee": ("gee_export", "inference", "reproduction.chips"),
    "torch": ("training", "inference", "reproduction"),
    "sklearn": "training.models.classical",
    "onnx": "training.runtimes",
    "onnxruntime": "training.runtimes",
    "openvino": "training.runtimes",
    "matplotlib": (
        "training",
        "inference",
        "reproduction.panels",
        "gee_export.card",
        "gee_export.coregistration.residuals",
    ),
}

# gee_export's modules that speak to Earth Engine never look behind the server
CLIENTS_OF_ENGINE = {"gee_export.earth_engine.session", "gee_export.cli"}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, path: Path) -> set[str]:
    """Dotted names that a file imports, anywhere in it, as absolute names."""
    names: set[str] = set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                head = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*head, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def under(name: str, roots) -> bool:
    roots = (roots,) if isinstance(roots, str) else roots
    return any(name == root or name.startswith(root + ".") for root in roots)


MODULES = modules()


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_arrows(module):
    key = max((k for k in ALLOWED if under(module, k)), key=len)
    ours = {name for name in imports(module, MODULES[module]) if under(name, PACKAGES)}
    wrong = {name for name in ours if not under(name, tuple(ALLOWED[key]))}
    if under(module, "gee_export") and not under(module, ("local_ee", *CLIENTS_OF_ENGINE)):
        wrong |= {name for name in ours if under(name, "local_ee")}
    assert not wrong, f"{module} must not import {sorted(wrong)}"


@pytest.mark.parametrize("module", MODULES)
def test_outside_libraries_have_one_keeper(module):
    for name in imports(module, MODULES[module]):
        keeper = KEEPERS.get(name.split(".")[0])
        assert keeper is None or under(module, keeper), f"{module} imports {name}: only {keeper} may"


def test_no_import_cycles():
    graph = {
        module: {known for name in imports(module, path) for known in MODULES if name == known or under(name, known)}
        for module, path in MODULES.items()
    }
    # a package's own __init__ counts only where its names are imported, not for every module below it
    graph = {m: {n for n in targets if n != m and not m.startswith(n + ".")} for m, targets in graph.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        for target in graph[module]:
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_files_hold_one_noun(module):
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 450, f"{module} has {lines} lines: is it still one noun?"


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_mapping_stays_light():
    """performance.md P1: 600 MB leave no room for the training libraries; classifiers of pixels need none to learn."""
    heavy = {"pytorch_lightning", "lightning", "torchmetrics", "sklearn", "geopandas", "pandas", "ee"}
    light = "import inference.cli, inference.map, training.checkpoints.checkpoint, training.fitting.pixels"
    assert not loaded_after(light) & heavy


def test_export_help_needs_no_torch():
    code = "import isamap, sys; isamap.main(['export', '--help']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"
