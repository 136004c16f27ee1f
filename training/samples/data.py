"""Datasets opened for a network: their bands in its order, standardised, and what is to be learned of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base.band_globs import DAY, expanded
from isamap.gee_export.base.scheme import CLASSES, UNKNOWN
from isamap.gee_export.datasets.dataset import SPLITS, Band, Dataset, Patch
from isamap.training.checkpoints.checkpoint import BandNorm, standardise
from isamap.training.samples.answers import AnsweredLabels, Answers
from isamap.training.samples.augment import Augmented
from isamap.training.samples.cache import IMAGES, frames_name, open_layer
from isamap.training.samples.ground import distinct_names, spatial_blocks
from isamap.training.samples.patches import Batch, EpochOrder, Part, Patches, label_shares, loader
from isamap.training.samples.target import COMPOSITE_LABELS, LAYERS, VISIBLE, LearningTarget, class_numbers, visible

__all__ = [
    "CLASSES",
    "Batch",
    "EpochOrder",
    "LearningTarget",
    "Patches",
    "SampleSource",
    "label_shares",
    "loader",
    "open_source",
    "prepare",
]

# CroFuseNet does not print its scaling; the clip is ours (docs/reference/networks.md, "CroFuseNet: open points").
REFLECTANCE_RANGE = (0.0, 1.0)
SHARE_LAYER = "share"
EMBEDDING = "embedding"  # the unit of vectors of length 1 (gee_export/datasets/packing.py)
_DAY_BAND = Band(DAY, "day of year", 1.0)
Keep = Callable[[Patch], bool]


@dataclass(frozen=True)
class SampleSource:
    """Datasets opened for a network: bands in its order, standardisation, target, splits, provenance.

    sharp: the finer image's bands, as stored. keep: which training patches are learned from (None: all). answers: the
    only pixels of the training patches that are learned from (None: all labels). divided: the split of each dataset's
    patches by its number in SPLITS, -1 for none (None: the datasets' own).
    """

    datasets: tuple[Dataset, ...]
    bands: tuple[BandNorm, ...]
    stored: tuple[Band, ...]
    target: LearningTarget = COMPOSITE_LABELS
    sharp: tuple[Band, ...] = ()
    keep: Keep | None = None
    answers: Answers | None = None
    divided: tuple[np.ndarray, ...] | None = None

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that are learned, by number."""
        return self.target.classes

    @property
    def label_weight(self) -> float:
        """Of the data's own labels beside answers; 0 where only one of the two is learned from."""
        return 0.0 if self.answers is None else self.answers.label_weight

    @property
    def ratio(self) -> int:
        """Pixels of the target along the side of one of the input's: 1, or the finer labels' ratio."""
        return self.datasets[0].stored("fine_labels").ratio if self.target.layer == "fine" else 1

    @property
    def simulated(self) -> bool:
        return any(dataset.manifest.simulated for dataset in self.datasets)

    @property
    def fingerprint(self) -> str:
        """The datasets' fingerprints, joined."""
        return "+".join(dataset.fingerprint for dataset in self.datasets)

    def split(self, name: str) -> Patches:
        """The patches of train (those to keep), val or test, in the datasets' order."""
        parts = [self._part(dataset, self._rows(at, name)) for at, dataset in enumerate(self.datasets)]
        if self.answers is not None and name == "train":
            parts = [self._relabelled(*pair, self.answers) for pair in zip(self.datasets, parts, strict=True)]
        return Patches(parts, len(self.classes))

    def filled(self, name: str) -> Patches:
        """The patches of a split; ValueError where it has none."""
        patches = self.split(name)
        if not len(patches):
            raise ValueError(f"the {name} split is empty: export a larger region or choose another split")
        return patches

    def patches(self, name: str) -> tuple[tuple[Dataset, Patch], ...]:
        """Dataset and index entry of each patch of a split, in the split's order."""
        return tuple(
            (dataset, dataset.patches[row]) for at, dataset in enumerate(self.datasets) for row in self._rows(at, name)
        )

    def blocks(self, name: str) -> np.ndarray:
        """Number of the spatial block (ground.spatial_blocks) of each patch of a split, in the split's order."""
        return spatial_blocks(self.patches(name))

    def prepare(self, batch: Batch) -> Augmented:
        """Standardised image, validity and label (shares as 0 to 1), and the finer image, on the batch's device."""
        prepared = prepare(batch, self.stored, self.bands)
        if self.target.layer == SHARE_LAYER:
            percent = prepared.label_BHW
            prepared = replace(prepared, label_BHW=torch.where(percent == UNKNOWN, float(UNKNOWN), percent / 100))
        if batch.sharp_BCHW is None:
            return prepared
        valid = batch.sharp_BCHW != _column(self.sharp, "nodata", batch.sharp_BCHW)
        sharp = standardise(_physical(batch.sharp_BCHW, self.sharp), valid, self._sharp_norms)
        return replace(prepared, sharp_BCHW=sharp, sharp_valid_BCHW=valid)

    @property
    def _sharp_norms(self) -> tuple[BandNorm, ...]:
        by_name = {band.name: band for band in self.bands}
        return tuple(by_name[name] for name in self.target.sharp_as)

    def _rows(self, at: int, name: str) -> np.ndarray:
        """Of the dataset of that number, the patches of a split."""
        patches = self.datasets[at].patches
        inside = np.array([patch.split == name for patch in patches], dtype=bool)
        if self.divided is not None:
            inside = self.divided[at] == SPLITS.index(name)
        keeps = [] if name != "train" else [keep for keep in (self.keep, self._is_answered) if keep is not None]
        return np.array([row for row in np.flatnonzero(inside) if all(k(patches[row]) for k in keeps)], dtype=np.int64)

    @property
    def _is_answered(self) -> Keep | None:
        return None if self.answers is None else self.answers.have

    def _relabelled(self, dataset: Dataset, dataset_part: Part, answers: Answers) -> Part:
        stored = open_layer(dataset, LAYERS[self.target.layer])
        own = (stored, dataset_part.class_of) if answers.label_weight else None
        labels = AnsweredLabels.of(dataset, answers, self.classes, own)
        return replace(dataset_part, labels=labels, class_of=np.arange(256))

    def _part(self, dataset: Dataset, rows: np.ndarray) -> Part:
        head, target = dataset.manifest, self.target
        sharp: dict[str, Any] = {}
        if self.sharp:
            stored_names = dataset.stored("fine").band_names
            channels = tuple(stored_names.index(band.name) for band in self.sharp)
            sharp = {"sharp": open_layer(dataset, "fine"), "sharp_channels": channels}
        return Part(
            images=open_layer(dataset, _images_name(target)),
            labels=open_layer(dataset, LAYERS[target.layer]),
            rows=rows,
            channels=tuple((*head.band_names, DAY).index(band) for band in self.band_names),
            class_of=class_numbers(head, target),
            mapped=target.layer != SHARE_LAYER,
            **sharp,
        )


def _images_name(target: LearningTarget) -> str:
    """The cache's layer that the target's input is read from."""
    return frames_name(target.frames, days=target.days) if target.frames else IMAGES


def prepare(batch: Batch, stored: Sequence[Band], bands: Sequence[BandNorm]) -> Augmented:
    """Stored values to physical units to standardised ones; missing pixels 0 and not valid; labels as they are."""
    valid = batch.image_BCHW != _column(stored, "nodata", batch.image_BCHW)
    image = standardise(_physical(batch.image_BCHW, stored), valid, bands)
    return Augmented(image, valid, batch.label_BHW, bands=tuple(bands))


def _physical(values: Tensor, stored: Sequence[Band]) -> Tensor:
    scale, offset = (_column(stored, name, values, torch.float32) for name in ("scale", "offset"))
    return values * scale + offset


def _column(stored: Sequence[Band], name: str, like: Tensor, target_type: torch.dtype | None = None) -> Tensor:
    """A number of each band, to be broadcast over rows and columns."""
    numbers = [getattr(band, name) for band in stored]
    return torch.tensor(numbers, dtype=target_type or like.dtype, device=like.device)[:, None, None]


def open_source(
    data: Sequence[str | Path],
    bands: Sequence[str] = (),
    *,
    target: LearningTarget = COMPOSITE_LABELS,
    keep: Keep | None = None,
    session: Any = None,
    home: Path | None = None,
) -> SampleSource:
    """The datasets as one source for the bands named (all of the first dataset's if none is named).

    keep: which patches of the train split are learned from. ValueError: none given, a band or a layer that the target
    needs is missing or stored differently, sizes or composite settings that differ.
    """
    if not data:
        raise ValueError("no dataset given: name at least one")
    datasets = tuple(Dataset.open(path, session) for path in data)
    # The day of year is no band of a dataset: it exists only where dates are read one by one.
    target = replace(target, days=bool(target.frames) and (target.days or DAY in bands))
    stored_names = datasets[0].manifest.band_names
    names = expanded([band for band in bands if band != DAY], stored_names) or stored_names
    stored = (*(_stored(datasets, name) for name in names), *([_DAY_BAND] if target.days else []))
    _check_equal(datasets)
    sharp = _check_target(datasets, stored, target)
    norms = tuple(_norm(datasets, band) for band in stored)
    return SampleSource(datasets, norms, stored, target, sharp, keep)


def of_both_levels(sources: Sequence[SampleSource]) -> SampleSource:
    """Sources of different levels or filters as one, standardised over all; its first dataset says those of maps.

    ValueError: bands stored differently, another target, patches of another size.
    """
    first = sources[0]
    for source in sources[1:]:
        if (source.stored, source.target) != (first.stored, first.target):
            raise ValueError(f"sources of bands {first.band_names} and {source.band_names} differ in storage or target")
        if source.datasets[0].manifest.size != first.datasets[0].manifest.size:
            raise ValueError("sources of different levels have patches of another size: export them with one --size")
    datasets = tuple(dataset for source in sources for dataset in source.datasets)
    return replace(first, datasets=datasets, bands=tuple(_norm(datasets, band) for band in first.stored))


def _check_target(datasets: Sequence[Dataset], stored: Sequence[Band], target: LearningTarget) -> tuple[Band, ...]:
    """The finer image's bands that the target needs; ValueError where the datasets cannot teach it."""
    for dataset in datasets:
        class_numbers(dataset.manifest, target)
    needed = ["fine_labels"] * (target.layer == "fine") + ["shares"] * (target.layer == SHARE_LAYER)
    needed += ["frames"] * bool(target.frames) + ["fine"] * bool(target.sharp)
    for layer in needed:
        layers = [dataset.stored(layer) for dataset in datasets]
        if any(
            (stored_layer.bands, stored_layer.dtype, stored_layer.ratio)
            != (layers[0].bands, layers[0].dtype, layers[0].ratio)
            for stored_layer in layers
        ):
            raise ValueError(
                f"the datasets' {layer} differ in bands or in the size of their pixels: train them one by one"
            )
    return _sharp_bands(datasets[0], stored, target) if target.sharp else ()


def _sharp_bands(dataset: Dataset, stored: Sequence[Band], target: LearningTarget) -> tuple[Band, ...]:
    fine = dataset.stored("fine")
    names = visible(fine.band_names) if target.sharp == VISIBLE else target.sharp
    by_name, inputs = {band.name: band for band in fine.bands}, {band.name: band for band in stored}
    if missing := [name for name in names if name not in by_name]:
        raise ValueError(f"the finer image lacks band {', '.join(missing)} (it holds {', '.join(by_name)})")
    if missing := [name for name in target.sharp_as if name not in inputs]:
        raise ValueError(
            f"band {', '.join(missing)} is not among the input's ({', '.join(inputs)}): the true image is standardised "
            f"as {', '.join(target.sharp_as)}"
        )
    for name, like in zip(names, target.sharp_as, strict=True):
        _check_unit(by_name[name], inputs[like])
    return tuple(by_name[name] for name in names)


def _check_unit(fine: Band, like: Band) -> None:
    if fine.unit != like.unit:
        raise ValueError(
            f"the finer image's band {fine.name} is in {fine.unit}, the input's {like.name} in {like.unit}: "
            "export it with --fine-unit"
        )


def _stored(datasets: Sequence[Dataset], name: str) -> Band:
    """How the band is stored, the same in all datasets."""
    stored = []
    for dataset in datasets:
        band_of = {band.name: band for band in dataset.manifest.bands}
        if name not in band_of:
            raise ValueError(
                f"dataset {dataset.manifest.name} lacks band {name} (it holds {', '.join(band_of)}): "
                "export it with that band, or train on bands that it holds (--set bands=...)"
            )
        stored.append(band_of[name])
    if any(band != stored[0] for band in stored):
        raise ValueError(f"band {name} has not the same unit, scale and no-data in all datasets: train them one by one")
    return stored[0]


def _check_equal(datasets: Sequence[Dataset]) -> None:
    first = datasets[0].manifest
    for dataset in datasets[1:]:
        head, names = dataset.manifest, " and ".join(distinct_names(datasets[0], dataset))
        for field in ("size", "backscatter", "level"):
            if getattr(first, field) != getattr(head, field):
                raise ValueError(
                    f"datasets {names} differ in {field}: {getattr(first, field)} and "
                    f"{getattr(head, field)}; export them with the same"
                )
        # One network cannot tell composites apart: a month's median and a mean have other values for the same ground.
        if differing := _differing(first.settings, head.settings):
            raise ValueError(f"datasets {names} differ in composite setting {differing}; export them with the same")


def _differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """The first key whose value differs, with both values, or an empty text."""
    for key in sorted({*left, *right}):
        if left.get(key) != right.get(key):
            return f"{key}: {left.get(key)} and {right.get(key)}"
    return ""


def _norm(datasets: Sequence[Dataset], band: Band) -> BandNorm:
    """Mean and standard deviation over all datasets' valid training pixels, from their manifests' statistics."""
    # The network makes harmonics of the day itself (models/temporal.py): a z-score would take the year's length away.
    if band == _DAY_BAND:
        return BandNorm(band.name, band.unit, 0.0, 1.0)
    count = total = squares = 0.0
    for dataset in datasets:
        if (band_statistics := dataset.manifest.statistics.get(band.name)) is None:
            continue
        pixels = band_statistics.valid_share * dataset.manifest.counts["train"]
        count, total = count + pixels, total + pixels * band_statistics.mean
        squares += pixels * (band_statistics.std**2 + band_statistics.mean**2)
    if not count:
        raise ValueError(f"band {band.name} has no valid pixel in any training patch: export another month or region")
    if band.unit == EMBEDDING:  # of length 1 already: a z-score would bend the sphere
        return BandNorm(band.name, band.unit, 0.0, 1.0)
    mean = total / count
    if not math.isfinite(mean + squares):
        raise ValueError(f"band {band.name}: the manifest's mean or deviation is no number; export the dataset again")
    # Statistics of manifests are joined, no pixel is read again; rounding may put the difference of equals below 0.
    std = math.sqrt(max(0.0, squares / count - mean * mean))
    # A thousandth of a step as stored: below it a band is constant but for rounding, which a z-score would blow up.
    if std < abs(band.scale) * 1e-3:
        raise ValueError(
            f"band {band.name} is {mean:g} everywhere in the training patches: leave it out with --set bands=..."
        )
    low, high = REFLECTANCE_RANGE if band.unit == "reflectance" else (None, None)
    return BandNorm(band.name, band.unit, mean, std, low, high)
