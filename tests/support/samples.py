"""Small datasets for the tests: numbers by rule, no server."""

from __future__ import annotations

import numpy as np

from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.datasets.dataset import Band, DatasetManifest, Grid, Sample

SIZE = 16
BANDS = (Band("B2", "reflectance", 1e-4), Band("B8", "reflectance", 1e-4), Band("VV", "dB", 0.01))


def head(**changes) -> DatasetManifest:
    grid = grid_of(regions.named("wuhan"))
    fields = {
        "name": "wuhan-2019-06",
        "simulated": True,
        "source": {"server": "local-engine", "catalog": "world"},
        "image": {"product": {"sentinel2": "COPERNICUS/S2_SR_HARMONIZED"}},
        "bands": BANDS,
        "label": {"product": "worldcover"},
        "periods": ({"label": "201906", "start": "2019-06-01", "end": "2019-07-01"},),
        "settings": {"speckle": "lee"},
        "backscatter": "sigma0",
        "grids": {"wuhan": Grid.of(grid)},
        "size": SIZE,
        "stride": 10,
        "split": {"kind": "blocks"},
    }
    return DatasetManifest(**(fields | changes))


def samples(count: int = 12, seed: int = 0, labelled: bool = True) -> list[Sample]:
    """Patches along a diagonal, 60 % train; some pixels missing, some labels unknown."""
    rng = np.random.default_rng(seed)
    actual = []
    for index in range(count):
        image = rng.integers(-2500, 9000, (len(BANDS), SIZE, SIZE)).astype(np.int16)
        image[rng.random(image.shape) < 0.1] = -32768
        label = rng.choice([0, 1, 255], (SIZE, SIZE), p=[0.5, 0.4, 0.1]).astype(np.uint8)
        split = ("train", "train", "val", "train", "test")[index % 5]
        location = ("wuhan", "201906", 10 * index, 20 * index)
        actual.append(Sample(*location, split, image, label if labelled else None))
    return actual
