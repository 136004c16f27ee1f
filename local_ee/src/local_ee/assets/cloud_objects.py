"""What graphs read of a home's buckets without an asset: GeoTIFFs as images, and objects' contents.

https://developers.google.com/earth-engine/apidocs/ee-image-loadgeotiff and ee-blob-string.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.assets.cog_source import CogSource, check_place, opened, parts, pinned
from local_ee.catalog import AssetInfo, BoundsWSEN, SourceBand, SourceImage
from local_ee.errors import EngineError
from local_ee.raster.projection import crs_of
from local_ee.storage.objects import ObjectStore, StorageError

MOST_BYTES = 10_000_000  # of a blob (assumption: Google documents no limit)


class CloudObjects:
    """The buckets of a home as a catalog that has no ids."""

    def __init__(self, buckets: ObjectStore) -> None:
        self._buckets = buckets

    def describe(self, asset_id: str) -> AssetInfo | None:
        """None: objects are no assets."""
        return None

    def image(self, image_id: str) -> SourceImage | None:
        """None: objects are no assets."""
        return None

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """None at all: objects are no assets."""
        return ()

    def geotiff(self, uri: str) -> SourceImage:
        """A GeoTIFF as an image, tied to the generation that it has now; EngineError where it cannot be one.

        Assumption: bands are called by the file's descriptions, or else B0, B1 ...
        """
        address = pinned(_checked(uri), self._buckets)
        check_place(address, self._buckets)
        with opened(address, self._buckets) as file:
            if file.crs is None:
                raise EngineError(f"The GeoTIFF at `{uri}` has no projection.")
            grid = GeoBox(file.shape, file.transform, crs_of(file.crs.to_string()))
            names = [name or f"B{index}" for index, name in enumerate(file.descriptions)]
            bands = tuple(SourceBand(name, dtype, grid) for name, dtype in zip(names, file.dtypes, strict=True))
        sources = {name: CogSource(address, band_number) for band_number, name in enumerate(names, 1)}

        def read(wanted: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            pairs = [sources[name].read(grid, geobox, self._buckets) for name in wanted]
            return np.stack([values for values, _ in pairs]), np.stack([valid for _, valid in pairs])

        footprint = grid.footprint("EPSG:4326", npoints=16).geom
        return SourceImage(uri, bands, {}, footprint, read)

    def content(self, uri: str) -> bytes:
        """The bytes of an object; EngineError where there is none, or where they are more than MOST_BYTES."""
        bucket, name, generation = parts(_checked(uri))
        try:
            check_place(uri, self._buckets)
            _, file = self._buckets.open(bucket, name, generation=generation)
        except StorageError as error:
            raise EngineError(f"Cannot read {uri}: {error}") from error
        with file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise EngineError(f"Cannot read {uri}: a blob has at most {MOST_BYTES} bytes.")
        return content


def _checked(uri: str) -> str:
    """The address; EngineError where it is not one of Cloud Storage."""
    if not uri.startswith("gs://") or "/" not in uri.removeprefix("gs://"):
        raise EngineError(f"Invalid Cloud Storage URI '{uri}': expected gs://BUCKET/OBJECT.")
    return uri
