"""A label source as users write it: a product, a table, an Earth Engine asset, a raster or a vector file, with options.

worldcover            gaia@2018             a product, or a product of a given year
vida:CHN              grip4:Europe#width=6  a table of buildings or roads of a place
projects/p/assets/x   users/me/x#b1=50,80   an asset of 0, 1 and 255, or a band and its impervious codes
clcplus:clc.tif       nlcd:fct.tif          a downloaded file of a product that Earth Engine does not hold
survey.tif#2=1,3      roads.gpkg#width=6    a file: the band by number, or options of vectors
survey.gpkg#column=class                    points: the class of the pixel under each, from an attribute
survey.gpkg#column=cover#impervious=town    the same, of values that are impervious; all others are pervious
survey.tif#1=1/pervious=0/unknown=-1        every code of the band; codes that are left out are unknown
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isamap.gee_export.base.suggest import suggest
from isamap.gee_export.labelling import file_products, label_products, tables
from isamap.gee_export.labelling.file_products import FileProduct

RASTERS = (".tif", ".tiff", ".vrt")
VECTORS = (".geojson", ".json", ".gpkg", ".shp", ".fgb", ".parquet", ".geoparquet")
OTHER_FILES = (".csv", ".txt", ".xlsx", ".kml", ".kmz", ".zip", ".gpx", ".png", ".jpg", ".nc", ".h5", ".hdf")
PERCENT = "percent"
COLUMN, IMPERVIOUS = "column", "impervious"  # the option that makes labels of points, and which values are impervious
FILES = ("raster", "vectors", "points")  # kinds that lie on this machine


@dataclass(frozen=True)
class LabelSource:
    """source_type: product, asset (tables too), raster, vectors or points; address: its name, id or path."""

    text: str
    source_type: str
    address: str
    year: int | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    of: FileProduct | None = field(default=None, hash=False)  # the product that a file is of

    @classmethod
    def parse(cls, text: str) -> LabelSource:
        """ValueError naming what is wrong with it."""
        address, *words = text.split("#")
        if named := file_products.split(address):
            return cls._of_file(text, *named, words)
        table = tables.asset_of(address)
        address = table or address
        source_type = "asset" if table else _kind(address)
        options = dict(_option(text, word) for word in words)
        if len(options) < len(words):
            raise ValueError(f"label {text!r} gives an option twice")
        if source_type == "vectors" and COLUMN in options:
            source_type = "points"
        year = None
        if source_type == "product":
            address, year = _dated(address)
            label_products.check(address)
            if options:
                raise ValueError(f"label {text!r}: products take no options, only a year such as {address}@2018")
        return cls(text, source_type, address, year, options)

    @classmethod
    def _of_file(cls, text: str, product: FileProduct, path: str, words: list[str]) -> LabelSource:
        if words:
            raise ValueError(f"label {text!r}: the product says what its codes mean: leave #{'#'.join(words)} out")
        if _kind(path) != "raster":
            raise ValueError(f"label {text!r}: expected a raster ({' '.join(RASTERS)}) after the colon")
        return cls(text, "raster", path, None, {"1": product.codes}, product)

    @property
    def name(self) -> str:
        """What manifests call it: no folder of this machine."""
        if self.source_type in ("product", "asset"):
            return self.text
        if self.of is not None:
            return f"{self.text.partition(':')[0]}:{Path(self.address).name}"
        return "#".join([Path(self.address).name, *self.text.split("#")[1:]])

    def refuse_options(self, names: tuple[str, ...]) -> None:
        """ValueError for options that its kind does not have."""
        for name in self.options:
            if name not in names:
                raise ValueError(f"label {self.text!r}: option {name!r} is unknown, expected {', '.join(names)}")


@dataclass(frozen=True)
class CodeMap:
    """What a raster's codes mean, as `#BAND=50,80/pervious=10/unknown=-1` says it.

    pervious None: every other code. 255 is unknown unless it is named.
    """

    impervious: tuple[int, ...]
    pervious: tuple[int, ...] | None = None
    unknown: tuple[int, ...] = ()


def codes_of(source: LabelSource) -> tuple[str | None, CodeMap | str | None]:
    """Band (None: the only one) and code map (None: 0, 1 and 255; "percent": shares) of a raster or asset."""
    if len(source.options) > 1:
        raise ValueError(f"label {source.text!r}: expected one band, such as #b1 or #b1=50,80")
    if not source.options:
        return None, None
    ((band, words),) = source.options.items()
    return band, words or None if words in ("", PERCENT) else _code_map(source, words)


def _code_map(source: LabelSource, words: str) -> CodeMap:
    impervious, *others = words.split("/")
    lists = {"impervious": _numbers(source, impervious)}
    for clause in others:
        name, _, numbers = clause.partition("=")
        if name not in ("pervious", "unknown") or name in lists:
            raise ValueError(
                f"label {source.text!r}: {clause!r}, expected pervious=CODES or unknown=CODES once each, such as "
                "#1=50,80/unknown=-1"
            )
        lists[name] = _numbers(source, numbers)
    codes = [code for numbers in lists.values() for code in numbers]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"label {source.text!r} gives code {twice[0]} twice: name each code once")
    return CodeMap(**lists)


def _numbers(source: LabelSource, words: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise ValueError(
            f"label {source.text!r}: {words!r} is neither whole numbers with commas between them nor {PERCENT}"
        ) from error


def _kind(address: str) -> str:
    suffix = Path(address).suffix.lower()
    path, has_option, option = address.partition("=")
    if has_option and Path(path).suffix.lower() in (*RASTERS, *VECTORS):
        raise ValueError(f"label {address!r}: options follow a #, such as {path}#1={option} of a raster's codes")
    if suffix in RASTERS:
        return "raster"
    if suffix in VECTORS:
        return "vectors"
    if suffix in OTHER_FILES or (suffix and Path(address).exists()):
        near = suggest(Path(address).stem, label_products.LABELS, cutoff=0.0)
        raise ValueError(
            f"label {address!r} ends in {suffix}, which no label source has: give a raster ({' '.join(RASTERS)}), "
            f"vectors ({' '.join(VECTORS)}) or a product ({near} "
            "`isamap labels` lists them); of points, a GeoPackage or GeoJSON: points.gpkg#column=class"
        )
    return "asset" if "/" in address else "product"


def _option(text: str, word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    if not name:
        raise ValueError(f"label {text!r}: an option is missing after #")
    return name, value


def _dated(address: str) -> tuple[str, int | None]:
    name, at, year = address.partition("@")
    if at and not (year.isdigit() and len(year) == 4):
        raise ValueError(f"label {address!r}: expected a year of four digits after @, such as {name}@2018")
    return name, int(year) if at else None
