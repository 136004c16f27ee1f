"""Answer sheets that people fill in on the page, point by point: the CSV of `isamap assess sample` or `isamap ask`."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS

from isamap.gee_export.base import exchanged, sheet_text
from isamap.gee_export.base.answer_class import answered_class
from isamap.gee_export.base.atomic import disk_fault, write_json, write_whole
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.feature_table import FeatureTable, geopackage
from isamap.gee_export.base.platform.lock import take
from isamap.inference.assessment.answers import CLASS_COLUMN, ID_COLUMNS
from isamap.inference.assessment.tables import csv_text
from isamap.inference.serve.settings import NAME

LON, LAT = "lon", "lat"
MOST_SHEETS, MOST_POINTS = 1000, 20_000
LOCK, PATIENCE_S, PAUSE_S = ".lock", 10.0, 0.02
Row = dict[str, str]


@dataclass(frozen=True)
class SheetHead:
    """What is known of a sheet beside its rows. map: an id of the service's maps, "" of none; job: that drew it."""

    id: str
    name: str
    classes: tuple[str, ...]
    owner: str = ""
    map: str = ""
    job: str = ""


@dataclass(frozen=True)
class Columns:
    """Which columns hold a point's id, place and answer."""

    id: str
    lon: str
    lat: str
    answer: str

    @classmethod
    def of(cls, header: Sequence[str]) -> Columns:
        """By their names in small letters; ValueError where one is missing."""
        by_name = {name.strip().lower(): name for name in header}
        columns = (ID_COLUMNS, (LON,), (LAT,), (CLASS_COLUMN,))
        names = [next((by_name[each] for each in each_of if each in by_name), None) for each_of in columns]
        if None in names:
            missing = columns[names.index(None)][0].upper()
            raise ValueError(f"the sheet has no column {missing}: give the answers.csv that isamap wrote")
        return cls(*map(str, names))


@dataclass(frozen=True)
class Sheets:
    """The sheets in a folder, each a CSV and its head beside it. Changes of one wait for one another."""

    folder: Path

    def heads(self) -> list[SheetHead]:
        """Of all sheets, by name."""
        ids = sorted(path.stem for path in self.folder.glob("*.json"))
        return sorted((head for id in ids if (head := self.head(id)) is not None), key=lambda head: head.name)

    def head(self, id: str) -> SheetHead | None:
        """The sheet of an id, or None."""
        if not NAME.fullmatch(id):
            return None
        try:
            document = json.loads((self.folder / f"{id}.json").read_text(encoding="utf-8"))
            return SheetHead(**{**document, "classes": tuple(document["classes"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def open(self, head: SheetHead, text: str) -> None:
        """Keeps a sheet, unless it is there: its answers stay. ValueError: no sheet, or too many of them."""
        if self.head(head.id) is not None:
            return
        if len(self.heads()) >= MOST_SHEETS:
            raise ValueError(f"{MOST_SHEETS:,} sheets are kept already: delete one")
        _check(rows_of(text), head.classes)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._path(head.id), text.encode())
            write_json(self.folder / f"{head.id}.json", asdict(head))  # last: a sheet with a head is whole
        except OSError as error:
            raise disk_fault(self.folder, error) from error

    def text(self, head: SheetHead) -> str:
        """The CSV with the answers so far."""
        return self._path(head.id).read_text(encoding="utf-8")

    def geopackage(self, head: SheetHead) -> bytes:
        """The same as points, as `isamap train --answers` takes it."""
        rows = rows_of(self.text(head))
        columns = Columns.of(list(rows[0]))
        places = np.array([[sheet_text.number(row[name]) for name in (columns.lon, columns.lat)] for row in rows])
        fields = {name: np.array([row[name] for row in rows], dtype=object) for name in rows[0]}
        return geopackage(FeatureTable(shapely.points(places), CRS.from_epsg(4326), fields), "points")

    def document(self, head: SheetHead) -> dict[str, Any]:
        """Points in the sheet's order with their answers, and how many have one."""
        rows = rows_of(self.text(head))
        columns = Columns.of(list(rows[0]))
        points = [_point(row, columns, head.classes) for row in rows]
        facts = {"id": head.id, "name": head.name, "classes": list(head.classes), "map": head.map, "job": head.job}
        return facts | {"points": points, "answered": sum(bool(point["answer"]) for point in points)}

    def answer(self, head: SheetHead, answers: Mapping[str, Any]) -> None:
        """Writes answers by point's id into the sheet; "" takes one away. ValueError: another point or class."""
        checked = {id: answered_class(str(text), head.classes, f"point {id}") for id, text in answers.items()}
        # Read, changed and written under one lock: several people answer one sheet, and each must keep what others
        # wrote.
        with self._locked():
            rows = rows_of(self.text(head))
            columns = Columns.of(list(rows[0]))
            by_id = {row[columns.id]: row for row in rows}
            if strange := [id for id in checked if id not in by_id]:
                raise ValueError(f"point {strange[0][:40]!r} is not in the sheet")
            for id, name in checked.items():
                by_id[id][columns.answer] = name
            write_whole(self._path(head.id), csv_text(rows).encode())

    def delete(self, head: SheetHead) -> None:
        """Removes a sheet, the head first, without which no list has it."""
        for path in (self.folder / f"{head.id}.json", self._path(head.id)):
            path.unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}.csv"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, of all servers on the folder. Fault where another one takes too long."""
        end = time.monotonic() + PATIENCE_S
        with (self.folder / LOCK).open("ab") as file:
            while not take(file):
                if time.monotonic() > end:
                    raise Fault("another change of the answer sheets does not end: try again")
                time.sleep(PAUSE_S)
            yield


def sheet_id(text: str) -> str:
    """The id of a sheet that somebody sent: the same text is the same sheet."""
    return f"sheet-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def rows_of(text: str) -> list[Row]:
    """The rows of a spreadsheet's text by its header; ValueError for none, or rows of another width."""
    try:
        header, *cells = sheet_text.rows_of(text, strict=True) or [[]]
    except csv.Error as error:
        raise ValueError(f"the sheet is no CSV ({error}): give the answers.csv that isamap wrote") from error
    except ValueError as error:
        raise ValueError(f"the sheet has a row of another width than its header ({error})") from error
    if not 1 <= len(cells) <= MOST_POINTS:
        raise ValueError(f"the sheet has {len(cells):,} points: expected 1 to {MOST_POINTS:,}")
    return [dict(zip(header, row, strict=True)) for row in cells]


def _check(rows: list[Row], classes: Sequence[str]) -> None:
    columns = Columns.of(list(rows[0]))
    points = [_point(row, columns, classes) for row in rows]
    if len({point["id"] for point in points}) < len(points):
        raise ValueError("the sheet holds an id twice: give each point one of its own")


def _point(row: Row, columns: Columns, classes: Sequence[str]) -> dict[str, Any]:
    try:
        lon, lat = sheet_text.number(row[columns.lon]), sheet_text.number(row[columns.lat])
    except ValueError as error:
        raise ValueError(f"point {row[columns.id][:40]!r}: its LON and LAT are no numbers") from error
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        swapped = -90 <= lon <= 90 and -180 <= lat <= 180
        words = exchanged.WORDS if swapped else "its LON and LAT are no degrees"
        raise ValueError(f"point {row[columns.id][:40]!r}: {words}")
    answer = answered_class(row[columns.answer], classes, f"point {row[columns.id][:40]!r}")
    return {"id": row[columns.id], "lon": lon, "lat": lat, "answer": answer}
