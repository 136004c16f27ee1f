"""Simulated pairs whose displacement is known: the world's own shifts, and distortions put on top of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.ndimage import map_coordinates

from gee_export.base.grid import Raster, grid_of
from gee_export.base.regions import BoundsWSEN, Period, Region
from gee_export.coregistration.polynomial import design
from gee_export.export.places import where
from gee_export.requests import pixels
from gee_export.sentinel import scenes, sentinel1, sentinel2
from gee_export.sentinel.sentinel1 import Radar
from gee_export.sentinel.sentinel2 import Optical
from local_ee.world.optical import Overpass
from local_ee.world.radar import _slow_shift
from local_ee.world.tracks import passes

PLACES: Mapping[str, BoundsWSEN] = {
    "city, Wuhan": (114.24, 30.53, 114.32, 30.60),
    "fields, Hanchuan": (113.70, 30.20, 113.78, 30.27),
    "hills, Dabie": (115.60, 31.00, 115.68, 31.07),
    "towns, Huanggang": (114.92, 30.44, 115.00, 30.51),
}
ZONE = 32650  # of the passes: the slow shifts are drawn on their lattice
CLEAR = 0.60  # Cloud Score+, the default mask of `Optical`
# Pixels right and down by u and v of -1 to 1, several of them
DISTORTIONS = {
    "as it is": lambda u, v: (0 * u, 0 * u),
    "affine": lambda u, v: (2 + 3 * u - 2 * v, -1 + u + 3 * v),
    "cubic": lambda u, v: (4 + 2 * u - v + 2 * u**3 - 1.5 * u * v**2, -3 + 1.5 * u * v + 2 * v**3 - u),
}


@dataclass(frozen=True)
class Truth:
    """A pair and how far its moving raster lies from the fixed one: pixels right and down [axis, row, column]."""

    fixed: Raster
    moving: Raster
    right_down_px: np.ndarray

    @property
    def before_px(self) -> float:
        return _rms(self.right_down_px)

    @property
    def floor_px(self) -> float:
        """What the best polynomial of third order leaves: the world's slow shifts bend more than that."""
        height, width = self.fixed.geobox.shape
        v, u = (axis.ravel()[::37] for axis in np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j])
        rows, d = design(u, v, 3), self.right_down_px.reshape(2, -1).T[::37]
        return _rms((d - rows @ np.linalg.lstsq(rows, d, rcond=None)[0]).T)

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


def distorted(truth: Truth, distortion: str) -> Truth:
    """The moving raster pulled further, and what the displacement then is."""
    height, width = truth.fixed.geobox.shape
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    right, down = (axis + 0.0 for axis in DISTORTIONS[distortion](u, v))
    if not (right.any() or down.any()):
        return truth
    rows, cols = np.mgrid[:height, :width].astype(float)
    valid = truth.moving.valid_BHW.all(axis=0)
    still = np.where(valid, truth.moving.values_BHW, -15.0)
    pulled = np.stack([map_coordinates(band, (rows - down, cols - right), order=3, mode="nearest") for band in still])
    at = np.stack([rows + truth.right_down_px[1], cols + truth.right_down_px[0]])
    to = at
    for _ in range(20):  # where the pull takes what lies at `at`
        to = at + np.stack([map_coordinates(axis, to, order=1, mode="nearest") for axis in (down, right)])
    inside = np.broadcast_to(map_coordinates(valid * 1.0, (rows - down, cols - right), order=0) > 0, pulled.shape)
    moving = Raster(truth.moving.geobox, truth.moving.bands, pulled.astype(np.float32), inside.copy())
    return Truth(truth.fixed, moving, np.stack([to[1] - cols, to[0] - rows]))


def place(name: str) -> Region:
    return where(None, bbox=PLACES[name], epsg=ZONE)


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
