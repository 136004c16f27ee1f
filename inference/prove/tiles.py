"""Two tiles of a made-up map as the sources of one image, as `isamap publish` takes a run's tiles of a zone."""

from __future__ import annotations

from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.datasets import geotiff
from isamap.gee_export.datasets.manifest import Band
from isamap.gee_export.earth_engine.assets import info_or_none
from isamap.gee_export.requests import pixels
from isamap.inference.prove.pattern import grid_of
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

SIDE, FIRST, SECOND = 64, slice(0, 40), slice(32, 64)  # columns of two tiles, 8 of which lie in both
BANDS = ("isa", "prob")
UNKNOWN = 255


def _values(second: bool) -> np.ndarray:
    """Both bands of the whole square, as the tile has them; the top four rows are unknown."""
    column_HW = np.broadcast_to(np.arange(SIDE), (SIDE, SIDE))
    values_BHW = np.stack([column_HW % 3 == 0, column_HW * 2 + (100 if second else 0)]).astype(np.uint8)
    values_BHW[:, :4] = UNKNOWN
    return values_BHW


def _sources(place: ProofPlace) -> list[list[str]]:
    """The addresses of each band's two files, written to the bucket, the second tile's last."""
    uris: list[list[str]] = [[], []]
    for number, columns in enumerate((FIRST, SECOND)):
        grid = grid_of(SIDE, SIDE)[:, columns]
        for band, name in enumerate(BANDS):
            path = f"tiles/{number}_{name}.tif"
            place.note(f"objects {place.storage.url}/{path}")
            values_HW = _values(bool(number))[band][:, columns]
            place.storage.write(path, _file(values_HW, grid, name))
            uris[band].append(f"{place.storage.url}/{path}")
    return uris


def _file(values_HW: np.ndarray, grid: GeoBox, band: str) -> bytes:
    return geotiff.encode(values_HW[None], grid, (Band(band, "", 1.0, nodata=UNKNOWN),))


def _as_one(place: ProofPlace) -> Any:
    """Whether the image is both tiles: their pixels, what neither knows masked, and whose pixels lie on top."""
    import ee

    sources = _sources(place)
    asset = place.asset("tiles")
    manifest = {
        "name": asset,
        "tilesets": [
            {"id": f"file{band}", "sources": [{"uris": [uri]} for uri in uris]} for band, uris in enumerate(sources)
        ],
        "bands": [
            {
                "id": name,
                "tilesetId": f"file{band}",
                "tilesetBandIndex": 0,
                "pyramidingPolicy": policy,
                "missingData": {"values": [UNKNOWN]},
            }
            for band, (name, policy) in enumerate(zip(BANDS, ("MODE", "MEAN"), strict=True))
        ],
    }
    operation = place.finished(ee.data.startIngestion(ee.data.newTaskId(1)[0], manifest)["name"])
    if "error" in operation and info_or_none(asset) is None:  # else the repetition after a lost reply was first
        raise ValueError(f"ingestion failed: {operation['error'].get('message', '')}")
    raster = pixels.fetch(ee.Image(asset), grid_of(SIDE, SIDE), list(BANDS))
    return _compared(raster.values_BHW, raster.valid_BHW)


def _compared(values_BHW: np.ndarray, valid_BHW: np.ndarray) -> dict[str, Any]:
    first, second = (_values(second)[:, 4:] for second in (False, True))
    kept, both = values_BHW[:, 4:], slice(SECOND.start, FIRST.stop)
    on_top = [name for name, one in (("first", first), ("second", second)) if _alike(kept, one, both)]
    return {
        "first": _alike(kept, first, slice(0, SECOND.start)),
        "second": _alike(kept, second, slice(FIRST.stop, SIDE)),
        "on top": on_top[0] if on_top else "neither",
        "masks": bool(valid_BHW[:, 4:].all() and not valid_BHW[:, :4].any()),
    }


def _alike(kept_BHW: np.ndarray, made_BHW: np.ndarray, columns: slice) -> bool:
    return bool(np.array_equal(kept_BHW[..., columns], made_BHW[..., columns]))


PROBES = (
    Probe(
        "assets.tiles",
        "two tiles are one image, the later source on top",
        _as_one,
        {"first": True, "second": True, "on top": "second", "masks": True},
        "publishing",
        5,
    ),
)
