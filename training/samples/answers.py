"""Answers to the points of `isamap ask` as labels: the answered pixels are known, every other one is unknown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gee_export.base.answer_class import UNCERTAIN, answered_class
from gee_export.base.feature_table import read_table
from gee_export.base.scheme import UNKNOWN
from gee_export.datasets.dataset import Dataset, Patch

COLUMNS = ("class", "patch", "row", "col", "image_crc32c")  # of the sheet that `isamap ask` writes
_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """The class that somebody gave to a pixel (row, col) of a patch with this image; its name, as in the sheet."""

    patch: str
    image_crc32c: int
    row: int
    col: int
    name: str


@dataclass(frozen=True)
class Answers:
    """The answered pixels of a sheet; uncertain ones and those without an answer are only counted."""

    answers: tuple[Answer, ...]
    uncertain: int
    blank: int

    @property
    def sentence(self) -> str:
        """What is learned from, another sentence for other answers."""
        content = json.dumps([vars(answer) for answer in self.answers])
        patches = len({(answer.patch, answer.image_crc32c) for answer in self.answers})
        return (
            f"answers: {len(self.answers):,} pixels of {patches:,} training patches are learned from, each as much as "
            f"any other, and no other label ({self.uncertain:,} uncertain, {self.blank:,} not answered; "
            f"{hashlib.sha256(content.encode()).hexdigest()[:16]})"
        )

    def of(self, patch: Patch) -> list[Answer]:
        """The answers in a patch."""
        return [a for a in self.answers if (a.patch, a.image_crc32c) == (patch.id, patch.image_crc32c)]

    def have(self, patch: Patch) -> bool:
        """Whether a pixel of the patch is answered."""
        return bool(self.of(patch))

    def check(self, datasets: Sequence[Dataset]) -> None:
        """ValueError where an answered pixel lies in no training patch of the data."""
        pixels = {
            (patch.id, patch.image_crc32c): dataset.manifest.size
            for dataset in datasets
            for patch in dataset.in_split("train")
        }
        strange = sorted({a.patch for a in self.answers if (a.patch, a.image_crc32c) not in pixels})
        if strange:
            listed = ", ".join(strange[:_SHOWN]) + (", ..." if len(strange) > _SHOWN else "")
            raise ValueError(
                f"--answers name {len(strange)} patches that are no training patches of these data with the same image "
                f"({listed}): give the data that `isamap ask --split train` was asked with"
            )
        for a in self.answers:
            size = pixels[a.patch, a.image_crc32c]
            if not (0 <= a.row < size and 0 <= a.col < size):
                raise ValueError(f"--answers name pixel {a.row}, {a.col} of patch {a.patch}, which has {size} x {size}")


class AnsweredLabels:
    """Labels of a dataset's patches [patch, row, column], uint8: the answers' classes, 255 elsewhere.

    Only answered patches hold an array; the others are made when they are asked for.
    """

    def __init__(self, size: int, labels: Mapping[int, np.ndarray]) -> None:
        self.size, self.labels = size, labels

    @classmethod
    def of(cls, dataset: Dataset, answers: Answers, classes: Sequence[str]) -> AnsweredLabels:
        """The answers in a dataset's patches, by their rows in its index."""
        labels, size = {}, dataset.manifest.size
        for at, patch in enumerate(dataset.patches):
            if patch.split == "train" and (in_patch := answers.of(patch)):
                labels[at] = np.full((size, size), UNKNOWN, np.uint8)
                for answer in in_patch:
                    labels[at][answer.row, answer.col] = classes.index(answer.name)
        return cls(size, labels)

    def __getitem__(self, row: int | np.ndarray) -> np.ndarray:
        if np.ndim(row):
            return np.stack([self[int(each)] for each in np.asarray(row)])
        stored = self.labels.get(int(row))
        return np.full((self.size, self.size), UNKNOWN, np.uint8) if stored is None else stored

    def take(self, rows: np.ndarray, axis: int = 0, **_: object) -> np.ndarray:
        """As numpy.take along the first axis."""
        return self[np.asarray(rows)]


def read_answers(path: str | Path, classes: Sequence[str]) -> Answers:
    """The answers of a sheet that `isamap ask` wrote, filled in.

    classes: names that answers may have. ValueError: no such sheet, unknown classes, one pixel with two classes, no
    answer at all.
    """
    table = read_table(path, "answers").columns
    lower = {name.lower(): values for name, values in table.items()}
    if missing := [name for name in COLUMNS if name not in lower]:
        raise ValueError(
            f"answers {path} have no column {', '.join(missing)}: give the sheet/points.gpkg that `isamap ask` wrote, "
            "with its column class filled in"
        )
    answers: dict[tuple[str, int, int, int], Answer] = {}
    counts = {UNCERTAIN: 0, "": 0}
    for text, patch, row, col, crc in zip(*(lower[name] for name in COLUMNS), strict=True):
        pixel = str(patch), _whole(crc, path), _whole(row, path), _whole(col, path)
        name = answered_class("" if text is None else str(text), classes, f"answers {path}, patch {patch}")
        if name in counts:
            counts[name] += 1
            continue
        if pixel in answers and answers[pixel].name != name:
            raise ValueError(f"answers {path}: pixel {row}, {col} of patch {patch} has two classes: keep one of them")
        answers[pixel] = Answer(*pixel, name)
    if not answers:
        raise ValueError(
            f"answers {path}: none of {len(lower['class'])} points has a class: fill in the column class "
            f"({', '.join(classes)})"
        )
    return Answers(tuple(answers[pixel] for pixel in sorted(answers)), counts[UNCERTAIN], counts[""])


def _whole(value: object, path: str | Path) -> int:
    try:
        number = float(str(value))
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"answers {path}: row, col and image_crc32c are whole numbers, not {value!r}: leave these columns as "
            "`isamap ask` wrote them"
        ) from error
    return int(number)
