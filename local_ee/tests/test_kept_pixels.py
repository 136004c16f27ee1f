"""Bands kept between requests: the same numbers, read once, within a bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import SourceBand, SourceImage
from local_ee.catalog.kept import KeptPixels
from local_ee.evaluation.sources import image_of
from local_ee.world import World

GRID = GeoBox((40, 50), Affine(10, 0, 300_000, 0, -10, 3_400_000), "EPSG:32650")
ELSEWHERE = GeoBox((20, 20), Affine(0.0001, 0, 114.9125, 0, -0.0001, 30.7155), "EPSG:4326")


class Counted:
    """A reader that counts how often each band is read."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        self.names += names
        x = window.affine.c + 10 * np.arange(window.shape[1]) + 0 * np.arange(window.shape[0])[:, None]
        values = np.stack([x % 1000 + len(name) for name in names]).astype(np.uint16)
        return values, values % 3 > 0


def source(read: Counted, kept: KeptPixels | None, image_id: str = "C/a") -> SourceImage:
    bands = tuple(SourceBand(name, "uint16", GRID) for name in ("x", "yy"))
    return SourceImage(image_id, bands, {}, box(110, 25, 120, 35), read, kept=kept)


@pytest.mark.parametrize("window", [GRID[3:20, 4:30], ELSEWHERE])
def test_kept_pixels_are_those_that_were_read(window):
    kept, read = KeptPixels(1 << 20), Counted()
    plain = image_of(source(Counted(), None)).read(window)
    for _ in range(2):
        pixels = image_of(source(read, kept)).read(window)
        for array, own in zip((*pixels.values, *pixels.masks), (*plain.values, *plain.masks), strict=True):
            assert array.dtype == own.dtype and (array == own).all()
    assert sorted(read.names) == ["x", "yy"]


def test_only_bands_that_are_missing_are_read():
    kept, read = KeptPixels(1 << 20), Counted()
    image_of(source(read, kept)).read(GRID, ["x"])
    image_of(source(read, kept)).read(GRID, ["yy", "x"])
    assert read.names == ["x", "yy"]


def test_another_window_image_or_method_is_read_by_itself():
    kept, read = KeptPixels(1 << 20), Counted()
    image = image_of(source(read, kept))
    image.read(GRID, ["x"])
    image.read(GRID[1:, :], ["x"])
    image_of(source(read, kept, "C/b")).read(GRID, ["x"])
    bilinear = replace(image, reading=image.reading.resampled("bilinear"))
    image.read(ELSEWHERE, ["x"])
    bilinear.read(ELSEWHERE, ["x"])
    assert read.names == ["x"] * 5


def test_the_least_recently_used_goes_first():
    kept = KeptPixels(3000)
    band = np.zeros((10, 100), np.uint8), np.zeros((1, 1), bool)
    for key in "abc":
        kept.put(key, (band[0].copy(), np.broadcast_to(np.True_, (10, 100))))
    assert kept.get("a") is not None
    kept.put("d", (band[0].copy(), np.broadcast_to(np.True_, (10, 100))))
    assert kept.get("b") is None and all(kept.get(key) is not None for key in "acd")


def test_a_band_above_the_bound_is_not_kept():
    kept = KeptPixels(500)
    kept.put("a", (np.zeros((10, 100), np.uint8), np.broadcast_to(np.True_, (10, 100))))
    assert kept.get("a") is None


def test_the_world_keeps_its_own_images_and_no_public_ones():
    world = World()
    assert world.image("USGS/SRTMGL1_003").kept is world.image("USGS/SRTMGL1_003").kept is not None
    public = next(world.image(key) for key in world.public_ids if world.image(key) is not None)
    assert public.kept is None
