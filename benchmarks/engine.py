"""What the local engine's operations cost beside NumPy, OpenCV and bottleneck (docs/reference/performance.md, "P5").

python benchmarks/engine.py [--side 1000]        seconds that a client waits, least of five turns

The engine uses all cores that nothing else uses, as OpenCV does where it can; run it on an idle machine.
Medians: 12 dates of int16, 30 % masked, and unmasked. Means: the same dates, beside one pass that only reads them.
Lee: one image of a Sentinel-1 month's block with the filter less the same without it, through computePixels; OpenCV
and NumPy filter an array of the same size (below about 800 x 800 it stays in the processor's cache). Composite: a
512 x 512 block of Wuhan's June 2019, Sentinel-2, first and again. Elevation: 256 x 256 pixels as map tiles of three
zooms ask for them. Border: the covered share of 600 x 600 pixels by a jagged shape of 10,000 points, beside shapely,
which cuts the whole shape by every pixel of the border. Start: processor seconds of a process that loads the engine,
serves and ends, its modules compiled to bytecode.
bottleneck is no dependency of this project: `pip install bottleneck` shows its row.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

START = """
from pathlib import Path
from local_ee import LocalEngine
from local_ee.catalogs import open_catalog
with LocalEngine(open_catalog("world"), Path("{home}")):
    pass
