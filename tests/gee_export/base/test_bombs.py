"""Files that are small and ask for the machine are refused in one sentence, before GDAL or memory has met them."""

from __future__ import annotations

import sqlite3
import zipfile

import numpy as np
import pytest
import shapely
from pyproj import CRS

from isamap.gee_export.base import parquet_file
from isamap.gee_export.base.feature_table import FeatureTable, read_table, write_geopackage
from isamap.gee_export.base.geometry_file import read_outline
from isamap.gee_export.base.regions import named
from isamap.gee_export.labelling import label_vectors
from isamap.gee_export.labelling.label_source import LabelSource

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS fid, geom FROM c, stored"


def labels(path):
    return label_vectors.near_features(LabelSource.parse(str(path)), named("wuhan"), ())


@pytest.fixture
def geopackage(tmp_path):
    """A GeoPackage of one point, after a statement that changes its schema."""

    def make(statement: str):
        path = tmp_path / "a.gpkg"
        write_geopackage(path, FeatureTable(shapely.points([[114.0, 30.0]]), CRS(4326), {"a": np.array([1])}), "layer")
        with sqlite3.connect(path) as base:
            base.executescript(statement)
        base.close()
        return path

    return make


@pytest.mark.parametrize("read", [read_outline, read_table, labels])
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (f"ALTER TABLE layer RENAME TO stored; CREATE VIEW layer AS {ENDLESS}", "'view layer', which is computed"),
        ("ALTER TABLE layer ADD COLUMN b BLOB AS (zeroblob(900000000))", "'column layer.b', which is computed"),
    ],
    ids=["endless view", "generated blob"],
)
def test_a_geopackage_whose_rows_are_computed_is_refused(geopackage, read, statement, words):
    with pytest.raises(ValueError, match=words):
        read(geopackage(statement))


def test_a_geopackage_of_stored_rows_is_read(geopackage):
    assert len(read_table(geopackage("")).shapes) == 1


@pytest.mark.parametrize("read", [read_outline, read_table, labels])
def test_a_parquet_of_more_rows_than_memory_takes_is_refused(tmp_path, monkeypatch, read):
    import geopandas

    path = tmp_path / "a.parquet"
    geopandas.GeoDataFrame(geometry=[shapely.Point(114, 30)] * 20, crs=4326).to_parquet(path)
    monkeypatch.setattr(parquet_file, "MOST_ROWS", 10)
    with pytest.raises(ValueError, match=r"a.parquet holds 20 rows of [\d,]+ bytes, at most 10 rows"):
        read(path)


@pytest.mark.parametrize("read", [read_outline, read_table, labels])
def test_a_parquet_that_is_damaged_is_one_sentence_with_its_name(tmp_path, read):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1")
    with pytest.raises(ValueError, match=r"file .*a.parquet is no Parquet file that can be read"):
        read(path)


def test_entities_of_a_kml_are_not_multiplied(tmp_path):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    path = tmp_path / "a.kml"
    path.write_text(f'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY l0 "a">{laughs}]><kml><name>&l11;</name></kml>')
    with pytest.raises(ValueError, match="holds no vectors that can be read"):
        read_outline(path)


def test_an_archive_of_many_shapefiles_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for index in range(300):
            archive.writestr(f"{index}.shp", b"")
    with pytest.raises(ValueError, match="holds 300 shapefiles"):
        read_outline(tmp_path / "a.zip")
