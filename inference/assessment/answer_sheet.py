"""What interpreters get: points as GeoPackage and CSV, pictures of them, and no word of what the map says there.

answers.csv begins with LON, LAT, PLOTID, as Collect Earth Online asks of a plot file
(https://github.com/openforis/collect-earth-online-doc, docs/source/project/plotsample.rst); collect_earth.csv begins
with id, YCoordinate, XCoordinate, as the desktop program Collect Earth reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import shapely
from pyproj import CRS

from isamap.gee_export.base.feature_table import FeatureTable, write_geopackage
from isamap.gee_export.base.storage import write_whole
from isamap.inference.assessment.sample import DrawnSample, has_key, write_key
from isamap.inference.assessment.tables import csv_text

SHEET = "sheet"  # the folder for interpreters; what lies beside it is the key
POINTS, ANSWERS, DESKTOP, GUIDE = "points.gpkg", "answers.csv", "collect_earth.csv", "README.txt"
BLANKS = ("class", "confidence", "interpreter", "comment")
DEGREES = 9  # decimals: a tenth of a millimetre


class Drawer(Protocol):
    """What draws a picture of each point and gives their names within the folder, empty where there is none."""

    def write(self, sample: DrawnSample, folder: Path) -> list[str]: ...


def write_sheet(
    sample: DrawnSample, out: Path, *, thumbnails: Sequence[Drawer] = (), show_map: bool = False,
    columns: Mapping[str, Sequence[object]] | None = None,
) -> None:  # fmt: skip
    """Writes the key into `out` and everything for interpreters into `out`/sheet.

    thumbnails: what draws a picture of each point. show_map: adds the map's class, which biases interpreters towards
    it. columns: further ones of points.gpkg and answers.csv, a value a point.

    Where `out` holds this sample already, nothing is written, since its sheet may hold answers by now; a sheet without
    a key, which a kill left, is written again. ValueError where `out` holds another sample, or answers to one.
    """
    if has_key(sample, out):
        return
    folder = out / SHEET
    pictures = [drawer.write(sample, folder) for drawer in thumbnails]
    rows = [
        _row(sample, at, [names[at] for names in pictures], show_map)
        | {name: values[at] for name, values in (columns or {}).items()}
        for at in range(len(sample.points))
    ]
    blank = csv_text(rows).encode()
    _check_unanswered(folder / ANSWERS, blank)
    write_whole(folder / ANSWERS, blank)
    write_whole(folder / DESKTOP, csv_text([_desktop(row) for row in rows]).encode())
    lon, lat = sample.lonlat
    fields = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    write_geopackage(
        folder / POINTS,
        FeatureTable(shapely.points(lon, lat), CRS.from_epsg(4326), fields),
        "points",
    )
    write_whole(folder / GUIDE, _guide(sample).encode())
    write_key(sample, out)  # last: a folder with a key is complete


def _check_unanswered(path: Path, blank: bytes) -> None:
    """ValueError where a sheet is there that is not the blank one."""
    if path.exists() and path.read_bytes() != blank:
        raise ValueError(f"{path} holds answers, or another sample: choose another --out, so that none are lost")


def _row(sample: DrawnSample, at: int, pictures: Sequence[str], show_map: bool) -> dict[str, object]:
    point = sample.points[at]
    row: dict[str, object] = {
        "LON": round(point.lon, DEGREES),
        "LAT": round(point.lat, DEGREES),
        "PLOTID": point.plotid,
    }
    row |= dict.fromkeys(BLANKS, "")
    row |= {f"picture_{index}": name for index, name in enumerate(pictures, 1)}
    return row | ({"map_class": point.map_class} if show_map else {})


def _desktop(row: dict[str, object]) -> dict[str, object]:
    return {"id": row["PLOTID"], "YCoordinate": row["LAT"], "XCoordinate": row["LON"]}


def _guide(sample: DrawnSample) -> str:
    return "\n".join(
        [
            f"{len(sample.points)} points to interpret.",
            f"Write one of these into the column `class`: {', '.join(sample.classes)}; or `uncertain`.",
            "The class is that of the pixel whose centre the point is. `confidence`, `interpreter` and `comment` are"
            " yours.",
            f"{POINTS} opens in QGIS, {ANSWERS} in a spreadsheet or as the plot file of Collect Earth Online,"
            f" {DESKTOP} in Collect Earth.",
            "",
        ]
    )
