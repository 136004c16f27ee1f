"""The index of a dataset: patches.parquet, one GeoParquet row a patch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from shapely.geometry import Polygon

from gee_export.console import Fault

SPLITS = ("train", "val", "test")
_COLUMNS = (
    "id",
    "region",
    "period",
    "row",
    "col",
    "split",
    "impervious_share",
    "valid_share",
    "image_crc32c",
    "label_crc32c",
)


@dataclass(frozen=True)
class Patch:
    """A patch of a dataset: its place (row and column of the upper left pixel on the region's lattice) and contents.

    impervious_share is of the known label pixels (None without labels or with no known pixel); valid_share is the
    share of pixels at which every band is valid; the crc32c are of the stored files' bytes.
    """

    id: str
    region: str
    period: str
    row: int
    col: int
    split: str
    impervious_share: float | None
    valid_share: float
    image_crc32c: int
    label_crc32c: int | None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"patch {self.id}: split {self.split!r}, expected one of {', '.join(SPLITS)}")

    @property
    def image_name(self) -> str:
        return f"images/{self.id}.tif"

    @property
    def label_name(self) -> str | None:
        return None if self.label_crc32c is None else f"labels/{self.id}.tif"


def patch_id(region: str, period: str, row: int, col: int) -> str:
    """REGION_YYYYMM_rRRRRR_cCCCCC (formats.md section 1)."""
    return f"{region}_{period}_r{row:05d}_c{col:05d}"


def encode(patches: Sequence[Patch], footprints: Sequence[Polygon]) -> bytes:
    """patches.parquet: the patches in the order given with their EPSG:4326 footprints."""
    import geopandas
    import pandas as pd

    kinds = {
        "row": "int32",
        "col": "int32",
        "impervious_share": "float64",
        "valid_share": "float64",
        "image_crc32c": "UInt32",
        "label_crc32c": "UInt32",
    }
    columns = {name: [getattr(patch, name) for patch in patches] for name in _COLUMNS}
    table = pd.DataFrame({name: pd.Series(values, dtype=kinds.get(name, "object")) for name, values in columns.items()})
    frame = geopandas.GeoDataFrame(table, geometry=list(footprints), crs="EPSG:4326")
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def decode(data: bytes, name: str) -> tuple[Patch, ...]:
    """The patches of a patches.parquet in file order; Fault naming the file where it is damaged."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data), columns=list(_COLUMNS))
    except (pyarrow.ArrowException, KeyError, OSError) as error:
        raise Fault(f"{name} is damaged ({error}): run the same export again") from error
    rows = zip(*(table.column(column).to_pylist() for column in _COLUMNS), strict=True)
    return tuple(Patch(*row[:6], _share(row[6]), *row[7:]) for row in rows)


def _share(value: float | None) -> float | None:
    return None if value is None or value != value else value
