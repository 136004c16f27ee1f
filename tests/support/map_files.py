"""A map's pixels as any reader of GeoTIFF gets them, without the project's own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio


def read_map(path: Path) -> np.ndarray:
    """Classes of NAME.tif and probabilities of NAME_prob.tif, uint8 (2, rows, columns)."""
    bands = []
    for file in (path, path.with_name(f"{path.stem}_prob.tif")):
        with rasterio.open(file) as source:
            bands.append(source.read(1))
    return np.stack(bands)
