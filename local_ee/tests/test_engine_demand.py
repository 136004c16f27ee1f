"""local_ee/benchmarks/engine_demand.py: calls of missing algorithms in scripts."""

from __future__ import annotations

import subprocess

from benchmarks import engine_demand


def test_scripts_are_counted_once_for_each_algorithm():
    texts = ["a.reduceToVectors(1).reduceToVectors(2)", "x.reduceToVectorsNot(1)", "b = i.reduceToVectors()"]
    assert engine_demand.demand(texts, ["Image.reduceToVectors"]) == {"Image.reduceToVectors": 2}


def test_algorithms_that_are_no_methods_are_called_by_their_whole_name():
    texts = ["ee.Algorithms.Landsat.TOA(i)", "this.TOA(i)"]
    assert engine_demand.demand(texts, ["Landsat.TOA"]) == {"Landsat.TOA": 1}


def test_scripts_come_out_of_the_newest_commit(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "a.py").write_text("ee.Image(1).x()")
    (tmp_path / "a.txt").write_text("no script")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    (tmp_path / "b.py").write_text("not committed")
    assert list(engine_demand.scripts(str(tmp_path))) == ["ee.Image(1).x()"]


def test_what_the_engine_has_is_not_missing():
    names = engine_demand.missing()
    assert "Image.hersImage" in names and "Image.reduceToVectors" not in names
