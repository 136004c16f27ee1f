"""Collections of any elements: filtering, ordering, mapping, and the aggregation of their properties."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.arrays import of_result
from local_ee.evaluation.coerce import coerced, to_element, type_name
from local_ee.evaluation.columns import column
from local_ee.evaluation.features import (
    BAND_NAMES,
    Collection,
    Date,
    Element,
    ErrorMargin,
    Feature,
    collection_of,
    geometry_of,
    get_property,
    index_of,
    union_of,
    with_index,
)
from local_ee.evaluation.merging import merged
from local_ee.evaluation.registry import add, algorithm
from local_ee.evaluation.value_types import name_of
from local_ee.raster.compound import plain
from local_ee.raster.geometry import Geometry, rectangle
from local_ee.raster.projection import Projection
from local_ee.raster.reducing import Reducer


@algorithm("Collection")
def collection(features: list) -> Collection:
    """A collection of elements; those without system:index get their position.

    Assumption: its columns are the types of the first feature's properties (so those that geetools' tests recorded).
    """
    elements = [to_element(feature) for feature in features]
    indexed = [each if index_of(each) is not None else with_index(each, str(i)) for i, each in enumerate(elements)]
    first = indexed[0].properties if indexed and isinstance(indexed[0], Feature) else {}
    return replace(collection_of(indexed), columns={name: name_of(first[name]) for name in sorted(first)})


@algorithm("Collection.filter")
def filtered(collection: Collection, filter: Any) -> Collection:
    """The elements that pass."""
    return collection.filtered(coerced(filter, "Filter", "Collection.filter, argument 'filter'"))


@algorithm("Collection.first")
def first(collection: Collection) -> Element | None:
    """The first element, or null."""
    return next(iter(collection.head(1)), None)


@algorithm("Collection.size")
def size(collection: Collection) -> int:
    """The number of elements."""
    return collection.size()


@algorithm("Collection.toList")
def to_list(collection: Collection, count: int, offset: int) -> list[Element]:
    """At most `count` elements from an offset."""
    members = collection.head(offset + count)[offset:]
    return list(collection_of(members).bounded())


@algorithm("Collection.limit")
def limit(collection: Collection, limit: int | None, key: str | None, ascending: bool) -> Collection:
    """The first elements, after sorting by a property where one is given; elements without it come last."""

    def find() -> Sequence[Element]:
        if key is None and limit is not None:
            return collection.head(limit)
        elements = collection.elements if key is None else _sorted(collection.elements, key, ascending)
        return elements if limit is None else elements[:limit]

    return collection.of(find, columns=collection.columns)


def _sorted(elements: Sequence[Element], key: str, ascending: bool) -> list[Element]:
    valued = [(order_of(get_property(element, key)), element) for element in elements]
    present = [pair for pair in valued if pair[0] is not None]
    missing = [element for order, element in valued if order is None]
    present.sort(key=lambda pair: pair[0], reverse=not ascending)
    return [element for _, element in present] + missing


def order_of(value: Any) -> Any:
    """What a value is sorted by: numbers and dates before texts; None where it has no order."""
    if isinstance(value, Date):
        value = value.millis
    if isinstance(value, bool | int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else None


@dataclass(frozen=True, eq=False)
class Selection(Collection):
    """Images of a collection with other bands or masks: filters reach that collection (`again` maps what is left)."""

    source: Collection = field(kw_only=True, repr=False)
    again: Callable[[Collection], Collection] = field(kw_only=True, repr=False)

    def filtered(self, passes: Any) -> Collection:
        """Those of the images that pass in the source; the names of bands are not the source's."""
        if BAND_NAMES in passes.fields():
            return Collection(**_fields_of(self)).filtered(passes)
        return self.again(self.source.filtered(passes))

    def size(self) -> int:
        """As many as in the source, which need not be made to be counted."""
        return self.source.size()

    def indexed(self, index: str) -> Sequence[Element]:
        """The images of a system:index."""
        return self.again(collection_of(self.source.indexed(index))).elements


