"""What runs a checkpoint's network: torch, ONNX Runtime or OpenVINO behind one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.gpu import MPS, gpu_of
from isamap.training.models import model_named
from isamap.training.models.output import Network, Output
from isamap.training.runtimes import eager, onnx_runtime, openvino, quantized
from isamap.training.runtimes.fold import folded
from isamap.training.runtimes.graph import GraphOf
from isamap.training.runtimes.precisions import DEFAULT, INT8, Precision, precision_of
from isamap.training.runtimes.symmetries import ALONE, SymmetryMean, symmetries_of

TORCH = "torch"
Forward = Callable[[Tensor], Output]


@dataclass(frozen=True)
class Runtime:
    """What runs a network.

    check(network class, precision, device) refuses what it cannot do here; open(folded network, precision, device)
    gives the forward pass; devices: of "cpu", "cuda" and "mps". of_graph(graphs by shape, precision) gives the pass of
    ONNX graphs, where it runs such.
    """

    check: Callable[[type[Network], Precision, str], None]
    open: Callable[[Network, Precision, str], Forward]
    devices: tuple[str, ...]
    of_graph: Callable[[GraphOf, Precision], Forward] | None = None


def open_forward(
    checkpoint: Checkpoint,
    *,
    runtime: str = TORCH,
    precision: str = DEFAULT,
    device: str = "cpu",
    tta: str = ALONE,
) -> Forward:
    """The checkpoint's network as a function from standardised float32 images to `Output` with float32 logits.

    Takes (batch, bands, rows, columns), or with dates (batch, dates, bands, rows, columns), on any device. Safe to
    call from several threads. Only `logits_BKHW` is sure to be there. device: cpu, gpu (or cuda, or mps), or auto: the
    best that the runtime can use here. tta: symmetries over which probabilities are averaged (none, flips or d4), so
    many times as slow.
    ValueError: a runtime, precision or device that is not known, not installed or not to be had here; int8 of a
    checkpoint that `isamap quantize` did not write.
    """
    torch_device = check_forward(checkpoint, runtime=runtime, precision=precision, device=device, tta=tta)
    engine, numbers = RUNTIMES[runtime], precision_of(precision)
    if precision == INT8 and engine.of_graph is not None:
        forward = engine.of_graph(quantized.graph_of(checkpoint), numbers)
    else:
        forward = engine.open(folded(checkpoint.build()), numbers, torch_device)
    if tta != ALONE:
        forward = SymmetryMean(forward, symmetries_of(tta))
    return forward


def check_forward(
    checkpoint: Checkpoint, *, runtime: str = TORCH, precision: str = DEFAULT, device: str = "cpu", tta: str = ALONE
) -> str:
    """The device ("cpu", "cuda" or "mps") on which `open_forward` will run, checked without reading any weights.

    ValueError: as open_forward.
    """
    symmetries_of(tta)
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime {runtime!r} is not known: choose one of {', '.join(RUNTIMES)}")
    engine, numbers = RUNTIMES[runtime], precision_of(precision)
    network = model_named(checkpoint.model).network
    torch_device = _place(device, runtime, gpu_of(network))
    engine.check(network, numbers, torch_device)
    if precision == INT8:
        quantized.description_of(checkpoint)
    return torch_device


def _place(device: str, runtime: str, gpu: str) -> str:
    devices = RUNTIMES[runtime].devices
    if device == "auto":
        return gpu if gpu in devices else "cpu"
    torch_device = {"gpu": gpu or "cuda"}.get(device, device)
    if torch_device not in ("cpu", "cuda", MPS):
        raise ValueError(f"device {device!r}: expected auto, cpu or gpu")
    if torch_device not in devices:
        raise ValueError(f"runtime {runtime} runs on the CPU: leave device {device} out, or choose runtime {TORCH}")
    if torch_device not in ("cpu", gpu):
        raise ValueError(f"device {device}: this machine has no GPU that torch can use; leave it out or choose cpu")
    return torch_device


RUNTIMES: dict[str, Runtime] = {
    TORCH: Runtime(eager.check, eager.opened, ("cpu", "cuda", MPS)),
    "onnx": Runtime(onnx_runtime.check, onnx_runtime.opened, ("cpu",), onnx_runtime.of_graph),
    "openvino": Runtime(openvino.check, openvino.opened, ("cpu",), openvino.of_graph),
}
