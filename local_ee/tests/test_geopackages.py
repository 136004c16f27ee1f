"""Rows of an uploaded GeoPackage that SQLite would compute are refused before GDAL asks for the first."""

from __future__ import annotations

import sqlite3

import pytest

from local_ee import vector_file

ENDLESS = "CREATE VIEW layer AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (ENDLESS, "'view layer', which is computed"),
        ("CREATE TABLE layer (a INTEGER, b BLOB AS (zeroblob(a)))", "'column layer.b', which is computed"),
        ("CREATE VIRTUAL TABLE layer USING fts5(a)", "'table layer', which is computed"),
    ],
)
def test_a_table_whose_rows_are_computed_is_refused(tmp_path, statement, words):
    with sqlite3.connect(tmp_path / "a.gpkg") as base:
        base.execute(statement)
    base.close()
    with pytest.raises(ValueError, match=words):
        vector_file.read(".gpkg", (tmp_path / "a.gpkg").read_bytes())
