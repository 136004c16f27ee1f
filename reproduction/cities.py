"""RU-Net++'s six places on the simulated world, labelled where two products agree."""

from __future__ import annotations

from gee_export.base.regions import Region, named
from reproduction.study import Export
from reproduction.worlds import OPTICAL_10M

# RU-Net++ section 2.2.1, each around its town; W S E N in degrees
SIX = {
    "beijing": (116.30, 39.80, 116.46, 39.92),
    "wuhan": (114.24, 30.44, 114.40, 30.56),
    "ili": (81.26, 43.87, 81.40, 43.97),
    "urumqi": (87.50, 43.78, 87.66, 43.90),
    "baoding": (115.41, 38.82, 115.55, 38.92),
    "langfang": (116.63, 39.47, 116.77, 39.57),
}
PAPER_SIDE = 512
_ABOUT = (
    "Sentinel-2's four 10-m bands (blue, green, red, near infrared) of July 2019 stand for Gaofen-1's 16-m ones; "
    "labels are impervious or pervious where GLC_FCS30D of 2019 and GISA of 2019 agree, unknown elsewhere (the "
    "paper's were GLC_FCS30D of 2020 and GISA of 2019; how it joined them is not printed).",
)


def cities() -> Export:
    """497 patches of 128 px of the six towns, 7:2:1 by blocks; unknown where the products differ."""
    return _export("runetpp", tuple(named(name).part(box) for name, box in SIX.items()), 128, 128)


def whole_cities() -> Export:
    """Patches of 512 px at stride 256 of the six regions, as large as the paper's."""
    return _export("runetpp-512", tuple(named(name) for name in SIX), PAPER_SIDE, PAPER_SIDE // 2)


def _export(name: str, where: tuple[Region, ...], size: int, stride: int) -> Export:
    arguments = {
        "region": where,
        "month": "2019-07",
        "bands": OPTICAL_10M,
        "label": ("glc_fcs30d", "gisa"),
        "fusion": "intersection",
        "size": size,
        "stride": stride,
        "ratios": (7, 2, 1),
    }
    return Export(name, arguments, _ABOUT)
