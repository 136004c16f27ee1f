"""Two collections as one: looked at from its beginning, or around a box, without listing all of either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from local_ee.catalog import BoundsWSEN
from local_ee.evaluation.features import Collection, Element, Nearby, index_of, with_index


def merged(left: Collection, right: Collection) -> Collection:
    """The elements of both, of the left one's kind; indices get the prefixes 1_ and 2_."""

    def find() -> list[Element]:
        return [*_marked("1_", left.elements), *_marked("2_", right.elements)]

    def stream() -> Iterator[Element]:
        yield from _marked("1_", left.each())
        yield from _marked("2_", right.each())

    def most() -> int:
        return sum(source.nearby.most() if source.nearby else source.size() for source in (left, right))

    def within(box: BoundsWSEN) -> Collection:
        near = (source.nearby.within(box) if source.nearby else source for source in (left, right))
        return merged(*near)

    windowed = left.nearby or right.nearby
    return left.of(find, stream=stream, nearby=Nearby(within, most) if windowed else None)


def _marked(mark: str, elements: Iterable[Element]) -> Iterator[Element]:
    return (with_index(each, f"{mark}{index_of(each)}") for each in elements)
