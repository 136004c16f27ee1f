"""Dated views of one patch: single days on which Sentinel-2 saw enough of it, or one composite a month."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import outline
from isamap.gee_export.base.regions import Month, Period
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite, sentinel1, sentinel2
from isamap.gee_export.sentinel.composite import NoScenes, Settings
from isamap.gee_export.sentinel.scenes import Scene, Sensed
from isamap.gee_export.sentinel.sentinel1 import Radar

if TYPE_CHECKING:
    import ee

# One small request for all days: 4,096 pixels tell which tenth of the region is clear.
LOOK_PX = 64  # pixels along the picture by which days are judged
MIN_CLEAR = 0.1  # of the region: a day that shows less is not taken
PARTNER_DAYS = 6  # Sentinel-1 passes so near in time stand beside a day of Sentinel-2 (half of one orbit's 12 days)
# Ours: the scenes' own cloudiness is of 110 km and says little of a region, so several times as many are looked at.
MANY = 4  # so many times the days wanted are looked at, those of the least cloudy scenes


@dataclass(frozen=True)
class Frames:
    """The requested dates: by a rule of KINDS or the user's own days; at most `most` a region and period."""

    rule: str = "scenes"
    days: tuple[date, ...] = ()
    most: int = 8

    def __post_init__(self) -> None:
        if self.rule not in KINDS:
            raise ValueError(f"--frames {self.rule!r}: expected {', '.join(KINDS)} or days as YYYY-MM-DD")
        if not 1 <= self.most <= 64:
            raise ValueError(f"--max-frames {self.most}: expected 1 to 64 dates")
        if self.rule == "days" and not 1 <= len(set(self.days)) == len(self.days) <= self.most:
            raise ValueError(
                f"--frames names {len(self.days)} days: expected 1 to {self.most}, each once (--max-frames)"
            )

    @classmethod
    def parse(cls, words: Sequence[str], most: int) -> Frames:
        """The frames of a text: `scenes`, `months` or days; ValueError says what was expected."""
        if len(words) == 1 and words[0] in ("scenes", "months"):
            return cls(words[0], most=most)
        try:
            return cls("days", tuple(sorted(date.fromisoformat(word) for word in words)), most)
        except ValueError as error:
            if "--" in str(error):
                raise
            raise ValueError(f"--frames {' '.join(words)}: expected scenes, months or days as YYYY-MM-DD") from error

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.rule, "days": [str(day) for day in self.days], "most": self.most}

    def count(self, periods: Sequence[Period]) -> int:
        """The most frames that a patch can have; ValueError for more months than `most` and for days of no period."""
        for day in self.days:
            if not any(period.start <= day < period.end for period in periods):
                listing = ", ".join(map(str, periods))
                raise ValueError(f"--frames {day} lies in no period of the export ({listing}): leave it out")
        if self.rule == "months":
            longest = max(period.months for period in periods)
            if longest > self.most:
                raise ValueError(
                    f"a period holds {longest} months, --max-frames {self.most}: raise it or shorten --period"
                )
            return longest
        return len(self.days) or self.most


@dataclass(frozen=True)
class Frame:
    """One date: YYYYMMDD, a lazy image in stored numbers with the composite's bands, and its facts."""

    day: str
    image: ee.Image
    facts: Mapping[str, Any]


def open_frames(request: Frames, region_grid: RegionGrid, period: Period, settings: Settings) -> tuple[Frame, ...]:
    """The frames of a region and period in order; NoScenes where there is not one."""
    # One level for all days: single days, each by itself, could fall on either.
    settings = replace(settings, optical=sentinel2.pinned(region_grid.region.bounds_wsen, period, settings.optical))
    frame_list = KINDS[request.rule](request, region_grid, period, settings)
    if not frame_list:
        raise NoScenes(f"region {region_grid.name!r} has no date for frames in {period}: choose a longer --period")
    return tuple(sorted(frame_list, key=lambda frame: frame.day))


