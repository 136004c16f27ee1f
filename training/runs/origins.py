"""Where a run comes from beside its data and recipe: another checkpoint, a pretrained encoder, patches left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isamap.gee_export.datasets.dataset import Patch
from isamap.training import plugins
from isamap.training.imperfect.noise import LEAST, described, keeper
from isamap.training.recipes import Recipe
from isamap.training.runs.backbone import Start
from isamap.training.runs.finetune import Taken
from isamap.training.samples.answers import read_answers
from isamap.training.samples.data import SampleSource

MIN_AGREEMENT = "min_agreement"


@dataclass(frozen=True)
class Origins:
    """Where a run comes from beside its data and recipe: what was taken over, from where, which chips were left out.

    answers: which pixels alone are learned from. fold: which part of a cross-validation the run is. without_image:
    which weights of the recipe's loss fell away and why (for the report; the recipe itself holds what is left).
    """

    taken: Taken | None = None
    chips: str | None = None
    backbone: Start | None = None
    answers: str | None = None
    without_image: str | None = None
    fold: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The origin as a run's note and its checkpoints hold it; empty for a run from scratch on all patches."""
        document: dict[str, Any] = {}
        if self.taken is not None:
            document |= {"start": self.taken.fingerprint, "taken": list(self.taken.sentences())}
        if self.backbone is not None:
            document["backbone"] = self.backbone.to_json()
        if self.chips is not None:
            document["chips"] = self.chips
        if self.answers is not None:
            document["answers"] = self.answers
        if self.fold is not None:
            document["fold"] = self.fold
        return document

    @property
    def sentences(self) -> tuple[str, ...]:
        """For the report."""
        starts = [start.sentences() for start in (self.taken, self.backbone) if start is not None]
        further = [
            sentence for sentence in (self.chips, self.answers, self.without_image, self.fold) if sentence is not None
        ]
        return (*(sentence for each in starts for sentence in each), *further)


def say(sentence: str | None) -> None:
    """Prints a sentence about the run on the standard error before it starts."""
    if sentence is not None:
        print(f"note: {sentence}", file=sys.stderr, flush=True)


def answered(source: SampleSource, path: str | Path | None, label_weight: float = 0.0) -> SampleSource:
    """The source that learns from the answers of a sheet alone, or beside its labels by a weight of these.

    ValueError: they cannot be its labels.
    """
    if path is None:
        if label_weight:
            raise ValueError("--label-weight is of the data's own labels beside answers: give --answers")
        return source
    if source.target.layer != "label":
        raise ValueError(f"--answers are classes of the image's pixels, the recipe learns {source.target.layer}: "
                         "set target=label")  # fmt: skip
    answers = read_answers(path, source.classes, label_weight)
    answers.check(source.datasets)
    return replace(source, answers=answers)


def foreign_code(recipe: Recipe) -> dict[str, list[str]]:
    """Whose network and loss a recipe takes from other packages, with their versions; empty where all are isamap's.

    Not in the run's note: a newer version of the package goes on with the run.
    """
    names = [plugins.with_version(name) for name in (recipe.model, recipe.loss) if plugins.is_address(name)]
    return {"code": names} if names else {}


def kept_chips(chips: str | Path | None, settings: Mapping[str, Any] | None) -> Callable[[Patch], bool] | None:
    """Which training patches stay by an agreement file; min_agreement among the settings is its limit."""
    if chips is None:
        if (least := (settings or {}).get(MIN_AGREEMENT)) is not None:
            raise ValueError(f"{MIN_AGREEMENT}={least} says which chips of an agreement file stay: give --chips FILE")
        return None
    return keeper(chips, _least(settings))


def _least(settings: Mapping[str, Any] | None) -> float:
    setting = (settings or {}).get(MIN_AGREEMENT, LEAST)
    try:
        return float(setting)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{MIN_AGREEMENT}={setting}: expected a share of 0 to 1") from error


def left_out(chips: str | Path | None, settings: Mapping[str, Any] | None) -> str | None:
    """What an agreement file leaves out at its limit: another file or another limit is another run."""
    return None if chips is None else described(chips, _least(settings))
