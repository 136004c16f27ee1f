"""Arguments of the wrong type, numbers beyond a double's range, and what they give."""

from __future__ import annotations

import math

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value
from tests.support.nodes import call, constant, evaluated

pytestmark = pytest.mark.usefixtures("session")


DAY = call("DateRange", start=constant(0), end=constant(86_400_000))


def test_a_date_is_the_range_of_its_millisecond():
    assert evaluated(call("DateRange.contains", dateRange=constant(1000), other=constant(1000))) is True
    assert evaluated(call("DateRange.contains", dateRange=constant(1000), other=constant(1001))) is False


def test_a_text_is_the_range_of_its_date():
    assert evaluated(call("DateRange.intersects", dateRange=DAY, other=constant("1970-01-01T12:00:00"))) is True


@pytest.mark.parametrize(
    ("node", "wanted", "actual"),
    [
        (call("DateRange.start", dateRange=constant([])), "DateRange", "List<Object>"),
        (call("Image.reduce", image=constant(1), reducer=constant("x")), "Reducer", "String"),
        (call("Image.convolve", image=constant(1), kernel=constant(3)), "Kernel", "Integer"),
        (call("Filter.not", filter=constant(1)), "Filter", "Integer"),
        (call("Collection.filter", collection=constant([1]), filter=constant(2.5)), "Filter", "Float"),
        (call("List.map", list=constant([1]), baseAlgorithm=constant(1)), "Algorithm", "Integer"),
        (call("Reducer.percentile", percentiles=constant(["a"])), "Number", "String"),
        (call("Filter.and", filters=constant([1])), "Filter", "Integer"),
        (call("List.repeat", value=constant(1), count=constant(math.inf)), "Integer", "Float"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_its_types(node, wanted, actual):
    with pytest.raises(EngineError) as error:
        evaluated(node)
    assert f"Expected type: {wanted}" in str(error.value) and f"Actual type: {actual}." in str(error.value)


def test_a_collection_of_nothing_is_refused():
    with pytest.raises(EngineError, match="Invalid type"):
        evaluated(call("Collection", features=constant([None])))


def test_a_feature_without_a_geometry_has_no_area():
    with pytest.raises(EngineError, match="The feature has no geometry"):
        info(ee.Feature(None).area())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (lambda: ee.Number(1000).cosh(), math.inf),
        (lambda: ee.Number(-1000).sinh(), -math.inf),
        (lambda: ee.Number(1000).exp(), math.inf),
        (lambda: ee.Number(10).pow(1e9), math.inf),
        (lambda: ee.Number(-10).pow(1001), -math.inf),
        (lambda: ee.Number(0).pow(-1), math.inf),
        (lambda: ee.Number(2**62).multiply(4), 2.0**64),
        (lambda: ee.Number(1e308).multiply(-10), -math.inf),
        (lambda: ee.Number(1e400).floor(), math.inf),
    ],
)
def test_a_number_beyond_the_range_is_infinite(number, expected):
    assert value(number()) == expected


def test_a_root_of_a_negative_number_is_not_a_number():
    assert math.isnan(value(ee.Number(-8).pow(0.5)))


def test_a_shift_stays_within_64_bits():
    """As Java's long: the distance counts modulo 64."""
    assert value(ee.Number(1).leftShift(65)) == 2
    assert value(ee.Number(1).leftShift(63)) == -(2**63)
    assert value(ee.Number(1).leftShift(10**12)) == 1 << (10**12 % 64)
