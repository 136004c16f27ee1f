"""Scenes of public collections whose orbits are not followed: squares of a grid of degrees, seen in turn.

Assumption: of a collection that the catalog gives a revisit interval, or no interval and pixels of a few metres, each
square is seen once in an interval; the days follow the square's row and column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local_ee.catalog import BoundsWSEN
from local_ee.world.public_facts import AssetFacts

_METRES = 111_319.49079327358  # of a degree at the equator
_SIDES_DEG = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 360)
_PIXELS = 3600  # of a scene's side, at least
_FINE_M, _OPEN_M = 5, 30  # pixels of collections without an interval that are scenes: any, and those that go on
_ONCE_DAYS, _OFTEN_DAYS = 366, 16
_MORNING_S = 10.5 * 3600  # local solar time
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400, "year": 366 * 86_400}
_MOMENT = timedelta(seconds=1)
_TURN = 7  # days between rows, so that neighbours are seen on different days
_INDEX = re.compile(r"(\d{8}T\d{6})_R(\d{3,4})C(\d{3,4})")


def is_scenes(asset: AssetFacts) -> bool:
    """Whether a collection consists of scenes rather than of images of all its bounds."""
    if asset.is_image or asset.revisits:
        return asset.revisits
    return not asset.unit and asset.pixel_m <= (_OPEN_M if asset.goes_on else _FINE_M)


@dataclass(frozen=True)
class Scene:
    """A square and the moment that it is seen."""

    row: int
    column: int
    moment: datetime
    bounds: BoundsWSEN

    @property
    def index(self) -> str:
        """Its system:index (assumption: Google's differ by collection)."""
        return f"{self.moment:%Y%m%dT%H%M%S}_R{self.row:03d}C{self.column:03d}"


@dataclass(frozen=True)
class Squares:
    """The squares of a collection and the days on which they are seen."""

    asset: AssetFacts

    @property
    def side_deg(self) -> float:
        """Of a square: the least that holds its pixels."""
        return next((side for side in _SIDES_DEG if side >= self.asset.pixel_m * _PIXELS / _METRES), 360)

    @property
    def interval_days(self) -> int:
        """Between two views of a square."""
        if self.asset.unit:
            return max(1, round(self.asset.count * _SECONDS.get(self.asset.unit, 86_400) / 86_400))
        return _OFTEN_DAYS if self.asset.goes_on else _ONCE_DAYS

    def shape(self) -> tuple[int, int]:
        """Rows and columns within the collection's bounds."""
        west, south, east, north = self.asset.bounds
        return math.ceil((north - south) / self.side_deg), math.ceil((east - west) / self.side_deg)

    def near(self, bounds_wsen: BoundsWSEN) -> tuple[range, range]:
        """Rows and columns that touch a box."""
        west, south, east, north = bounds_wsen
        left, _, _, top = self.asset.bounds
        rows, columns = self.shape()
        side = self.side_deg
        first, last = math.floor((top - north) / side), math.floor((top - south) / side)
        start, stop = math.floor((west - left) / side), math.floor((east - left) / side)
        return range(max(first, 0), min(last + 1, rows)), range(max(start, 0), min(stop + 1, columns))

    def count(self, first: datetime, last: datetime, bounds_wsen: BoundsWSEN) -> int:
        """How many scenes begin from first to before last; whole days, so that it takes no listing."""
        rows, columns = self.near(bounds_wsen)
        days = range(self._day(max(first, self.asset.start)), self._last_day(last))
        if not (days and rows and columns):
            return 0
        rounds, remainder = divmod(len(days), self.interval_days)
        some = days[len(days) - remainder :]
        return rounds * len(rows) * len(columns) + sum(
            len(self._columns(row, day, columns)) for day in some for row in rows
        )

    def scenes(self, first: datetime, last: datetime, bounds_wsen: BoundsWSEN) -> Iterator[Scene]:
        """The scenes of days from that of first to that before last, in order of time."""
        rows, columns = self.near(bounds_wsen)
        for day in range(self._day(max(first, self.asset.start)), self._last_day(last)):
            seen = [(row, column) for row in rows for column in self._columns(row, day, columns)]
            for row, column in sorted(seen, key=lambda square: (-square[1], square[0])):
                yield self.scene(row, column, day)

    def scene(self, row: int, column: int, day: int) -> Scene:
        """A square on a day, counted from 1970."""
        left, bottom, right, top = self.asset.bounds
        side = self.side_deg
        west, north = left + column * side, top - row * side
        box = (west, max(north - side, bottom), min(west + side, right), north)
        second = (_MORNING_S - (box[0] + box[2]) / 2 * 240 + row % 60) % 86_400
        return Scene(row, column, datetime.fromtimestamp(day * 86_400 + int(second), UTC), box)

    def of_index(self, index: str) -> Scene | None:
        """The scene of an index, or None."""
        parts = _INDEX.fullmatch(index)
        if parts is None:
            return None
        try:
            moment = datetime.strptime(parts[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
        day = self._day(moment)
        scene = self.scene(int(parts[2]), int(parts[3]), day)
        rows, columns = self.shape()
        inside = scene.row < rows and scene.column < columns
        alive = self._day(self.asset.start) <= day < self._last_day(self.asset.end + _MOMENT)
        return scene if inside and alive and scene.index == index and self._seen(scene, day) else None

    def around(self, lon: float, lat: float, moment: datetime) -> Scene:
        """The square of a place, as if it were seen then."""
        left, _, _, top = self.asset.bounds
        rows, columns = self.shape()
        row = min(max(int((top - lat) / self.side_deg), 0), rows - 1)
        column = min(max(int((lon - left) / self.side_deg), 0), columns - 1)
        return self.scene(row, column, self._day(moment))

    def _columns(self, row: int, day: int, columns: range) -> range:
        turn = self.interval_days
        start = columns.start + (day - row * _TURN - columns.start) % turn
        return range(start, columns.stop, turn)

    def _seen(self, scene: Scene, day: int) -> bool:
        return (day - scene.row * _TURN - scene.column) % self.interval_days == 0

    def _day(self, moment: datetime) -> int:
        return math.floor(moment.timestamp() / 86_400)

    def _last_day(self, last: datetime) -> int:
        return math.ceil(min(last, self.asset.end + _MOMENT).timestamp() / 86_400)
