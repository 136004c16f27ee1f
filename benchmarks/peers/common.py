"""What every program of benchmarks/export.py shares: the image, the grid, and how figures are printed."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import ee
from google.auth.credentials import AnonymousCredentials

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH", "label")
SIDE_PX, ACROSS = 128, 28
ORIGIN_M = (200_000, 3_400_000)


def connect(url: str) -> None:
    """The real client, led to the stub."""
    ee.Initialize(credentials=AnonymousCredentials(), project="local", url=url)


def image() -> ee.Image:
    """A month's composite with a radar stack and a label, as large a graph as an export's."""
    box = ee.Geometry.BBox(113.7, 29.9, 115.1, 31.4)
    optical = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterBounds(box).filterDate("2019-06-01", "2019-07-01")
    scores = ee.ImageCollection("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED")
    clear = optical.linkCollection(scores, ["cs_cdf"]).map(
        lambda scene: scene.updateMask(scene.select("cs_cdf").gte(0.6)).select(list(BANDS[:4]))
    )
    radar = ee.ImageCollection("COPERNICUS/S1_GRD_FLOAT").filterBounds(box).filterDate("2019-06-01", "2019-07-01")
    kernel = ee.Kernel.square(3)

    def lee(scene: ee.Image) -> ee.Image:
        raw = scene.select(["VV", "VH"])
        mean = raw.reduceNeighborhood(ee.Reducer.mean(), kernel).rename(["VV", "VH"])
        variance = raw.reduceNeighborhood(ee.Reducer.variance(), kernel).rename(["VV", "VH"])
        weight = variance.subtract(mean.pow(2).divide(4.4)).divide(variance.multiply(1.2)).clamp(0, 1)
        return mean.add(weight.multiply(raw.subtract(mean)))

    label = ee.ImageCollection("ESA/WorldCover/v100").mosaic().select("Map").eq(50).rename("label")
    both = clear.mean().multiply(1e-4).addBands(radar.map(lee).mean().log10().multiply(10)).addBands(label)
    return both.select(list(BANDS)).toFloat()


def grid(index: int) -> dict:
    """The REST form of block `index`."""
    row, col = divmod(index, ACROSS)
    x, y = ORIGIN_M[0] + col * SIDE_PX * 10, ORIGIN_M[1] - row * SIDE_PX * 10
    affine = {"scaleX": 10, "shearX": 0, "translateX": x, "shearY": 0, "scaleY": -10, "translateY": y}
    return {"dimensions": {"width": SIDE_PX, "height": SIDE_PX}, "affineTransform": affine, "crsCode": "EPSG:32650"}


def measure(work: Callable[[], int], **more) -> None:
    """Runs the work, which gives how many blocks arrived, and prints wall and CPU seconds as JSON."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    error = ""
    try:
        arrived = work()
    except Exception as failure:
        arrived, error = 0, f"{type(failure).__name__}: {failure}"[:200]
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "arrived": arrived, "error": error, **more}))
    sys.stdout.flush()
