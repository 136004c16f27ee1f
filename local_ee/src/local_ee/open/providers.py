"""The archives that are read, as data: their hosts, searches, files, names of bands, licences.

Sources, with dates, are in docs/open-archives.md. A file's address must match its provider's pattern as a whole, so an
answer of a search can name no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

EARTH_SEARCH, PLANETARY = "earth-search.aws.element84.com", "planetarycomputer.microsoft.com"
C1_BUCKET = "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com"
OLD_BUCKET = "sentinel-cogs.s3.us-west-2.amazonaws.com"
S2_BLOBS, S1_BLOBS = "sentinel2l2a01.blob.core.windows.net", "sentinel1euwestrtc.blob.core.windows.net"
WORLDCOVER_BUCKET = "esa-worldcover.s3.eu-central-1.amazonaws.com"
DEM_BUCKET = "copernicus-dem-30m.s3.eu-central-1.amazonaws.com"
LULC_BUCKET = "io-10m-annual-lulc.s3.us-west-2.amazonaws.com"
SOURCE_COOP = "data.source.coop"
DE_AFRICA = "explorer.digitalearth.africa"
DE_AFRICA_BUCKET = "deafrica-sentinel-1.s3.af-south-1.amazonaws.com"
_BUCKETS, _BLOBS, _SERVICES = 16, 8, 4
# Every host that is ever asked, and how many connections it is asked by at most.
HOSTS: Mapping[str, int] = {
    EARTH_SEARCH: _SERVICES,
    PLANETARY: _SERVICES,
    C1_BUCKET: _BUCKETS,
    OLD_BUCKET: _BUCKETS,
    S2_BLOBS: _BLOBS,
    S1_BLOBS: _BLOBS,
    WORLDCOVER_BUCKET: _BUCKETS,
    DEM_BUCKET: _BUCKETS,
    LULC_BUCKET: _BUCKETS,
    SOURCE_COOP: _BUCKETS,
    DE_AFRICA: _SERVICES,
    DE_AFRICA_BUCKET: _BUCKETS,
}
# Buckets that items name by s3:// though everybody may read them over https.
BUCKETS = {
    "e84-earth-search-sentinel-data": C1_BUCKET,
    "sentinel-cogs": OLD_BUCKET,
    "copernicus-dem-30m": DEM_BUCKET,
    "deafrica-sentinel-1": DE_AFRICA_BUCKET,
}

_COPERNICUS = "contains modified Copernicus Sentinel data"
_SENTINEL_LICENCE = "Copernicus Sentinel Data legal notice"
_OPTICAL = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
_EARTH_SEARCH_NAMES = {
    **dict(zip(_OPTICAL, (
        "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16",
        "swir22",
    ), strict=True)),
    "AOT": "aot",
    "WVP": "wvp",
    "SCL": "scl",
    "MSK_CLDPRB": "cloud",
    "MSK_SNWPRB": "snow",
}  # fmt: skip


@dataclass(frozen=True)
class Provider:
    """One collection of one archive.

    pages: how its search goes on, by the answer's `next` link or by ids in order (its answers have no link). bands:
    Earth Engine's name of each, and the asset's. token: the collection whose token opens its files. before: the
    processing baseline below which scenes are taken. ends: no scene that is taken begins later. second: asked only
    where the others have no scene, or want an account. area_wsen: the box outside which it has nothing.
    """

    name: str
    title: str
    search: str
    collection: str
    files: re.Pattern[str]
    bands: Mapping[str, str]
    pages: str  # link or ids
    page_items: int
    tile_query: str = ""
    token: str | None = None
    before: str = ""
    ends: datetime | None = None
    second: bool = False
    area_wsen: tuple[float, float, float, float] | None = None
    licence: str = _SENTINEL_LICENCE
    attribution: str = _COPERNICUS


C1 = Provider(
    "earth-search-c1",
    "Earth Search, Sentinel-2 Collection 1",
    f"https://{EARTH_SEARCH}/v1/search",
    "sentinel-2-c1-l2a",
    re.compile(
        rf"https://{re.escape(C1_BUCKET)}/sentinel-2-c1-l2a/\d{{1,2}}/[C-X]/[A-Z]{{2}}/\d{{4}}/\d{{1,2}}/"
        r"S2[A-D]_T\d{2}[C-X][A-Z]{2}_\d{8}T\d{6}_L2A/[A-Z]\w{1,19}\.tif"
    ),
    _EARTH_SEARCH_NAMES,
    "link",
    100,
    "grid:code=MGRS-",
)
PC_S2 = Provider(
    "planetary-computer",
    "Planetary Computer, Sentinel-2 Level-2A",
    f"https://{PLANETARY}/api/stac/v1/search",
    "sentinel-2-l2a",
    re.compile(
        rf"https://{re.escape(S2_BLOBS)}/sentinel2-l2/\d{{2}}/[C-X]/[A-Z]{{2}}/\d{{4}}/\d{{2}}/\d{{2}}/"
        r"S2[A-D]_MSIL2A_\w{20,80}\.SAFE/GRANULE/L2A_\w{10,60}/IMG_DATA/R\d{2}m/\w{10,60}\.tif"
    ),
    {name: f"B0{name[1:]}" if len(name) == 2 else name for name in _OPTICAL} | {n: n for n in ("AOT", "WVP", "SCL")},
    "ids",
    250,
    "s2:mgrs_tile=",
    token="sentinel-2-l2a",
)
OLD = Provider(
    "earth-search-old",
    "Earth Search, Sentinel-2 Level-2A before Collection 1",
    f"https://{EARTH_SEARCH}/v1/search",
    "sentinel-2-l2a",
    re.compile(
        rf"https://{re.escape(OLD_BUCKET)}/sentinel-s2-l2a-cogs/\d{{1,2}}/[C-X]/[A-Z]{{2}}/\d{{4}}/\d{{1,2}}/"
        r"S2[A-D]_\d{1,2}[C-X][A-Z]{2}_\d{8}_\d{1,2}_L2A/[A-Z]\w{1,19}\.tif"
    ),
    _EARTH_SEARCH_NAMES,
    "link",
    100,
    "grid:code=MGRS-",
    ends=datetime(2022, 1, 26, tzinfo=UTC),  # the first day of baseline 04.00 alone
    before="04.00",  # of later ones the offset is not known (earth-search issues 66 and 71)
)
PC_S1 = Provider(
    "planetary-computer-rtc",
    "Planetary Computer, Sentinel-1 RTC",
    f"https://{PLANETARY}/api/stac/v1/search",
    "sentinel-1-rtc",
    re.compile(
        rf"https://{re.escape(S1_BLOBS)}/sentinel1-grd-rtc/GRD/\d{{4}}/\d{{1,2}}/\d{{1,2}}/[A-Z]{{2}}/[A-Z]{{2}}/"
        r"(?P<product>S1[A-D]_[A-Z]{2}_GRD[A-Z]_1S[A-Z]{2}_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4})/"
        r"measurement/[a-z]{2}\d?-(?:vv|vh|hh|hv)\.rtc\.tiff"
    ),
    {name: name.lower() for name in ("VV", "VH", "HH", "HV")},
    "ids",
    250,
    token="sentinel-1-rtc",
    licence="CC-BY-4.0",
    attribution=f"{_COPERNICUS}, processed by CATALYST, hosted by Microsoft Planetary Computer",
)
# Pixels of 0.0002 degrees, tiles of 1 degree; files and bands: https://docs.digitalearthafrica.org, "Sentinel-1 SAR
# Backscatter", tables 2, 3 and 5. Its search is Open Data Cube's explorer, whose `next` link merges.
DE_AFRICA_S1 = Provider(
    "de-africa-rtc",
    "Digital Earth Africa, Sentinel-1 RTC of 20 m",
    f"https://{DE_AFRICA}/stac/search",
    "s1_rtc",
    re.compile(
        rf"https://{re.escape(DE_AFRICA_BUCKET)}/s1_rtc/(?P<tile>[NS]\d{{2}}[EW]\d{{3}})/(?P<year>\d{{4}})/(?P<month>\d{{2}})/"
        r"(?P<day>\d{2})/(?P<take>[0-9A-F]{6})/"
        r"(?P<index>s1_rtc_(?P=take)_(?P=tile)_(?P=year)_(?P=month)_(?P=day))_(?:VV|VH|MASK)\.tif"
    ),
    {"VV": "vv", "VH": "vh"},
    "link",
    100,
    second=True,
    area_wsen=(-26.5, -47.5, 64.5, 38.5),  # Africa with its islands
    licence="CC-BY-4.0",
    attribution=f"{_COPERNICUS}, processed by Sinergise, hosted by Digital Earth Africa",
)
SENTINEL2, SENTINEL1 = (C1, PC_S2, OLD), (PC_S1, DE_AFRICA_S1)