@algorithm("Collection.map")
def mapped(collection: Collection, baseAlgorithm: Callable[..., Any], dropNulls: bool) -> Collection:
    """The function's value of each element, under the element's own system:index."""

    def results_of(elements: Iterable[Element]) -> Iterator[Element]:
        for element in elements:
            value = baseAlgorithm(element)
            if value is None and dropNulls:
                continue
            result = to_element(value)
            if result is None:
                raise EngineError("A mapped algorithm must return a Feature or Image.")
            yield with_index(result, index_of(element)) if index_of(element) is not None else result

    nearby = collection.nearby
    result = collection.of(
        lambda: list(results_of(collection.elements)),
        stream=None if dropNulls else lambda: results_of(collection.each()),
        nearby=nearby and nearby.of(lambda elements: mapped(elements, baseAlgorithm, dropNulls)),
    )
    if not getattr(baseAlgorithm, "keeps", False):
        return result
    again = partial(mapped, baseAlgorithm=baseAlgorithm, dropNulls=dropNulls)
    return Selection(**_fields_of(result), source=collection, again=again)


def _fields_of(collection: Collection) -> dict[str, Any]:
    return {field.name: getattr(collection, field.name) for field in dataclasses.fields(Collection)}


@algorithm("Collection.iterate")
def iterate(collection: Collection, function: Callable[..., Any], first: Any) -> Any:
    """The function's last value, each call given an element and the value before."""
    state = first
    for element in collection.elements:
        state = function(element, state)
    return state


@algorithm("Collection.merge")
def merge(collection1: Collection, collection2: Collection) -> Collection:
    """The elements of both; indices get the prefixes 1_ and 2_."""
    return merged(collection1, collection2)


@algorithm("Collection.flatten")
def flatten(collection: Collection) -> Collection:
    """The elements of a collection of collections; indices are joined by an underscore."""

    def find() -> list[Element]:
        return [
            with_index(inner, f"{index_of(outer)}_{index_of(inner)}")
            for outer in collection.elements
            for inner in _members(outer)
        ]

    return collection.of(find)


def _members(element: Element) -> Sequence[Element]:
    if not isinstance(element, Collection):
        raise EngineError(
            f"Collection.flatten: Expected a collection of collections, but an element is a {type_name(element)}."
        )
    return element.elements


@algorithm("Collection.distinct")
def distinct(collection: Collection, properties: Any) -> Collection:
    """The first element of each combination of property values."""
    listed = [properties] if isinstance(properties, str) else properties
    names = coerced(listed, "List<String>", "Collection.distinct, argument 'properties'")

    def find() -> list[Element]:
        seen: dict[str, Element] = {}
        for element in collection.elements:
            # By their texts: lists and dictionaries have no hash.
            seen.setdefault(repr([_comparable(get_property(element, name)) for name in names]), element)
        return list(seen.values())

    return collection.of(find)


def _comparable(value: Any) -> Any:
    return value.lonlat.wkt if isinstance(value, Geometry) else value


@algorithm("Collection.geometry")
def geometry(collection: Collection, maxError: ErrorMargin) -> Geometry:
    """All elements' geometries as one."""
    return union_of([shape for element in collection.elements if (shape := geometry_of(element))])


@algorithm("Collection.bounds")
def bounds(collection: Collection, maxError: ErrorMargin, proj: Projection) -> Geometry:
    """The bounding box of all elements in a projection."""
    shape = geometry(collection, maxError).in_crs(proj.crs)
    return Geometry(rectangle(*shape.drawn.bounds), proj.crs, False)


def property_values(collection: Collection, name: str) -> list[Any]:
    """A property's values, elements without it left out."""
    values = [get_property(element, name) for element in collection.elements]
    return [value for value in values if value is not None]


@algorithm("AggregateFeatureCollection.array")
def array(collection: Collection, property: str) -> list[Any]:
    """A property's values in order."""
    return property_values(collection, property)


@algorithm("AggregateFeatureCollection.first")
def first_value(collection: Collection, property: str) -> Any:
    """The first value of a property."""
    return next(iter(property_values(collection, property)), None)


@algorithm("AggregateFeatureCollection.count")
def count(collection: Collection, property: str) -> int:
    """How many elements have a property."""
    return len(property_values(collection, property))


@algorithm("AggregateFeatureCollection.count_distinct")
def count_distinct(collection: Collection, property: str) -> int:
    """How many different values a property has."""
    return len({repr(value) for value in property_values(collection, property)})


@algorithm("AggregateFeatureCollection.histogram")
def histogram(collection: Collection, property: str) -> dict[str, float]:
    """How often each value of a property occurs."""
    counted = Counter(str(value) for value in property_values(collection, property))
    return {key: counted[key] for key in sorted(counted)}


@algorithm("AggregateFeatureCollection.min")
def minimum(collection: Collection, property: str) -> Any:
    """The smallest value of a property, or null."""
    return min(property_values(collection, property), default=None, key=order_of)


