"""Real pairs of ../shared/data for co-registration, and the shift at which their mutual information is greatest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.base.grid import Raster
from gee_export.coregistration.tiepoints import peak_of

_PLACE = GeoBox((1, 1), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")  # pixels are what is compared, not places
_NO_DATA = 65535
_CLEAR = (4, 5, 6, 7)  # scene classes: vegetation, soil, water, unclassified
_REACH_PX, _BINS = 6, 32


def pairs(data: Path) -> Iterator[tuple[str, Raster, Raster]]:
    """Name, fixed and moving raster of every pair whose files are there."""
    yield from _terramind(data / "terramind")
    yield from _worldcereal(data / "worldcereal" / "worldcereal_preprocessed_inputs.nc")
    yield from _gfmap(data / "gfmap")
    yield from _beijing(data / "beijing_thu")


def information_shift(fixed: Raster, moving: Raster) -> tuple[float, float] | None:
    """Pixels right and down from the fixed to the moving raster where mutual information peaks; None at the rim.

    Summed over all pairs of bands, 32 ranks each; sub-pixel by a quadratic through the 3 x 3 values at the peak.
    """
    valid = fixed.valid_BHW.all(axis=0), moving.valid_BHW.all(axis=0)
    ranks = [
        [_ranks(band, ok) for band in raster.values_BHW] for raster, ok in zip((fixed, moving), valid, strict=True)
    ]
    side = range(-_REACH_PX, _REACH_PX + 1)
    inner = tuple(slice(_REACH_PX, length - _REACH_PX) for length in fixed.geobox.shape)
    surface = np.zeros((len(side), len(side)))
    for i, down in enumerate(side):
        for j, right in enumerate(side):
            at = tuple(slice(s.start + d, s.stop + d) for s, d in zip(inner, (down, right), strict=True))
            ok = valid[0][inner] & valid[1][at]
            surface[i, j] = sum(_information(a[inner][ok], b[at][ok]) for a in ranks[0] for b in ranks[1])
    peak = peak_of(surface)
    return None if peak is None else (peak[0], peak[1])


def _ranks(band: np.ndarray, valid: np.ndarray) -> np.ndarray:
    limits = np.quantile(band[valid], np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(limits, band)


def _information(a: np.ndarray, b: np.ndarray) -> float:
    joint = np.bincount(a * _BINS + b, minlength=_BINS**2).reshape(_BINS, _BINS) / len(a)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())


def _raster(values: np.ndarray, valid: np.ndarray | None = None) -> Raster:
    ok = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    grid = GeoBox(values.shape[1:], _PLACE.affine, _PLACE.crs)
    names = tuple(f"b{index}" for index in range(len(values)))
    return Raster(grid, names, np.where(ok, values, 0).astype(np.float32), ok)


def _terramind(folder: Path) -> Iterator[tuple[str, Raster, Raster]]:
    for path in sorted((folder / "S2L2A").glob("*.tif")):
        radar_path = next((folder / "S1RTC").glob(f"{path.stem.split('.')[0]}*"), None)
        if radar_path is not None:
            yield f"terramind {path.stem.split('_')[0]}", _raster(_read(path)[[1, 2, 3, 7]]), _raster(_read(radar_path))


def _worldcereal(path: Path) -> Iterator[tuple[str, Raster, Raster]]:
    if not path.is_file():
        return
    with _netcdf(path) as source:
        optical = np.stack([source[f"S2-L2A-B{band}"][:].astype(float) for band in ("02", "03", "04", "08")], axis=1)
        decibel = np.stack([_decibels(source[f"S1-SIGMA0-{name}"][:]) for name in ("VV", "VH")], axis=1)
    optical[optical == _NO_DATA] = np.nan
    for index in (0, 3, 5, 8):
        month = (index + 10) % 12 + 1  # the first composite is of November
        yield f"worldcereal, month {month}", _raster(optical[index]), _raster(decibel[index])
    yield "worldcereal, year", _raster(np.nanmean(optical, axis=0)), _raster(_mean(decibel))


def _gfmap(folder: Path) -> Iterator[tuple[str, Raster, Raster]]:
    files = folder / "cdse_sentinel2_l2a.nc", folder / "cdse_sentinel1_grd.nc"
    if not all(path.is_file() for path in files):
        return
    with _netcdf(files[0]) as source:
        bands = np.stack([source[f"S2-L2A-{name}"][:].astype(float) for name in ("B04", "B08", "B11")], axis=1)
        clear = np.isin(source["S2-L2A-SCL"][:], _CLEAR)
    with _netcdf(files[1]) as source:
        decibel = np.stack([_decibels(source[f"S1-SIGMA0-{name}"][:]) for name in ("VV", "VH")], axis=1)
    best = int(clear.mean(axis=(1, 2)).argmax())
    valid = np.broadcast_to(clear[best], bands[best].shape)
    yield "gfmap, clearest date", _raster(bands[best], valid), _raster(_mean(decibel))


def _beijing(folder: Path) -> Iterator[tuple[str, Raster, Raster]]:
    radar = folder / "THU_2020_sentinel_1_50pt.tif"
    if not radar.is_file():
        return
    for name in ("from-glc2017", "from-glc2015", "from-glc2013"):
        mask = _read(folder / f"isa_{name}_bj.tif")[:1]
        yield f"beijing, mask {name[-4:]}", _raster(mask), _raster(_read(radar)[:2])


def _decibels(digital: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(digital.astype(float)) - 83
    return np.where((digital > 0) & (digital < _NO_DATA), decibels, np.nan)


def _mean(decibel_TBHW: np.ndarray) -> np.ndarray:
    """Of power, over time."""
    return 10 * np.log10(np.nanmean(10 ** (decibel_TBHW / 10), axis=0))


def _netcdf(path: Path):
    import netCDF4

    source = netCDF4.Dataset(path)
    source.set_auto_mask(False)
    return source


def _read(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as source:
        return source.read().astype(float)
