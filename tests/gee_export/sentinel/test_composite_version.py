"""What version 2 of composites does otherwise than version 1: edges, overlaps, scenes of 40 m, the angle's rim.

Version 3's rules are in test_no_measurement.py.
"""

from __future__ import annotations

from datetime import date

import ee
import numpy as np
import pytest
from affine import Affine
from local_ee.catalog.folder import write_image
from local_ee.raster import interpolate, resample
from local_ee.world import mgrs
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from isamap.gee_export.base.regions import Period
from isamap.gee_export.datasets.composite_rules import COMPOSITE_VERSION
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import sentinel1, sentinel2
from isamap.gee_export.sentinel.composite import Settings
from isamap.gee_export.sentinel.sentinel1 import Radar
from isamap.gee_export.sentinel.sentinel2 import Optical

SIDE = 60
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 212_400, 0, -10, 3_416_400), "EPSG:32650")
BOUNDS = tuple(GRID.extent.to_crs("EPSG:4326").boundingbox)
JUNE = Period(date(2019, 6, 1), date(2019, 7, 1))
GOOD, NOISE, OTHER, LATER = 1000, 9000, 2000, 3000
EDGE = np.s_[:, 42:]  # whole pixels of 60 m
S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT"
FIRST, SECOND = "20190602T025551_20190602T030602", "20190607T025551_20190607T030602"


def _masked(step: int, hidden) -> np.ma.MaskedArray:
    values = np.ma.masked_array(np.full((SIDE, SIDE), GOOD, np.uint16), False)
    values.mask = np.zeros((SIDE, SIDE), bool)
    values.mask[hidden] = True
    return values[::step, ::step]


