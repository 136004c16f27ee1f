"""Simulated tables hold the feature that an eq filter names, as scripts written for Google's tables expect."""

from __future__ import annotations

import ee
import pytest

from local_ee.catalog.stack import CatalogStack
from local_ee.testing.evaluating import info

pytestmark = pytest.mark.usefixtures("session")
NAMED = [  # filters of held-out scripts that found nothing
    ("USGS/WBD/2017/HUC08", "name", "Pipestem"),
    ("TIGER/2016/Counties", "NAME", "Santa Clara"),
    ("WCMC/WDPA/current/polygons", "NAME", "Yosemite National Park"),
    ("EPA/Ecoregions/2013/L3", "us_l3name", "Sierra Nevada"),
]


@pytest.mark.parametrize(("table", "name", "value"), NAMED)
def test_a_named_feature_is_there(world, table, name, value):
    only = ee.FeatureCollection(table).filter(ee.Filter.eq(name, value))
    assert info(only.size(), world) == 1
    feature = info(only.first(), world)
    assert (feature["properties"][name], feature["properties"]["simulated"]) == (value, 1)
    assert info(only.geometry().area(), world) > 0


def test_a_chain_of_filters_names_one_feature(world):
    table = ee.FeatureCollection("TIGER/2016/Counties")
    for first, second in ((("STATEFP", "06"), ("NAME", "Santa Clara")), (("NAME", "Santa Clara"), ("STATEFP", "06"))):
        only = table.filter(ee.Filter.eq(*first)).filter(ee.Filter.eq(*second))
        properties = info(only.first(), world)["properties"]
        assert (properties["STATEFP"], properties["NAME"]) == ("06", "Santa Clara")


def test_features_that_are_listed_are_found_as_before(world):
    table = ee.FeatureCollection("TIGER/2016/Counties")
    listed = info(table.first(), world)["properties"]
    same = table.filter(ee.Filter.eq("GEOID", listed["GEOID"]))
    assert info(same.first(), world)["properties"]["NAME"] == listed["NAME"]


@pytest.mark.parametrize(("name", "value"), [("NAME", 7), ("no such property", "x"), ("ALAND", "wide")])
def test_what_no_page_lists_names_nothing(world, name, value):
    only = ee.FeatureCollection("TIGER/2016/Counties").filter(ee.Filter.eq(name, value))
    assert info(only.size(), world) == 0


def test_a_stack_of_catalogs_invents_what_one_of_them_does(world):
    stack = CatalogStack([world])
    wanted = {"NAME": "Santa Clara"}
    named = stack.named_feature("TIGER/2016/Counties", wanted)
    assert named is not None and named.properties["NAME"] == "Santa Clara"
    assert stack.named_feature("no/such/table", wanted) is None
