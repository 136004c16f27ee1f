"""geemap's table functions, unmodified, on the local engine."""

from __future__ import annotations

from collections.abc import Iterator

import ee
import pytest
from google.auth.credentials import AnonymousCredentials

from local_ee import LocalEngine
from local_ee.testing.small import CRS, SmallCatalog, catalog

geemap = pytest.importorskip("geemap")
pandas = pytest.importorskip("pandas")
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("reconnected")]


@pytest.fixture(scope="module")
def small() -> SmallCatalog:
    return catalog(60, 50)


@pytest.fixture(scope="module")
def zones(small, reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ee.FeatureCollection]:
    """Two boxes of the small image, 10 by 10 pixels each, in its own system."""
    with LocalEngine(small, tmp_path_factory.mktemp("geemap")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        boxes = [(300_000, 3_399_900), (300_200, 3_399_900)]
        yield ee.FeatureCollection(
            [
                ee.Feature(ee.Geometry.Rectangle([x, y, x + 100, y + 100], CRS, False), {"name": name, "n": i})
                for i, (name, (x, y)) in enumerate(zip("ab", boxes, strict=True))
            ]
        )
    ee.data.setMaxRetries(5)


def test_ee_to_df_has_the_properties(zones):
    """remove_geom: geemap 0.37 gives pandas 3 arguments that it refuses where geometries are to be removed."""
    assert geemap.ee_to_df(zones, ["n", "name"], remove_geom=False).to_dict("list") == {"n": [0, 1], "name": ["a", "b"]}


def test_ee_to_gdf_has_the_geometries(zones):
    frame = geemap.ee_to_gdf(zones)
    assert frame["name"].tolist() == ["a", "b"] and set(frame.geom_type) == {"Polygon"}


def test_ee_to_csv_writes_a_row_a_feature(zones, tmp_path):
    geemap.ee_to_csv(zones, str(tmp_path / "zones.csv"), remove_geom=False)
    assert pandas.read_csv(tmp_path / "zones.csv")["name"].tolist() == ["a", "b"]


def test_zonal_statistics_are_numpys(zones, small, tmp_path):
    path = tmp_path / "means.csv"
    geemap.zonal_stats(ee.Image("SMALL/ONE").select("B2"), zones, str(path), "MEAN", scale=10, crs=CRS)
    means = pandas.read_csv(path)["mean"].tolist()
    wanted = [small.bands["B2"][:10, first : first + 10].mean() for first in (0, 20)]
    assert means == pytest.approx(wanted, rel=1e-6)
