"""What a collection holds over a region and period, the facts that reports and manifests name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gee_export.base.errors import Fault
from gee_export.base.outage import NETWORK, outage
from gee_export.base.regions import BoundsWSEN, Period
from gee_export.base.retry import TOO_MUCH
from gee_export.datasets.manifest import Band

if TYPE_CHECKING:
    import ee

TOO_MANY = "aborted after accumulating over"  # the server's words for answers of more than 5,000 elements
_TOO_MUCH = (TOO_MANY, *TOO_MUCH)
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Scene:
    """One image of a collection: its system:index, band names and properties."""

    index: str
    bands: tuple[str, ...]
    properties: Mapping[str, Any]

    def get(self, name: str) -> Any:
        return self.properties.get(name)


@dataclass(frozen=True)
class Sensed:
    """What one sensor gives of a place and period, lazily.

    image: `bands` in physical units; packed: the same in stored numbers (physical = stored * scale), float and not
    rounded; count: clear observations per pixel, one band of the sensor's name and `_count`. used: the scenes, none
    where the sensor has nothing to give (then image, packed and count must not be asked). info: for the manifest.
    clear: one band, 1 where the cloud mask lets some scene through; None where the sensor has no such mask.
    """

    bands: tuple[Band, ...]
    image: ee.Image
    packed: ee.Image
    count: ee.Image
    used: tuple[Scene, ...]
    info: Mapping[str, Any]
    clear: ee.Image | None = None

    @property
    def simulated(self) -> bool:
        return any(scene.get("simulated") for scene in self.used)


def collection(asset_id: str, bounds_wsen: BoundsWSEN, period: Period) -> ee.ImageCollection:
    """The images of a collection that touch the box and begin in the period.

    A box, never an outline: a long polygon would overrun the 10 MB of a request (docs/reference/wishes.md, "Wish 5").
    """
    import ee

    box = ee.Geometry.BBox(*bounds_wsen)
    return ee.ImageCollection(asset_id).filterBounds(box).filterDate(period.start_ms, period.end_ms)


def listed(images: ee.ImageCollection, period: Period) -> tuple[Scene, ...]:
    """The period's scenes of a collection in its own order, or by index where they are too many for one answer.

    They are asked half by half then: a province has more than 5,000 Sentinel-2 scenes a year. Fault where the server
    does not hold the collection.
    """
    return _between(images, period.start_ms, period.end_ms)


def _between(images: ee.ImageCollection, start_ms: int, end_ms: int) -> tuple[Scene, ...]:
    try:
        document = ask(images.filterDate(start_ms, end_ms))
    except Fault as error:
        too_much = any(words in str(error).lower() for words in _TOO_MUCH)
        if not too_much or end_ms - start_ms <= _DAY_MS:
            raise
        middle_ms = (start_ms + end_ms) // 2
        halves = _between(images, start_ms, middle_ms) + _between(images, middle_ms, end_ms)
        return tuple(sorted(halves, key=lambda scene: scene.index))
    scene_list = []
    for feature in document.get("features", []):
        properties = feature.get("properties", {})
        index = properties.get("system:index") or str(feature.get("id", "")).rpartition("/")[2]
        scene_list.append(Scene(index, tuple(band["id"] for band in feature.get("bands", [])), properties))
    return tuple(scene_list)


def reduced(images: ee.ImageCollection, bands: Sequence[str], reducer: str) -> tuple[ee.Image, ee.Image]:
    """The collection's mean or median of the bands, and how many valid pixels the first band had (0 where none).

    One reducer for both: asked one after the other, the server would compute every scene twice.
    """
    import ee

    statistic = {"mean": ee.Reducer.mean, "median": ee.Reducer.median}[reducer]()
    both = images.select(list(bands)).reduce(statistic.combine(ee.Reducer.count(), sharedInputs=True))
    image = both.select([f"{band}_{reducer}" for band in bands], list(bands))
    return image, both.select(f"{bands[0]}_count").unmask(0, False)


def ask(value: ee.ComputedObject) -> Any:
    """The server's answer as plain Python; Fault with the server's words where it refuses."""
    import ee

    try:
        return value.getInfo()
    except ee.EEException as error:
        raise Fault(f"Earth Engine refused a question about its catalog: {error}") from error
    except (ConnectionError, TimeoutError) as error:
        words = outage(error) or str(error)
        raise Fault(
            f"Earth Engine could not be asked about its catalog: {words}; {NETWORK}, then run the same command again"
        ) from error


def nearest_year(images: ee.ImageCollection, year: int) -> int | None:
    """The year nearest to one (of two the earlier) in which the images begin; None where none has a date."""
    times = ask(images.aggregate_array("system:time_start"))
    years = {datetime.fromtimestamp(time / 1000, UTC).year for time in times}
    return min(years, key=lambda dated: (abs(dated - year), dated), default=None)


def tally(values: Iterable[Any]) -> dict[str, int]:
    """How often each value occurs, keys sorted, as JSON wants them."""
    counts: dict[str, int] = {}
    for value in values:
        counts[str(value)] = counts.get(str(value), 0) + 1
    return dict(sorted(counts.items()))
