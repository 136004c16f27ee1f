"""What the first answers of a new installation cost: kernels compiled, processor seconds, and memory.

    python local_ee/benchmarks/footprint.py [NAME ...]
    python local_ee/benchmarks/footprint.py --views

Each question runs in a process of its own with an empty cache of kernels, so that it pays what a fresh environment
pays. Memory is that of the process with its answer, and after a rest (local_ee/idle.py). Views are map tiles of 256
pixels around Wuhan, drawn with nothing remembered and kernels compiled: processor seconds of server and client.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLACE, MONTH = (4.85, 52.35), ("2020-06-01", "2020-07-01")
VIEWED, ZOOMS, EARTH_M = (114.3, 30.6), (8, 9, 10), 40_075_016.68
HEAD = "| first question | kernels compiled | of them compiling, s | processor s | memory, MB | after a rest, MB |"


def _scenes(collection: str) -> Any:
    import ee

    return ee.ImageCollection(collection).filterBounds(ee.Geometry.Point(PLACE)).filterDate(*MONTH)


def _mean(image: Any, band: str, scale_m: float) -> Any:
    import ee

    return image.select(band).reduceRegion("mean", ee.Geometry.Point(PLACE).buffer(10 * scale_m), scale_m)


def _questions() -> dict[str, Callable[[], Any]]:
    import ee

    return {
        "number": lambda: ee.Number(1).add(2),
        "table": lambda: ee.FeatureCollection("FAO/GAUL/2015/level0").size(),
        "scenes": lambda: _scenes("COPERNICUS/S2_SR_HARMONIZED").size(),
        "modis": lambda: _mean(ee.Image("MODIS/061/MOD13Q1/2020_06_09"), "NDVI", 250),
        "elevation": lambda: _mean(ee.Image("USGS/SRTMGL1_003"), "elevation", 30),
        "sentinel2": lambda: _mean(_scenes("COPERNICUS/S2_SR_HARMONIZED").median(), "B4", 10),
        "sentinel1": lambda: _mean(_scenes("COPERNICUS/S1_GRD").mean(), "VV", 10),
        "worldcover": lambda: _mean(ee.Image("ESA/WorldCover/v200/2021"), "Map", 10),
    }


def _pictures() -> dict[str, Any]:
    import ee

    month = [
        ee.ImageCollection(name).filterDate("2019-06-01", "2019-07-01")
        for name in ("COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD")
    ]
    return {
        "Sentinel-2, median of a month, B4": month[0].select("B4").median(),
        "Sentinel-1, mean of a month, VV": month[1].select("VV").mean(),
        "WorldCover 2021": ee.Image("ESA/WorldCover/v200/2021"),
    }


def _tile(zoom: int) -> dict[str, Any]:
    """The grid of a map tile."""
    from pyproj import Transformer

    side = EARTH_M / 2**zoom
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(*VIEWED)
    scale, corner = side / 256, {"translateX": x // side * side, "translateY": (y // side + 1) * side}
    transform = {"scaleX": scale, "scaleY": -scale, "shearX": 0, "shearY": 0, **corner}
    return {"dimensions": {"width": 256, "height": 256}, "affineTransform": transform, "crsCode": "EPSG:3857"}


def views() -> None:
    """Prints a row for each picture; one picture of each kind is drawn before, so that its kernels are compiled."""
    import ee
    from google.auth.credentials import AnonymousCredentials

    from local_ee import LocalEngine, idle
    from local_ee.catalogs import open_catalog

    def spent(picture: Any, zoom: int) -> float:
        idle.forget_all()
        begun = time.process_time()
        ee.data.computePixels({"expression": picture, "fileFormat": "NUMPY_NDARRAY", "grid": _tile(zoom)})
        return time.process_time() - begun

    print("| map tile |" + "".join(f" zoom {zoom}, s |" for zoom in ZOOMS), "|---|" + "---:|" * len(ZOOMS), sep="\n")
    with tempfile.TemporaryDirectory() as home, LocalEngine(open_catalog("world"), Path(home)) as engine:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=engine.url)
        for name, picture in _pictures().items():
            spent(picture, ZOOMS[-1])
            print(f"| {name} |" + "".join(f" {spent(picture, zoom):.1f} |" for zoom in ZOOMS), flush=True)


class Compiled:
    """Counts kernels as numba compiles them, and the processor seconds of the outermost ones."""

    def __init__(self) -> None:
        from numba.core import event

        self.count, self.seconds = 0, 0.0
        self._depth, self._since = 0, 0.0
        counter = self

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                counter._since = counter._since if counter._depth else time.process_time()
                counter._depth += 1

            def on_end(self, event: Any) -> None:
                counter._depth -= 1
                counter.count += 1
                counter.seconds += 0.0 if counter._depth else time.process_time() - counter._since

        event.register("numba:compile", Listener())


def answer(name: str) -> str:
    """The row of one question, asked of an engine of this process."""
    import ee
    from google.auth.credentials import AnonymousCredentials

    from local_ee import LocalEngine, idle
    from local_ee.catalogs import open_catalog
    from local_ee.platform.machine import resident_bytes

    compiled = Compiled()
    with tempfile.TemporaryDirectory() as home, LocalEngine(open_catalog("world"), Path(home)) as engine:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=engine.url)
        begun = time.process_time()
        _questions()[name]().getInfo()
        spent, resident = time.process_time() - begun, resident_bytes()
        idle.forget_all()
        rested = resident_bytes()
    numbers = f"{compiled.count} | {compiled.seconds:.1f} | {spent:.1f} | {resident / 1e6:.0f} | {rested / 1e6:.0f}"
    return f"| {name} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_questions())} (default all)")
    parser.add_argument("--here", action="store_true", help="in this process, with its cache of kernels")
    parser.add_argument("--views", action="store_true", help="processor seconds of map tiles instead")
    options = parser.parse_args()
    if options.views:
        views()
        return
    names = options.names or list(_questions())
    if unknown := set(names) - _questions().keys():
        parser.error(f"unknown question {min(unknown)!r}: expected {', '.join(_questions())}")
    if options.here:
        print(answer(names[0]))
        return
    print(HEAD, "|---|---:|---:|---:|---:|---:|", sep="\n")
    for name in names:
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"NUMBA_CACHE_DIR": cache}
            subprocess.run([sys.executable, __file__, "--here", name], env=environment, check=True)


if __name__ == "__main__":
    main()
