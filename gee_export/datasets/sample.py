"""A patch on its way into a dataset: its pixels, the files that hold them, and what the index says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import crc32c
from isamap.gee_export.datasets import geotiff
from isamap.gee_export.datasets.index import Patch, layer_file, patch_id
from isamap.gee_export.datasets.manifest import NODATA, Band, DatasetManifest
from isamap.gee_export.datasets.sums import Sums

LABEL = Band("label", "class", 1.0, nodata=UNKNOWN)
IMAGE = "image"  # the key of the image's own sums
_SUMMED = ("fine", "frames")  # layers that are normalised for training, so their statistics are kept


@dataclass(frozen=True)
class Sample:
    """Pixels of a patch: image int16 (bands, rows, columns), label uint8 or None, and its further layers.

    layers: arrays (bands, rows, columns) by `shares`, `fine`, `fine_labels` or `frames/YYYYMMDD`; a date without clear
    pixels is left out.
    """

    region: str
    period: str
    row: int
    col: int
    split: str
    image_BHW: np.ndarray
    label_HW: np.ndarray | None
    layers: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image_BHW.ndim != 3 or self.image_BHW.dtype != np.int16:
            actual = f"{self.image_BHW.dtype} {self.image_BHW.shape}"
            raise ValueError(f"{self.id}: image {actual}, expected int16 (bands, rows, columns)")
        label = self.label_HW
        if label is not None and (label.dtype != np.uint8 or label.shape != self.image_BHW.shape[1:]):
            raise ValueError(f"{self.id}: label {label.dtype} {label.shape}, expected uint8 {self.image_BHW.shape[1:]}")

    @property
    def id(self) -> str:
        return patch_id(self.region, self.period, self.row, self.col)


@dataclass(frozen=True)
class Entry:
    """A stored patch and the sums from which statistics are made, by layer (`image`, `fine`, `frames`)."""

    patch: Patch
    sums: Mapping[str, Sums]

    def to_json(self) -> dict[str, Any]:
        return {"patch": asdict(self.patch), "sums": {name: sums.to_json() for name, sums in self.sums.items()}}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Entry:
        patch = dict(document["patch"])
        layers = tuple((name, crc) for name, crc in patch.pop("layers"))
        return cls(Patch(**patch, layers=layers), {name: Sums.from_json(s) for name, s in document["sums"].items()})


def encode(sample: Sample, head: DatasetManifest) -> tuple[Entry, list[tuple[str, bytes]]]:
    """A sample's index entry and its files (name, bytes); ValueError where a layer is not as `head` says."""
    expected = (len(head.bands), head.size, head.size)
    if sample.image_BHW.shape != expected:
        raise ValueError(f"{sample.id}: image {sample.image_BHW.shape}, expected {expected}")
    geobox = head.grids[sample.region].patch_geobox(sample.row, sample.col, head.size)
    image = geotiff.encode(sample.image_BHW, geobox, head.bands, _tags(head))
    label = None if sample.label_HW is None else geotiff.encode(sample.label_HW[None], geobox, (LABEL,))
    layers = dict(_layer_files(sample, head))
    patch = Patch(
        id=sample.id,
        region=sample.region,
        period=sample.period,
        row=sample.row,
        col=sample.col,
        split=sample.split,
        impervious_share=_impervious_share(sample.label_HW, head),
        valid_share=float((sample.image_BHW != NODATA).all(axis=0).mean()),
        image_crc32c=crc32c(image),
        label_crc32c=None if label is None else crc32c(label),
        layers=tuple((layer, crc32c(data)) for layer, data in layers.items()),
    )
    files: list[tuple[str, bytes]] = [(patch.image_name, image)]
    if label is not None and patch.label_name is not None:
        files.append((patch.label_name, label))
    files += [(layer_file(layer, patch.id), data) for layer, data in layers.items()]
    return Entry(patch, _sums(sample, head)), files


def _layer_files(sample: Sample, head: DatasetManifest) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of every further file, in the keys' order."""
    grid = head.grids[sample.region]
    for key, values in sorted(sample.layers.items()):
        stored = head.layers.get(key.partition("/")[0])
        if stored is None:
            raise ValueError(f"{sample.id}: layer {key}, which the manifest does not name")
        side = head.size * stored.ratio
        if (values.dtype.name, values.shape) != (stored.dtype, (len(stored.bands), side, side)):
            raise ValueError(
                f"{sample.id}: {key} {values.dtype} {values.shape}, expected {stored.dtype} "
                f"{(len(stored.bands), side, side)}"
            )
        geobox = grid.patch_geobox(sample.row, sample.col, head.size, stored.ratio)
        yield key, geotiff.encode(values, geobox, stored.bands, _tags(head))


def _sums(sample: Sample, head: DatasetManifest) -> dict[str, Sums]:
    sums_of = {IMAGE: Sums.of(sample.image_BHW, NODATA)}
    for key, values in sorted(sample.layers.items()):
        layer = key.partition("/")[0]
        if layer in _SUMMED:
            sums = Sums.of(values, head.layers[layer].bands[0].nodata)
            sums_of[layer] = sums_of[layer] + sums if layer in sums_of else sums
    return sums_of


def _impervious_share(label_HW: np.ndarray | None, head: DatasetManifest) -> float | None:
    if label_HW is None:
        return None
    labelled_px = int((label_HW != UNKNOWN).sum())
    return int((label_HW == head.impervious_class).sum()) / labelled_px if labelled_px else None


def _tags(head: DatasetManifest) -> dict[str, str]:
    """What a patch says of itself where it is mapped or looked at without its dataset."""
    return {"simulated": str(head.simulated).lower()} | ({"backscatter": head.backscatter} if head.backscatter else {})
