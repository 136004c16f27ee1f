"""What a repository's host and its visitors read: workflows by their published schema, the list for assistants."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.long
@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_follows_the_published_schema(path):
    """The schema comes with the package check-jsonschema, so this needs no network."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_sees_a_wrong_workflow(tmp_path):
    (tmp_path / "wrong.yml").write_text("on: push\njobs:\n  one:\n    steps: []\n")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert subprocess.run([*command, str(tmp_path / "wrong.yml")], capture_output=True).returncode == 1


def test_the_files_that_begin_first_are_there():
    """Else a renamed one would begin last."""
    assert not [name for name in LONGEST if not (ROOT / name).is_file()]


def test_the_tests_of_inference_have_its_rooms():
    """So that the tests of a room are found by its name; tests/ways holds what goes through several packages."""
    rooms, tests = (
        {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
        for folder in ("inference", "tests/inference")
    )
    assert tests == rooms and not [*(ROOT / "tests" / "inference").glob("test_*.py")]


def test_the_orientation_is_short_and_names_what_is_there():
    text = (ROOT / "AGENTS.md").read_text("utf-8")
    paths = re.findall(r"`([a-z_.]+/[\w./]*)`", text)
    assert len(text.splitlines()) <= 60 and len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_list_for_assistants_is_current():
    """Where this fails: `make counts`."""
    spec = importlib.util.spec_from_file_location("llms", ROOT / "docs" / "llms.py")
    llms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(llms)
    assert llms.FILE.read_text(encoding="utf-8") == llms.text()


def test_the_conda_recipe_asks_for_what_pip_asks():
    """Under conda's names; the engine's own needs are among them."""
    recipe = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    run = dict(line.partition(" ")[::2] for line in recipe["requirements"]["run"])
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    expected = dict(re.split(r"(?=[>=]=)", line) for line in parser["options"]["install_requires"].split())
    second = {"torch": "pytorch", "opencv-python-headless": "opencv", "matplotlib": "matplotlib-base"}
    missing = {name: bound for name, bound in expected.items() if run.get(second.get(name, name)) != bound}
    assert missing.keys() == {"local-ee[learning]"}
    assert recipe["context"]["version"] == parser["metadata"]["version"]


def test_the_container_installs_both_distributions():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "./local_ee" in lines and 'ENTRYPOINT ["isamap"]' in lines and "USER isamap" in lines
