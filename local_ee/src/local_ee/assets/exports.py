"""Exports: an image's pixels as GeoTIFFs in a bucket, or as an asset.

Source: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export and guides/exporting_images.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterWindow

from local_ee import budget, encode, raster_file
from local_ee.assets.asset import Asset, StoredBand, stored_band
from local_ee.assets.destination import Destination
from local_ee.assets.files import BLOCK_PX, check_policy, to_cog, write_bands
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Progress
from local_ee.assets.times import iso_time, now
from local_ee.errors import EngineError
from local_ee.evaluation import regions
from local_ee.evaluation.values import Image
from local_ee.limits import EXPORT_FILE_BYTES, EXPORT_PIXELS, GRID_SIDE_PX
from local_ee.raster.pixels import Pixels, is_blank
from local_ee.raster.window import Window, crop, tiles
from local_ee.storage.objects import ObjectStore

READ_BYTES = 32 << 20  # of one piece of an export
LOOKAHEAD = 3  # pieces computed or waiting at once


Piece = tuple[Window, Pixels]
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FileOptions:
    """Where and how the GeoTIFFs of an export are written."""

    destination: Destination
    tile_shape: tuple[int, int]
    block_px: int
    no_data: float | None
    cloud_optimized: bool
    skip_empty: bool


def file_options(options: Mapping[str, Any]) -> FileOptions:
    """The options of a fileExportOptions message; EngineError for what is not written here."""
    destination = Destination.of(options)
    geotiff = options.get("geoTiffOptions") or {}
    block = int(plain_number(geotiff.get("tileSize"), 256))
    dimensions = geotiff.get("tileDimensions") or {}
    shape = tuple(int(dimensions.get(key, GRID_SIDE_PX)) for key in ("height", "width"))
    if block < 16 or block % 16:
        raise EngineError(f"shardSize {block} must be a positive multiple of 16.")
    if any(side % block for side in shape):
        raise EngineError(f"fileDimensions {shape[1]}x{shape[0]} must be multiples of the shardSize {block}.")
    no_data = plain_number(geotiff.get("noData"), None, "floatValue")
    return FileOptions(
        destination,
        (shape[0], shape[1]),
        block,
        None if no_data is None else float(no_data),
        bool(geotiff.get("cloudOptimized")),
        bool(geotiff.get("skipEmptyFiles")),
    )


def asset_destination(options: Mapping[str, Any], band_names: Sequence[str]) -> tuple[str, bool, tuple[str, ...]]:
    """Id, overwrite and each band's pyramiding policy of an assetExportOptions message."""
    destination = options.get("earthEngineDestination") or {}
    default = check_policy(options.get("pyramidingPolicy", ""))
    overrides = options.get("pyramidingPolicyOverrides") or {}
    policies = tuple(check_policy(overrides.get(name, default)) for name in band_names)
    return str(destination.get("name", "")), bool(destination.get("overwrite")), policies


def export_grid(image: Image, max_pixels: int) -> GeoBox:
    """The grid of the image's first band; EngineError where it has no end or too many pixels."""
    grid = regions.extent(image)
    if grid is None:
        raise EngineError("Unable to export unbounded image.")
    pixels = grid.shape[0] * grid.shape[1]
    if pixels > max_pixels:
        raise EngineError(
            f"Export too large: specified {pixels} pixels (max: {max_pixels}). Specify higher maxPixels value if you "
            "intend to export a large area."
        )
    return grid


def max_pixels(body: Mapping[str, Any]) -> int:
    """maxPixels of an export request, which the client wraps as {"value": "..."}."""
    return int(plain_number(body.get("maxPixels"), EXPORT_PIXELS))


@dataclass(frozen=True)
class Work:
    """What a running export computes with."""

    threads: Executor
    progress: Progress

    def pieces(self, image: Image, grid: GeoBox, begun: float = 0.0, share: float = 1.0) -> Iterator[Piece]:
        """The image's pixels piece by piece, in order, some computed ahead; reports begun + share x (part done)."""
        done, total = 0, grid.shape[0] * grid.shape[1]
        windows = tiles(*grid.shape.yx, _piece_side(image))
        self.progress.report(begun)
        for window, pixels in self.ahead(windows, lambda window: image.read(crop(grid, window))):
            yield window, pixels
            done += window.height * window.width
            self.progress.report(begun + share * done / total)

    def ahead(self, items: Iterable[Item], compute: Callable[[Item], Answer]) -> Iterator[tuple[Item, Answer]]:
        """Each item with what is computed of it, in order; LOOKAHEAD of them are computed or wait at once."""
        waiting: deque[tuple[Item, Future[Answer]]] = deque()
        todo = iter(items)
        try:
            while True:
                waiting.extend(
                    (item, self.threads.submit(_metered, compute, item))
                    for item in islice(todo, LOOKAHEAD - len(waiting))
                )
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield item, future.result()
        finally:
            # An export that fails or is cancelled leaves no pieces in the queue of the others.
            for _, future in waiting:
                future.cancel()


def _metered(compute: Callable[[Item], Answer], item: Item) -> Answer:
    """Computed in a thread of the pool, whose processor time is the export's."""
    return budget.current().metered(lambda: compute(item))


