"""What one forward pass of a network costs: operations counted without computing, time measured."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from training.models import parameter_count


@dataclass(frozen=True)
class Cost:
    """Of a network: trainable numbers, operations for an image of `side_px` pixels a side, bytes of its tensors."""

    parameters: int
    flop: int
    side_px: int
    weight_bytes: int


def cost(network: nn.Module, side_px: int) -> Cost:
    """The cost of one image; FLOP = 2 x multiply-add, convolutions and matrix products only (models.md)."""
    state = network.state_dict().values()
    held = sum(tensor.numel() * tensor.element_size() for tensor in state)
    return Cost(parameter_count(network), flop(network, side_px), side_px, held)


def flop(network: nn.Module, side_px: int, *, dates: int = 0) -> int:
    """Operations of one forward pass, counted on torch's meta device: no memory, no arithmetic.

    dates: how many the image has, 0 for a composite.
    """
    shape = (1, *([dates] if dates else []), len(network.bands), side_px, side_px)
    shapes_only = network if _on_meta(network) else copy.deepcopy(network).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes_only.eval()(torch.empty(shape, device="meta"))
    return counter.get_total_flops()


def seconds(networks: Sequence[Callable], x_BCHW: torch.Tensor, *, rounds: int = 5) -> tuple[float, ...]:
    """Median CPU seconds of a forward pass of each network, on one thread, taken in turns.

    In turns, because a shared machine's speed drifts: only times taken side by side can be compared.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            _timed(networks, x_BCHW)  # the first pass lays out memory
            taken = [_timed(networks, x_BCHW) for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    return tuple(statistics.median(column) for column in zip(*taken, strict=True))


def _timed(networks: Sequence[Callable], x_BCHW: torch.Tensor) -> tuple[float, ...]:
    spent = []
    for network in networks:
        begun = time.process_time()
        network(x_BCHW)
        spent.append(time.process_time() - begun)
    return tuple(spent)


def _on_meta(network: nn.Module) -> bool:
    return all(tensor.is_meta for tensor in network.parameters())
