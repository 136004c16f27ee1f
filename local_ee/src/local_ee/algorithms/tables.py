"""Tables of features: loading them from a catalog that has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    invent = getattr(catalog, "named_feature", lambda *_: None)

    def invented(wanted: Mapping[str, Any]) -> Feature | None:
        row = invent(tableId, wanted)
        return None if row is None else _feature(row, len(rows))

    return LoadedTable(find, "FeatureCollection", tableId, columns=columns, invented=invented)


@dataclass(frozen=True, eq=False)
class LoadedTable(Collection):
    """A table as filters leave it; where no feature is left, the one that their equalities name.

    Only the simulated world invents it (world/public_tables.py), so that a script goes on after filtering by a name.
    """

    invented: Callable[[Mapping[str, Any]], Feature | None] = field(kw_only=True, repr=False)
    filters: tuple[Any, ...] = ()

    def filtered(self, passes: Any) -> Collection:
        left = super().filtered(passes)
        filters = (*self.filters, passes)
        return replace(left, filters=filters, find=lambda: left.find() or self._named(filters))  # type: ignore[call-arg]

    def _named(self, filters: Sequence[Any]) -> list[Feature]:
        equalities = dict(pair for each in filters for pair in each.equalities())
        feature = self.invented(equalities) if equalities else None
        return [feature] if feature is not None and all(each.matches(feature) for each in filters) else []


def _feature(row: SourceFeature, position: int) -> Feature:
    geometry = None if row.geometry is None else Geometry(row.geometry, geodesic=row.geodesic)
    return Feature(geometry, {INDEX: f"{position:020x}", **row.properties})
