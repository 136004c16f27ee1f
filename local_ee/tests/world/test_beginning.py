"""The first few pixels of an installation: run by Python, bit-equal to what the compiled kernel gives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from local_ee.world import clouds, fractions, ground, optical, plane, relief, spectra, streets, terrain, truth
from local_ee.world.compiled import Beginning, interpreted
from local_ee.world.noise import seed_of

SIDE = 6
PLACES = ((4.85, 52.35), (114.3, 30.6), (114.41, 30.51), (11.0, 47.0), (-150.0, 10.0), (-70.0, -33.0), (114.29, 30.57))


@pytest.mark.parametrize("place", PLACES)
def test_python_fills_the_same_heights(place):
    lon, lat = place
    tables, errors = terrain._tables(lon, lat, SIDE * 20.0), (seed_of("srtm"), 2.2)
    drawn = []
    for kernel in (terrain._heights, interpreted(terrain._heights)):
        heights, water = np.empty((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.uint8)
        with np.errstate(over="ignore"):
            kernel(lon, lat, 20.0, (3, 5), tables, errors, heights, water)
        drawn.append((heights.tobytes(), water.tobytes()))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("tile", [(32650, 194, -2649), (32631, 491, -4532), (32632, 516, -4065)])
def test_python_draws_the_same_tile(tile, monkeypatch):
    """A city, fields and alps: the plan by Python, its shapes by kernels."""
    drawn = []
    for draw in (truth.draw_tile, truth.drawing._interpreted):
        monkeypatch.setattr(fractions, "drawing", lambda units, draw=draw: draw)
        drawn.append([np.asarray(part).tobytes() for part in fractions.canvas_of(*tile, 2020)])
    assert drawn[0] == drawn[1]


def test_python_measures_the_same_lengths():
    """To the last bit, which a drawing shows once in many tiles: Python's own hypot differs in some of a thousand."""
    by_python = interpreted(streets.length_of)
    for ends in np.random.default_rng(5).uniform(-1300.0, 1300.0, (1000, 4)):
        assert by_python(ends) == streets.length_of(ends)


def kernel_of(*signatures: str) -> SimpleNamespace:
    return SimpleNamespace(signatures=signatures)


def test_python_runs_until_its_pixels_are_spent():
    kernel = kernel_of()
    begun = Beginning(kernel, 100)
    assert [begun(count) is kernel for count in (60, 40, 1)] == [False, False, True]


def test_many_pixels_are_compiled_at_once():
    kernel = kernel_of()
    begun = Beginning(kernel, 100)
    assert [begun(count) is kernel for count in (101, 1)] == [True, True]


def test_kernels_of_long_loops_stay_compiled():
    assert interpreted(truth.quad, frozenset({truth.quad})) is truth.quad
    assert interpreted(truth.quad) is not truth.quad


def test_python_runs_what_a_kernel_calls_too():
    """A name of its own module, and one of another; a compiled one would cost a fresh installation seconds."""
    called = interpreted(truth._one_street).__globals__
    assert not hasattr(called["river_at"], "py_func") and not hasattr(called["st"].street, "py_func")


def test_a_compiled_kernel_is_not_run_by_python():
    kernel = kernel_of("(float64,)")
    assert Beginning(kernel, 100)(1) is kernel


WEATHER = (seed_of("sky"), 5000.0, 0.2, 900.0, -700.0, 0.4)


def both(begun, *arguments):
    """What a kernel and what begins in its place give, as bytes."""
    answers = (begun._kernel(*arguments), begun._interpreted(*arguments))
    return [np.asarray(each).tobytes() for each in answers]


@pytest.mark.parametrize("tile", [(32631, 491, -4532), (32722, 500, -7000)])
def test_numpy_draws_the_same_clouds(tile):
    kernel, numpy = both(clouds._noding, *tile, *WEATHER, clouds._levels())
    assert kernel == numpy


