"""Real samples of ../shared/data as catalog folders: the pixels as they are, under Earth Engine ids and units."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.regions import BoundsWSEN, from_bbox
from isamap.inference.map_files.map_file import open_map

S1, S2, LABELS = "COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S2_SR_HARMONIZED", "ESA/WorldCover/v100"
OPTICAL = ("B2", "B3", "B4", "B8")

TERRAMIND = "433D_629L_3_1"
TERRAMIND_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
BASELINE_OFFSET = -1000  # this patch still carries what HARMONIZED takes off (its darkest pixel of 12 bands is 969)
# LULC codes (inferred, data README) -> WorldCover's: water, trees, wet vegetation, crops, built, bare, snow, range
WORLDCOVER_OF_LULC = {1: 80, 2: 10, 3: 90, 4: 40, 5: 50, 6: 60, 7: 70, 9: 30}

WORLDCEREAL = "worldcereal_preprocessed_inputs.nc"
MISSING = 65535


@dataclass(frozen=True)
class Sample:
    """A catalog folder and the place and months of its pixels; `grid` is the source's own, perhaps off the lattice."""

    catalog: Path
    grid: GeoBox
    months: tuple[str, ...]


def terramind(data: Path, root: Path) -> Sample:
    """Patch 433D: Sentinel-2 copied byte for byte with notes, Sentinel-1 from dB to power, LULC as WorldCover codes."""
    files = {product: data / "terramind" / product / f"{TERRAMIND}.tif" for product in ("S2L2A", "S1RTC", "LULC")}
    grid = _grid(files["S1RTC"])
    optical = root / S2 / f"20200408T143729_{TERRAMIND}.tif"
    optical.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(files["S2L2A"], optical)
    notes = {"bands": list(TERRAMIND_BANDS), "offset": BASELINE_OFFSET, "properties": {}}
    optical.with_suffix(".json").write_text(json.dumps(notes, indent=1))
    with rasterio.open(files["S1RTC"]) as source:
        power = dict(zip(("VV", "VH"), (10 ** (source.read().astype(np.float64) / 10)).astype(np.float32), strict=True))
    radar = {"instrumentMode": "IW", "transmitterReceiverPolarisation": ["VV", "VH"], "backscatter": "gamma0"}
    write_image(root, f"{S1}/20200411T234309_{TERRAMIND}", power, grid, properties=radar)
    with rasterio.open(files["LULC"]) as source:
        codes = worldcover_codes(source.read(1))
    label = {
        "system:time_start": 1577836800000,
        "pyramiding_policy": "MODE",
        "source": "TerraMesh LULC, recoded to WorldCover's classes",
    }
    write_image(root, f"{LABELS}/{TERRAMIND}", {"Map": codes}, grid, properties=label)
    return Sample(root, grid, ("2020-04",))


def worldcover_codes(lulc: np.ndarray) -> np.ma.MaskedArray:
    """WorldCover's codes of TerraMesh's LULC classes; classes without a partner (0 and 8) are masked."""
    table = np.zeros(256, np.uint8)
    for code, worldcover in WORLDCOVER_OF_LULC.items():
        table[code] = worldcover
    codes = table[lulc]
    return np.ma.masked_equal(codes, 0) if (codes == 0).any() else np.ma.asarray(codes)


def worldcereal(data: Path, root: Path) -> Sample:
    """Twelve monthly Sentinel-1/2 composites as one scene a month; 65535 is no data, power is DN^2 / 10^8.3.

    A month whose Sentinel-2 is no data throughout is written without a Sentinel-2 scene: that is what it had.
    """
    import netCDF4

    with netCDF4.Dataset(data / "worldcereal" / WORLDCEREAL) as source:
        source.set_auto_maskandscale(False)
        x, y = source["x"][:], source["y"][:]
        grid = GeoBox((len(y), len(x)), Affine(x[1] - x[0], 0, x[0] - 5, 0, y[1] - y[0], y[0] + 5), "EPSG:32631")
        days = netCDF4.num2date(source["t"][:], source["t"].units)
        stacks = {name: source[name][:].view(np.uint16) for name in source.variables if name.startswith("S")}
    months = []
    for index, day in enumerate(days):
        stamp = f"{day.year:04d}{day.month:02d}{day.day:02d}T000000"
        months.append(f"{day.year:04d}-{day.month:02d}")
        optical = {band: _masked(stacks[f"S2-L2A-B0{band[1]}"][index]) for band in OPTICAL}
        if any(band.count() for band in optical.values()):
            write_image(root, f"{S2}/{stamp}_month", optical, grid, nodata=MISSING)
        radar = {"instrumentMode": "IW", "transmitterReceiverPolarisation": ["VV", "VH"]}
        power = {band: power_of_dn(stacks[f"S1-SIGMA0-{band}"][index]) for band in ("VV", "VH")}
        write_image(root, f"{S1}/{stamp}_month", power, grid, properties=radar, nodata=float("nan"))
    return Sample(root, grid, tuple(months))


