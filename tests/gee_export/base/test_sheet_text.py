"""Tables as spreadsheets of other languages save them, and coordinates that were exchanged."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.base import exchanged, sheet_text

PLAIN = "PLOTID,LON,class\n1,114.25,pervious\n2,-0.5,impervious\n"
ROWS = [["PLOTID", "LON", "class"], ["1", "114.25", "pervious"], ["2", "-0.5", "impervious"]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_are_those_between_the_headers_separators(separator, end):
    assert sheet_text.rows_of(PLAIN.replace(",", separator).replace("\n", end)) == ROWS


def test_a_first_line_may_name_the_separator():
    assert sheet_text.rows_of("sep=|\n" + PLAIN.replace(",", "|")) == ROWS


def test_commas_in_cells_do_not_separate_where_semicolons_do():
    assert sheet_text.rows_of("a;b\n1,5;x, y, z\n") == [["a", "b"], ["1,5", "x, y, z"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_text_of_spreadsheets_is_read(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(PLAIN.replace(",", "\t").encode(encoding))
    assert sheet_text.columns(path, "answers")["class"] == ["pervious", "impervious"]


def test_two_columns_of_one_name_are_refused(tmp_path):
    """Else the last one's answers would count, and nobody would know."""
    path = tmp_path / "a.csv"
    path.write_text("PLOTID,class,class\n1,pervious,impervious\n")
    with pytest.raises(ValueError, match="have two columns class: rename the one that is not meant"):
        sheet_text.columns(path, "answers")


def test_columns_without_a_name_may_be_several(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("PLOTID,class,,\n1,pervious,,\n")
    assert sheet_text.columns(path, "answers")["class"] == ["pervious"]


@pytest.mark.parametrize(("text", "value"), [("114,25", 114.25), ("114.25", 114.25), ("-0,5", -0.5), (" 12,0 ", 12)])
def test_the_decimal_mark_is_a_point_or_a_comma(text, value):
    assert sheet_text.number(text) == value


@pytest.mark.parametrize("text", ["1.234,5", "1,234,567", "east", ""])
def test_what_may_be_two_numbers_is_none(text):
    with pytest.raises(ValueError, match="could not convert"):
        sheet_text.number(text)


def test_decimal_commas_between_commas_are_named_with_the_remedy():
    with pytest.raises(ValueError, match="4 cells under a header of 3, separated by commas: give decimals a point"):
        sheet_text.rows_of("PLOTID,LON,class\n1,114,25,pervious\n")


def _europe(lon, lat):
    return (lon > 5) & (lon < 20) & (lat > 40) & (lat < 55)


@pytest.mark.parametrize(
    ("lon", "lat", "is_exchanged"),
    [
        ([46, 47], [14, 15], True),
        ([14, 15], [46, 47], False),
        ([100, 101], [20, 21], False),
        ([46, 14], [14, 46], False),
    ],
)
def test_points_that_lie_there_only_when_exchanged_are_known(lon, lat, is_exchanged):
    assert exchanged.look_exchanged(np.array(lon), np.array(lat), _europe) is is_exchanged
