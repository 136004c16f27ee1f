"""The index of a dataset: patches.parquet, one GeoParquet row a patch."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shapely.geometry import Polygon

from isamap.gee_export.base.errors import Fault

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
_FURTHER = "layers_crc32c"  # a column of datasets that have further layers: JSON, by layer


@dataclass(frozen=True)
class Patch:
    """A patch of a dataset: its place (row and column of the upper left pixel on the region's lattice) and contents.

    impervious_share is of the known label pixels (None without labels or with no known pixel); valid_share is the
    share of pixels at which every band is valid; the crc32c are of the stored files' bytes. layers: name and crc32c of
    each further file, sorted by name: shares, fine, fine_labels, and frames/YYYYMMDD for every date that is there.
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
    layers: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"patch {self.id}: split {self.split!r}, expected one of {', '.join(SPLITS)}")

    @property
    def image_name(self) -> str:
        return f"images/{self.id}.tif"

    @property
    def label_name(self) -> str | None:
        return None if self.label_crc32c is None else f"labels/{self.id}.tif"

    @property
    def files(self) -> Iterator[tuple[str, int]]:
        """Name and crc32c of every file."""
        yield self.image_name, self.image_crc32c
        if self.label_name is not None and self.label_crc32c is not None:
            yield self.label_name, self.label_crc32c
        for layer, crc in self.layers:
            yield layer_file(layer, self.id), crc

    @property
    def dates(self) -> tuple[str, ...]:
        """Days of the frames that are there, YYYYMMDD in order."""
        return tuple(layer.partition("/")[2] for layer, _ in self.layers if layer.startswith("frames/"))


def layer_file(layer: str, patch: str) -> str:
    """The file of a patch's further layer: fine/<id>.tif, or frames/<id>/<YYYYMMDD>.tif."""
    folder, _, date = layer.partition("/")
    return f"{folder}/{patch}/{date}.tif" if date else f"{folder}/{patch}.tif"


def patch_id(region: str, period: str, row: int, col: int) -> str:
    """REGION_YYYYMM_rRRRRR_cCCCCC (docs/reference/formats.md, "Patch dataset")."""
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
    if any(patch.layers for patch in patches):
        table[_FURTHER] = [json.dumps(dict(patch.layers)) for patch in patches]
    frame = geopandas.GeoDataFrame(table, geometry=list(footprints), crs="EPSG:4326")
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def decode(data: bytes, name: str) -> tuple[Patch, ...]:
    """The patches of a patches.parquet in file order; Fault naming the file where it is damaged."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        columns = [*_COLUMNS, *({_FURTHER} & set(file.schema_arrow.names))]
        # a thread of Arrow's that lets go of `data` while Python ends would abort the process (exit code 134)
        table = file.read(columns=columns, use_threads=False)
        rows = zip(*(table.column(column).to_pylist() for column in columns), strict=True)
        return tuple(_patch(row) for row in rows)
    except (pyarrow.ArrowException, KeyError, OSError, TypeError, ValueError) as error:
        raise Fault(f"{name} is damaged ({error}): run the same export again") from error


def _patch(row: Sequence[Any]) -> Patch:
    layers = tuple(sorted(json.loads(row[10]).items())) if len(row) > 10 else ()
    columns = [*row[:6], _share(row[6]), *row[7:10], layers]
    return Patch(*columns)


def _share(value: float | None) -> float | None:
    # A column of floats brings an unknown share as NaN, and NaN is unequal to itself in comparisons of patches.
    return None if value is None or value != value else value