def power_of_dn(dn: np.ndarray) -> np.ma.MaskedArray:
    """Linear power of WorldCereal's numbers, dB = 20 log10(DN) - 83 (data README); 0 and 65535 are masked."""
    power = (dn.astype(np.float64) ** 2 * 10**-8.3).astype(np.float32)
    return np.ma.masked_where((dn == MISSING) | (dn == 0), power)


def box_of(grid: GeoBox) -> BoundsWSEN:
    """The longitude/latitude box whose region is the 10-m lattice cells nearest to this grid.

    A box that holds the grid would give a larger region: meridians are not parallel to the lines of a UTM grid.
    """
    target = nearest_lattice(grid)
    west, south, east, north = target.footprint("EPSG:4326").boundingbox
    for step in range(2000):
        dx, dy = (east - west) * step / 8000, (north - south) * step / 8000
        box = (west + dx, south + dy, east - dx, north - dy)
        if from_bbox(box).bounds_m == tuple(target.boundingbox):
            return box
    raise ValueError(f"no longitude/latitude box gives {target!r}: its centre may lie in another UTM zone")


def nearest_lattice(grid: GeoBox) -> GeoBox:
    """The grid moved by at most half a pixel to an origin that is a multiple of its step."""
    step = grid.affine.a
    left, top = round(grid.affine.c / step) * step, round(grid.affine.f / step) * step
    return GeoBox(grid.shape, Affine(step, 0, left, 0, -step, top), grid.crs)


def _masked(values: np.ndarray) -> np.ma.MaskedArray:
    return np.ma.masked_equal(values, MISSING)


def _grid(path: Path) -> GeoBox:
    with rasterio.open(path) as source:
        return GeoBox(source.shape, source.transform, f"EPSG:{source.crs.to_epsg()}")


def terramind_source(data: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Patch 433D by band as the source holds it: Sentinel-2 less the offset, Sentinel-1 in dB."""
    with rasterio.open(data / "terramind" / "S2L2A" / f"{TERRAMIND}.tif") as source:
        stored = dict(zip(TERRAMIND_BANDS, source.read().astype(np.int32) + BASELINE_OFFSET, strict=True))
    with rasterio.open(data / "terramind" / "S1RTC" / f"{TERRAMIND}.tif") as source:
        decibels = dict(zip(("VV", "VH"), source.read(), strict=True))
    return {band: stored[band] for band in OPTICAL}, decibels


def worldcereal_source(data: Path, index: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """One month of WorldCereal: Sentinel-2 numbers, Sentinel-1 in dB by the README's formula; no data masked."""
    import netCDF4

    with netCDF4.Dataset(data / "worldcereal" / WORLDCEREAL) as source:
        source.set_auto_maskandscale(False)
        optical = {band: _masked(source[f"S2-L2A-B0{band[1]}"][index].view(np.uint16)) for band in OPTICAL}
        radar = {band: _masked(source[f"S1-SIGMA0-{band}"][index].view(np.uint16)) for band in ("VV", "VH")}
    decibels = {band: 20 * np.ma.log10(dn.astype(np.float64)) - 83 for band, dn in radar.items()}
    return {band: dn.astype(np.int32) for band, dn in optical.items()}, decibels


def read_map(path: Path) -> np.ndarray:
    """Classes and probabilities of a map."""
    return np.stack([band.read() for band in open_map(path).bands.values()])


def read_asset(asset: str, grid: GeoBox) -> np.ndarray:
    """Bands isa and prob of an asset over a grid, by the `ee` client; 255 where masked."""
    import ee

    affine = grid.affine
    transform = {"scaleX": affine.a, "shearX": 0, "translateX": affine.c}
    transform |= {"shearY": 0, "scaleY": affine.e, "translateY": affine.f}
    height, width = grid.shape
    request = {
        "expression": ee.Image(asset).select(["isa", "prob"]).unmask(255),
        "fileFormat": "NUMPY_NDARRAY",
        "grid": {
            "dimensions": {"width": width, "height": height},
            "affineTransform": transform,
            "crsCode": str(grid.crs),
        },
    }
    pixels = ee.data.computePixels(request)
    return np.stack([pixels["isa"], pixels["prob"]])
