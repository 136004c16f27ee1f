"""Which files of the public archives a composite was made of: what manifests and maps keep of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from isamap.gee_export.base.regions import Period
from isamap.gee_export.earth_engine import session
from isamap.gee_export.earth_engine.archives import attributions
from isamap.gee_export.sentinel.scenes import Scene

PREFIX = "open:"  # of the properties by which the local engine says where a scene of an archive lies
KEPT = {"PROCESSING_BASELINE": "baseline", "GENERATION_TIME": "generated_ms"}  # what also decides pixels
_DAY, _TILE = re.compile(r"(?<!\d)(\d{8})T\d{6}"), re.compile(r"_T(\d\d[C-X][A-Z]{2})(?![A-Z])")


def of_archives(used: Sequence[Scene]) -> dict[str, Any]:
    """Provider, item, baseline, address and ETag of each scene by its index, with attributions; {} of other catalogs.

    Addresses have no query, so no token is kept. attribution: sentences with licence, one a provider.
    """
    facts = {scene.index: kept for scene in used if (kept := _facts(scene))}
    if not facts:
        return {}
    named = attributions({str(kept.get("provider")) for kept in facts.values()})
    return {"archives": facts, "attribution": named}


def left_out(collection: str, period: Period, tiles: Collection[str]) -> dict[str, list[str]]:
    """Scenes of MGRS tiles that an archive lists in the period and that were not used: `SCENE (PROVIDER): why`."""
    connected = session.current()
    dropped = [] if connected is None else connected.dropped.get(collection, [])
    texts = sorted(text for text in dropped if _is_of(text, period, tiles))
    return {"left_out": texts} if texts else {}


def _is_of(text: str, period: Period, tiles: Collection[str]) -> bool:
    day, tile = _DAY.search(text), _TILE.search(text)
    if day is None or tile is None:
        return False
    return f"{period.start:%Y%m%d}" <= day[1] < f"{period.end:%Y%m%d}" and tile[1] in tiles


def _facts(scene: Scene) -> dict[str, Any]:
    own = {name.removeprefix(PREFIX): v for name, v in scene.properties.items() if name.startswith(PREFIX)}
    if not own:
        return {}
    return own | {name: scene.get(key) for key, name in KEPT.items() if scene.get(key) is not None}
