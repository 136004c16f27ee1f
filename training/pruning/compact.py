"""The small network that is left when filters are removed: same results as with these filters silenced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isamap.training.models import build, constructor_values
from isamap.training.models.output import Network
from isamap.training.models.slim import Slim
from isamap.training.pruning.fpgm import Kept
from isamap.training.pruning.groups import Group, Reader


def compact(network: Network, model: str, slim: Slim, groups: Sequence[Group], kept: Kept) -> Network:
    """The network `model` with only the kept filters of each group, in evaluation mode.

    Equal to the given one with the others silenced (fpgm.zeroise), but for rounding.
    """
    state = slimmed(network.state_dict(), groups, kept)
    rule = {"prune": slim.scheme, "ratio": slim.ratio, "round_to": slim.round_to, "rounding": slim.rounding}
    values = constructor_values(network) | rule
    small = build(model, network.bands, values)
    # Strict: a tensor that no group made smaller would stop here and not in a map.
    small.load_state_dict(state)
    return small.eval()


def slimmed(state: Mapping[str, Tensor], groups: Sequence[Group], kept: Kept) -> dict[str, Tensor]:
    """A network's tensors without what makes or reads the filters that are gone, and where added ones go."""
    small = dict(state)
    inputs: dict[str, list[tuple[Reader, Group, Tensor]]] = {}
    for group, stay in zip(groups, kept, strict=True):
        for conv, norm in group.makers:
            for name in (f"{conv}.weight", f"{conv}.bias", *_of_norm(norm)):
                if name in small:
                    small[name] = small[name][stay.to(small[name].device)]
        for reader in group.readers:
            inputs.setdefault(reader.conv, []).append((reader, group, stay))
        if group.at:
            small[group.at] = stay
    for conv, parts in inputs.items():
        name = f"{conv}.weight"
        small[name] = small[name][:, _channels(state[name].shape[1], parts).to(small[name].device)]
    return small


def _channels(count: int, parts: Sequence[tuple[Reader, Group, Tensor]]) -> Tensor:
    """A reader's input channels that are still made by someone."""
    present = torch.ones(count, dtype=torch.bool)
    for reader, group, stay in parts:
        # Readers of concatenated features read several groups: each one answers for its own channels alone.
        present[reader.first : reader.first + group.filters] = False
        present[reader.first + stay] = True
    return present.nonzero().flatten()


def _of_norm(norm: str) -> tuple[str, ...]:
    return tuple(f"{norm}.{field}" for field in ("weight", "bias", "running_mean", "running_var"))