def _scene(number: int, hidden=None) -> dict[str, np.ndarray]:
    nothing = np.s_[:0, :0]
    bands = {
        name: np.ma.masked_array(np.full((SIDE, SIDE), number, np.uint16), False) for name in ("B2", "B3", "B4", "B8")
    }
    return bands | {"B8A": _masked(2, hidden or nothing), "B9": _masked(6, nothing)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An acquisition in two tiles, one with noise where B8A is masked; a later one; Sentinel-1 of 10 and 40 m."""
    folder = tmp_path_factory.mktemp("edges")
    first = _scene(GOOD, EDGE)
    for band in ("B2", "B3", "B4", "B8"):
        first[band][EDGE] = NOISE
    images = {f"{FIRST}_T50RKU": first, f"{FIRST}_T49RGP": _scene(OTHER), f"{SECOND}_T50RKU": _scene(LATER)}
    for index, bands in images.items():
        write_image(folder, f"{S2}/{index}", bands, GRID, nodata=0, properties={"MGRS_TILE": index[-5:]})
    facts = {"instrumentMode": "IW", "transmitterReceiverPolarisation": ["VV", "VH"]}
    angle = np.ma.masked_array(np.linspace(31, 45, 9, dtype=np.float32).reshape(3, 3), False)
    angle.mask = np.zeros((3, 3), bool)
    angle.mask[:, 2] = True  # the slice ends there
    for day, step in ((3, 10), (9, 40)):
        bands = {name: np.full((SIDE, SIDE), 0.1 * day, np.float32) for name in ("VV", "VH")} | {"angle": angle}
        index = f"S1A_IW_GRDH_1SDV_201906{day:02d}T100000_201906{day:02d}T100025_027480_0319C4_AAAA"
        write_image(folder, f"{S1}/{index}", bands, GRID, nodata=-1, properties=facts | {"resolution_meters": step})
    return folder


@pytest.fixture(scope="module", autouse=True)
def connected(folder, engine_home, reconnected):
    from isamap.gee_export.earth_engine.session import connect

    with connect(catalog=folder, home=engine_home) as session:
        yield session


def composed(version: int, **options) -> tuple[np.ndarray, np.ndarray]:
    """Stored numbers of B2, and the count of observations."""
    optical = Optical(clouds="none", level="l2a", composite_version=version, **options)
    seen = sentinel2.sensed(BOUNDS, JUNE, optical)
    raster = pixels.fetch(seen.packed.addBands(seen.count), GRID, ["B2", "s2_count"])
    return raster.values_BHW[0], raster.values_BHW[1]


def test_version_1_keeps_noise_and_counts_tiles():
    """So that the next test can fail; and older checkpoints still get their composites."""
    values, count = composed(1)
    assert (count == 3).all()
    np.testing.assert_allclose(values[EDGE], (NOISE + OTHER + LATER) / 3)


def test_noise_at_a_scenes_edge_is_masked_by_b8a_and_b9():
    values, _ = composed(2)
    np.testing.assert_allclose(values[EDGE], (OTHER + LATER) / 2)


def test_an_acquisition_in_two_tiles_is_one_observation():
    """Two dates, not three; each weighs the same."""
    values, count = composed(2)
    assert (count == 2).all()
    inside = values[:, :40]
    assert set(np.unique(inside)) <= {(GOOD + LATER) / 2, (OTHER + LATER) / 2}


@pytest.mark.parametrize("mask", ["none", "scl", "cloud_score_plus", "s2cloudless", "qa60"])
def test_edges_are_masked_before_every_cloud_mask(mask, monkeypatch):
    """The scenes that reach any mask are those without edges."""
    trimmed = []
    trim = sentinel2._trimmed
    monkeypatch.setattr(sentinel2, "_trimmed", lambda *given: trimmed.append(given) or trim(*given))
    monkeypatch.setattr(sentinel2, "matched", lambda source, *_: sentinel2.Sentinel2Listing(source, source.scenes, ()))
    optical = Optical(clouds=mask, level="l2a")
    sentinel2.sensed(BOUNDS, JUNE, optical)
    assert len(trimmed) == 1


@pytest.mark.parametrize(("version", "expected"), [(1, 2), (2, 1)])
def test_scenes_of_40_m_are_left_out(version, expected):
    radar = Radar(composite_version=version)
    listing = sentinel1.listing(BOUNDS, JUNE, radar)
    assert len(listing.used) == expected == sentinel1.usable(BOUNDS, JUNE, radar).size().getInfo()
    assert listing.dropped == ({} if version == 1 else {"40 m": 1})


def strictly(values, mask, us, vs, method):
    """Interpolation by its strictest reading: masked wherever one of the neighbours that it weighs is masked."""
    out, valid = interpolate.interpolated(values, mask, us, vs, method)
    left, top = np.floor(us - 0.5).astype(int), np.floor(vs - 0.5).astype(int)
    known = np.asarray(mask) > 0
    for row, col in ((0, 0), (0, 1), (1, 0), (1, 1)):
        valid = valid & known[top + row, left + col]
    return out, valid


def test_the_angle_reaches_the_slices_rim(monkeypatch):
    """Google does not document whether interpolation is masked there; nothing is lost where it is."""
    monkeypatch.setattr(resample, "interpolated", strictly)
    image = ee.ImageCollection(S1).first()
    valid = pixels.fetch(image.select("angle").mask(), GRID, ["angle"]).values_BHW[0] > 0
    old, new = (
        pixels.fetch(sentinel1._theta(image, Radar(composite_version=version)), GRID, ["theta"]) for version in (1, 2)
    )
    assert 0.1 < old.valid_BHW[0].mean() < valid.mean() - 0.1
    np.testing.assert_array_equal(new.valid_BHW[0], valid)
    both = old.valid_BHW[0]
    np.testing.assert_array_equal(new.values_BHW[0][both], old.values_BHW[0][both])


def test_settings_without_a_version_are_of_version_1():
    """Datasets and checkpoints of before 2026-11-24."""
    former = {name: value for name, value in Settings().to_json().items() if name != "composite_version"}
    assert Settings.of_trained(former).composite_version == 1
    assert Settings.of_trained(Settings().to_json()).composite_version == COMPOSITE_VERSION


def test_a_newer_version_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="update yours"):
        Settings.of_trained({"composite_version": COMPOSITE_VERSION + 1})


TURNED = GeoBox((160, 160), Affine(10, 0, 786_100, 0, -10, 3_416_500), "EPSG:32649")


@pytest.mark.long
@pytest.mark.parametrize("version", [1, 2])
def test_ten_metre_bands_of_the_neighbouring_zone_are_interpolated(version, tmp_path, engine_home, connected):
    """By PROJ's coordinates of each pixel, and SciPy's interpolation of the four around it, or the nearest one."""
    from isamap.gee_export.earth_engine.session import connect

    stored = np.random.default_rng(5).integers(500, 4000, TURNED.shape).astype(np.uint16)
    bands = {name: stored for name in ("B2", "B3", "B4", "B8")}
    write_image(tmp_path, f"{S2}/{FIRST}_T49RGP", bands, TURNED, properties={"MGRS_TILE": "49RGP"})
    with connect(catalog=tmp_path, home=engine_home):
        optical = Optical(clouds="none", level="l2a", composite_version=version)
        seen = sentinel2.sensed(BOUNDS, JUNE, optical, epsg=32650)
        values = pixels.fetch(seen.packed, GRID, ["B2"]).values_BHW[0]
        assert seen.info.get("interpolated_tiles") == (["49RGP"] if version == 2 else None)
    rows, cols = np.indices(GRID.shape) + 0.5
    to_turned = Transformer.from_crs(GRID.crs, TURNED.crs, always_xy=True)
    u, v = ~TURNED.affine * to_turned.transform(*(GRID.affine * (cols, rows)))
    order = 1 if version == 2 else 0
    expected = map_coordinates(stored.astype(float), [np.asarray(v) - 0.5, np.asarray(u) - 0.5], order=order)
    tolerance = 1.0 if version == 2 else 0
    far = np.abs(values - expected) > tolerance
    assert far.mean() < (0 if version == 2 else 0.01) + 1e-9 and np.ptp(values) > 2000


@pytest.mark.long
@pytest.mark.parametrize(("version", "brightest"), [(1, 11_000), (2, 4_100)])
def test_the_simulated_world_has_such_edges(version, brightest, engine_home, connected):
    """At the eastern edge of tile 50RKU, where noise of 16,000 is one of two dates; without it the ground is left."""
    from isamap.gee_export.earth_engine.session import connect

    edge = mgrs.named("50RKU").grid(10)[4000:4040, -40:]
    day = Period(date(2019, 6, 1), date(2019, 6, 11))
    with connect(home=engine_home):
        optical = Optical(clouds="none", level="l2a", composite_version=version, bands=("B2",), reducer="median")
        only = sentinel2.sensed(tuple(edge.extent.to_crs("EPSG:4326").boundingbox), day, optical, epsg=32650)
        raster = pixels.fetch(only.packed, edge, ["B2"])
    assert raster.valid_BHW.any() and raster.values_BHW.max() == pytest.approx(brightest, rel=0.2)


def _incidence_deg(ground_km: np.ndarray) -> np.ndarray:
    """Of a satellite at 693 km over a sphere, by the distance on the ground from below it."""
    radius, height = 6371.0, 693.0
    arc = ground_km / radius
    slant = np.sqrt(radius**2 + (radius + height) ** 2 - 2 * radius * (radius + height) * np.cos(arc))
    return np.degrees(np.arcsin(radius * np.sin(arc) / slant) + arc)


def _gamma_db(theta_deg: np.ndarray, slope_deg: float) -> np.ndarray:
    """What flattening by volume divides by, cos theta included, in decibels (Vollrath et al. 2020)."""
    up, slope = np.radians(90 - theta_deg), np.radians(slope_deg)
    return 10 * np.log10(np.sin(up) * np.tan(up + slope) / np.tan(up))


def test_the_nearest_angle_costs_less_than_the_sensors_own_accuracy():
    """Half a pixel of 20 km off, anywhere in the swath: docs/google.md gives these figures; a plane would be nearer."""
    ground_km = np.linspace(365, 602, 400)
    true, nearest = _incidence_deg(ground_km), _incidence_deg(ground_km + 10)
    plane = 2 * _incidence_deg(ground_km + 20) - _incidence_deg(ground_km + 40)
    assert round(float(np.abs(nearest - true).max()), 1) == 0.7 and np.abs(plane - true).max() < 0.07
    worst = {slope: float(np.abs(_gamma_db(nearest, slope) - _gamma_db(true, slope)).max()) for slope in (0, 20)}
    assert worst[0] < 0.05 and worst[20] < 0.2  # Sentinel-1's absolute accuracy is 1 dB (three sigma)
