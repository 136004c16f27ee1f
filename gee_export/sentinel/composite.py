"""One image of a region and period: Sentinel-2 reflectance and Sentinel-1 backscatter on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from gee_export.base.periods import SENTINEL2_L1C_START, SENTINEL2_L2A_GLOBAL, SENTINEL2_L2A_START, Period
from gee_export.base.regions import Region
from gee_export.datasets.manifest import Band
from gee_export.sentinel import sentinel1, sentinel2
from gee_export.sentinel.scenes import Sensed
from gee_export.sentinel.sentinel1 import Radar
from gee_export.sentinel.sentinel2 import Optical

if TYPE_CHECKING:
    import ee


@dataclass(frozen=True)
class Settings:
    """How a composite is made: `optical` bands first, then `radar`'s."""

    optical: Optical = field(default_factory=Optical)
    radar: Radar = field(default_factory=Radar)

    @classmethod
    def of(cls, **options: Any) -> Settings:
        """Settings of the sensors' options by name (`Settings.of(bands=("B2",), speckle="lee")`), as `from_json`."""
        return cls.from_json(options)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, flat, as manifests and checkpoints hold it."""
        flat = asdict(self.optical) | asdict(self.radar)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in flat.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Settings:
        """Settings of a `to_json` document, defaults for missing options; ValueError naming what is unknown."""
        names_of = {sensor: {option.name for option in fields(sensor)} for sensor in (Optical, Radar)}
        unknown = sorted(document.keys() - set().union(*names_of.values()))
        if unknown:
            expected = ", ".join(sorted(set().union(*names_of.values())))
            raise ValueError(f"composite settings {', '.join(unknown)} are unknown: expected {expected}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        optical, radar = ({n: v for n, v in values.items() if n in names} for names in names_of.values())
        return cls(Optical(**optical), Radar(**radar))

    @property
    def stored_bands(self) -> tuple[Band, ...]:
        """The bands as datasets store them: reflectance by 1e-4, decibels by 0.01."""
        return (*self.optical.stored, *self.radar.bands)


class NoScenes(ValueError):
    """A sensor has not one scene of a region and period."""


@dataclass(frozen=True)
class Composite:
    """A lazy image and what it is made of.

    image: bands in physical units (reflectance, dB). packed: the same bands in stored numbers (reflectance x 1e4,
    dB x 100) as float, not rounded; Sentinel-2's are the means of whole numbers, so rounding them half to even later
    is exact. counts: clear observations per pixel, bands s2_count and s1_count. level: of Sentinel-2, L2A or L1C.
    """

    image: ee.Image
    packed: ee.Image
    counts: ee.Image
    bands: tuple[str, ...]
    scenes: Mapping[str, tuple[str, ...]]
    info: Mapping[str, Any]
    backscatter: str
    level: str
    simulated: bool


def build(region: Region, period: Period, settings: Settings) -> Composite:
    """The composite of a region and period; NoScenes naming both where a sensor has no scene."""
    box = region.bounds_wsen
    optical = sentinel2.sensed(box, period, settings.optical)
    radar = sentinel1.sensed(box, period, settings.radar)
    _check_scenes(region, period, optical, radar)
    return Composite(
        image=optical.image.addBands(radar.image),
        packed=optical.packed.addBands(radar.packed),
        counts=optical.count.addBands(radar.count),
        bands=tuple(band.name for band in (*optical.bands, *radar.bands)),
        scenes={
            "sentinel2": tuple(scene.index for scene in optical.used),
            "sentinel1": tuple(scene.index for scene in radar.used),
        },
        info={"sentinel2": optical.info, "sentinel1": radar.info},
        backscatter=sentinel1.backscatter(radar.used, settings.radar),
        level=optical.info["level"],
        simulated=optical.simulated or radar.simulated,
    )


def _check_scenes(region: Region, period: Period, optical: Sensed, radar: Sensed) -> None:
    if optical.used and radar.used:
        return
    counts = [f"Sentinel-2 {len(optical.used)} scenes", f"Sentinel-1 {len(radar.used)} scenes"]
    if unmatched := optical.info["without_cloud_product"]:
        counts[0] += f" ({len(unmatched)} more have no partner in {optical.info['cloud_product']}: try --clouds scl)"
    if dropped := radar.info["dropped"]:
        counts[1] += f" ({', '.join(f'{n} dropped: {why}' for why, n in dropped.items())})"
    raise NoScenes(
        f"region {region.name!r} cannot be composed for {period}: found {' and '.join(counts)}; "
        f"{_remedy(period, optical)}"
    )


def _remedy(period: Period, optical: Sensed) -> str:
    """What a user can change where a sensor has no scene."""
    if optical.used or optical.info["without_cloud_product"]:
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
