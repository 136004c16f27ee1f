"""Google's annual Satellite Embedding over the world's ground: 64 bands of unit length that turn from year to year.

The real asset's axes have no meaning of their own, and its years are not promised to agree. Here both are known: a
pixel's vector is a fixed mixture of what lies in it and around it, with noise, scaled to length 1, and each pair of
bands (A00 and A01, ...) is turned by TURN_DEG a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import labels
from local_ee.world import materials as m
from local_ee.world.fractions import BRIGHT, HEIGHT, CellCache
from local_ee.world.lattice import Cut
from local_ee.world.noise import seed_of
from local_ee.world.passes import milliseconds
from local_ee.world.truths import zone_grid, zone_outline, zones_of

EMBEDDING = "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL"
BANDS = tuple(f"A{axis:02d}" for axis in range(64))
YEARS = range(2017, 2026)
# Ours, harder than the real asset on purpose: what learned from one year must not pass for a model of all years.
TURN_DEG = 12.0  # a year, in each of the 32 planes of two neighbouring bands
_AROUND_PX = 5  # side of the square that counts beside the pixel itself
_REGIONAL = 8  # smooth fields that have nothing to do with the ground
_PIXEL_NOISE, _REGIONAL_NOISE = 0.7, 0.3  # of the ground's own length
_ROW, _COL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True)
class Embeddings:
    """One image a year and UTM zone, as the asset has one a year and tile."""

    cells: CellCache

    ids = (EMBEDDING,)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """Images of the years that begin on the given days, of the zones that touch the box."""
        years = [year for year in YEARS if first <= date(year, 1, 1) <= last]
        return [self._image(year, zone) for year in years for zone in zones_of(bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One image, or None."""
        year, _, zone = index.partition("_")
        good = year.isdigit() and int(year) in YEARS and len(zone) == 3 and zone[:2].isdigit() and zone[2] in "NS"
        return self._image(int(year), zone) if good and 1 <= int(zone[:2]) <= 60 else None

    def _image(self, year: int, zone: str) -> SourceImage:
        grid = zone_grid(zone, 10)

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            cut = Cut.of(window)
            values = turned(self.vectors(cut, year), year)[[BANDS.index(name) for name in names]]
            return values.astype(np.float32), np.broadcast_to(Cut.of(grid).covers(cut), values.shape).copy()

        properties = {
            "system:index": f"{year}_{zone}",
            "system:time_start": milliseconds(datetime(year, 1, 1, tzinfo=UTC)),
            "system:time_end": milliseconds(datetime(year + 1, 1, 1, tzinfo=UTC)),
            "UTM_ZONE": zone,
            "simulated": 1,
        }
        bands = tuple(SourceBand(name, "float32", grid) for name in BANDS)
        return SourceImage(f"{EMBEDDING}/{year}_{zone}", bands, properties, zone_outline(zone), read)

    def vectors(self, cut: Cut, year: int) -> np.ndarray:
        """Vectors of length 1 before the year's turn, float64 [band, row, column]."""
        from scipy.ndimage import uniform_filter  # here: an engine starts without it

        margin = _AROUND_PX // 2
        ground = _ground(self.cells.window(cut.around(margin), year))
        around = uniform_filter(ground, size=(1, _AROUND_PX, _AROUND_PX))
        inner = (slice(None), slice(margin, -margin), slice(margin, -margin))
        mixed = np.tensordot(_mixture(), np.concatenate([ground[inner], around[inner]]), axes=1)
        regional = np.stack([labels.waves(cut, seed_of("embedding", number)) for number in range(_REGIONAL)])
        mixed += _REGIONAL_NOISE * np.tensordot(_mixture()[:, :_REGIONAL], regional, axes=1)
        mixed += _PIXEL_NOISE / np.sqrt(len(BANDS)) * _white(cut, year)
        return mixed / np.linalg.norm(mixed, axis=0)


def turned(vectors_BHW: np.ndarray, year: int) -> np.ndarray:
    """The vectors of a year, of 2017 as they are."""
    angle = np.radians(TURN_DEG * (year - YEARS.start))
    even, odd = vectors_BHW[::2], vectors_BHW[1::2]
    result = np.empty_like(vectors_BHW)
    result[::2] = np.cos(angle) * even - np.sin(angle) * odd
    result[1::2] = np.sin(angle) * even + np.cos(angle) * odd
    return result


def _ground(layers: np.ndarray) -> np.ndarray:
    """Shares of the classes, brightness of impervious ground and height of roofs, each about 0 to 1."""
    shares = layers[: m.COUNT] / 100.0
    return np.concatenate([shares, layers[[BRIGHT]] / 255.0, layers[[HEIGHT]] / 50.0])


@cache
def _mixture() -> np.ndarray:
    """What each part of the ground gives to each band: columns of length 1, the same always."""
    parts = 2 * (m.COUNT + 2)
    columns = np.random.default_rng(int(seed_of("embedding mixture"))).normal(size=(len(BANDS), parts))
    return columns / np.linalg.norm(columns, axis=0)


def _white(cut: Cut, year: int) -> np.ndarray:
    """Independent numbers of deviation 1 for each pixel and band, whatever the cut: sums of four uniform ones."""
    rows = np.arange(cut.row, cut.row + cut.height).astype(np.uint64)[:, None]
    cols = np.arange(cut.col, cut.col + cut.width).astype(np.uint64)[None, :]
    with np.errstate(over="ignore"):
        pixel = _mixed(_mixed(rows * _ROW + seed_of("embedding noise", cut.epsg, year)) + cols * _COL)
        numbers = [_mixed(pixel + np.uint64(band + 1) * _ROW) for band in range(len(BANDS))]
    parts = np.stack([((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)) for bits in numbers for part in range(4)])
    uniform = parts.reshape(len(BANDS), 4, cut.height, cut.width) / 65535.0
    return (uniform.sum(axis=1) - 2) * np.sqrt(3)


def _mixed(z: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
