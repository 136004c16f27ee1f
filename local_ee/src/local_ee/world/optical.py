"""A Sentinel-2 overpass as its bands record it: sensor blur and shift, clouds and their shadows, gain and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from local_ee import parallel
from local_ee.world import clouds, overview, spectra
from local_ee.world import materials as m
from local_ee.world.compiled import Beginning, compiled, over_arrays
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.lattice import TILE, Cut, pooled
from local_ee.world.noise import (
    column_key,
    column_keys,
    derive,
    draw_normal,
    hash2,
    point_hash,
    seed_of,
    smooth,
    smooth_row,
    unit,
)

Weather = tuple[np.ndarray, np.ndarray, np.ndarray]  # opacity, shadow and brightness of clouds, float32 [row, column]
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]  # ground of a band, and taps across and down it, float32
REFLECTANCE = spectra.BANDS
_CLOUD_BANDS = ("QA60", "MSK_CLASSI_OPAQUE", "MSK_CLASSI_CIRRUS", "MSK_CLDPRB", "probability")
CIRRUS = "B10"  # of level L1C only: water vapour hides the ground
_FIRST_PIXELS = 1_000_000  # that NumPy exposes, .3 s together; compiling takes two (compiled.Beginning)
_MARGIN = 3  # band pixels of blur and shift around a window
# Beyond the pixel's own box: edges of local_ee/docs/world.md, "Sentinel-2 sensor" fit .44-.53; .55-.60 with the box
_SIGMA_PX = 0.52
# Cloud reflectance and shadow factor by band (local_ee/docs/world.md, "Clouds" and "Materials").
_CLOUD_DN = (4300, 4200, 4000, 4200, 4400, 4900, 5300, 5900, 5900, 3000, 4800, 3700)
_SHADOW = (0.55, 0.50, 0.50, 0.50, 0.45, 0.40, 0.37, 0.35, 0.35, 0.33, 0.28, 0.28)
# Haze that a correction of whole scenes leaves, over that in B2: it falls with the wavelength.
_HAZE = (1.1, 1.0, 0.75, 0.55, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.08, 0.04)
# Ours: haze changes within kilometres.
_HAZE_M = 3500.0
# Ours: what is left in B10 of a clear sky, and the brightness there of opaque clouds, whose tops lie in moist air.
_CLEAR_CIRRUS_DN, _CLOUD_CIRRUS_DN = 14.0, 420.0
# Global reference image: registration improves (local_ee/docs/world.md, "Sentinel-2 sensor")
_PRECISE_SINCE = date(2021, 8, 23)


@dataclass(frozen=True)
class Overpass:
    """One datatake: its day and relative orbit decide clouds, light and where the pixels really lie."""

    day: date
    orbit: int

    @property
    def seed(self) -> np.uint64:
        return seed_of("overpass", self.day.isoformat(), self.orbit)

    @property
    def sky(self) -> clouds.Sky:
        return clouds.sky_of(self.day, self.orbit)

    @property
    def shift_m(self) -> tuple[float, float]:
        """How far east and south the recorded pixels lie from their stated place."""
        # Deviations of .3 px before the global reference image and of .15 px since, in metres of 10-m pixels.
        spread = 1.5 if self.day >= _PRECISE_SINCE else 3.0
        bias = 0.75 if self.orbit % 2 else -0.75  # neighbouring orbits differ by .15 px
        return bias + spread * draw_normal(self.seed, 1), spread * draw_normal(self.seed, 2)

    def light(self, band: int) -> tuple[float, float]:
        """Gain and offset (digital numbers) of a band that day (local_ee/docs/world.md, "Seasons": same land,
        different dates).
        """
        hazy = 1.0 if band < 5 else 0.5
        # Common and own parts together have the measured deviations of .05 and about 60 DN; from B6 on less than that.
        gain = 1.0 + 0.04 * draw_normal(self.seed, 3) + 0.03 * hazy * draw_normal(self.seed, 10 + band)
        return gain, hazy * (45.0 * draw_normal(self.seed, 4) + 30.0 * draw_normal(self.seed, 30 + band))

    def haze(self, band: int) -> float:
        """Digital numbers that the day's thickest haze adds to a band (ours: .01 to .04 of reflectance in the blue)."""
        return (110.0 + 110.0 * abs(draw_normal(self.seed, 5))) * _HAZE[band]

    def cloud(self, band: int) -> float:
        """Digital number of a band's clouds that day: their hue is the day's own by about 1 %."""
        return _CLOUD_DN[band] * (1.0 + 0.01 * draw_normal(self.seed, 80 + band))


