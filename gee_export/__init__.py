"""Earth Engine side: regions and months to co-registered patches. `export_patches` is the command as a function."""

from __future__ import annotations

from typing import Any

if __name__ == "gee_export":  # a module under two names is loaded twice, with two classes of each name
    raise ImportError("this folder is a part of the package isamap: import isamap.gee_export")

__all__ = ["export_patches"]


def __getattr__(name: str) -> Any:
    if name == "export_patches":
        from isamap.gee_export.export.export import export_patches

        return export_patches
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
