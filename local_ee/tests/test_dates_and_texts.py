"""Dates and texts as Google's API-doc samples print them (github google/earthengine-community, samples/python/apidocs:
ee_date.py, ee_date_format.py, ee_date_parse.py, ee_string_split.py, ee_string_replace.py, ee_errormargin.py).
"""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value

pytestmark = pytest.mark.usefixtures("session")

MOMENT = "1975-07-23T21:13:59"
FORMATS = {
    "YYYY GG": "1975 AD",
    "CC YY": "19 75",
    "xxxx ww": "1975 30",
    "yy DDD": "75 204",
    "MM dd": "07 23",
    "MMM MMMM": "Jul July",
    "e E": "3 Wed",
    "e EEEEEEEE": "3 Wednesday",
    "a K h": "PM 9 9",
    "a KK hh": "PM 09 09",
    "H k m s S": "21 21 13 59 0",
    "HH kk mm ss SS": "21 21 13 59 00",
    "z": "UTC",
    "zzzz": "Coordinated Universal Time",
    "Z": "+0000",
    "ZZ": "+00:00",
    "ZZZ": "UTC",
    "YY 'yada' MM": "75 yada 07",
    "YY ''MM'' dd": "75 '07' 23",
}


@pytest.mark.parametrize("pattern", FORMATS)
def test_formats(pattern):
    assert info(ee.Date(MOMENT).format(pattern)) == FORMATS[pattern]


ZONED = {
    "z": "PDT",
    "zzzz": "Pacific Daylight Time",
    "Z": "-0700",
    "ZZ": "-07:00",
    "ZZZ": "PST8PDT",
}


@pytest.mark.parametrize("pattern", ZONED)
def test_formats_in_a_time_zone(pattern):
    assert info(ee.Date(MOMENT).format(pattern, "PST8PDT")) == ZONED[pattern]


def test_midnight_and_noon_by_half_days():
    shown = [info(ee.Date(f"2020-01-01T{hour}:05:00").format("a K h k")) for hour in ("00", "12")]
    assert shown == ["AM 0 12 24", "PM 0 12 12"]


def test_an_unknown_letter_is_refused():
    with pytest.raises(EngineError, match="Illegal pattern component: b"):
        value(ee.Date(MOMENT).format("b"))


LOOSE = {
    "2020": "2020-01-01T00:00:00",
    "2017-6": "2017-06-01T00:00:00",
    "2017-6-24": "2017-06-24T00:00:00",
    "2017-6-24T00:14:46": "2017-06-24T00:14:46",
    "2020-9-2T16:43:1": "2020-09-02T16:43:01",
    "2017-06-24 05:06": "2017-06-24T05:06:00",
    "2017-06-24T05:06:07.250+02:00": "2017-06-24T03:06:07",
}


@pytest.mark.parametrize("text", LOOSE)
def test_loose_dates(text):
    assert info(ee.Date(text).format()) == LOOSE[text]


def test_a_date_in_a_time_zone():
    assert info(ee.Date("2020", "US/Mountain").format()) == "2020-01-01T07:00:00"


