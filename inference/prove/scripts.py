"""Step 8: what a viewer asks: tiles at several zooms, of a composite and of a network in Earth Engine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from isamap.gee_export.base.periods import Period
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Composite, Settings
from isamap.inference.prove import student
from isamap.inference.prove.facts import place_of
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

LON, LAT = 114.30, 30.565


def _tile(zoom: int, looks_of: Callable[[Composite], dict[str, Any]]) -> Callable[[ProofPlace], Any]:
    """Seconds and bytes of the tile over Wuchang."""

    def ask(place: ProofPlace) -> Any:
        import ee

        made = composite.build(place_of(), Period.parse("2019-06"), Settings())
        looks = looks_of(made)
        column, row = _numbers(zoom)
        begun_s = time.monotonic()
        try:
            content = ee.data.getMapId(looks)["tile_fetcher"].fetch_tile(column, row, zoom)
        except (OSError, ee.EEException) as error:
            return {"refused": " ".join(str(error).split())[:200]}
        return {"seconds": round(time.monotonic() - begun_s, 2), "png": content[:4] == b"\x89PNG"}

    return ask


def _composite(made: Composite) -> dict[str, Any]:
    return {"image": made.image.select(["B4", "B3", "B2"]), "min": "0", "max": "0.3"}


def _student(made: Composite) -> dict[str, Any]:
    return {"image": student.image_of(made).select(["prob"]), "min": "0", "max": "1"}


def _numbers(zoom: int) -> tuple[int, int]:
    """Column and row of the web map's tile that holds the place."""
    tiles = 2**zoom
    latitude = math.radians(LAT)
    row = (1 - math.asinh(math.tan(latitude)) / math.pi) / 2 * tiles
    return int((LON + 180) / 360 * tiles), int(row)


PROBES = (
    *(
        Probe(
            f"scripts.tile-{zoom}",
            f"a tile of zoom {zoom} is drawn",
            _tile(zoom, _composite),
            {"png": True} if zoom >= 13 else None,
            "inside-earth-engine",
            40,
        )
        for zoom in (14, 13, 12)
    ),
    *(
        Probe(
            f"scripts.student-tile-{zoom}",
            f"a tile of zoom {zoom} of a network inside Earth Engine is drawn",
            _tile(zoom, _student),
            {"png": True} if zoom >= 13 else None,
            "inside-earth-engine",
            60,
        )
        for zoom in (14, 13, 12, 10)
    ),
    *student.PROBES,
)
