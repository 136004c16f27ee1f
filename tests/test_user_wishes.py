"""Every wish of docs/reference/wishes.md is held by a test that names it; the page lists those tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.counts import WISHES, wish_tests

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "reference" / "wishes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("wish", WISHES)
def test_a_test_names_the_wish(wish):
    assert wish_tests().get(wish), f"no test names wish {wish} of docs/reference/wishes.md"


def test_the_page_holds_these_wishes():
    assert [int(index) for index in re.findall(r"^## Wish (\d+): ", PAGE, flags=re.MULTILINE)] == list(WISHES)


def test_a_docstring_may_name_several_wishes(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(
        '"""See docs/reference/wishes.md, "Wish 3", "Wish 12"\nand "Wish 20": all."""\n\n\n'
        'def test_a():\n    """docs/reference/wishes.md, "Wish 7". Not "Wish 8"."""\n'
    )
    assert set(wish_tests(tmp_path)) == {3, 7, 12, 20}
