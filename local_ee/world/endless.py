"""Collections of the simulated ground without a period or bounds: images of one day and one part after another.

Assumption: within a day they come part by part, from the south and the date line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from local_ee.catalog import BoundsWSEN, SourceImage
from local_ee.world.listing import Listing

_WIDTH_DEG, _HEIGHT_DEG = 6, 8
_WEST, _SOUTH, _EAST, _NORTH = -180, -56, 180, 80
_SINCE, _UNTIL = date(2016, 1, 1), date(2024, 12, 31)  # of the simulated world
Find = Callable[[date, date, BoundsWSEN], Sequence[SourceImage]]


class TooManyImages(ValueError):
    """A collection of which nobody can count or list all images."""


def endless(collection_id: str, find: Find, period: tuple[date, date] | None, bounds: BoundsWSEN | None) -> Listing:
    """The images that `find` has of days and boxes: the first ones at once, all of them never.

    period: the days, None where the collection has no dates. TooManyImages when they are counted.
    """

    def each() -> Iterator[SourceImage]:
        seen: set[str] = set()
        for first, last in _days(period):
            for box in _parts() if bounds is None else (bounds,):
                for image in find(first, last, box):
                    if image.id not in seen:
                        seen.add(image.id)
                        yield image
            if period is not None:
                seen.clear()

    def count() -> int:
        raise TooManyImages(
            f"Computation timed out: collection {collection_id!r} of the simulated world has no end: filter it by "
            + ("date and bounds" if bounds is None else "date")
        )

    return Listing(count, each)


def _days(period: tuple[date, date] | None) -> Iterator[tuple[date, date]]:
    if period is None:
        yield _SINCE, _UNTIL
        return
    first, last = max(period[0], _SINCE), min(period[1], _UNTIL)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    days[:2] = reversed(days[:2])  # the first day is a margin, of which few images begin in the period
    yield from zip(days, days, strict=True)


def _parts() -> Iterator[BoundsWSEN]:
    for south in range(_SOUTH, _NORTH, _HEIGHT_DEG):
        for west in range(_WEST, _EAST, _WIDTH_DEG):
            yield float(west), float(south), float(west + _WIDTH_DEG), float(south + _HEIGHT_DEG)
