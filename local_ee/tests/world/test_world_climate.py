"""Seasons by latitude and height, snow, slopes in the sun, outlines of label products, and what makes kernels stale."""

from __future__ import annotations

import numpy as np
import pytest

from local_ee.world import compiled, labels, spectra
from local_ee.world import materials as m
from local_ee.world.climate import TEMPERATE, Climate, snow_share, tree_line_m
from local_ee.world.fractions import canvas_of
from local_ee.world.plane import utm_of
from local_ee.world.relief import light_and_snow, site_of, slopes

SUMMER, WINTER = 7, 1
WUHAN, TROPICS, HARBIN = (30.6, 23.0, 0.0), (3.0, 60.0, 0.0), (45.8, 140.0, 0.3)


def ndvi(climate: Climate, month: int, material: int) -> float:
    red, near = spectra.mean_spectra(month, climate)[material, [3, 7]]
    return float((near - red) / (near + red))


def test_wuhan_keeps_the_seasons_of_the_page():
    assert Climate.of(*WUHAN) == TEMPERATE


def test_tropics_are_as_green_in_january_as_in_july():
    here = Climate.of(*TROPICS)
    assert ndvi(here, WINTER, m.DECIDUOUS) > 0.9 * ndvi(here, SUMMER, m.DECIDUOUS)
    assert ndvi(TEMPERATE, WINTER, m.DECIDUOUS) < 0.6 * ndvi(TEMPERATE, SUMMER, m.DECIDUOUS)


def test_the_south_has_its_summer_in_january():
    here = Climate.of(-35.0, 20.0, 0.0)
    assert ndvi(here, WINTER, m.LAWN) > ndvi(here, SUMMER, m.LAWN) + 0.15


def test_cool_summers_keep_meadows_greener_and_dry_ones_do_not():
    assert ndvi(Climate(cold=1.0), SUMMER, m.LAWN) > ndvi(TEMPERATE, SUMMER, m.LAWN) + 0.03
    assert ndvi(Climate(cold=1.0, dry=1.0), SUMMER, m.LAWN) < ndvi(TEMPERATE, SUMMER, m.LAWN)


@pytest.mark.parametrize("material", [m.ASPHALT, m.ROOF_LIGHT, m.BARE])
def test_ground_of_the_tropics_is_redder(material):
    """By the short-wave infrared over the blue, which tiles and laterite have and Wuhan's roofs have not."""
    here, wuhan = (spectra.mean_spectra(SUMMER, climate)[material] for climate in (Climate.of(*TROPICS), TEMPERATE))
    assert here[10] / here[1] > 1.3 * wuhan[10] / wuhan[1]


@pytest.mark.parametrize(
    ("place", "month", "low", "high"),
    [(WUHAN, 1, 0, 0), (TROPICS, 1, 0, 0), (HARBIN, 1, 0.05, 0.6), (HARBIN, 7, 0, 0), ((30, 4500, 0.3), 1, 0.4, 0.9),
     ((47.1, 2800, 0.0), 1, 0.7, 0.9), ((47.07, 360, 0.0), 1, 0, 0.1)],
)  # fmt: skip
def test_snow_lies_where_winters_are_cold(place, month, low, high):
    lat, height, dryness = place
    assert low <= snow_share(lat, height, month, dryness) <= high


def test_the_tree_line_falls_towards_the_pole():
    lines = [tree_line_m(lat) for lat in (10.0, 30.0, 47.0, 60.0, 70.0)]
    assert lines == sorted(lines, reverse=True) and 1800 < lines[2] < 2200 and lines[-1] == 0


def test_slopes_towards_the_sun_are_brighter():
    """A roof of two planes: with the sun in the east its eastern plane is lit, its western darker than level ground."""
    across = 10.0 * np.abs(np.arange(35) - 17.0)[None].repeat(35, axis=0)
    light, snow = slopes(300.0 - across, 1.0, 0.0, 1.0, np.zeros(180, np.float32))
    assert light[64, 20] < 0.9 < 1.05 < light[64, 110] and not snow.any()


def test_plains_without_winter_need_no_slopes():
    x, y = utm_of(114.3, 30.6, 32650)
    assert light_and_snow(32650, int(x // 1280), int(-y // 1280), 1) is None


@pytest.mark.parametrize(("lon", "lat"), [(15.44, 47.07), (2.35, 48.86), (31.24, 30.05), (-58.42, -34.61)])
def test_centres_of_cities_are_built(lon, lat):
    """Graz, Paris, Cairo and Buenos Aires; Graz's centre was 8 % impervious when the table held only China's towns."""
    epsg = (32600 if lat >= 0 else 32700) + int((lon + 180) // 6) + 1
    x, y = utm_of(lon, lat, epsg)
    canvas = canvas_of(epsg, int(x // 1280), int(np.floor(-y / 1280)), 2020)[0]
    assert ((canvas & 31) >= m.FIRST_IMPERVIOUS).mean() > 0.45


def test_a_desert_is_bare():
    """No streets, fields or trees to speak of."""
    x, y = utm_of(87.3, 44.6, 32645)
    canvas = canvas_of(32645, int(x // 1280), int(-y // 1280), 2020)[0]
    assert ((canvas & 31) == m.BARE).mean() > 0.85
    assert ((canvas & 31) >= m.FIRST_IMPERVIOUS).mean() < 0.01
    assert site_of(32645, int(x // 1280), int(-y // 1280)).climate.dry > 0.7


def test_bare_ground_can_be_as_bright_as_a_roof():
    """Gravel and foil share the light roof's spectrum: within a third of it in every visible band."""
    for band in (1, 2, 3):
        second = spectra.tone_tables(band, SUMMER)[1][m.BARE]
        bare, roof = (spectra.mean_spectra(SUMMER)[k, band] for k in (m.BARE, m.ROOF_LIGHT))
        assert abs(bare * second[int(m.GRAVEL * 32) + 128] / roof - 1) < 0.34


def test_outlines_fill_gaps_drop_specks_and_keep_water():
    seen, other = np.zeros((2, 12, 12), np.uint8)
    other[:] = labels.GRASS
    seen[3:9, 3:9] = 1
    seen[5, 5] = 0  # a gap
    seen[1, 10] = 1  # a speck
    seen[6, 6], other[6, 6] = 0, labels.WATER
    groups = labels.outlined(np.stack([seen, other]), 1, 0.5)
    assert groups.shape == (10, 10)
    assert groups[4, 4] == labels.BUILT and groups[0, 9] == labels.GRASS and groups[5, 5] == labels.WATER


def test_a_kernel_is_compiled_again_when_what_it_imports_changes():
    assert {"noise", "plane", "compiled"} <= set(names("truth")) and "optical" not in names("truth")


def names(module: str) -> list[str]:
    """Modules of the world that a module reaches."""
    reached, waiting = set(), [module]
    while waiting:
        at = waiting.pop()
        if at not in reached:
            reached.add(at)
            waiting += compiled._imports(at)
    return sorted(reached)
