"""JointSeg's ground on the simulated world: 10-m patches with dates beside 1-m images and labels; coarser products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from isamap.gee_export.base.regions import BoundsWSEN, named
from isamap.gee_export.patches.sampling import Sampling
from isamap.reproduction.study import Export
from isamap.reproduction.worlds import MOSTLY_TEST, TRUTH_10

WORLD = "projects/local/assets/world"
SUMMER = "2021-JJA"  # the season of the world's 1-m image, in the year of JointSeg's map
MONTH = "2021-07"
# Half of the patches have five or more clear dates in July; of fewer, dates are repeated.
DATES = 8
# square metres: the minimum unit of a map drawn by people, as of OpenStreetMap's buildings
DRAWN_M2 = 50
# By stratum, W S E N in degrees: town edges up-, mid- and downstream of the Yangtze, as JointSeg drew its samples
# (docs/reference/networks.md, "JointSeg: sources"), and the abstract's dense cities and mountains around their towns.
STRATA: Mapping[str, Mapping[str, BoundsWSEN]] = MappingProxyType(
    {
        "town edges": {
            "wuhan": (114.33, 30.42, 114.46, 30.53),
            "hangzhou": (119.98, 30.18, 120.12, 30.29),
            "guiyang": (106.60, 26.52, 106.73, 26.63),
            "yunnan": (100.17, 25.54, 100.29, 25.65),
        },
        "dense cities": {"suzhou": (120.52, 31.24, 120.72, 31.38), "nanjing": (118.70, 31.97, 118.88, 32.12)},
        "mountains": {"ganzi": (101.88, 29.98, 102.04, 30.12), "zhaotong": (103.62, 27.25, 103.81, 27.43)},
    }
)
# villages of the same prefectures apart from STRATA's ground, whose test patches hold hardly anything impervious
VILLAGES: Mapping[str, tuple[str, BoundsWSEN]] = MappingProxyType(
    {
        "ganzi-west": ("ganzi", (101.159, 30.2, 101.209, 30.239)),
        "ganzi-north": ("ganzi", (101.832, 30.332, 101.882, 30.377)),
        "ganzi-east": ("ganzi", (102.037, 30.212, 102.08, 30.25)),
        "zhaotong-west": ("zhaotong", (103.364, 28.238, 103.407, 28.294)),
        "zhaotong-north": ("zhaotong", (103.911, 27.86, 103.961, 27.905)),
        "zhaotong-east": ("zhaotong", (104.354, 27.656, 104.403, 27.712)),
    }
)
PATCHES, PAPER_PATCHES = 210, 1500
# 128 test patches, half of them with scattered houses and half with next to none: area too many shows on those
SCATTERED = Sampling("strata", strata=(0.0, 0.05, 0.3), per_stratum=(80, 80))
_WHERE = (
    "Eight places in three strata: the edges of Wuhan, Hangzhou, Guiyang and Dali (Yunnan), the dense cities of Suzhou "
    "and Nanjing, the mountains of Ganzi and Zhaotong. Training, validation and test have patches of every place; "
    "places are kilometres around towns, not prefectures. Labels at 1 m, and at 10 m what is impervious by more than "
    "half, are the world's truth."
)


def pairs(patches: int = PATCHES) -> Export:
    """Patches of 32 px at 10 m and 320 px at 1 m over eight places, 9:1:7 by blocks; a composite of one month."""
    remarks = (_WHERE, "Six bands of Sentinel-1 and -2, composites of July 2021.")
    return Export(f"jointseg-{patches}", _composite(MONTH) | _fine() | _where(patches), remarks)


def dated_pairs(patches: int = PAPER_PATCHES, period: str = SUMMER) -> Export:
    """The same with composites of SUMMER or MONTH, and up to eight clear dates of it."""
    when = {SUMMER: "June to August 2021", MONTH: "July 2021"}[period]
    remarks = (_WHERE, f"Six bands of Sentinel-1 and -2, composites of {when} and up to {DATES} clear dates of it.")
    dates = {"frames": "scenes", "max_frames": DATES}
    return Export(f"jointseg-{patches}-dated", _composite(period) | _fine() | dates | _where(patches), remarks)


def drawn_pairs(patches: int, ratios: tuple[int, int, int]) -> Export:
    """Patches of a month's composite by blocks, with labels at 1 m that hold nothing smaller than DRAWN_M2."""
    remarks = (_WHERE, "Six bands of Sentinel-1 and -2, composites of July 2021.")
    arguments = _composite(MONTH) | _fine() | _where(patches) | {"fine_least": DRAWN_M2, "ratios": ratios}
    return Export(f"jointseg-{patches}-drawn", arguments, remarks)


def shares(patches: int = PATCHES, period: str = MONTH) -> Export:
    """The patches of pairs() with two bands instead of images: the true impervious share and the mean height."""
    image = {"image": f"{WORLD}/truth10", "unit": "reflectance=0.01"}
    remarks = ("The oracle's bands are the truth's impervious share and mean height of each 10-m pixel.",)
    return Export(f"jointseg-{patches}-shares", _patch(period, TRUTH_10) | image | _fine() | _where(patches), remarks)


def product(label: str, patches: int = PATCHES, period: str = MONTH) -> Export:
    """A product's 10-m labels on the same patches; the image beside them is not read."""
    image = {"image": f"{WORLD}/truth10", "unit": "reflectance=0.01"}
    return Export(f"jointseg-{patches}-{label}", _patch(period, label) | image | _where(patches))


def villages(period: str = MONTH) -> Export:
    """Patches of mountain villages, nearly all test, as pairs(): composites beside 1-m images and labels."""
    remarks = (
        "Mountains are six villages of Ganzi and Zhaotong, kilometres from the ground that was trained on; half of the "
        "patches are 5 to 30 % built, half less.",
    )
    return Export(
        f"jointseg-villages-{period}", _composite(period) | _fine() | _in_villages() | {"sample": SCATTERED}, remarks
    )


def village_product(label: str, period: str = MONTH) -> Export:
    """A product's 10-m labels on all patches of the villages, those of villages() among them."""
    image = {"image": f"{WORLD}/truth10", "unit": "reflectance=0.01"}
    return Export(f"jointseg-villages-{period}-{label}", _patch(period, label) | image | _in_villages())


def _in_villages() -> dict[str, Any]:
    return {
        "region": tuple(replace(named(of).part(box), name=name) for name, (of, box) in VILLAGES.items()),
        "ratios": MOSTLY_TEST,
    }


def _where(patches: int) -> dict[str, Any]:
    boxes = {name: bounds for places in STRATA.values() for name, bounds in places.items()}
    return {
        "region": tuple(named(name).part(bounds) for name, bounds in boxes.items()),
        # The paper's points lie 3 km apart (docs/reference/paper-rows.md, row 124); eight boxes of some 12 km hold
        # no 210 of those.
        "sample": Sampling("points", distance_km=0.8),
        "max_patches": patches,
        "ratios": (9, 1, 7),
    }


def _patch(period: str, label: str) -> dict[str, Any]:
    return {"period": period, "size": 32, "stride": 32, "label": label}


def _composite(period: str) -> dict[str, Any]:
    # Dates that are sampled from the 1-m ground each for itself: what several of them know must not be one picture.
    return _patch(period, TRUTH_10) | {"catalog": "world-subpixel"}


def _fine() -> dict[str, Any]:
    """The 1-m image and labels; a 10 m pixel is impervious where more than half of it is at 1 m."""
    return {
        "fine": f"{WORLD}/imagery1m",
        "fine_unit": "reflectance=0.0001",
        "fine_label": f"{WORLD}/truth#impervious",
    }
