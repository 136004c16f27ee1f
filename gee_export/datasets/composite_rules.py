"""The rules by which scenes become a composite, by version: datasets and checkpoints keep the one they were made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# 2: Sentinel-2 without its noisy edges, an acquisition in two tiles counted once, tiles of another zone interpolated;
# Sentinel-1 without scenes of 40 m, slopes flattened to the rim. 3: Sentinel-1's power of 0, which no ground gives, is
# missing.
COMPOSITE_VERSION = 3
# What each version changed, in the words of a user.
CHANGES = {
    2: "noisy edges of Sentinel-2 left out, ground in two tiles counted once, slopes flattened to the rim",
    3: "Sentinel-1's power of 0 missing",
}


def version_of(settings: Mapping[str, Any]) -> int | None:
    """The version of the rules that a dataset's settings name; None without composites of Sentinel."""
    if "clouds" not in settings:
        return None
    return int(settings.get("composite_version", 1))  # before 2026-11-24 no settings said it


def behind(version: int | None) -> str | None:
    """An earlier version of the rules in words, with what was changed since; None for the present ones."""
    if version is None or version >= COMPOSITE_VERSION:
        return None
    changed = "; ".join(CHANGES[number] for number in range(version + 1, COMPOSITE_VERSION + 1))
    return f"version {version}, the present one is {COMPOSITE_VERSION} ({changed})"
