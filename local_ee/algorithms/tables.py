"""Tables of features: loading them from a catalog that has them."""

from __future__ import annotations

from typing import Any

from local_ee.catalog.table import INDEX, SourceFeature
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection, Feature
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.sources import not_found
from local_ee.evaluation.value_types import name_of
from local_ee.raster.geometry import Geometry


@algorithm("Collection.loadTable")
def load_table(tableId: str, geometryColumn: str | None, version: int | None, catalog: Any) -> Collection:
    """The features of a table, in the order of its file, under their own system:index or their positions.

    Its columns are the types of the first feature's properties (assumption), also where a limit leaves no feature
    (guides/feature_collection_info).
    """
    rows = catalog.table(tableId)
    if rows is None or version not in (None, -1):
        raise not_found("Collection", tableId, catalog)
    if geometryColumn not in (None, "geometry"):
        raise EngineError(f"Collection.loadTable: The table's geometry column is 'geometry', not '{geometryColumn}'.")

    def find() -> list[Feature]:
        return [_feature(row, index) for index, row in enumerate(rows)]

    first = {INDEX: "", **rows[0].properties} if rows else {}
    columns = {name: name_of(first[name]) for name in sorted(first)}
    return Collection(find, "FeatureCollection", tableId, columns=columns)


def _feature(row: SourceFeature, position: int) -> Feature:
    geometry = None if row.geometry is None else Geometry(row.geometry, geodesic=row.geodesic)
    return Feature(geometry, {INDEX: f"{position:020x}", **row.properties})
