"""What several reports share is printed once, and nothing of it gets lost."""

from __future__ import annotations

import pytest

from isamap.reproduction import shared
from isamap.reproduction.report import LEGEND


def section(name: str, *remarks: str) -> str:
    listed = "".join(f"- {remark}\n" for remark in remarks)
    legend = f"{LEGEND[0]} Blocks: 5. {LEGEND[-1]}"
    return f"## {name}: Title\n\nPaper. Preset `cpu`.\n\n| a |\n\n{legend}\n\n{listed}\n![{name}](img/{name}.jpg)\n\n"


SECTIONS = {
    "one": section("one", "of all", "of two", "Alone: one"),
    "two": section("two", "of all", "of two"),
    "three": section("three", "of all", "alone, three"),
}


def remarks(text: str) -> list[str]:
    return sorted(line for line in text.splitlines() if line.startswith("- "))


def test_a_remark_of_several_sections_is_printed_once_with_their_names():
    listed, sections = shared.once(SECTIONS)
    assert "- all studies: of all\n- one, two: of two\n" in listed
    assert [remarks(text) for text in sections.values()] == [["- Alone: one"], [], ["- alone, three"]]


def test_the_legend_is_printed_once():
    listed, sections = shared.once(SECTIONS)
    assert all(sentence in listed for sentence in LEGEND)
    assert not [sentence for sentence in LEGEND for text in sections.values() if sentence in text]
    assert all("\n\nBlocks: 5.\n\n" in text for text in sections.values())


def test_sections_get_their_remarks_back():
    listed, sections = shared.once(SECTIONS)
    again = shared.restored(listed, sections)
    assert {name: remarks(text) for name, text in again.items()} == {n: remarks(t) for n, t in SECTIONS.items()}


def test_a_section_written_by_itself_keeps_the_others_whole():
    """The second study is run again and no longer shares a remark: the first one says it for itself."""
    listed, sections = shared.once(SECTIONS)
    changed = shared.restored(listed, sections) | {"two": section("two", "of all")}
    _, after = shared.once(changed)
    assert remarks(after["one"]) == ["- Alone: one", "- of two"]


@pytest.mark.parametrize("rounds", [1, 3])
def test_writing_again_changes_nothing(rounds):
    listed, sections = shared.once(SECTIONS)
    for _ in range(rounds):
        listed_again, sections_again = shared.once(shared.restored(listed, sections))
        assert (sorted(listed_again.splitlines()), sections_again) == (sorted(listed.splitlines()), sections)
