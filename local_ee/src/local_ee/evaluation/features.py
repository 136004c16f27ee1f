"""Features, collections of features or images, dates and the other values that are not pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any

from local_ee.catalog import BoundsWSEN
from local_ee.errors import EngineError
from local_ee.evaluation.values import Image
from local_ee.lazy import lazy_property
from local_ee.raster.geometry import Geometry, composed, everywhere

MOST_ELEMENTS = 5000
_BOXES = 4  # of which a collection keeps the elements nearby: as many windows as a composite keeps
ELEMENT_LIMIT = f"Collection query aborted after accumulating over {MOST_ELEMENTS} elements."
INFINITE_MARGIN = 2e7
FOOTPRINT = "system:footprint"  # of a catalog's images
BAND_NAMES = "system:band_names"  # of images; computed
GEOMETRY_FIELDS = (".all", ".geo", "system:geometry", FOOTPRINT)


@dataclass(frozen=True)
class Date:
    """A moment: milliseconds since 1970-01-01 UTC."""

    millis: float


@dataclass(frozen=True)
class DateRange:
    """From start (included) to end (excluded), in milliseconds; infinite where unbounded."""

    start: float
    end: float

    def __contains__(self, millis: float) -> bool:
        return self.start <= millis < self.end


@dataclass(frozen=True)
class ErrorMargin:
    """How far a transformed geometry may be off; without a value it is infinite."""

    value: float | None
    unit: str = "meters"

    @classmethod
    def of(cls, value: float | None, unit: str = "meters") -> ErrorMargin:
        """As Earth Engine takes it: never negative, infinite beyond 2e7 (apidocs ee-errormargin)."""
        size = abs(value or 0.0)
        return cls(None, "infinite") if unit == "infinite" or size > INFINITE_MARGIN else cls(size, unit)


@dataclass(frozen=True, eq=False)
class Feature:
    """A geometry (or none) with properties."""

    geometry: Geometry | None
    properties: Mapping[str, Any]
    id: str | None = None

    def with_properties(self, properties: Mapping[str, Any]) -> Feature:
        return replace(self, properties=properties)


@dataclass(frozen=True)
class Nearby:
    """A collection's elements that may touch a box, and how many it has at most (TooManyElements: nobody knows)."""

    within: Callable[[BoundsWSEN], Collection]
    most: Callable[[], int]

    def of(self, change: Callable[[Collection], Collection]) -> Nearby:
        """That of a collection whose elements are made of this one's, or some of them.

        A box's collection is kept: a year's observations are as many filters of one mapped collection, which would be
        mapped again for each.
        """
        return Nearby(lru_cache(_BOXES)(lambda box: change(self.within(box))), self.most)


