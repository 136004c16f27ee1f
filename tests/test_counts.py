"""What the pages state of the code is what the code says: `make counts` writes it."""

from __future__ import annotations

import re

import pytest

from benchmarks import counts


@pytest.mark.parametrize("page", counts.PAGES, ids=lambda page: page.relative_to(counts.ROOT).as_posix())
def test_the_page_is_current(page):
    """Where this fails: `make counts`."""
    assert not counts.stale((page,))


@pytest.mark.parametrize("name", counts.COUNTS)
def test_every_count_stands_on_a_page(name):
    assert any(f"<!-- count:{name} -->" in page.read_text("utf-8") for page in counts.PAGES)


def test_no_page_asks_for_a_count_that_there_is_not():
    request = {name for page in counts.PAGES for name in re.findall(r"<!-- count:(\w+) -->", page.read_text("utf-8"))}
    assert not request - set(counts.COUNTS)


def test_a_wrong_number_is_replaced_wherever_it_stands():
    text = "a <!-- count:studies -->3 studies<!-- /count -->, b <!-- count:studies --><!-- /count -->."
    right = counts.COUNTS["studies"]()
    assert counts.current(text).count(f"-->{right}<!--") == 2
    assert counts.current(counts.current(text)) == counts.current(text)


def test_a_mark_that_is_not_closed_is_refused():
    with pytest.raises(ValueError, match="close it"):
        counts.current("<!-- count:studies -->3 studies")


def test_the_tree_is_of_folders_and_of_what_they_say_of_themselves(tmp_path):
    for folder in ("gee_export", "training", "inference", "reproduction", "inference/tiles", "inference/serve"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text(f'"""What {folder} is.\n\nMore."""\n')
    (tmp_path / "inference" / "serve" / "page").mkdir()  # no package
    assert counts.tree(tmp_path).splitlines() == [
        "gee_export/         What gee_export is.",
        "training/           What training is.",
        "inference/          What inference is.",
        "  serve/            What inference/serve is.",
        "  tiles/            What inference/tiles is.",
        "reproduction/       What reproduction is.",
    ]
