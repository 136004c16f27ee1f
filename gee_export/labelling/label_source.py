"""A label source as users write it: a product, a table, an Earth Engine asset, a raster or a vector file, with options.

worldcover            gaia@2018             a product, or a product of a given year
vida:CHN              grip4:Europe#width=6  a table of buildings or roads of a place
projects/p/assets/x   users/me/x#b1=50,80   an asset of 0, 1 and 255, or a band and its impervious codes
survey.tif#2=1,3      roads.gpkg#width=6    a file: the band by number, or options of vectors
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gee_export.labelling import label_products, tables

RASTERS = (".tif", ".tiff", ".vrt")
VECTORS = (".geojson", ".json", ".gpkg", ".shp", ".fgb", ".parquet", ".geoparquet")
PERCENT = "percent"


@dataclass(frozen=True)
class LabelSource:
    """kind: product, asset (tables too), raster or vectors; place: its name, id or path; options by name in order."""

    text: str
    kind: str
    place: str
    year: int | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, text: str) -> LabelSource:
        """ValueError naming what is wrong with it."""
        place, *words = text.split("#")
        table = tables.asset_of(place)
        place = table or place
        kind = "asset" if table else _kind(place)
        options = dict(_option(text, word) for word in words)
        if len(options) < len(words):
            raise ValueError(f"label {text!r} gives an option twice")
        year = None
        if kind == "product":
            place, year = _dated(place)
            label_products.check(place)
            if options:
                raise ValueError(f"label {text!r}: products take no options, only a year such as {place}@2018")
        return cls(text, kind, place, year, options)

    @property
    def name(self) -> str:
        """What manifests call it: no folder of this machine."""
        if self.kind in ("product", "asset"):
            return self.text
        return "#".join([Path(self.place).name, *self.text.split("#")[1:]])

    def refuse_options(self, known: tuple[str, ...]) -> None:
        """ValueError for options that its kind does not have."""
        for name in self.options:
            if name not in known:
                raise ValueError(f"label {self.text!r}: option {name!r} is unknown, expected {', '.join(known)}")


def codes_of(source: LabelSource) -> tuple[str | None, tuple[int, ...] | str | None]:
    """Band (None: the only one) and impervious codes (None: 0, 1 and 255; "percent": shares) of a raster or asset."""
    if len(source.options) > 1:
        raise ValueError(f"label {source.text!r}: expected one band, such as #b1 or #b1=50,80")
    if not source.options:
        return None, None
    ((band, words),) = source.options.items()
    if words in ("", PERCENT):
        return band, words or None
    try:
        return band, tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise ValueError(
            f"label {source.text!r}: {words!r} is neither whole numbers with commas between them nor {PERCENT}"
        ) from error


def _kind(place: str) -> str:
    suffix = Path(place).suffix.lower()
    if suffix in RASTERS:
        return "raster"
    if suffix in VECTORS:
        return "vectors"
    return "asset" if "/" in place else "product"


def _option(text: str, word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    if not name:
        raise ValueError(f"label {text!r}: an option is missing after #")
    return name, value


def _dated(place: str) -> tuple[str, int | None]:
    name, at, year = place.partition("@")
    if at and not (year.isdigit() and len(year) == 4):
        raise ValueError(f"label {place!r}: expected a year of four digits after @, such as {name}@2018")
    return name, int(year) if at else None