def to_bucket(image: Image, grid: GeoBox, options: FileOptions, buckets: ObjectStore, work: Work) -> list[str]:
    """Writes the files of an export; the address they begin with."""
    options.destination.check(buckets)
    bucket = options.destination.bucket
    dtype = encode.common_dtype([band.type.dtype.name for band in image.bands])
    parts = file_parts(grid, options)
    _check_file_size(parts[0][1], dtype, len(image.bands))
    for index, (name, window) in enumerate(parts):
        draft = buckets.temporary(bucket, name)
        try:
            pieces = work.pieces(image, crop(grid, window), index / len(parts), 1 / len(parts))
            some = _write_geotiff(draft, image, crop(grid, window), options, pieces)
            if some or not options.skip_empty:
                buckets.put(draft, bucket, name, attributes={"contentType": "image/tiff"})
        finally:
            draft.unlink(missing_ok=True)
    return [options.destination.url]


def file_parts(grid: GeoBox, options: FileOptions) -> list[tuple[str, Window]]:
    """Name and window of each file: PREFIX.tif, or PREFIX-yMin-xMin.tif where one file cannot hold the image."""
    height, width = grid.shape
    tall, wide = options.tile_shape
    prefix = options.destination.prefix
    if height <= tall and width <= wide:
        return [(f"{prefix}.tif", Window(0, 0, height, width))]
    corners = [(row, col) for row in range(0, height, tall) for col in range(0, width, wide)]
    return [
        (
            f"{prefix}-{row:010d}-{col:010d}.tif",
            Window(row, col, min(tall, height - row), min(wide, width - col)),
        )
        for row, col in corners
    ]


def to_asset(image: Image, grid: GeoBox, options: Mapping[str, Any], store: AssetStore, work: Work) -> list[str]:
    """Writes an image asset; its id."""
    name, overwrite, policies = asset_destination(options, image.band_names)
    asset_id = store.check_target(name, "IMAGE", overwrite=overwrite)
    files = store.new_files(asset_id, len(image.bands))
    dtypes = [band.type.dtype.name for band in image.bands]
    try:
        blocks = (
            [(window, values, mask) for values, mask in zip(pixels.values, pixels.masks, strict=True)]
            for window, pixels in work.pieces(image, grid)
        )
        write_bands(files, grid, dtypes, policies, blocks)
        bands = tuple(
            stored_band(band.name, file, grid, dtype, policy)
            for band, file, dtype, policy in zip(image.bands, files, dtypes, policies, strict=True)
        )
        return [store.publish(_described(asset_id, image, bands), overwrite=overwrite).id]
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        raise


def _described(asset_id: str, image: Image, bands: tuple[StoredBand, ...]) -> Asset:
    """The asset with the properties of the image that an asset can hold, and its times."""
    own = image.properties
    kept = {
        key: value
        for key, value in own.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool) and not key.startswith("system:")
    }
    start, end = (
        iso_time(own[key]) if isinstance(own.get(key), int | float) else None
        for key in ("system:time_start", "system:time_end")
    )
    return Asset(asset_id, "IMAGE", now(), kept, start, end, bands)


def _write_geotiff(draft: Path, image: Image, grid: GeoBox, options: FileOptions, pieces: Iterator[Piece]) -> bool:
    """Writes one file; whether it holds a valid pixel. Masked pixels hold noData, or 0 where none is named."""
    dtype = image.bands[0].type.dtype.name
    fill = 0.0 if options.no_data is None else options.no_data
    _check_no_data(fill, dtype)
    plain = draft.with_suffix(".plain.tif") if options.cloud_optimized else draft
    profile = {
        **encode.profile(grid, len(image.bands), dtype),
        "nodata": options.no_data,
        # How large the file becomes is not known before it is compressed.
        "bigtiff": "if_safer",
        "tiled": True,
        "blockxsize": options.block_px,
        "blockysize": options.block_px,
    }
    some = False
    try:
        with raster_file.create(plain, **profile) as target:
            target.descriptions = image.band_names
            for window, pixels in pieces:
                some = some or not all(is_blank(mask) or not np.any(mask) for mask in pixels.masks)
                where = RasterWindow(window.col, window.row, window.width, window.height)
                target.write(np.stack(encode.filled(pixels, fill, dtype)), window=where)
        if options.cloud_optimized:
            # GDAL's COG driver takes no blocks of less than 128.
            to_cog(plain, draft, overviews="NEAREST", blocksize=max(options.block_px, 128))
    finally:
        if plain != draft:
            plain.unlink(missing_ok=True)
    return some


def _piece_side(image: Image) -> int:
    bytes_per_pixel = sum(band.type.dtype.itemsize + 1 for band in image.bands)
    side = int((READ_BYTES / max(bytes_per_pixel, 1)) ** 0.5)
    return max(BLOCK_PX, side // BLOCK_PX * BLOCK_PX)


def _check_no_data(value: float, dtype: str) -> None:
    pixel_dtype = np.dtype(dtype)
    if pixel_dtype.kind in "iu":
        bounds = np.iinfo(pixel_dtype)
        if not (value == int(value) and bounds.min <= value <= bounds.max):
            raise EngineError(f"noData {value:g} is outside the range of {encode.TYPE_WORDS[dtype]} pixels.")


def _check_file_size(largest: Window, dtype: str, count: int) -> None:
    size = largest.height * largest.width * count * np.dtype(dtype).itemsize
    if size >= EXPORT_FILE_BYTES:
        raise EngineError(
            "File dimensions are too large for the number of bands and data type: the total file size requested is "
            f"{size} bytes before compression ({np.dtype(dtype).itemsize} bytes per pixel), but must be less than "
            f"{EXPORT_FILE_BYTES} bytes."
        )


def plain_number(value: Any, default: Any, key: str = "value") -> Any:
    """A number that the client may have wrapped in an object."""
    if isinstance(value, Mapping):
        value = value.get(key)
    return default if value is None else value
