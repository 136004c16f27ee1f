"""The notebooks run from top to bottom, 00 on a real image, the others on the local engine; the first cell installs."""

from __future__ import annotations

import ast
import base64
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from benchmarks import notebooks as stored

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = {  # what a notebook leaves, at least
    "00_first_map": "second.png",
    "01_wuhan": "wuhan.png",
    "02_years_and_areas": "years/report.html",
    "03_one_metre": "one-metre.png",
    "04_own_labels": "report/report.json",
}
SHORTER = {  # minutes of what is the same on less ground, in fewer years, and after fewer epochs
    '"epochs": 12': '"epochs": 2',
    "(114.22, 30.53, 114.32, 30.61)": "(114.25, 30.53, 114.31, 30.58)",
    "(2017, 2019, 2021, 2023)": "(2019, 2023)",
}
OURS = ("local_ee", "gee_export", "training", "inference", "reproduction")
CLONE = "/content/isamap"  # in the first cell and on the page

# A process as a kernel of Colab is: the clone is not on the path, and pip puts packages into a folder that is.
KERNEL = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
sys.path[:] = [path for path in sys.path if path != sys.argv[1]] + [sys.argv[2]]
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
done = shell.run_cell(open(sys.argv[3]).read())
assert done.success, done
code = "import isamap, isamap.training; print(isamap.__file__, isamap.training.__file__, len(isamap.regions()))"
shell.run_cell(code).raise_error()
"""


def code_of(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for written, shorter in SHORTER.items():
            cell.source = cell.source.replace(written, shorter)
    patience = {"timeout": 900, "startup_timeout": 600}  # beside other tests a kernel may take minutes to begin
    client = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}, **patience
    )
    client.execute()
    assert (tmp_path / RESULTS[path.stem]).exists()


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of the project's files as they are now."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if shutil.which("git") is None or listed.returncode:
        pytest.skip("needs git and a clone")
    folder = tmp_path / "elsewhere" / "isamap"
    for name in listed.stdout.splitlines():
        if name.startswith((*OURS, "isamap", "setup.cfg", "pyproject", "README", "LICENSE")) and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def test_all_notebooks_have_one_first_cell():
    assert len({code_of(path)[0] for path in NOTEBOOKS}) == 1


@pytest.mark.long
def test_the_first_cell_installs_isamap_into_a_running_kernel(clone, tmp_path):
    """Beside a clone and a package `training` of the user; pip takes no dependency."""
    elsewhere, packages, cell = clone.parent, tmp_path / "packages", tmp_path / "cell.py"
    (elsewhere / "training").mkdir(parents=True)
    (elsewhere / "training" / "__init__.py").write_text("raise SystemExit('the package of the user')\n")
    packages.mkdir()
    cell.write_text(code_of(NOTEBOOKS[0])[0].replace(CLONE, str(clone)), encoding="utf-8")
    pip = {"PIP_TARGET": str(packages), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | pip
    environment |= {"HOME": str(tmp_path / "home"), "IPYTHONDIR": str(tmp_path / "home"), "ISAMAP_HOME": str(tmp_path)}
    command = [sys.executable, "-c", KERNEL, str(ROOT), str(packages), str(cell)]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    files, regions = done.stdout.split()[-3:-1], int(done.stdout.split()[-1])
    home = packages / "isamap"
    assert files == [str(home / "__init__.py"), str(home / "training" / "__init__.py")] and regions > 10


def test_what_is_shortened_is_written_in_a_notebook():
    code = "\n".join(line for path in NOTEBOOKS for line in code_of(path))
    assert not [written for written in SHORTER if written not in code]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_one_namespace(path):
    """A reader copies its cells: they need to know `isamap` only."""
    lines = [line for cell in code_of(path) for line in cell.splitlines() if not line.strip().startswith(("%", "!"))]
    tree = ast.parse("\n".join(lines))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "isamap" in names and not [name for name in names if name.split(".")[0] in OURS]


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "docs" / "install.md"], ids=lambda path: path.name)
def test_nothing_is_installed_from_an_address_that_may_be_somebody_elses(path):
    text = path.read_text(encoding="utf-8")
    assert CLONE in text and "git+" not in text and "github.com/isamap" not in text


# Paths of a machine: homes, temporary and working folders, an environment's packages
OF_A_MACHINE = re.compile(r"/(?:home|root|Users|work|tmp|var|opt)/|site-packages|[A-Z]:\\\\")
DRAWS = re.compile(r'^Image\("|plt\.subplots|\.plot\(figsize', re.MULTILINE)


def stored_outputs(path: Path) -> list:
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_small_and_of_the_same_cells(path):
    """`make notebooks` writes them; a changed cell has to run again."""
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata["isamap"]["outputs_of"] == stored.fingerprint(notebook), "run `make notebooks`"
    assert len(path.read_bytes()) <= stored.LIMIT_BYTES
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_show_text_and_pictures_and_no_path_of_a_machine(path):
    outputs = stored_outputs(path)
    kinds = {kind for output in outputs for kind in output.get("data", {})} | {each.output_type for each in outputs}
    assert "stream" in kinds and kinds & {stored.PNG, stored.JPEG} and "error" not in kinds
    texts = [each.get("text", "") + str(each.get("data", {}).get("text/plain", "")) for each in outputs]
    assert not [text for text in texts if OF_A_MACHINE.search(text)]


def test_the_first_map_says_of_its_threshold_what_it_printed():
    path = ROOT / "notebooks" / "00_first_map.ipynb"
    printed = "".join(each.get("text", "") for each in stored_outputs(path))
    held_out, low, high, before = re.search(
        r"F1 of impervious: 0(\S+) \[0(\S+), (\S+)\] at points that did not choose it, 0(\S+)", printed
    ).groups()
    said = f"rises from {before} to {held_out} (95 % interval {low} to {high.removeprefix('0')})"
    assert said in "".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_that_draws_has_its_picture(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    drawing = [cell for cell in cells if DRAWS.search(cell.source)]
    shown_kinds = [{kind for each in cell.outputs for kind in each.get("data", {})} for cell in drawing]
    assert drawing and all(kinds & {stored.PNG, stored.JPEG} for kinds in shown_kinds)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_says_how_long_it_takes_and_whether_a_gpu_helps(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    assert re.search(r"\*\*Runtime\.\*\* Two processor cores are enough: .*minutes", first) and "GPU" in first


def stream(name: str, text: str):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(data: dict):
    return nbformat.v4.new_output("display_data", data)


def test_bars_are_left_out_and_notes_stay():
    outputs = [stream("stderr", "tiles:  1/9\rtiles:  9/9\n"), stream("stdout", "made "), stream("stderr", "note: x\n")]
    kept = stored.kept([*outputs, stream("stdout", "it\n")], {})
    assert [(each.name, each.text) for each in kept] == [("stderr", "note: x\n"), ("stdout", "made it\n")]


def test_widgets_and_pages_are_left_out_and_short_tables_stay():
    table = shown({stored.HTML: "<table></table>", stored.PLAIN: "t"})
    frame, page = shown({stored.HTML: "<iframe srcdoc=''></iframe>"}), shown({stored.HTML: "<table>" * 2_000})
    widget = shown({stored.WIDGET: {}, stored.PLAIN: "Map()"})
    assert stored.kept([widget, frame, table, page], {}) == [table]


def test_pictures_become_as_narrow_as_asked():
    noise = np.random.default_rng(0).integers(0, 256, (300, 900, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "png")
    output = shown({stored.PNG: base64.b64encode(encoded.getvalue()).decode()})
    ((kind, text),) = stored.kept([output], {}, 360)[0].data.items()
    picture = base64.b64decode(text)
    again = stored.kept([shown({kind: text})], {}, 360)  # a JPEG of a cell is a picture, too
    assert Image.open(io.BytesIO(base64.b64decode(again[0].data[kind]))).size == (360, 120)
    assert kind == stored.JPEG and Image.open(io.BytesIO(picture)).size == (360, 120)  # noise is no drawing
    assert len(picture) < len(encoded.getvalue()) / 5


def test_paths_of_the_run_are_renamed():
    (kept,) = stored.kept([stream("stdout", "made /tmp/x1/here/maps/a.tif\n")], {"/tmp/x1/here/": ""})
    assert kept.text == "made maps/a.tif\n"


def test_outputs_that_cannot_fit_are_refused():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebook.cells[0].outputs = [shown({stored.PLAIN: "z" * 5_000}) for _ in range(60)]
    with pytest.raises(ValueError, match="larger than 200,000 bytes"):
        stored.fitted(notebook, {})
