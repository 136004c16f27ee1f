"""What Google's catalog says of its rasters, as benchmarks/catalog_facts.py wrote it down: no pixels, only facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from local_ee.catalog import BoundsWSEN

FACTS = Path(__file__).with_name("public_assets.txt")
LAST = datetime(2024, 12, 31, 23, tzinfo=UTC)  # of collections that go on: a fixed day, so that answers stay the same
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class BandFacts:
    """A band's pixel type and the range of its values, or the classes that it has."""

    name: str
    dtype: str
    least: float = 0.0
    most: float = 1.0
    classes: tuple[float, ...] = ()


@dataclass(frozen=True)
class AssetFacts:
    """An image or a collection: its dates, the step between its images (count and unit), pixel size, bounds, bands."""

    id: str
    is_image: bool
    start: datetime
    end: datetime
    count: int
    unit: str
    revisits: bool
    pixel_m: float
    bounds: BoundsWSEN
    bands: tuple[BandFacts, ...]


@cache
def assets() -> dict[str, AssetFacts]:
    """Every asset of the list, by id."""
    if not FACTS.is_file():
        return {}
    lines = FACTS.read_text(encoding="utf-8").splitlines()
    every = (_asset(line) for line in lines if line and not line.startswith("#"))
    return {asset.id: asset for asset in every}


def _asset(line: str) -> AssetFacts:
    asset_id, form, start, end, interval, pixel_m, bounds, bands = line.split("|")
    words = interval.split()
    revisits = bool(words) and words[0] == "revisit"
    count, unit = words[-2:] if words else ("1", "year")
    west, south, east, north = (float(side) for side in bounds.split(","))
    return AssetFacts(
        asset_id,
        form == "image",
        _moment(start) or datetime(2000, 1, 1, tzinfo=UTC),
        _moment(end) or LAST,
        int(count),
        unit,
        revisits,
        float(pixel_m),
        (west, max(south, -90), east, min(north, 90)),
        tuple(_band(text) for text in bands.split(";")),
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def _band(text: str) -> BandFacts:
    name, dtype, *values = text.split(":")
    if values[0].startswith("="):
        return BandFacts(name, dtype, classes=tuple(float(value) for value in values[0][1:].split(",")))
    return BandFacts(name, dtype, float(values[0]), float(values[1]))


_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


def begins(asset: AssetFacts, first: datetime, last: datetime) -> list[datetime]:
    """When the images of a collection begin, from first to before last.

    Assumption: steps of several days begin again each year, as those of MODIS do.
    """
    first, last = max(first, asset.start), min(last, asset.end + timedelta(seconds=1))
    if asset.unit in ("month", "year"):
        step = asset.count * (12 if asset.unit == "year" else 1)
        numbers = range(_months(asset.start), _months(last) + 1, step)
        moments = [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]
        return [moment for moment in moments if first <= moment < last]
    step_s = asset.count * _SECONDS.get(asset.unit, 86_400)
    if step_s <= 86_400:
        skipped = max(0, -int((asset.start - first).total_seconds() // step_s))
        return _every(asset.start + timedelta(seconds=skipped * step_s), last, step_s)
    years = range(first.year, last.year + 1)
    moments = [
        moment
        for year in years
        for moment in _every(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC), step_s)
    ]
    return [moment for moment in moments if first <= moment < last]


def _every(first: datetime, last: datetime, step_s: float) -> list[datetime]:
    count = max(0, -int((first - last).total_seconds() // step_s)) if first < last else 0
    return [moment for k in range(count) if (moment := first + timedelta(seconds=k * step_s)) < last]


def _months(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def index_form(asset: AssetFacts) -> str:
    """The form of system:index, for strftime (assumption where the catalog's samples show none)."""
    if asset.id.startswith(("MODIS/", "NASA/VIIRS/", "OREGONSTATE/")):
        return "%Y_%m_%d"
    return {"minute": "%Y%m%d%H%M%S", "hour": "%Y%m%dT%H", "month": "%Y%m", "year": "%Y"}.get(asset.unit, "%Y%m%d")


def step_end(asset: AssetFacts, moment: datetime) -> datetime:
    """The end of an image's time."""
    if asset.unit in ("month", "year"):
        number = _months(moment) + asset.count * (12 if asset.unit == "year" else 1)
        return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return moment + timedelta(seconds=asset.count * _SECONDS.get(asset.unit, 86_400))
