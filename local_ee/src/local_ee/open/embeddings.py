"""AlphaEarth's annual embeddings on Source Cooperative as GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL.

One image a file of 8,192 x 8,192 pixels of a UTM zone, bands A00 to A63 of int8 by a square law, south-up.
Source: https://source.coop/tge-labs/aef (README).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from local_ee.catalog import BoundsWSEN, SourceImage
from local_ee.open.addressed import check_count, grid_of_head, of_year, outline_of, year_ms
from local_ee.open.cog import Cogs, FileAt, Head
from local_ee.open.conversions import SquareLaw
from local_ee.open.embedding_index import Row, rows
from local_ee.open.errors import Missing
from local_ee.open.hosts import Address
from local_ee.open.providers import SOURCE_COOP
from local_ee.open.scenes import Scene, SceneBand, image_of

BANDS = tuple(f"A{axis:02d}" for axis in range(64))
NODATA = -128.0


@dataclass(frozen=True)
class AlphaEarth:
    """The collection."""

    id: str = "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL"

    def images(self, start_ms: float, end_ms: float, bounds_wsen: BoundsWSEN, cogs: Cogs) -> Sequence[SourceImage]:
        """The files of years that begin in the period and touch the bounds."""
        of_years = [row for row in rows(cogs, bounds_wsen) if start_ms <= year_ms(row.year) < end_ms]
        check_count(self.id, of_years)
        heads = cogs.heads([_file(row) for row in of_years])
        pairs = zip(of_years, heads, strict=True)
        return [self._image(row, head, cogs) for row, head in pairs if not isinstance(head, Missing)]

    def image(self, index: str, cogs: Cogs) -> SourceImage | None:
        """The image of a file's name, or None where the list has none."""
        row = next((row for row in rows(cogs) if row.index == index), None)
        head = None if row is None else cogs.heads([_file(row)])[0]
        return self._image(row, head, cogs) if row is not None and isinstance(head, Head) else None

    def _image(self, row: Row, head: Head, cogs: Cogs) -> SourceImage:
        grid = grid_of_head(head)
        bands = tuple(SceneBand(name, head.file, grid, SquareLaw(), NODATA, at) for at, name in enumerate(BANDS))
        facts = {"UTM_ZONE": row.zone, "open:href": str(head.file.address), "open:etag": head.etag}
        properties = of_year(row.year, row.index, "alphaearth") | facts
        return image_of(Scene(f"{self.id}/{row.index}", "alphaearth", properties, outline_of(grid), bands), cogs)


def _file(row: Row) -> FileAt:
    return FileAt(Address(SOURCE_COOP, f"/tge-labs/aef/{row.path}.tiff"))
