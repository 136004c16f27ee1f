"""Red means broken: what `make test` and `.ci/run` say of made-up tests, and of stages that fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.slow_tests import summed, table

ROOT = Path(__file__).resolve().parents[1]
MADE_UP = '''
import os, pathlib, pytest

def is_first(name):
    """True the first time, also after the process was killed."""
    seen = pathlib.Path(name).exists()
    pathlib.Path(name).touch()
    return not seen

def test_passes():
    pass

@pytest.mark.parametrize("word", ["a b", "\u00fc::1"])
def test_fails_first(word):
    assert not is_first(word)

def test_kills_its_worker_first():
    if is_first("kill"):
        os._exit(3)

def test_fails_always():
    raise ValueError("broken")

@pytest.mark.long
def test_fails_first_though_a_mark_chose_it():
    assert not is_first("long")
'''
KILLS_ALWAYS = "import os\ndef test_kills(): os._exit(3)\ndef test_waits(): pass\n"


def judged(folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """As `make test` judges a file of tests of which the long ones are left out unless they are asked for."""
    (folder / "test_made_up.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -m 'not long'\nmarkers = long\n")
    command = [sys.executable, str(ROOT / ".ci" / "verdict.py"), "-n", "2", "--dist", "loadfile", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return judged(tmp_path_factory.mktemp("made_up"), MADE_UP)


def test_a_test_that_fails_twice_fails_the_run(run):
    assert run.returncode == 1 and "failed twice: test_made_up.py::test_fails_always\n" in run.stdout


def test_what_fails_twice_is_shown_as_it_failed_alone(run):
    assert "1 failed in" in run.stdout and "ValueError: broken" in run.stdout


def test_a_test_that_fails_the_first_time_only_is_told(run):
    flaky = [line for line in run.stdout.splitlines() if line.startswith("flaky: ")]
    assert flaky == [
        "flaky: test_made_up.py::test_fails_first[a b]",
        "flaky: test_made_up.py::test_fails_first[\\xfc::1]",
        "flaky: test_made_up.py::test_kills_its_worker_first",
    ]


@pytest.mark.long
def test_accidents_alone_fail_no_run(tmp_path):
    done = judged(tmp_path, MADE_UP, "-m", "", "--deselect", "test_made_up.py::test_fails_always")
    assert done.returncode == 0, done.stdout
    assert "flaky: test_made_up.py::test_fails_first_though_a_mark_chose_it" in done.stdout


@pytest.mark.long
def test_tests_that_never_ran_have_not_passed(tmp_path):
    """xdist gives up after some killed workers."""
    done = judged(tmp_path, KILLS_ALWAYS, "--max-worker-restart", "1")
    assert done.returncode == 1 and "1 tests never ran, for example test_made_up.py::test_waits" in done.stdout


@pytest.mark.long
def test_a_file_that_cannot_be_read_is_no_accident(tmp_path):
    (tmp_path / "test_broken.py").write_text("import nothing_of_this_name\n")
    done = judged(tmp_path, "def test_passes(): pass\n")
    assert done.returncode != 0 and "flaky" not in done.stdout


@pytest.mark.long
def test_many_failures_are_no_accident(tmp_path):
    many = "import pytest\n@pytest.mark.parametrize('n', range(21))\ndef test_n(n): assert False\n"
    done = judged(tmp_path, many)
    assert done.returncode == 1 and "21 tests failed, more than 20: none is run again" in done.stdout


@pytest.mark.parametrize(("broken", "code", "last"), [("smoke", 2, "RED in the last stage"), ("none", 0, "green")])
def test_a_stage_that_fails_ends_the_run_and_each_is_told(tmp_path, broken, code, last):
    """With a `make` that does nothing, and fails for one target."""
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\ncase "$*" in *{broken}*) exit 2;; esac\n')
    make.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "run")], env=environment, capture_output=True, text=True, check=False
    )
    stages = [line for line in done.stdout.splitlines() if ", budget " in line]
    assert done.returncode == code and done.stdout.rstrip().endswith(last)
    assert len(stages) == (2 if code else 4) and "(over)" not in done.stdout


def test_durations_are_summed_by_file_and_by_fixture():
    seconds = summed(["file\ta.py\t1.5\n", "fixture\ta.py::made\t1.0\n", "file\tb.py\t4\n", "file\ta.py\t0.5\n"])
    assert seconds["file"] == {"a.py": 2.0, "b.py": 4.0} and seconds["fixture"] == {"a.py::made": 1.0}
    assert list(table(seconds["file"], 1)) == ["     4.0 s   67 %  b.py"]
