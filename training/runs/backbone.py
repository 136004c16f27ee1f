"""Pretrained encoders: published weights put into a network by their published names, bands by their names.

Rule for the convolution that reads the bands: a band that the file knows keeps its filters; any other gets the mean of
all of the file's filters; where the network has more bands than the file, all are scaled by their ratio, so that the
sums that the next layer sees stay as large (the rule of timm's pretrained starts, applied by name).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isamap.training.checkpoints.weights_file import ForeignWeights, read_weights
from isamap.training.models.output import Network, is_sar
from isamap.training.models.published_names import names_of
from isamap.training.runs.finetune import stems_of

RGB = ("B4", "B3", "B2")
S2_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
# the bands that published files of so many channels have, in their order: ImageNet's, SSL4EO-S12's
USUAL = {2: ("VV", "VH"), 3: RGB, 12: tuple(band for band in S2_L1C if band != "B10"), 13: S2_L1C}
UNSTATED = "not stated"
_COUNTER = "num_batches_tracked"  # older files lack it, and only training reads it


@dataclass(frozen=True)
class Backbone:
    """A file of published weights (.safetensors, or of torch.save), the bands of its first layer, and its licence.

    bands: by the number of its channels where none are named (USUAL). licence: as the file states it where none is
    named.
    """

    file: str | Path
    bands: tuple[str, ...] = ()
    licence: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(self.bands))
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"--backbone-bands {' '.join(self.bands)}: give each band once")

    def into(self, network: Network) -> Start:
        """Put the weights into a network's encoder, in place.

        ValueError: a file that is no network's weights, an encoder that is not the file's (the first tensor that
        differs is named), a number of channels whose bands are not known.
        """
        path = Path(self.file)
        foreign = read_weights(path)
        renamed = names_of(network).ours(foreign.tensors)
        tensors = {ours: foreign.tensors[name] for name, ours in renamed.items()}
        own_tensors = _wanted(network)
        stem, bands = _stem(network, own_tensors)
        read_bands = self._bands(tensors, f"{stem}.weight", path) if stem else bands
        _check(own_tensors, tensors, f"{stem}.weight", path)
        if f"{stem}.weight" in own_tensors:
            tensors[f"{stem}.weight"] = inflated(tensors[f"{stem}.weight"], read_bands, bands)
        for name in own_tensors.keys() & tensors.keys():
            own_tensors[name].copy_(tensors[name])
        read = tuple(band for band in bands if band in read_bands)
        return Start(
            name=path.name,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            licence=self.licence or foreign.licence or UNSTATED,
            taken=sum(name in tensors for name in own_tensors),
            kept=read,
            inflated=tuple(band for band in bands if band not in read),
            unused=_unused(foreign, renamed, own_tensors),
        )

    def _bands(self, tensors: Mapping[str, Tensor], stem: str, path: Path) -> tuple[str, ...]:
        if stem not in tensors or tensors[stem].ndim != 4:
            return ()
        channels = tensors[stem].shape[1]
        bands = self.bands or USUAL.get(channels, ())
        if len(bands) != channels:
            stated = f"{len(bands)} are named" if bands else "name them"
            raise ValueError(f"--backbone {path}: its first layer reads {channels} bands, {stated} by --backbone-bands")
        return bands


@dataclass(frozen=True)
class Start:
    """What was taken over: the file, its SHA-256 and licence, tensors taken, bands by their fate, tensors not used."""

    name: str
    sha256: str
    licence: str
    taken: int
    kept: tuple[str, ...]
    inflated: tuple[str, ...]
    unused: int

    def sentences(self) -> tuple[str, ...]:
        """For the report and the card."""
        bands = [f"bands {', '.join(self.kept)} by name"] * bool(self.kept)
        bands += [f"{', '.join(self.inflated)} from the mean of its bands"] * bool(self.inflated)
        unused = f", {self.unused} not used" * bool(self.unused)
        first = f"encoder started from {self.name}: {self.taken} tensors{unused}; {', '.join(bands)}."
        return first, f"licence of {self.name}: {self.licence}."

    def to_json(self) -> dict[str, Any]:
        """As a run's note and its checkpoints hold it."""
        return {"file": self.name, "sha256": self.sha256, "licence": self.licence, "taken": list(self.sentences())}


def inflated(weight_OCHW: Tensor, file_bands: tuple[str, ...], bands: tuple[str, ...]) -> Tensor:
    """The first layer's filters for `bands`, by the rule of this file."""
    filters = {band: weight_OCHW[:, at] for at, band in enumerate(file_bands)}
    mean_OHW = weight_OCHW.mean(dim=1)
    made = torch.stack([filters.get(_plain(band), filters.get(band, mean_OHW)) for band in bands], dim=1)
    # Never more than 1: with fewer bands than the file has, the filters stay as they were published.
    return made * min(1.0, len(file_bands) / len(bands))


def _plain(band: str) -> str:
    """A radar band's polarisation: VV_asc reads VV's filters."""
    return band.split("_")[0] if is_sar(band) else band


def _stem(network: Network, wanted: Mapping[str, Tensor]) -> tuple[str, tuple[str, ...]]:
    """The encoder's layer that reads the bands, and these in its order; "" where the network places bands itself."""
    if getattr(network, "places_bands", False):
        return "", network.bands
    for layer, bands in stems_of(network).items():
        if f"{layer}.weight" in wanted:
            return layer, bands
    raise ValueError("--backbone: the encoder's first layer reads more than the bands, leave model.validity out")


def _wanted(network: Network) -> dict[str, Tensor]:
    inside = names_of(network).inside
    return {name: tensor for name, tensor in network.state_dict().items() if name.startswith(inside)}


def _check(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], stem: str, path: Path) -> None:
    for name, tensor in wanted.items():
        if name not in tensors and not name.endswith(_COUNTER):
            raise ValueError(f"--backbone {path}: it lacks what the network calls {name}: give weights of its encoder")
        if name in tensors and name != stem and tensors[name].shape != tensor.shape:
            raise ValueError(
                f"--backbone {path}: {name} is {tuple(tensors[name].shape)} there and {tuple(tensor.shape)} in the "
                "network: give weights of an encoder of that size, or set the network's width"
            )


def _unused(foreign: ForeignWeights, renamed: Mapping[str, str], wanted: Mapping[str, Tensor]) -> int:
    return sum(renamed.get(name) not in wanted for name in foreign.tensors)
