"""Filter pruning via geometric median (LandCover3m eq. 1; He et al., CVPR 2019): filters that the others can stand in
for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isamap.training.pruning.groups import Group

# Tried on `unet-tiny` (training/LOG.md, 2026-11-21): with weights alone at 0 the MIoU is .615 and .701 (two seeds),
# with these beside them .978 and .979.
SEED, FACTOR = 1e-12, 1e-3  # what normalisation adds to a silenced filter, and its factor
Kept = tuple[Tensor, ...]  # of each group the numbers of the filters that stay, ascending


def redundancy(weight_OIHW: Tensor) -> Tensor:
    """Sum of a filter's distances (2-norm) to all others of its layer, float64 (filters,); small ones are redundant."""
    filters_ND = weight_OIHW.detach().flatten(1).double()
    # the matrix-product form of cdist loses what is nearly equal, which is just what is looked for
    return torch.cdist(filters_ND, filters_ND, compute_mode="donot_use_mm_for_euclid_dist").sum(dim=1)


def chosen(network: nn.Module, groups: Sequence[Group]) -> Kept:
    """The filters of each group that stay: those with the largest sums of distances.

    Of several makers the sums count relative to their layer's mean, so that no layer decides by the size of its
    weights. Of equal filters the first ones go.
    """
    return tuple(_kept(network, group) for group in groups)


def remaining(network: nn.Module, groups: Sequence[Group]) -> Kept:
    """The filters of each group that are not silenced; as many as the group keeps, in case more are."""
    kept = []
    for group in groups:
        weights = (network.get_parameter(f"{conv}.weight").detach() for conv, _ in group.makers)
        alive = sum((weight.abs().flatten(1).sum(dim=1) for weight in weights), torch.zeros(()))
        # Stable: if more are silent than the group loses, the first ones go, in every run.
        order = torch.argsort((alive > 0).int().cpu(), stable=True)
        kept.append(order[group.filters - group.kept :].sort().values)
    return tuple(kept)


def zeroise(network: nn.Module, groups: Sequence[Group], kept: Kept) -> None:
    """Silence all filters but the kept ones, in place: they give 0 in training and evaluation, and can grow again.

    Weights and biases are 0, and so is the mean that batch normalisation remembers. What it adds is next to nothing,
    for with a ReLU at 0 no gradient would ever reach the filter; its factor is small, since normalisation blows any
    first step away from 0 up to full size (training/LOG.md).
    """
    tensors: dict[str, Tensor] = network.state_dict(keep_vars=True)
    with torch.no_grad():
        for group, stay in zip(groups, kept, strict=True):
            gone = torch.ones(group.filters, dtype=torch.bool)
            gone[stay] = False
            for conv, norm in group.makers:
                for name in (f"{conv}.weight", f"{conv}.bias", f"{norm}.running_mean"):
                    if name in tensors:
                        tensors[name][gone.to(tensors[name].device)] = 0
                for name, value in ((f"{norm}.bias", SEED), (f"{norm}.weight", FACTOR)):
                    tensors[name][gone.to(tensors[name].device)] = value


def _kept(network: nn.Module, group: Group) -> Tensor:
    total = torch.zeros(group.filters, dtype=torch.float64)
    for conv, _ in group.makers:
        score = redundancy(network.get_parameter(f"{conv}.weight")).cpu()
        # Relative to the layer's mean, or the layer of the largest weights would decide for all.
        total += score / score.mean().clamp(min=torch.finfo(torch.float64).tiny)
    order = torch.argsort(total, stable=True)
    return order[group.filters - group.kept :].sort().values
