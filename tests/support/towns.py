"""Small datasets that can be learnt: a town of smooth impervious patches in six noisy bands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from isamap.gee_export.datasets.dataset import Band, DatasetManifest, Grid, Sample

# band -> unit, scale, mean and standard deviation of pervious pixels, shift of impervious ones
BANDS = {
    "B2": ("reflectance", 1e-4, 0.06, 0.02, 0.05),
    "B3": ("reflectance", 1e-4, 0.08, 0.02, 0.04),
    "B4": ("reflectance", 1e-4, 0.07, 0.03, 0.06),
    "B8": ("reflectance", 1e-4, 0.30, 0.06, -0.12),
    "VV": ("dB", 0.01, -12.0, 2.5, 5.0),
    "VH": ("dB", 0.01, -18.0, 2.5, 4.0),
}


def _look_of(name: str) -> tuple[str, float, float, float, float]:
    """That of a band, or of the band that a statistic such as B4_p10 is of."""
    return BANDS[name.partition("_")[0]]


def manifest(bands: Sequence[str], size: int, rows: int, **changes) -> DatasetManifest:
    """A manifest of one region `town` with a column of `rows` patches."""
    stored = tuple(Band(name, *_look_of(name)[:2]) for name in bands)
    grid = Grid.of(GeoBox((rows * size, size), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650"))
    values = {
        "name": "town",
        "simulated": True,
        "source": {"server": "test"},
        "image": {},
        "bands": stored,
        "label": {"product": "test"},
        "periods": ({"label": "201906", "start": "2019-06-01", "end": "2019-07-01"},),
        "settings": {"bands": list(bands), "reducer": "mean", "level": "l2a"},
        "backscatter": "sigma0",
        "grids": {"town": grid},
        "size": size,
        "stride": size,
        "split": {"kind": "blocks"},
    }
    return DatasetManifest(**(values | changes))


def scene(bands: Sequence[str], size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Stored values int16 (bands, size, size) and labels 0/1, about a third impervious."""
    field = gaussian_filter(rng.standard_normal((size, size)), 6, mode="wrap")
    label = (field > 0.4 * field.std()).astype(np.uint8)
    planes = []
    for name in bands:
        _, scale, mean, spread, shift = _look_of(name)
        planes.append((mean + shift * label + spread * rng.standard_normal((size, size))) / scale)
    return np.rint(planes).astype(np.int16), label


def samples(
    bands: Sequence[str], size: int, splits: Sequence[str], *, seed: int = 0, change: Callable = lambda *pair: pair
) -> Iterator[Sample]:
    """A patch per entry of `splits`; `change` may alter each image and label."""
    rng = np.random.default_rng(seed)
    for at, split in enumerate(splits):
        image, label = change(*scene(bands, size, rng))
        yield Sample("town", "201906", at * size, 0, split, image, label)


def spread(train: int, val: int, test: int) -> list[str]:
    return ["train"] * train + ["val"] * val + ["test"] * test
