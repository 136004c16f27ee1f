"""A GeoPackage that is to be read holds stored rows only, and none that SQLite computes as the file says.

A view may compute without end (WITH RECURSIVE), or make a gigabyte of nothing (zeroblob), while GDAL reads its first
row (https://gdal.org/en/stable/user/security.html); so may a generated column. Only the schema is read here.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

INDEX = "create virtual table%using%rtree%"  # of GeoPackage's own spatial index
_COMPUTED = f"""SELECT type || ' ' || name FROM sqlite_master
    WHERE type = 'view' OR (sql LIKE 'create virtual table%' AND NOT sql LIKE '{INDEX}') LIMIT 1"""
_GENERATED = """SELECT 'column ' || m.name || '.' || x.name FROM sqlite_master m, pragma_table_xinfo(m.name) x
    WHERE m.type = 'table' AND NOT m.sql LIKE 'create virtual table%' AND x.hidden IN (2, 3) LIMIT 1"""


def check_stored(path: Path) -> None:
    """ValueError, without the file's name, where a row of the GeoPackage is computed, or its schema is damaged."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as base:
            row = base.execute(_COMPUTED).fetchone() or base.execute(_GENERATED).fetchone()
    except sqlite3.Error as error:
        raise ValueError("it is damaged, or not of the format of its ending") from error
    if row is not None:
        raise ValueError(
            f"it holds the {row[0]!r:.100}, which is computed and not stored: write its rows into a table "
            "(ogr2ogr stored.gpkg FILE LAYER), if you trust the file"
        )
