"""Checkpoint and region in, map out, Earth Engine asset up: map_region, map_years, run_jobs, publish, view,
figure_panels.

Names load when they are used, so that `import inference` costs nothing.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "map_region": "inference.map",
    "MapReport": "inference.map_report",
    "map_years": "inference.years.run",
    "run_jobs": "inference.tiles.run",
    "publish": "inference.asset",
    "PublishReport": "inference.asset",
    "view": "inference.picture",
    "figure_panels": "inference.picture",
}

__all__ = ["MapReport", "PublishReport", "figure_panels", "map_region", "map_years", "publish", "run_jobs", "view"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'inference' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
