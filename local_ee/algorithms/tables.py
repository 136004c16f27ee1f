"""Tables of features: loading them from a catalog that has them."""

from __future__ import annotations

from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection, Feature
from local_ee.evaluation.registry import algorithm
from local_ee.raster.geometry import Geometry

_NOT_FOUND = "Collection asset '{}' not found (does not exist or caller does not have access)."


@algorithm("Collection.loadTable")
def load_table(tableId: str, geometryColumn: str | None, version: int | None, catalog: Any) -> Collection:
    """The features of a table, in the order of its file, under their positions as system:index."""
    rows = catalog.table(tableId)
    if rows is None or version not in (None, -1):
        raise EngineError(_NOT_FOUND.format(tableId))
    if geometryColumn not in (None, "geometry"):
        raise EngineError(f"Collection.loadTable: The table's geometry column is 'geometry', not '{geometryColumn}'.")

    def find() -> list[Feature]:
        return [
            Feature(Geometry(row.geometry, geodesic=False), {**row.properties, "system:index": f"{index:020x}"})
            for index, row in enumerate(rows)
        ]

    return Collection(find, "FeatureCollection", tableId)
