"""benchmarks/code_figures.py: the figures of a tree of 24 lines, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.code_figures import Tree, figures, main, p95

LEAF = '''"""Doc."""
from pkg import ring


def public(x: int, *rest, flag=False) -> int:
    """Says."""
    # why
    found = [i for i in range(x) if i]
    if x and flag:
        return 1
    return 2
'''
RING = """from .leaf import public


class Box:
    def method(self, y):
        for one in y:
            pass

    def _hidden(self):
        def inner():
            if public:
                pass
"""
OUTSIDE = "import pkg.leaf  # imports the circle and is none of it\n"
COUNTED = {
    "files / lines": "4 / 24",
    "file lines, median / p95 / max": "6 / 12 / 12",
    "files > 300 lines": "0 (0.0 %)",
    "function lines, median / p95 / max": "4 / 7 / 7",
    "functions > 40 lines": "0 (0.0 %)",
    "cyclomatic, mean / p95 / max": "2.5 / 5 / 5",
    "parameters, p95 / max": "3 / 3",
    "public functions with docstring": "50 %",
    "docstring / comment lines": "8.3 / 4.2 %",
    "typed arguments / returns": "25 / 25 %",
    "module cycles (sizes)": "2",
    "test / code lines": "0.25",
    "generic stored names": "66.67 %",
}


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "tiny"
    (root / "pkg").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "pkg" / "__init__.py").write_text("")
    (root / "pkg" / "leaf.py").write_text(LEAF)
    (root / "pkg" / "ring.py").write_text(RING)
    (root / "pkg" / "outside.py").write_text(OUTSIDE)
    (root / "tests" / "test_leaf.py").write_text("import pkg.leaf\n" * 6)
    return root


@pytest.mark.parametrize("title", COUNTED)
def test_a_figure_is_that_counted_by_hand(tree, title):
    assert figures(Tree.read(tree))[title] == COUNTED[title]


def test_no_figure_goes_unchecked(tree):
    assert figures(Tree.read(tree)).keys() == COUNTED.keys()


def test_absolute_imports_are_followed_from_a_package_inside_the_tree(tree):
    assert Tree.read(tree / "pkg").cycles() == [2]


def test_a_function_of_41_lines_is_long(tree):
    (tree / "pkg" / "long.py").write_text("def long():\n" + "    pass\n" * 40)
    assert figures(Tree.read(tree))["functions > 40 lines"] == "1 (20.0 %)"


def test_examples_and_hidden_folders_are_left_out(tree):
    for name in ("examples", ".venv"):
        (tree / name).mkdir()
        (tree / name / "module.py").write_text("kind = 1\n")
    assert figures(Tree.read(tree))["files / lines"] == COUNTED["files / lines"]


def test_p95_is_the_nearest_rank():
    assert p95(range(100, 0, -1)) == 95


def test_peers_stand_beside_the_tree(tree, capsys):
    main([str(tree), "--peers", str(tree / "pkg")])
    assert capsys.readouterr().out.startswith("| | tiny | pkg |\n|---|---|---|\n| files / lines | 4 / 24 | 4 / 24 |\n")


def test_a_folder_without_source_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path)])
    assert end.value.code == 2 and "holds no Python file" in capsys.readouterr().err
