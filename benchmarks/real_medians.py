"""Medians of real ground beside the simulated: `python -m benchmarks.real_medians --data ../shared/data`.

Real are Leipzig, Slovenia and TerraMesh's Chile by class, and the Sentinel-1 means that Earth Engine exported of Paris
and Beijing; the world is read through the local engine at the same places, months and orbits. Figures go to
OUT/medians.json; docs/real-samples.md shows them. Nothing is downloaded and no account is needed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from pyproj import Transformer

from benchmarks.real_catalogs import BASELINE_OFFSET, TERRAMIND, TERRAMIND_BANDS
from benchmarks.real_ground import BANDS, SLOVENIA_BANDS
from isamap.gee_export.base.feature_table import read_table
from isamap.gee_export.earth_engine.session import connect
from isamap.reproduction.pairs import WORLD

SIDE_PX, SPOT_PX = 300, 10  # of a simulated square; a pixel's side in metres, and in pixels of the truth
PURE = 0.7  # of a pixel that is of one class
BUILT = 9  # first impervious class of local_ee/world/materials.py
PERCENTILES = (5, 50, 95)
LEAST_DB = -25  # below it the exported means have no pixel
SLOVENIA_CLEAREST = 4  # of five dates
# A town of Para in Brazil, B2 to B11, as it was measured elsewhere (2026-11-24); its pixels are not here.
PARA = (0.087, 0.122, 0.149, 0.292, 0.383)
EVERGREEN, DECIDUOUS, LAWN = 2, 3, 4


@dataclass(frozen=True)
class Square:
    """Simulated ground of 3 km: its middle in degrees, a month and a level of Sentinel-2."""

    lon: float
    lat: float
    month: str
    level: str


SQUARES = {
    "Leipzig": Square(12.37, 51.34, "2021-06", "COPERNICUS/S2_HARMONIZED"),
    "Slovenia": Square(14.55, 45.87, "2021-07", "COPERNICUS/S2_HARMONIZED"),
    "Chile": Square(-72.479, -38.831, "2020-04", "COPERNICUS/S2_SR_HARMONIZED"),
    "Para": Square(-60.02, -3.10, "2021-07", "COPERNICUS/S2_SR_HARMONIZED"),  # Manaus, whose climate it shares
}
# real class by place, and the simulated classes that are meant; None: half impervious or more
MEANT = {
    "Leipzig": {"urban": None, "forest": (DECIDUOUS,), "pasture": (LAWN,)},
    "Slovenia": {"2 forest": (EVERGREEN, DECIDUOUS), "3 grass": (LAWN,)},
    "Chile": {"5 built": None, "2 trees": (EVERGREEN,), "9 range": (LAWN,)},
    "Para": {"town": None},
}


@dataclass(frozen=True)
class Pass:
    """An exported mean of Sentinel-1: its file, band of it, months [first, last) and orbit; scale and offset to dB."""

    file: str
    polarisation: str
    months: tuple[str, str]
    orbit: int | None
    scale: float = 30.0
    offset: float = float(LEAST_DB)


def _paris(orbit: int) -> Pass:
    return Pass(
        f"earth-engine/sentinel1_means/sentinel1_paris_{orbit}_t1.tif", "VV", ("2018-03-01", "2018-06-01"), orbit
    )


def _beijing(polarisation: str) -> Pass:
    year = ("2020-01-01", "2021-01-01")
    return Pass("beijing_thu/THU_2020_sentinel_1_50pt.tif", polarisation, year, None, 1.0, 0.0)


PASSES = {f"Paris, orbit {orbit}": _paris(orbit) for orbit in (8, 59, 110)} | {
    f"Beijing, {name}": _beijing(name) for name in ("VV", "VH")
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real samples")
    parser.add_argument("--out", type=Path, default=Path("runs/medians"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figures = {"reflectance": reflectance(options.data), "decibels": decibels(options.data)}
    (options.out / "medians.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def reflectance(data: Path) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Medians of BANDS by place and class, real and simulated."""
    real = {"Leipzig": leipzig(data), "Slovenia": slovenia(data), "Chile": chile(data), "Para": {"town": PARA}}
    with connect(None, catalog="world"):
        simulated = {name: simulated_medians(square, MEANT[name]) for name, square in SQUARES.items()}
    return {
        name: {each: {"real": _rounded(real[name][each]), "simulated": _rounded(simulated[name][each])} for each in of}
        for name, of in MEANT.items()
    }


def leipzig(data: Path) -> dict[str, np.ndarray]:
    """Medians at the field points of a class."""
    with rasterio.open(data / "leipzig" / "leipzig_raster.tif") as source:
        names, pixels, affine = source.descriptions, source.read() * 1e-4, source.transform
    at_bands = [[name.upper().replace("B0", "B") for name in names].index(band) for band in BANDS]
    points = read_table(data / "leipzig" / "leipzig_points.gpkg")
    col, row = ~affine * (np.array([p.x for p in points.shapes]), np.array([p.y for p in points.shapes]))
    values_BN = pixels[at_bands][:, np.floor(row).astype(int), np.floor(col).astype(int)]
    classes = points.columns["land_cover"]
    return {name: np.median(values_BN[:, classes == name], axis=1) for name in MEANT["Leipzig"]}


