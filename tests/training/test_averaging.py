"""Averaged weights: the moving average in closed form, in the network's place and back."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from isamap.training.fitting.averaging import WARM_UP_STEPS, Average


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


def shaken(net: nn.Sequential, generator: torch.Generator) -> np.ndarray:
    """New random weights, by hand; the first weight's values."""
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_(generator=generator)
            else:
                tensor.add_(1)
    return net[0].weight.detach().numpy().copy()


def test_it_is_the_moving_average_with_a_short_memory_at_first():
    """average = d average + (1 - d) weights, d = min(decay, (1 + t) / (10 + t))."""
    net, generator = network(), torch.Generator().manual_seed(1)
    average = Average(net, 0.8)
    expected = net[0].weight.detach().double().numpy().copy()
    for step in range(1, 61):
        decay = min(0.8, (1 + step) / (WARM_UP_STEPS + step))
        expected = decay * expected + (1 - decay) * shaken(net, generator)
        average.update()
    np.testing.assert_allclose(average.values["0.weight"].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert average.values["1.num_batches_tracked"].item() == 60


def test_inside_the_block_the_network_is_the_average_and_afterwards_itself():
    net = network()
    average = Average(net, 0.9)
    shaken(net, torch.Generator().manual_seed(2))
    average.update()
    own, mean = copy.deepcopy(net.state_dict()), {name: t.clone() for name, t in average.values.items()}
    parameters = list(net.parameters())
    with average.in_place():
        assert all(torch.equal(tensor, mean[name]) for name, tensor in net.state_dict().items())
        assert all(one is second for one, second in zip(net.parameters(), parameters, strict=True)), "for the optimiser"
    assert all(torch.equal(tensor, own[name]) for name, tensor in net.state_dict().items())


def test_an_error_inside_the_block_leaves_the_network_itself():
    net = network()
    average = Average(net, 0.9)
    shaken(net, torch.Generator().manual_seed(2))
    own = net[0].weight.detach().clone()
    with pytest.raises(RuntimeError), average.in_place():
        raise RuntimeError
    assert torch.equal(net[0].weight, own)


def test_a_restored_average_goes_on_as_if_never_stopped():
    net = network()
    full = Average(net, 0.9)
    for seed in range(3):
        shaken(net, torch.Generator().manual_seed(seed))
        full.update()
    again = Average(net, 0.9)
    again.restore(copy.deepcopy(full.to_state()))
    shaken(net, torch.Generator().manual_seed(9))
    for average in (full, again):
        average.update()
    assert all(torch.equal(tensor, again.values[name]) for name, tensor in full.values.items())
