"""A STAC item of a map or a tile: its fields, its files with size and checksum, and what their bands hold.

STAC 1.0.0 with projection 1.1.0, raster 1.1.0, file 2.1.0, classification 1.1.0 and processing 1.1.0, which GDAL, QGIS
and odc-stac read (docs/reference/formats.md, "STAC of maps and models"). Relative links, no clock times.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.stac_fields import (
    FILE,
    PROCESSOR,
    SHA256_MULTIHASH,
    SIMULATOR,
    licence_links,
    moments,
    rounded,
)
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend, ShareLegend
from isamap.inference.map_files.map_file import SHARE, MapFile, sidecar_of
from isamap.inference.map_files.share_layer import UNIT
from isamap.inference.map_files.simulation import preface

_HOME = "https://stac-extensions.github.io"
PROCESSING, CLASSIFICATION = f"{_HOME}/processing/v1.1.0/schema.json", f"{_HOME}/classification/v1.1.0/schema.json"
PROJECTION, RASTER = (f"{_HOME}/{name}/schema.json" for name in ("projection/v1.1.0", "raster/v1.1.0"))
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
XML = "application/xml"
ALWAYS = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")  # of maps of images that name no period


@dataclass(frozen=True)
class ItemFile:
    """A file of a map: its address from the item, size in bytes and checksum in hexadecimal digits."""

    href: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, folder: Path) -> ItemFile:
        """A file that is there; its address is from `folder`."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        address = Path(os.path.relpath(path, folder)).as_posix()
        return cls(address if address.startswith("../") else f"./{address}", path.stat().st_size, digest)


def files_beside(made: MapFile, folder: Path) -> dict[Path, ItemFile]:
    """The files of a map on this machine."""
    paths = [*made.files, *([made.shares.path] if made.shares else []), sidecar_of(made.path)]
    return {path: ItemFile.of(path, folder) for path in paths if path.is_file()}


def item(
    made: MapFile, files: Mapping[Path, ItemFile], links: Sequence[Mapping[str, Any]], *, of: str | None = None
) -> dict[str, Any]:
    """The item of a map; files: by the paths that `made` has for them. of: the collection's name."""
    ring = _corners(made.geobox)
    (west, south), (east, north) = np.min(ring, axis=0).tolist(), np.max(ring, axis=0).tolist()
    start, end = period_of(made.tags)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [PROJECTION, RASTER, CLASSIFICATION, PROCESSING, FILE],
        "id": made.path.stem,
        "geometry": rounded({"type": "Polygon", "coordinates": [ring]}),
        "bbox": [round(side, 7) for side in (west, south, east, north)],
        "properties": {
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            "description": f"{preface(made.tags)}{', '.join(made.legend.names)} by {made.tags.get('model', 'isamap')}.",
            "license": "various",
            "providers": providers(made),
            **_place(made),
            **_processing(made.tags),
            "isamap:simulated": is_simulated(made),
            "isamap:checkpoint": made.tags.get("checkpoint", "unknown"),
        },
        "links": [*links, *licences(made)],
        **({"collection": of} if of else {}),
        "assets": _assets(made, files),
    }


def _corners(geobox: GeoBox) -> list[tuple[float, float]]:
    """The corners of a grid in degrees, against the clock and closed, as GeoJSON has a ring."""
    height, width = geobox.shape
    x, y = zip(*(geobox.affine * corner for corner in ((0, 0), (0, height), (width, height), (width, 0))), strict=True)
    lon, lat = _to_degrees(crs_of(geobox).to_wkt()).transform(x, y)
    ring = list(zip(lon, lat, strict=True))
    return [*ring, ring[0]]


@cache
def _to_degrees(wkt: str) -> Transformer:
    return Transformer.from_crs(wkt, 4326, always_xy=True)