def slovenia(data: Path) -> dict[str, np.ndarray]:
    """Medians of a class on the clearest date."""
    folder = data / "eolearn_slovenia"
    scene = np.load(folder / "REFERENCE_SCENES.npy")[SLOVENIA_CLEAREST][..., [SLOVENIA_BANDS[band] for band in BANDS]]
    label = np.load(folder / "LULC.npy")[..., 0]
    return {name: np.median(scene[label == int(name[0])], axis=0) for name in MEANT["Slovenia"]}


def chile(data: Path) -> dict[str, np.ndarray]:
    """Medians of a class of TerraMesh's LULC."""
    with rasterio.open(data / "terramind" / "S2L2A" / f"{TERRAMIND}.tif") as source:
        pixels = (source.read() + float(BASELINE_OFFSET)) * 1e-4
    with rasterio.open(data / "terramind" / "LULC" / f"{TERRAMIND}.tif") as source:
        label = source.read(1)
    values = pixels[[TERRAMIND_BANDS.index(band) for band in BANDS]]
    return {name: np.median(values[:, label == int(name[0])], axis=1) for name in MEANT["Chile"]}


def simulated_medians(square: Square, meant: Mapping[str, tuple[int, ...] | None]) -> dict[str, np.ndarray]:
    """Medians of the month's clear scenes where the truth at 1 m says what is meant."""
    import ee

    south = square.lat < 0
    zone = int((square.lon + 180) // 6) + 1
    epsg = (32700 if south else 32600) + zone
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(square.lon, square.lat)
    corner = round(x / 10) * 10 - SIDE_PX * 5, round(y / 10) * 10 + SIDE_PX * 5
    first = ee.Date(f"{square.month}-01")
    scenes = (
        ee.ImageCollection(square.level)
        .filterDate(first, first.advance(1, "month"))
        .filterBounds(ee.Geometry.Point([square.lon, square.lat]))
        .filter(ee.Filter.lt("CLOUDY_PIXEL_PERCENTAGE", 30))
    )
    crs = f"EPSG:{epsg}"
    values = _pixels(scenes.select(BANDS).median().unmask(0).toFloat(), (*corner, 10, -10), (SIDE_PX, SIDE_PX), crs)
    truth = ee.Image(f"{WORLD}/truth/{square.month[:4]}_{zone}{'S' if south else 'N'}").select("class")
    fine = _pixels(truth, (*corner, 1, -1), (SIDE_PX * SPOT_PX, SIDE_PX * SPOT_PX), crs)[0]
    cells = fine.reshape(SIDE_PX, SPOT_PX, SIDE_PX, SPOT_PX).swapaxes(1, 2).reshape(SIDE_PX, SIDE_PX, -1)
    clear = values[0] > 0
    return {
        name: np.median(values[:, clear & _is_meant(cells, classes)], axis=1) * 1e-4 for name, classes in meant.items()
    }


def _is_meant(cells_HWN: np.ndarray, classes: tuple[int, ...] | None) -> np.ndarray:
    if classes is None:
        return np.asarray((cells_HWN >= BUILT).mean(axis=-1) >= 0.5)
    return np.asarray(np.isin(cells_HWN, classes).mean(axis=-1) > PURE)


def decibels(data: Path) -> dict[str, dict[str, list[float]]]:
    """PERCENTILES of backscatter in dB by place, real and simulated."""
    with connect(None, catalog="world"):
        return {
            name: {"real": _quantiles(real_mean(data, each)), "simulated": _quantiles(simulated_mean(data, each))}
            for name, each in PASSES.items()
        }


def real_mean(data: Path, of: Pass) -> np.ndarray:
    """The exported values in dB, NaN where there are none."""
    with rasterio.open(data / of.file) as source:
        stored = source.read(1 if of.polarisation == "VV" else 2).astype(np.float64)
    in_db = stored * of.scale + of.offset
    return np.where(in_db > LEAST_DB, in_db, np.nan)


def simulated_mean(data: Path, of: Pass) -> np.ndarray:
    """The mean of the same months and orbit on the same grid, by the steps of the file's own script."""
    import ee

    with rasterio.open(data / of.file) as source:
        affine, height, width = source.transform, source.height, source.width
    middle = ee.Geometry.Point(affine * (width / 2, height / 2))
    scenes = ee.ImageCollection("COPERNICUS/S1_GRD").filterBounds(middle).filterDate(*of.months)
    if of.orbit is not None:
        scenes = scenes.filter(ee.Filter.eq("relativeOrbitNumber_start", of.orbit))
    kept = scenes.select(of.polarisation).map(lambda image: image.updateMask(image.gte(LEAST_DB)))
    values = _pixels(
        kept.mean().unmask(2 * LEAST_DB).toFloat(),
        (affine.c, affine.f, affine.a, affine.e),
        (height, width),
        "EPSG:4326",
    )
    return np.where(values[0] > LEAST_DB, values[0], np.nan)


def _pixels(image: Any, place: tuple[float, float, float, float], shape: tuple[int, int], crs: str) -> np.ndarray:
    """Bands x rows x columns of an image; place: west, north and the steps right and down."""
    import ee

    (west, north, right, down), (height, width) = place, shape
    affine = {"scaleX": right, "shearX": 0, "translateX": west, "shearY": 0, "scaleY": down, "translateY": north}
    grid = {"dimensions": {"width": width, "height": height}, "affineTransform": affine, "crsCode": crs}
    answer = ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid})
    return np.stack([answer[name] for name in answer.dtype.names])


def _quantiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in np.nanpercentile(values, PERCENTILES)]


def _rounded(values: np.ndarray | tuple[float, ...]) -> list[float]:
    return [round(float(value), 3) for value in values]


if __name__ == "__main__":
    main()
