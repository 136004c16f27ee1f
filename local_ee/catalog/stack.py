"""Several catalogs as one, and the catalogs that a command can name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from local_ee.catalog import AssetInfo, BoundsWSEN, Catalog, SourceImage


class CatalogStack:
    """The catalogs one over the other: the first that holds an id answers for it."""

    def __init__(self, catalogs: Sequence[Catalog]) -> None:
        self._catalogs = tuple(catalogs)

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None where no catalog holds it."""
        found = (catalog.describe(asset_id) for catalog in self._catalogs)
        return next((info for info in found if info is not None), None)

    def image(self, image_id: str) -> SourceImage | None:
        """One image, or None."""
        found = (catalog.image(image_id) for catalog in self._catalogs)
        return next((image for image in found if image is not None), None)

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """The images of the first catalog that holds the collection; none where no catalog does."""
        for catalog in self._catalogs:
            if catalog.describe(collection_id) is not None:
                return catalog.images(collection_id, start_ms, end_ms, bounds_wsen)
        return ()


def open_catalog(name: str | Path) -> Catalog:
    """The simulated world for "world", else the folder of that path; ValueError where there is no such folder."""
    if str(name) == "world":
        from local_ee.world import World

        return World()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ValueError(f'catalog {str(name)!r}: expected "world" or a folder of images (see docs/real-samples.md)')
    if not any(folder.rglob("*.tif*")):
        raise ValueError(
            f"catalog {str(name)!r} holds no GeoTIFF: expected images under Earth Engine ids, such as "
            "COPERNICUS/S2_SR_HARMONIZED/NAME.tif (see docs/real-samples.md)"
        )
    from local_ee.catalog.folder import FolderCatalog

    return FolderCatalog(folder)
