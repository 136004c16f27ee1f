"""`import isamap`: one namespace that loads nothing, is documented, and finds our packages beside a user's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import isamap

ROOT = Path(__file__).resolve().parents[1]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def python(code: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The code run by a fresh Python in a folder, which comes first on its path, as in a notebook."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "local_ee" / "src")))}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment)


def test_importing_isamap_loads_nothing_of_ours_or_others():
    code = "import sys; before = set(sys.modules); import isamap; print(sorted(set(sys.modules) - before))"
    loaded = {name.partition(".")[0] for name in re.findall(r"'([\w.]+)'", python(code).stdout)}
    assert "isamap" in loaded and not loaded - {"isamap", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", isamap.PUBLIC)
def test_every_name_is_there_and_documented(name):
    value = getattr(isamap, name)
    assert value.__doc__ and name in dir(isamap)
    assert re.search(rf"^\| `{name}\b", API, flags=re.MULTILINE), f"docs/api.md has no row for {name}"


def test_the_version_is_a_name():
    assert not {"Any", "CHOICES", "CONTINUED", "ModuleSpec", "PathFinder", "annotations"} & set(dir(isamap))
    assert isamap.__version__ == isamap.version() and "__version__" in dir(isamap)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'frobnicate'"):
        isamap.frobnicate  # noqa: B018


@pytest.mark.parametrize("name", ["gee_export", "training", "inference", "reproduction"])
def test_no_module_is_loaded_under_a_second_name(name):
    done = python(f"import {name}")
    assert done.stderr.endswith(f"this folder is a part of the package isamap: import isamap.{name}\n")


@pytest.mark.long
@pytest.mark.parametrize("name", ["gee_export", "training", "inference", "reproduction"])
def test_packages_of_the_user_with_names_of_our_folders_are_left_alone(name, tmp_path):
    """Roboflow has a distribution `inference`, and many a notebook's folder is called `training`."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("WHOSE = 'the user'\n")
    done = python(f"import isamap.{name}, {name}; print({name}.WHOSE, isamap.{name}.__name__)", tmp_path)
    assert done.stdout.split("\n")[0] == f"the user isamap.{name}" and done.stderr == ""


def test_isamap_beside_a_folder_that_holds_a_clone(tmp_path):
    """A folder `isamap` without __init__.py, which a clone is, hides nothing."""
    (tmp_path / "isamap" / "gee_export").mkdir(parents=True)
    (tmp_path / "isamap" / "gee_export" / "__init__.py").write_text("")
    assert python("import isamap; print(len(isamap.regions()) > 10)", tmp_path).stdout.strip() == "True"


def test_a_clone_without_links_is_whole(tmp_path):
    """Git on Windows writes a link as a text file where the user may make none: the folders are found all the same."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "isamap", clone / "isamap", ignore=shutil.ignore_patterns("*"))
    for path in (ROOT / "isamap").iterdir():
        if path.is_symlink():
            (clone / "isamap" / path.name).write_text(f"../{path.name}")
        elif path.suffix == ".py":
            shutil.copy(path, clone / "isamap")
    for name in ("gee_export", "setup.cfg"):
        (clone / name).symlink_to(ROOT / name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(clone), str(ROOT / "local_ee" / "src")))}
    code = "import isamap; print(isamap.__file__, len(isamap.regions()) > 10)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == [str(clone / "isamap" / "__init__.py"), "True"], done.stderr


def test_export_patches_is_the_export_command():
    done = subprocess.run([sys.executable, "export_patches.py", "-h"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Usage: isamap export ")
