"""What the local engine needs for Sentinel-1 of a 20-km box in the world, by setting of the composite.

python benchmarks/speckle_cost.py        CPU seconds of this process (engine included), blocks of 1000 pixels, June 2019

The first line draws the world once and is not a filter's; its tiles are kept for the others.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from affine import Affine
from odc.geo.geobox import GeoBox

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BOUNDS_WSEN = (114.2, 30.5, 114.41, 30.68)
LEFT, TOP, SIDE, BLOCK = 231_640, 3_397_580, 2000, 1000
SETTINGS = (
    {"speckle": "none"},
    {"speckle": "none"},
    {"speckle": "boxcar"},
    {"speckle": "lee"},
    {"speckle": "gamma_map"},
    {"speckle": "lee", "terrain": "volume"},
    {"speckle": "lee", "dates": 6},
    {"speckle": "lee_sigma"},
    {"speckle": "refined_lee"},
)


def read(settings: dict) -> int:
    """Fetches the box; how many scenes it is made of."""
    from gee_export.base.regions import Month
    from gee_export.requests import pixels
    from gee_export.sentinel import sentinel1
    from gee_export.sentinel.sentinel1 import Radar

    composite = sentinel1.sensed(BOUNDS_WSEN, Month(2019, 6).period, Radar(**settings))
    for row in range(0, SIDE, BLOCK):
        for col in range(0, SIDE, BLOCK):
            affine = Affine(10, 0, LEFT + 10 * col, 0, -10, TOP - 10 * row)
            pixels.fetch(composite.packed, GeoBox((BLOCK, BLOCK), affine, "EPSG:32650"), ["VV", "VH"])
    return len(composite.used)


def main() -> None:
    from gee_export.earth_engine import session

    session.connect(catalog="world")
    for settings in SETTINGS:
        start, wall = time.process_time(), time.perf_counter()
        scenes = read(settings)
        words = ", ".join(f"{name} {value}" for name, value in settings.items())
        spent, passed = time.process_time() - start, time.perf_counter() - wall
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(
            f"{words:28} {scenes} scenes  CPU {spent:6.1f} s  wall {passed:6.1f} s  peak {peak_mb:.0f} MB", flush=True
        )


if __name__ == "__main__":
    main()
