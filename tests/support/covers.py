"""A small dataset of LandCover3m's seven classes that can be learnt: a town, its truth, and a product that errs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from isamap.gee_export.datasets.dataset import Dataset, Sample, write
from tests.support.towns import manifest, samples, spread

BANDS = ("B2", "B3", "B4", "B8")
CLASSES = ("cropland", "woodland", "grassland", "water", "impervious", "bare", "snow_ice")
SPLITS = spread(8, 4, 6)
IMPERVIOUS = 4


def write_covers(folder: Path, err: Callable[[np.ndarray], np.ndarray] = np.asarray, size: int = 32) -> Dataset:
    """Impervious where the town is, cropland in the other upper halves, woodland in the lower; `err` changes labels."""
    label = {"product": "test", "scheme": "landcover3m", "classes": {str(at): name for at, name in enumerate(CLASSES)}}
    head = manifest(BANDS, size, len(SPLITS), label=label)

    def covered(image: np.ndarray, built: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        region_grid = (np.arange(size) >= size // 2).astype(np.uint8)[:, None]
        return image, err(np.where(built == 1, np.uint8(IMPERVIOUS), region_grid))

    def made() -> list[Sample]:
        return list(samples(BANDS, size, SPLITS, change=covered))

    return write(folder, head, made())