@pytest.mark.parametrize("text", ["2017-13-01", "2017-02-30", "june", "2017-06-24T25:00"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(EngineError, match="Invalid format"):
        value(ee.Date(text))


PARSED = {
    ("YYYY-MM-dd", "2019-06-07"): "2019-06-07T00:00:00",
    ("d MMM YYYY", "7 Jun 2019"): "2019-06-07T00:00:00",
    ("MMMM d, yyyy", "June 7, 2019"): "2019-06-07T00:00:00",
    ("YYYY DDD", "2019 158"): "2019-06-07T00:00:00",
    ("xxxx-'W'ww-e", "2019-W23-5"): "2019-06-07T00:00:00",
    ("M/d/yyyy h:mm a", "6/7/2019 1:05 PM"): "2019-06-07T13:05:00",
    ("yyyy-MM-dd'T'HH:mm:ssZ", "2019-06-07T13:05:00+0200"): "2019-06-07T11:05:00",
}


@pytest.mark.parametrize("pattern, text", PARSED)
def test_parsed_dates(pattern, text):
    assert info(ee.Date.parse(pattern, text).format()) == PARSED[pattern, text]


def test_parsing_is_formatting_backwards():
    pattern = "yyyy/MM/dd HH:mm:ss.SSS"
    text = info(ee.Date(1_234_567_890_123).format(pattern))
    assert info(ee.Date.parse(pattern, text).millis()) == 1_234_567_890_123


SPLITS = {
    ("aBAbcD", "Ab", ""): ["aB", "cD"],
    ("aBAbcD", "ab", "i"): ["", "", "cD"],
    ("aBAbcD", "[bc]", "i"): ["a", "A", "", "D"],
    ("aBAbcD", "(BA|c)", ""): ["a", "b", "D"],
    ("a,b,cdee f,g", "[[:space:]]", ""): ["a,b,cdee", "f,g"],
    ("a,b,cdee f,g", "[a-z]", ""): ["", ",", ",", "", "", "", " ", ","],
    ("a,b,cdee f,g", "[^a-z]", ""): ["a", "b", "cdee", "f", "g"],
    ("a.b*c?d", r"\.", ""): ["a", "b*c?d"],
    ("nothing", ",", ""): ["nothing"],
}


@pytest.mark.parametrize("text, pattern, flags", SPLITS)
def test_splits(text, pattern, flags):
    assert info(ee.String(text).split(pattern, flags)) == SPLITS[text, pattern, flags]


REPLACEMENTS = {
    ("abc", "b", "<$0>", ""): "a<b>c",
    ("john smith", r"(\w+) (\w+)", "$2 $1", ""): "smith john",
    ("abc-abc", "abc", "X", "g"): "X-X",
    ("aBc-Abc", "abc", "Z", "i"): "Z-Abc",
    ("abc", "b", r"\$1", ""): "a$1c",
    ("abc", "b", r"\\", ""): "a\\c",
    ("abc", "b", "1", ""): "a1c",
}


@pytest.mark.parametrize("text, pattern, replacement, flags", REPLACEMENTS)
def test_replacements(text, pattern, replacement, flags):
    assert info(ee.String(text).replace(pattern, replacement, flags)) == REPLACEMENTS[text, pattern, replacement, flags]


MARGINS = {
    (0,): {"unit": "meters", "value": 0},
    (-1,): {"unit": "meters", "value": 1},
    (1e7,): {"unit": "meters", "value": 1e7},
    (1e8,): {"unit": "infinite"},
    (1, "projected"): {"unit": "projected", "value": 1},
    (1, "infinite"): {"unit": "infinite"},
}


@pytest.mark.parametrize("arguments", MARGINS)
def test_error_margins(arguments):
    assert info(ee.ErrorMargin(*arguments)) == {"type": "ErrorMargin"} | MARGINS[arguments]


def test_the_type_of_a_constant_that_is_not_whole():
    assert info(ee.Image(1.5))["bands"][0]["data_type"] == {
        "type": "PixelType",
        "precision": "double",
        "min": 1.5,
        "max": 1.5,
    }


KERNELS = {
    "kirsch": [[5, -3, -3], [5, 0, -3], [5, -3, -3]],
    "prewitt": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
    "compass": [[1, 1, -1], [1, -2, -1], [1, 1, -1]],
}


@pytest.mark.parametrize("name", KERNELS)
def test_edge_kernels(name):
    """apidocs ee-kernel-kirsch, ee-kernel-prewitt, ee-kernel-compass: "Output weights matrix"."""
    assert info(getattr(ee.Kernel, name)())["weights"] == KERNELS[name]


def test_a_range_of_a_range_is_itself():
    """geetools' test_split casts a range out of a list: ee.DateRange(list.get(-1)).end()."""
    inner = ee.List([ee.DateRange("2020-01-30", "2020-01-31")]).get(0)
    assert info(ee.DateRange(inner).end().format("YYYY-MM-dd")) == "2020-01-31"
