"""The six real Sentinel-1/Sentinel-2 pairs inside the package bigearthnet-common, laid out as a catalog folder.

The tars are read straight from the installed package: its own function unpacks them into the home folder.
Data: BigEarthNet-MM, CDLA-Permissive-1.0. Sentinel-1 is sigma0 in dB, which becomes linear power here, as
COPERNICUS/S1_GRD_FLOAT holds it; there is no angle band.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

S1, S2 = "COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S2_SR_HARMONIZED"


@dataclass(frozen=True)
class Pair:
    """One place: bands by Earth Engine's name, Sentinel-1 in dB; grid of the 10-m bands."""

    name: str
    grid: GeoBox
    month: str
    s1_db: dict[str, np.ndarray]
    s2: dict[str, np.ndarray]
    s1_index: str
    s2_index: str


def pairs() -> tuple[Pair, ...]:
    """The six pairs, by name."""
    radar, optical = _patches("S1"), _patches("S2")
    partner = {notes["corresponding_s2_patch"]: key for key, (notes, _, _) in radar.items()}
    return tuple(_pair(name, optical[name], radar[partner[name]]) for name in sorted(optical))


def write_catalog(root: Path, found: tuple[Pair, ...]) -> None:
    """The pairs under Earth Engine ids."""
    for pair in found:
        write_image(
            root,
            f"{S2}/{pair.s2_index}",
            pair.s2,
            pair.grid,
            properties={"MGRS_TILE": pair.s2_index[33:38]},
            nodata=65535,
        )
        power = {band: 10 ** (db.astype(np.float64) / 10) for band, db in pair.s1_db.items()}
        linear = {band: values.astype(np.float32) for band, values in power.items()}
        write_image(root, f"{S1}/{pair.s1_index}", linear, pair.grid)


def _pair(name: str, optical: tuple, radar: tuple) -> Pair:
    notes2, s2, grids = optical
    notes1, s1, _ = radar
    place = "_".join(name.rsplit("_", 2)[1:])  # two pairs are cut from one scene, whose index alone is not unique
    sensed = datetime.fromisoformat(notes2["acquisition_date"]).replace(tzinfo=UTC)
    tile, made = re.search(r"_(T\d\d[A-Z]{3})_(\d{8}T\d{6})", notes2["tile_source"]).groups()
    return Pair(
        name=place,
        grid=grids["B02"],
        month=f"{sensed:%Y-%m}",
        s1_db={band: s1[band] for band in ("VV", "VH")},
        s2={band.replace("B0", "B"): values for band, values in s2.items()},
        s1_index=f"{notes1['scene_source']}_{place}",
        s2_index=f"{sensed:%Y%m%dT%H%M%S}_{made}_{tile}_{place}",
    )


def _patches(sensor: str) -> dict[str, tuple[dict[str, Any], dict[str, np.ndarray], dict[str, GeoBox]]]:
    """By patch name: its notes, its bands, and the grid of each."""
    package = Path(find_spec("bigearthnet_common").origin).parent
    actual: dict[str, tuple[dict, dict, dict]] = defaultdict(lambda: ({}, {}, {}))
    with tarfile.open(package / f"BigEarthNet-{sensor}-Example.tar.bz2") as archive:
        for member in (m for m in archive.getmembers() if m.isfile()):
            _, patch, file = member.name.split("/")
            content = archive.extractfile(member).read()
            notes, bands, grids = actual[patch]
            if file.endswith(".json"):
                notes.update(json.loads(content))
            else:
                band = Path(file).stem.removeprefix(f"{patch}_")
                with MemoryFile(content) as memory, memory.open() as source:
                    bands[band] = source.read(1)
                    grids[band] = GeoBox(source.shape, source.transform, f"EPSG:{source.crs.to_epsg()}")
    return dict(actual)
