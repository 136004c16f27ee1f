"""Runs whose learning rate is chosen on the validation split, by short rehearsals of the same network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isamap.reproduction.runs import Training, note_of
from isamap.reproduction.study import Run, StudyFolder

# A factor of four apart around Adam's usual 1e-3: no method is judged at a rate that suits another.
RATES = (5e-4, 2e-3, 8e-3)
# no row of a table has this seed, so that none is judged on the very run that chose its rate
TUNING_SEED = 1000


@dataclass(frozen=True)
class Tuned:
    """A training at that one of `rates` whose rehearsal validates best.

    rehearsal: what is trained once at each rate, for its own number of epochs; rows of one family may share it.
    """

    training: Training
    rehearsal: Training
    rates: tuple[float, ...] = RATES

    @property
    def title(self) -> str:
        """The recipe's name."""
        return self.training.title

    @property
    def needs(self) -> tuple[Run, ...]:
        """A rehearsal at each rate, and what the training itself needs."""
        return (*self._rehearsals, *self.training.needs)

    @property
    def _rehearsals(self) -> tuple[Run, ...]:
        return tuple(rehearsed(self.rehearsal, rate) for rate in self.rates)

    def facts(self, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """The training's but for its rate, and the rehearsals'."""
        recipe_facts = dict(self.training.facts(study_folder, seed))
        # The rate follows from the rehearsals, so it is no fact of its own: the folder has a name before they are made.
        del recipe_facts["lr"]
        return recipe_facts | {"tuned": [run.facts(study_folder, seed) for run in self._rehearsals]}

    def check(self, study_folder: StudyFolder, seed: int) -> None:
        """What the training needs."""
        self.training.check(study_folder, seed)

    def make(self, folder: Path, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """Train at the rate that validated best; the rate, and what each rehearsal reached."""
        reached = {
            rate: _validated(study_folder.folder(run, seed))
            for rate, run in zip(self.rates, self._rehearsals, strict=True)
        }
        rate = max(reached, key=lambda rate: reached[rate])
        training = replace(self.training, settings={**self.training.settings, "lr": str(rate)})
        rehearsals = {f"{rate:g}": value for rate, value in reached.items()}
        return {**training.make(folder, study_folder, seed), "lr": rate, "rehearsals": rehearsals}


def rehearsed(training: Training, rate: float) -> Training:
    """The rehearsal at a rate."""
    return replace(training, settings={**training.settings, "lr": str(rate)}, fixed_seed=TUNING_SEED)


def shared(
    recipe: str, settings: Mapping[str, Any], rehearsal: Training, data: str = "", *, judge: Run | None = None
) -> Tuned:
    """A recipe that takes the rate of rehearsals, its own or another's."""
    return Tuned(Training(recipe, settings, data, judge=judge), rehearsal)


def _validated(folder: Path) -> float:
    return float((note_of(folder) or {})["best_validation_miou"])
