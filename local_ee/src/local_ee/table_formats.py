"""Features as files: CSV, GeoJSON, KML, KMZ and shapefiles.

Source: https://developers.google.com/earth-engine/guides/exporting_tables. Geometries are in WGS84 with straight edges,
as REST table:computeFeatures gives them.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from local_ee import budget, tf_record, vector_file
from local_ee.errors import EngineError
from local_ee.evaluation import answers
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.features import FOOTPRINT, Collection, Date, Element, geometry_of, index_of

INDEX, GEOMETRY = "system:index", ".geo"
NO_GEOMETRY = {"type": "MultiPoint", "coordinates": []}  # of a row without one in a CSV (assumption: as widely seen)
NAME_LENGTH = 10  # of a shapefile's columns


@dataclass(frozen=True, eq=False)
class Row:
    """A feature as files hold it: its geometry in degrees (None: it has none), properties without system:index."""

    index: Any
    geometry: BaseGeometry | None
    properties: Mapping[str, Any]

    def geojson(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """A GeoJSON feature with these properties, by default all."""
        selected = self.properties if names is None else {n: self.properties[n] for n in names if n in self.properties}
        document: dict[str, Any] = {
            "type": "Feature",
            "geometry": None if self.geometry is None else mapping(self.geometry),
            "properties": {name: answers.to_json(value) for name, value in selected.items()},
        }
        return document | ({} if self.index is None else {"id": str(self.index)})


def rows_of(collection: Collection) -> list[Row]:
    """Every element of a collection as a row; an image is its footprint with its properties."""
    return [row_of(element) for element in collection.elements]


def row_of(element: Element) -> Row:
    """One element as a row."""
    budget.check()
    geometry = geometry_of(element)
    properties = {name: value for name, value in element.properties.items() if name not in (INDEX, FOOTPRINT)}
    return Row(index_of(element), None if geometry is None else geometry.lonlat, properties)


@dataclass(frozen=True)
class TableFormat:
    """How tables are written: what `encode` makes of rows and selectors, by the ending of each file."""

    encode: Callable[[Sequence[Row], Sequence[str] | None], dict[str, bytes]]
    content_type: str


def format_of(name: str) -> TableFormat:
    """The format of this name (reference/rest/v1/TableFileFormat); EngineError for one that is not written."""
    table_format = FORMATS.get({"JSON": "GEO_JSON", "TF_RECORD": "TF_RECORD_TABLE"}.get(name, name))
    if table_format is None:
        raise EngineError(f"Unsupported file format '{name}' of a table: expected one of {', '.join(FORMATS)}.")
    return table_format


def packed(files: Mapping[str, bytes], stem: str) -> tuple[bytes, str]:
    """The only file, or an archive of several, and its ending."""
    if len(files) == 1:
        ((ending, content),) = files.items()
        return content, ending
    return _zipped({f"{stem}{ending}": content for ending, content in files.items()}), ".zip"


def _csv(rows: Sequence[Row], selectors: Sequence[str] | None) -> dict[str, bytes]:
    """The columns are the selectors, or those of the first feature between system:index and .geo."""
    names = list(selectors or (INDEX, *sorted(rows[0].properties if rows else ()), GEOMETRY))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        budget.check()
        writer.writerow([_cell(row, name) for name in names])
    return {".csv": text.getvalue().encode()}


def _cell(row: Row, name: str) -> str:
    if name == GEOMETRY:
        return json.dumps(NO_GEOMETRY if row.geometry is None else mapping(row.geometry), separators=(",", ":"))
    return _text(row.index if name == INDEX else row.properties.get(name))


def _text(value: Any) -> str:
    """A property as a text, dictionaries and lists as Java prints them ({a=1}, [1, 2])."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Date):
        return np.datetime_as_string(np.datetime64(int(value.millis), "ms"), unit="s")
    return str(value) if isinstance(value, int | float | str) else json.dumps(answers.to_json(value))


def _geojson(rows: Sequence[Row], selectors: Sequence[str] | None) -> dict[str, bytes]:
    names = _property_names(selectors)
    document = {"type": "FeatureCollection", "features": [row.geojson(names) for row in rows]}
    return {".geojson": json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()}


def _shapefile(rows: Sequence[Row], selectors: Sequence[str] | None) -> dict[str, bytes]:
    """EngineError for rows without a geometry, of several types, and for names alike in their first 10 characters."""
    if not rows or any(row.geometry is None for row in rows):
        raise EngineError("A shapefile needs features that have geometries: filter out the others, or export a CSV.")
    every = sorted({name for row in rows for name in row.properties})
    selected = _property_names(selectors)
    names = every if selected is None else [name for name in selected if name in every]
    short = [name[:NAME_LENGTH] for name in names]
    if len(set(short)) != len(short):
        twice = next(name for name in short if short.count(name) > 1)
        raise EngineError(f"Several columns of the shapefile would be called '{twice}': give others by selectors.")
    columns = {key: _column([row.properties.get(name) for row in rows]) for key, name in zip(short, names, strict=True)}
    shapes = [row.geometry for row in rows if row.geometry is not None]
    try:
        return vector_file.shapefile(shapes, columns or {"id": np.arange(len(rows))})
    except ValueError as error:
        raise EngineError(f"Cannot write the shapefile: {error}.") from error


