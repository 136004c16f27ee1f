"""Pixels that stay in a bucket: a band of a cloud-optimised GeoTIFF, tied to the generation of its object.

https://developers.google.com/earth-engine/Earth_Engine_asset_from_cloud_geotiff, "Generations" and "Configuration".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from local_ee import raster_file
from local_ee.errors import EngineError
from local_ee.raster.lattice import on_lattice
from local_ee.raster.projection import projection_of
from local_ee.raster.window import Window
from local_ee.storage.objects import ObjectStore, StorageError

BLOCK_SIDES_PX = (256, 512, 1024, 2048)
PLACES = ("US", "US-CENTRAL1", "NAM4")  # the multi-region, the region, and the dual region that the engine can name


@dataclass(frozen=True)
class CogSource:
    """Where a band's pixels lie. uri: gs://BUCKET/OBJECT#GENERATION; band: its number in the file, from 1.

    missing: values that mean no data; None where the file's own no-data value counts.
    """

    uri: str
    band: int
    missing: tuple[float, ...] | None = None

    def read(self, grid: GeoBox, geobox: GeoBox, buckets: ObjectStore) -> tuple[np.ndarray, np.ndarray]:
        """Values and validity of a window of the band's own lattice; masked outside the image.

        EngineError where the object is gone, or was written again since the asset was made.
        """
        offset = on_lattice(projection_of(grid), geobox)
        if offset is None:
            raise ValueError(f"a window off the pixel lattice of {self.uri}")
        window = Window(*offset, *geobox.shape)
        overlap = window.overlap(Window(0, 0, *grid.shape))
        with opened(self.uri, buckets) as file:
            values = np.zeros(geobox.shape, file.dtypes[self.band - 1])
            valid = np.zeros(geobox.shape, bool)
            if overlap is not None:
                where = RasterWindow(overlap.col, overlap.row, overlap.width, overlap.height)
                pixels = file.read(self.band, window=where)
                values[overlap.within(window)] = pixels
                valid[overlap.within(window)] = self._valid(pixels, file, where)
        return values, valid

    def _valid(self, values: np.ndarray, file: DatasetReader, where: RasterWindow) -> np.ndarray:
        if self.missing is None:
            return file.read_masks(self.band, window=where) != 0
        return ~np.isin(values, self.missing)


def pinned(uri: str, buckets: ObjectStore) -> str:
    """The address with a generation: its own, or that of the object as it is now. EngineError where there is none."""
    bucket, name, generation = parts(uri)
    try:
        return f"gs://{bucket}/{name}#{buckets.get(bucket, name, generation=generation).generation}"
    except StorageError as error:
        raise EngineError(f"Cannot read {uri}: {error}") from error


def check_place(uri: str, buckets: ObjectStore) -> None:
    """EngineError where the bucket lies where Earth Engine does not read external images."""
    bucket, _, _ = parts(uri)
    location = buckets.bucket(bucket)["location"]
    if location not in PLACES:
        raise EngineError(
            f"The bucket '{bucket}' is in {location}: external images are read from the US multi-region, a "
            "US dual-region with US-CENTRAL1, or US-CENTRAL1."
        )


@contextmanager
def opened(uri: str, buckets: ObjectStore) -> Iterator[DatasetReader]:
    """The GeoTIFF of just that generation; EngineError in Earth Engine's words where it cannot be loaded."""
    bucket, name, generation = parts(uri)
    try:
        stored, bytes_ = buckets.open(bucket, name, generation=generation)
        bytes_.close()
        file = raster_file.open_file(buckets.content_path(stored), uri)
    except (StorageError, RasterioError, ValueError) as error:
        raise EngineError(f"Failed to load the GeoTIFF at `{uri}`. ({error})") from error
    with file:
        yield file


def check_layout(file: DatasetReader, uri: str) -> None:
    """EngineError where the file is no cloud-optimised GeoTIFF that Earth Engine takes."""
    sides = {(height, width) for height, width in file.block_shapes}
    if not sides <= {(side, side) for side in BLOCK_SIDES_PX}:
        expected = ", ".join(f"{side}x{side}" for side in BLOCK_SIDES_PX)
        raise EngineError(f"The GeoTIFF at `{uri}` has tiles of {sorted(sides)}: expected {expected}.")
    levels = (None, *range(len(file.overviews(1))))
    heads = [_offset(file, "IFD_OFFSET", level) for level in levels]
    data = [_offset(file, "BLOCK_OFFSET_0_0", level) for level in levels]
    if max(filter(None, heads), default=0) > min(filter(None, data), default=float("inf")):
        raise EngineError(f"The GeoTIFF at `{uri}` is not cloud-optimised: its IFDs are not all at the beginning.")


def _offset(file: DatasetReader, item: str, level: int | None) -> int | None:
    text = file.get_tag_item(item, "TIFF", bidx=1, ovr=level)
    return int(text) if text else None


def parts(uri: str) -> tuple[str, str, int | None]:
    """Bucket, object and generation of an address."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    name, mark, generation = name.rpartition("#") if "#" in name else (name, "", "")
    if mark and not generation.isdigit():
        raise EngineError(f"Invalid source uri '{uri}': expected a number after #.")
    return bucket, name, int(generation) if mark else None
