"""Expressions of a wrong form and arguments of a wrong type are refused in words, never by an internal error."""

from __future__ import annotations

import json

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.evaluation import graph
from local_ee.testing.evaluating import CLIENT
from local_ee.wire import Reply

pytestmark = CLIENT
CALL = {"functionName": "Number.add", "arguments": {}}


@pytest.mark.parametrize(
    "expression",
    [
        None,
        [],
        {"result": "0"},
        {"result": {"0": 1}, "values": {"0": {"constantValue": 1}}},
        {"result": "0", "values": [{"constantValue": 1}]},
        {"result": "0", "values": {"0": 5}},
        {"result": "0", "values": {"0": {}}},
        {"result": "0", "values": {"0": {"valueReference": {"a": 1}}}},
        {"result": "0", "values": {"0": {"argumentReference": []}}},
        {"result": "0", "values": {"0": {"integerValue": "one"}}},
        {"result": "0", "values": {"0": {"arrayValue": {"values": "abc"}}}},
        {"result": "0", "values": {"0": {"dictionaryValue": {"values": "abc"}}}},
        {"result": "0", "values": {"0": {"functionInvocationValue": 3}}},
        {"result": "0", "values": {"0": {"functionInvocationValue": {"arguments": {}}}}},
        {"result": "0", "values": {"0": {"functionInvocationValue": CALL | {"arguments": [1]}}}},
        {"result": "0", "values": {"0": {"functionInvocationValue": CALL | {"functionName": {}}}}},
        {"result": "0", "values": {"0": {"functionDefinitionValue": {"argumentNames": ["x"], "body": 1}}}},
        {"result": "0", "values": {"0": {"functionDefinitionValue": {"argumentNames": [1], "body": "0"}}}},
    ],
)
def test_an_expression_of_a_wrong_form_is_an_invalid_payload(expression):
    """REST reference, Expression and ValueNode."""
    with pytest.raises(EngineError, match=r"^Invalid JSON payload received"):
        graph.evaluate(expression, None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ee.List([1, 2]).swap(0, 7), "List index must be between 0 and 1"),
        (lambda: ee.List([1, 2]).unzip(), "at least two elements"),
        (lambda: ee.List([ee.Image(1)]).reduce(ee.Reducer.sum()), "with values of type Image"),
        (lambda: ee.List([1, ee.Image(1)]).sort(), "Cannot sort"),
        (lambda: ee.Date.fromYMD(10**12, 1, 1), "Invalid date"),
        (lambda: ee.Date(10**17).get("year"), "outside the years"),
        (lambda: ee.Number(1).unitScale(2, 2), "min and max must differ"),
        (lambda: ee.Projection("EPSG:4326").atScale(0), "cannot scale"),
    ],
)
def test_a_mistake_is_said_in_words(make, words):
    with pytest.raises(ee.EEException, match=words):
        make().getInfo()


def test_infinity_is_cut_to_the_largest_number_of_a_type():
    assert ee.Number(1e308).multiply(10).toInt16().getInfo() == 32767


def test_half_a_character_in_a_message_is_answered():
    """JSON may hold one half of a surrogate pair; UTF-8 cannot."""
    assert json.loads(bytes(Reply.error(400, "name \ud83d").body))["error"]["message"] == "name ?"
