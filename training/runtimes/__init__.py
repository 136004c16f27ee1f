"""Fast forward passes: one switch for what runs a checkpoint's network, and in which precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.checkpoint import Checkpoint
from training.models.output import Output
from training.runtimes.eager import open_eager
from training.runtimes.fold import folded
from training.runtimes.onnxruntime import open_onnxruntime
from training.runtimes.openvino import open_openvino
from training.runtimes.precisions import DEFAULT, PRECISIONS, Precision, precision_of

__all__ = ["PRECISIONS", "RUNTIMES", "Forward", "folded", "open_forward"]

Forward = Callable[[Tensor], Output]


def open_forward(
    found: Checkpoint,
    *,
    runtime: str = "torch",
    precision: str = DEFAULT,
    device: str = "cpu",
    shape: tuple[int, ...] | None = None,
) -> Forward:
    """The checkpoint's network as a function from standardised float32 images to `Output` with float32 logits.

    Takes (batch, bands, rows, columns), or with dates (batch, dates, bands, rows, columns), on `device` ("cpu",
    "gpu" or "cuda"). Safe to call from several threads. Only `logits_BKHW` is sure to be there. shape: of one image
    (bands, rows, columns), to get ready for before the first call.
    ValueError: a runtime, precision or device that is not known, not installed or not to be had here.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime {runtime!r} is not known: choose one of {', '.join(RUNTIMES)}")
    forward = RUNTIMES[runtime](folded(found.build()), precision_of(precision), _device(device))
    if shape is not None:
        with torch.inference_mode():
            forward(torch.zeros(1, *shape, device=_device(device)))
    return forward


def _device(name: str) -> str:
    wanted = "cuda" if name == "gpu" else name
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("device gpu: this machine has no GPU that torch can use; leave it out or choose cpu")
    return wanted


RUNTIMES: dict[str, Callable[[nn.Module, Precision, str], Forward]] = {
    "torch": open_eager,
    "onnx": open_onnxruntime,
    "openvino": open_openvino,
}
