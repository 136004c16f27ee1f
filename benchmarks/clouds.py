"""What each cloud mask misses and takes too much of on the simulated world, where the truth of clouds is known.

    python benchmarks/clouds.py                       the table of docs/sentinel2.md
    python benchmarks/clouds.py --seconds             how long a month of a 20 km box takes, per mask and reducer

A pixel is cloud where the world's cloud covers it by more than a quarter, and shadow where a cloud of more than a
quarter stands before the sun; clear where neither is above 5 %. What lies between is not judged. Missed: cloud (or
shadow) that a mask calls clear, in percent of all cloud (shadow). Taken: clear ground that a mask hides, in percent
of all clear ground.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import ee
import numpy as np
from local_ee.world import clouds as skies
from local_ee.world import sentinel2 as world
from local_ee.world.lattice import Cut
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Period, Region, from_bbox
from isamap.gee_export.earth_engine import session
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import clouds, scenes, sentinel2
from isamap.gee_export.sentinel.sentinel2 import Optical

PLACES = {"city": (114.27, 30.52, 114.35, 30.59), "fields": (113.90, 30.20, 113.98, 30.27)}
MONTHS = ("2019-01", "2019-06")
COVERED, CLEAR = 0.25, 0.05
BOX = (114.20, 30.45, 114.405, 30.63)  # 20 km
MASKS = {
    **{f"cloud_score_plus {level:.2f}": {"clouds": "cloud_score_plus", "clear": level} for level in (0.5, 0.6, 0.65)},
    **{f"s2cloudless {percent} %": {"clouds": "s2cloudless", "cloud_probability": percent} for percent in (40, 50, 65)},
    "s2cloudless, dark_nir 0.20": {"clouds": "s2cloudless", "dark_nir": 0.20},
    "s2cloudless, shadows to 4 km": {"clouds": "s2cloudless", "shadow_km": 4.0},
    "scl": {"clouds": "scl"},
    "qa60": {"clouds": "qa60"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", action="store_true", help="time a month of a 20 km box instead")
    options = parser.parse_args()
    with session.connect():
        _time() if options.seconds else _judge()


def _judge() -> None:
    tallies = np.zeros((len(MASKS), 6))
    count = 0
    settings = [Optical(**mask_settings) for mask_settings in MASKS.values()]
    for region, period in _places():
        for counts in counts_of(region, period, settings):
            tallies, count = tallies + counts, count + 1
    print(f"{'mask':32}{'cloud missed %':>16}{'shadow missed %':>17}{'clear taken %':>15}")
    for name, (cloud, missed, shadow, unseen, clear, taken) in zip(MASKS, tallies, strict=True):
        shares = 100 * missed / cloud, 100 * unseen / shadow, 100 * taken / clear
        print(f"{name:32}{shares[0]:16.1f}{shares[1]:17.1f}{shares[2]:15.1f}")
    cloud, _, shadow, _, clear, _ = tallies[0]
    print(f"{count} scenes: {cloud:.3g} cloud, {shadow:.3g} shadow and {clear:.3g} clear pixels")


def _places() -> Iterator[tuple[Region, Period]]:
    for bbox in PLACES.values():
        for month in MONTHS:
            yield from_bbox(bbox), Period.parse(month)


def counts_of(region: Region, period: Period, settings: Sequence[Optical]) -> Iterator[np.ndarray]:
    """Of each scene, by mask: cloud, of it missed, shadow, of it missed, clear, of it taken."""
    grid = grid_of(region)
    images = scenes.collection(sentinel2.COLLECTIONS["L2A"], region.bounds_wsen, period)
    for product in ("cloud_score_plus", "s2cloudless"):
        images = clouds.linked(images, clouds.CLOUDS[product])
    for scene in scenes.listed(images, period):
        image = images.filter(ee.Filter.eq("system:index", scene.index)).first()
        kept = kept_by(image, settings, grid)
        inside = kept[-1] > 0
        cloud, dark, ground = (inside & layer for layer in truth_of(scene.index, grid))
        for_each = ((cloud, cloud & mask, dark, dark & mask, ground, ground & ~mask) for mask in kept[:-1] > 0)
        yield np.array([[np.count_nonzero(layer) for layer in parts] for parts in for_each], float)


def kept_by(image: ee.Image, settings: Sequence[Optical], grid: GeoBox) -> np.ndarray:
    """What each mask leaves, and last what the scene covers: [mask, row, column]."""
    masks = [setting.mask.clear(image, setting, "L2A").unmask(0, False) for setting in settings]
    here = image.select("B2").mask().unmask(0, False)
    names = [f"m{index}" for index in range(len(masks) + 1)]
    stack = ee.Image.cat(*masks, here).rename(names)
    return pixels.fetch(stack, grid, names).values_BHW


def truth_of(index: str, grid: GeoBox) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cloud, shadow and clear ground of a scene."""
    opacity, shadow = skies.over(Cut.of(grid), world.scene_of(index).overpass.sky)
    free = opacity < CLEAR
    return opacity > COVERED, (shadow > COVERED) & free, free & (shadow < CLEAR)


def _time() -> None:
    region, period = from_bbox(BOX), Period.parse("2019-06")
    print(f"{'mask':20}{'reducer':10}{'seconds':>9}{'of all processes (CPU)':>24}")
    for name in clouds.CLOUDS:
        for reducer in sentinel2.REDUCERS:
            started, used = time.monotonic(), time.process_time()
            optical = Optical(clouds=name, reducer=reducer)
            made = sentinel2.sensed(region.bounds_wsen, period, optical)
            grid = grid_of(region)
            for row in range(0, grid.shape[0], 512):
                for col in range(0, grid.shape[1], 512):
                    pixels.fetch(made.packed, grid[row : row + 512, col : col + 512], optical.bands)
            print(f"{name:20}{reducer:10}{time.monotonic() - started:9.1f}{time.process_time() - used:24.1f}")


if __name__ == "__main__":
    main()
