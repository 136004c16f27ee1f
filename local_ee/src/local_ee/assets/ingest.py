"""Ingestion: files of a bucket become the bands of an asset, checked as Earth Engine checks an upload.

Rules (https://developers.google.com/earth-engine/guides/image_manifest): the files of a tileset have one band count,
type, projection and no-data value; their pixels lie on one lattice; more than 99 % of gaps between them is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from local_ee import raster_file
from local_ee.assets.asset import Asset, StoredBand, stored_band
from local_ee.assets.files import Block, write_bands
from local_ee.assets.manifest import Manifest, ManifestBand, ManifestSource, Tileset
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Progress
from local_ee.assets.times import now
from local_ee.errors import EngineError
from local_ee.raster.lattice import on_lattice
from local_ee.raster.projection import crs_of, projection_of
from local_ee.raster.window import Window, tiles
from local_ee.storage.objects import ObjectStore, StorageError

BLOCK_SIDE_PX = 2048
MOST_GAPS = 0.99
SAME_SCALE = 1e-9  # relative


@dataclass(frozen=True)
class Tile:
    """An open file and where its pixels lie on the grid of its tileset."""

    dataset: DatasetReader
    window: Window


@dataclass(frozen=True)
class OpenTileset:
    """The files of a tileset and the grid they lie on; later files lie on top."""

    id: str
    grid: GeoBox
    tiles: tuple[Tile, ...]
    dtype: str
    count: int
    nodata: float | None

    def read(self, window: Window, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Values and where there are any (bool) of band `index` (from 0) in a window of the grid."""
        values = np.zeros((window.height, window.width), self.dtype)
        covered = np.zeros(values.shape, bool)
        for tile in self.tiles:
            overlap = tile.window.overlap(window)
            if overlap is not None:
                rows, cols = overlap.within(tile.window)
                where = RasterWindow(cols.start, rows.start, overlap.width, overlap.height)
                block = tile.dataset.read(index + 1, window=where)
                values[overlap.within(window)] = block.astype(self.dtype, copy=False)
                covered[overlap.within(window)] = True
        return values, covered


def ingest(
    manifest: Manifest, store: AssetStore, buckets: ObjectStore, *, overwrite: bool, progress: Progress
) -> list[str]:
    """Makes the asset that the manifest describes; its id. EngineError where a file breaks a rule."""
    with ExitStack() as stack:
        opened = {tileset.id: _open(tileset, buckets, stack) for tileset in manifest.tilesets}
        bands = _resolved(manifest, opened)
        for tileset in opened.values():
            _check_mask_band(manifest, tileset)
        files = store.new_files(manifest.name, len(bands))
        try:
            stored = _write(manifest, opened, bands, files, progress)
            asset = Asset(manifest.name, "IMAGE", now(), manifest.properties, manifest.start, manifest.end, stored)
            return [store.publish(asset, overwrite=overwrite).id]
        except BaseException:
            for file in files:
                file.unlink(missing_ok=True)
            raise


def _write(
    manifest: Manifest,
    opened: dict[str, OpenTileset],
    bands: Sequence[ManifestBand],
    files: Sequence[Path],
    progress: Progress,
) -> tuple[StoredBand, ...]:
    """Writes every band's file; what the asset says of them."""
    by_tileset = {id: [i for i, band in enumerate(bands) if band.tileset == id] for id in opened}
    done, total = 0, sum(_pixels(opened[id]) for id, members in by_tileset.items() if members)
    stored: dict[int, StoredBand] = {}
    for id, members in by_tileset.items():
        if members:
            tileset, tileset_bands = opened[id], [bands[i] for i in members]
            blocks = _blocks(manifest, tileset, tileset_bands, partial(_report, progress, done, total))
            dtypes, policies = [tileset.dtype] * len(members), [band.policy for band in tileset_bands]
            write_bands([files[i] for i in members], tileset.grid, dtypes, policies, blocks)
            done += _pixels(tileset)
            stored |= {
                i: stored_band(bands[i].id, files[i], tileset.grid, tileset.dtype, bands[i].policy) for i in members
            }
    return tuple(stored[i] for i in range(len(bands)))


def _report(progress: Progress, done: int, total: int, pixels: int) -> None:
    progress.report((done + pixels) / total)


def _blocks(
    manifest: Manifest, tileset: OpenTileset, bands: Sequence[ManifestBand], report: Callable[[int], None]
) -> Iterator[list[Block]]:
    """Every band's values and masks, window by window."""
    pixels = 0
    for window in tiles(*tileset.grid.shape.yx, BLOCK_SIDE_PX):
        report(pixels)
        mask = _mask(manifest, tileset, window)
        masked_bands = manifest.masks.get(tileset.id, ())
        block: list[Block] = []
        for band in bands:
            values, valid = tileset.read(window, band.index)
            valid &= ~_is_missing(values, band, tileset)
            if mask is not None and (not masked_bands or band.id in masked_bands):
                valid &= mask
            block.append((window, values, valid))
        yield block
        pixels += window.height * window.width


def _mask(manifest: Manifest, tileset: OpenTileset, window: Window) -> np.ndarray | None:
    if tileset.id not in manifest.masks:
        return None
    values, covered = tileset.read(window, tileset.count - 1)
    return covered & (values != 0)


def _is_missing(values: np.ndarray, band: ManifestBand, tileset: OpenTileset) -> np.ndarray:
    """Where the value means no data; NaN always does."""
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    declared = band.missing if band.missing is not None else (() if tileset.nodata is None else (tileset.nodata,))
    for value in declared:
        missing |= values == value
    return missing


