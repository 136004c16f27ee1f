"""Earth Engine's ids that public archives answer, and those that none does, with what to do instead."""

from __future__ import annotations

from dataclasses import dataclass

from local_ee.open import addressed, sentinel1, sentinel2
from local_ee.open.embeddings import AlphaEarth
from local_ee.open.providers import SENTINEL1, SENTINEL2, Provider

_FILE = "download it and give it as --label FILE"
_SCL = "take the cloud mask scl (clouds=scl), which is made of the scenes' own classes"
_COMMUNITY = "projects/sat-io/open-datasets"
REFUSED = {
    "COPERNICUS/S2_HARMONIZED": "Level-1C is free as JPEG 2000 only: take COPERNICUS/S2_SR_HARMONIZED (level l2a)",
    "COPERNICUS/S2": "Level-1C is free as JPEG 2000 only: take COPERNICUS/S2_SR_HARMONIZED (level l2a)",
    "COPERNICUS/S2_SR": "take COPERNICUS/S2_SR_HARMONIZED, the same scenes in one range of numbers",
    "COPERNICUS/S2_CLOUD_PROBABILITY": _SCL,
    "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED": _SCL,
    "COPERNICUS/S1_GRD": "take COPERNICUS/S1_GRD_FLOAT, linear power",
    "COPERNICUS/DEM/GLO30_2024_1": "the open bucket holds the edition before: take COPERNICUS/DEM/GLO30",
    "USGS/SRTMGL1_003": "take COPERNICUS/DEM/GLO30",
    "NASA/NASADEM_HGT/001": "take COPERNICUS/DEM/GLO30",
    "GOOGLE/DYNAMICWORLD/V1": f"take ESA/WorldCover/v200, or {_FILE}",
    "GOOGLE/Research/open-buildings-temporal/v1": _FILE,
    "JRC/GHSL": _FILE,
    "Tsinghua/FROM-GLC/GAIA/v10": _FILE,
    "DLR/WSF": _FILE,
    _COMMUNITY: _FILE,
}


@dataclass(frozen=True)
class Searched:
    """A collection whose scenes are searched for; the providers in order of trust."""

    id: str
    title: str
    providers: tuple[Provider, ...]


SEARCHED = {
    sentinel2.COLLECTION: Searched(sentinel2.COLLECTION, "Sentinel-2 Level-2A", SENTINEL2),
    sentinel1.COLLECTION: Searched(sentinel1.COLLECTION, "Sentinel-1 RTC (gamma nought)", SENTINEL1),
}
ADDRESSED: dict[str, addressed.Addressed] = {product.id: product for product in (*addressed.PRODUCTS, AlphaEarth())}
IDS = (*SEARCHED, *ADDRESSED)


def refusal(asset_id: str) -> str | None:
    """Why no archive answers a public id and what to do instead; None for ids that are served or are not public."""
    if any(asset_id == served or asset_id.startswith(f"{served}/") for served in IDS):
        return None
    refused = (name for name in REFUSED if asset_id == name or asset_id.startswith(f"{name}/"))
    name = max(refused, key=len, default=None)
    return None if name is None else f"{asset_id}: no open archive has it as files of tiles: {REFUSED[name]}"
