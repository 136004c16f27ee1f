"""geedim's own download path (getDownloadURL, then GET, tile by tile): python geedim_peer.py URL N MAX_REQUESTS.

geedim cuts an image of several bands into tiles of one; so that a request carries as much as those of the others, the
image has one band and larger tiles.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import common
import geedim  # noqa: F401  (gives images their accessor)
import rasterio

SIDE_PX = 339  # as many values as 7 bands of 128 x 128


def main(url: str, count: int, most: int) -> None:
    common.connect(url)
    down, across = count // common.ACROSS, common.ACROSS
    image = common.image().select("B2")
    shape = (down * SIDE_PX, across * SIDE_PX)
    transform = [10, 0, common.ORIGIN_M[0], 0, -10, common.ORIGIN_M[1]]

    def work() -> int:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "all.tif"
            prepared = image.gd.prepareForExport(
                crs="EPSG:32650", crs_transform=transform, shape=shape, dtype="float32"
            )
            prepared.gd.toGeoTIFF(file, max_tile_dim=SIDE_PX, max_requests=most, overwrite=True)
            with rasterio.open(file) as dataset:
                return down * across if dataset.shape == shape else 0

    common.measure(work, count=down * across)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
