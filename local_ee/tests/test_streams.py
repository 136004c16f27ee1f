"""Collections make their elements one after another: each once, and no more than are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_ee.algorithms.collections import mapped
from local_ee.algorithms.elements import copy_properties
from local_ee.evaluation.features import Collection, Feature, Nearby
from local_ee.evaluation.merging import merged

BOX = (0.0, 0.0, 1.0, 1.0)


class Numbered:
    """A filter of the property `number`."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def matches(self, element: Feature) -> bool:
        return element.properties["number"] in self._numbers

    def bounds(self) -> tuple[()]:
        return ()


def numbered(count: int) -> list[Feature]:
    return [Feature(None, {"number": number, "system:index": str(number)}) for number in range(count)]


def counted(count: int) -> tuple[Collection, list[int]]:
    """So many features under a map, and the numbers that the map was asked for, in order."""
    asked: list[int] = []

    def change(element: Feature) -> Feature:
        asked.append(element.properties["number"])
        return element.with_properties({**element.properties, "seen": True})

    features = numbered(count)
    source = Collection(lambda: features, stream=lambda: iter(features), nearby=Nearby(lambda box: source, lambda: 1))
    return mapped(source, change, False), asked


def test_a_head_that_grows_makes_each_element_once():
    collection, asked = counted(1000)
    for count in (1, 8, 200, 1000):
        assert len(collection.head(count)) == count
    assert asked == list(range(1000))


def test_a_filter_looks_no_further_than_the_first_that_passes():
    collection, asked = counted(1000)
    assert [each.properties["number"] for each in collection.filtered(Numbered(5, 900)).head(1)] == [5]
    assert asked == list(range(6))


def test_many_filters_of_a_mapped_collection_share_its_elements():
    """As one filter an acquisition of a year: 147 of them made 35,000 images of 592."""
    collection, asked = counted(100)
    for number in range(100):
        assert len(collection.filtered(Numbered(number)).head(1)) == 1
    assert asked == list(range(100))


def test_many_filters_share_the_elements_near_a_box():
    collection, asked = counted(100)
    for number in range(100):
        near = collection.filtered(Numbered(number)).nearby.within(BOX)
        assert [each.properties["number"] for each in near.elements] == [number]
    assert asked == list(range(100))


def test_elements_that_a_head_made_are_those_of_the_whole():
    collection, _ = counted(10)
    first = collection.head(3)
    assert all(one is other for one, other in zip(first, collection.elements, strict=False))


def test_a_stream_that_failed_begins_again():
    """Else what came before the error would be taken for all there is."""
    faults = [RuntimeError("no answer")]

    def stream() -> Iterator[Feature]:
        for feature in numbered(5):
            if feature.properties["number"] == 2 and faults:
                raise faults.pop()
            yield feature

    collection = Collection(lambda: list(stream()), stream=stream)
    with pytest.raises(RuntimeError):
        collection.head(5)
    assert [each.properties["number"] for each in collection.head(5)] == [0, 1, 2, 3, 4]


def test_two_collections_as_one_ask_the_second_only_after_the_first():
    left, of_left = counted(4)
    right, of_right = counted(4)
    both = merged(left, right)
    assert [each.properties["system:index"] for each in both.head(3)] == ["1_0", "1_1", "1_2"]
    assert (of_left, of_right) == ([0, 1, 2], [])
    assert [each.properties["system:index"] for each in both.head(6)][4:] == ["2_0", "2_1"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("a:b", ["a:b"]), ("a.b", ["a:b", "axb"]), ("ax?b", ["axb"]), (".*", ["a:b", "axb", "n"]), ("", [])],
)
def test_names_of_properties_are_patterns(pattern, names):
    source = Feature(None, {"a:b": 1, "axb": 2, "n": 3})
    assert list(copy_properties(Feature(None, {}), source, [pattern], None).properties) == names
