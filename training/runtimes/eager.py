"""torch itself: channels last, in the precision asked for; on a GPU its kernels recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from isamap.training.gpu import MPS
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network, Output
from isamap.training.models.student import Student
from isamap.training.runtimes.precisions import DEFAULT, INT8, Precision, cpu_multiplies
from isamap.training.runtimes.replay import Replay


def check(network: type[Network], precision: Precision, device: str) -> None:
    """ValueError: a precision that the network does not compute in, or the processor only slowly."""
    if precision.name == DEFAULT:
        return
    if issubclass(network, PixelClassifier):
        raise ValueError(f"precision {precision.name}: classifiers of single pixels compute in float64; leave it out")
    if issubclass(network, Student):
        raise ValueError(f"precision {precision.name}: a student computes in float64, as Earth Engine; leave it out")
    if precision.name == INT8:
        raise ValueError(f"precision {INT8}: runtime torch does not run it; choose runtime openvino or onnx")
    if device == MPS:
        raise ValueError(f"precision {precision.name}: an Apple GPU is used in {DEFAULT} alone; leave it out")
    if device == "cpu" and not cpu_multiplies(precision):
        raise ValueError(
            f"precision {precision.name}: this processor has no instructions for it and would be slower than in "
            f"{DEFAULT}; leave it out, or use a GPU"
        )


def opened(network: Network, precision: Precision, device: str) -> Eager | Replay:
    """The folded network as a forward pass of torch; it is moved and its numbers are converted in place."""
    move: Callable[..., Network] = network.to  # torch's types leave memory_format out
    network = move(device=device, memory_format=torch.channels_last)
    if precision.name != DEFAULT:
        network = network.to(precision.dtype)
    forward = Eager(network, precision)
    # trees and support vectors look numbers up on the CPU, which no recording can hold
    return Replay(forward) if device == "cuda" and not isinstance(network, PixelClassifier) else forward


class Eager:
    """A network called with float32 input; its logits come back in float32 whatever it computes with.

    Standardisation has happened in float32 before (docs/reference/performance.md, "bf16").
    """

    def __init__(self, network: Network, precision: Precision) -> None:
        self.network, self.precision = network, precision
        self.device = next((tensor.device for tensor in network.state_dict().values()), torch.device("cpu"))

    def __call__(self, x: Tensor) -> Output:
        with torch.inference_mode():
            return _widened(self.network(_laid_out(x.to(self.device, self.precision.dtype))))


def _laid_out(x: Tensor) -> Tensor:
    """An image's channels as the fastest axis; several dates keep their order."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _widened(output: Output) -> Output:
    """The logits in float32; what else there was stays behind where it is not."""
    return output if output.logits_BKHW.dtype == torch.float32 else Output(output.logits_BKHW.float())
