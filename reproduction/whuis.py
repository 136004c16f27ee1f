"""WHU-IS, the dataset of CroFuseNet, from a folder of chips to a patch dataset that everything else reads.

The dataset cannot be fetched by a program and its layout is not described, so the natural ones are read: folders (or
endings of file names) that say optical, sar and label, or image and label; with or without folders train, val, test.
What is assumed of the numbers stands in ASSUMED and in the dataset's manifest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.chips import ENDINGS, RATIOS, at_random, pictured
from isamap.gee_export.datasets.dataset import MANIFEST, Band, DatasetManifest, Grid, Sample, write
from isamap.gee_export.datasets.manifest import DECIBEL_SCALE, NODATA, REFLECTANCE_SCALE

OPTICAL, SAR = ("B2", "B3", "B4", "B8"), ("VV", "VH")
ASSUMED = (
    "bands lie in the order B2 B3 B4 B8 and VV VH (CroFuseNet Table I)",
    "optical floats up to 2, or whole numbers of more than 8 bits, are reflectance (the latter times 10,000)",
    "SAR floats are decibels, or linear power where none is negative",
    "numbers of 8 bits are taken as they are",
    "of two label values the larger is impervious; 255 beside 0 and 1 is unknown",
    "chips have no place on the ground",
)
# words in folders and file names
_KINDS = {
    "optical": ("optical", "opt", "s2", "sentinel2", "sen2", "msi"),
    "sar": ("sar", "s1", "sentinel1", "sen1"),
    "image": ("image", "images", "img", "imgs"),
    "label": ("label", "labels", "gt", "mask", "masks", "groundtruth", "annotation", "annotations"),
}
_SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
# Clouds and roofs may exceed a reflectance of 1 a little. Power of 0 has no decibels: 1e-5 is -50 dB.
_REFLECTANCE_MOST, _POWER_LEAST = 2.0, 1e-5


@dataclass(frozen=True)
class WhuChip:
    """Files of one patch, image parts in the order of their bands; split is empty where the folders say none."""

    name: str
    split: str
    parts: tuple[Path, ...]
    label: Path


def opened(address: str, home: Path, say: Callable[[str], None] = print) -> str:
    """The address of a patch dataset: `address` itself, or where it is a folder of chips, the dataset made of them.

    ValueError: chips that cannot be read so, saying which.
    """
    folder = Path(address)
    if address.startswith("gs://") or (folder / MANIFEST).exists() or not folder.is_dir():
        return address
    chip_list = chips(folder)
    if not chip_list:
        return address
    digest = hashlib.sha256(repr([(c.name, c.split, [p.stat().st_size for p in c.parts]) for c in chip_list]).encode())
    target = home / f"{folder.name}-{digest.hexdigest()[:10]}"
    if not (target / MANIFEST).exists():
        say(f"{folder}: {len(chip_list)} chips become the dataset {target}; assumed: {'; '.join(ASSUMED)}")
        convert(chip_list, target, folder.name)
    return str(target)


def _labelled(folder: Path) -> dict[tuple[str, str], dict[str, Path]]:
    """Files of the chips that have a label, by split and name, then by layer."""
    files_of: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS):
        layer, split, name = _placed(path.relative_to(folder))
        if layer:
            files_of.setdefault((split, name), {})[layer] = path
    return {key: files for key, files in files_of.items() if "label" in files}


def chips(folder: Path) -> list[WhuChip]:
    """The chips of a folder by name; empty where no label lies beside an image. ValueError: a part is missing."""
    labelled = _labelled(folder)
    needed = {layer for files in labelled.values() for layer in files} - {"label"}
    if not needed:
        return []
    for (_, name), files in labelled.items():
        if missing := needed - set(files):
            raise ValueError(f"{folder}: chip {name} has no {' and no '.join(sorted(missing))} file, others have")
    order = [layer for layer in ("image", "optical", "sar") if layer in needed]
    return [
        WhuChip(f"{split}/{name}".lstrip("/"), split, tuple(files[layer] for layer in order), files["label"])
        for (split, name), files in sorted(labelled.items())
    ]


def convert(chip_list: Sequence[WhuChip], target: Path, name: str) -> None:
    """Write the chips as a patch dataset, split as their folders say, else 8:1:1 at random with seed 0 (CroFuseNet)."""
    survey = _Survey.of(chip_list)
    splits = [chip.split for chip in chip_list] if all(chip.split for chip in chip_list) else at_random(len(chip_list))
    if any(chip.split for chip in chip_list) and not all(chip.split for chip in chip_list):
        raise ValueError(f"{name}: some chips lie in train, val or test folders and some in none")
    if lacking := [split for split in _SPLITS if split not in splits]:
        raise ValueError(
            f"{name}: no chip of the {lacking[0]} split among {len(chip_list)}: give folders train, val, test"
        )
    split_kind = "folders" if chip_list[0].split else "random"
    write(target, _manifest(survey, len(chip_list), name, split_kind), _samples(chip_list, splits, survey))


def _placed(path: Path) -> tuple[str, str, str]:
    """Kind, split and name of a file by its folders, or by words of its own name, which are then taken out of it."""
    layer = split = ""
    for folder in path.parts[:-1]:
        layer, split = _word(folder, _KINDS) or layer, _word(folder, _SPLITS) or split
    name = path.stem
    if not layer:
        for word in re.findall(r"[A-Za-z0-9]+", name):
            if layer := _word(word, _KINDS):
                name = re.sub(rf"[_\-. ]?{word}[_\-. ]?", "", name, count=1)
                break
    return layer, split, name


def _word(text: str, names_of: Mapping[str, Sequence[str]]) -> str:
    """The key of which the text, or one of its words, is a name."""
    words = {re.sub(r"[^a-z0-9]", "", text.lower()), *re.findall(r"[a-z0-9]+", text.lower())}
    return next((key for key, names in names_of.items() if words & set(names)), "")


@dataclass(frozen=True)
class _Survey:
    """What all chips have in common: side, how each band is stored and from what, and the values of their labels."""

    side: int
    bands: tuple[Band, ...]
    storing: tuple[Callable[[np.ndarray], np.ndarray], ...]
    values: tuple[int, int]

    @classmethod
    def of(cls, chip_list: Sequence[WhuChip]) -> _Survey:
        shapes, values, low, high = set(), set(), [], []
        for chip in chip_list:
            image, label = _image(chip), _label(chip)
            if image.shape[1:] != label.shape:
                raise ValueError(f"{chip.label}: label of {label.shape} pixels, the image has {image.shape[1:]}")
            shapes.add(image.shape)
            values |= set(np.unique(label).tolist())
            low.append(np.nanmin(image, axis=(1, 2)))
            high.append(np.nanmax(image, axis=(1, 2)))
        count, side, across = shape = min(shapes)
        if len(shapes) > 1 or count not in (len(OPTICAL), len(OPTICAL + SAR)) or side != across:
            raise ValueError(f"chips of {shape} and {max(shapes)}: expected equal squares of 4 or 6 bands")
        kinds = [
            pixel_type
            for file_path in chip_list[0].parts
            for file in [_read(file_path)]
            for pixel_type in [file.dtype] * len(file)
        ]
        storings = [
            _storing(*facts)
            for facts in zip((OPTICAL + SAR)[:count], kinds, np.min(low, axis=0), np.max(high, axis=0), strict=True)
        ]
        bands, storing = zip(*storings, strict=True)
        return cls(side, bands, storing, _two(values))


def _storing(
    name: str, pixel_type: np.dtype, low: float, high: float
) -> tuple[Band, Callable[[np.ndarray], np.ndarray]]:
    """A stored band and what makes its whole numbers of a file's; by ASSUMED."""
    if pixel_type == np.uint8:
        return Band(name, "number", 1.0), lambda plane: plane
    if name in OPTICAL:
        times = 1 / REFLECTANCE_SCALE if high <= _REFLECTANCE_MOST else 1.0
        return Band(name, "reflectance", REFLECTANCE_SCALE), lambda plane: plane * times
    if pixel_type.kind != "f":
        raise ValueError(f"{name} of {pixel_type} numbers: expected decibels or power as floats, or 8 bits")
    if low >= 0:
        return Band(
            name, "dB", DECIBEL_SCALE
        ), lambda plane: 10 * np.log10(np.maximum(plane, _POWER_LEAST)) / DECIBEL_SCALE
    return Band(name, "dB", DECIBEL_SCALE), lambda plane: plane / DECIBEL_SCALE


