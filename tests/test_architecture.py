"""The arrows of the code layout: who may import whom, and which modules may touch the outside world."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("gee_export", "training", "inference", "reproduction")
PACKAGES = ("isamap", "local_ee")  # ours

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
    "composites",
    "export",
)
# The rooms of inference likewise.
ROOMS = (
    "map_files",
    "cutting",
    "inputs",
    "postprocessing",
    "mapping",
    "publishing",
    "tiles",
    "catalog",
    "runs",
    "plan",
    "assessment",
    "polygons",
    "years",
    "questions",
    "student",
    "web_map",
    "machine",
    "prove",
    "serve",
)
# What training takes of gee_export, and what its own packages build on, from the ground up.
DATASET = {
    "isamap.gee_export.base",
    "isamap.gee_export.datasets.composite_rules",
    "isamap.gee_export.datasets.dataset",
    "isamap.gee_export.datasets.manifest",
}
NETWORKS = {*(f"isamap.training.{name}" for name in ("models", "losses", "plugins", "home", "cpu")), *DATASET}
SAMPLES = {
    *(f"isamap.training.{name}" for name in ("samples", "checkpoints", "recipes", "memory", "gpu")),
    *NETWORKS,
}

# package (or sub-package) -> what of this project it may import; the longest matching key counts
ALLOWED = {
    **{
        f"isamap.gee_export.{name}": {f"isamap.gee_export.{lower}" for lower in FLOORS[: number + 1]}
        for number, name in enumerate(FLOORS)
    },
    # the places that know the local engine: one that starts it, two of the archives that it reads
    **{
        f"isamap.gee_export.earth_engine.{name}": {
            "isamap.gee_export.base",
            "isamap.gee_export.earth_engine",
            "local_ee",
        }
        for name in ("session", "archives", "archive_check")
    },
    "isamap.gee_export.requests": {
        "isamap.gee_export.requests",
        "isamap.gee_export.base",
        "isamap.gee_export.earth_engine.session",
    },
    "isamap.gee_export.coregistration": {"isamap.gee_export.coregistration", "isamap.gee_export.base"},
    "isamap.gee_export.patches": {"isamap.gee_export.patches", "isamap.gee_export.datasets", "isamap.gee_export.base"},
    "isamap.gee_export.tasks": {"isamap.gee_export.tasks", *(f"isamap.gee_export.{lower}" for lower in FLOORS[:4])},
    "isamap.gee_export.card": {
        "isamap.gee_export.card",
        "isamap.gee_export.coregistration",
        "isamap.gee_export.datasets",
        "isamap.gee_export.base",
        "isamap.gee_export.earth_engine.session",
    },
    "isamap.gee_export.cli": {"isamap.gee_export", "local_ee"},
    "isamap.gee_export.tables_cli": {
        "isamap.gee_export.command",
        "isamap.gee_export.command_line",
        "isamap.gee_export.base",
        "isamap.gee_export.labelling",
    },
    "isamap.gee_export.command_line": {"isamap.gee_export.command_line", "isamap.gee_export.base"},
    "isamap.gee_export": {"isamap.gee_export"},
    "isamap.training.cli": {
        "isamap.training",
        "isamap.gee_export.base.options",
        "isamap.gee_export.base.project",
        "isamap.gee_export.command",
        "isamap.gee_export.earth_engine.session",
        "isamap.gee_export.command_line.report_output",
    },
    "isamap.training.folds_cli": {
        "isamap.training",
        "isamap.gee_export.base.options",
        "isamap.gee_export.command",
        "isamap.gee_export.command_line.report_output",
    },
    "isamap.training.plugins": {"isamap.training.plugins", "isamap.gee_export.base"},
    "isamap.training.models": {
        "isamap.training.models",
        "isamap.training.plugins",
        "isamap.gee_export.base.errors",
        "isamap.gee_export.base.band_globs",
    },
    "isamap.training.losses": {
        "isamap.training.losses",
        "isamap.training.models",
        "isamap.training.plugins",
        "isamap.gee_export.base.scheme",
    },
    "isamap.training.recipes": {"isamap.training.recipes", *NETWORKS, "isamap.training.samples.augment"},
    "isamap.training.checkpoints": {"isamap.training.checkpoints", *NETWORKS},
    "isamap.training.samples": {"isamap.training.samples", "isamap.training.checkpoints", *NETWORKS},
    "isamap.training.gpu": {"isamap.training.models"},
    "isamap.training.runtimes": {
        "isamap.training.runtimes",
        "isamap.training.checkpoints",
        "isamap.training.gpu",
        *NETWORKS,
    },
    "isamap.training.accuracy": {"isamap.training.accuracy", "isamap.training.runtimes", *SAMPLES},
    "isamap.training.fitting": {"isamap.training.fitting", "isamap.training.accuracy", *SAMPLES},
    "isamap.training.imperfect": {"isamap.training.imperfect", "isamap.training.accuracy", *SAMPLES},
    "isamap.training.runs": {
        "isamap.training.runs",
        "isamap.training.fitting",
        "isamap.training.accuracy",
        "isamap.training.imperfect",
        *SAMPLES,
    },
    "isamap.training.pruning": {
        "isamap.training.pruning",
        "isamap.training.runs",
        "isamap.training.accuracy",
        *SAMPLES,
    },
    "isamap.training": {"isamap.training", *DATASET},
    **{
        f"isamap.inference.{name}": {
            *(f"isamap.inference.{lower}" for lower in ROOMS[: number + 1]),
            "isamap.training",
            "isamap.gee_export",
        }
        for number, name in enumerate(ROOMS)
    },
    "isamap.inference": {"isamap.inference", "isamap.training", "isamap.gee_export"},
    "isamap.reproduction": {"isamap.reproduction", "isamap.inference", "isamap.training", "isamap.gee_export"},
}

# outside library -> the only modules that may import it
KEEPERS = {
    "psutil": "isamap.gee_export.base.platform",
    "starlette": "isamap.inference.serve",
    "uvicorn": ("isamap.inference.serve.server", "isamap.inference.serve.connections"),
    "socket": "isamap.inference.serve.server",
    "sqlite3": ("isamap.inference.serve.database", "isamap.gee_export.base.vector_file"),
    "http": (
        "isamap.gee_export.tasks.task_queue",
        "isamap.inference.serve.problem",
        "isamap.training.checkpoints.hub",
    ),
    "aiohttp": "isamap.gee_export.requests.transport",
    "geopandas": (
        "isamap.gee_export.datasets.index",
        "isamap.gee_export.base.parquet_file",
        "isamap.gee_export.labelling.label_vectors",
    ),
    "pyogrio": (
        "isamap.gee_export.base.vector_file",
        "isamap.gee_export.base.feature_table",
        "isamap.gee_export.base.feature_sink",
        "isamap.gee_export.labelling.label_vectors",
    ),
    "pyarrow": (
        "isamap.gee_export.datasets.index",
        "isamap.gee_export.base.feature_sink",
        "isamap.gee_export.base.parquet_file",
    ),
    "pytorch_lightning": "isamap.training",
    "tensorboard": "isamap.training",
    "safetensors": ("isamap.training.checkpoints.checkpoint", "isamap.training.checkpoints.weights_file"),
    "cv2": "isamap.inference.postprocessing.postprocess",
    "tqdm": "isamap.gee_export.base.progress_bar",
    "typer": ("isamap.gee_export.command", "isamap.gee_export.command_line.console"),
    "google": ("isamap.gee_export", "isamap.inference.publishing.asset", "isamap.inference.publishing.upload"),
    "ee": ("isamap.gee_export", "isamap.inference", "isamap.reproduction.chips"),
    "torch": ("isamap.training", "isamap.inference", "isamap.reproduction"),
    "sklearn": "isamap.training.models.classical",
    "onnx": "isamap.training.runtimes",
    "onnxruntime": "isamap.training.runtimes",
    "openvino": "isamap.training.runtimes",
    "distributed": "isamap.inference.tiles.dask_executor",
    "matplotlib": (
        "isamap.training",
        "isamap.inference",
        "isamap.reproduction.panels",
        "isamap.gee_export.card",
        "isamap.gee_export.coregistration.residuals",
    ),
}

# the only modules that may open a raster file, which name its driver and bound its size first
RASTER_OPENERS = ("isamap.gee_export.base.rasters", "isamap.gee_export.base.named_raster")
# what else of rasterio opens files, and the modules that give it only files that they wrote themselves
OPENINGS = ("open", "DatasetReader", "MemoryFile", "ZipMemoryFile", "FilePath")
FILE_COPIERS = ("isamap.inference.map_files.cog",)


def modules() -> dict[str, Path]:
    """Dotted name and file of every module of ours."""
    files = {}
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        parts = ("isamap", *path.relative_to(ROOT).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a file's syntax tree; to read all files takes seconds."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports(module: str, path: Path) -> set[str]:
    """Dotted names that a file imports, anywhere in it, as absolute names."""
    names: set[str] = set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes(path):
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
    wrong = [name for name in imports(path.stem, path) if name == "rasterio.open"]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            wrong += [alias.name for alias in node.names if alias.name.startswith("rasterio") and alias.asname]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in OPENINGS:
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
    assert {module: count for module, count in lines.items() if count > 400} == {}, "are they still one noun each?"


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_mapping_stays_light():
    """docs/reference/performance.md, "P1": 600 MB leave no room for the training libraries; classifiers of pixels need
    none to learn.
    """
    heavy = {"pytorch_lightning", "lightning", "torchmetrics", "sklearn", "geopandas", "pandas", "ee"}
    light = "import isamap.inference.cli, isamap.inference.mapping.map, isamap.training.fitting.pixels"
    assert not loaded_after(light) & heavy


def test_export_help_needs_no_torch():
    code = "import isamap, sys; isamap.main(['export', '--help']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"


POSIX_ONLY = ("fcntl", "resource", "pwd", "grp", "termios", "pty")


def test_only_one_room_asks_which_system_this_is():
    """So that every command imports on macOS and Windows; tests/test_other_systems.py goes the whole way."""
    wrong = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        for name in imports(module, path)
        if name.partition(".")[0] in POSIX_ONLY and not under(module, "isamap.gee_export.base.platform")
    ]
    assert not wrong
