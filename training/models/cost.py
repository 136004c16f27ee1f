"""What one forward pass of a network costs: operations counted without computing, time measured."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from isamap.training.models import parameter_count
from isamap.training.models.output import Network


@dataclass(frozen=True)
class Cost:
    """A network's trainable numbers, operations for an image of `side_px` pixels a side, and bytes of its tensors."""

    parameters: int
    flop: int
    side_px: int
    weight_bytes: int


def cost(network: Network, side_px: int) -> Cost:
    """The cost of one image; FLOP = 2 x multiply-add, convolutions and matrix products only
    (docs/reference/networks.md).
    """
    state = network.state_dict().values()
    state_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state)
    return Cost(parameter_count(network), flop(network, side_px), side_px, state_bytes)


def flop(network: Network, side_px: int, *, dates: int = 0) -> int:
    """Operations of one forward pass, counted on torch's meta device: no memory, no arithmetic.

    dates: how many the image has, 0 for a composite.
    """
    return operations(network, (1, *([dates] if dates else []), len(network.bands), side_px, side_px))


def operations(network: nn.Module, shape: Sequence[int]) -> int:
    """`flop` of any module, for input of a shape."""
    # A copy, because moving to the meta device throws the weights away.
    shapes_only = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), _Counting() as counting:
        shapes_only(torch.empty(tuple(shape), device="meta"))
    return counting.flop


class _Counting(TorchFunctionMode):
    """Counts convolutions, dense layers and products of matrices, which are all that the networks have.

    A test holds it against torch's own counter. That one takes ten times as long, because on the meta device torch
    works out in Python what a ReLU, a sum or a normalisation gives: here its shape is known without asking.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_function__(self, function: Callable, _: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function in _SAME_SHAPE or (function in _SUMS and _alike(*args[:2])):
            return args[0]
        if function is functional.interpolate:
            return _resized(*args, **(kwargs or {}))
        made = function(*args, **(kwargs or {}))
        if function in _PRODUCTS:
            self.flop += _PRODUCTS[function](args[0], args[1], made)
        return made


def _resized(image: Tensor, size: Any = None, scale_factor: float | None = None, **_: Any) -> Tensor:
    """What `interpolate` gives, in shape."""
    sides = size or [int(side * (scale_factor or 1)) for side in image.shape[2:]]
    return image.new_empty((*image.shape[:2], *sides))


def _alike(tensor: Tensor, operand: Any) -> bool:
    return not torch.is_tensor(operand) or tensor.shape == operand.shape


def _convolved(_: Tensor, weight: Tensor, made: Tensor) -> int:
    return 2 * weight.numel() * made.shape[0] * made.shape[2:].numel()


def _enlarged(image: Tensor, weight: Tensor, _: Tensor) -> int:
    return 2 * weight.numel() * image.shape[0] * image.shape[2:].numel()


def _dense(_: Tensor, weight: Tensor, made: Tensor) -> int:
    return 2 * weight.numel() * (made.numel() // len(weight))


def _multiplied(left: Tensor, _: Tensor, made: Tensor) -> int:
    return 2 * made.numel() * left.shape[-1]


# 2 x multiply-add: every weight meets every output pixel, or every input pixel where the convolution enlarges
_PRODUCTS = {
    torch.conv2d: _convolved,
    torch.conv_transpose2d: _enlarged,
    functional.linear: _dense,
    torch.Tensor.matmul: _multiplied,
    torch.matmul: _multiplied,
}
_SAME_SHAPE = {
    functional.relu,
    functional.leaky_relu,
    functional.batch_norm,
    functional.instance_norm,
    torch.Tensor.index_add,
}
_SUMS = {torch.Tensor.__add__, torch.Tensor.add, torch.Tensor.__mul__, torch.Tensor.mul}


def seconds(networks: Sequence[Callable], x_BCHW: Tensor, *, rounds: int = 5) -> tuple[float, ...]:
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


def _timed(networks: Sequence[Callable], x_BCHW: Tensor) -> tuple[float, ...]:
    spent = []
    for network in networks:
        begun = time.process_time()
        network(x_BCHW)
        spent.append(time.process_time() - begun)
    return tuple(spent)
