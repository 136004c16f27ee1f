"""What an example of Google's catalog asks of its asset: days, values, and dates and steps that fit them."""

from __future__ import annotations

import pytest

from benchmarks import catalog_facts, example_facts
from tests.test_catalog_facts import entry

SCRIPT = """
// ee.Filter.eq('old', 1) is no line of the script
var SITE = 'SOAP';
var dataset = ee.ImageCollection('A/B')
    .filter(ee.Filter.date('2025-03-01', '2025-06-01'))
    .filter('hour == 12').filter("season == 'maize'")
    .filterMetadata('site', 'equals', SITE);
var other = dataset.filter(ee.Filter.eq('season', 'cereals'));
"""


def test_values_are_those_that_a_script_filters_by():
    values = example_facts.values_of(example_facts.plain(SCRIPT), [])
    assert values == {"season": ["'cereals", "'maize"], "site": ["'SOAP"], "hour": ["12"]}


def test_filters_of_another_asset_are_left_out():
    script = SCRIPT + "var states = ee.FeatureCollection('C/D').filter(ee.Filter.eq('name', 'Ohio'));"
    assert set(example_facts.values_of(script, ["season"])) == {"season"}


def test_the_keys_of_a_dictionary_are_values_of_what_is_looked_up_in_it():
    script = "var fuels = ee.Dictionary({\n  'Coal': '000',\n  'Gas': 'fff'\n});\nf = fuels.get(plant.get('fuel1'));"
    assert example_facts.values_of(script, ["fuel1"]) == {"fuel1": ["'Coal", "'Gas"]}


def test_a_text_that_is_parsed_is_a_number():
    assert "'1" in example_facts.values_of("ee.Number.parse(f.get('status'))", ["status"])["status"]


def dated(script: str, start: str, end: str | None, interval: dict | None) -> list[str]:
    document = entry() | {"gee:interval": interval}
    document["extent"]["temporal"]["interval"] = [[start, end]]
    return catalog_facts.fields_of(document, (), script)[4:7]


DAY = {"type": "cadence", "interval": 1, "unit": "day"}
YEAR = {"type": "cadence", "interval": 1, "unit": "year"}


@pytest.mark.parametrize(
    ("period", "start", "end", "interval", "fields"),
    [
        (("2025-03-01", "2025-06-01"), "2020-01-01", None, DAY, ["2020-01-01", "2025-06-01+", "1 day"]),
        (("2018-03-01", "2018-06-01"), "2010-01-01", "2013-12-31", DAY, ["2010-01-01", "2018-06-01", "1 day"]),
        (("2001-01-01", "2001-02-01"), "2002-02-01", "2013-12-31", DAY, ["2001-01-01", "2013-12-31", "1 day"]),
        (("2016-08-01", "2016-08-30"), "2010-01-01", None, None, ["2010-01-01", "", "1 month"]),
        (("2016-08-02", "2016-08-09"), "2010-01-01", None, None, ["2010-01-01", "", "1 day"]),
        (("2014-01-01", "2014-05-01"), "2002-07-04", None, YEAR, ["2002-01-01", "", "1 year"]),
        (("2012-01-01", "2012-02-01"), "2010-01-01", None, DAY, ["2010-01-01", "", "1 day"]),
    ],
)
def test_a_collection_has_images_in_the_period_of_its_example(period, start, end, interval, fields):
    script = "dataset.filterDate('{}', '{}')".format(*period)
    assert dated(script, start, end, interval) == fields


def test_a_number_that_a_script_parses_stays_one():
    schema = [{"name": "pop10", "type": "DOUBLE"}, {"name": "status", "type": "STRING"}]
    script = "ee.Number.parse(f.get('pop10')); ee.Number.parse(f.get('status'))"
    fields = catalog_facts.fields_of(entry(**{"gee:schema": schema}), (), script)
    assert fields[-1] == "status='1,'2,'3,'4"


def test_the_numbers_of_a_tables_rows_are_not_all_one():
    schema = [{"name": "season", "type": "INT"}]
    table = entry(**{"gee:schema": schema}) | {"gee:type": "table"}
    assert catalog_facts.fields_of(table, (), "t.filter(ee.Filter.eq('season', 2020))")[-1] == ""
