"""Files that are small and ask for the machine: archives, GeoPackages, Parquet, KML and GPX, given to what reads them.

Each is read by a process of its own with a bound of memory and time; it must end in one sentence, exit code 2.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import multiprocessing
import os
import re
import resource
import signal
import sqlite3
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .trials import BLAME, TRACEBACK, Sitting

MEMORY_BYTES = 4 << 30  # of addresses, above those that the process has when it begins
LIMIT_S = 30
PROCESSES = multiprocessing.get_context("forkserver")  # each begins with what all need, loaded once
LOADED = ("base.feature_table", "command_line.console", "labelling.label_vectors")
PROCESSES.set_forkserver_preload(
    ["__main__", "local_ee.vector_file", *(f"isamap.gee_export.{name}" for name in LOADED)]
)
HEADS = (
    *("format", "bombs", "readings", "one sentence, exit code 2", "read as what it is", "other"),
    *("most memory, MB", "longest, s"),
)
RECURSION = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS fid, geom FROM c, stored"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
MARK = (
    "<Placemark><name>{}</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{}</coordinates></LinearRing>"
    "</outerBoundaryIs></Polygon></Placemark>"
)
POINT = struct.pack("<bIdd", 1, 1, 114.0, 30.0)
RING = "114,30 114.01,30 114.01,30.01 114,30"


def zips() -> Iterator[tuple[str, bytes]]:
    """Ratio, entries, nesting, names that lead out, a size that lies."""
    zeros = struct.pack(">i", 9994) + bytes((64 << 20) - 4)
    yield "ratio.zip", _zip({f"a1.{end}": zeros for end in ("shp", "shx", "dbf")})
    yield "ratio-1-gb.zip", _zip({f"a{entry}.dat": zeros for entry in range(20)} | {"a.shp": zeros[:100]})
    yield "entries.zip", _zip({f"{entry}.shp": b"" for entry in range(60_000)})
    inner = _zip({"a.shp": zeros})
    for _ in range(20):
        inner = _zip({"a.zip": inner})
    yield "nested.zip", inner
    yield "traversal.zip", _zip({"../../../etc/a.shp": zeros[:100], "/etc/b.dbf": b""})
    lying = bytearray(_zip({"a.shp": zeros, "a.shx": zeros, "a.dbf": zeros}))
    at = -1
    while (at := lying.find(b"PK\1\2", at + 1)) >= 0:
        lying[at + 24 : at + 28] = struct.pack("<I", 100)
    yield "lying.zip", bytes(lying)


def geopackages() -> Iterator[tuple[str, bytes]]:
    """Views without end, triggers, blobs, another application, cycles of counts."""
    yield "endless.gpkg", _geopackage(f"CREATE VIEW layer AS {RECURSION}")
    heavy = "SELECT 1 AS fid, zeroblob(1000000000) AS geom"
    yield "blob.gpkg", _geopackage(f"CREATE VIEW layer AS {heavy}")
    join = "SELECT 1 AS fid, stored.geom AS geom FROM stored" + "".join(
        f", many m{join_index}" for join_index in range(8)
    )
    yield "join.gpkg", _geopackage(f"CREATE VIEW layer AS {join}")
    trigger = "CREATE TRIGGER t INSERT ON layer BEGIN INSERT INTO layer SELECT NULL, geom FROM layer; END"
    yield "trigger.gpkg", _geopackage("CREATE TABLE layer (fid INTEGER PRIMARY KEY, geom BLOB)", trigger)
    yield "application.gpkg", _geopackage("CREATE TABLE layer (fid INTEGER PRIMARY KEY, geom BLOB)", application=1)
    yield "head.gpkg", b"SQLite format 3\0" + os.urandom(1 << 16)


def parquets() -> Iterator[tuple[str, bytes]]:
    """A column of one value a thousand million times, rows that are not there, a footer of any length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _parquet_schema()
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for _ in range(40):  # 40 million rows of one value in some hundred kB
            values = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int32)), pa.array([POINT]))
            writer.write_table(pa.table([values.cast(pa.binary())], schema=schema))
    yield "rows.parquet", stream.getvalue()
    blob = io.BytesIO()
    pq.write_table(pa.table([pa.array([POINT, bytes(1 << 30)])], schema=schema), blob, compression="zstd")
    yield "blob.parquet", blob.getvalue()
    yield "footer.parquet", b"PAR1" + os.urandom(1000) + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"


