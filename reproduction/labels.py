"""Judges of label products: a dataset's own labels taken for a map and compared with others of the same patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.reproduction.study import Evaluated, Trial

if TYPE_CHECKING:
    from isamap.gee_export.datasets.dataset import Dataset, Patch

AREA = "area_percent"


@dataclass(frozen=True)
class LabelsAsMap:
    """A judge of the labels of the dataset `role` (the trial's own if empty) against the trial's on its test patches.

    reference: the labels judged against, by name of the dataset's layer; finer ones are compared pixel by pixel with
    the map's repeated. Pixels that either does not know are left out. classes: names by number. ValueError: a patch
    that the other dataset lacks.
    """

    role: str = ""
    reference: str = "label"
    classes: tuple[str, ...] = ("pervious", "impervious")

    def __call__(self, trial: Trial) -> Evaluated:
        from isamap.training.accuracy.metrics import block_counts
        from isamap.training.samples.ground import spatial_blocks

        tested = [(data, patch) for data, patch in _patches(trial.addresses) if patch.split == "test"]
        map_of = self._maps(trial, [patch.id for _, patch in tested])
        blocks, block_at = np.unique(spatial_blocks(tested), return_inverse=True)
        by_block = np.zeros((len(blocks), len(self.classes), len(self.classes)), np.int64)
        for (data, patch), block in zip(tested, block_at, strict=True):
            seen, reference = repeated(map_of[patch.id], _read(data, patch, self.reference))
            by_block += block_counts(seen[None], reference[None], np.array([block]), by_block.shape)
        return evaluated(by_block, self.classes, maps={name: map_of[name] for name in trial.shown})

    def _maps(self, trial: Trial, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The labels that are judged, by patch."""
        judged = trial.folder.data(self.role) if self.role else trial.addresses
        data_of = {patch.id: data for data, patch in _patches(judged)}
        if missing := [name for name in names if name not in data_of]:
            raise ValueError(
                f"dataset {self.role!r} lacks patch {missing[0]}: export it with the same area, sampling and seed"
            )
        return {name: data_of[name].read_label(name) for name in names}


def _read(data: Dataset, patch: Patch, layer: str) -> np.ndarray:
    return data.read_fine_label(patch) if layer == "fine" else data.read_label(patch)


def _patches(addresses: Sequence[str]) -> list[tuple[Dataset, Patch]]:
    from isamap.gee_export.datasets.dataset import Dataset

    return [(data, patch) for data in map(Dataset.open, addresses) for patch in data.patches]


def repeated(coarse: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coarse classes on the finer pixels, and the finer labels, unknown where the coarse ones are."""
    times = fine.shape[0] // coarse.shape[0]
    seen = coarse.repeat(times, axis=0).repeat(times, axis=1)
    # A map that does not know a pixel is neither right nor wrong there: its label goes, so that it is not counted.
    return np.where(seen == UNKNOWN, 0, seen), np.where(seen == UNKNOWN, np.uint8(UNKNOWN), fine)


def evaluated(
    by_block_NKK: np.ndarray,
    classes: tuple[str, ...],
    *,
    further: Mapping[str, float | None] = {},
    maps: Mapping[str, np.ndarray] = {},
) -> Evaluated:
    """Scores of confusion counts by block, and by how many percent the impervious area is too large."""
    from isamap.training.accuracy.metrics import scores

    counts = by_block_NKK.sum(axis=0)
    excess = excess_percent(counts, classes.index("impervious"))
    return Evaluated({**scores(counts).to_json(classes), AREA: excess, **further}, by_block_NKK, maps, classes)


def with_areas(counts_NKK: np.ndarray, classes: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """bootstrap.measures, and AREA: values and where they are defined of many confusion matrices."""
    from isamap.training.accuracy import bootstrap

    impervious = list(classes).index("impervious")
    reference_N, seen_N = (counts_NKK.sum(axis=axis)[:, impervious].astype(np.float64) for axis in (2, 1))
    defined_N = reference_N > 0
    area_N = 100 * (np.divide(seen_N, reference_N, out=np.ones_like(seen_N), where=defined_N) - 1)
    return {**bootstrap.measures(counts_NKK, classes), AREA: (area_N, defined_N)}


def excess_percent(counts_KK: np.ndarray, impervious: int = 1) -> float | None:
    """Percent by which impervious pixels are overestimated; rows are the reference, columns the prediction."""
    reference, seen = int(counts_KK[impervious].sum()), int(counts_KK[:, impervious].sum())
    return 100 * (seen / reference - 1) if reference else None
