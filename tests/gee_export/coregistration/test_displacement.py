"""Displacements by orbit: their files, and the graph, which gives what the warp of arrays gives."""

from __future__ import annotations

import json
from dataclasses import replace

import ee
import numpy as np
import pytest
from local_ee.testing.evaluating import pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.coregistration.coregister import warped
from isamap.gee_export.coregistration.displacement import ANY_ORBIT, Displacement, displaced
from isamap.gee_export.coregistration.polynomial import Polynomial, PolynomialFrame
from isamap.gee_export.export.settings import chosen
from isamap.gee_export.sentinel.composite import Settings
from isamap.gee_export.sentinel.sentinel1 import Radar

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(150, 130, left=600_000, top=3_390_000, epsg=32650)
FRAME = PolynomialFrame("EPSG:32650", (600_000.0, 3_388_700.0, 601_200.0, 3_390_000.0))  # the grid reaches beyond it
CUBIC = Polynomial.of(FRAME, (23, 4, -3, 2, 1, -2, 6, 0, 3, 1), (-12, 2, 5, -1, 3, 2, 0, 4, -6, 5))
SHIFT = Polynomial.of(FRAME, (30.0,), (-20.0,))
BOTH = Displacement((47, 113), (SHIFT, CUBIC))


def scene(orbit: int) -> Scene:
    return Scene(f"S1/o{orbit}", GRID, {"VV": ("float32", 10)}, {"relativeOrbitNumber_start": orbit}, orbit, 1)


CATALOG = Scenes(tuple(scene(orbit) for orbit in (47, 113, 40)))


def array_of(orbit: int) -> Raster:
    read = value(ee.Image(f"S1/o{orbit}"), CATALOG).read(GRID)
    return Raster(GRID, ("VV",), np.stack(read.values), np.stack(read.masks) != 0)


def graph_of(orbit: int, move: Displacement = BOTH, grid=GRID) -> np.ma.MaskedArray:
    return pixels(displaced(ee.Image(f"S1/o{orbit}"), move), CATALOG, grid)


@pytest.mark.parametrize(("orbit", "polynomial"), [(113, CUBIC), (47, SHIFT)])
def test_the_graph_is_the_warp_of_arrays(orbit, polynomial):
    """Each orbit takes its own polynomial; inside and outside the frame."""
    actual, expected = graph_of(orbit), warped(array_of(orbit), polynomial)
    inner = slice(8, -8), slice(8, -8)  # the engine's scene ends at the grid as the array does, but may be read beyond
    assert (np.ma.getmaskarray(actual)[inner] == ~expected.valid_BHW[0][inner]).all()
    assert np.abs(actual.filled(0) - expected.values_BHW[0])[inner].max() < 1e-6


def test_orbits_that_are_not_named_stay_put():
    actual, before = graph_of(40), array_of(40)
    assert (actual.filled(0) == np.where(before.valid_BHW[0], before.values_BHW[0], 0)).all()


def test_any_orbit_takes_the_rest():
    remainder = Displacement((ANY_ORBIT, 113), (SHIFT, CUBIC))
    assert (graph_of(40, remainder)[5:-5, 5:-5] == array_of(40).values_BHW[0][7:-3, 8:-2]).mean() > 0.9


def test_the_window_does_not_matter():
    piece = graph_of(113, grid=GRID[40:90, 70:125])
    full = graph_of(113)[40:90, 70:125]
    assert (piece.filled(-1) == full.filled(-1)).all()


def test_no_pixel_moves_farther_than_said():
    assert BOTH.most_m >= max(30, 23 + 12)  # of the cubic: the sum of its coefficients


def test_files_are_read_as_written(tmp_path):
    path = tmp_path / "move.json"
    path.write_text(json.dumps(BOTH.to_json() | {"reports": {}}))
    assert Displacement.read(path) == BOTH
    assert chosen([f"displacement={path}"]).radar.displacement == BOTH


def test_settings_hold_the_coefficients():
    """A manifest, and a checkpoint after it, need no file beside them."""
    settings = Settings(radar=Radar(displacement=BOTH))
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert Settings.from_json(Settings().to_json()).radar.displacement is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "move.json: Expecting"),
        ("[1]", "isamap coregister"),
        ("{}", "isamap coregister"),
        ('{"orbits": [], "polynomials": []}', "no orbit was corrected"),
        ('{"orbits": [47, 47], "polynomials": []}', "each once"),
        ("\udcff", "move.json"),
    ],
)
def test_files_that_are_no_displacement_are_refused(tmp_path, text, words):
    path = tmp_path / "move.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=words):
        Displacement.read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json cannot be read"):
        Displacement.read(tmp_path / "none.json")


def test_frames_must_agree_and_count_metres():
    with pytest.raises(ValueError, match="different boxes"):
        Displacement((1, 2), (SHIFT, replace(SHIFT, bounds=(0.0, 0.0, 10.0, 10.0))))
    with pytest.raises(ValueError, match=r"EPSG:4326.*metres"):
        Displacement((1,), (Polynomial("EPSG:4326", (0.0, 0.0, 1.0, 1.0), (0.1,), (0.1,)),))
