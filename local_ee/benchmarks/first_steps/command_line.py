"""First steps of the `earthengine` command line (docs: guides/command_line), in the process that the plugin led here.

Collected by local_ee/benchmarks/foreign_suites.py. Each step makes what it needs.
"""

from __future__ import annotations

import sys
from typing import Any

import ee
import pytest
from ee.cli import eecli

ROOT = "projects/local/assets"


@pytest.fixture
def earthengine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command; what it prints."""

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["earthengine", "--project", "local", *words])
        eecli._run_command()
        return capsys.readouterr().out

    return run


@pytest.fixture
def folder(earthengine: Any, request: pytest.FixtureRequest) -> str:
    """A folder of the test's own."""
    name = f"{ROOT}/{request.node.name}"
    earthengine("create", "folder", name)
    return name


def test_create_and_list(earthengine: Any, folder: str) -> None:
    assert folder in earthengine("ls", ROOT)


def test_create_a_collection(earthengine: Any, folder: str) -> None:
    earthengine("create", "collection", f"{folder}/images")
    assert ee.data.getAsset(f"{folder}/images")["type"] == "IMAGE_COLLECTION"


def test_asset_info(earthengine: Any, folder: str) -> None:
    assert folder in earthengine("asset", "info", folder)


def test_set_a_property(earthengine: Any, folder: str) -> None:
    earthengine("asset", "set", "-p", "season=summer", folder)
    assert ee.data.getAsset(folder)["properties"] == {"season": "summer"}


def test_copy_move_and_remove(earthengine: Any, folder: str) -> None:
    earthengine("create", "collection", f"{folder}/a")
    earthengine("cp", f"{folder}/a", f"{folder}/b")
    earthengine("mv", f"{folder}/b", f"{folder}/c")
    earthengine("rm", f"{folder}/a")
    assert earthengine("ls", folder).split() == [f"{folder}/c"]


def test_who_may_read(earthengine: Any, folder: str) -> None:
    earthengine("acl", "ch", "-u", "allUsers:R", folder)
    assert "all_users_can_read" in earthengine("acl", "get", folder)


def test_sizes(earthengine: Any, folder: str) -> None:
    assert folder in earthengine("du", folder)


def test_tasks(earthengine: Any) -> None:
    assert "Traceback" not in earthengine("task", "list")


def test_a_public_image(earthengine: Any) -> None:
    assert "USGS/SRTMGL1_003" in earthengine("asset", "info", "USGS/SRTMGL1_003")
