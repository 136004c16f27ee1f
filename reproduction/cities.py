"""RU-Net++'s six places on the simulated world, labelled where two products agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isamap.gee_export.base.regions import Region, named
from isamap.reproduction.study import Export
from isamap.reproduction.worlds import OPTICAL_10M, TRUTH_10

# RU-Net++ section 2.2.1, each around its town; W S E N in degrees
SIX = {
    "beijing": (116.30, 39.80, 116.46, 39.92),
    "wuhan": (114.24, 30.44, 114.40, 30.56),
    "ili": (81.26, 43.87, 81.40, 43.97),
    "urumqi": (87.50, 43.78, 87.66, 43.90),
    "baoding": (115.41, 38.82, 115.55, 38.92),
    "langfang": (116.63, 39.47, 116.77, 39.57),
}
# RU-Net++'s patches, 512 px, here at half overlap.
PAPER_SIDE = 512
_PRODUCTS: Mapping[str, Any] = {"label": ("glc_fcs30d", "gisa"), "fusion": "intersection"}
_ABOUT = (
    "Sentinel-2's four 10-m bands (blue, green, red, near infrared) of July 2019 stand for Gaofen-1's 16-m ones; "
    "networks learn impervious or pervious where GLC_FCS30D of 2019 and GISA of 2019 agree, and nothing "
    "elsewhere (the paper's were GLC_FCS30D of 2020 and GISA of 2019; how it joined them is not printed); they are "
    "judged against the truth on every pixel.",
)


def cities() -> Export:
    """210 patches of 128 px of the six towns, 9:1:7 by blocks; unknown where the products differ."""
    return _small("runetpp", _PRODUCTS)


def cities_truth() -> Export:
    """The same patches labelled with the truth, which no training sees."""
    return _small("runetpp-truth", {"label": TRUTH_10})


def _small(name: str, labels: Mapping[str, Any]) -> Export:
    size = {"size": 128, "stride": 128, "ratios": (9, 1, 7), "max_patches": 210}
    return _export(name, tuple(named(name).part(box) for name, box in SIX.items()), {**labels, **size})


def whole_cities() -> Export:
    """Patches of 512 px at stride 256 of the six regions, as large as the paper's."""
    return _whole("runetpp-512", _PRODUCTS)


def whole_cities_truth() -> Export:
    """The same patches labelled with the truth."""
    return _whole("runetpp-512-truth", {"label": TRUTH_10})


def _whole(name: str, labels: Mapping[str, Any]) -> Export:
    size = {"size": PAPER_SIDE, "stride": PAPER_SIDE // 2, "ratios": (7, 2, 1)}
    return _export(name, tuple(named(name) for name in SIX), {**labels, **size})


def _export(name: str, where: tuple[Region, ...], further: Mapping[str, Any]) -> Export:
    return Export(name, {"region": where, "month": "2019-07", "bands": OPTICAL_10M, **further}, _ABOUT)
