"""Datasets of the simulated world that presets make for themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isamap.reproduction.study import Export

# shares of the world's 1-m truth in each 10-m pixel; of more than half, the label is impervious
TRUTH_10 = "projects/local/assets/world/truth10#impervious=percent"
OPTICAL_10M = ("B2", "B3", "B4", "B8")
# Nothing is trained there, but a dataset has all three splits.
MOSTLY_TEST = (1, 1, 8)
_TRUTH = (
    "Labels are the world's truth, impervious where more than half of a 10-m pixel is: it stands for the paper's "
    "labels, which were drawn by hand from finer images."
)


def wuhan(patches: int | None, *, split: str = "blocks") -> Export:
    """CroFuseNet's study area in June 2019: patches of 128 px at stride 80 (all if None), split 8:1:1, the truth as
    labels.

    CroFuseNet labelled by hand from finer images (section II-B): on the world, its truth stands for that.
    """
    return Export(_name("wuhan-2019-06", patches, split), _common(patches, split) | {"month": "2019-06"}, (_TRUTH,))


def wuhan_apart(patches: int, *, year: int = 2019) -> Export:
    """Patches of the same area in a June that lie side by side, 9:1:6 by blocks: each test patch is a block."""
    arguments = _common(patches, "blocks") | {"month": f"{year}-06", "stride": 128, "ratios": (9, 1, 6)}
    return Export(_name(f"wuhan-{year}-06", patches, "blocks"), arguments, (_TRUTH,))


def wuhan_2020(patches: int | None, *, split: str = "blocks") -> Export:
    """The same patches in June 2020 (CroFuseNet section V-C)."""
    return Export(_name("wuhan-2020-06", patches, split), _common(patches, split) | {"month": "2020-06"}, (_TRUTH,))


def nanjing(patches: int) -> Export:
    """Nanjing's central area from 1 May to 30 August 2019 (CroFuseNet section V-C); nearly all patches are test."""
    where = {"region": "nanjing", "bbox": (118.60, 31.90, 118.95, 32.20), "period": ("2019-05-01", "2019-08-30")}
    arguments = _common(patches, "blocks") | where | {"ratios": MOSTLY_TEST}
    return Export(_name("nanjing-2019-summer", patches, "blocks"), arguments, (_TRUTH,))


# W S E N in degrees: 15 km of Wuhan each, kilometres apart
_PARTS = {
    "west": (114.20, 30.52, 114.38, 30.67),
    "east": (114.40, 30.52, 114.58, 30.67),
    "north": (114.20, 30.70, 114.38, 30.85),
}


def wuhan_overlapping(part: str) -> Export:
    """All 400 patches of a part of Wuhan, which overlap by 48 px, split at random as in CroFuseNet."""
    where = {"month": "2019-06", "bbox": _PARTS[part]}
    return Export(f"wuhan-2019-06-{part}-random", _common(None, "random") | where, (_TRUTH,))


def wuhan_north() -> Export:
    """Patches of the northern part side by side, nearly all test."""
    where = {"month": "2019-06", "bbox": _PARTS["north"], "stride": 128, "ratios": MOSTLY_TEST}
    return Export("wuhan-2019-06-north", _common(None, "blocks") | where, (_TRUTH,))


def export(request: Export, home: Path) -> Path:
    """The folder under `home` that holds the dataset, made by the local engine from the simulated world if need be.

    An interrupted export goes on. ValueError where the folder holds other settings.
    """
    from isamap.gee_export.export.export import export_patches

    folder = home / request.name
    further = request.prepare(home) if request.prepare else {}
    export_patches(**{**request.arguments, **further}, out=folder)
    return folder


def _name(region_name: str, patches: int | None, split: str) -> str:
    return "-".join([region_name, str(patches or "all"), *([] if split == "blocks" else [split])])


def _common(patches: int | None, split: str) -> dict[str, Any]:
    return {"region": "wuhan", "label": TRUTH_10, "bands": OPTICAL_10M, "max_patches": patches, "split": split}
