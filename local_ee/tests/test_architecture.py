"""The arrows of the engine: who may import whom, and which modules may touch the outside world."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "src"
PACKAGES = ("local_ee", "isamap", "gee_export", "training", "inference")  # of which the engine may import itself

# package (or sub-package) -> what of the engine it may import; the longest matching key counts
ALLOWED = {
    "local_ee": {"local_ee"},
    "local_ee.raster_file": set(),
    "local_ee.vector_file": {"local_ee.geopackages"},
    "local_ee.geopackages": set(),
    "local_ee.raster": {"local_ee.raster", "local_ee.budget", "local_ee.errors", "local_ee.lazy", "local_ee.parallel"},
    "local_ee.learning": {"local_ee.learning", "local_ee.budget", "local_ee.errors", "local_ee.lazy"},
    "local_ee.budget": {"local_ee.errors", "local_ee.platform"},
    "local_ee.threads": set(),
    "local_ee.parallel": {"local_ee.budget", "local_ee.threads"},
    "local_ee.idle": {"local_ee.budget", "local_ee.platform"},
    "local_ee.catalog": {
        "local_ee.catalog",
        "local_ee.durable",
        "local_ee.idle",
        "local_ee.raster_file",
        "local_ee.vector_file",
        "local_ee.raster.geometry",
        "local_ee.raster.window",
        "local_ee.errors",
    },
    "local_ee.open": {
        "local_ee.open",
        "local_ee.budget",
        "local_ee.catalog",
        "local_ee.errors",
        "local_ee.home",
        "local_ee.platform",
        "local_ee.raster.window",
        "local_ee.raster_file",
        "local_ee.threads",
    },
    "local_ee.world": {
        "local_ee.world",
        "local_ee.catalog",
        "local_ee.idle",
        "local_ee.parallel",
        "local_ee.raster_file",
    },
    "local_ee.evaluation": {
        "local_ee.evaluation",
        "local_ee.budget",
        "local_ee.parallel",
        "local_ee.raster",
        "local_ee.catalog",
        "local_ee.errors",
        "local_ee.lazy",
        "local_ee.platform",
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
}

# outside library -> the only modules that may import it
KEEPERS = {
    "urllib3": "local_ee.open.transport",
    "certifi": "local_ee.open.transport",
    "fcntl": "local_ee.platform",
    "resource": "local_ee.platform",
    "psutil": "local_ee.platform",
    "regex": "local_ee.evaluation.patterns",
    "pyogrio": "local_ee.vector_file",
    "sklearn": "local_ee.learning.estimators",
    "omnicloudmask": "local_ee.catalog.cloud_classes",
}
# the only modules that may open a raster file: the first names its driver and bounds its size first, tests make theirs
RASTER_OPENERS = ("local_ee.raster_file", "local_ee.testing")
# what else of rasterio opens files, and the modules that give it only files that they wrote themselves
FILE_COPIERS = ("local_ee.assets.files",)


def modules() -> dict[str, Path]:
    """Dotted name and file of every module of the engine."""
    files = {}
    for path in sorted((SOURCES / "local_ee").rglob("*.py")):
        parts = path.relative_to(SOURCES).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


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


@pytest.mark.parametrize("folder", ["benchmarks", "tests"])
def test_programs_and_tests_import_nothing_of_those_who_use_the_engine(folder):
    files = list((SOURCES.parent / folder).rglob("*.py"))
    strangers = [package for package in PACKAGES if package != "local_ee"]
    named = {path: imports(path.stem, path) for path in files}
    assert files and not [(path, name) for path, names in named.items() for name in names if under(name, strangers)]


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