print(__import__("time").process_time())
"""
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BOUNDS_WSEN = (114.2, 30.5, 114.41, 30.68)
LEFT, TOP = 231_640, 3_397_580
DATES, TURNS = 12, 5
BORDER_POINTS = 10_000


def least(work: Callable[[], object], turns: int = TURNS) -> float:
    """Seconds of the quickest of some turns, after one that is not counted."""
    work()
    return min(waited(work) for _ in range(turns))


def waited(work: Callable[[], object]) -> float:
    """Seconds that one turn takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def dates(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and mask of the dates."""
    random = np.random.default_rng(0)
    values = random.integers(0, 3000, (DATES, side, side)).astype(np.int16)
    return values, random.random(values.shape) > 0.3


def medians(side: int) -> dict[str, float]:
    """Seconds of the median of masked dates by who computes it; the engine's is bit-equal to NumPy's."""
    from local_ee.raster.ranking import percentiles

    values, keep = dates(side)
    gaps, everything = np.where(keep, values, np.nan), np.ones(keep.shape, bool)
    engine = percentiles(values, keep, (50.0,))[0][0]
    assert (engine == np.nan_to_num(np.nanmedian(gaps, axis=0))).all()
    seconds = {"engine": least(lambda: percentiles(values, keep, (50.0,)))}
    seconds["unmasked"] = least(lambda: percentiles(values, everything, (50.0,)))
    seconds["numpy"] = waited(lambda: np.nanmedian(gaps, axis=0))
    try:
        bottleneck = import_module("bottleneck")
    except ImportError:
        return seconds
    floats = values.astype(np.float32)
    seconds["bottleneck"] = least(lambda: bottleneck.nanmedian(gaps, axis=0))
    return seconds | {"bottleneck unmasked": least(lambda: bottleneck.nanmedian(floats, axis=0))}


def means(side: int) -> dict[str, float]:
    """Seconds of the mean of masked dates, taken one by one as images are, and of one pass that reads them."""
    from local_ee.raster.accumulate import Sums, mean_of

    values, keep = dates(side)

    def mean() -> object:
        sums = Sums(1, mean_of)
        for layer, mask in zip(values, keep, strict=True):
            sums.add([(layer[None], mask[None])])
        return sums.result()

    return {"engine": least(mean), "reading": least(lambda: (values.sum(dtype=np.int64), np.count_nonzero(keep)))}


def lee(side: int) -> dict[str, float]:
    """Seconds of a 7 x 7 Lee filter of one band of one image by who computes it."""
    import cv2

    image = np.random.default_rng(0).gamma(4.4, 1 / 4.4, (side, side)).astype(np.float32)

    def opencv() -> np.ndarray:
        mean = cv2.boxFilter(image, cv2.CV_32F, (7, 7))
        spread = np.maximum(cv2.sqrBoxFilter(image, cv2.CV_32F, (7, 7)) - mean * mean, 0)
        noise = mean * mean / 4.4
        signal = np.maximum(spread - noise, 0)
        return mean + signal / np.maximum(signal + noise, 1e-12) * (image - mean)

    plain, filtered = (least(radar_block(side, name), turns=3) for name in ("none", "lee"))
    return {"engine": (filtered - plain) / radar_images(), "OpenCV + NumPy": least(opencv)}


def radar_images() -> int:
    """How many images a month's block reads, each of which is filtered."""
    import ee

    from isamap.gee_export.base.regions import Month

    period = Month(2019, 6).period
    radar = ee.ImageCollection("COPERNICUS/S1_GRD").filterDate(period.start.isoformat(), period.end.isoformat())
    return int(radar.filterBounds(ee.Geometry.Rectangle(BOUNDS_WSEN)).size().getInfo())


def radar_block(side: int, speckle: str) -> Callable[[], object]:
    """Fetches VV of a month's block, filtered."""
    from isamap.gee_export.base.regions import Month
    from isamap.gee_export.requests import pixels
    from isamap.gee_export.sentinel import sentinel1
    from isamap.gee_export.sentinel.sentinel1 import Radar

    composite = sentinel1.sensed(BOUNDS_WSEN, Month(2019, 6).period, Radar(speckle=speckle))
    return lambda: pixels.fetch(composite.packed, block(side), ["VV"])


def composites() -> dict[str, float]:
    """Seconds a client waits for a 512 x 512 block of the month's four 10-m bands, first and again."""
    from isamap.gee_export.base.regions import Month
    from isamap.gee_export.requests import pixels
    from isamap.gee_export.sentinel import sentinel2
    from isamap.gee_export.sentinel.sentinel2 import Optical

    composite = sentinel2.sensed(BOUNDS_WSEN, Month(2019, 6).period, Optical())

    def fetch() -> object:
        return pixels.fetch(composite.packed, block(512), ["B2", "B3", "B4", "B8"])

    return {"first": waited(fetch), "again": least(fetch, turns=2)}


def elevations() -> dict[str, float]:
    """Seconds of 256 x 256 pixels of elevation by zoom, where each pixel holds 8 x 8 native ones or more."""
    import ee

    from isamap.gee_export.requests import pixels

    def fetch(zoom: int) -> Callable[[], object]:
        step = 40_075_016.7 / 256 / 2**zoom
        box = GeoBox((256, 256), Affine(step, 0, 12_720_000, 0, -step, 3_580_000), "EPSG:3857")
        return lambda: pixels.fetch(ee.Image("USGS/SRTMGL1_003").toFloat(), box, ["elevation"])

    return {f"zoom {zoom}": waited(fetch(zoom)) for zoom in (9, 7, 3)}


def border() -> dict[str, float]:
    import shapely
    from local_ee.raster.geometry import Geometry
    from local_ee.raster.rasterise import covered_share

    rng = np.random.default_rng(0)
    turns = np.sort(rng.uniform(0, 2 * np.pi, BORDER_POINTS))
    radii = 2400 * (1 + 0.2 * np.sin(3 * turns) + 0.01 * rng.normal(size=BORDER_POINTS))
    centre = np.array([LEFT + 3000, TOP - 3000])
    shape = shapely.Polygon(centre + np.column_stack([np.cos(turns), np.sin(turns)]) * radii[:, None]).buffer(0)

    def engine() -> np.ndarray:
        return covered_share(Geometry(shape, "EPSG:32650", geodesic=False), block(600))

    share = engine()
    rows, cols = np.nonzero((share > 0) & (share < 1))
    left, top = LEFT + 10.0 * cols, TOP - 10.0 * rows

    def by_pixel() -> object:
        return shapely.area(shapely.intersection(shapely.box(left, top - 10, left + 10, top), shape))

    return {"engine": least(engine), "shapely": waited(by_pixel)}


def start() -> dict[str, float]:
    """Seconds of processor of an engine that starts and ends, the least of three; the first turn compiles bytecode."""
    with tempfile.TemporaryDirectory() as home:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = f"{home}/bytecode"
        command = [sys.executable, "-c", START.format(home=home)]

        def turn() -> float:
            return float(subprocess.run(command, cwd=ROOT, check=True, env=environment, capture_output=True).stdout)

        return {"start": min([turn() for _ in range(4)][1:])}


def block(side: int) -> GeoBox:
    return GeoBox((side, side), Affine(10, 0, LEFT, 0, -10, TOP), "EPSG:32650")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1000, help="pixels along a side of medians and filters")
    side = parser.parse_args().side
    from isamap.gee_export.earth_engine import session

    session.connect(catalog="world")
    tables = {
        "composite 512": composites(),
        "elevation 256": elevations(),
        f"median of {DATES}": medians(side),
        f"mean of {DATES}": means(side),
        "Lee 7 x 7": lee(side),
        f"border of {BORDER_POINTS:,} points": border(),
        "server": start(),
    }
    for title, seconds in tables.items():
        print(title, ", ".join(f"{name} {value:.4f} s" for name, value in seconds.items()), sep=": ", flush=True)


if __name__ == "__main__":
    main()
