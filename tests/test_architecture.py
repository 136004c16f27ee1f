"""The arrows of the code layout: who may import whom, and which modules may touch the outside world."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("local_ee", "gee_export", "training", "inference", "reproduction")

# The packages of gee_export from the ground up: each may import itself and those before it, so no arrow runs up.
FLOORS = (
    "base",
    "earth_engine",
    "requests",
    "datasets",
    "coregistration",
    "sentinel",
    "labelling",
    "images",
    "patches",
    "tasks",
    "export",
)
# What training takes of gee_export, and what its own packages build on, from the ground up.
DATASET = {
    "gee_export.base",
    "gee_export.datasets.dataset",
    "gee_export.datasets.manifest",
}
NETWORKS = {*(f"training.{name}" for name in ("models", "losses", "plugins", "home", "cpu")), *DATASET}
SAMPLES = {
    *(f"training.{name}" for name in ("samples", "checkpoints", "recipes", "memory", "devices")),
    *NETWORKS,
}

# package (or sub-package) -> what of this project it may import; the longest matching key counts
ALLOWED = {
    "local_ee": {"local_ee"},
    "local_ee.raster_file": set(),
    "local_ee.vector_file": set(),
    "local_ee.raster": {"local_ee.raster", "local_ee.budget", "local_ee.errors", "local_ee.lazy", "local_ee.parallel"},
    "local_ee.learning": {"local_ee.learning", "local_ee.budget", "local_ee.errors", "local_ee.lazy"},
    "local_ee.budget": {"local_ee.errors"},
    "local_ee.threads": set(),
    "local_ee.parallel": {"local_ee.budget", "local_ee.threads"},
    "local_ee.catalog": {
        "local_ee.catalog",
        "local_ee.durable",
        "local_ee.raster_file",
        "local_ee.vector_file",
        "local_ee.raster.window",
        "local_ee.errors",
    },
    "local_ee.world": {"local_ee.world", "local_ee.catalog", "local_ee.parallel"},
    "local_ee.evaluation": {
        "local_ee.evaluation",
        "local_ee.budget",
        "local_ee.parallel",
        "local_ee.raster",
        "local_ee.catalog",
        "local_ee.errors",
        "local_ee.lazy",
    },
    "local_ee.algorithms": {
        "local_ee.algorithms",
        "local_ee.catalog",
        "local_ee.evaluation",
        "local_ee.learning",
        "local_ee.raster",
        "local_ee.budget",
        "local_ee.errors",
    },
    "local_ee.storage": {"local_ee.storage", "local_ee.durable", "local_ee.home", "local_ee.wire"},
    **{
        f"gee_export.{name}": {f"gee_export.{lower}" for lower in FLOORS[: number + 1]}
        for number, name in enumerate(FLOORS)
    },
    # the one place that knows the local engine
    "gee_export.earth_engine.session": {
        "gee_export.base",
        "gee_export.earth_engine",
        "local_ee",
    },  # the one place that knows the local engine
    "gee_export.requests": {"gee_export.requests", "gee_export.base", "gee_export.earth_engine.session"},
    "gee_export.coregistration": {"gee_export.coregistration", "gee_export.base"},
    "gee_export.patches": {"gee_export.patches", "gee_export.datasets", "gee_export.base"},
    "gee_export.tasks": {"gee_export.tasks", *(f"gee_export.{lower}" for lower in FLOORS[:4])},
    "gee_export.card": {
        "gee_export.card",
        "gee_export.coregistration",
        "gee_export.datasets",
        "gee_export.base",
        "gee_export.earth_engine.session",
    },
    "gee_export.cli": {"gee_export", "local_ee"},
    "gee_export.tables_cli": {"gee_export.command_line", "gee_export.base", "gee_export.labelling"},
    "gee_export.command_line": {"gee_export.command_line", "gee_export.base"},
    "gee_export": {"gee_export"},
    "training.cli": {"training", "gee_export.earth_engine.session", "gee_export.command_line.report_output"},
    "training.plugins": {"training.plugins", "gee_export.base"},
    "training.models": {"training.models", "training.plugins", "gee_export.base.errors"},
    "training.losses": {"training.losses", "training.models", "training.plugins", "gee_export.base.scheme"},
    "training.recipes": {"training.recipes", *NETWORKS, "training.samples.augment"},
    "training.checkpoints": {"training.checkpoints", *NETWORKS},
    "training.samples": {"training.samples", "training.checkpoints", *NETWORKS},
    "training.runtimes": {"training.runtimes", "training.checkpoints", *NETWORKS},
    "training.accuracy": {"training.accuracy", "training.runtimes", *SAMPLES},
    "training.fitting": {"training.fitting", "training.accuracy", *SAMPLES},
    "training.imperfect": {"training.imperfect", "training.accuracy", *SAMPLES},
    "training.runs": {"training.runs", "training.fitting", "training.accuracy", "training.imperfect", *SAMPLES},
    "training.pruning": {"training.pruning", "training.runs", "training.accuracy", *SAMPLES},
    "training": {"training", *DATASET},
    "inference": {"inference", "training", "gee_export"},
    "reproduction": {"reproduction", "inference", "training", "gee_export"},
}

# outside library -> the only modules that may import it
KEEPERS = {
    "starlette": ("local_ee", "inference.serve"),
    "uvicorn": ("local_ee", "inference.serve.server"),
    "socket": ("local_ee", "inference.serve.server"),
    "rio_tiler": "inference.serve.tiles",
    "sqlite3": "inference.serve.database",
    "psycopg": "inference.serve.database",
    "http": ("local_ee", "gee_export.tasks.task_queue", "inference.serve.problem"),
    "regex": "local_ee.evaluation.patterns",
    "aiohttp": "gee_export.requests.transport",
    "geopandas": ("gee_export.datasets.index", "gee_export.labelling.label_vectors"),
    "pyogrio": (
        "gee_export.base.vector_file",
        "gee_export.base.feature_table",
        "gee_export.labelling.label_vectors",
        "local_ee.vector_file",
    ),
    "pyarrow": "gee_export.datasets.index",
    "pytorch_lightning": "training",
    "tensorboard": "training",
    "safetensors": ("training.checkpoints.checkpoint", "training.checkpoints.weights_file"),
    "cv2": "inference.postprocess",
    "tqdm": "gee_export.base.progress_bar",
    "typer": (
        "gee_export.command",
        "gee_export.cli",
        "gee_export.tables_cli",
        "training.cli",
        "inference.cli",
        "inference.assessment.cli",
        "reproduction.cli",
        "gee_export.command_line.console",
    ),
    "numba": "local_ee",
    "google": ("local_ee", "gee_export", "inference.asset", "inference.upload"),
    "ee": ("local_ee", "gee_export", "inference", "reproduction.chips"),
    "torch": ("training", "inference", "reproduction"),
    "sklearn": ("training.models.classical", "local_ee.learning.estimators"),
    "onnx": "training.runtimes",
    "onnxruntime": "training.runtimes",
    "openvino": "training.runtimes",
    "distributed": "inference.tiles.dask_executor",
    "matplotlib": (
        "training",
        "inference",
        "reproduction.panels",
        "gee_export.card",
        "gee_export.coregistration.residuals",
    ),
}

# the only modules that may open a raster file, which name its driver and bound its size first
RASTER_OPENERS = ("gee_export.base.rasters", "gee_export.base.named_raster", "local_ee.raster_file")
# what else of rasterio opens files, and the modules that give it only files that they wrote themselves
FILE_COPIERS = ("inference.cog", "local_ee.assets.files")


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "build" in path.relative_to(ROOT).parts:  # what `pip install ./local_ee` leaves
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
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


def origins(name: str) -> list[str]:
    """A dotted name and the packages above it."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def under(name: str, roots) -> bool:
    roots = (roots,) if isinstance(roots, str) else roots
    return any(name == root or name.startswith(root + ".") for root in roots)


