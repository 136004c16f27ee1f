"""One image of a region and period on one grid: Sentinel-2 reflectance, Sentinel-1 backscatter, annual embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from isamap.gee_export.base.periods import SENTINEL2_L1C_START, SENTINEL2_L2A_GLOBAL, SENTINEL2_L2A_START, Period
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.manifest import Band
from isamap.gee_export.sentinel import embeddings, sentinel1, sentinel2, time_series
from isamap.gee_export.sentinel.embeddings import Embeddings
from isamap.gee_export.sentinel.scenes import Sensed
from isamap.gee_export.sentinel.sentinel1 import Radar
from isamap.gee_export.sentinel.sentinel2 import Optical
from isamap.gee_export.sentinel.statistics import PASSES, Statistics

if TYPE_CHECKING:
    import ee


# What a composite can be made of, and what each gives of a region and period.
SENSORS: dict[str, Callable[[Region, Period, Settings], Sensed]] = {
    "sentinel2": lambda region, period, settings: sentinel2.sensed(
        region.bounds_wsen, period, settings.optical, settings.statistics, epsg=region.epsg
    ),
    "sentinel1": lambda region, period, settings: sentinel1.sensed(
        region.bounds_wsen, period, settings.radar, settings.statistics
    ),
    "embeddings": lambda region, period, settings: embeddings.sensed(region, period, settings.embeddings),
}
_RECORDS: dict[str, type[Any]] = {"sentinel2": Optical, "sentinel1": Radar, "embeddings": Embeddings}
EVERY = "every sensor"  # whose options those of a year are
_OPTIONS = _RECORDS | {EVERY: Statistics}
# What each sensor's observations per pixel are called.
COUNT_OF = {"sentinel2": "s2_count", "sentinel1": "s1_count", "embeddings": "embeddings_count"}
SHORT = {"s2": "sentinel2", "s1": "sentinel1"}
USUAL_SENSORS = ("sentinel2", "sentinel1")
# What the settings of earlier datasets and checkpoints do not say: they were of L2A only, and L1C is another
# reflectance; before 2026-11-24 composites were made by the rules of version 1.
FORMER = {"level": "l2a", "composite_version": 1}
_NAMES = {"sentinel2": "Sentinel-2", "sentinel1": "Sentinel-1", "embeddings": "the annual embedding"}


def sensor_names(words: tuple[str, ...]) -> tuple[str, ...]:
    """Sensors by their names, s2 and s1 written out; ValueError for none, unknown ones and one that is given twice."""
    names = tuple(SHORT.get(word, word) for word in words)
    for name in names:
        if name not in SENSORS:
            raise ValueError(f"--sensors {name}: expected some of {', '.join(SENSORS)}")
        if names.count(name) > 1:
            raise ValueError(f"--sensors names {name} twice: its bands can stand there once")
    if not names:
        raise ValueError(f"--sensors is empty: give some of {', '.join(SENSORS)}")
    return names


@dataclass(frozen=True)
class Settings:
    """How a composite is made: its sensors, whose bands follow one another in this order, how each is taken, and what
    becomes of a year's observations.
    """

    optical: Optical = field(default_factory=Optical)
    radar: Radar = field(default_factory=Radar)
    embeddings: Embeddings = field(default_factory=Embeddings)
    sensors: tuple[str, ...] = USUAL_SENSORS
    statistics: Statistics = field(default_factory=Statistics)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensors", sensor_names(self.sensors))
        if self.statistics.of_year:
            self._check_year()

    def _check_year(self) -> None:
        """ValueError for options of one composite of a period beside a year's statistics."""
        name = f"--composite {self.statistics.composite}"
        if "embeddings" in self.sensors:
            raise ValueError(f"{name} is of Sentinel's observations, embeddings are of the year: leave one of them out")
        # Refused rather than ignored: a manifest must not name options that decided nothing.
        if self.optical.extras or self.optical.reducer != Optical.reducer:
            raise ValueError(
                f"{name} has statistics of its own: leave reducer and extras out (statistics: mean, count)"
            )
        if self.radar.dates:
            raise ValueError(f"{name} looks at all dates: leave dates={self.radar.dates} out")
        if self.statistics.by_pass and self.radar.orbit_pass:
            raise ValueError("by_pass gives both passes: leave orbit_pass out")

    @classmethod
    def of(cls, **options: Any) -> Settings:
        """Settings of the sensors' options by name (`Settings.of(bands=("B2",), speckle="lee")`), as `from_json`."""
        return cls.from_json(options)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, flat, as manifests and checkpoints hold it; sensors only where they are not the usual ones."""
        flat = asdict(self.optical) | asdict(self.radar)
        # Left out where usual, so that manifests and checkpoints of earlier versions compare equal.
        if self.sensors != USUAL_SENSORS:
            flat |= {"sensors": self.sensors}
        if "embeddings" in self.sensors:
            flat |= asdict(self.embeddings)
        flat |= self.statistics.to_json()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in flat.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Settings:
        """Settings of a `to_json` document, defaults for missing options; ValueError naming what is unknown."""
        unknown = sorted(document.keys() - option_types().keys() - {"sensors"})
        if unknown:
            expected = ", ".join(sorted({*option_types(), "sensors"}))
            raise ValueError(f"composite settings {', '.join(unknown)} are unknown: expected {expected}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        optical, radar, vectors, statistics = (
            record(**{option.name: values[option.name] for option in fields(record) if option.name in values})
            for record in _OPTIONS.values()
        )
        return cls(optical, radar, vectors, values.get("sensors", USUAL_SENSORS), statistics)

    @classmethod
    def of_trained(cls, document: Mapping[str, Any]) -> Settings:
        """The settings that a dataset or checkpoint keeps, as they were when it was made; ValueError as `from_json`."""
        return cls.from_json(FORMER | dict(document))

    @property
    def composite_version(self) -> int:
        """The rules that composites are made by (composite_rules.COMPOSITE_VERSION)."""
        return self.optical.composite_version

    @property
    def bands(self) -> dict[str, tuple[Band, ...]]:
        """The bands of each sensor, as datasets store them: reflectance and embeddings by 1e-4, decibels by 0.01."""
        optical, radar = self.optical.stored, self.radar.bands
        if self.statistics.of_year:
            optical = self.statistics.optical_bands(self.optical.bands)
            radar = self.statistics.radar_bands(sentinel1.POLARISATIONS)
        stored = {"sentinel2": optical, "sentinel1": radar, "embeddings": self.embeddings.bands}
        return {sensor: stored[sensor] for sensor in self.sensors}

    @property
    def stored_bands(self) -> tuple[Band, ...]:
        """The bands of all sensors, one after another."""
        return tuple(band for bands in self.bands.values() for band in bands)

    @property
    def read_bands(self) -> tuple[str, ...]:
        """The bands of scenes that the stored ones are made of."""
        read = {
            "sentinel2": self.statistics.inputs(self.optical.bands),
            "sentinel1": sentinel1.POLARISATIONS,
            "embeddings": self.embeddings.embedding_bands,
        }
        return tuple(band for sensor in self.sensors for band in read[sensor])

    @property
    def collections(self) -> dict[str, str]:
        """The collection of each sensor."""
        named = {
            "sentinel2": self.optical.sentinel2,
            "sentinel1": self.radar.sentinel1,
            "embeddings": self.embeddings.embedding,
        }
        return {sensor: named[sensor] for sensor in self.sensors}

    def check_period(self, period: Period) -> None:
        """ValueError where the cloud mask knows nothing of days of the period, and where a year is wanted."""
        self.statistics.check_period(period)
        if "sentinel2" in self.sensors:
            self.optical.check_period(period)

    def side_px(self, months: float, most_px: int) -> int:
        """The side of requests of so many months, at most `most_px`, that servers have the memory for."""
        bands = len(self.optical.bands) + len(self.statistics.indices or ())
        return self.statistics.side_px(months, bands if "sentinel2" in self.sensors else 2, most_px)


def option_types() -> dict[str, Any]:
    """The types of the sensors' options by name."""
    return {name: of for record in _OPTIONS.values() for name, of in get_type_hints(record).items()}


