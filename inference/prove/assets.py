"""Step 7: assets: ingestion of two bands, pyramids, sharing, external images, drawing without a palette."""

from __future__ import annotations

from typing import Any

from isamap.gee_export.requests import pixels
from isamap.inference.prove.exports import started
from isamap.inference.prove.pattern import column, grid_of
from isamap.inference.prove.place import NotHere, ProofPlace
from isamap.inference.prove.probe import Probe
from isamap.inference.publishing.asset import is_public, share

SIDE = 64


def _image(ee: Any) -> Any:
    """isa: impervious in each third column; prob: the column times 3."""
    isa = column(ee).mod(3).eq(0).rename("isa").toByte()
    return isa.addBands(column(ee).multiply(3).rename("prob").toByte()).updateMask(column(ee).lt(SIDE - 4))


def _uri(place: ProofPlace, name: str) -> str:
    """A cloud-optimised GeoTIFF of the image, written by an export and kept until the end."""
    import ee

    prefix = f"assets/{name}"
    if place.storage.exists(f"{prefix}.tif"):
        return f"{place.storage.url}/{prefix}.tif"
    image = _image(ee).unmask(255, False).toByte()
    options = {"formatOptions": {"cloudOptimized": True}}
    operation = place.finished(started(place, ee.data.newTaskId(1)[0], image, prefix, **options)["name"])
    if "error" in operation:
        raise NotHere(f"the export that this needs failed: {operation['error'].get('message', '')}")
    return f"{place.storage.url}/{prefix}.tif"


def _manifest(place: ProofPlace, name: str) -> dict[str, Any]:
    uri = _uri(place, "map")
    bands = [
        {
            "id": band,
            "tilesetId": "file",
            "tilesetBandIndex": index,
            "pyramidingPolicy": policy,
            "missingData": {"values": [255]},
        }
        for index, (band, policy) in enumerate((("isa", "MODE"), ("prob", "MEAN")))
    ]
    properties = {"isa_class_values": "0,1", "isa_class_palette": "d9d9d9,b2182b"}
    return {
        "name": place.asset(name),
        "tilesets": [{"id": "file", "sources": [{"uris": [uri]}]}],
        "bands": bands,
        "properties": properties,
    }


def _ingested(place: ProofPlace) -> Any:
    """The asset, ingested unless it is there."""
    import ee

    from isamap.gee_export.earth_engine.assets import info_or_none

    asset = f"{place.assets}/map"
    if info_or_none(asset) is None:
        operation = place.finished(ee.data.startIngestion(ee.data.newTaskId(1)[0], _manifest(place, "map"))["name"])
        if "error" in operation and info_or_none(asset) is None:  # else the repetition after a lost reply was first
            raise ValueError(f"ingestion failed: {operation['error'].get('message', '')}")
    return ee.Image(asset)


def _read_back(place: ProofPlace) -> Any:
    """Whether every pixel is the one that was made."""
    import ee
    import numpy as np

    grid = grid_of(SIDE, SIDE)
    made, kept = (pixels.fetch(image, grid, ["isa", "prob"]) for image in (_image(ee), _ingested(place)))
    return {
        "masks": bool(np.array_equal(made.valid_BHW, kept.valid_BHW)),
        "pixels": bool(np.array_equal(made.values_BHW, kept.values_BHW)),
    }


def _pyramid(place: ProofPlace) -> Any:
    """Two pixels of 40 m: the class by mode, the probability by mean."""
    grid = grid_of(SIDE, SIDE).zoom_out(4)[:1, :3]
    raster = pixels.fetch(_ingested(place), grid, ["isa", "prob"])
    return {"isa": raster.values_BHW[0, 0].tolist(), "prob": raster.values_BHW[1, 0].tolist()}


def _drawn(place: ProofPlace) -> Any:
    """Whether the class is drawn by the palette of the asset's properties, without one in the request."""
    import ee

    picture = ee.data.getMapId({"image": _ingested(place).select("isa")})
    return "tile_fetcher" in picture


def _shared(place: ProofPlace) -> Any:
    """Whether everybody may read the asset after sharing, and nobody after that was taken back."""
    import ee

    _ingested(place)
    asset = f"{place.assets}/map"
    before = ee.data.getIamPolicy(asset)
    share(asset)
    public, now = is_public(asset), ee.data.getIamPolicy(asset)
    ee.data.setIamPolicy(asset, {**now, "bindings": before.get("bindings", [])})
    return {"shared": public, "taken back": not is_public(asset)}


def _external(place: ProofPlace) -> Any:
    """Whether a cloud-optimised GeoTIFF becomes an asset without ingestion, at once."""
    import ee

    name = place.asset("external")
    tileset = [{"id": "file", "sources": [{"uris": [_uri(place, "map")]}]}]
    ee.data.startExternalImageIngestion({"name": name, "tilesets": tileset}, True)
    return {"bands": ee.Image(name).bandNames().getInfo(), "located": "cloudStorageLocation" in ee.data.getAsset(name)}


def _chart(place: ProofPlace) -> Any:
    """What the App's chart counts: the mean of the probability's pyramid times the area, in km2."""
    import ee

    share = _ingested(place).select("prob").divide(200)
    area = share.multiply(ee.Image.pixelArea()).divide(1e6)
    total = area.reduceRegion(ee.Reducer.sum(), _ingested(place).geometry(), 100, bestEffort=True, maxPixels=int(1e7))
    return {"km2 at 100 m": round(float(total.getInfo()["prob"]), 3)}


PROBES = (
    Probe(
        "assets.read-back",
        "an ingested map reads back as it was",
        _read_back,
        {"masks": True, "pixels": True},
        "google",
        5,
    ),
    Probe(
        "assets.pyramid",
        "the class's pyramid is the mode, the probability's the mean",
        _pyramid,
        {"isa": [0, 0, 0], "prob": [4, 16, 28]},
        "google",
        5,
    ),
    Probe("assets.palette", "an asset with a palette is drawn without one in the request", _drawn, True, "google", 2),
    Probe(
        "assets.sharing",
        "an asset can be shared with everybody, and that taken back",
        _shared,
        {"shared": True, "taken back": True},
        "publishing",
        1,
    ),
    Probe(
        "assets.external",
        "a cloud-optimised GeoTIFF is an asset at once, its location told",
        _external,
        {"bands": ["isa", "prob"], "located": True},
        "google",
        2,
    ),
    Probe("assets.chart", "the App's chart is counted at 100 m", _chart, None, "publishing", 2),
)