def _parquet_schema() -> Any:
    import pyarrow as pa

    column = {"encoding": "WKB", "geometry_types": []}
    geo = json.dumps({"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}).encode()
    return pa.schema([pa.field("geometry", pa.binary())], {b"geo": geo})


def _harmless_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table([pa.array([POINT])], schema=_parquet_schema()), file)
    return file.getvalue()


def markups(head: str) -> Iterator[tuple[str, str]]:
    """Entities that multiply, that lead out, and depth, in a document that `head` names."""
    yield "laughs", f'<?xml version="1.0"?><!DOCTYPE {head} [<!ENTITY l0 "ha">{LAUGHS}]>'
    yield "outside", f'<?xml version="1.0"?><!DOCTYPE {head} [<!ENTITY l11 SYSTEM "file:///etc/passwd">]>'


def kmls() -> Iterator[tuple[str, bytes]]:
    for name, head in markups("kml"):
        yield f"{name}.kml", (head + KML.format(MARK.format("&l11;", RING))).encode()
    deep = "<Folder>" * 200_000
    yield "deep.kml", f'<?xml version="1.0"?>{KML.format(deep + MARK.format("a", RING))}'.encode()
    geometries = "<MultiGeometry>" * 100_000
    yield "geometries.kml", f'<?xml version="1.0"?>{KML.format("<Placemark>" + geometries)}'.encode()


def gpxs() -> Iterator[tuple[str, bytes]]:
    """Refused by their ending; under the ending of another format by their first bytes."""
    for name, head in markups("gpx"):
        for ending in ("gpx", "geojson", "kml"):
            yield f"{name}-gpx.{ending}", f"{head}<gpx><wpt lat='30' lon='114'><name>&l11;</name></wpt></gpx>".encode()


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _geopackage(*statements: str, application: int = 0x47504B47) -> bytes:
    """A GeoPackage whose layer is what the statements make."""
    base = sqlite3.connect(":memory:")
    point = b"GP\0\1" + struct.pack("<i", 4326) + POINT
    base.executescript(
        f"""PRAGMA application_id = {application}; PRAGMA user_version = 10300;
        CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
          organization_coordsys_id INTEGER, definition TEXT, description TEXT);
        INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, 'GEOGCS["WGS 84",DATUM["WGS_1984",
          SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]', '');
        CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, identifier TEXT, description TEXT,
          last_change TEXT, min_x REAL, min_y REAL, max_x REAL, max_y REAL, srs_id INTEGER);
        INSERT INTO gpkg_contents VALUES ('layer', 'features', 'layer', '', '2020-01-01', 114, 30, 115, 31, 4326);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT, srs_id INTEGER,
          z INTEGER, m INTEGER);
        INSERT INTO gpkg_geometry_columns VALUES ('layer', 'geom', 'GEOMETRY', 4326, 0, 0);
        CREATE TABLE stored (geom BLOB); CREATE TABLE many (n INTEGER);
        INSERT INTO many WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000) SELECT n FROM c;"""
    )
    base.execute("INSERT INTO stored VALUES (?)", (point,))
    for statement in statements:
        base.execute(statement)
    base.commit()
    return base.serialize()


FORMATS = {"zip": zips, "GeoPackage": geopackages, "Parquet": parquets, "KML": kmls, "GPX": gpxs}


HARMLESS: dict[str, Callable[[], bytes]] = {
    "zip": lambda: _zip({"a.shp": b"", "a.shx": b"", "a.dbf": b""}),
    "GeoPackage": lambda: _geopackage("CREATE TABLE layer AS SELECT 1 AS fid, geom FROM stored"),
    "Parquet": _harmless_parquet,
    "KML": lambda: KML.format(MARK.format("a", RING)).encode(),
    "GPX": lambda: b"<gpx><wpt lat='30' lon='114'></wpt></gpx>",
}


def readers() -> dict[str, Callable[[Path], Any]]:
    """What reads vector files: outlines, tables (answers, points, districts), labels; the engine's tables."""
    from isamap.gee_export.base import feature_table, geometry_file
    from isamap.gee_export.base.regions import named
    from isamap.gee_export.labelling import label_vectors
    from isamap.gee_export.labelling.label_source import LabelSource
    from local_ee import vector_file

    def labels(path: Path) -> Any:
        return label_vectors.near_features(LabelSource.parse(str(path)), named("wuhan"), label_vectors.WIDTHS)

    def upload(path: Path) -> Any:
        if path.suffix not in vector_file.HEADS:
            raise ValueError("the engine takes no such table")
        return vector_file.read(path.suffix, path.read_bytes())

    return {
        "outline": geometry_file.read_outline,
        "table": feature_table.read_table,
        "labels": labels,
        "engine's table": upload,
    }


@dataclass(frozen=True)
class Reading:
    """How a process ended that read a bomb. status: exit code, or minus a signal. mb: most resident memory above what
    the process has that has read a harmless file in the same way."""

    bomb: str
    reader: str
    status: int
    mb: float
    seconds: float
    words: str

    @property
    def verdict(self) -> str:
        """sentence, read, or other."""
        lines = [line for line in self.words.splitlines() if line.startswith("error: ")]
        if TRACEBACK in self.words or BLAME in self.words or self.status not in (0, 2):
            return "other"
        return "read" if self.status == 0 else "sentence" if len(lines) == 1 else "other"


def reading(path: Path, harmless: Path, name: str) -> Reading:
    """A process of its own reads the bomb, within the bounds, after a harmless file."""
    log = path.with_name("log")
    began = time.monotonic()
    process = PROCESSES.Process(target=_read, args=(path, harmless, name, log))
    process.start()
    process.join()
    seconds, words = time.monotonic() - began, log.read_text("utf-8", "replace")
    peak = re.search(r'^\{"mb": .*\}$', words, re.MULTILINE)
    return Reading(path.name, name, process.exitcode, json.loads(peak[0])["mb"] if peak else math.nan, seconds, words)


def _read(path: Path, harmless: Path, name: str, log: Path) -> None:
    """Reads both files and ends the process with the exit code; the log holds the console's words and the peak."""
    from isamap.gee_export.command_line import console

    with log.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.environ["ISAMAP_HOME"] = str(path.parent / "home")
    read = readers()[name]
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        read(harmless)  # loads what such files need
    status = Path("/proc/self/status")

    def mb(field: str) -> float:
        return int(re.search(rf"{field}:\s+(\d+)", status.read_text("utf-8"))[1]) / 1000

    addresses = 1000 * int(mb("VmSize") * 1000) + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
    # After the harmless file: neither bound counts what a reader's libraries take to load.
    signal.alarm(LIMIT_S)
    before = mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here: Linux's proc(5)
    code = console.run(lambda: read(path))
    print(json.dumps({"mb": round(mb("VmHWM") - before, 1)}), flush=True)
    sys.exit(code)


def run(sitting: Sitting, count: int) -> None:
    """At most `count` bombs of each format, read by every reader; what is noted is not read again."""
    folder, notebook = sitting.out / "bombs", sitting.notebook("bombs")
    folder.mkdir(parents=True, exist_ok=True)
    for format, make in FORMATS.items():
        for index, (name, content) in enumerate(make()):
            if index >= count:
                break
            path, harmless = folder / name, folder / f"harmless{Path(name).suffix}"
            path.write_bytes(content)
            harmless.write_bytes(HARMLESS[format]())
            for reader in readers():
                if not notebook.select(bomb=name, reader=reader):
                    notebook.add({"format": format, **asdict(reading(path, harmless, reader))})
            path.unlink()


def lines(sitting: Sitting) -> list[tuple[Any, ...]]:
    """The table's lines."""
    each_format = []
    for format in FORMATS:
        rows = sitting.notebook("bombs").select(format=format)
        each = [Reading(**{key: value for key, value in row.items() if key != "format"}) for row in rows]
        if each:
            verdicts = [reading.verdict for reading in each]
            counts = [verdicts.count(verdict) for verdict in ("sentence", "read", "other")]
            most = f"{max(reading.mb for reading in each):,.0f}"
            bombs = len({reading.bomb for reading in each})
            longest = f"{max(reading.seconds for reading in each):.1f}"
            each_format.append((format, bombs, len(each), *counts, most, longest))
    return each_format
