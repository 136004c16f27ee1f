"""The world's own assets: what is really there, at 1 m and pooled to 10 m, and fine imagery of it, by year and zone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Polygon, box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import materials as m
from local_ee.world.fine import BANDS, Canvases
from local_ee.world.fractions import HEIGHT, CellCache
from local_ee.world.lattice import Cut
from local_ee.world.passes import milliseconds

HOME = "projects/local/assets/world"
TRUTH, TRUTH_10, IMAGERY, PLANET = (f"{HOME}/{name}" for name in ("truth", "truth10", "imagery1m", "planet3m"))
YEARS = range(2016, 2025)
_WEST_M, _NORTH_M, _WIDTH_M, _HEIGHT_M = 99_000, 9_330_000, 801_000, 9_330_000
_OVERLAP_DEG = 0.25  # a zone's images reach so far beyond its six degrees


@dataclass(frozen=True)
class _Kind:
    step_m: int
    bands: tuple[tuple[str, str], ...]  # name and pixel type
    read: Callable[[tuple[str, ...], Cut, int], np.ndarray]


class Truths:
    """Collections of one image a year and UTM zone (index such as 2020_50N)."""

    ids = (TRUTH, TRUTH_10, IMAGERY, PLANET)

    def __init__(self, cells: CellCache, canvases: Canvases) -> None:
        self._cells, self._canvases = cells, canvases
        four = tuple((name, "uint16") for name in BANDS)
        self._kinds = {
            TRUTH: _Kind(1, (("class", "uint8"), ("impervious", "uint8")), self._truth),
            TRUTH_10: _Kind(10, (("impervious", "uint8"), ("height", "uint8")), self._pooled),
            IMAGERY: _Kind(1, four, canvases.imagery),
            PLANET: _Kind(3, four, canvases.imagery_3m),
        }

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """Images of the years that begin on the given days, of the zones that touch the box."""
        years = [year for year in YEARS if first <= date(year, 1, 1) <= last]
        names = [f"{year}_{zone}" for year in years for zone in zones_of(bounds_wsen)]
        return [self._image(collection_id, name) for name in names]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One image, or None."""
        year, _, zone = index.partition("_")
        good = year.isdigit() and int(year) in YEARS and len(zone) == 3 and zone[:2].isdigit() and zone[2] in "NS"
        return self._image(collection_id, index) if good and 1 <= int(zone[:2]) <= 60 else None

    def _image(self, collection_id: str, index: str) -> SourceImage:
        product = self._kinds[collection_id]
        year, zone = int(index[:4]), index[5:]
        grid = zone_grid(zone, product.step_m)

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            cut = Cut.of(window)
            valid = Cut.of(grid).covers(cut)
            values = product.read(names, cut, year)
            return values, np.broadcast_to(valid, values.shape).copy()

        properties = {
            "system:index": index,
            "system:time_start": milliseconds(datetime(year, 1, 1, tzinfo=UTC)),
            "system:time_end": milliseconds(datetime(year + 1, 1, 1, tzinfo=UTC)),
            "year": year,
            "utm_zone": zone,
            "class_names": list(m.NAMES),
            "first_impervious_class": m.FIRST_IMPERVIOUS,
            "simulated": 1,
        }
        bands = tuple(
            SourceBand(name, dtype, grid, "MODE" if name == "class" else "MEAN") for name, dtype in product.bands
        )
        return SourceImage(f"{collection_id}/{index}", bands, properties, zone_outline(zone), read)

    def _truth(self, names: tuple[str, ...], cut: Cut, year: int) -> np.ndarray:
        classes = self._canvases.classes(cut, year)
        both = {"class": classes, "impervious": (classes >= m.FIRST_IMPERVIOUS).astype(np.uint8)}
        return np.stack([both[name] for name in names])

    def _pooled(self, names: tuple[str, ...], cut: Cut, year: int) -> np.ndarray:
        layers = self._cells.window(cut, year)
        both = {
            "impervious": layers[m.FIRST_IMPERVIOUS : m.COUNT].sum(axis=0, dtype=np.uint8),
            "height": layers[HEIGHT],
        }
        return np.stack([both[name] for name in names])


def zones_of(bounds_wsen: BoundsWSEN) -> list[str]:
    """Zones such as 50N whose images touch a box."""
    west, south, east, north = bounds_wsen
    numbers = range(int((west - _OVERLAP_DEG + 180) // 6) + 1, int((east + _OVERLAP_DEG + 180) // 6) + 2)
    halves = [half for half, touches in (("N", north >= 0), ("S", south < 0)) if touches]
    return [f"{zone:02d}{half}" for zone in numbers for half in halves if 1 <= zone <= 60]


def zone_grid(zone: str, step_m: int) -> GeoBox:
    """All pixels of a zone such as 50N."""
    south = zone[2] == "S"
    top = 10_000_020 if south else _NORTH_M
    shape = (_HEIGHT_M // step_m, _WIDTH_M // step_m)
    return GeoBox(
        shape, Affine(step_m, 0, _WEST_M, 0, -step_m, top), f"EPSG:{(32700 if south else 32600) + int(zone[:2])}"
    )


def zone_outline(zone: str) -> Polygon:
    """Where a zone's images lie: its six degrees and a little more."""
    west, latitudes = int(zone[:2]) * 6 - 186, (-80, 0) if zone[2] == "S" else (0, 84)
    return box(west - _OVERLAP_DEG, latitudes[0], west + 6 + _OVERLAP_DEG, latitudes[1])
