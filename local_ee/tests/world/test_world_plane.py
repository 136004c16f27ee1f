"""The plane's projections against PROJ, and MGRS names against known tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from local_ee.world import mgrs
from local_ee.world.plane import lonlat_of, lonlat_of_utm, plane_at, plane_nodes, plane_of, utm_of


@given(st.integers(1, 60), st.floats(-4.5, 4.5), st.floats(-75, 80))
def test_utm_is_projs(zone, east_deg, lat):
    epsg = (32600 if lat >= 0 else 32700) + zone
    lon = zone * 6 - 183 + east_deg
    expected = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    assert np.allclose(utm_of(lon, lat, epsg), expected, atol=2e-3, rtol=0)
    assert np.allclose(lonlat_of_utm(*expected, epsg), (lon, lat), atol=1e-8, rtol=0)


@given(st.floats(-179, 179), st.floats(-75, 75))
def test_the_plane_inverts(lon, lat):
    assert np.allclose(lonlat_of(*plane_of(lon, lat)), (lon, lat), atol=1e-9, rtol=0)


def test_tiles_agree_on_shared_edges():
    left, right = plane_nodes(256_000.0, 3_391_000.0, 1280.0, 32650), plane_nodes(257_280.0, 3_391_000.0, 1280.0, 32650)
    for v in (0.0, 0.3, 1.0):
        assert np.allclose(plane_at(left, 1.0, v), plane_at(right, 0.0, v), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "epsg", "origin"),
    [
        ("50RKU", 32650, (199_980, 3_400_020)),
        ("49RGP", 32649, (699_960, 3_400_020)),
        ("32TMT", 32632, (399_960, 5_300_040)),
    ],
)
def test_tile_names_and_origins(name, epsg, origin):
    """Names and corners of real granules (50RKU and 49RGP cover Wuhan, 32TMT Zurich)."""
    tile = mgrs.named(name)
    assert (tile.name, tile.epsg, tile.origin_m) == (name, epsg, origin)


def test_wuhan_is_covered_from_both_zones(bounds):
    assert {tile.name for tile in mgrs.tiles_of(bounds)} == {"50RKU", "50RKV", "49RGP", "49RGQ"}
