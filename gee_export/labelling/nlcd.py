"""The impervious products of the National Land Cover Database (conterminous United States) as data.

Sources: google/earthengine-catalog, catalog/USGS/USGS_NLCD_RELEASES_2019_REL_NLCD and _2021_REL_NLCD; the community
catalog's page annual_nlcd (all read on 2026-11-24).
"""

from __future__ import annotations

from isamap.gee_export.labelling.product import Edition, Product, yearly
from isamap.gee_export.labelling.rules import BuiltArea, Codes

_RELEASES = "USGS/NLCD_RELEASES/{}_REL/NLCD"
_ANNUAL = "projects/sat-io/open-datasets/USGS/ANNUAL_NLCD"
_LICENCE = "CC0-1.0"
_CITATION = "Dewitz 2021, doi:10.5066/P9KZCM54; Dewitz 2023, doi:10.5066/P9JZ7AO3"
_ANNUAL_CITATION = "U.S. Geological Survey 2024, doi:10.5066/P94UXNTS"
_UNDATED = "the dates of its images are not on its page: read here as inside the year that they show"
# Each epoch for the imagery that is nearest to it, the earlier of two.
_EPOCHS = tuple(
    Edition(_RELEASES.format(release), year, first, last)
    for release, year, first, last in (
        (2019, 2001, 2000, 2002), (2019, 2004, 2003, 2005), (2019, 2006, 2006, 2007), (2019, 2008, 2008, 2009),
        (2019, 2011, 2010, 2012), (2019, 2013, 2013, 2014), (2019, 2016, 2015, 2017), (2019, 2019, 2018, 2020),
        (2021, 2021, 2021, 2023),
    )
)  # fmt: skip
# 23, roads that are "generally not paved", is ground that rain enters; 0 is unclassified: nothing impervious
_DESCRIPTOR = Codes({0: "pervious", 23: "pervious"} | dict.fromkeys((20, 21, 22, *range(24, 30)), "impervious"))
_ANY_SHARE = "it marks every pixel with any impervious ground, so of single roads and houses whole 30-m pixels"

PRODUCTS = (
    Product(
        name="nlcd",
        title="NLCD impervious percent, epochs of 2001 to 2021 (conterminous United States)",
        editions=_EPOCHS,
        band="impervious",
        scale_m=30,
        counts="developed impervious ground in percent: roofs, all paved roads, car parks, well pads",
        rule=BuiltArea(100),
        licence=_LICENCE,
        citation=_CITATION,
        dated=True,
        notes=("percent of each 30-m pixel", "the nearest epoch is taken, up to imagery of 2023"),
        caution=_UNDATED,
    ),
    Product(
        name="nlcd_descriptor",
        title="NLCD impervious descriptor: roads, buildings and energy sites (conterminous United States)",
        editions=_EPOCHS,
        band="impervious_descriptor",
        scale_m=30,
        counts="any share of roofs, paved roads or energy sites in a 30-m pixel; unpaved thinned roads (23) do not",
        rule=_DESCRIPTOR,
        licence=_LICENCE,
        citation=_CITATION,
        dated=True,
        notes=("20-22 roads, 24-26 buildings and other built ground, 27-29 energy", _ANY_SHARE),
        caution=_UNDATED,
    ),
    Product(
        name="nlcd_annual",
        title="Annual NLCD fractional impervious surface, 1985 to 2024 (conterminous United States)",
        editions=yearly(f"{_ANNUAL}/FRACTIONAL_IMPERVIOUS_SURFACE", range(1985, 2025)),
        scale_m=30,
        counts="impervious ground in percent: roofs, roads, car parks",
        rule=BuiltArea(100),
        licence=_LICENCE,
        citation=_ANNUAL_CITATION,
        dated=True,
        notes=("percent of each 30-m pixel, 250 is no data",),
        caution=_UNDATED,
    ),
    Product(
        name="nlcd_annual_descriptor",
        title="Annual NLCD impervious descriptor: roads and urban ground, 1985 to 2024 (conterminous United States)",
        editions=yearly(f"{_ANNUAL}/IMPERVIOUS_DESCRIPTOR", range(1985, 2025)),
        scale_m=30,
        counts="any share of roads or other developed ground in a 30-m pixel",
        rule=Codes({0: "pervious", 1: "impervious", 2: "impervious"}),
        licence=_LICENCE,
        citation=_ANNUAL_CITATION,
        dated=True,
        notes=("0 is neither, 1 roads, 2 urban", _ANY_SHARE),
        caution=_UNDATED,
    ),
)
