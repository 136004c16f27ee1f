"""A field of another kind than the API's is refused with its name, at any depth, before a route reads it."""

from __future__ import annotations

import json

import pytest

from local_ee.errors import EngineError
from local_ee.request import affine_of
from local_ee.wire import Call


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"grid": "small"}, "'grid' must be an object"),
        ({"grid": {"dimensions": 4}}, "'dimensions' must be an object"),
        ({"imageManifest": {"tilesets": 5}}, "'tilesets' must be a list"),
        ({"imageManifest": {"tilesets": [{"sources": ["gs://a/b.tif"]}]}}, r"'sources\[\]' must be an object"),
        ({"table_manifest": "t"}, "'table_manifest' must be an object"),
        ({"grid": {"crsCode": ["EPSG:4326"]}}, "'crsCode' must be a text"),
        ({"properties": [1]}, "'properties' must be an object"),
    ],
)
def test_another_kind_of_value_is_refused_with_its_name(document, words):
    with pytest.raises(ValueError, match=words):
        Call("POST", "/", body=json.dumps(document).encode()).json()


def test_a_transform_of_texts_and_lists_is_refused_in_words():
    with pytest.raises(EngineError, match="needs numbers: scaleX"):
        affine_of({"scaleX": [10]})


def test_keys_that_are_free_are_not_looked_into():
    document = {"properties": {"grid": "coarse", "sources": 3}, "expression": {"values": {"grid": 5}}, "asset": None}
    assert Call("POST", "/", body=json.dumps(document).encode()).json() == document
