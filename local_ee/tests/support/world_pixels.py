"""A few windows of everything the world serves, in short: what holds its pixels still while its code changes.

`python -m tests.support.world_pixels > local_ee/tests/world/pixels.json` writes the file that the test reads.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator

import numpy as np
from pyproj import Transformer

from local_ee.catalog import SourceImage
from local_ee.raster.window import Window, crop
from local_ee.world import World
from tests.support.places import WUHAN_WSEN, Month
from tests.support.world_spots import COUNTRY, HANKOU, RIVER

SIZE = (34, 57)
_SPOTS = (HANKOU, COUNTRY, RIVER)
_MONTHS = (Month(2019, 6), Month(2020, 4), Month(2017, 1), Month(2020, 1))
_SAMPLES = 4  # numbers kept of a window of floats, whose last bits are the processor's


def images_of(world: World, asset_id: str) -> list[SourceImage]:
    """At most three images of an asset over Wuhan: the first, one of the middle and the last of its first month."""
    single = world.image(asset_id)
    if single is not None:
        return [single]
    for month in _MONTHS:
        images = world.images(asset_id, month.start_ms, month.end_ms, WUHAN_WSEN)
        if images:
            return [images[k] for k in sorted({0, len(images) // 2, len(images) - 1})]
    return list(world.images(asset_id, None, None, WUHAN_WSEN))[:2]


def windows_of(image: SourceImage, band: str) -> Iterator:
    """One window of a band at each spot."""
    grid = next(b.grid for b in image.bands if b.name == band)
    for x, y in _SPOTS:
        col, row = ~grid.affine * Transformer.from_crs(32650, grid.crs, always_xy=True).transform(x, y)
        yield crop(grid, Window(int(row), int(col), *SIZE))


def short(values: np.ndarray, mask: np.ndarray) -> str | list[float]:
    """A digest of whole numbers where they are not masked; of floats, some of the values that are not masked."""
    if values.dtype.kind != "f":
        return hashlib.sha256(np.where(mask, values, 0).tobytes() + mask.tobytes()).hexdigest()[:16]
    clear = values[mask]
    return [float(f"{value:.7g}") for value in clear[:: max(clear.size // _SAMPLES, 1)][:_SAMPLES]]


def pixels_of(world: World, asset_id: str) -> dict[str, list]:
    """Of each image and band of an asset, what `short` keeps of each window."""
    out: dict[str, list] = {}
    for image in images_of(world, asset_id):
        for band in image.bands:
            pairs = [image.read((band.name,), window) for window in windows_of(image, band.name)]
            out[f"{image.id}:{band.name}"] = [short(values, mask) for values, mask in pairs]
    return out


if __name__ == "__main__":
    served = World()
    lines = [f"{json.dumps(key)}: {json.dumps(kept)}" for i in served.ids for key, kept in pixels_of(served, i).items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
