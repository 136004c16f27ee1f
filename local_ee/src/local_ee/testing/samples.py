"""Catalogs for tests: images from arrays and GeoTIFFs, tables from CSV and GeoJSON, written as a catalog's folder."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CRS = "EPSG:32631"
TRANSFORM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 0.0)  # 10 m pixels from 3 degrees east on the equator to the south-east
POINTS = (("longitude", "latitude"), ("lon", "lat"))
GEOMETRY = ".geo"  # the column of geometries in tables that Earth Engine exports as CSV
SHAPES = 'columns "longitude" and "latitude", or ".geo" with GeoJSON geometries'


@dataclass(frozen=True)
class ArrayImage:
    """An image of arrays [row, column] by band name, masked where an array is masked.

    transform: a, b, c, d, e, f of x = a column + b row + c and y = d column + e row + f, in units of the CRS.
    properties: numbers and strings; "system:time_start" in ms since 1970 dates the image.
    """

    bands: Mapping[str, np.ndarray]
    crs: str = CRS
    transform: Sequence[float] = TRANSFORM
    properties: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {band.shape for band in self.bands.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise ValueError(f"bands of shapes {sorted(shapes)}: expected one shape (rows, columns) for all bands")
        if len(self.transform) != 6:
            raise ValueError(f"transform holds {len(self.transform)} numbers: expected the six of an affine transform")


def write_catalog(folder: Path, samples: Mapping[str, Any], *, beside: Path) -> Path:
    """The folder, filled with an image or table under each id so that open_catalog serves it.

    A sample is an ArrayImage, an array ([row, column] or [band, row, column]; bands b1, b2, ...), a mapping of band
    names to arrays, or the path of a .tif, .csv or .geojson file (a relative one: beside `beside`). ValueError names
    the id whose sample is none of these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for asset_id, sample in samples.items():
        if "/" not in asset_id or "." in asset_id.rpartition("/")[2]:
            raise ValueError(f"asset id {asset_id!r}: expected COLLECTION/NAME without a dot in the name")
        if isinstance(sample, str | Path):
            _write_file(folder, asset_id, beside / sample)
        else:
            _write_array(folder, asset_id, sample)
    return folder


def _write_array(folder: Path, asset_id: str, sample: Any) -> None:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from local_ee.catalog.folder import write_image

    image = _image(asset_id, sample)
    grid = GeoBox(next(iter(image.bands.values())).shape, Affine(*image.transform), image.crs)
    nodata = _nodata(image.bands)
    write_image(folder, asset_id, image.bands, grid, properties=image.properties, nodata=nodata)


def _image(asset_id: str, sample: Any) -> ArrayImage:
    if isinstance(sample, ArrayImage):
        return sample
    if isinstance(sample, Mapping):
        return ArrayImage(sample)
    if getattr(sample, "ndim", 0) in (2, 3):
        layers = [sample] if sample.ndim == 2 else list(sample)
        return ArrayImage({f"b{band_number}": layer for band_number, layer in enumerate(layers, start=1)})
    raise ValueError(
        f"{asset_id}: {type(sample).__name__} is no sample: expected an ArrayImage, an array of 2 or 3 dimensions, "
        "bands by name, or a path"
    )


def _nodata(bands: Mapping[str, np.ndarray]) -> float | None:
    """A value that no valid pixel has, for masked arrays; None where nothing is masked."""
    import numpy as np

    masked = [band for band in bands.values() if np.ma.is_masked(band)]
    if not masked:
        return None
    if all(band.dtype.kind == "f" for band in bands.values()):
        return float("nan")
    lowest = max(np.iinfo(band.dtype).min for band in bands.values() if band.dtype.kind != "f")
    highest = min(np.iinfo(band.dtype).max for band in bands.values() if band.dtype.kind != "f")
    taken = np.unique(np.concatenate([np.ma.compressed(band) for band in bands.values()]))
    for value in (highest, lowest, *range(max(lowest, -1000), min(highest, 1000))):
        if value not in taken:
            return value
    raise ValueError("masked pixels need a value that no valid pixel has, and every one is taken: use a wider type")


def _write_file(folder: Path, asset_id: str, path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{asset_id}: {path} is no file: give the path of a .tif, .csv or .geojson file")
    target = folder.joinpath(*asset_id.split("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    writers = {".tif": _copy_tiff, ".tiff": _copy_tiff, ".csv": _convert_csv, ".geojson": _copy_table}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f"{asset_id}: {path.name} ends with {path.suffix!r}: expected .tif, .csv or .geojson")
    writer(path, target)


def _copy_tiff(path: Path, target: Path) -> None:
    """The file under its new name; bands without a name are called b1, b2, ..., as ingestion calls them."""
    from local_ee.catalog import geotiff, sidecar

    copied = target.with_name(f"{target.name}.tif")
    shutil.copyfile(path, copied)
    bands = geotiff.describe(copied).bands
    names = [band.description for band in bands]
    if not all(names) or len(set(names)) != len(names):
        note = target.with_name(f"{target.name}.json")
        sidecar.save(note, {"bands": [f"b{band_number}" for band_number in range(1, len(bands) + 1)]})


def _copy_table(path: Path, target: Path) -> None:
    shutil.copyfile(path, target.with_name(f"{target.name}.geojson"))


def _convert_csv(path: Path, target: Path) -> None:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0]) if rows else []
    point = next((pair for pair in POINTS if set(pair) <= set(columns)), None)
    if point is None and GEOMETRY not in columns:
        raise ValueError(f"{path.name} has the columns {', '.join(columns) or '(none)'}: expected {SHAPES}")
    used = point or (GEOMETRY,)
    numeric = {name for name in columns if name not in used and all(_is_number(row[name]) for row in rows)}
    features = [_feature(row, used, numeric, path) for row in rows]
    document = {"type": "FeatureCollection", "features": features}
    target.with_name(f"{target.name}.geojson").write_text(json.dumps(document), encoding="utf-8")


def _feature(row: Mapping[str, str], used: Sequence[str], numeric: set[str], path: Path) -> dict[str, Any]:
    try:
        if len(used) == 2:
            geometry = {"type": "Point", "coordinates": [float(row[name]) for name in used]}
        else:
            geometry = json.loads(row[GEOMETRY])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path.name}: the row {dict(row)} has no place ({error}): expected {SHAPES}") from error
    kept = {name: text for name, text in row.items() if name not in used and text}
    properties = {name: _number(text) if name in numeric else text for name, text in kept.items()}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _is_number(text: str | None) -> bool:
    try:
        return not text or float(text) is not None
    except ValueError:
        return False


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() and "." not in text else value