def _assets(made: MapFile, files: Mapping[Path, ItemFile]) -> dict[str, Any]:
    bands = {made.legend.band: class_band(made.legend), PROBABILITY: probability_band()}
    names: dict[Path, list[str]] = {}
    for name, band in made.bands.items():
        names.setdefault(band.path, []).append(name)
    assets = {
        "_".join(own): _asset(files[path], COG, "data") | {"raster:bands": [bands[name] for name in own]}
        for path, own in names.items()
    }
    if made.shares is not None:
        assets[SHARE] = _asset(files[made.shares.path], COG, "data") | {"raster:bands": [share_band()]}
    if sidecar_of(made.path) in files:
        assets["names"] = _asset(files[sidecar_of(made.path)], XML, "metadata")
    return assets


def _asset(file: ItemFile, media_type: str, role: str) -> dict[str, Any]:
    checksum = SHA256_MULTIHASH + file.sha256
    return {"href": file.href, "type": media_type, "roles": [role], "file:size": file.bytes, "file:checksum": checksum}


def class_band(legend: Legend) -> dict[str, Any]:
    """Of a file of classes: what each value means."""
    rows = enumerate(zip(legend.names, legend.colours, strict=True))
    classes = [
        {"value": value, "name": name, "description": name.replace("_", " "), "color_hint": colour.upper()}
        for value, (name, colour) in rows
    ]
    unknown = {"value": UNKNOWN, "name": "unknown", "description": "unknown", "nodata": True}
    return {"data_type": "uint8", "nodata": UNKNOWN, "classification:classes": [*classes, unknown]}


def probability_band() -> dict[str, Any]:
    """Of a file of probabilities."""
    return {"data_type": "uint8", "nodata": UNKNOWN, "scale": 1 / PROB_STEPS, "offset": 0, "unit": "1"}


def share_band() -> dict[str, Any]:
    """Of a file of percents."""
    return {"name": ShareLegend().band, "data_type": "uint8", "nodata": UNKNOWN, "unit": UNIT}


def _place(made: MapFile) -> dict[str, Any]:
    """The projection extension's fields; proj:epsg null where the CRS has no such number."""
    crs = crs_of(made.geobox)
    named = {"proj:epsg": crs.epsg} if crs.epsg else {"proj:epsg": None, "proj:wkt2": crs.to_wkt()}
    return named | {"proj:transform": list(made.geobox.affine)[:6], "proj:shape": list(made.geobox.shape)}


def _processing(tags: Mapping[str, str]) -> dict[str, Any]:
    scenes = f" from {tags['scenes']}" if "scenes" in tags else ""
    lineage = f"{tags.get('model', 'unknown model')} {tags.get('checkpoint', '')[:16]}{scenes}"
    software = {
        "isamap": "checkpoint " + tags.get("checkpoint", "unknown")[:16],
        "runtime": tags.get("runtime", "torch"),
    }
    return {"processing:level": "L4", "processing:lineage": lineage, "processing:software": software}


def providers(made: MapFile) -> list[dict[str, Any]]:
    """Who made the map and its input; a simulation has no other producer than the local engine."""
    if is_simulated(made):
        return [PROCESSOR, SIMULATOR]
    return [PROCESSOR, {"name": f"input: {made.tags.get('licence', 'unknown licence')}"[:200], "roles": ["licensor"]}]


def licences(made: MapFile) -> list[dict[str, str]]:
    """The pages of the licences of its input, isamap's own of a simulation, none where none is known."""
    return licence_links([made.tags.get("licence", "")], simulated=is_simulated(made))


def is_simulated(made: MapFile) -> bool:
    """Whether its input was simulated."""
    return made.tags.get("simulated") == "true"


def period_of(tags: Mapping[str, str]) -> tuple[str, str]:
    """First and last moment, RFC 3339 in UTC; the tags' end is exclusive."""
    if "period_start" not in tags or "period_end" not in tags:
        return ALWAYS
    return moments(tags["period_start"], tags["period_end"])
