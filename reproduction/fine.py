"""Judges at 1 m: networks of either scale and coarser label products against a dataset's finer labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reproduction.judges import class_maps, run_of
from reproduction.study import Judge, Judged, Trial

if TYPE_CHECKING:
    from gee_export.datasets.dataset import Dataset, Patch

CLASSES = ("pervious", "impervious")
UNKNOWN = 255
AREA, GFLOP = "area_percent", "gflop"


def on_fine_labels(trial: Trial) -> Judged:
    """Scores of the test split at 1 m; a 10-m network's classes are repeated over the finer pixels.

    Beside the keys of Scores.to_json: area_percent, by how much the impervious area is too large (below 0: too small),
    and gflop, billions of operations for one patch.
    """
    from training import evaluate

    run, addresses = run_of(trial), list(trial.addresses)
    report = evaluate(run, addresses, "test", layer="fine")
    maps = class_maps(run, addresses, trial.shown)
    return _judged(report.by_block, {GFLOP: _gflop(run, addresses[0])}, maps)


def labels_as_map(role: str = "") -> Judge:
    """A judge of a dataset's 10-m labels, taken for a map of the trial's test patches at 1 m.

    role: the name in the study of the dataset that holds them, patch by patch under the same ids; the trial's own if
    empty. Pixels that the map does not know are left out. ValueError: a patch that it lacks.
    """

    def judge(trial: Trial) -> Judged:
        from training.ground import spatial_blocks
        from training.metrics import block_counts

        tested = [(data, patch) for data, patch in _patches(trial.addresses) if patch.split == "test"]
        label_of = {
            patch.id: data.read_label for data, patch in _patches(trial.place.data(role) if role else trial.addresses)
        }
        seen_of = {patch.id: _label(label_of, patch.id, role) for _, patch in tested}
        blocks, block_at = np.unique(spatial_blocks(tested), return_inverse=True)
        by_block = np.zeros((len(blocks), 2, 2), np.int64)
        for (data, patch), block in zip(tested, block_at, strict=True):
            seen, reference = repeated(seen_of[patch.id], data.read_fine_label(patch))
            by_block += block_counts(seen[None], reference[None], np.array([block]), by_block.shape)
        return _judged(by_block, {}, {name: seen_of[name] for name in trial.shown})

    return judge


def repeated(coarse: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coarse classes on the finer pixels, and the finer labels, unknown where the coarse ones are."""
    times = fine.shape[0] // coarse.shape[0]
    seen = coarse.repeat(times, axis=0).repeat(times, axis=1)
    return np.where(seen == UNKNOWN, 0, seen), np.where(seen == UNKNOWN, np.uint8(UNKNOWN), fine)


def _patches(addresses: tuple[str, ...]) -> list[tuple[Dataset, Patch]]:
    from gee_export.datasets.dataset import Dataset

    return [(data, patch) for data in map(Dataset.open, addresses) for patch in data.patches]


def _label(label_of: Mapping, name: str, role: str) -> np.ndarray:
    if name not in label_of:
        raise ValueError(f"dataset {role!r} lacks patch {name}: export it with the same area, sampling and seed")
    return label_of[name](name)


def _judged(by_block: np.ndarray, further: Mapping[str, float], maps: Mapping[str, np.ndarray]) -> Judged:
    from training import bootstrap
    from training.metrics import scores

    counts = by_block.sum(axis=0)
    bounds = {key: pair for key, pair in bootstrap.intervals(by_block, CLASSES).items() if pair is not None}
    values = {**scores(counts).to_json(CLASSES), AREA: excess_percent(counts), **further}
    return Judged(values, bounds, maps, CLASSES)


def excess_percent(counts: np.ndarray) -> float | None:
    """By how many percent more pixels are seen impervious than are, of rows reference and columns predicted."""
    reference, seen = int(counts[1].sum()), int(counts[:, 1].sum())
    return 100 * (seen / reference - 1) if reference else None


def _gflop(run: Path, address: str) -> float:
    """Of one forward pass on a patch of the dataset."""
    from gee_export.datasets.dataset import Dataset
    from training import checkpoint as ck
    from training.cost import flop

    found = ck.load(run)
    return flop(found.build(), Dataset.open(address).manifest.size, dates=found.frames) / 1e9