def owner_of(option: str) -> str:
    """The sensor that an option belongs to, or EVERY."""
    return next(sensor for sensor, record in _OPTIONS.items() if option in get_type_hints(record))


class NoScenes(ValueError):
    """A sensor has not one scene of a region and period."""


@dataclass(frozen=True)
class Composite:
    """A lazy image and what it is made of.

    image: bands in physical units (reflectance, dB, components of a unit vector). packed: the same bands in stored
    numbers (reflectance x 1e4, dB x 100) as float, not rounded; Sentinel-2's are the means of whole numbers, so
    rounding them half to even later is exact. counts: observations per pixel by sensor, such as s2_count. backscatter
    of Sentinel-1 and level of Sentinel-2 (L2A or L1C): None without the sensor.
    """

    image: ee.Image
    packed: ee.Image
    counts: ee.Image
    bands: tuple[str, ...]
    scenes: Mapping[str, tuple[str, ...]]
    info: Mapping[str, Any]
    backscatter: str | None
    level: str | None
    simulated: bool


def build(region: Region, period: Period, settings: Settings) -> Composite:
    """The composite of a region and period; NoScenes naming both where a sensor has no scene, or none of a season or
    pass; ValueError for a period that the settings do not fit.
    """
    # Before any sensor is asked: it needs no server.
    settings.check_period(period)
    views = {sensor: SENSORS[sensor](region, period, settings) for sensor in settings.sensors}
    _check_scenes(region, period, views)
    _check_groups(region, period, views, settings.statistics)
    return Composite(
        image=_stacked([view.image for view in views.values()]),
        packed=_stacked([view.packed for view in views.values()]),
        counts=_stacked([view.count for view in views.values()]),
        bands=tuple(band.name for view in views.values() for band in view.bands),
        scenes={sensor: tuple(scene.index for scene in view.used) for sensor, view in views.items()},
        info={sensor: view.info for sensor, view in views.items()},
        backscatter=(sentinel1.backscatter(views["sentinel1"].used, settings.radar) if "sentinel1" in views else None),
        level=views["sentinel2"].info["level"] if "sentinel2" in views else None,
        simulated=any(view.simulated for view in views.values()),
    )