MODULES = modules()


def test_imports_follow_the_arrows():
    wrong = []
    for module, path in MODULES.items():
        key = max((k for k in ALLOWED if under(module, k)), key=len)
        ours = {name for name in imports(module, path) if under(name, PACKAGES)}
        wrong += [f"{module} must not import {name}" for name in ours if not under(name, tuple(ALLOWED[key]))]
    assert not wrong, "\n".join(wrong)


def test_outside_libraries_have_one_keeper():
    wrong = []
    for module, path in MODULES.items():
        for name in imports(module, path):
            keeper = KEEPERS.get(name.split(".")[0])
            if keeper is not None and not under(module, keeper):
                wrong.append(f"{module} imports {name}: only {keeper} may")
    assert not wrong, "\n".join(wrong)


def raster_openings(path: Path) -> list[str]:
    """The calls in a file by which rasterio would read bytes that are there already."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = [name for name in imports(path.stem, path) if name == "rasterio.open"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wrong += [alias.name for alias in node.names if alias.name.startswith("rasterio") and alias.asname]
        if isinstance(node, ast.Call):
            text = ast.unparse(node.func)
            foreign = text.split(".")[-1] in ("MemoryFile", "ZipMemoryFile", "FilePath") and (
                node.args or node.keywords
            )
            if text in ("rasterio.open", "rasterio.io.DatasetReader", "DatasetReader") or foreign:
                wrong.append(ast.unparse(node))
    return wrong


def test_rasters_are_opened_in_one_place():
    others = {module: path for module, path in MODULES.items() if not under(module, RASTER_OPENERS)}
    wrong = {module: calls for module, path in others.items() if (calls := raster_openings(path))}
    assert not wrong


def test_files_are_copied_by_rasterio_in_few_places():
    copiers = ("rasterio.shutil", "osgeo", "rioxarray")
    wrong = [module for module, path in MODULES.items() if any(under(name, copiers) for name in imports(module, path))]
    assert set(wrong) <= {*FILE_COPIERS, *(module for module in MODULES if under(module, RASTER_OPENERS))}


@pytest.mark.parametrize(
    "line",
    [
        "import rasterio\nrasterio.open(path)",
        "import rasterio\nwith rasterio.open(path, driver='GTiff') as file: pass",
        "from rasterio import open\nopen(path)",
        "import rasterio as rio\nrio.open(path)",
        "from rasterio.io import MemoryFile\nMemoryFile(data).open()",
        "import rasterio.io\nrasterio.io.MemoryFile(file_or_bytes=data)",
        "from rasterio.io import DatasetReader\nDatasetReader(path)",
    ],
)
def test_every_way_to_open_a_raster_is_noticed(tmp_path, line):
    path = tmp_path / "module.py"
    path.write_text(line)
    assert raster_openings(path)


def test_no_import_cycles():
    graph = {
        module: {known for name in imports(module, path) for known in origins(name) if known in MODULES}
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


def test_files_hold_one_noun():
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > 450} == {}, "are they still one noun each?"


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_mapping_stays_light():
    """docs/reference/performance.md, "P1": 600 MB leave no room for the training libraries; classifiers of pixels need
    none to learn.
    """
    heavy = {"pytorch_lightning", "lightning", "torchmetrics", "sklearn", "geopandas", "pandas", "ee"}
    light = "import inference.cli, inference.map, training.checkpoints.checkpoint, training.fitting.pixels"
    assert not loaded_after(light) & heavy


def test_export_help_needs_no_torch():
    code = "import isamap, sys; isamap.main(['export', '--help']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"
