"""A patch of ground whose pixels hold every code there is, stored under each label product's own id, band and date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels, open_labels
from isamap.gee_export.requests import pixels

LEFT, TOP = 212750.0, 3416360.0
REGION = Region("codes", 32650, (LEFT, TOP - 160, LEFT + 160, TOP), (LEFT, TOP))
GRID: GeoBox = grid_of(REGION)
CODES = np.arange(256, dtype=np.uint16).reshape(16, 16)
EVO = CODES + np.uint16(1900)  # years, for WSF evolution
M2 = CODES * np.uint16(50)  # of a hectare
CONFIDENCE = CODES.astype(np.float32) / 255
_SAT = "projects/sat-io/open-datasets"
_PROBABILITIES = (
    "water", "trees", "grass", "flooded_vegetation", "crops", "shrub_and_scrub", "built", "bare", "snow_and_ice"
)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An asset as its catalog page shows it: id, bands, and the year that dates it."""

    asset: str
    bands: dict[str, np.ndarray]
    year: int


def one_hot(code: np.ndarray) -> dict[str, np.ndarray]:
    """Dynamic World's nine probabilities, .6 for the class of a code, and none where there is no such class."""
    return {name: np.where(code == k, 0.6, 0.05).astype(np.float32) for k, name in enumerate(_PROBABILITIES)}


BYTES = CODES.astype(np.uint8)
STORED = (
    Stored("ESA/WorldCover/v100/2020", {"Map": BYTES}, 2020),
    Stored("ESA/WorldCover/v200/2021", {"Map": BYTES}, 2021),
    Stored("GOOGLE/DYNAMICWORLD/V1/a", {**one_hot(BYTES), "label": BYTES}, 2019),
    Stored("GOOGLE/DYNAMICWORLD/V1/b", {**one_hot(BYTES), "label": BYTES}, 2019),
    Stored("GOOGLE/DYNAMICWORLD/V1/c", {**one_hot(np.full_like(BYTES, 6)), "label": np.full_like(BYTES, 6)}, 2019),
    Stored("JRC/GHSL/P2023A/GHS_BUILT_S_10m/2018", {"built_surface": CODES, "built_surface_nres": CODES}, 2018),
    Stored("JRC/GHSL/P2023A/GHS_BUILT_S/2020", {"built_surface": M2, "built_surface_nres": M2}, 2020),
    Stored("JRC/GHSL/P2023A/GHS_BUILT_C/2018", {"built_characteristics": BYTES}, 2018),
    Stored("Tsinghua/FROM-GLC/GAIA/v10/v10", {"change_year_index": BYTES}, 1985),
    Stored("DLR/WSF/WSF2015/v1/v1", {"settlement": BYTES}, 2015),
    Stored("GOOGLE/Research/open-buildings-temporal/v1/a", {"building_presence": CONFIDENCE}, 2019),
    Stored(f"{_SAT}/GLC-FCS30D/annual/a", {f"b{n}": BYTES if n == 20 else BYTES * 0 for n in range(1, 24)}, 2000),
    Stored(f"{_SAT}/GLC-FCS30D/five-years-map/a", {"b1": BYTES * 0, "b2": BYTES, "b3": BYTES * 0}, 1985),
    Stored(f"{_SAT}/GISA_1972_2019/a", {"b1": BYTES}, 2019),
    Stored(f"{_SAT}/GISA_1972_2021/GISA_1972_2021", {"b1": BYTES}, 2021),
    Stored(f"{_SAT}/FROM-GLC10/a", {"b1": BYTES}, 2017),
    Stored(f"{_SAT}/landcover/ESRI_Global-LULC_10m_TS/a", {"b1": BYTES}, 2019),
    Stored(f"{_SAT}/landcover/ESRI_Global-LULC_10m_TS/b", {"b1": BYTES * 0 + 7}, 2020),
    Stored(f"{_SAT}/landcover/ESRI_Global-LULC_10m/a", {"b1": BYTES}, 2020),
    Stored(f"{_SAT}/GISD30_1985_2020/GISD30_1985_2020", {"b1": BYTES}, 1985),
    Stored(f"{_SAT}/WSF/WSF_2015/a", {"b1": BYTES}, 2015),
    Stored(f"{_SAT}/WSF/WSF_2019/a", {"b1": BYTES}, 2019),
    Stored(f"{_SAT}/WSF/WSF_EVO/a", {"b1": EVO}, 2015),
    Stored(f"{_SAT}/ESA/CEMS/EMC-BUILT-S/a", {"b1": BYTES}, 2022),
    Stored(
        "USGS/NLCD_RELEASES/2019_REL/NLCD/2019",
        {"landcover": BYTES, "impervious": BYTES, "impervious_descriptor": BYTES},
        2019,
    ),
    Stored(
        "USGS/NLCD_RELEASES/2019_REL/NLCD/2016",
        {"landcover": BYTES, "impervious": BYTES * 0, "impervious_descriptor": BYTES * 0},
        2016,
    ),
    Stored(f"{_SAT}/USGS/ANNUAL_NLCD/FRACTIONAL_IMPERVIOUS_SURFACE/a", {"b1": BYTES}, 2019),
    Stored(f"{_SAT}/USGS/ANNUAL_NLCD/FRACTIONAL_IMPERVIOUS_SURFACE/b", {"b1": BYTES * 0}, 2020),
    Stored(f"{_SAT}/USGS/ANNUAL_NLCD/IMPERVIOUS_DESCRIPTOR/a", {"b1": BYTES}, 2019),
    Stored("projects/me/assets/own/a", {"isa": BYTES, "class": BYTES}, 2019),
    Stored("projects/me/assets/plain/plain", {"b1": BYTES}, 2019),
)


def write(folder: Path) -> Path:
    """Every asset on the patch; an image in no collection has its last name twice (folder.write_image)."""
    for stored in STORED:
        start_ms = int(datetime(stored.year, 6, 30, tzinfo=UTC).timestamp() * 1000)
        write_image(folder, stored.asset, stored.bands, GRID, properties={"system:time_start": start_ms})
    return folder


def read(truth: LabelRequest, period: Period, grid: GeoBox = GRID, region: Region = REGION) -> tuple[OpenLabels, tuple]:
    """Labels asked for, found and fetched: what open_truth gives, and label and share on the grid."""
    opened = open_labels(truth, region, period)
    fetched = {}
    if opened.image is not None:
        names = [channel.name for channel in opened.channels]
        raster = pixels.fetch(opened.image, grid, names)
        values = np.where(raster.valid_BHW, raster.values_BHW, 255).astype(np.uint8)
        fetched = dict(zip(names, values, strict=True))
    return opened, opened.fuse(fetched, grid)
