"""The catalogs that a command can name: the simulated world, or a folder of images."""

from __future__ import annotations

from pathlib import Path

from local_ee.catalog import Catalog
from local_ee.catalog.table import ENDINGS


def open_catalog(name: str | Path) -> Catalog:
    """The simulated world for "world", else the folder of that path; ValueError where there is no such folder."""
    if str(name) == "world":
        from local_ee.world import World

        return World()
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
