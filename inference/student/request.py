"""What `isamap to-ee` is asked for: a teacher, a dataset, the script's place and time, and how the student learns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from gee_export.base.options import Option
from inference.request import When, Where

MOST_NEURONS = 256  # of a hidden layer


@dataclass(frozen=True)
class Distillation:
    """How a student learns: candidates' hidden layers, pixels drawn, passes over them, seed, weight of known labels."""

    hidden: Annotated[
        tuple[str, ...], Option("Neurons of hidden layers, one candidate each.", metavar="16-8", group="Student")
    ] = ("16-8", "32-16")
    pixels: Annotated[int, Option("Pixels drawn from the train split.", group="Student")] = 60_000
    epochs: Annotated[int, Option("Passes over those pixels.", group="Student")] = 20
    seed: Annotated[int, Option("Decides draw, weights and order.", group="Student")] = 0
    label_share: Annotated[
        float, Option("Weight of known labels beside the teacher's probabilities, 0 to 1.", group="Student")
    ] = 0.0

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
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= MOST_NEURONS for part in parts):
        raise ValueError(
            f"hidden {word!r}: expected 1 to {MOST_NEURONS} neurons for each hidden layer, joined by -, such as 16-8"
        )
    return tuple(map(int, parts))


@dataclass(frozen=True)
class StudentOptions:
    """The place and period of the script, whose images they are, and how the student learns."""

    where: Where = field(default_factory=Where)
    when: When = field(default_factory=When)
    project: Annotated[
        str | None, Option("Google Cloud project; without it the local engine.", metavar="NAME", group="Pixels")
    ] = None
    catalog: Annotated[str, Option("Local engine's images: world, or a folder.", group="Pixels")] = "world"
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
