"""`import isamap`: one namespace that loads nothing, is documented, and finds our packages beside a user's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import isamap

ROOT = Path(__file__).resolve().parents[1]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def python(code: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The code run by a fresh Python in a folder, which comes first on its path, as in a notebook."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
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
    assert isamap.__version__ == isamap.version() and "__version__" in dir(isamap)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'frobnicate'"):
        isamap.frobnicate  # noqa: B018


@pytest.mark.parametrize("name", isamap._PACKAGES)
def test_packages_are_ours_where_the_users_folder_has_one_of_that_name(name, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('the package of the user')\n")
    done = python(f"import isamap, {name}; print({name}.__file__)", tmp_path)
    assert done.stdout.strip() == import_module(name).__file__
    assert f"now loads the package of isamap, not {tmp_path / name}" in done.stderr


def test_a_module_of_the_user_is_seen_as_well(tmp_path):
    (tmp_path / "training.py").write_text("")
    done = python("import isamap, training; print(training.__file__)", tmp_path)
    assert done.stdout.strip() == str(ROOT / "training" / "__init__.py")


def test_a_package_of_the_user_that_is_loaded_already_is_refused_by_name(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("")
    done = python("import training, isamap; isamap.regions()", tmp_path)
    assert f"ImportError: isamap needs its own package 'training', but {tmp_path}" in done.stderr
    assert "rename that file or folder" in done.stderr


def test_an_empty_folder_of_that_name_hides_nothing(tmp_path):
    (tmp_path / "training").mkdir()
    assert python("import isamap, training; print(training.__file__)", tmp_path).stderr == ""


def test_export_patches_is_the_export_command():
    done = subprocess.run([sys.executable, "export_patches.py", "-h"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Usage: isamap export ")