def by_months(request: Frames, region_grid: RegionGrid, period: Period, settings: Settings) -> list[Frame]:
    """A composite of each month that the period touches, dated by its first day; months without scenes are left out."""
    frames = []
    for month in _months(period):
        try:
            made = composite.build(region_grid.region, month.period, settings)
        except NoScenes:
            continue
        frames.append(Frame(f"{month.period.start:%Y%m%d}", made.packed, {k: list(v) for k, v in made.scenes.items()}))
    return frames


def by_scenes(request: Frames, region_grid: RegionGrid, period: Period, settings: Settings) -> list[Frame]:
    """Days of Sentinel-2 chosen one by one: each adds most clear ground, ground seen before counting less.

    A day adds, over the pixels of a coarse picture of the region, the mean of 1 / (1 + frames in which the pixel is
    clear already); days that show less than MIN_CLEAR of the region are not taken. Looked at are the days whose scenes
    say the least cloud (CLOUDY_PIXEL_PERCENTAGE), MANY for each one wanted.
    """
    days = _days(sentinel2.sensed(region_grid.region.bounds_wsen, period, settings.optical).used)
    calm = sorted(days, key=lambda day: (_cloudiness(days[day]), day))[: MANY * request.most]
    seen = {day: _seen(region_grid, day, settings) for day in sorted(calm)}
    clear = _looked_at(region_grid, seen)
    partners = _radar_days(region_grid, period, settings.radar)
    best_days = chosen_days(clear, request.most)
    return [_frame(region_grid, day, seen[day], (partners, settings, float(clear[day].mean()))) for day in best_days]


def by_days(request: Frames, region_grid: RegionGrid, period: Period, settings: Settings) -> list[Frame]:
    """The user's own days that lie in the period; ValueError where Sentinel-2 has no scene of one."""
    requested_days = [day for day in request.days if period.start <= day < period.end]
    days = (
        _days(sentinel2.sensed(region_grid.region.bounds_wsen, period, settings.optical).used) if requested_days else {}
    )
    for day in requested_days:
        if day not in days:
            near = ", ".join(map(str, sorted(sorted(days, key=lambda candidate: abs(candidate - day))[:4])))
            raise ValueError(
                f"--frames {day}: Sentinel-2 has no scene of {region_grid.name} on that day; near it are {near}"
            )
    partners = _radar_days(region_grid, period, settings.radar) if requested_days else []
    seen = {day: _seen(region_grid, day, settings) for day in requested_days}
    clear = _looked_at(region_grid, seen) if requested_days else {}
    return [
        _frame(region_grid, day, seen[day], (partners, settings, float(clear[day].mean()))) for day in requested_days
    ]


def chosen_days(clear: Mapping[date, np.ndarray], most: int) -> list[date]:
    """At most `most` days in order of time, by what each adds (see by_scenes); of equal ones the earlier first."""
    able = {day: shown for day, shown in sorted(clear.items()) if shown.mean() >= MIN_CLEAR}
    taken: list[date] = []
    if not able:
        return taken
    times = np.zeros(next(iter(able.values())).shape)
    while able and len(taken) < most:
        best = max(able, key=lambda day: (able[day] / (1 + times)).mean())
        times = times + able.pop(best)
        taken.append(best)
    return sorted(taken)


def _frame(
    region_grid: RegionGrid, day: date, optical: Sensed, context: tuple[Sequence[date], Settings, float]
) -> Frame:
    """A day of Sentinel-2 beside the nearest one of Sentinel-1; its bands are missing where none is near."""
    import ee

    partners, settings, clear = context
    near = min(partners, key=lambda partner: (abs(partner - day), partner), default=None)
    facts: dict[str, Any] = {"sentinel2": [scene.index for scene in optical.used], "clear_share": round(clear, 4)}
    if near is None or abs(near - day) > timedelta(PARTNER_DAYS):
        names = [band.name for band in settings.radar.bands]
        radar = ee.Image.constant([0] * len(names)).rename(names).toFloat().updateMask(0)
        facts["sentinel1"] = []
    else:
        sensed = sentinel1.sensed(region_grid.region.bounds_wsen, _day(near), settings.radar)
        radar = sensed.packed
        facts["sentinel1"] = [scene.index for scene in sensed.used]
    return Frame(f"{day:%Y%m%d}", optical.packed.addBands(radar), facts)


