"""Windows of the simulated world by date and product, as scenes that benchmarks/world.py measures."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from benchmarks.world_statistics import BARE, BUILT, CROP, TREES, Scene
from gee_export.base.grid import Window, crop, grid_of
from gee_export.base.regions import Month, named
from local_ee.catalog import SourceImage
from local_ee.world import World
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.optical import Camera

SIDE = 504
# Windows of region wuhan (row, column): western suburb, Optics Valley's edge, northern country, eastern country.
PLACES = ((2300, 900), (3800, 4000), (900, 2300), (2700, 4900))
MONTHS = (4, 7, 10, 10)
CENTRE = (2900, 2500)  # inner city, as dense as the Beijing sample
CODES = {BUILT: 50, CROP: 40, TREES: 10, BARE: 60}  # WorldCover


class Eye:
    """Looks at the world: windows of region wuhan by date and product."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.region = named("wuhan")

    @cached_property
    def camera(self) -> Camera:
        """Renders overpasses of a world of its own, clouds as asked for."""
        cells = CellCache(200)
        return Camera(cells, GroundReflectance(cells, 400))

    @cached_property
    def scenes(self) -> list[Scene]:
        return [self.look(corner, month) for corner, month in zip(PLACES, MONTHS, strict=True)]

    def window(self, corner: tuple[int, int], side: int = SIDE):
        return crop(grid_of(self.region), Window(*corner, side, side))

    def images(self, collection: str, month: Month) -> list[SourceImage]:
        period = month.period
        return list(self.world.images(collection, period.start_ms, period.end_ms, self.region.bounds_wsen))

    def passes(self, month: int) -> list[SourceImage]:
        scenes = self.images("COPERNICUS/S1_GRD_FLOAT", Month(2020, month))
        return [image for image in scenes if image.properties["relativeOrbitNumber_start"] == 113]

    def look(self, corner: tuple[int, int], month: int) -> Scene:
        """The clearest scene of a month at a corner, with radar and WorldCover's classes on the same pixels."""
        window = self.window(corner)
        image, clear = self.clearest(window, month)
        values, _ = image.read(("B2", "B3", "B4", "B8"), window)
        bands = dict(zip(("B2", "B3", "B4", "B8"), values, strict=True)) | {"B11": _twice(image, "B11", window)}
        optical = {name: np.where(clear, value / 1e4, np.nan) for name, value in bands.items()}
        power, _ = self.passes(month)[0].read(("VV", "VH"), window)
        label = self.worldcover(window)
        return Scene(
            optical, dict(zip(("VV", "VH"), power, strict=True)), {k: label == code for k, code in CODES.items()}
        )

    def clearest(self, window, month: int) -> tuple[SourceImage, np.ndarray]:
        """The month's clearest Sentinel-2 scene of tiles 50RK* that covers the window, and where it is clear."""
        top = crop(window, Window(0, 0, 1, window.shape[1]))
        candidates = [
            image
            for image in self.images("COPERNICUS/S2_SR_HARMONIZED", Month(2020, month))
            if "_T50RK" in image.id and image.read(("B2",), top)[1].all()
        ]
        clear = [self._clear(image, window) for image in candidates]
        best = int(np.argmax([mask.mean() for mask in clear]))
        return candidates[best], clear[best]

    def _clear(self, image: SourceImage, window) -> np.ndarray:
        from scipy import ndimage

        scores = self.world.image(f"GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED/{image.properties['system:index']}")
        return ndimage.minimum_filter(scores.read(("cs",), window)[0][0], 5) > 0.6

    def yearly(self, collection: str, year: int = 2020) -> SourceImage:
        return next(
            image
            for image in self.images(collection, Month(year, 1))
            if image.bands[0].grid.crs.to_epsg() == self.region_epsg
        )

    @property
    def region_epsg(self) -> int:
        return grid_of(self.region).crs.to_epsg()

    def worldcover(self, window, edition: str = "v200") -> np.ndarray:
        return nearest(self.world.images(f"ESA/WorldCover/{edition}", None, None, None)[0], "Map", window)[0]

    def built_masks(self, window) -> list[np.ndarray]:
        """Built in WorldCover 2021 and 2020, ESRI 2020, Dynamic World (clearest of a month) and GAIA."""
        esri = nearest(self.yearly("projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS"), "b1", window)
        gaia = nearest(self.world.image("Tsinghua/FROM-GLC/GAIA/v10"), "change_year_index", window)
        dynamic = [nearest(image, "label", window) for image in self.images("GOOGLE/DYNAMICWORLD/V1", Month(2020, 10))]
        label, valid = max(dynamic, key=lambda layer: layer[1].mean())
        cover = [self.worldcover(window, edition) == CODES[BUILT] for edition in ("v200", "v100")]
        return [*cover, esri[0] == 7, (label == 6) & valid, gaia[1]]


def nearest(image: SourceImage, name: str, window) -> tuple[np.ndarray, np.ndarray]:
    """A band and its mask on the window's pixels, nearest; masked where the window leaves the band's grid."""
    from pyproj import Transformer

    grid = next(band.grid for band in image.bands if band.name == name)
    rows, cols = np.mgrid[: window.shape[0], : window.shape[1]]
    x, y = Transformer.from_crs(window.crs, grid.crs, always_xy=True).transform(
        *(window.affine * (cols + 0.5, rows + 0.5))
    )
    c = np.floor((x - grid.affine.c) / grid.affine.a).astype(int)
    r = np.floor((y - grid.affine.f) / grid.affine.e).astype(int)
    section = crop(grid, Window(r.min(), c.min(), int(np.ptp(r)) + 1, int(np.ptp(c)) + 1))
    values, mask = image.read((name,), section)
    return values[0][r - r.min(), c - c.min()], mask[0][r - r.min(), c - c.min()]


def _twice(image: SourceImage, name: str, window) -> np.ndarray:
    """A 20-m band repeated 2 x 2 on the window's 10-m pixels."""
    return nearest(image, name, window)[0]
