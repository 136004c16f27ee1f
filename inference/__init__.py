"""Checkpoint and region in, map out, Earth Engine asset up: `map_region`, `run_jobs`, `publish`, `view` and their like.

Names load when they are used, so that `from isamap import inference` costs nothing.
"""

from __future__ import annotations

from importlib import import_module

if __name__ == "inference":  # a module under two names is loaded twice, with two classes of each name
    raise ImportError("this folder is a part of the package isamap: import isamap.inference")

_HOMES = {
    "map_region": "isamap.inference.mapping.map",
    "MapReport": "isamap.inference.mapping.map_report",
    "map_years": "isamap.inference.years.run",
    "run_jobs": "isamap.inference.runs.run",
    "publish": "isamap.inference.publishing.asset",
    "PublishReport": "isamap.inference.publishing.asset",
    "view": "isamap.inference.web_map.static_picture",
    "figure_panels": "isamap.inference.web_map.static_picture",
}

__all__ = ["MapReport", "PublishReport", "figure_panels", "map_region", "map_years", "publish", "run_jobs", "view"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'inference' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