def taps(shift_px: float) -> np.ndarray:
    """Weights of 2 * _MARGIN + 1 neighbours for a Gaussian whose centre lies shift_px away."""
    at = np.arange(-_MARGIN, _MARGIN + 1)
    weights = np.exp(-0.5 * ((at - shift_px) / _SIGMA_PX) ** 2)
    return (weights / weights.sum()).astype(np.float32)


# Sums over rows, then over columns: the blur's weights are products. Row by row, so that what is between them stays in
# the processor's cache; float32 as the sensor. A pixel's noise is a hash of its place, so windows agree.
@compiled
def expose(base, across, down, weather, light, seeds, row0, col0):
    """Recorded digital numbers, uint16: `weather` is opacity, shadow and the clouds' brightness, `light` holds gain,
    offset, cloud number, shadow factor, haze and its lattice length in band pixels."""
    opacity, shadow, glow = weather
    seed, haze_seed = seeds
    height, width = opacity.shape
    count = across.shape[0]
    out = np.empty((height, width), np.uint16)
    line, seen = np.empty(base.shape[1], np.float32), np.empty(width, np.float32)
    gain, offset, cloud, dim, veil = light[0], light[1], light[2], light[3], light[4]
    thick, keys = np.empty(width), column_keys(seed, col0, width)
    for row in range(height):
        if row == 0 or (row0 + row) % 8 == 0:  # haze changes slowly
            smooth_row(haze_seed, col0, 1.0, np.float64(light[5]), (row0 + row) // 8 * 8 / light[5], thick)
        line[:] = 0
        seen[:] = 0
        for k in range(count):
            for col in range(base.shape[1]):
                line[col] += down[k] * base[row + k, col]
        for k in range(count):
            shifted = line[k:]
            for col in range(width):
                seen[col] += across[k] * shifted[col]
        for col in range(width):
            value = seen[col] * gain + offset + veil * np.float32(0.5 + 0.5 * thick[col])
            o, s = opacity[row, col], shadow[row, col]
            if s > 0:
                value *= np.float32(1.0) - s * (np.float32(1.0) - dim)
            if o > 0:
                value += o * (cloud * glow[row, col] - value)
            h = point_hash(keys[col], row0 + row)
            spread = (
                (h & np.uint64(0xFFFF))
                + ((h >> np.uint64(16)) & np.uint64(0xFFFF))
                + ((h >> np.uint64(32)) & np.uint64(0xFFFF))
            )
            noise = np.float32(np.float64(spread) * (2.0 / 65536.0) - 3.0)
            # Measured: 5 to 10 DN and .4 %. Three uniform numbers stand for a normal one of deviation 1.
            value += noise * (np.float32(6.0) + np.float32(0.004) * value)
            out[row, col] = np.uint16(min(max(value, np.float32(1.0)), np.float32(65535.0)) + np.float32(0.5))
    return out


def _expose_by_numpy(base, across, down, weather, light, seeds, row0, col0):
    opacity, shadow, glow = weather
    gain, offset, cloud, dim, veil, length = light
    height, width = opacity.shape
    rows, cols = np.arange(row0, row0 + height)[:, None], np.arange(col0, col0 + width)
    line = np.zeros((height, base.shape[1]), np.float32)
    for k, weight in enumerate(down):
        line += weight * base[k : k + height]
    seen = np.zeros((height, width), np.float32)
    for k, weight in enumerate(across):
        seen += weight * line[:, k : k + width]
    thick = over_arrays(smooth)(seeds[1], cols / np.float64(length), rows // 8 * 8 / np.float64(length))
    value = seen * gain + offset + veil * (0.5 + 0.5 * thick).astype(np.float32)
    value *= np.float32(1.0) - shadow * (np.float32(1.0) - dim)
    value += opacity * (cloud * glow - value)
    h = over_arrays(point_hash)(over_arrays(column_key)(seeds[0], cols), rows)
    spread = sum((h >> np.uint64(bits)) & np.uint64(0xFFFF) for bits in (0, 16, 32))
    noise = (spread * (2.0 / 65536.0) - 3.0).astype(np.float32)
    value += noise * (np.float32(6.0) + np.float32(0.004) * value)
    return (np.clip(value, np.float32(1.0), np.float32(65535.0)) + np.float32(0.5)).astype(np.uint16)


_exposing = Beginning(expose, _FIRST_PIXELS, instead=_expose_by_numpy)


@dataclass(frozen=True)
class Camera:
    """Renders the bands of overpasses over the world's ground."""

    cells: CellCache
    ground: GroundReflectance

    def bands(self, names: tuple[str, ...], cut: Cut, overpass: Overpass) -> np.ndarray:
        """Recorded values of bands that share a step: [band, row, column]."""
        if overview.is_coarse(cut):
            return self._overview(names, cut, overpass)
        sky = overpass.sky
        opacity, shadow = (pooled(field, cut.step_m // 10) for field in clouds.over(cut.fine(), sky))
        bright = any(name in REFLECTANCE for name in names) and float(opacity.max(initial=0.0)) > 0.0
        glow = clouds.glow(opacity, sky.seed, cut.row, cut.col, float(cut.step_m)) if bright else opacity
        out = np.empty((len(names), *opacity.shape), np.uint16)

        def record(band: int) -> None:
            out[band] = self._band(names[band], cut, overpass, (opacity, shadow, glow))

        record(0)  # alone: its tiles of ground are drawn in parallel, and the other bands share them
        parallel.each(record, range(1, len(names)))
        return out

    def _overview(self, names: tuple[str, ...], cut: Cut, overpass: Overpass) -> np.ndarray:
        """As `bands`, of a coarse cut: a sample of the ground (overview.py) under the clouds of each pixel's centre."""
        sky = overpass.sky
        opacity, shadow = clouds.at_centres(cut, sky)
        seen = [name for name in names if name in REFLECTANCE]
        glow = clouds.glow(opacity, sky.seed, cut.row, cut.col, float(cut.step_m)) if seen else opacity
        bases = self.ground.overview(cut, overpass.day.year, overpass.day.month, seen) if seen else ()
        ground = dict(zip(seen, bases, strict=True))
        whole = np.ones(1, np.float32)
        return np.stack([
            self._exposed(name, cut, overpass, (opacity, shadow, glow), (ground[name], whole, whole))
            if name in ground
            else self._band(name, cut, overpass, (opacity, shadow, glow))
            for name in names
        ]).astype(np.uint16, copy=False)  # fmt: skip

    def _band(self, name: str, cut: Cut, overpass: Overpass, weather: Weather) -> np.ndarray:
        opacity, shadow, _ = weather
        if name in REFLECTANCE:
            return self.reflectance(name, cut, overpass, weather)
        if name == CIRRUS:
            return _cirrus(cut, overpass, opacity)
        if name == "SCL":
            return self._scene_class(cut, overpass, opacity, shadow)
        if name in _CLOUD_BANDS:
            return _cloud_band(name, opacity)
        level = {"AOT": 180 + 40 * draw_normal(overpass.seed, 60), "WVP": 2200 + 500 * draw_normal(overpass.seed, 61)}
        return np.full(opacity.shape, max(0, round(level.get(name, 0))), np.uint16)

    def reflectance(self, name: str, cut: Cut, overpass: Overpass, weather: Weather) -> np.ndarray:
        """Recorded digital numbers of a band under clouds: uint16 [row, column]."""
        if float(weather[0].min(initial=1.0)) >= 1.0:  # nothing of the ground is seen, so it need not be drawn
            whole = np.ones(1, np.float32)
            return self._exposed(name, cut, overpass, weather, (np.zeros_like(weather[0]), whole, whole))
        return self._exposed(name, cut, overpass, weather, self._sample(name, cut, overpass))

    def _exposed(self, name: str, cut: Cut, overpass: Overpass, weather: Weather, sample: Sample) -> np.ndarray:
        index = spectra.BANDS.index(name)
        gain, offset = overpass.light(index)
        veil = (overpass.haze(index), _HAZE_M / cut.step_m)
        light = np.array([gain, offset, overpass.cloud(index), _SHADOW[index], *veil], np.float32)
        seeds = (seed_of("noise", overpass.day.isoformat(), overpass.orbit, name), np.uint64(overpass.seed))
        return _exposing(weather[0].size)(*sample, weather, light, seeds, cut.row, cut.col)

    def _sample(self, name: str, cut: Cut, overpass: Overpass) -> Sample:
        ground = self.ground.band(cut.fine(_MARGIN), overpass.day.year, overpass.day.month, name)
        east, south = overpass.shift_m
        return pooled(ground, cut.step_m // 10), taps(-east / cut.step_m), taps(-south / cut.step_m)

    def _scene_class(self, cut: Cut, overpass: Overpass, opacity: np.ndarray, shadow: np.ndarray) -> np.ndarray:
        water, green = self._water_and_green(cut, overpass.day.year)
        seed = seed_of("scene class", overpass.day.isoformat(), overpass.orbit)
        return classify(opacity, shadow, water, green, seed, cut.row, cut.col)

    def _water_and_green(self, cut: Cut, year: int) -> np.ndarray:
        """Percent of each pixel: float32 [2, row, column]."""
        if overview.is_coarse(cut):
            whole = Cut(cut.epsg, 0, 0, TILE, TILE)
            return overview.sampled(
                cut,
                2,
                lambda col, row: _two_shares(
                    self.cells, replace(whole, row=row * TILE, col=col * TILE), year, overview.FACTOR
                ),
            )
        return _two_shares(self.cells, cut.fine(), year, cut.step_m // 10)


def _two_shares(cells: CellCache, cut: Cut, year: int, factor: int) -> np.ndarray:
    layers = cells.window(cut, year, slice(0, m.COUNT))
    kinds = slice(m.RIVER, m.LAKE + 1), slice(m.EVERGREEN, m.CROP_DRY + 1)
    return np.stack([pooled(layers[kind].sum(axis=0, dtype=np.float32), factor) for kind in kinds])


# Rules of a decision tree by pixel: NumPy would evaluate all of them everywhere.
@compiled
def classify(opacity, shadow, water, green, seed, row0, col0):
    """Sen2Cor's scene classes with its habits: half the shadows missed, some bright ground taken for cloud."""
    height, width = opacity.shape
    out = np.empty((height, width), np.uint8)
    for row in range(height):
        for col in range(width):
            u = unit(derive(hash2(seed, (col0 + col) // 6, (row0 + row) // 6), 1))
            o = opacity[row, col]
            scene_class = 6 if water[row, col] > 50 else (4 if green[row, col] > 45 else 5)
            if scene_class == 5 and u < 0.015:
                scene_class = 8
            if shadow[row, col] > 0.4 and u < 0.5:
                scene_class = 3
            if o > 0.75:
                scene_class = 9
            elif o > 0.45:
                scene_class = 8
            elif o > 0.2:
                scene_class = 10 if u < 0.4 else 7
            out[row, col] = scene_class
    return out


def _cirrus(cut: Cut, overpass: Overpass, opacity: np.ndarray) -> np.ndarray:
    """Digital numbers of B10: clouds over nothing, with the noise of every band."""
    light = np.array([1.0, _CLEAR_CIRRUS_DN, _CLOUD_CIRRUS_DN, 1.0, 0.0, _HAZE_M / cut.step_m], np.float32)
    seeds = (seed_of("noise", overpass.day.isoformat(), overpass.orbit, CIRRUS), np.uint64(overpass.seed))
    tap = np.ones(1, np.float32)
    weather = (opacity, np.zeros_like(opacity), np.ones_like(opacity))
    return _exposing(opacity.size)(np.zeros_like(opacity), tap, tap, weather, light, seeds, cut.row, cut.col)


def _cloud_band(name: str, opacity: np.ndarray) -> np.ndarray:
    opaque, thin = opacity > 0.6, (opacity > 0.3) & (opacity <= 0.6)
    if name == "QA60":
        return np.where(opaque, 1024, np.where(thin, 2048, 0)).astype(np.uint16)
    if name.startswith("MSK_CLASSI"):
        return (opaque if name.endswith("OPAQUE") else thin).astype(np.uint8)
    return np.clip(np.rint(100 * opacity**0.7), 0, 100).astype(np.uint8)


def solar_zenith_deg(day: date) -> float:
    """Mean solar zenith of a day's scenes."""
    from local_ee.world.sun import ELEVATION_DEG

    month = day.month - 1 + (day.day - 15) / 30
    low = math.floor(month)
    share = month - low
    return 90 - ((1 - share) * ELEVATION_DEG[low % 12] + share * ELEVATION_DEG[(low + 1) % 12])
