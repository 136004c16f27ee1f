"""packaging/release.py: one version everywhere, and the commands that a release is tried with."""

from __future__ import annotations

import runpy
import shutil

import pytest

import isamap
from tests.test_packaging import ROOT

release = runpy.run_path(str(ROOT / "packaging/release.py"))
FILES = sorted({name for name, _ in release["PLACES"]})


@pytest.fixture
def copy(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_file_states_the_version_of_the_package():
    assert set(release["versions"]()) == {isamap.version()}


def test_a_new_version_is_written_everywhere_and_nothing_else_changes(copy):
    before = {name: (copy / name).read_text() for name in FILES}
    release["set_version"]("1.20.3rc1", copy)
    assert set(release["versions"](copy)) == {"1.20.3rc1"}
    release["set_version"](isamap.version(), copy)
    assert {name: (copy / name).read_text() for name in FILES} == before


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3-dev", ""])
def test_what_is_no_version_is_refused(copy, version):
    with pytest.raises(ValueError, match=r"expected MAJOR.MINOR.PATCH"):
        release["set_version"](version, copy)
    assert set(release["versions"](copy)) == {isamap.version()}


def test_a_file_without_a_version_is_named(copy):
    (copy / "CITATION.cff").write_text("cff-version: 1.2.0\n")
    with pytest.raises(ValueError, match=r"CITATION.cff: no version"):
        release["set_version"]("1.2.3", copy)


def test_the_release_runs_commands_of_both_readmes():
    assert any(line.startswith("isamap publish") for line in release["blocks"]("README.md", "bash")[0].splitlines())
    assert "local_ee(catalog=" in release["blocks"]("local_ee/README.md", "python")[0]
