"""What comments of Google's samples are read as (benchmarks/printed_values.py); the texts are those of its pages."""

from __future__ import annotations

import math

import pytest

from benchmarks.printed_values import Length, printed_text, printed_value


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["[1, 1/√2]"], [1, 1 / math.sqrt(2)]),
        (["[Almost zero]"], [0]),
        (["[~ -74.20]"], [-74.2]),
        (["1*3 + 2*4 = 11"], 11),
        (["1.570796326 (π/2)"], 1.570796326),
        (['The string "List"'], "List"),
        (["Result: [0, 2]"], [0, 2]),
        (["Empty [[], []]"], [[], []]),
        (["[pow(math.e, -1), 1, math.e, 7.389]"], [1 / math.e, 1, math.e, 7.389]),
        (["[[0, 3],", " [1, 4]", " [2, 5]]"], [[0, 3], [1, 4], [2, 5]]),
        (["[[[0, 1], [2, 3]]", "[[4, 5], [6, 7]]]"], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
        (["[[4, 5, 6, 7]"], [[4, 5, 6, 7]]),
        (["Output weights matrix", "[1,  1, -1]", "[1, -2, -1]"], [[1, 1, -1], [1, -2, -1]]),
        (["999 elements"], Length(999)),
        (['Array of 3 "1" values'], [1, 1, 1]),
        (["unit: meters value: 1"], {"unit": "meters", "value": 1}),
        (["https://epsg.io/3857"], {"type": "Projection", "crs": "EPSG:3857"}),
        (["Date (1970-01-01 00:00:01)"], {"type": "Date", "value": 1000}),
        (
            ["double ∈ [1, 3], 2 dimensions"],
            {"type": "PixelType", "precision": "double", "dimensions": 2, "limits": [1, 3]},
        ),
        (["Image (1 band)"], {"type": "Image", "bands": Length(1)}),
    ],
)
def test_a_comment_is_read_as_its_value(lines, value):
    assert printed_value(lines).value == value


@pytest.mark.parametrize(
    "lines",
    [
        ["Print the result."],
        ["Number inputs as milliseconds"],
        ["[3, 3]", "A [3, 2]     B [100, 100]", "[3, 3]"],  # two matrices side by side
    ],
)
def test_prose_is_no_value(lines):
    assert printed_value(lines) is None


def test_an_image_is_described_by_its_bands():
    lines = ["Image (1 band)", "type: Image", '0: "constant", unsigned int8, 1 dimension, EPSG:4326']
    band = {"id": "constant", "crs": "EPSG:4326", "data_type": {"type": "PixelType", "precision": "int"}}
    band["data_type"] |= {"min": 0, "max": 255, "dimensions": 1}
    assert printed_value(lines).equals({"type": "Image", "bands": [band]})


@pytest.mark.parametrize(
    ("line", "answer", "same"),
    [
        ("3.141592653 (π)", math.pi, True),
        ("3.141592653 (π)", math.pi + 1e-4, False),
        ("[0.53, 0.85]", [0.5257, 0.8507], True),
        ("[0.53, 0.85]", [0.5257, -0.8507], False),
        ("[16]", 16, True),
        ("double", {"type": "PixelType", "precision": "double", "max": 2.3}, True),
        ("double", {"type": "PixelType", "precision": "double", "min": 1, "max": 2.3}, False),
        ("999 elements", [0] * 998, False),
        ("1.235 (rounds up)", "1.235", True),
        ("1.235 (rounds up)", "1.236", False),
        ("[~ -1]", [-0.99990922], True),
        ("[~ -1]", [-0.98], False),
    ],
)
def test_an_answer_is_as_printed_in_the_digits_that_are_printed(line, answer, same):
    assert printed_value([line]).equals(answer) is same


def test_words_are_a_text_without_quotation_marks():
    assert printed_text("Coordinated Universal Time").equals("Coordinated Universal Time")


def test_words_beside_a_feature_state_no_answer():
    assert not printed_text("Empty feature").states({"type": "Feature"})
