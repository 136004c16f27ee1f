"""The form of real ground beside the simulated: `python -m benchmarks.real_form --data ../shared/data --out runs/form`.

Real are Berlin's land cover at 1 m (EnMAP-Box), SpaceNet 7's footprints, and presto's points with Dynamic World by
month; the world's truth at 1 m is read from the local engine at the places of the JointSeg studies. Figures go to
OUT/form.json; docs/real-samples.md shows them. Nothing is downloaded and no account is needed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from scipy import ndimage

from benchmarks.real_ground import by_cell, drawn, measures
from isamap.gee_export.base.feature_table import read_table
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.reproduction.pairs import STRATA, WORLD
from isamap.training.accuracy import bootstrap

SMALL_M2, WINDOW_PX, TEN_M = 50, 600, 10
LEAST_KNOWN = 0.05  # of a window of Berlin's raster, which knows single blocks of houses
ROOF, PAVED, SOFT = 1, 2, (3, 4, 5, 6)  # Berlin's classes
WORLD_ROOF, WORLD_IMPERVIOUS, WORLD_YEAR = 11, 9, 2021  # of local_ee/world/materials.py
BUILT, DYNAMIC_WATER = 6, 0  # of Dynamic World
PRESTO = {"algae_blooms": 12, "fuel_moisture": 3}
RED, NEAR_INFRARED, SHORTWAVE = 4, 8, 11  # of presto's last axis
FOURFOLD = ndimage.generate_binary_structure(2, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real samples")
    parser.add_argument("--out", type=Path, default=Path("runs/form"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    berlin, world = windows_of_berlin(options.data), windows_of_world()
    figures = {
        "buildings_below_50_m2": {"SpaceNet 7": footprints(options.data), "world": buildings(world)},
        "berlin": form(berlin),
        "world": form(world),
        "presto": {name: dynamic_world(options.data, name) for name in PRESTO},
    }
    (options.out / "form.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def windows_of_berlin(data: Path) -> list[np.ndarray]:
    """Windows of 600 m at 1 m: 0 unknown, else the raster's class."""
    with rasterio.open(data / "enmapbox_berlin_potsdam" / "landcover_polygon_1m.tif") as source:
        classes = source.read(1)
    height, width = (side // WINDOW_PX for side in classes.shape)
    tiles = classes.reshape(height, WINDOW_PX, width, WINDOW_PX).swapaxes(1, 2).reshape(-1, WINDOW_PX, WINDOW_PX)
    return [tile for tile in tiles if (tile > 0).mean() >= LEAST_KNOWN]


def windows_of_world() -> list[np.ndarray]:
    """A window of 600 m at 1 m around the middle of each place of the JointSeg studies, in Berlin's classes."""
    from isamap.gee_export.earth_engine.session import connect

    with connect(None, catalog="world"):
        return [_world(bounds) for places in STRATA.values() for bounds in places.values()]


def _world(bounds: tuple[float, float, float, float]) -> np.ndarray:
    import ee
    from pyproj import Transformer

    longitude, latitude = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    zone = int((longitude + 180) // 6) + 1
    x, y = Transformer.from_crs(4326, 32600 + zone, always_xy=True).transform(longitude, latitude)
    step = {"scaleX": 1, "shearX": 0, "translateX": round(x), "shearY": 0, "scaleY": -1, "translateY": round(y)}
    grid = {"dimensions": {"width": WINDOW_PX, "height": WINDOW_PX}, "affineTransform": step}
    image = ee.Image(f"{WORLD}/truth/{WORLD_YEAR}_{zone}N").select("class")
    request = {"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid | {"crsCode": f"EPSG:{32600 + zone}"}}
    material = ee.data.computePixels(request)["class"]
    return np.select([material >= WORLD_ROOF, material >= WORLD_IMPERVIOUS], [ROOF, PAVED], SOFT[0])


def footprints(data: Path) -> dict[str, Any]:
    """Share of SpaceNet's building polygons with less than 50 m2 on the ground."""
    from pyproj import Geod

    ellipsoid = Geod(ellps="WGS84")
    name = "global_monthly_2018_01_mosaic_L15-0357E-1223N_1429_3296_13_Buildings.geojson"
    areas = np.array(
        [abs(ellipsoid.geometry_area_perimeter(s)[0]) for s in read_table(data / "spacenet7" / name).shapes]
    )
    return {"count": len(areas), "share": _rounded((areas < SMALL_M2).mean())}


def buildings(windows: list[np.ndarray]) -> dict[str, Any]:
    """Share of components of roof that have less than 50 m2."""
    sizes = np.concatenate([component_sizes(window == ROOF) for window in windows])
    return {"count": len(sizes), "share": _rounded((sizes < SMALL_M2).mean())}


def component_sizes(is_in_HW: np.ndarray) -> np.ndarray:
    """Pixels of each component, joined along edges, that the window's own edge does not cut."""
    labels, count = ndimage.label(is_in_HW, FOURFOLD)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    sizes[[0, *np.unique(rim)]] = 0
    return sizes[sizes > 0]


def form(windows: list[np.ndarray]) -> dict[str, Any]:
    """Of known ground: small pervious components, pure pixels of 10 m, and what a perfect 10-m map scores at 1 m.

    Intervals: windows drawn with replacement. Small components are those inside wholly known surroundings.
    """
    small = np.array([_small_pervious(window) for window in windows], dtype=float)
    pure = np.array([_pure(window) for window in windows], dtype=float)
    counts_N3 = np.array([_majority(window) for window in windows], dtype=float)
    return {
        "windows": len(windows),
        "pervious_components_below_50_m2": _share(small),
        "pure_pixels_of_10_m": _share(pure),
        "f1_of_a_perfect_10_m_map": _share(np.column_stack([2 * counts_N3[:, 0], counts_N3 @ (2, 1, 1)])),
    }


def _small_pervious(window: np.ndarray) -> tuple[int, int]:
    """Small components of pervious ground that touch no unknown pixel, and all of them."""
    labels, count = ndimage.label(np.isin(window, SOFT), FOURFOLD)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    open_ = labels[ndimage.binary_dilation(window == 0, FOURFOLD)]
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    sizes[[0, *np.unique(open_), *np.unique(rim)]] = 0
    sizes = sizes[sizes > 0]
    return int((sizes < SMALL_M2).sum()), len(sizes)


def _tens(window: np.ndarray) -> np.ndarray:
    """Impervious share of the wholly known pixels of 10 m."""
    side = len(window) // TEN_M
    cells = window.reshape(side, TEN_M, side, TEN_M)
    is_known = (cells > 0).all(axis=(1, 3))
    return np.isin(cells, (ROOF, PAVED)).mean(axis=(1, 3))[is_known]


def _pure(window: np.ndarray) -> tuple[int, int]:
    share = _tens(window)
    return int(((share == 0) | (share == 1)).sum()), len(share)


def _majority(window: np.ndarray) -> tuple[float, float, float]:
    """Square metres of hits, false alarms and misses of the 10-m majority."""
    share = _tens(window)
    called = share > 0.5
    return share[called].sum(), (1 - share[called]).sum(), share[~called].sum()


def dynamic_world(data: Path, name: str) -> dict[str, Any]:
    """Of points that Dynamic World calls built in a month, the share so called in the next; AUC of two indices.

    Indices are medians over months of land (points not called water in most months), judged by what is called built in
    most months. Intervals: cells of one degree.
    """
    folder = data / "presto_points"
    classes, places = (np.load(folder / f"{name}_{layer}.npy") for layer in ("dynamic_world", "latlon"))
    built, land_N = classes == BUILT, (classes == DYNAMIC_WATER).mean(axis=1) <= 0.5
    values = np.median(np.load(folder / f"{name}_s1_s2_era5_srtm.npy"), axis=1)
    cell_N = np.unique(np.floor(places), axis=0, return_inverse=True)[1].ravel()
    stays = np.column_stack([(built[:, :-1] & built[:, 1:]).sum(axis=1), built[:, :-1].sum(axis=1)])
    counts = np.stack([np.bincount(cell_N, column) for column in stays.T], axis=1)
    is_built, ever = built.mean(axis=1) > 0.5, built.any(axis=1)
    return {
        "points": len(built),
        "land": int(land_N.sum()),
        "mostly_built": int(is_built.sum()),
        "ever_built": int(ever.sum()),
        "built_in_every_month": int(built.all(axis=1).sum()),
        "built_again_in_the_next_month": _share(counts),
        "auc": {
            "NDBI": _auc(_index(values, SHORTWAVE, NEAR_INFRARED)[land_N], is_built[land_N], cell_N[land_N]),
            "NDVI": _auc(-_index(values, NEAR_INFRARED, RED)[land_N], is_built[land_N], cell_N[land_N]),
        },
    }


def _index(values: np.ndarray, high: int, low: int) -> np.ndarray:
    return (values[:, high] - values[:, low]) / np.maximum(values[:, high] + values[:, low], 1)


def _auc(score_N: np.ndarray, is_built_N: np.ndarray, cell_N: np.ndarray) -> dict[str, Any]:
    """Area under the curve of a score whose ranks stand for probabilities, with its interval."""
    rank = score_N.argsort().argsort() / max(len(score_N) - 1, 1)
    counts_C2S = by_cell(np.rint(rank * PROB_STEPS) / PROB_STEPS, is_built_N, cell_N)
    value = measures(counts_C2S.sum(axis=0)[None], 0.5)["auc"][0]
    draws = measures(drawn(counts_C2S), 0.5)["auc"]
    return _with_interval(float(value), draws)


def _share(counts_N2: np.ndarray) -> dict[str, Any]:
    """The first of two sums by the second, with its interval over rows."""
    numerator, denominator = counts_N2.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = np.divide(*drawn(counts_N2).T)
    return _with_interval(numerator / denominator, draws)


def _with_interval(value: float, draws: np.ndarray) -> dict[str, Any]:
    return {"value": _rounded(value)} | bootstrap.rounded({"interval": bootstrap.bounds(draws, np.isfinite(draws))})


def _rounded(value: float) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    main()
