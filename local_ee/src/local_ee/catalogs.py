"""The catalogs that a command can name: the simulated world, public archives, or a folder of images."""

from __future__ import annotations

from pathlib import Path

from local_ee.catalog import Catalog
from local_ee.catalog.table import ENDINGS

# The simulated world, and the same one whose Sentinel-2 is sampled from its 1-m ground date by date (docs/world.md).
SUBPIXEL = "world-subpixel"
WORLDS = ("world", SUBPIXEL)
OPEN = "open"  # the free public archives
# Of the simulated pixels: raise it with every change of them, and what was begun with others is refused.
WORLD_VERSION = "4"
NAMES = (*WORLDS, OPEN)
_CLASS_MAPS = (".tif", ".tiff")


def open_catalog(name: str | Path, *, home: Path | None = None, offline: bool = False) -> Catalog:
    """The catalog of a name of NAMES, the world on the class map of a path, or the folder of a path.

    ValueError where there is none. home: where public archives keep what was fetched (default_home); offline: they may
    fetch nothing.
    """
    if offline and str(name) != OPEN:
        raise ValueError(f"--offline is of --catalog {OPEN}; the catalog {str(name)!r} never fetches anything")
    if str(name) == OPEN:
        from local_ee.open.catalog import OpenCatalog

        return OpenCatalog(None if home is None else home / "open", offline=offline)
    if str(name) in WORLDS:
        from local_ee.world import World

        return World(subpixel=str(name) == SUBPIXEL)
    if is_class_map(name):
        from local_ee.world import World
        from local_ee.world.survey import Survey

        return World(survey=Survey.open(Path(name).expanduser()))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f'catalog {str(name)!r}: expected "world", "open", a folder of images (see docs/real-samples.md), '
            "or a GeoTIFF of classes (see docs/world.md)"
        )
    if not any(any(folder.rglob(form)) for form in ("*.tif*", *(f"*{ending}" for ending in ENDINGS))):
        raise ValueError(
            f"catalog {str(name)!r} holds no GeoTIFF: expected images under Earth Engine ids, such as "
            "COPERNICUS/S2_SR_HARMONIZED/NAME.tif (see docs/real-samples.md)"
        )
    from local_ee.catalog.folder import FolderCatalog

    return FolderCatalog(folder)


def is_world(name: str | Path) -> bool:
    """Whether a catalog is the simulated world in one of its forms, on a class map too."""
    return str(name) in WORLDS or is_class_map(name)


def is_class_map(name: str | Path) -> bool:
    """Whether a catalog is a file that puts real ground into the world."""
    path = Path(name).expanduser()
    return path.suffix.lower() in _CLASS_MAPS and path.is_file()


def world_version(name: str | Path) -> str:
    """What its pixels follow from: the world's version, and the class map it stands on."""
    if not is_class_map(name):
        return WORLD_VERSION
    from local_ee.world.survey import digest_of

    return f"{WORLD_VERSION} on {digest_of(Path(name).expanduser())[:16]}"