@algorithm("AggregateFeatureCollection.max")
def maximum(collection: Collection, property: str) -> Any:
    """The largest value of a property, or null."""
    return max(property_values(collection, property), default=None, key=order_of)


def _numeric(finish: Callable[[list[float]], float | None]) -> Callable[..., float | None]:
    def aggregate(collection: Collection, property: str) -> float | None:
        values = property_values(collection, property)
        if not all(isinstance(value, int | float) for value in values):
            raise EngineError(f"Can't apply calculation to property with value of type String: '{property}'.")
        return finish(values)

    return aggregate


def _variance(values: list[float], divisor: int) -> float | None:
    if not values or divisor <= 0:
        return None
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / divisor


def _root(value: float | None) -> float | None:
    return None if value is None else math.sqrt(value)


_AGGREGATES: dict[str, Callable[[list[float]], float | None]] = {
    # The same sum in whatever order the elements come.
    "sum": math.fsum,
    "product": math.prod,
    "mean": lambda values: math.fsum(values) / len(values) if values else None,
    "total_var": lambda values: _variance(values, len(values)),
    "total_sd": lambda values: _root(_variance(values, len(values))),
    "sample_var": lambda values: _variance(values, len(values) - 1),
    "sample_sd": lambda values: _root(_variance(values, len(values) - 1)),
}
for _name, _finish in _AGGREGATES.items():
    add(f"AggregateFeatureCollection.{_name}", _numeric(_finish))


@algorithm("AggregateFeatureCollection.stats")
def stats(collection: Collection, property: str) -> dict[str, Any]:
    """Counts, sums, extremes, mean, variances and standard deviations of a property's values (samples of apidocs)."""
    numbers = [value for value in property_values(collection, property) if isinstance(value, int | float)]
    summary = {name: finish(numbers) for name, finish in _AGGREGATES.items() if name != "product"}
    return summary | {
        "max": max(numbers, default=None),
        "min": min(numbers, default=None),
        "sum_sq": math.fsum(term * term for term in numbers),
        "total_count": len(collection.elements),
        "valid_count": len(numbers),
        "weight_sum": len(numbers),
    }


@algorithm("Feature")
def feature(geometry: Geometry | None, metadata: dict, geometryKey: str | None) -> Feature:
    """A geometry with properties."""
    return Feature(geometry, dict(metadata))


@algorithm("Collection.reduceColumns")
def reduce_columns(
    collection: Collection, reducer: Reducer, selectors: list, weightSelectors: list | None
) -> dict[str, Any]:
    """The reducer's outputs over the values of properties; a null takes no part in the input that it is in."""
    if len(selectors) != reducer.inputs:
        raise EngineError(f"Reducer '{reducer.name}' needs {reducer.inputs} selectors, got {len(selectors)}.")
    weights = weightSelectors or []
    if len(weights) not in (0, len(selectors)):
        raise EngineError(f"Need a weight selector for each of the {len(selectors)} selectors, got {len(weights)}.")
    columns = [
        column(_values(collection, name), f"apply '{reducer.name}' to property '{name}'", any_type=reducer.any_type(i))
        for i, name in enumerate(selectors)
    ]
    for index, name in enumerate(weights):
        values, valid = columns[index]
        share, weighted = column(_values(collection, name), f"weigh by property '{name}'", any_type=False)
        columns[index] = values, np.where(valid & weighted, share, 0).astype(float)
    running = reducer.start()
    if collection.elements:
        running.add(columns)
    return dict(zip(reducer.outputs, (of_result(plain(*output)) for output in running.result()), strict=True))


def _values(collection: Collection, name: str) -> list[Any]:
    return [get_property(element, name) for element in collection.elements]


@algorithm("Collection.randomColumn")
def random_column(collection: Collection, columnName: str, seed: int, distribution: str, rowKeys: list) -> Collection:
    """Each element with a number drawn from its row keys and the seed; not the numbers that Google's servers draw."""
    if distribution not in ("uniform", "normal"):
        raise EngineError(f"Unknown distribution '{distribution}'. Use 'uniform' or 'normal'.")

    def drawn(element: Element) -> float:
        # Of a text, which draws the same numbers in every process.
        source = random.Random(repr((seed, [get_property(element, key) for key in rowKeys])))
        return source.random() if distribution == "uniform" else source.gauss(0, 1)

    return collection.of(
        lambda: [each.with_properties({**each.properties, columnName: drawn(each)}) for each in collection.elements]
    )
