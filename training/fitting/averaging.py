"""Averaged weights: an exponential moving average of a network in training, validated and kept in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# the average follows closely at first: its decay is (1 + step) / (10 + step) until that exceeds the one asked for
# The rule and its 10 are those of TensorFlow's ExponentialMovingAverage.
WARM_UP_STEPS = 10


class Average:
    """The moving average of a network's weights and running statistics, after every optimiser step.

    average = decay x average + (1 - decay) x weights; whole numbers (counts of batches) are taken as they are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay, self.steps = network, decay, 0
        self.values = {name: tensor.detach().clone() for name, tensor in self._held().items()}

    def update(self) -> None:
        """Take in the weights as they are now."""
        self.steps += 1
        # Early weights are random: a long memory from the start would keep them for hundreds of steps.
        share = 1 - min(self.decay, (1 + self.steps) / (WARM_UP_STEPS + self.steps))
        with torch.no_grad():
            for name, tensor in self._held().items():
                if tensor.is_floating_point():
                    self.values[name].lerp_(tensor, share)
                else:
                    # Counts of batches have no mean.
                    self.values[name].copy_(tensor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network holds the averages inside the block, its own weights again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def to_state(self) -> dict[str, object]:
        """What `restore` takes: tensors and a number."""
        return {"values": self.values, "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an interrupted run's averages."""
        self.steps = int(state["steps"])
        with torch.no_grad():
            for name, tensor in self.values.items():
                tensor.copy_(state["values"][name])

    def to(self, device: torch.device) -> None:
        """Keep the averages on the network's device."""
        self.values = {name: tensor.to(device) for name, tensor in self.values.items()}

    def _held(self) -> dict[str, Tensor]:
        return self.network.state_dict(keep_vars=True)

    def _swap(self) -> None:
        # contents change hands, not objects: the optimiser and other processes go on with the same parameters
        for name, tensor in self._held().items():
            tensor.data, self.values[name] = self.values[name], tensor.data