def _two(values: set[int]) -> tuple[int, int]:
    """The numbers of pervious and impervious ground; ValueError where the labels hold others."""
    classes = sorted(values - ({UNKNOWN} if len(values) == 3 else set()))
    if len(classes) != 2:
        raise ValueError(f"labels hold the values {sorted(values)}: expected two, or 0, 1 and 255")
    return classes[0], classes[1]


def _manifest(survey: _Survey, count: int, name: str, split: str) -> DatasetManifest:
    """Chips in a column on an invented grid: they have no place on the ground."""
    grid = Grid.of(GeoBox((count * survey.side, survey.side), Affine(10, 0, 500_000, 0, -10, 3_400_000), "EPSG:32650"))
    return DatasetManifest(
        name=name,
        simulated=False,
        source={"server": "files", "catalog": name, "assumed": list(ASSUMED)},
        image={},
        bands=survey.bands,
        label={"product": f"{name}, drawn by hand (CroFuseNet)", "classes": {"0": "pervious", "1": "impervious"}},
        periods=({"label": "201906", "start": "2019-06-01", "end": "2019-07-01"},),
        settings={"bands": [band.name for band in survey.bands if band.name not in SAR], "reducer": "mean"},
        backscatter="sigma0" if any(band.name in SAR for band in survey.bands) else None,
        grids={"chips": grid},
        size=survey.side,
        stride=survey.side,
        split={"kind": split, "ratios": list(RATIOS), "seed": 0},
    )


def _samples(chip_list: Sequence[WhuChip], splits: Sequence[str], survey: _Survey) -> Iterator[Sample]:
    for at, (chip, split) in enumerate(zip(chip_list, splits, strict=True)):
        label = _label(chip)
        label_HW = np.full(label.shape, UNKNOWN, dtype=np.uint8)
        label_HW[label == survey.values[0]], label_HW[label == survey.values[1]] = 0, 1
        yield Sample("chips", "201906", at * survey.side, 0, split, _stored(_image(chip), survey), label_HW)


def _stored(image_BHW: np.ndarray, survey: _Survey) -> np.ndarray:
    """The manifest's whole numbers; what is not finite is missing."""
    planes = []
    for store, plane in zip(survey.storing, image_BHW.astype(np.float64), strict=True):
        valid = np.isfinite(plane)
        planes.append(np.where(valid, np.clip(np.rint(store(np.where(valid, plane, 0))), -32767, 32767), NODATA))
    return np.stack(planes).astype(np.int16)


def _image(chip: WhuChip) -> np.ndarray:
    """All bands of a chip (bands, rows, columns)."""
    return np.concatenate([_read(path).astype(np.float32) for path in chip.parts])


def _label(chip: WhuChip) -> np.ndarray:
    return _read(chip.label)[0].astype(np.int64)


def _read(path: Path) -> np.ndarray:
    """Numbers of a file as (bands, rows, columns). Fault: damaged."""
    return pictured(path).data
