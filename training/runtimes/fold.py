"""Batch normalisation folded into the convolution before it: the same function with fewer passes over memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from isamap.training.models.output import Network

# What fuse_conv_bn_eval knows.
CONVS = (nn.Conv2d, nn.ConvTranspose2d)
Conv: TypeAlias = nn.Conv2d | nn.ConvTranspose2d


def folded(network: Network) -> Network:
    """The network, changed in place: each batch normalisation that alone reads a convolution's result is part of it.

    Pairs are found by following one forward pass of a small image, so that a network's forward decides, not the order
    of its attributes. Normalisation before a convolution (DenseNet) and instance
    normalisation stay. The network must be in evaluation mode, its statistics are fixed then; ValueError otherwise.
    """
    if any(module.training for module in network.modules()):
        raise ValueError("a network in training mode changes its statistics: call eval() before folding them")
    names = {module: name for name, module in network.named_modules()}
    for conv, norm in pairs(network):
        fused = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
        _put(network, names[conv], fused)
        _put(network, names[norm], nn.Identity())
    return network


def pairs(network: Network) -> list[tuple[Conv, nn.BatchNorm2d]]:
    """(convolution, batch normalisation) where the second is the only reader of the first's only result."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return []
    trace = _Trace(network)
    foldable = []
    for norm, input_tensor in trace.norms:
        conv = trace.makers.get(id(input_tensor))
        # Another reader wants the convolution's own result, which folding takes away.
        if conv is None or trace.readers[id(input_tensor)] != 1:
            continue
        # Called twice, a layer would need two normalisations with one set of weights.
        if trace.calls[conv] == trace.calls[norm] == 1:
            foldable.append((conv, norm))
    return foldable


class _Trace(TorchFunctionMode):
    """Who made and who reads each tensor in one forward pass. Tensors are kept, so that an id means one tensor."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.makers: dict[int, Conv] = {}
        self.norms: list[tuple[nn.BatchNorm2d, Tensor]] = []
        self.calls: Counter[nn.Module] = Counter()
        self.readers: Counter[int] = Counter()
        self._kept: list[Any] = []
        handles = [module.register_forward_hook(self._passed) for module in network.modules() if _followed(module)]
        try:
            with torch.no_grad(), self:
                _forward(network)
        finally:
            for handle in handles:
                handle.remove()

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        # what gives no tensor asks for a shape or a type only
        if _tensors((result,)):
            self.readers.update(id(tensor) for tensor in _tensors((*args, *kwargs.values())))
        self._kept.append(result)
        return result

    def _passed(self, module: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> None:
        self.calls[module] += 1
        if isinstance(module, CONVS):
            self.makers[id(result)] = module
        elif isinstance(module, nn.BatchNorm2d):
            self.norms.append((module, inputs[0]))
        self._kept.append(result)


def _followed(module: nn.Module) -> bool:
    return isinstance(module, (*CONVS, nn.BatchNorm2d))


def _forward(network: Network) -> None:
    """A pass of the smallest image; on the meta device it would cost nothing, but importing that 70 MB of memory."""
    side = max(8, network.multiple)
    weight = next(network.parameters())
    network(torch.zeros(1, len(network.bands), side, side, device=weight.device, dtype=weight.dtype))


def _tensors(values: tuple) -> list[Tensor]:
    flat: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            flat.append(value)
        elif isinstance(value, (list, tuple)):
            flat += _tensors(tuple(value))
    return flat


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
