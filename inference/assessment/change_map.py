"""A map of changes: every change of class from one map to another as a class, for samples of reference answers.

Such a sample is how areas of change are estimated: from one sample of the change itself, never as the difference of two
maps (Olofsson et al. 2014, Remote Sensing of Environment 148, 42-57, section 2).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment.class_map import BLOCK_PX, ClassMap, Paths, check_one_place, open_class_map
from isamap.inference.map_files import cog
from isamap.inference.map_files.map_file import SETTINGS_TAG

CHANGES, PAIR = "changes", "change_of"  # tags of a map of changes: its classes, and which two maps it compares
CARRIED = ("period_start", "period_end")
_SAME, _GAIN, _OTHER = ("d9d9d9", "969696"), "e31a1c", ("1f78b4", "33a02c", "ff7f00", "6a3d9a", "b15928")


@dataclass(frozen=True)
class ChangeLegend:
    """Names and colours (RRGGBB) of the changes, by value."""

    names: tuple[str, ...]
    colours: tuple[str, ...]
    band: str = "change"


@dataclass(frozen=True)
class ChangeMapReport:
    """Where a map of changes lies, and how many pixels each change has; printed as lines."""

    path: Path
    pixels: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.path}:", *(f"  {name}: {count:,} pixels" for name, count in self.pixels)])


def change_name(before: str, after: str) -> str:
    """What a change is called in samples and answers."""
    return f"stable {before}" if before == after else f"{before} to {after}"


def change_names(before: ClassMap, after: ClassMap) -> tuple[str, ...]:
    """Every change, by its value: that of the earlier class times the number of later classes, plus the later one's."""
    return tuple(change_name(a, b) for a in before.classes for b in after.classes)


def pair_of(before: ClassMap, after: ClassMap) -> str:
    """16 hexadecimal digits that are equal for equal pairs of maps: of their files' names, grids and settings."""
    facts = [
        [each.classes, [(sheet.path.name, list(sheet.geobox.affine)[:6], list(sheet.geobox.shape)) for sheet in
                        each.sheets], dict(each.tags).get(SETTINGS_TAG)]
        for each in (before, after)
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def write_change_map(before: Paths, after: Paths, out: str | Path, *, classes: tuple[str, ...] = ()) -> ChangeMapReport:
    """Write the changes from one map to another as `out`, a GeoTIFF on the first one's grid that names its classes.

    What either map does not know is 255. ValueError: tiles as the first map (give their .vrt), another ending, more
    than 250 changes. Fault: disk full.
    """
    target = local_path(out)
    if target.suffix.lower() != ".tif":
        raise ValueError(f"--map {target}: give a name that ends in .tif")
    check_writable(target)
    first, second = open_class_map(before, classes), open_class_map(after, classes)
    check_one_place(first, second)
    names = change_names(first, second)
    if len(first.sheets) != 1:
        raise ValueError(f"{first.name} has no grid of its own: give the .vrt of its tiles as the earlier map")
    if len(names) > 250:
        raise ValueError(f"{len(names)} changes of classes are too many for a map: at most 250")
    tags = {
        CHANGES: ",".join(names),
        PAIR: pair_of(first, second),
        "before": first.sheets[0].path.name,
        "after": second.sheets[0].path.name,
        "simulated": str(first.simulated or second.simulated).lower(),
        **{name: text for name, text in second.tags if name in CARRIED},
    }
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        rows = cog.RowsFile(Path(folder) / "rows.u8", first.sheets[0].geobox.shape[1])
        for value_HW in _changes(first, second):
            rows.append(np.stack([value_HW, np.zeros_like(value_HW)]))
        legend = ChangeLegend(names, _colours(first, second))
        counts = cog.write_layer(rows, cog.LayerInfo(first.sheets[0].geobox, legend, tags), target)
    return ChangeMapReport(target, tuple((name, int(counts[value])) for value, name in enumerate(names)))


def _changes(first: ClassMap, second: ClassMap) -> Iterator[np.ndarray]:
    """Values of the changes in whole rows from the top, uint8."""
    sheet, count = first.sheets[0], len(second.classes)
    height, width = sheet.geobox.shape
    for row in range(0, height, BLOCK_PX):
        window = Window(row, 0, min(BLOCK_PX, height - row), width)
        earlier_HW, later_HW = sheet.read(window), second.on_grid(crop(sheet.geobox, window))
        known_HW = (earlier_HW < len(first.classes)) & (later_HW < count)
        value_HW = np.where(known_HW, earlier_HW, 0).astype(np.int64) * count + np.where(known_HW, later_HW, 0)
        yield np.where(known_HW, value_HW, UNKNOWN).astype(np.uint8)


def _colours(first: ClassMap, second: ClassMap) -> tuple[str, ...]:
    """Greys where nothing changes, red where ground becomes impervious."""
    colours = []
    for i, before in enumerate(first.classes):
        for j, after in enumerate(second.classes):
            colour = _OTHER[(i * len(second.classes) + j) % len(_OTHER)]
            colours.append(_SAME[i % 2] if before == after else _GAIN if after == "impervious" else colour)
    return tuple(colours)
