"""Collections of the simulated ground without a period or bounds: images of one day and one part after another.

Assumption: within a day they come part by part, from the south and the date line.
Assumption: the archive of scenes that no date ends stops with 2024, so that it is the same on every day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import islice

from local_ee.catalog import BoundsWSEN, SourceImage
from local_ee.world.listing import Listing

_WIDTH_DEG, _HEIGHT_DEG = 6, 8
_WEST, _SOUTH, _EAST, _NORTH = -180, -56, 180, 80
_SINCE, _UNTIL = date(2016, 1, 1), date(2024, 12, 31)  # of collections without dates; of the archive
_MOST_DAYS = 64  # of an archive that are listed at once, after a few
_MOST_COUNTED = 30_000  # images of an archive
Find = Callable[[date, date, BoundsWSEN], Sequence[SourceImage]]


class TooManyImages(ValueError):
    """A collection of which nobody can count or list all images."""


def endless(collection_id: str, find: Find, period: tuple[date, date] | None) -> Listing:
    """The images that `find` has of days anywhere: the first ones at once, all of them never.

    period: the days, None where the collection has no dates. TooManyImages when they are counted.
    """

    def each() -> Iterator[SourceImage]:
        seen: set[str] = set()
        for first, last in _days(period):
            for box in _parts():
                for image in find(first, last, box):
                    if image.id not in seen:
                        seen.add(image.id)
                        yield image
            if period is not None:
                seen.clear()

    def count() -> int:
        raise TooManyImages(
            f"Computation timed out: collection {collection_id!r} of the simulated world has no end: filter it by "
            "date and bounds"
        )

    return Listing(count, each)


def archive(collection_id: str, find: Find, first: date, last: date, bounds: BoundsWSEN) -> Listing:
    """All images that `find` has of a box from a day to another or to the end of the archive; the first ones at once.

    They are listed once, when they are counted. TooManyImages where they are more than _MOST_COUNTED.
    """
    images: list[SourceImage] = []

    def each() -> Iterator[SourceImage]:
        if images:
            yield from images
            return
        day, end, step = first, min(last, _UNTIL), 1
        # Doubling steps: who takes the first image waits for a day of scenes, who takes all for few questions.
        while day <= end:
            yield from find(day, min(day + timedelta(days=step - 1), end), bounds)
            day, step = day + timedelta(days=step), min(2 * step, _MOST_DAYS)

    def count() -> int:
        listed = images or list(islice(each(), _MOST_COUNTED + 1))
        if len(listed) > _MOST_COUNTED:
            raise TooManyImages(
                f"Computation timed out: collection {collection_id!r} has over {_MOST_COUNTED:,} images there: filter "
                "it by date and bounds"
            )
        images[:] = listed
        return len(images)

    return Listing(count, each)


def _days(period: tuple[date, date] | None) -> Iterator[tuple[date, date]]:
    if period is None:
        yield _SINCE, _UNTIL
        return
    first, last = period[0], min(period[1], _UNTIL)
    days = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    days[:2] = reversed(days[:2])  # the first day is a margin, of which few images begin in the period
    yield from zip(days, days, strict=True)


def _parts() -> Iterator[BoundsWSEN]:
    for south in range(_SOUTH, _NORTH, _HEIGHT_DEG):
        for west in range(_WEST, _EAST, _WIDTH_DEG):
            yield float(west), float(south), float(west + _WIDTH_DEG), float(south + _HEIGHT_DEG)
