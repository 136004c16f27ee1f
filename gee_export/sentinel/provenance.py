"""Which files of the public archives a composite was made of: what manifests and maps keep of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isamap.gee_export.base.regions import BoundsWSEN, Period
from isamap.gee_export.earth_engine import session
from isamap.gee_export.earth_engine.archives import attributions
from isamap.gee_export.sentinel.scenes import Scene

PREFIX = "open:"  # of the properties by which the local engine says where a scene of an archive lies
KEPT = {"PROCESSING_BASELINE": "baseline", "GENERATION_TIME": "generated_ms"}  # what also decides pixels


def of_archives(used: Sequence[Scene]) -> dict[str, Any]:
    """Provider, item, baseline, address and ETag of each scene by its index, with attributions; {} of other catalogs.

    Addresses have no query, so no token is kept. attribution: sentences with licence, one a provider.
    """
    facts = {scene.index: kept for scene in used if (kept := _facts(scene))}
    if not facts:
        return {}
    named = attributions({str(kept.get("provider")) for kept in facts.values()})
    return {"archives": facts, "attribution": named}


def left_out(collection: str, period: Period, bounds_wsen: BoundsWSEN) -> dict[str, list[str]]:
    """Scenes of a box that an archive lists in the period and that no image is made of: `SCENE (PROVIDER): why`.

    They cannot be used, or are twins: another archive, or another item, gives the same acquisition.
    """
    connected = session.current()
    texts = [] if connected is None else connected.left_out(collection, period, bounds_wsen)
    return {"left_out": texts} if texts else {}


def _facts(scene: Scene) -> dict[str, Any]:
    own = {name.removeprefix(PREFIX): v for name, v in scene.properties.items() if name.startswith(PREFIX)}
    if not own:
        return {}
    return own | {name: scene.get(key) for key, name in KEPT.items() if scene.get(key) is not None}
