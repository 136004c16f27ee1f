"""The notebooks run from top to bottom on the local engine; their first cell installs isamap where it is missing."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = {  # what a notebook leaves, at least
    "01_wuhan": "wuhan.png",
    "02_years_and_areas": "years/report.html",
    "03_one_metre": "one-metre.png",
    "04_own_labels": "report/report.json",
}
OURS = ("local_ee", "gee_export", "training", "inference", "reproduction")

# A process as a kernel of Colab is: the clone is not on the path, and pip puts packages into a folder that is.
KERNEL = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
sys.path[:] = [path for path in sys.path if path != sys.argv[1]] + [sys.argv[2]]
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
done = shell.run_cell(open(sys.argv[3]).read())
assert done.success, done
code = "import isamap, training; print(isamap.__file__, training.__file__, len(isamap.regions()))"
shell.run_cell(code).raise_error()
"""


def code_of(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def repository() -> str:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["metadata"]["url"]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    assert (tmp_path / RESULTS[path.stem]).exists()


@pytest.fixture
def clone(tmp_path) -> Path:
    """A git repository with the project's files as they are now."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if shutil.which("git") is None or names.returncode:
        pytest.skip("needs git and a clone")
    folder = tmp_path / "clone"
    for name in names.stdout.splitlines():
        if name.startswith((*OURS, "isamap", "export_patches", "setup.cfg", "pyproject", "README", "LICENSE")):
            if not (ROOT / name).exists():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "test"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_installs_isamap_into_a_running_kernel(path, clone, tmp_path):
    """From another folder, in one process; git takes the clone for the repository's address, pip no dependency."""
    elsewhere, packages, cell = tmp_path / "content", tmp_path / "packages", tmp_path / "cell.py"
    (elsewhere / "training").mkdir(parents=True)  # a package of the user, which must not hide ours
    (elsewhere / "training" / "__init__.py").write_text("raise SystemExit('the package of the user')\n")
    packages.mkdir()
    cell.write_text(code_of(path)[0], encoding="utf-8")
    pip = {"PIP_TARGET": str(packages), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | pip
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{clone}.insteadOf"}
    environment |= {**git, "GIT_CONFIG_VALUE_0": repository()}
    environment |= {"HOME": str(tmp_path / "home"), "IPYTHONDIR": str(tmp_path / "home"), "ISAMAP_HOME": str(tmp_path)}
    command = [sys.executable, "-c", KERNEL, str(ROOT), str(packages), str(cell)]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    files, regions = done.stdout.split()[-3:-1], int(done.stdout.split()[-1])
    assert files == [str(packages / "isamap.py"), str(packages / "training" / "__init__.py")] and regions > 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_one_namespace(path):
    """A reader copies its cells: they need to know `isamap` only."""
    lines = [line for cell in code_of(path) for line in cell.splitlines() if not line.strip().startswith(("%", "!"))]
    tree = ast.parse("\n".join(lines))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "isamap" in names and not [name for name in names if name.split(".")[0] in OURS]


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "docs" / "install.md"], ids=lambda path: path.name)
def test_the_repository_has_one_address(path):
    """That of setup.cfg: in the cell that installs, and in the badge."""
    text = path.read_text(encoding="utf-8")
    name = repository().removeprefix("https://github.com/")
    assert repository() in text
    assert re.findall(r"colab\.research\.google\.com/github/([^/]+/[^/]+)/", text) == [name]
    assert "OWNER" not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not [cell for cell in cells if cell.cell_type == "code" and cell.outputs]
