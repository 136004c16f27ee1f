"""The pixels of stored assets: a cloud-optimised GeoTIFF a band, mask inside, overviews by pyramiding policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterWindow

from local_ee import raster_file
from local_ee.durable import sync
from local_ee.errors import EngineError
from local_ee.home import temporary_beside
from local_ee.raster.lattice import on_lattice
from local_ee.raster.projection import projection_of
from local_ee.raster.window import Window

BLOCK_PX = 512
# Overviews are for other readers of the files (the engine makes its levels from the pixels); GDAL has no resampling
# for MEDIAN, MIN and MAX, so those bands get none.
OVERVIEWS = {"MEAN": "AVERAGE", "SAMPLE": "NEAREST", "MODE": "MODE", "MEDIAN": None, "MIN": None, "MAX": None}
# A draft's mask is a file beside it. Both are said, because what a program's main thread sets by rasterio.Env, such as
# raster_file.ALONE, holds for every thread that does not say otherwise: the mask would be left out without a word.
MASK_BESIDE = {"GDAL_TIFF_INTERNAL_MASK": False, "GDAL_DISABLE_READDIR_ON_OPEN": False}

Block = tuple[Window, np.ndarray, np.ndarray]  # where, values HW, mask HW (non-zero: valid)


def check_policy(policy: str) -> str:
    """The policy in capitals; EngineError for one that does not exist here."""
    name = str(policy).upper()
    if name in ("", "PYRAMIDING_POLICY_UNSPECIFIED"):
        return "MEAN"
    if name not in OVERVIEWS:
        raise EngineError(f"Invalid pyramiding policy '{policy}': expected one of {', '.join(OVERVIEWS)}.")
    return name


def write_bands(
    paths: Sequence[Path],
    grid: GeoBox,
    dtypes: Sequence[str],
    policies: Sequence[str],
    blocks: Iterable[Sequence[Block]],
) -> None:
    """Writes one file a band from blocks that come with all bands at once, each synced; the last step names none."""
    drafts = [temporary_beside(path).with_suffix(".draft.tif") for path in paths]
    try:
        masked = _write_drafts(drafts, grid, dtypes, blocks)
        for draft, path, policy, has_mask in zip(drafts, paths, policies, masked, strict=True):
            if not has_mask:
                _mask_of(draft).unlink(missing_ok=True)
            with rasterio.Env(**MASK_BESIDE):
                to_cog(draft, path, overviews=OVERVIEWS[policy])
            sync(path)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
            _mask_of(draft).unlink(missing_ok=True)


def _write_drafts(
    drafts: Sequence[Path], grid: GeoBox, dtypes: Sequence[str], blocks: Iterable[Sequence[Block]]
) -> list[bool]:
    masked = [False] * len(drafts)
    with rasterio.Env(**MASK_BESIDE), _created(drafts, grid, dtypes) as targets:
        for bands in blocks:
            for index, (window, values, mask) in enumerate(bands):
                valid = np.asarray(mask) != 0
                masked[index] |= not valid.all()
                where = RasterWindow(window.col, window.row, window.width, window.height)
                pixels = np.where(valid, values, 0).astype(dtypes[index], copy=False)
                targets[index].write(pixels, 1, window=where)
                targets[index].write_mask(valid, window=where)
    return masked


@contextmanager
def _created(drafts: Sequence[Path], grid: GeoBox, dtypes: Sequence[str]) -> Iterator[list[rasterio.io.DatasetWriter]]:
    targets = [raster_file.create(draft, **_profile(grid, dtype)) for draft, dtype in zip(drafts, dtypes, strict=True)]
    try:
        yield targets
    finally:
        for target in targets:
            target.close()


def _profile(grid: GeoBox, dtype: str) -> dict:
    return {
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": 1,
        "dtype": dtype,
        "crs": str(grid.crs),
        "transform": grid.affine,
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }


def to_cog(source: Path, target: Path, *, overviews: str | None, blocksize: int = BLOCK_PX) -> None:
    """Copies a GeoTIFF into a cloud-optimised one; with no overviews where no resampling is named."""
    options = {"OVERVIEW_RESAMPLING": overviews} if overviews else {"OVERVIEWS": "NONE"}
    rasterio.shutil.copy(
        str(source),
        str(target),
        driver="COG",
        COMPRESS="DEFLATE",
        PREDICTOR="YES",
        BLOCKSIZE=str(blocksize),
        BIGTIFF="IF_SAFER",
        NUM_THREADS="2",
        **options,
    )


def read_band(path: Path, grid: GeoBox, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Values and validity of a window of the band's own lattice; masked outside the image."""
    offset = on_lattice(projection_of(grid), geobox)
    if offset is None:
        raise ValueError(f"a window off the pixel lattice of {path.name}")
    window, inside = Window(*offset, *geobox.shape), Window(0, 0, *grid.shape)
    with raster_file.open_file(path) as source:
        values = np.zeros(geobox.shape, source.dtypes[0])
        valid = np.zeros(geobox.shape, bool)
        overlap = window.overlap(inside)
        if overlap is not None:
            where = RasterWindow(overlap.col, overlap.row, overlap.width, overlap.height)
            values[overlap.within(window)] = source.read(1, window=where)
            valid[overlap.within(window)] = source.read_masks(1, window=where) != 0
    return values, valid


def _mask_of(draft: Path) -> Path:
    return draft.with_name(draft.name + ".msk")
