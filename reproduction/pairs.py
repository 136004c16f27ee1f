"""JointSeg's ground on the simulated world: 10-m patches with dates beside 1-m images and labels; coarser products."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gee_export.base.regions import BoundsWSEN, Region, named
from gee_export.patches.sampling import Sampling
from reproduction.study import Export
from reproduction.worlds import TRUTH_10

WORLD = "projects/local/assets/world"
SUMMER = "2021-JJA"  # the season of the world's 1-m image, in the year of JointSeg's map
DATES = 8
# town edges up-, mid- and downstream of the Yangtze, as JointSeg drew its samples (docs/reference/networks.md,
# "JointSeg: sources"); W S E N in degrees
TRAINED: Mapping[str, BoundsWSEN] = MappingProxyType(
    {
        "wuhan": (114.33, 30.42, 114.46, 30.53),
        "hangzhou": (119.98, 30.18, 120.12, 30.29),
        "guiyang": (106.60, 26.52, 106.73, 26.63),
        "yunnan": (100.17, 25.54, 100.29, 25.65),
    }
)
# the abstract's dense cities and mountains, each around its town
STRATA: Mapping[str, BoundsWSEN] = MappingProxyType(
    {
        "suzhou": (120.52, 31.24, 120.72, 31.38),
        "nanjing": (118.70, 31.97, 118.88, 32.12),
        "ganzi": (101.88, 29.98, 102.04, 30.12),
        "zhaotong": (103.62, 27.25, 103.81, 27.43),
    }
)
ALL_BUT_TEST = (1, 0, 9)
PATCHES, STRATUM_PATCHES = 320, 48
PAPER_PATCHES, PAPER_STRATUM_PATCHES = 1500, 200


def pairs(patches: int = PATCHES) -> Export:
    """Patches of 32 px at 10 m and 320 px at 1 m over four places, 6:1:3 by blocks; labels are the truth."""
    where = {"region": tuple(_box(name, TRAINED) for name in TRAINED), "sample": Sampling("points", distance_km=0.8)}
    remarks = (
        "Composites of June to August 2021 and up to 8 clear dates of them, six bands of Sentinel-1 and -2, on the "
        "edges of Wuhan, Hangzhou, Guiyang and Dali; labels at 1 m, and at 10 m what is impervious by more than half, "
        "are the world's truth.",
    )
    return Export(f"jointseg-{patches}", _layers() | where | {"max_patches": patches, "ratios": (6, 1, 3)}, remarks)


def stratum(name: str, patches: int = STRATUM_PATCHES) -> Export:
    """The same layers around one of STRATA; nearly all patches are test."""
    return Export(f"jointseg-{name}-{patches}", _layers() | _around(name, patches))


def product(name: str, label: str, patches: int = STRATUM_PATCHES) -> Export:
    """A product's 10-m labels on the patches of stratum(name)."""
    return Export(f"jointseg-{name}-{patches}-{label}", _composite(label) | _around(name, patches))


def _around(name: str, patches: int) -> dict[str, Any]:
    where = {"region": _box(name, STRATA), "sample": Sampling("points", distance_km=1.2)}
    return where | {"max_patches": patches, "ratios": ALL_BUT_TEST}


def _box(name: str, boxes: Mapping[str, BoundsWSEN]) -> Region:
    return named(name).part(boxes[name])


def _composite(label: str) -> dict[str, Any]:
    # Dates that are sampled from the 1-m ground each for itself: what several of them know must not be one picture.
    return {"period": SUMMER, "size": 32, "stride": 32, "label": label, "catalog": "world-subpixel"}


def _layers() -> dict[str, Any]:
    """Both scales and the dates; a 10 m pixel is impervious where more than half of it is at 1 m."""
    fine = {
        "fine": f"{WORLD}/imagery1m",
        "fine_unit": "reflectance=0.0001",
        "fine_label": f"{WORLD}/truth#impervious",
    }
    return _composite(TRUTH_10) | fine | {"frames": "scenes", "max_frames": DATES}