def test_numpy_counts_the_same_points_under_clouds():
    seed, length_m, edge, *_, clear = WEATHER
    points = np.random.default_rng(1).uniform(-1e7, 1e7, (300, 2))
    kernel, numpy = both(clouds._counting, points, seed, length_m, edge, clear, clouds._levels())
    assert kernel == numpy


def test_numpy_gives_clouds_the_same_brightness():
    opacity = np.random.default_rng(1).uniform(-1, 1, (40, 50)).astype(np.float32)
    drawn = []
    for glow in (clouds._glow, clouds._glowing._interpreted):
        out = np.ones_like(opacity)
        glow(opacity, seed_of("sky"), -580_000, 63_000, 20.0, out)
        drawn.append(out.tobytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("form", [(400.0, 1500.0, 0.9, 0.3, 0.1), (2.0, 20.0, 0.1, 0.2, 0.4)])
def test_numpy_raises_the_same_hills(form):
    nodes = plane.plane_nodes(491 * 1280.0, 4532 * 1280.0, 1280.0, 32631)
    kernel, numpy = both(relief._rising, nodes, np.array(form))
    assert kernel == numpy


def test_numpy_pools_the_same_canvas():
    canvas = np.random.default_rng(1).integers(0, 2**32, (41, 41), np.uint32) & np.uint32(0xFFFFFFEF)
    canvas[:20] &= np.uint32(0xFFFF00FF)
    kernel, numpy = both(fractions._pooling, canvas, np.arange(16, dtype=np.uint8).reshape(4, 4))
    assert kernel == numpy


@pytest.mark.parametrize("place", PLACES)
def test_python_finds_the_same_places(place):
    lon, lat = place
    epsg = (32600 if lat > 0 else 32700) + int((lon + 180) // 6) + 1
    east, north = plane.utm_of(lon, lat, epsg)
    assert interpreted(plane.utm_of)(lon, lat, epsg) == (east, north)
    assert interpreted(plane.lonlat_of_utm)(east, north, epsg) == plane.lonlat_of_utm(east, north, epsg)
    assert interpreted(plane.plane_of)(lon, lat) == plane.plane_of(lon, lat)


@pytest.mark.parametrize("step_m", [10.0, 20.0])
def test_numpy_exposes_the_same_pixels(step_m):
    draws = np.random.default_rng(1)
    base = draws.uniform(0, 9000, (36, 56)).astype(np.float32)
    opacity, shadow = (np.maximum(draws.uniform(-1, 1, (30, 50)), 0).astype(np.float32) for _ in range(2))
    glow = draws.uniform(0.7, 1.5, (30, 50)).astype(np.float32)
    light = np.array([1.04, 31.0, 4300.0, 0.55, 130.0, 3500.0 / step_m], np.float32)
    shift = optical.taps(0.3), optical.taps(-0.2)
    seeds = seed_of("noise"), seed_of("haze")
    kernel, numpy = both(optical._exposing, base, *shift, (opacity, shadow, glow), light, seeds, -580_003, 63_005)
    assert kernel == numpy


@pytest.mark.parametrize("index", [0, 7])
def test_numpy_mixes_the_same_ground(index):
    draws = np.random.default_rng(index)
    layers = draws.integers(0, 100, (fractions.LAYERS, 40, 50), np.uint8)
    layers[: fractions.BRIGHT] *= draws.integers(0, 2, (fractions.BRIGHT, 40, 50), np.uint8)
    climate = relief.site_of(32631, 491, -4532).climate
    means = spectra.mean_spectra(6, climate)[:, index].copy()
    grains, band = (spectra.clutter(), spectra.texture(index)), (index, np.float32(0.5))
    shade = draws.uniform(0, 1, (40, 50)).astype(np.float32)
    tones = spectra.tone_tables(index, 6, climate)
    kernel, numpy = both(ground._mixing, layers, shade, means, *tones, grains, band, (63_000, -580_003))
    assert kernel == numpy
