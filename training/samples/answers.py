"""Answers to the points of `isamap ask` as labels: the answered pixels are known, every other one is unknown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base import sheet_text
from isamap.gee_export.base.answer_class import UNCERTAIN, answered_class
from isamap.gee_export.base.feature_table import read_table
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.dataset import Dataset, Patch

Pixel = tuple[str, int, int, int]  # patch, CRC-32C of its image, row, column
COLUMNS = ("class", "patch", "row", "col", "image_crc32c")  # of the sheet that `isamap ask` writes
_SHOWN = 5
ANSWERED = 128  # added to the class of an answered pixel where the data's own labels are learned from, too


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
    """The answered pixels of a sheet; uncertain ones and those without an answer are only counted.

    label_weight: of the mean loss over the data's own labels, beside 1 of that over the answers; 0: answers alone.
    """

    answers: tuple[Answer, ...]
    uncertain: int
    blank: int
    label_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_weight <= 1000:
            raise ValueError(f"label weight {self.label_weight:g}: expected 0 to 1000, beside 1 of the answers")

    @property
    def sentence(self) -> str:
        """What is learned from, another sentence for other answers."""
        # The hash stands for the answers themselves: a run that resumes must see that it learns from the same ones.
        content = json.dumps([vars(answer) for answer in self.answers])
        patches = len({(answer.patch, answer.image_crc32c) for answer in self.answers})
        return (
            f"answers: {len(self.answers):,} pixels of {patches:,} training patches are learned from, each as much as "
            f"any other, {self._others} ({self.uncertain:,} uncertain, {self.blank:,} not answered; "
            f"{hashlib.sha256(content.encode()).hexdigest()[:16]})"
        )

    @property
    def _others(self) -> str:
        if not self.label_weight:
            return "and no other label"
        return f"beside the data's own labels, whose mean loss has the weight {self.label_weight:g}"

    def of(self, patch: Patch) -> list[Answer]:
        """The answers in a patch."""
        return [a for a in self.answers if (a.patch, a.image_crc32c) == (patch.id, patch.image_crc32c)]

    def have(self, patch: Patch) -> bool:
        """Whether a pixel of the patch is learned from."""
        return self.label_weight > 0 or bool(self.of(patch))

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

    Beside labels of the data: these, by the classes of their numbers, and ANSWERED + class where somebody answered.
    Only answered patches hold an array; the others are made when they are asked for.
    """

    def __init__(
        self, size: int, labels: Mapping[int, np.ndarray], beside: tuple[np.ndarray, np.ndarray] | None = None
    ) -> None:
        self.size, self.labels, self.beside = size, labels, beside

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        answers: Answers,
        classes: Sequence[str],
        beside: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> AnsweredLabels:
        """The answers in a dataset's patches, by their rows in its index; beside: its labels and their classes."""
        made, first = cls(dataset.manifest.size, {}, beside), ANSWERED if beside is not None else 0
        labels = {}
        for at, patch in enumerate(dataset.patches):
            if patch.split == "train" and (in_patch := answers.of(patch)):
                labels[at] = made[at].copy()
                for answer in in_patch:
                    labels[at][answer.row, answer.col] = first + classes.index(answer.name)
        return cls(dataset.manifest.size, labels, beside)

    def __getitem__(self, row: int | np.ndarray) -> np.ndarray:
        if np.ndim(row):
            return np.stack([self[int(each)] for each in np.asarray(row)])
        if (answered := self.labels.get(int(row))) is not None:
            return answered
        if self.beside is None:
            return np.full((self.size, self.size), UNKNOWN, np.uint8)
        labels, class_of = self.beside
        return np.take(class_of, labels[int(row)]).astype(np.uint8)

    def take(self, rows: np.ndarray, axis: int = 0, **_: object) -> np.ndarray:
        """As numpy.take along the first axis."""
        return self[np.asarray(rows)]


def by_source(label_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """Labels of answered pixels alone, and those of all others; 255 elsewhere."""
    answered = (label_BHW >= ANSWERED) & (label_BHW != UNKNOWN)
    return torch.where(answered, label_BHW - ANSWERED, UNKNOWN), torch.where(answered, UNKNOWN, label_BHW)


def _answered(path: str | Path, rows: Iterable[tuple[Any, ...]], classes: Sequence[str]) -> Iterator[tuple[Pixel, str]]:
    """The pixel and the class of every row; ValueError for classes that are unknown."""
    for text, patch, row, col, crc in rows:
        pixel = str(patch), _whole(crc, path), _whole(row, path), _whole(col, path)
        yield pixel, answered_class("" if text is None else str(text), classes, f"answers {path}, patch {patch}")


def read_answers(path: str | Path, classes: Sequence[str], label_weight: float = 0.0) -> Answers:
    """The answers of a sheet that `isamap ask` wrote, filled in.

    classes: names that answers may have. label_weight: see `Answers`. ValueError: no such sheet, unknown classes, one
    pixel with two classes, no answer at all.
    """
    table = _table(Path(path).expanduser())
    lower = {name.lower(): values for name, values in table.items()}
    if missing := [name for name in COLUMNS if name not in lower]:
        raise ValueError(
            f"answers {path} have no column {', '.join(missing)}: give the sheet/points.gpkg or answers.csv that "
            "`isamap ask` wrote, with its column class filled in"
        )
    answers: dict[Pixel, Answer] = {}
    counts = {UNCERTAIN: 0, "": 0}
    for pixel, name in _answered(path, zip(*(lower[name] for name in COLUMNS), strict=True), classes):
        if name in counts:
            counts[name] += 1
            continue
        if pixel in answers and answers[pixel].name != name:
            patch, _, row, col = pixel
            raise ValueError(f"answers {path}: pixel {row}, {col} of patch {patch} has two classes: keep one of them")
        answers[pixel] = Answer(*pixel, name)
    if not answers:
        raise ValueError(
            f"answers {path}: none of {len(lower['class'])} points has a class: fill in the column class "
            f"({', '.join(classes)})"
        )
    # Sorted: a sheet whose rows were moved holds the same answers, so its run goes on.
    return Answers(tuple(answers[pixel] for pixel in sorted(answers)), counts[UNCERTAIN], counts[""], label_weight)


def _table(path: Path) -> Mapping[str, Collection[Any]]:
    """Columns by name, of points.gpkg or of answers.csv as a spreadsheet saved it."""
    if path.suffix.lower() in sheet_text.ENDINGS and path.is_file():
        return sheet_text.columns(path, "answers")
    return read_table(path, "answers").columns


def _whole(value: object, path: str | Path) -> int:
    try:
        # Spreadsheets and GeoPackages give whole numbers back as 12.0, so a text is read as a number first.
        coordinate = sheet_text.number(value)
        if coordinate != int(coordinate):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"answers {path}: row, col and image_crc32c are whole numbers, not {value!r}: leave these columns as "
            "`isamap ask` wrote them"
        ) from error
    return int(coordinate)
