"""Products that neither Earth Engine catalog holds, as files that the user downloads: `clcplus:FILE.tif`.

Sources: Copernicus Land Monitoring Service, product pages of Imperviousness Density and CLC+ Backbone; the checks of
eea/copernicus_quality_tools; mrlc.gov for NLCD (all by stored copies, read on 2026-11-24).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_COPERNICUS = "full, open and free with attribution (Copernicus Land Monitoring Service)"


@dataclass(frozen=True)
class FileProduct:
    """A raster of a provider. codes: of band 1, as a label of a file writes them; counts: what is impervious there."""

    title: str
    codes: str
    counts: str
    years: str
    licence: str
    citation: str

    @property
    def facts(self) -> Mapping[str, str]:
        """What the manifest says of a file of the product."""
        return {"title": self.title, "counts": self.counts, "licence": self.licence, "citation": self.citation}


FILE_PRODUCTS: dict[str, FileProduct] = {
    "imperviousness": FileProduct(
        title="Copernicus imperviousness density, percent of 10-m or 20-m pixels (Europe)",
        codes="percent",
        counts="sealed ground in percent: roofs, roads, rails, car parks, paved yards",
        years="2006, 2009, 2012, 2015 (20 m), 2018, 2021 (10 m)",
        licence=_COPERNICUS,
        citation="EEA 2020, doi:10.2909/3bf542bd-eebd-4d73-b53c-a0243f2ed862",
    ),
    "clcplus": FileProduct(
        title="CLC+ Backbone, the dominant cover of 10-m pixels (Europe)",
        codes="1/pervious=2,3,4,5,6,7,8,9,10,11/unknown=253,254,255",
        counts="sealed ground (code 1) where it is the largest part of the pixel: roofs, roads, car parks",
        years="2018, 2021, 2023",
        licence=_COPERNICUS,
        citation="EEA, Copernicus Land Monitoring Service, CLC+ Backbone (the file's own metadata has its DOI)",
    ),
    "nlcd": FileProduct(
        title="NLCD or Annual NLCD impervious percent, a file of mrlc.gov (United States)",
        codes="percent",
        counts="impervious ground in percent: roofs, roads, car parks",
        years="1985 to 2024, each year by itself",
        licence="CC0-1.0",
        citation="U.S. Geological Survey 2024, doi:10.5066/P94UXNTS",
    ),
}


def split(address: str) -> tuple[FileProduct, str] | None:
    """The product and the path of `NAME:FILE`; None for other words; ValueError where the file is missing."""
    name, colon, path = address.partition(":")
    if not colon or name not in FILE_PRODUCTS:
        return None
    if not path:
        raise ValueError(f"label {address!r}: expected {name}:FILE.tif, a file that you downloaded")
    return FILE_PRODUCTS[name], path


def line(name: str) -> str:
    """A product in one line, as `isamap labels` shows it."""
    product = FILE_PRODUCTS[name]
    return f"{name + ':FILE':<24} {product.title}; {product.years}; {product.licence}"


def markdown() -> str:
    """The products as docs/labels.md shows them."""
    head = "| label | product | years | codes of band 1 | licence |\n|---|---|---|---|---|"
    rows = (f"| `{name}:FILE` | {p.title} | {p.years} | {p.codes} | {p.licence} |" for name, p in FILE_PRODUCTS.items())
    return "\n".join([head, *rows])
