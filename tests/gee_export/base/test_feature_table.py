"""One table of features, whatever format a user keeps it in: geopandas writes the files, GeoPackage is the measure."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas
import pytest
import shapely

from isamap.gee_export.base.feature_table import read_table
from isamap.inference.assessment.reference_points import columns_and_places


@pytest.fixture
def districts():
    columns = {"name": ["west", None, "east"], "people": [10, 20, 30], "share": [0.5, np.nan, 1.0]}
    boxes = [shapely.box(x, 30, x + 1, 31) for x in (110, 111, 112)]
    return geopandas.GeoDataFrame(columns, geometry=boxes, crs="EPSG:4326").to_crs(3857)


def test_geoparquet_gives_the_table_of_the_geopackage(districts, tmp_path):
    districts.to_file(tmp_path / "d.gpkg")
    districts.to_parquet(tmp_path / "d.parquet")
    one, other = read_table(tmp_path / "d.gpkg"), read_table(tmp_path / "d.parquet")
    assert one.crs.equals(other.crs) and shapely.equals_exact(one.shapes, other.shapes).all()
    assert list(one.columns) == list(other.columns)
    for name in one.columns:
        pandas.testing.assert_series_equal(pandas.Series(one.columns[name]), pandas.Series(other.columns[name]))


def test_points_with_their_places_are_read_from_geoparquet(tmp_path):
    """As `assess estimate MAP --answers` and `calibrate --points` read them, in degrees from any system."""
    places = geopandas.GeoDataFrame({"plotid": [4, 7]}, geometry=shapely.points([[114.3, 30.6], [0.5, -8]]), crs=4326)
    places.to_crs(3857).to_parquet(tmp_path / "p.parquet")
    columns, lon, lat = columns_and_places(tmp_path / "p.parquet")
    assert columns == {"plotid": [4, 7]}
    assert lon == pytest.approx([114.3, 0.5]) and lat == pytest.approx([30.6, -8])


def test_rows_of_geoparquet_without_a_geometry_are_left_out(districts, tmp_path):
    districts.loc[1, "geometry"] = None
    districts.to_parquet(tmp_path / "d.parquet")
    table = read_table(tmp_path / "d.parquet")
    assert len(table.shapes) == 2 and table.columns["people"].tolist() == [10, 30]


def test_an_index_of_geoparquet_that_has_a_name_is_a_column(districts, tmp_path):
    districts.set_index("people").to_parquet(tmp_path / "d.parquet")
    assert read_table(tmp_path / "d.parquet").columns["people"].tolist() == [10, 20, 30]


def test_parquet_without_places_is_not_called_damaged(tmp_path):
    pandas.DataFrame({"plotid": [1], "class": ["pervious"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"answers .*a.parquet is Parquet without geometries: write it as GeoParquet"):
        read_table(tmp_path / "a.parquet", "answers")


def test_geoparquet_that_says_no_system_is_refused(districts, tmp_path):
    districts.set_crs(None, allow_override=True).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(ValueError, match=r"d.parquet has no coordinate system: add one"):
        read_table(tmp_path / "d.parquet")
