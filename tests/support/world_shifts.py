"""Simulated pairs whose displacement is known: the world's own shifts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from local_ee.world.optical import Overpass
from local_ee.world.radar import _slow_shift
from local_ee.world.tracks import passes

from isamap.gee_export.base.grid import Raster, grid_of
from isamap.gee_export.base.regions import BoundsWSEN, Period, Region
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import scenes, sentinel1, sentinel2
from isamap.gee_export.sentinel.sentinel1 import Radar
from isamap.gee_export.sentinel.sentinel2 import Optical

ZONE = 32650  # of the passes: the slow shifts are drawn on their lattice
CLEAR = 0.60  # Cloud Score+, the default mask of `Optical`


@dataclass(frozen=True)
class Truth:
    """A pair and how far its moving raster lies from the fixed one: pixels right and down [axis, row, column]."""

    fixed: Raster
    moving: Raster
    right_down_px: np.ndarray

    @property
    def before_px(self) -> float:
        return _rms(self.right_down_px)

    def left_px(self, polynomial) -> tuple[float, float, float]:
        """Errors at every pixel: of both dimensions together, and of each axis."""
        affine = self.fixed.geobox.affine
        rows, cols = np.mgrid[: self.fixed.geobox.shape[0], : self.fixed.geobox.shape[1]] + 0.5
        dx, dy = polynomial.at(affine.a * cols + affine.c, affine.e * rows + affine.f)
        apart = np.stack([dx / affine.a, dy / affine.e]) - self.right_down_px
        return (_rms(apart), *(float(np.sqrt((axis**2).mean())) for axis in apart))


def truths(region: Region, period: Period) -> dict[int, Truth]:
    """By relative orbit, the composites of a region and the displacement that the world gave them."""
    grid, box = grid_of(region), region.bounds_wsen
    optical = sentinel2.sensed(box, period, Optical())
    fixed = pixels.fetch(optical.image, grid, [band.name for band in optical.bands])
    own = _optical_shift(grid, box, period, optical.used)
    by_orbit = {}
    for orbit in sorted({int(scene.get("relativeOrbitNumber_start")) for scene in _listed(box, period)}):
        sensed = sentinel1.sensed(box, period, Radar(speckle="none", orbits=(orbit,)))
        moving = pixels.fetch(sensed.image, grid, list(sentinel1.POLARISATIONS))
        if not moving.valid_BHW.any():  # a scene's outline may touch a box that its pixels do not
            continue
        by_orbit[orbit] = Truth(fixed, moving, _radar_shift(grid, [scene.index for scene in sensed.used]) - own)
    return by_orbit


def _listed(box: BoundsWSEN, period: Period):
    return sentinel1.listing(box, period, Radar()).used


def _radar_shift(grid, indices: list[str]) -> np.ndarray:
    """Pixels right and down: each pass's own, the mean of the passes, and the slow part that all passes share."""
    height, width = grid.shape
    col, row = round(grid.affine.c / 10), round(-grid.affine.f / 10)
    slow = np.empty((2, height, width))
    for line in range(height):
        for axis in (0, 1):
            _slow_shift(axis, col, row + line, slow[axis, line])
    taken = [_pass_of(index) for index in indices]
    if any(radar_pass.epsg != grid.crs.epsg for radar_pass in taken):
        raise ValueError(
            f"passes of zone {taken[0].epsg} over a grid of {grid.crs}: their slow shifts lie on their own"
        )
    steady = np.mean([radar_pass.shift_px() for radar_pass in taken], axis=0)
    return slow + steady[:, None, None]


def _pass_of(index: str):
    text = index.split("_")[4][:8]
    day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    return next(radar_pass for radar_pass in passes(day, day, (69.0, 15.0, 138.0, 55.0)) if radar_pass.index == index)


def _optical_shift(grid, box: BoundsWSEN, period: Period, used) -> np.ndarray:
    """Pixels right and down: the mean over the clear overpasses of each pixel, asked of the engine as an image."""
    import ee

    shifts = {scene.index: _overpass(scene).shift_m for scene in used}
    east, south = (ee.Dictionary({index: shift[k] / 10 for index, shift in shifts.items()}) for k in (0, 1))
    product = ee.ImageCollection("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED")
    images = scenes.collection(Optical().sentinel2, box, period).linkCollection(product, ["cs_cdf"])

    def shift_of(image: ee.Image) -> ee.Image:
        index = image.get("system:index")
        both = ee.Image.constant([ee.Number(east.get(index)), ee.Number(south.get(index))]).rename(["e", "s"])
        return both.toFloat().updateMask(image.select("cs_cdf").gte(CLEAR)).updateMask(image.select("B4").mask())

    mean_shift = pixels.fetch(images.map(shift_of).mean(), grid, ["e", "s"])
    typical = [np.median(band[valid]) for band, valid in zip(mean_shift.values_BHW, mean_shift.valid_BHW, strict=True)]
    return np.where(mean_shift.valid_BHW, mean_shift.values_BHW, np.array(typical)[:, None, None])


def _overpass(scene) -> Overpass:
    orbit = scene.get("SENSING_ORBIT_NUMBER")
    return Overpass(date(*(int(scene.index[a:b]) for a, b in ((0, 4), (4, 6), (6, 8)))), int(orbit))


def _rms(d: np.ndarray) -> float:
    return float(np.sqrt((d**2).sum(axis=0).mean()))
