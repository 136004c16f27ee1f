"""Accuracies and areas of a map from reference answers at sampled points, each with its standard error.

Rows of matrices are the map's classes, columns the reference's, as Olofsson et al. (2014) print them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.inference.assessment.estimator import Design, Estimate, linearised
from isamap.inference.assessment.measure import Measure


@dataclass(frozen=True, eq=False)
class PointClasses:
    """The map's and the reference's class of each point (numbers), and the classes' names."""

    map_N: np.ndarray
    reference_N: np.ndarray
    classes: tuple[str, ...]

    @property
    def counts(self) -> np.ndarray:
        """Points by the map's class (rows) and the reference's (columns)."""
        size = len(self.classes)
        cells = np.bincount(self.map_N.astype(np.int64) * size + self.reference_N, minlength=size * size)
        return cells.reshape(size, size)


@dataclass(frozen=True)
class ClassAccuracy:
    """One class: user's and producer's accuracy, F1, IoU, and its share of the ground by the reference."""

    name: str
    users: Estimate
    producers: Estimate
    f1: Estimate
    iou: Estimate
    share: Estimate
    mapped_share: Estimate


@dataclass(frozen=True, eq=False)
class Accuracy:
    """All accuracies of a map; cells: shares of the ground by map (rows) and reference (columns).

    kappa is given because papers print it. It says little that overall accuracy does not, treats chance agreement as
    if it were harmless, and is no share of ground (Pontius and Millones 2011, International Journal of Remote Sensing
    32, 4407-4429; Olofsson et al. 2014, section 4.1): do not judge a map by it.
    """

    overall: Estimate
    kappa: Estimate
    classes: tuple[ClassAccuracy, ...]
    cells: np.ndarray
    counts: np.ndarray


def accuracy(answers: PointClasses, design: Design) -> Accuracy:
    """Every accuracy of the answers, as estimates under the design."""
    right = (answers.map_N == answers.reference_N).astype(np.float64)
    size = len(answers.classes)
    cells = np.array(
        [
            [design.mean(((answers.map_N == i) & (answers.reference_N == j)).astype(float)) for j in range(size)]
            for i in range(size)
        ]
    )
    overall = _estimated(answers, design, np.eye(size), np.ones((size, size)))
    per_class = tuple(_of_class(answers, design, index) for index in range(size))
    return Accuracy(overall, _kappa(answers, design, right, cells), per_class, cells, answers.counts)


def _of_class(answers: PointClasses, design: Design, index: int) -> ClassAccuracy:
    size = len(answers.classes)
    ground, mapped = np.ones((size, size)), np.zeros((size, size))
    mapped[index] = 1
    reference = mapped.T
    both = mapped * reference
    return ClassAccuracy(
        name=answers.classes[index],
        users=_estimated(answers, design, both, mapped),
        producers=_estimated(answers, design, both, reference),
        f1=_estimated(answers, design, 2 * both, mapped + reference),
        iou=_estimated(answers, design, both, np.maximum(mapped, reference)),
        share=_estimated(answers, design, reference, ground),
        mapped_share=_estimated(answers, design, mapped, ground),
    )


def _estimated(answers: PointClasses, design: Design, upper_KK: np.ndarray, lower_KK: np.ndarray) -> Estimate:
    return Measure(upper_KK, lower_KK).estimate(design, answers.map_N, answers.reference_N)


def _kappa(answers: PointClasses, design: Design, right: np.ndarray, cells: np.ndarray) -> Estimate:
    """Kappa of the shares of ground, its variance by linearisation."""
    agreement, by_map, by_reference = float(np.trace(cells)), cells.sum(axis=1), cells.sum(axis=0)
    chance = float(by_map @ by_reference)
    if chance >= 1:
        return Estimate(None, None, len(right), design.degrees)
    by_chance = by_map[answers.reference_N] + by_reference[answers.map_N] - 2 * chance
    influence = (right - agreement) / (1 - chance) - (1 - agreement) / (1 - chance) ** 2 * by_chance
    return linearised(design, (agreement - chance) / (1 - chance), influence)
