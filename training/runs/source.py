"""Datasets opened for what a recipe learns; a JointSeg recipe goes without the true image where they have none."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from isamap.training.models import model_named
from isamap.training.recipes import Recipe
from isamap.training.samples.data import SampleSource
from isamap.training.samples.target import VISIBLE, LearningTarget

# weights that may fall away; `adversarial` goes on needing the image, and the cascade is nothing without it
OF_IMAGE = ("sharp", "edges")
LOSS = "jointseg"


def target_of(recipe: Recipe) -> LearningTarget:
    """What the recipe learns of a dataset."""
    sharp = VISIBLE if recipe.sharpens else ()
    days = getattr(model_named(recipe.model).network, "days", False)
    return LearningTarget(recipe.scheme, recipe.target, recipe.frames, days, sharp, recipe.sharp_as)


def source_for(
    recipe: Recipe, settings: Collection[str], opened: Callable[[LearningTarget], SampleSource]
) -> tuple[SampleSource, Recipe, str | None]:
    """The source, the recipe as it is trained on it, and a sentence where weights of the true image fell away.

    settings: keys that the user gave; a weight among them does not fall away. opened: opens the datasets for a target.
    ValueError: what `opened` refuses with and without the image.
    """
    try:
        return opened(target_of(recipe)), recipe, None
    except ValueError as error:
        if (plain := _without_image(recipe, settings)) is None:
            raise
        source = opened(target_of(plain))
        dropped = ", ".join(f"loss.{name}" for name in OF_IMAGE if recipe.loss_values.get(name))
        return source, plain, f"without a true image: {dropped} of recipe {recipe.name} set to 0, because {error}"


def _without_image(recipe: Recipe, settings: Collection[str]) -> Recipe | None:
    """The recipe with the weights of the true image 0; None where they belong to it."""
    values = recipe.loss_values
    if recipe.loss != LOSS or not recipe.sharpens:
        return None
    # Who asked for a weight wants it: its lack of an image is an error, not a note.
    if any(f"loss.{name}" in settings for name in OF_IMAGE):
        return None
    return replace(recipe, loss_values={**values, **{name: 0.0 for name in OF_IMAGE if name in values}})
