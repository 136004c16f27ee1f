"""Several catalogs as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_ee.catalog import AssetInfo, BoundsWSEN, Catalog, SourceImage
from local_ee.catalog.table import SourceFeature


class CatalogStack:
    """The catalogs one over the other: the first that holds an id answers for it."""

    def __init__(self, catalogs: Sequence[Catalog]) -> None:
        self._catalogs = tuple(catalogs)

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None where no catalog holds it."""
        candidates = (catalog.describe(asset_id) for catalog in self._catalogs)
        return next((info for info in candidates if info is not None), None)

    def image(self, image_id: str) -> SourceImage | None:
        """One image, or None."""
        candidates = (catalog.image(image_id) for catalog in self._catalogs)
        return next((image for image in candidates if image is not None), None)

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """The images of the first catalog that holds the collection; none where no catalog does."""
        for catalog in self._catalogs:
            if catalog.describe(collection_id) is not None:
                return catalog.images(collection_id, start_ms, end_ms, bounds_wsen)
        return ()

    @property
    def known_ids(self) -> tuple[str, ...]:
        """The ids of all catalogs that can say them."""
        return tuple(name for catalog in self._catalogs for name in getattr(catalog, "known_ids", ()))

    def ground_of(self, collection_id: str, properties: Mapping[str, Any]) -> BoundsWSEN | None:
        """The box of all images with some properties, where the catalog that holds the collection knows it."""
        owner = next((catalog for catalog in self._catalogs if catalog.describe(collection_id) is not None), None)
        where = getattr(owner, "ground_of", None)
        bounds: BoundsWSEN | None = None if where is None else where(collection_id, properties)
        return bounds

    def named_feature(self, asset_id: str, wanted: Mapping[str, Any]) -> SourceFeature | None:
        """What the catalog that holds a table invents for wanted values; None where it invents nothing."""
        inventors = (getattr(catalog, "named_feature", None) for catalog in self._catalogs)
        features = (invent(asset_id, wanted) for invent in inventors if invent is not None)
        return next((feature for feature in features if feature is not None), None)

    def table(self, asset_id: str) -> Sequence[SourceFeature] | None:
        """The features of a table, of the first catalog that has tables and this one; None where none has."""
        readers = (getattr(catalog, "table", None) for catalog in self._catalogs)
        tables = (read(asset_id) for read in readers if read is not None)
        return next((table for table in tables if table is not None), None)

    def classifier(self, asset_id: str) -> Sequence[SourceFeature] | None:
        """The rows of a stored classifier, of the first catalog that has it; None where none has."""
        readers = (getattr(catalog, "classifier", None) for catalog in self._catalogs)
        stored = (read(asset_id) for read in readers if read is not None)
        return next((rows for rows in stored if rows is not None), None)

    def geotiff(self, uri: str) -> SourceImage:
        """A GeoTIFF of a bucket as an image; ValueError where no catalog has buckets."""
        image: SourceImage = self._with_buckets("geotiff")(uri)
        return image

    def content(self, uri: str) -> bytes:
        """The bytes of a bucket's object; ValueError where no catalog has buckets."""
        content: bytes = self._with_buckets("content")(uri)
        return content

    def _with_buckets(self, method: str) -> Callable[[str], Any]:
        readers = (getattr(catalog, method, None) for catalog in self._catalogs)
        reader: Callable[[str], Any] | None = next((each for each in readers if each is not None), None)
        if reader is None:
            raise ValueError("no catalog of the stack has buckets: add CloudObjects")
        return reader

    def contents(self, asset_id: str) -> Sequence[AssetInfo]:
        """What a folder holds, of the first catalog that can list it; nothing where none can."""
        listers = (getattr(catalog, "contents", None) for catalog in self._catalogs)
        return next((infos for list_ in listers if list_ is not None and (infos := list_(asset_id))), ())