def _resolved(manifest: Manifest, opened: dict[str, OpenTileset]) -> tuple[ManifestBand, ...]:
    """The bands of the asset: those listed, or all of the only tileset, named b1, b2 ..."""
    if manifest.bands is None:
        (tileset,) = opened.values()
        # A tileset's mask is its last band, and none of the asset's.
        count = tileset.count - (tileset.id in manifest.masks)
        return tuple(ManifestBand(f"b{i + 1}", tileset.id, i, manifest.policy, manifest.missing) for i in range(count))
    for band in manifest.bands:
        count = opened[band.tileset].count
        if not 0 <= band.index < count:
            raise EngineError(
                f"Band '{band.id}' has tilesetBandIndex {band.index}, but the files of tileset '{band.tileset}' have "
                f"{count} bands (counted from 0)."
            )
    return manifest.bands


def _open(tileset: Tileset, buckets: ObjectStore, stack: ExitStack) -> OpenTileset:
    datasets = [_open_source(source, buckets, stack) for source in tileset.sources]
    first = datasets[0]
    for source, dataset in zip(tileset.sources[1:], datasets[1:], strict=True):
        _check_alike(tileset, tileset.sources[0].uri, first, source.uri, dataset)
    if tileset.crs is None and first.crs is None:
        raise EngineError(f"{tileset.sources[0].uri} has no projection: set the tileset's crs.")
    crs = crs_of(tileset.crs or first.crs.to_string())
    grids = [
        GeoBox(dataset.shape, source.transform or dataset.transform, crs)
        for source, dataset in zip(tileset.sources, datasets, strict=True)
    ]
    offsets = [_offset(source, grids[0], grid) for source, grid in zip(tileset.sources, grids, strict=True)]
    top, left = min(row for row, _ in offsets), min(col for _, col in offsets)
    placed = tuple(
        Tile(dataset, Window(row - top, col - left, *dataset.shape))
        for dataset, (row, col) in zip(datasets, offsets, strict=True)
    )
    shape = (max(tile.window.row_end for tile in placed), max(tile.window.col_end for tile in placed))
    _check_gaps(tileset, placed, shape)
    mosaic_grid = GeoBox(shape, grids[0].affine * Affine.translation(left, top), crs)
    return OpenTileset(tileset.id, mosaic_grid, placed, tileset.dtype or first.dtypes[0], first.count, first.nodata)


def _open_source(source: ManifestSource, buckets: ObjectStore, stack: ExitStack) -> DatasetReader:
    bucket, _, name = source.uri.removeprefix("gs://").partition("/")
    try:
        stored, file = buckets.open(bucket, name)
        # Opened for the store's checks alone: rasterio opens it by its path.
        file.close()
        return stack.enter_context(raster_file.open_file(buckets.content_path(stored), source.uri))
    except StorageError as error:
        raise EngineError(f"Cannot read {source.uri}: {error}") from error
    except RasterioError as error:
        raise EngineError(f"{source.uri} is not a GeoTIFF that can be read.") from error
    except ValueError as error:
        raise EngineError(f"{error}.") from error


def _check_alike(tileset: Tileset, first_uri: str, first: DatasetReader, uri: str, dataset: DatasetReader) -> None:
    comparisons = (
        ("projections", first.crs, dataset.crs),
        ("data types", set(first.dtypes), set(dataset.dtypes)),
        ("band counts", first.count, dataset.count),
        ("no-data values", _comparable(first.nodata), _comparable(dataset.nodata)),
    )
    for aspect, left, right in comparisons:
        if left != right and not (aspect == "projections" and tileset.crs):
            raise EngineError(f"The sources of tileset '{tileset.id}' have different {aspect}: {first_uri} and {uri}.")
    if len(set(first.dtypes)) != 1:
        raise EngineError(f"The bands of {first_uri} have different data types: {', '.join(first.dtypes)}.")


def _comparable(nodata: float | None) -> str:
    return repr(nodata)  # NaN equals NaN


def _offset(source: ManifestSource, first: GeoBox, grid: GeoBox) -> tuple[int, int]:
    own, source_affine = first.affine, grid.affine
    if abs(own.a - source_affine.a) > SAME_SCALE * abs(own.a) or abs(own.e - source_affine.e) > SAME_SCALE * abs(own.e):
        raise EngineError(f"The pixel size of {source.uri} differs from that of the first source of its tileset.")
    offset = on_lattice(projection_of(first), grid)
    if offset is None:
        raise EngineError(f"The pixels of {source.uri} are not a whole number of pixels away from the first source's.")
    return offset


def _check_gaps(tileset: Tileset, placed: Sequence[Tile], shape: tuple[int, int]) -> None:
    covered = sum(tile.window.height * tile.window.width for tile in placed)
    if covered < (1 - MOST_GAPS) * shape[0] * shape[1]:
        raise EngineError(f"More than {MOST_GAPS:.0%} of tileset '{tileset.id}' is gaps between its sources.")


def _check_mask_band(manifest: Manifest, tileset: OpenTileset) -> None:
    if tileset.id in manifest.masks and tileset.dtype != "uint8":
        raise EngineError(f"The mask band of tileset '{tileset.id}' must be of type Byte; found {tileset.dtype}.")


def _pixels(tileset: OpenTileset) -> int:
    return tileset.grid.shape[0] * tileset.grid.shape[1]
