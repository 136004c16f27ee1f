"""From which data, weights and labels a run begins; all is checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network
from isamap.training.recipes import Recipe, override, recipe
from isamap.training.runs.backbone import Backbone, Start
from isamap.training.runs.finetune import carry, recipe_of
from isamap.training.runs.fitness import check_device, check_recipe_layers, check_size
from isamap.training.runs.origins import MIN_AGREEMENT, Origins, answered, kept_chips, left_out
from isamap.training.runs.source import source_for
from isamap.training.samples.data import SampleSource, open_source
from isamap.training.samples.folds import Fold
from isamap.training.samples.ground import check_apart

DEFAULT_RECIPE = "crofusenet-tiny"


@dataclass(frozen=True)
class Prepared:
    """All that a run trains with: samples, network and recipe, and where they come from."""

    source: SampleSource
    network: Network
    recipe: Recipe
    origins: Origins


@dataclass(frozen=True)
class Beginning:
    """From which weights and labels a run begins: see `train`."""

    start: str | Path | None
    backbone: str | Path | Backbone | None
    chips: str | Path | None
    answers: str | Path | None
    label_weight: float
    fold: Fold | None

    def __post_init__(self) -> None:
        if self.start is not None and self.backbone is not None:
            raise ValueError(f"--from {self.start} has weights of the whole network: leave --backbone out")

    def prepared(
        self, addresses: list[str | Path], named: str | Recipe | None, settings: Mapping[str, Any], session: Any
    ) -> Prepared:
        """ValueError where data, recipe and weights do not fit each other."""
        begun = None if self.start is None else ck.load(self.start, session)
        settled, keep = _recipe(named, settings, begun), kept_chips(self.chips, settings)
        check_device(settled)
        source, settled, without = source_for(
            settled,
            settings,
            lambda target: open_source(addresses, settled.bands, target=target, keep=keep, session=session),
        )
        source = self._labelled(source)
        network = self._network(source, settled)
        pretrained = _pretrained(self.backbone, network)
        taken = carry(begun, network) if begun is not None else None
        sentence = None if source.answers is None else source.answers.sentence
        of_fold = None if self.fold is None else self.fold.sentence
        origins = Origins(taken, left_out(self.chips, settings), pretrained, sentence, without, of_fold)
        return Prepared(source, network, settled, origins)

    def _labelled(self, source: SampleSource) -> SampleSource:
        """The samples of the fold or of the datasets' own splits, with the answers."""
        if self.fold is None:
            check_apart(source.datasets)
        else:
            source = self.fold.of(source)
        return answered(source, self.answers, self.label_weight)

    def _network(self, source: SampleSource, recipe: Recipe) -> Network:
        """The recipe's network with new weights; ValueError where the samples or the labels' weight do not fit it."""
        # Directly before the weights are drawn: nothing that was checked or read above may move them.
        torch.manual_seed(recipe.seed)
        network = build(recipe.model, source.band_names, config_for(recipe, source))
        check_size(source, network, recipe.crop)
        check_recipe_layers(recipe, network)
        if self.label_weight and isinstance(network, PixelClassifier):
            raise ValueError(
                f"{recipe.model} has no loss to weigh sources in: leave --label-weight out, or take a network"
            )
        return network


def config_for(recipe: Recipe, source: SampleSource) -> dict[str, Any]:
    """The network's constructor values for the classes that are learned; ValueError where the recipe says others."""
    classes = len(source.classes)
    if (stated := recipe.config.get("classes", classes)) != classes:
        raise ValueError(
            f"model.classes={stated}, but scheme {recipe.scheme} has {classes} classes: set model.classes={classes}"
        )
    return {"classes": classes, **recipe.config}


def _recipe(named: str | Recipe | None, settings: Mapping[str, Any] | None, begun: ck.Checkpoint | None) -> Recipe:
    """The recipe with its settings; without a name that of the checkpoint to start from, and its network either way."""
    settings = {key: value for key, value in (settings or {}).items() if key != MIN_AGREEMENT}
    if isinstance(named, str):
        return recipe(named, settings)
    if named is not None or begun is None:
        return override(named, settings) if named is not None else recipe(DEFAULT_RECIPE, settings)
    return override(replace(recipe_of(begun), config=_config_of(begun)), settings)


def _pretrained(backbone: str | Path | Backbone | None, network: Network) -> Start | None:
    if backbone is None:
        return None
    return (backbone if isinstance(backbone, Backbone) else Backbone(backbone)).into(network)


def _config_of(begun: ck.Checkpoint) -> dict[str, Any]:
    """The checkpoint's constructor values but for the number of classes, which the data decide."""
    return {key: value for key, value in begun.config.items() if key != "classes"}
