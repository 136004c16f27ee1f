"""What a study is: the rows of a paper's table or figure, what they are measured by, and the paper's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

PRESETS = ("cpu", "paper")


@dataclass(frozen=True)
class StudyMeasure:
    """A column: the key under which judges give its value, its heading, how it is printed, which end is good."""

    key: str
    title: str
    form: str = ".4f"
    best: str = "high"  # high | low | none

    def __post_init__(self) -> None:
        if self.best not in ("high", "low", "none"):
            raise ValueError(f"measure {self.key}: best={self.best!r}, expected high, low or none")


class StudyFolder(Protocol):
    """Where runs and datasets lie (runs.Bench)."""

    @property
    def out(self) -> Path: ...

    def data(self, name: str = "") -> tuple[str, ...]:
        """Addresses of a dataset of the study by its name; the study's first one if none is named."""
        ...

    def folder(self, run: Run, seed: int) -> Path:
        """The folder of a run, finished or still to be made."""
        ...


class Run(Protocol):
    """Something made once and shared by all rows and studies that want it: a runs.Training, a pruning, ..."""

    @property
    def title(self) -> str:
        """The beginning of its folder's name, such as crofusenet-tiny."""
        ...

    @property
    def needs(self) -> tuple[Run, ...]:
        """Runs that must be finished before."""
        ...

    def facts(self, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """All that decides the outcome, as JSON: two runs of equal facts are one."""
        ...

    def check(self, study_folder: StudyFolder, seed: int) -> None:
        """Raises ValueError where the data lack what the run needs; called for all runs before the first is made."""
        ...

    def make(self, folder: Path, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """Fill the folder (best/ is its checkpoint), going on where it was interrupted; what the report says of it:
        epochs, steps and parameters, as far as there are any.
        """
        ...


@dataclass(frozen=True)
class Trial:
    """One row with one seed, for its judge.

    run: the folder of its finished run. data: the dataset it is judged on, by its name in the study. shown: ids of that
    dataset's patches of which the panel wants maps; given with the first seed only.
    """

    folder: StudyFolder
    run: Path | None
    seed: int
    data: str = ""
    shown: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses of the dataset it is judged on."""
        return self.folder.data(self.data)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What a judge found: values by measure key, confusion counts of each spatial block, and maps by patch id.

    blocks: int64 (blocks, classes, classes), rows reference, columns what is seen; None where there are no such counts.
    A map holds the numbers of `classes`, 255 unknown, uint8 (rows, columns), as fine as the label or finer. heats: by
    patch id the chance of impervious, 255 for certain, uint8 (rows, columns), where the judge shows it.
    """

    values: Mapping[str, float | None]
    blocks: np.ndarray | None = None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: tuple[str, ...] = ("pervious", "impervious")
    heats: Mapping[str, np.ndarray] = field(default_factory=dict)


Evaluator = Callable[[Trial], Evaluated]


@dataclass(frozen=True)
class StudyRow:
    """One line of a table: what is trained (None: nothing), how it is judged, and what the paper prints by measure.

    data: the dataset it is judged on, by its name in the study; the first one if empty. Rows of one dataset share the
    lines of the panel. seeds: fewer than the preset's for a row that takes long, 0 for as many; where the user gives a
    number, that number counts.
    """

    label: str
    run: Run | None
    evaluator: Evaluator
    paper: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    data: str = ""
    seeds: int = 0


@dataclass(frozen=True)
class Export:
    """A dataset that a preset makes for itself: arguments of isamap.gee_export.export_patches, without `out`.

    name is its folder's name under <out>/data; equal names of several studies must be equal exports. remarks: sentences
    for the report that hold of this dataset only, not of another given with --data. prepare: makes files that the
    export reads, in the folder given, and returns the arguments that name them.
    """

    name: str
    arguments: Mapping[str, Any]
    remarks: tuple[str, ...] = ()
    prepare: Callable[[Path], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class FromFiles:
    """A dataset that is made of a folder of real files, which the user gives with --data.

    make: writes the dataset of such a folder into another one. remarks: as an Export's.
    """

    name: str
    make: Callable[[Path, Path], None]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyPreset:
    """A size in which a study is run. data: by the name that rows use, the first is the one that --data replaces.

    differs: sentences saying what is not as in the paper. truth: the dataset whose labels the panel shows as truth.
    files: what a folder given with --data must hold, where all datasets are made of it.
    """

    rows: tuple[StudyRow, ...]
    data: Mapping[str, Export] | Mapping[str, FromFiles]
    seeds: int
    differs: tuple[str, ...] = ()
    truth: str = ""
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = [row.label for row in self.rows]
        if not labels or len(set(labels)) != len(labels):
            raise ValueError(f"rows {', '.join(labels) or 'none'}: expected at least one, each with its own label")
        if self.seeds < 1:
            raise ValueError(f"seeds={self.seeds}: expected 1 or more")
        if not self.data or (self.truth and self.truth not in self.data):
            raise ValueError(
                f"datasets {', '.join(self.data) or 'none'}: expected one at least, and the truth's if any"
            )
        if unknown := sorted({row.data for row in self.rows} - {"", *self.data}):
            raise ValueError(f"rows are judged on {', '.join(unknown)}: expected some of {', '.join(self.data)}")

    @property
    def main(self) -> str:
        """The name of the first dataset."""
        return next(iter(self.data))

    @property
    def judged_on(self) -> tuple[str, ...]:
        """Names of the datasets that rows are judged on, in the rows' order."""
        return tuple(dict.fromkeys(row.data or self.main for row in self.rows))


@dataclass(frozen=True)
class Study:
    """A table or figure of a paper. presets: by name, functions that give the rows, datasets and seeds of that size.

    paper: where it stands. order_by: the measure whose ordering is compared in words; paper_order: labels, best first,
    where the paper tells an order without numbers. notes: faults of the paper and other remarks that hold whatever the
    size. teacher: the row of the labels that networks learn from, where it is judged too: a network below it has not
    converged. headroom: the rows between which gains are shares: a baseline and an oracle. contrasts: the pairs of rows
    that are compared, all if empty.
    """

    name: str
    title: str
    paper: str
    measures: tuple[StudyMeasure, ...]
    order_by: str
    presets: Mapping[str, Callable[[], StudyPreset]]
    notes: tuple[str, ...] = ()
    paper_order: tuple[str, ...] = ()
    teacher: str = ""
    headroom: tuple[str, ...] = ()
    contrasts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.order_by not in (keys := [measure.key for measure in self.measures]):
            raise ValueError(f"{self.name}: order_by {self.order_by!r}, expected one of {', '.join(keys)}")
        if unknown := sorted(set(self.presets) - set(PRESETS)):
            raise ValueError(f"{self.name}: presets {', '.join(unknown)}, expected some of {', '.join(PRESETS)}")

    def preset(self, name: str) -> StudyPreset:
        """The preset of that name, one of PRESETS; ValueError where the study has none."""
        if name not in self.presets:
            raise ValueError(f"{self.name} has no preset {name!r}: choose one of {', '.join(self.presets)}")
        return self.presets[name]()


def printed(measures: Sequence[StudyMeasure], numbers: Sequence[float]) -> dict[str, float]:
    """A paper's numbers by the keys of the measures, in their order."""
    return {measure.key: value for measure, value in zip(measures, numbers, strict=True)}