@dataclass(frozen=True, eq=False)
class Collection:
    """Images, features or collections in order, with properties; the elements are found when first asked for.

    stream: the elements one after another, none made before it is asked for. nearby: those that may touch a box without
    the others, for images that are many. Both are None where only the whole collection tells.
    """

    find: Callable[[], Sequence[Element]] = field(repr=False)
    kind: str = "FeatureCollection"
    id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)  # names of types by property, of a list of features
    stream: Callable[[], Iterator[Element]] | None = field(default=None, repr=False, kw_only=True)
    nearby: Nearby | None = field(default=None, repr=False, kw_only=True)

    def head(self, count: int) -> Sequence[Element]:
        """The first elements: no others are made where there is a stream."""
        if self.stream is None or "elements" in vars(self):
            return self.elements[:count]
        return tuple(self._made(count)[:count])

    def each(self) -> Iterator[Element]:
        """The elements one after another: none is made before it is asked for where there is a stream."""
        if self.stream is None:
            yield from self.elements
            return
        position = 0
        while len(made := self._made(position + 1)) > position:
            yield made[position]
            position += 1

    def _made(self, count: int) -> Sequence[Element]:
        """So many elements at least, or all; each is made once."""
        assert self.stream is not None
        kept = vars(self)
        if "elements" in kept:
            return self.elements
        # Taken out, not locked: a second thread begins a stream of its own, and so does who comes after an error.
        made, rest = kept.pop("_begun", None) or ([], self.stream())
        made.extend(islice(rest, max(count - len(made), 0)))
        if len(made) < count:
            kept["elements"] = tuple(made)
        kept["_begun"] = made, rest
        return made

    def size(self) -> int:
        """How many elements there are."""
        return len(self.elements)

    @lazy_property
    def elements(self) -> tuple[Element, ...]:
        """All elements; those that were made already are the same objects, so that lists find them again."""
        elements = tuple(self.find())
        made, _ = vars(self).get("_begun", ((), None))
        return (*made[: len(elements)], *elements[len(made) :])

    @property
    def images(self) -> tuple[Image, ...]:
        """The elements, which must be images."""
        images: list[Image] = []
        for element in self.elements:
            if not isinstance(element, Image):
                raise EngineError(f"Expected type: Image<unknown bands>. Actual type: {type(element).__name__}.")
            images.append(element)
        return tuple(images)

    def bounded(self) -> tuple[Element, ...]:
        """The elements where they are few enough to be sent or listed; Earth Engine's words beyond 5,000."""
        if len(self.head(MOST_ELEMENTS + 1)) > MOST_ELEMENTS:
            raise EngineError(ELEMENT_LIMIT)
        return self.elements

    def filtered(self, passes: Any) -> Collection:
        """The elements that pass a filter (an object with `matches`); its bounds help where all are too many."""
        nearby, boxes = self.nearby, tuple(passes.bounds())

        def find() -> list[Element]:
            try:
                return list(filter(passes.matches, self.elements))
            except TooManyElements:
                if nearby is None or not boxes:
                    raise
                return list(filter(passes.matches, nearby.within(boxes[0]).elements))

        return replace(
            self,
            find=find,
            stream=(lambda: filter(passes.matches, self.each())) if self.stream and not boxes else None,
            nearby=nearby and nearby.of(lambda collection: collection.filtered(passes)),
        )

    def of(self, find: Callable[[], Sequence[Element]], **parts: Any) -> Collection:
        """A collection of the same kind and id with other elements (eemont asks mapped collections for their id)."""
        return Collection(find, self.kind, self.id, self.properties, **parts)

    def with_properties(self, properties: Mapping[str, Any]) -> Collection:
        """The same elements under other properties of the collection."""
        return replace(self, properties=properties)

    def lookup(self, name: str, value: object) -> Element | None:
        """The first element whose property has a value."""
        return next((element for element in self.elements if get_property(element, name) == value), None)

    def indexed(self, index: str) -> Sequence[Element]:
        """The elements of a system:index, of which there may be several."""
        return [element for element in self.elements if index_of(element) == index]


Element = Image | Feature | Collection


class TooManyElements(EngineError):
    """A collection that cannot be listed as a whole."""


def collection_of(elements: Sequence[Element]) -> Collection:
    """A collection of elements at hand: of images if the first one is an image."""
    collection_type = "ImageCollection" if elements and isinstance(elements[0], Image) else "FeatureCollection"
    return Collection(lambda: elements, collection_type)


def get_property(element: Element, name: str) -> Any:
    """An element's property, its geometry for the geometry's names, or None."""
    if name in element.properties:
        return element.properties[name]
    if name in GEOMETRY_FIELDS:
        return geometry_of(element)
    if name == BAND_NAMES and isinstance(element, Image):
        return list(element.band_names)
    return element.id if name == "system:id" else None


def geometry_of(element: Element) -> Geometry | None:
    """Where an element is: a feature's geometry, an image's footprint, or those of all elements as one."""
    if isinstance(element, Feature):
        return element.geometry
    if isinstance(element, Collection):
        return union_of([shape for each in element.elements if (shape := geometry_of(each))])
    return element.footprint or everywhere()


def ring_of(footprint: Geometry) -> Geometry:
    """The property system:footprint of an image: the edge of its polygon (guides/image_info), or else its geometry."""
    shape = footprint.shape
    return replace(footprint, shape=shape.exterior) if shape.geom_type == "Polygon" else footprint


class Framed(Mapping[str, Any]):
    """An image's properties with another footprint, which is found when it is asked for."""

    def __init__(self, properties: Mapping[str, Any], footprint_of: Callable[[], Geometry]) -> None:
        self._properties, self._footprint_of = {**properties, FOOTPRINT: None}, footprint_of

    def __getitem__(self, name: str) -> Any:
        return ring_of(self._footprint_of()) if name == FOOTPRINT else self._properties[name]

    def __contains__(self, name: object) -> bool:
        return name in self._properties

    def __iter__(self) -> Iterator[str]:
        return iter(self._properties)

    def __len__(self) -> int:
        return len(self._properties)


def union_of(geometries: Sequence[Geometry]) -> Geometry:
    """All geometries as one, in degrees; unbounded where one of them is."""
    import shapely

    if any(geometry.unbounded for geometry in geometries):
        return everywhere()
    shapes = [geometry.lonlat for geometry in geometries]
    return Geometry(composed(lambda: shapely.unary_union(shapes), *shapes))


def index_of(element: Element) -> Any:
    return element.properties.get("system:index")


def with_index(element: Element, index: Any) -> Element:
    """The element under a system:index."""
    if element.properties.get("system:index") == index:
        return element
    return element.with_properties({**element.properties, "system:index": index})
