"""docs/scale-out.md: its files are read by what reads them, and start the part that is due."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from isamap.gee_export.base.option_files import decode
from isamap.gee_export.base.options import from_options
from isamap.gee_export.requests.quota import DEFAULT_WORKERS
from isamap.inference.tiles.executors import HOPELESS
from isamap.inference.tiles.jobs import RunRequest, Workers, default_step
from isamap.inference.tiles.product import LARGEST_PX

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scale-out.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())  # wherever its lines break


def block(name: str) -> str:
    """The code block whose opening line ends with a word."""
    (text,) = re.findall(rf"^```{name}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return text


@pytest.fixture
def started(tmp_path, monkeypatch):
    """What a script calls isamap with; a script of that name notes its words."""
    program = tmp_path / "isamap"
    program.write_text('#!/bin/bash\necho "$@" >> "$(dirname "$0")/calls"\n')
    program.chmod(0o755)

    def run(script: str, **variables: str) -> str:
        environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"} | variables
        subprocess.run(["/bin/bash", "-c", script], env=environment, cwd=tmp_path, check=True, timeout=60)
        return (tmp_path / "calls").read_text().strip()

    return run


def test_the_file_of_jobs_makes_four_maps():
    request = from_options(RunRequest, decode(RunRequest, block("toml jobs"), "jobs.toml"))
    names = [job.name for job in request.jobs()]
    assert names == ["wuhan_201901p12", "wuhan_202101p12", "nanjing_201901p12", "nanjing_202101p12"]


def test_the_line_of_the_sieve_goes_into_that_file():
    request = from_options(RunRequest, decode(RunRequest, block("toml jobs") + block("toml sieve"), "jobs.toml"))
    assert request.computing.sieve == "0.5ha" and request.computing.of_tile.sieve == "none"


def test_a_slurm_task_makes_its_part(started):
    assert started(block("bash slurm"), SLURM_ARRAY_TASK_ID="3", SLURM_ARRAY_TASK_COUNT="8") == (
        "run jobs.toml --part 3/8"
    )


def test_a_cloud_run_task_makes_its_part(started):
    spec = yaml.safe_load(block("yaml cloud-run"))["spec"]["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert spec["taskCount"] == 8 and container["command"] == ["/bin/bash", "-c"]
    (script,) = container["args"]
    assert started(script, CLOUD_RUN_TASK_INDEX="7", CLOUD_RUN_TASK_COUNT="8") == "run jobs.toml --part 8/8"


def test_a_batch_task_makes_its_part(started):
    (group,) = json.loads(block("json batch"))["taskGroups"]
    (runnable,) = group["taskSpec"]["runnables"]
    flag, script = runnable["container"]["commands"]
    assert flag == "-c" and group["taskCount"] == "8"
    assert started(script, BATCH_TASK_INDEX="0", BATCH_TASK_COUNT="8") == "run jobs.toml --part 1/8"


def test_the_cron_line_starts_the_run(started, tmp_path):
    """Five fields, then a command for sh."""
    matched = re.fullmatch(r"([\d*/,-]+ ){5}(.+)\n", block("text cron"))
    command = matched[2].replace("/home/me/maps", str(tmp_path))
    assert "%" not in command  # cron's own sign for a new line
    assert started(command) == "run jobs.toml --quiet"


def test_the_numbers_of_the_page_are_those_of_the_code():
    assert f"isamap takes {DEFAULT_WORKERS} of them" in TEXT
    assert HOPELESS == 10 and "Ten failures one after another end the run" in TEXT
    assert Workers.retries == 3 and "three times more by default" in TEXT
    assert Workers.silence == 10 and "finished for ten minutes" in TEXT
    assert default_step(1) == 2048 and default_step(10) == 256 and "2,048 pixels a side" in TEXT
    assert LARGEST_PX == 4_000_000_000 and "up to 4,000 million pixels" in TEXT
