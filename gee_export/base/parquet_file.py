"""A user's GeoParquet file as one table, within bounds: equal rows compress to nearly nothing.

194 kB of them took 2.9 GB (docs/reliability.md), so the file's own counts are read before its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from pandas import Series
    from pyarrow.parquet import FileMetaData

MOST_ROWS = 10_000_000  # of a file, which is read whole
MOST_BYTES = 1 << 30  # of its rows, unpacked
SUFFIXES = (".parquet", ".geoparquet")


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet by its ending."""
    return path.suffix.lower() in SUFFIXES


def read_geoparquet(path: Path) -> GeoDataFrame:
    """All rows, a named index among the columns; ValueError, without the file's name, where it cannot be read."""
    import geopandas
    import pyarrow as pa

    if b"geo" not in (check_unpacked(path).metadata or {}):
        # pandas and others write such files: they are sound.
        raise ValueError("is Parquet without geometries: write it as GeoParquet (geopandas) or GeoPackage")
    try:
        table = geopandas.read_parquet(path)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"is no GeoParquet that can be read ({words}): write it again, or as GeoPackage") from error
    named = [name for name in table.index.names if name is not None and name not in table.columns]
    return table.reset_index(named) if named else table


def read_rows(path: Path, columns: Sequence[str] | None) -> tuple[str | None, str, np.ndarray, dict[str, np.ndarray]]:
    """System, driver, geometries (WKB) and attributes by name (None: all), as GDAL would give them.

    ValueError as of `read_geoparquet`.
    """
    table = read_geoparquet(path)
    names = [name for name in table.columns if name != table.geometry.name and (columns is None or name in columns)]
    crs = None if table.crs is None else table.crs.to_string()
    content = shapely.to_wkb(table.geometry.to_numpy())
    return crs, "Parquet", content, {str(name): _values(table[name]) for name in names}


def _values(column: Series) -> np.ndarray:
    """A column's values; texts that are missing are None."""
    values: np.ndarray = column.to_numpy()
    if values.dtype.kind in "OSU":
        values = values.astype(object)
        values[column.isna().to_numpy(bool)] = None
    return values


def check_unpacked(path: Path) -> FileMetaData:
    """The file's head; ValueError, without the file's name, where it says that it holds more than memory may."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        head = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"is no Parquet file that can be read: {error}") from error
    unpacked = sum(head.row_group(group).total_byte_size for group in range(head.num_row_groups))
    if head.num_rows > MOST_ROWS or unpacked > MOST_BYTES:
        raise ValueError(
            f"holds {head.num_rows:,} rows of {unpacked:,} bytes, at most {MOST_ROWS:,} rows and "
            f"{MOST_BYTES:,} bytes are read: cut the part out that the region needs"
        )
    return head
