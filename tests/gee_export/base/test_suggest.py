"""The nearest of the words that exist."""

from __future__ import annotations

from isamap.gee_export.base.suggest import nearest, suggest

WORDS = ("worldcover", "dynamicworld", "gaia", "glc_fcs30d")


def test_a_slip_gets_the_word():
    assert suggest("worldcovr", WORDS) == "did you mean worldcover?"


def test_case_hyphens_and_spaces_do_not_count():
    assert nearest("World Cover", WORDS) == ["worldcover"] and nearest("GLC-FCS30D", WORDS) == ["glc_fcs30d"]


def test_several_come_nearest_first():
    assert nearest("worldcover", ("worldcove", "worldcover", "words"), most=2) == ["worldcover", "worldcove"]


def test_where_nothing_is_near_nothing_is_said():
    assert suggest("qqqq", WORDS) == ""
