"""Labels of a user's raster file: read by windows, nearest pixels onto any grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window, crop, crs_of
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.base.scheme import Scheme
from isamap.gee_export.base.validity import alpha_bands, valid_pixels
from isamap.gee_export.labelling import local_file, shares
from isamap.gee_export.labelling.label_asset import rule_of
from isamap.gee_export.labelling.label_source import LabelSource, codes_of
from isamap.gee_export.labelling.rules import HARD_SHARE_PERCENT, BuiltArea, Codes
from isamap.gee_export.labelling.undeclared import codes_in_words, undeclared_codes

if TYPE_CHECKING:
    from rasterio import DatasetReader

_PIECE_PX = 1 << 22  # pixels worked on at a time
_EDGE_PX = 1e-6  # centres on an edge (10 m on Landsat's 30-m grid) fall to the next pixel however they are rounded
_NODE_PX = 32  # coordinates are exact so often and linear between: under 2 mm off at 10-m pixels


@dataclass(frozen=True)
class LocalRaster:
    """A raster's band with the rule that turns it into labels."""

    info: Mapping[str, Any]
    path: Path
    band: int
    step_m: float
    rule: Codes | BuiltArea
    scheme: Scheme
    touches: bool = True
    label: None = None
    share: None = None

    def read(self, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Label: the pixel under each centre. Share: the mean of the pixels under up to 10 x 10 points of each pixel.

        Outside the raster, and where it has no data, 255. Fault where the file cannot be read.
        """
        from rasterio.errors import RasterioError

        side = shares.subpixels(local_file.step_m(geobox), self.step_m)
        label, share = np.empty(geobox.shape, np.uint8), np.empty(geobox.shape, np.uint8)
        try:
            with open_named(self.path) as file:
                for window in local_file.pieces(geobox, _PIECE_PX // side**2):
                    tile = crop(geobox, window)
                    label[window.slices] = self.rule.numbers(*self._sample(file, tile), self.scheme)
                    # Classes first, then the mean: codes cannot be averaged.
                    fine = self.rule.percents(*self._sample(file, local_file.finer(tile, side)), self.scheme)
                    share[window.slices] = shares.of_blocks(fine, side)
        except RasterioError as error:
            raise Fault(f"label file {self.path} cannot be read: {error}") from error
        return label, share

    def _sample(self, file: DatasetReader, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Values and validity of the raster's pixels under the grid's centres."""
        rows, cols = pixels_under(geobox, file)
        values = np.zeros(geobox.shape, file.dtypes[self.band - 1])
        valid = np.zeros(geobox.shape, bool)
        for here in _halves(rows, cols, _PIECE_PX):
            r, c = rows[here], cols[here]
            inside = (r >= 0) & (r < file.height) & (c >= 0) & (c < file.width)
            if not inside.any():
                continue
            r, c = np.clip(r, 0, file.height - 1), np.clip(c, 0, file.width - 1)
            file_window = ((int(r.min()), int(r.max()) + 1), (int(c.min()), int(c.max()) + 1))
            r, c = r - file_window[0][0], c - file_window[1][0]
            value_HW = file.read(self.band, window=file_window)
            valid_HW = valid_pixels(file, [self.band], value_HW[None], window=file_window)[0]
            values[here] = value_HW[r, c]
            # A float that is no number stands for no class, whether or not the file calls it no data.
            valid[here] = inside & valid_HW[r, c] & ~np.isnan(values[here])
        return values, valid


def open_raster(source: LabelSource, scheme: Scheme, region: Region, period: Period) -> LocalRaster:
    """A raster file's band; ValueError for files without a coordinate system and bands that are not there."""
    from rasterio.errors import RasterioError

    band_words, codes = codes_of(source)
    path = local_file.found(source)
    try:
        with open_named(path) as file:
            _check_placed(source, file)
            band = _band(source, band_words, file)
            step_m = local_file.step_m(GeoBox(file.shape, file.transform, file.crs))
            rule = rule_of(source, codes, scheme)
            undeclared = undeclared_codes(file, band, rule, region)
            touches = local_file.touches(file.bounds, file.crs, region)
    except RasterioError as error:
        raise ValueError(f"label file {source.address} is no raster that can be read: {error}") from error
    _refuse_majority(source, undeclared)
    info = {"product": source.name, "title": "the user's own", **local_file.fingerprint(path), "band": band}
    info |= source.of.facts if source.of else {}
    info |= {"codes": rule.to_json()} | ({"undeclared_codes": undeclared} if undeclared else {})
    return LocalRaster(info, path, band, step_m, rule, scheme, touches)


def _refuse_majority(source: LabelSource, undeclared: Mapping[str, float]) -> None:
    """ValueError where most of a file's pixels hold codes that nobody gave a meaning."""
    if sum(undeclared.values()) > HARD_SHARE_PERCENT:
        raise ValueError(
            f"label {source.name!r}: most of its pixels hold {codes_in_words(undeclared)}: say what they mean, such as "
            f"{source.address}#1={next(iter(undeclared))} (impervious, all others pervious) or "
            f"{source.address}#1=1/pervious=0/unknown=-1"
        )


def pixels_under(geobox: GeoBox, file: DatasetReader) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (int64, may lie outside) of a raster's pixels under the centres of a grid."""
    height, width = geobox.shape
    row_nodes, col_nodes = _nodes(height), _nodes(width)
    x, y = geobox.affine * np.meshgrid(col_nodes + 0.5, row_nodes + 0.5)
    # Equal systems are not transformed: a shift of rounding would move centres that lie on an edge.
    if crs_of(geobox).to_wkt() != file.crs.to_wkt():
        x, y = Transformer.from_crs(geobox.crs, file.crs, always_xy=True).transform(x, y)
    cols, rows = ~file.transform * (x, y)
    row, col = (_between(axis_nodes, row_nodes, col_nodes) for axis_nodes in (rows, cols))
    return np.floor(row + _EDGE_PX).astype(np.int64), np.floor(col + _EDGE_PX).astype(np.int64)


def _nodes(length: int) -> np.ndarray:
    return np.unique(np.append(np.arange(0, length, _NODE_PX), length - 1))


def _between(values: np.ndarray, row_nodes: np.ndarray, col_nodes: np.ndarray) -> np.ndarray:
    """Values at nodes, linear between them, at every pixel."""
    cols = np.arange(col_nodes[-1] + 1)
    wide = np.stack([np.interp(cols, col_nodes, line) for line in values])
    rows = np.arange(row_nodes[-1] + 1)
    above = np.clip(np.searchsorted(row_nodes, rows, side="right") - 1, 0, max(len(row_nodes) - 2, 0))
    below = np.minimum(above + 1, len(row_nodes) - 1)
    share = (rows - row_nodes[above]) / np.maximum(row_nodes[below] - row_nodes[above], 1)
    return wide[above] + (wide[below] - wide[above]) * share[:, None]


def _halves(rows: np.ndarray, cols: np.ndarray, pixels: int) -> Iterator[tuple[slice, slice]]:
    """Parts of the grid whose pixels lie in windows of at most about so many pixels of the raster."""
    stack = [Window(0, 0, *rows.shape)]
    while stack:
        window = stack.pop()
        r, c = rows[window.slices], cols[window.slices]
        if window.height == window.width == 1 or (np.ptp(r) + 1) * (np.ptp(c) + 1) <= pixels:
            yield window.slices
            continue
        # The longer side halves, so that parts stay compact and read few blocks.
        tall = window.height >= window.width
        half = (window.height if tall else window.width) // 2
        size = (half, window.width) if tall else (window.height, half)
        stack.append(Window(window.row, window.col, *size))
        if tall:
            stack.append(Window(window.row + half, window.col, window.height - half, window.width))
        else:
            stack.append(Window(window.row, window.col + half, window.height, window.width - half))


def _check_placed(source: LabelSource, file: DatasetReader) -> None:
    if gcps := file.gcps[0]:
        raise ValueError(
            f"label file {source.address} has {len(gcps)} control points instead of a grid: lay it on one first "
            "(gdalwarp -r near FILE NEW.tif)"
        )
    if file.dtypes[0].startswith("complex"):
        raise ValueError(f"label file {source.address} holds complex numbers, which are no classes: give codes")
    if file.crs is None or file.transform.is_identity:
        raise ValueError(
            f"label file {source.address} does not say where it lies: give it a coordinate system and a transform "
            "(gdal_translate -a_srs -a_ullr)"
        )


def _band(source: LabelSource, words: str | None, file: DatasetReader) -> int:
    names = {name: band_number for band_number, name in enumerate(file.descriptions, 1) if name}
    numbers = {
        **{str(band_number): band_number for band_number in file.indexes},
        **{f"b{n}": n for n in file.indexes},
        **names,
    }
    if words is None:
        plain = [band_number for band_number in file.indexes if band_number not in alpha_bands(file)]
        if len(plain) != 1:
            raise ValueError(
                f"label file {source.address} has {file.count} bands: say which, such as {source.address}#1"
            )
        return plain[0]
    if words not in numbers:
        expected = ", ".join([*map(str, file.indexes), *names])
        raise ValueError(f"label file {source.address} has no band {words!r}: expected one of {expected}")
    return numbers[words]