def _stacked(images: list[ee.Image]) -> ee.Image:
    first, *others = images
    for image in others:
        first = first.addBands(image)
    return first


def _check_scenes(region: Region, period: Period, views: Mapping[str, Sensed]) -> None:
    if all(view.used for view in views.values()):
        return
    counts = [f"{_NAMES[sensor]} {len(view.used)} scenes{_lost(view)}" for sensor, view in views.items()]
    raise NoScenes(
        f"region {region.name!r} cannot be composed for {period}: found {' and '.join(counts)}; "
        f"{_remedy(period, views)}"
    )


def _check_groups(region: Region, period: Period, views: Mapping[str, Sensed], statistics: Statistics) -> None:
    """NoScenes for a season or pass without a scene, whose bands would hold nothing."""
    groups = {"sentinel2": statistics.optical_groups, "sentinel1": statistics.radar_groups}
    for sensor, view in views.items() if statistics.of_year else ():
        for group in groups[sensor]:
            if not any(time_series.belongs(scene, group) for scene in view.used):
                lacking = " and ".join(PASSES.get(word, word).lower() for word in group if word)
                raise NoScenes(
                    f"region {region.name!r} has no scene of {_NAMES[sensor]} in {period} that is {lacking}: "
                    "choose another --period, or leave by_pass and seasons out"
                )


def _lost(view: Sensed) -> str:
    """Why a sensor's further scenes are not used, in brackets."""
    if unmatched := view.info.get("without_cloud_product"):
        return f" ({len(unmatched)} more have no partner in {view.info['cloud_product']}: try --clouds scl)"
    reasons = [f"{n} dropped: {why}" for why, n in view.info.get("dropped", {}).items()]
    if left_out := view.info.get("left_out"):
        # Unusable ones and twins: of both it is true that an archive lists them and that they are not used.
        reasons.append(f"left out of the archives' lists: {len(left_out)}, such as {left_out[0]}")
    return f" ({', '.join(reasons)})" if reasons else ""


def _remedy(period: Period, views: Mapping[str, Sensed]) -> str:
    """What a user can change where a sensor has no scene."""
    if "embeddings" in views and not views["embeddings"].used:
        return "choose another region, or leave embeddings out of --sensors"
    optical = views.get("sentinel2")
    if optical is None or optical.used or optical.info["without_cloud_product"]:
        return "choose another month or a longer --period"
    if period.end <= SENTINEL2_L1C_START:
        return f"Sentinel-2 L1C begins {SENTINEL2_L1C_START} and L2A {SENTINEL2_L2A_START}, choose a later month"
    if optical.info["level"] == "L2A" and period.end <= SENTINEL2_L2A_START:
        return f"Sentinel-2 L2A begins {SENTINEL2_L2A_START}, choose a later month, or level l1c"
    if optical.info["level"] == "L2A" and period.end <= SENTINEL2_L2A_GLOBAL:
        return (
            "of 2017 and 2018 Earth Engine holds Sentinel-2 L2A for parts of the world only, choose 2019 or later, "
            "or level l1c"
        )
    return "choose another month or a longer --period"
