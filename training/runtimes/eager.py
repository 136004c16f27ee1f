"""torch itself: convolutions with folded normalisation, channels last, in the precision asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.classical import PixelClassifier
from training.models.output import Output
from training.runtimes.precisions import DEFAULT, Precision, cpu_multiplies


def open_eager(network: nn.Module, precision: Precision, device: str) -> Eager:
    """The network, folded and in evaluation mode, as a forward pass of torch. ValueError: too slow a precision."""
    if precision.name != DEFAULT and isinstance(network, PixelClassifier):
        raise ValueError(f"precision {precision.name}: classifiers of single pixels compute in float64; leave it out")
    if torch.device(device).type == "cpu" and not cpu_multiplies(precision):
        raise ValueError(
            f"precision {precision.name}: this processor cannot multiply such numbers; leave it out, or use a GPU"
        )
    network = network.to(device=device, memory_format=torch.channels_last)
    return Eager(network if precision.name == DEFAULT else network.to(precision.dtype), precision)


class Eager:
    """A network called with float32 input; its logits come back in float32 whatever it computes with."""

    def __init__(self, network: nn.Module, precision: Precision) -> None:
        self.network, self.precision = network, precision

    def __call__(self, x: Tensor) -> Output:
        with torch.inference_mode():
            return widened(self.network(laid_out(x.to(self.precision.dtype))))


def laid_out(x: Tensor) -> Tensor:
    """An image's channels as the fastest axis; several dates keep their order."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def widened(output: Output) -> Output:
    """The logits in float32."""
    if output.logits_BKHW.dtype == torch.float32:
        return output
    return Output(output.logits_BKHW.float())