def _seen(region_grid: RegionGrid, day: date, settings: Settings) -> Sensed:
    region = region_grid.region
    return sentinel2.sensed(region.bounds_wsen, _day(day), settings.optical, epsg=region.epsg)


def _looked_at(region_grid: RegionGrid, seen: Mapping[date, Sensed]) -> dict[date, np.ndarray]:
    """Which pixels of a coarse picture of the region are clear on each day: bool, those of its outline only."""
    import ee

    able = {day: sensed for day, sensed in seen.items() if sensed.used}
    if not able:
        return {}
    geobox = _coarse(region_grid)
    names = {day: f"d{day:%Y%m%d}" for day in able}
    bands = [_clear(sensed).rename(names[day]) for day, sensed in able.items()]
    image = bands[0].addBands(ee.Image(bands[1:])) if len(bands) > 1 else bands[0]
    raster = pixels.fetch(image, geobox, list(names.values()))
    inside = np.ones(geobox.shape, bool) if region_grid.outline is None else outline.inside(region_grid.outline, geobox)
    shown = (raster.values_BHW > 0.5) & raster.valid_BHW
    return {day: shown[day_index][inside] for day_index, day in enumerate(able)}


def _clear(sensed: Sensed) -> ee.Image:
    """1 where the ground is seen; by the cloud mask alone where there is one, so that no band of the ground is read."""
    return sensed.count.gt(0) if sensed.clear is None else sensed.clear


def _coarse(region_grid: RegionGrid) -> GeoBox:
    """The region in at most LOOK_PX x LOOK_PX pixels."""
    full_grid = region_grid.geobox(region_grid.window)
    factor = math.ceil(max(full_grid.shape) / LOOK_PX)
    height, width = (math.ceil(side / factor) for side in full_grid.shape)
    return GeoBox((height, width), full_grid.affine * Affine.scale(factor), full_grid.crs)


def _radar_days(region_grid: RegionGrid, period: Period, radar: Radar) -> list[date]:
    """Days on which Sentinel-1 has usable scenes, in the period and PARTNER_DAYS about it."""
    reach = timedelta(PARTNER_DAYS)
    wide = Period(period.start - reach, period.end + reach)
    return sorted(_days(sentinel1.listing(region_grid.region.bounds_wsen, wide, radar).used))


def _days(scenes: Sequence[Scene]) -> dict[date, list[Scene]]:
    """Scenes by their day (UTC)."""
    scenes_of: dict[date, list[Scene]] = {}
    for scene in scenes:
        scenes_of.setdefault(datetime.fromtimestamp(scene.get("system:time_start") / 1000, UTC).date(), []).append(
            scene
        )
    return scenes_of


def _cloudiness(scenes: Sequence[Scene]) -> float:
    return float(np.mean([scene.get("CLOUDY_PIXEL_PERCENTAGE") or 0.0 for scene in scenes]))


def _day(day: date) -> Period:
    return Period(day, day + timedelta(1))


def _months(period: Period) -> list[Month]:
    first = period.start.year * 12 + period.start.month - 1
    return [Month(month_index // 12, month_index % 12 + 1) for month_index in range(first, first + period.months)]


Kind = Callable[[Frames, RegionGrid, Period, Settings], list[Frame]]
KINDS: dict[str, Kind] = {"scenes": by_scenes, "months": by_months, "days": by_days}
