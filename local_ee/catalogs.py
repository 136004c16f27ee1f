"""The catalogs that a command can name: the simulated world, or a folder of images."""

from __future__ import annotations

from pathlib import Path

from local_ee.catalog import Catalog
from local_ee.catalog.table import ENDINGS

# The simulated world, and the same one whose Sentinel-2 is sampled from its 1-m ground date by date (docs/world.md).
SUBPIXEL = "world-subpixel"
WORLDS = ("world", SUBPIXEL)
# Of the simulated pixels: raise it with every change of them, and what was begun with others is refused.
WORLD_VERSION = "2"


def open_catalog(name: str | Path) -> Catalog:
    """The simulated world for a name of WORLDS, else the folder of that path; ValueError where there is none."""
    if str(name) in WORLDS:
        from local_ee.world import World

        return World(subpixel=str(name) == SUBPIXEL)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ValueError(f'catalog {str(name)!r}: expected "world" or a folder of images (see docs/real-samples.md)')
    if not any(any(folder.rglob(form)) for form in ("*.tif*", *(f"*{ending}" for ending in ENDINGS))):
        raise ValueError(
            f"catalog {str(name)!r} holds no GeoTIFF: expected images under Earth Engine ids, such as "
            "COPERNICUS/S2_SR_HARMONIZED/NAME.tif (see docs/real-samples.md)"
        )
    from local_ee.catalog.folder import FolderCatalog

    return FolderCatalog(folder)