def _column(values: Sequence[Any]) -> np.ndarray:
    """Whole numbers, numbers (NaN where missing) or texts, whichever holds all values."""
    if all(isinstance(value, int | np.integer) for value in values):
        return np.array(values, np.int64)
    if all(value is None or isinstance(value, int | float | np.number) for value in values):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return np.array([_text(value) for value in values], object)


def _kml(rows: Sequence[Row], selectors: Sequence[str] | None) -> dict[str, bytes]:
    """https://developers.google.com/kml/documentation/kmlreference: a Placemark a feature, properties as data."""
    names = _property_names(selectors)
    marks = "".join(_placemark(row, names) for row in rows)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
    return {".kml": f"{head}{marks}</Document></kml>\n".encode()}


def _placemark(row: Row, names: Sequence[str] | None) -> str:
    budget.check()
    selected = row.properties if names is None else {n: row.properties[n] for n in names if n in row.properties}
    data = "".join(
        f"<Data name={quoteattr(name)}><value>{escape(_text(value))}</value></Data>" for name, value in selected.items()
    )
    shape = "" if row.geometry is None else _kml_geometry(row.geometry)
    index = "" if row.index is None else f" id={quoteattr(str(row.index))}"
    return f"<Placemark{index}><ExtendedData>{data}</ExtendedData>{shape}</Placemark>"


def _kml_geometry(geometry: Any) -> str:
    name = geometry.geom_type
    if name == "Polygon":
        rings = [("outerBoundaryIs", geometry.exterior), *(("innerBoundaryIs", ring) for ring in geometry.interiors)]
        body = "".join(f"<{side}><LinearRing>{_coordinates(ring)}</LinearRing></{side}>" for side, ring in rings)
    elif hasattr(geometry, "geoms"):
        name, body = "MultiGeometry", "".join(_kml_geometry(each) for each in geometry.geoms)
    else:
        body = _coordinates(geometry)
    return f"<{name}>{body}</{name}>"


def _coordinates(line: Any) -> str:
    return f"<coordinates>{' '.join(f'{x!r},{y!r}' for x, y, *_ in line.coords)}</coordinates>"


def _kmz(rows: Sequence[Row], selectors: Sequence[str] | None) -> dict[str, bytes]:
    return {".kmz": _zipped({"doc.kml": _kml(rows, selectors)[".kml"]})}


def _tf_records(rows: Sequence[Row], selectors: Sequence[str] | None) -> dict[str, bytes]:
    """A record a feature, always compressed (guides/tfrecord); features without a value lack it."""
    names = _property_names(selectors)
    return {".tfrecord.gz": tf_record.compressed(tf_record.example(_of_record(row, names)) for row in rows)}


def _of_record(row: Row, names: Sequence[str] | None) -> dict[str, tf_record.Value]:
    budget.check()
    selected = row.properties if names is None else {n: row.properties[n] for n in names if n in row.properties}
    return {name: _of_feature(name, value) for name, value in selected.items() if value is not None}


def _of_feature(name: str, value: Any) -> tf_record.Value:
    """Numbers and arrays as floats, texts as bytes (assumption: as TensorFlow holds them), dates as milliseconds."""
    if isinstance(value, str):
        return value.encode()
    numbers = value.values if isinstance(value, Array) else value.millis if isinstance(value, Date) else value
    try:
        return np.ravel(np.asarray(numbers, np.float64))
    except (TypeError, ValueError) as error:
        raise EngineError(
            f"Property '{name}' is no number, array or text, so it cannot be written as TFRecord: leave it out by "
            "selectors."
        ) from error


def _zipped(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return archive.getvalue()


def _property_names(selectors: Sequence[str] | None) -> list[str] | None:
    return [name for name in selectors if name not in (INDEX, GEOMETRY)] if selectors else None


FORMATS = {
    "CSV": TableFormat(_csv, "text/csv"),
    "GEO_JSON": TableFormat(_geojson, "application/json"),
    "KML": TableFormat(_kml, "application/vnd.google-earth.kml+xml"),
    "KMZ": TableFormat(_kmz, "application/vnd.google-earth.kmz"),
    "TF_RECORD_TABLE": TableFormat(_tf_records, "application/octet-stream"),
    "SHP": TableFormat(_shapefile, "application/octet-stream"),
}
