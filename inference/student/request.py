"""What `isamap to-ee` is asked for: a teacher, a dataset, the script's place and time, and how the student learns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from isamap.gee_export.base.options import Option
from isamap.gee_export.export.place_options import OnePeriod, OnePlace
from isamap.inference.mapping.request import Catalog, Project

MOST_NEURONS = 256  # of a hidden layer


@dataclass(frozen=True)
class Distillation:
    """How a student learns: candidates' hidden layers, pixels drawn, passes over them, seed, weight of known labels."""

    GROUP: ClassVar[str] = "Student"
    hidden: Annotated[tuple[str, ...], Option("Neurons of hidden layers, one candidate each.", metavar="16-8")] = (
        "16-8",
        "32-16",
    )
    pixels: Annotated[int, Option("Pixels drawn from the train split.")] = 60_000
    epochs: Annotated[int, Option("Passes over those pixels.")] = 20
    seed: Annotated[int, Option("Decides draw, weights and order.")] = 0
    label_share: Annotated[float, Option("Weight of known labels beside the teacher's probabilities, 0 to 1.")] = 0.0

    def __post_init__(self) -> None:
        if not self.hidden:
            raise ValueError("hidden is empty: name at least one candidate, such as 16-8")
        for name, least, most in (("pixels", 100, 2_000_000), ("epochs", 1, 1000)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} {getattr(self, name)}: expected {least} to {most:,}")
        if not 0 <= self.label_share <= 1:
            raise ValueError(f"label_share {self.label_share}: expected 0 (the teacher alone) to 1 (labels alone)")
        _ = [layers_of(word) for word in self.hidden]


def layers_of(word: str) -> tuple[int, ...]:
    """Neurons of the hidden layers: "16-8" are two layers; ValueError for other words."""
    parts = word.split("-")
    if not all(width.isascii() and width.isdigit() and 0 < int(width) <= MOST_NEURONS for width in parts):
        raise ValueError(
            f"hidden {word!r}: expected 1 to {MOST_NEURONS} neurons for each hidden layer, joined by -, such as 16-8"
        )
    return tuple(map(int, parts))


@dataclass(frozen=True)
class StudentOptions:
    """The place and period of the script, whose images they are, and how the student learns."""

    where: OnePlace = field(default_factory=OnePlace)
    when: OnePeriod = field(default_factory=OnePeriod)
    project: Project = None
    catalog: Catalog = "world"
    learning: Distillation = field(default_factory=Distillation)


@dataclass(frozen=True)
class StudentRequest:
    """A student: of which checkpoint, learned on which datasets, written where, and its options."""

    checkpoint: Annotated[
        str, Option("The teacher: a run's folder, or one checkpoint in it.", metavar="CHECKPOINT", positional=True)
    ] = ""
    data: Annotated[
        tuple[str, ...], Option("Patch dataset: a folder or gs://bucket/prefix; may repeat.", group="What")
    ] = ()
    out: Annotated[
        str, Option("A new folder for the student, its graph and its script.", metavar="FOLDER", group="What")
    ] = ""
    options: StudentOptions = field(default_factory=StudentOptions)

    def check(self) -> None:
        """ValueError where something that has no default is missing."""
        for name, value in (("CHECKPOINT", self.checkpoint), ("--data", self.data), ("--out", self.out)):
            if not value:
                raise ValueError(f"{name} is missing: isamap to-ee runs/NAME --data DATASET --out FOLDER")
