"""Fine-tuning: a checkpoint's weights taken over by a network of other bands or classes, band by band name.

Rule for the convolutions that read the image's bands: the filters of a band that both know are copied; those of a new
band are the mean of the copied ones, scaled so that all new bands together weigh (sum of squares) what the dropped ones
weighed, and 0 where none was dropped, so that an added band changes nothing before it is learned from. Layers whose
shape depends on the number of classes start afresh where that number changes. Everything else must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build, constructor_values
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network
from isamap.training.recipes import Recipe

Stems = dict[str, tuple[str, ...]]  # a convolution's name -> the bands that its input channels are


@dataclass(frozen=True)
class Taken:
    """What was taken over: the checkpoint's fingerprint, bands by their fate, layers that start again."""

    fingerprint: str
    kept: tuple[str, ...]
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    anew: tuple[str, ...]

    def sentences(self) -> tuple[str, ...]:
        """For the report."""
        bands = [f"fine-tuned from checkpoint {self.fingerprint[:12]}: bands {', '.join(self.kept)} taken over"]
        bands += [f"{', '.join(self.added)} added"] * bool(self.added)
        bands += [f"{', '.join(self.dropped)} dropped"] * bool(self.dropped)
        words = ["; ".join(bands) + "."]
        if self.anew:
            words.append(f"other classes: {', '.join(self.anew)} start anew.")
        return tuple(words)


def recipe_of(checkpoint: ck.Checkpoint) -> Recipe:
    """The recipe that a checkpoint was trained by; ValueError where it says none that this isamap knows."""
    recipe_fields = {field.name for field in fields(Recipe)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in checkpoint.recipe.items()
        if name in recipe_fields
    }
    try:
        return Recipe(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint.location} says no recipe to go on with ({error}): name one with --recipe"
        ) from error


def carry(checkpoint: ck.Checkpoint, network: Network) -> Taken:
    """Put the checkpoint's weights into a network of the same kind, in place, by the rule of this file.

    ValueError: another model, other constructor values, no band in common, a classifier of pixels. Fault: damaged
    weights.
    """
    old = checkpoint.build()
    _check_alike(checkpoint, old, network)
    new_state, old_state = network.state_dict(), old.state_dict()
    stems, old_stems = stems_of(network), stems_of(old)
    anew = _of_classes(checkpoint, network, stems)
    for name, tensor in new_state.items():
        layer, _, parameter = name.rpartition(".")
        if layer in stems and parameter == "weight":
            tensor.copy_(stem_weights(old_state[name], old_stems[layer], stems[layer]))
        elif name not in anew:
            tensor.copy_(old_state[name])
    kept = tuple(band for band in network.bands if band in old.bands)
    added, dropped = (_without(network.bands, old.bands), _without(old.bands, network.bands))
    return Taken(
        checkpoint.fingerprint, kept, added, dropped, tuple(sorted({name.rpartition(".")[0] for name in anew}))
    )


def stem_weights(old_OCHW: Tensor, old_bands: tuple[str, ...], bands: tuple[str, ...]) -> Tensor:
    """The filters of `bands` made from those of `old_bands`, by the rule of this file."""
    filters = {band: old_OCHW[:, at] for at, band in enumerate(old_bands)}
    kept, dropped = [band for band in bands if band in filters], _without(old_bands, bands)
    mean_OHW = torch.stack([filters[band] for band in kept or old_bands]).mean(dim=0)
    added = _without(bands, old_bands)
    lost, weight = sum(float(filters[band].square().sum()) for band in dropped), float(mean_OHW.square().sum())
    scale = (lost / (len(added) * weight)) ** 0.5 if added and weight else 0.0
    return torch.stack([filters[band] if band in filters else mean_OHW * scale for band in bands], dim=1)


def stems_of(network: Network) -> Stems:
    """The convolutions that read the image's bands, each band in a channel of its own, perhaps enlarged.

    Found by watching what convolutions are given: in one batch each image differs from the first in one band only.
    """
    side, count = max(16, 2 * network.multiple), len(network.bands)
    noise = torch.Generator().manual_seed(0)
    images = torch.randn(1, count, side, side, generator=noise).repeat(count + 1, 1, 1, 1)
    for band in range(count):
        images[band + 1, band] = torch.randn(side, side, generator=noise)
    stems: Stems = {}

    def watch(name: str) -> Callable[..., None]:
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if (at := _bands_in(inputs[0], count)) is not None:
                stems[name] = tuple(network.bands[band] for band in at)

        return note

    convs = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    handles = [module.register_forward_pre_hook(watch(name)) for name, module in convs.items()]
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(images)
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return stems


def _bands_in(given_BCHW: Tensor, bands: int) -> list[int] | None:
    """The band that each channel alone depends on, if each depends on one and no two on the same."""
    channels = given_BCHW.shape[1]
    if channels > bands or len(given_BCHW) != bands + 1:
        return None
    changed_BC = (given_BCHW[1:] != given_BCHW[:1]).flatten(2).any(dim=2)
    if not (changed_BC.sum(dim=0) == 1).all():
        return None
    at = changed_BC.int().argmax(dim=0).tolist()
    return at if len(set(at)) == channels else None


def _check_alike(checkpoint: ck.Checkpoint, old: Network, network: Network) -> None:
    if isinstance(network, PixelClassifier) or isinstance(old, PixelClassifier):
        raise ValueError(
            f"{checkpoint.model} at {checkpoint.location}: pixel classifiers are fitted from scratch, leave --from out"
        )
    if type(old) is not type(network):
        raise ValueError(
            f"the checkpoint is a {checkpoint.model}, the recipe trains a {type(network).__name__}: "
            "choose its recipe, or leave --recipe out"
        )
    left, right = constructor_values(old), constructor_values(network)
    for name in {**left, **right}:
        if name != "classes" and left.get(name) != right.get(name):
            raise ValueError(
                f"the checkpoint has {name} {_value(old, left, name)}, the recipe {_value(network, right, name)}: "
                f"leave --recipe out, or use "
                f"--set model.{name}=..."
            )
    if not set(old.bands) & set(network.bands):
        raise ValueError(
            f"the checkpoint knows bands {', '.join(old.bands)}, the data hold {', '.join(network.bands)}: "
            "none in common, train from scratch"
        )


def _value(network: Network, values: Mapping, name: str) -> Any:
    """A constructor value, also where it is not stated because it is the default (models/validity.py)."""
    return values.get(name, getattr(network.config, name, None))


def _of_classes(checkpoint: ck.Checkpoint, network: Network, stems: Stems) -> set[str]:
    """Tensors that start again because there are other classes. ValueError where other bands change more than stems."""
    values = constructor_values(network)
    old, new = (_shapes(checkpoint.model, bands, checkpoint.config) for bands in (checkpoint.band_names, network.bands))
    read_bands = {f"{conv}.weight" for conv in stems}
    if odd := sorted(name for name in {*old, *new} - read_bands if old.get(name) != new.get(name)):
        raise ValueError(
            f"a {checkpoint.model} of bands {', '.join(network.bands)} is built otherwise than the checkpoint's "
            f"({odd[0]} differs): give bands of the same kinds (optical, radar), or train from scratch"
        )
    unchanged = _shapes(checkpoint.model, network.bands, values)
    return {name for name in new if unchanged[name] != new[name]}


def _shapes(model: str, bands: tuple[str, ...], config: Mapping) -> dict[str, torch.Size]:
    # Shapes alone: on the meta device no weight is drawn and no memory taken.
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in build(model, bands, config).state_dict().items()}


def _without(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)
