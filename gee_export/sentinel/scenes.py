"""What a collection holds over a region and period, the facts that reports and manifests name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base import login
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.outage import NETWORK, outage
from isamap.gee_export.base.regions import BoundsWSEN, Period
from isamap.gee_export.base.retry import TOO_MUCH, Patience, Reaction, classify
from isamap.gee_export.datasets.composite_rules import COMPOSITE_VERSION
from isamap.gee_export.datasets.manifest import Band

if TYPE_CHECKING:
    import ee

TOO_MANY = "aborted after accumulating over"  # the server's words for answers of more than 5,000 elements
_TOO_MUCH = (TOO_MANY, *TOO_MUCH)
# Halving ends here: what is too much for a day is no matter of its length.
_DAY_MS = 86_400_000
PATIENCE = Patience(attempts=6, base_s=2.0)  # the client's own waits are a few seconds in all
_BANDS = "isamap_bands"
# What any part of isamap asks of a scene: a list of these is a hundredth of what the whole collection would be.
PROPERTIES = (
    "system:index", "system:time_start", _BANDS, "simulated",
    "PRODUCT_ID", "MGRS_TILE", "CLOUDY_PIXEL_PERCENTAGE", "MEAN_SOLAR_AZIMUTH_ANGLE", "PROCESSING_BASELINE",
    "system:version", "SENSING_ORBIT_NUMBER", "instrumentMode", "transmitterReceiverPolarisation",
    "orbitProperties_pass", "relativeOrbitNumber_start", "resolution_meters", "backscatter", "UTM_ZONE",
    "GENERATION_TIME", "open:provider", "open:item", "open:href", "open:etag", "open:offset", "open:backscatter",
    "open:pixel_m",
)  # fmt: skip


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
    clear: one band for coarse pictures, 1 where the cloud mask lets some scene through; None where there is no mask.
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
    import ee

    named = images.filterDate(start_ms, end_ms).map(lambda image: image.set(_BANDS, image.bandNames()))
    rows = ee.Reducer.toList(len(PROPERTIES), len(PROPERTIES) - 1)  # a scene has its index; it may lack the others
    try:
        table = ask(named.reduceColumns(rows, list(PROPERTIES)))["list"]
    except Fault as error:
        too_much = any(words in str(error).lower() for words in _TOO_MUCH)
        if not too_much or end_ms - start_ms <= _DAY_MS:
            raise
        middle_ms = (start_ms + end_ms) // 2
        halves = _between(images, start_ms, middle_ms) + _between(images, middle_ms, end_ms)
        # By index, as halves of a half come in no common order.
        return tuple(sorted(halves, key=lambda scene: scene.index))
    return tuple(_scene(dict(zip(PROPERTIES, row, strict=True))) for row in table)


def _scene(properties: dict[str, Any]) -> Scene:
    bands = tuple(properties.pop(_BANDS) or ())
    return Scene(
        str(properties["system:index"]), bands, {name: value for name, value in properties.items() if value is not None}
    )


def reduced(images: ee.ImageCollection, bands: Sequence[str], reducer: str) -> tuple[ee.Image, ee.Image]:
    """The collection's mean or median of the bands, and how many valid pixels the first band had (0 where none).

    One reducer for both: asked one after the other, the server would compute every scene twice.
    """
    import ee

    statistic = {"mean": ee.Reducer.mean, "median": ee.Reducer.median}[reducer]()
    both = images.select(list(bands)).reduce(statistic.combine(ee.Reducer.count(), sharedInputs=True))
    image = both.select([f"{band}_{reducer}" for band in bands], list(bands))
    return image, both.select(f"{bands[0]}_count").unmask(0, False)


def ask(value: ee.ComputedObject, patience: Patience = PATIENCE) -> Any:
    """The server's answer as plain Python, asked again where it is too busy; Fault with its words where it refuses."""
    import ee
    from google.auth.exceptions import RefreshError

    for attempt in range(patience.attempts):
        try:
            return value.getInfo()
        except ee.EEException as error:
            # Only a busy server is asked again: every other refusal would come again.
            if classify(error) is not Reaction.SLOWER or attempt + 1 == patience.attempts:
                raise Fault(f"Earth Engine refused a question about its catalog: {error}") from error
            patience.wait(attempt)
        except RefreshError as error:
            raise login.refused(error) from error
        except (ConnectionError, TimeoutError) as error:
            words = outage(error) or str(error)
            raise Fault(
                f"Earth Engine could not be asked about its catalog: {words}; {NETWORK}, then run the same command "
                "again"
            ) from error
    raise AssertionError("patience has at least one attempt")


def nearest_year(images: ee.ImageCollection, year: int) -> int | None:
    """The year nearest to one (of two the earlier) in which the images begin; None where none has a date."""
    times = ask(images.aggregate_array("system:time_start"))
    years = {datetime.fromtimestamp(time / 1000, UTC).year for time in times}
    return min(years, key=lambda dated: (abs(dated - year), dated), default=None)


def check_version(version: int) -> None:
    """ValueError for rules of composites that this isamap does not know."""
    if not 1 <= version <= COMPOSITE_VERSION:
        raise ValueError(
            f"composite_version {version}: this isamap knows 1 to {COMPOSITE_VERSION}; a newer isamap made it, update "
            "yours by `pip install --upgrade isamap`"
        )


def tally(values: Iterable[Any]) -> dict[str, int]:
    """How often each value occurs, keys sorted, as JSON wants them."""
    counts: dict[str, int] = {}
    for value in values:
        counts[str(value)] = counts.get(str(value), 0) + 1
    return dict(sorted(counts.items()))
