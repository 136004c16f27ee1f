"""A Sentinel-2 overpass as its bands record it: sensor blur and shift, clouds and their shadows, gain and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np

from local_ee import parallel
from local_ee.world import clouds, spectra
from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.lattice import Cut
from local_ee.world.noise import column_keys, derive, draw_normal, hash2, point_hash, seed_of, smooth_row, unit

Weather = tuple[np.ndarray, np.ndarray, np.ndarray]  # opacity, shadow and brightness of clouds, float32 [row, column]
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]  # ground of a band, and taps across and down it, float32
REFLECTANCE = spectra.BANDS
_CLOUD_BANDS = ("QA60", "MSK_CLASSI_OPAQUE", "MSK_CLASSI_CIRRUS", "MSK_CLDPRB", "probability")
CIRRUS = "B10"  # of level L1C only: water vapour hides the ground
_MARGIN = 3  # band pixels of blur and shift around a window
# Beyond the pixel's own box: edges of docs/reference/world.md, "Sentinel-2 sensor" fit .44-.53; .55-.60 with the box
_SIGMA_PX = 0.52
# Cloud reflectance and shadow factor by band (docs/reference/world.md, "Clouds" and "Materials").
_CLOUD_DN = (4300, 4200, 4000, 4200, 4400, 4900, 5300, 5900, 5900, 3000, 4800, 3700)
_SHADOW = (0.55, 0.50, 0.50, 0.50, 0.45, 0.40, 0.37, 0.35, 0.35, 0.33, 0.28, 0.28)
# Haze that a correction of whole scenes leaves, over that in B2: it falls with the wavelength.
_HAZE = (1.1, 1.0, 0.75, 0.55, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.08, 0.04)
_HAZE_M = 3500.0
# Ours: what is left in B10 of a clear sky, and the brightness there of opaque clouds, whose tops lie in moist air.
_CLEAR_CIRRUS_DN, _CLOUD_CIRRUS_DN = 14.0, 420.0
# Global reference image: registration improves (docs/reference/world.md, "Sentinel-2 sensor")
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
        spread = 1.5 if self.day >= _PRECISE_SINCE else 3.0
        bias = 0.75 if self.orbit % 2 else -0.75  # neighbouring orbits differ by .15 px
        return bias + spread * draw_normal(self.seed, 1), spread * draw_normal(self.seed, 2)

    def light(self, band: int) -> tuple[float, float]:
        """Gain and offset (digital numbers) of a band that day (docs/reference/world.md, "Seasons": same land,
        different dates).
        """
        hazy = 1.0 if band < 5 else 0.5
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
            smooth_row(haze_seed, col0, 1.0, light[5], (row0 + row) // 8 * 8 / light[5], thick)
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
            value += noise * (np.float32(6.0) + np.float32(0.004) * value)
            out[row, col] = np.uint16(min(max(value, np.float32(1.0)), np.float32(65535.0)) + np.float32(0.5))
    return out


def pooled(values: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor x factor pixels."""
    if factor == 1:
        return values
    height, width = values.shape[0] // factor, values.shape[1] // factor
    return values.reshape(height, factor, width, factor).mean(axis=(1, 3), dtype=np.float32)


@dataclass(frozen=True)
class Camera:
    """Renders the bands of overpasses over the world's ground."""

    cells: CellCache
    ground: GroundReflectance

    def bands(self, names: tuple[str, ...], cut: Cut, overpass: Overpass) -> np.ndarray:
        """Recorded values of bands that share a step: [band, row, column]."""
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
        index = spectra.BANDS.index(name)
        gain, offset = overpass.light(index)
        veil = (overpass.haze(index), _HAZE_M / cut.step_m)
        light = np.array([gain, offset, overpass.cloud(index), _SHADOW[index], *veil], np.float32)
        seeds = (seed_of("noise", overpass.day.isoformat(), overpass.orbit, name), np.uint64(overpass.seed))
        if float(weather[0].min(initial=1.0)) >= 1.0:  # nothing of the ground is seen, so it need not be drawn
            whole = np.ones(1, np.float32)
            sample = np.zeros((cut.height, cut.width), np.float32), whole, whole
        else:
            sample = self._sample(name, cut, overpass)
        return expose(*sample, weather, light, seeds, cut.row, cut.col)

    def _sample(self, name: str, cut: Cut, overpass: Overpass) -> Sample:
        ground = self.ground.band(cut.fine(_MARGIN), overpass.day.year, overpass.day.month, name)
        east, south = overpass.shift_m
        return pooled(ground, cut.step_m // 10), taps(-east / cut.step_m), taps(-south / cut.step_m)

    def _scene_class(self, cut: Cut, overpass: Overpass, opacity: np.ndarray, shadow: np.ndarray) -> np.ndarray:
        layers = self.cells.window(cut.fine(), overpass.day.year, slice(0, m.COUNT))
        water = pooled(layers[m.RIVER : m.LAKE + 1].sum(axis=0, dtype=np.float32), cut.step_m // 10)
        green = pooled(layers[m.EVERGREEN : m.CROP_DRY + 1].sum(axis=0, dtype=np.float32), cut.step_m // 10)
        seed = seed_of("scene class", overpass.day.isoformat(), overpass.orbit)
        return classify(opacity, shadow, water, green, seed, cut.row, cut.col)


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
    return expose(np.zeros_like(opacity), tap, tap, weather, light, seeds, cut.row, cut.col)


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
