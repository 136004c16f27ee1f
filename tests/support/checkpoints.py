"""Checkpoints of untrained networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from isamap.gee_export.base.scheme import CLASSES
from isamap.gee_export.datasets.dataset import Dataset
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build
from isamap.training.models.output import Network

FACTS = {
    "classes": CLASSES,
    "thresholds": {"impervious": 0.5},
    "composite": {},
    "backscatter": "sigma0",
    "simulated": True,
}
SIZES = {"unet": {"widths": (4, 8)}, "jointseg": {"widths": (4, 6), "middle": 6, "fine": 4}}


def kept(folder: Path, network: Network, model: str, bands: Sequence[ck.BandNorm], **changes) -> ck.Checkpoint:
    """The network as a checkpoint; `changes` replace FACTS and what the network says of itself."""
    return ck.save(ck.of_network(network, model, bands, **(FACTS | changes)), network, folder)


def for_dataset(
    folder: Path, data: str, model: str = "unet", *, seed: int = 0, loud: bool = False, shift: float = 0.0, **changes
) -> str:
    """A small network for a dataset's bands as a checkpoint.

    loud: several classes come out. shift: deviations by which its means lie beside the dataset's.
    """
    torch.manual_seed(seed)
    head, classes = Dataset.open(data).manifest, changes.get("classes", CLASSES)
    network = build(model, head.band_names, {**SIZES[model], "classes": len(classes)})
    if loud:
        last = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)][-1]
        with torch.no_grad():
            last.weight.mul_(30)
            last.bias.zero_()
    told = [(band, head.statistics[band.name]) for band in head.bands]
    norms = [ck.BandNorm(band.name, band.unit, of.mean + shift * of.std, of.std) for band, of in told]
    return kept(folder, network, model, norms, composite=head.settings, **changes).location
