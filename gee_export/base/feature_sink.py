"""Features written batch by batch to GeoPackage, FlatGeobuf or GeoParquet, whole or not at all.

Equal features give equal bytes. Memory is that of a batch, whatever the file holds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import shapely

from isamap.gee_export.base.atomic import put_in_place
from isamap.gee_export.base.feature_table import WRITTEN, FeatureTable, append_layer, undated
from isamap.gee_export.base.storage import disk_fault

DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".parquet": "Parquet"}
STYLES = "layer_styles"  # the table in which QGIS looks for a GeoPackage's styles


@dataclass
class FeatureSink:
    """A file of one layer of polygons, given in batches of equal columns; in place when the block ends without error.

    style: QGIS's QML, kept in a GeoPackage. metadata: of a GeoPackage's layer, by name.
    """

    path: Path
    layer: str
    style: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    _folder: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)
    _writer: Any = field(default=None, repr=False)
    _bounds: list[np.ndarray] = field(default_factory=list, repr=False)
    _count: int = 0

    def __enter__(self) -> FeatureSink:
        # In the target's own folder: a rename is atomic only within one file system.
        self._folder = tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._folder is not None
        try:
            if kind is None:
                self._finish()
        except OSError as problem:
            raise disk_fault(self.path, problem) from problem
        finally:
            if self._writer is not None:
                self._writer.close()
            self._folder.cleanup()

    @property
    def suffix(self) -> str:
        """The ending, which says the format."""
        return self.path.suffix.lower()

    def add(self, table: FeatureTable) -> None:
        """Writes a batch; polygons become multipolygons, as a layer holds one kind."""
        shapes = np.array([_multiple(shape) for shape in table.shapes], dtype=object)
        if self.suffix == ".parquet":
            self._add_parquet(shapes, table)
        else:
            polygons = FeatureTable(shapes, table.crs, table.columns)
            append_layer(self._made(".gpkg"), polygons, self.layer, "MultiPolygon", self.metadata)
        self._count += len(shapes)

    def _made(self, suffix: str) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / f"features{suffix}"

    def _add_parquet(self, shapes: np.ndarray, table: FeatureTable) -> None:
        import pyarrow
        from pyarrow import parquet

        columns = {name: pyarrow.array(values.tolist()) for name, values in table.columns.items()}
        columns["geometry"] = pyarrow.array(shapely.to_wkb(shapes).tolist(), pyarrow.binary())
        rows = pyarrow.table(columns)
        if self._writer is None:
            rows = rows.replace_schema_metadata({"geo": json.dumps(_geo(table.crs))})
            self._writer = parquet.ParquetWriter(self._made(".parquet"), rows.schema, compression="zstd")
        self._writer.write_table(rows.cast(self._writer.schema))

    def _finish(self) -> None:
        """Completes the file and puts it into its place; ValueError where nothing was added."""
        if not self._count:
            raise ValueError(f"{self.path} would hold no feature")
        made = self._made(self.suffix if self.suffix != ".fgb" else ".gpkg")
        if self.suffix == ".parquet":
            self._writer.close()
            self._writer = None
        if self.suffix == ".gpkg" and self.style:
            self._add_style(made)
        if self.suffix == ".fgb":
            made = self._converted(made)
        put_in_place(made, self.path)

    def _converted(self, geopackage: Path) -> Path:
        """The GeoPackage as FlatGeobuf, which is written at once as it has an index."""
        import pyogrio

        target = self._made(".fgb")
        head, _, content, values = pyogrio.raw.read(geopackage)
        pyogrio.raw.write(
            target, geometry=content, field_data=values, fields=head["fields"], layer=self.layer, driver="FlatGeobuf",
            crs=head["crs"], geometry_type="MultiPolygon",
        )  # fmt: skip
        return target

    def _add_style(self, geopackage: Path) -> None:
        import pyogrio

        row = {
            "f_table_catalog": "", "f_table_schema": "", "f_table_name": self.layer, "f_geometry_column": "geom",
            "styleName": self.layer, "styleQML": self.style, "styleSLD": "", "useAsDefault": True, "description": "",
            "owner": "", "ui": "", "update_time": WRITTEN,
        }  # fmt: skip
        cells: list[np.ndarray] = [
            np.array([value], dtype=np.bool_ if isinstance(value, bool) else object) for value in row.values()
        ]
        with undated():
            pyogrio.raw.write(
                geopackage, geometry=None, field_data=cells, fields=list(row), layer=STYLES, driver="GPKG", crs=None,
                geometry_type=None,
            )  # fmt: skip


def _multiple(shape: shapely.Polygon | shapely.MultiPolygon) -> shapely.MultiPolygon:
    return shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])


def _geo(crs: Any) -> dict[str, Any]:
    """The metadata of GeoParquet 1.1.0 (https://geoparquet.org/releases/v1.1.0/)."""
    column = {"encoding": "WKB", "geometry_types": ["MultiPolygon"], "crs": crs.to_json_dict(), "edges": "planar"}
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def qml(column: str, names: Sequence[str], colours: Sequence[str]) -> str:
    """A style of QGIS that fills polygons by the text in a column; colours RRGGBB."""
    from xml.sax.saxutils import quoteattr

    categories, symbols = [], []
    for at, (name, colour) in enumerate(zip(names, colours, strict=True)):
        rgb = ",".join(str(channel) for channel in bytes.fromhex(colour))
        categories.append(f'<category symbol="{at}" value={quoteattr(name)} label={quoteattr(name)} render="true"/>')
        symbols.append(
            f'<symbol name="{at}" type="fill"><layer class="SimpleFill"><prop k="color" v="{rgb},255"/>'
            '<prop k="outline_style" v="no"/></layer></symbol>'
        )
    return (
        f'<qgis version="3.22"><renderer-v2 type="categorizedSymbol" attr={quoteattr(column)}>'
        f"<categories>{''.join(categories)}</categories><symbols>{''.join(symbols)}</symbols></renderer-v2></qgis>"
    )
