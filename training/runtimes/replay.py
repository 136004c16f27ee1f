"""CUDA graphs: a forward pass recorded once per input shape and replayed, so that launching kernels costs nothing.

A network of three hundred small layers (HRNet) is launched slower than a modern GPU computes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isamap.training.models.output import Output

SHAPES = 4  # recordings kept, each with its own activations in memory; further shapes run without one
WARM_UPS = 3  # runs before recording, in which libraries choose algorithms and take their workspaces (torch.cuda docs)


class Placed(Protocol):
    """A forward pass of a network that lies on a device."""

    device: torch.device

    def __call__(self, x: Tensor) -> Output: ...


@dataclass(frozen=True)
class Recording:
    """A recorded pass: its input and output tensors, and what computes the one from the other."""

    x: Tensor
    output: Output
    replay: Callable[[], None]


class Replay:
    """A forward pass that replays its recording for shapes it has met; one call at a time, results are copies."""

    def __init__(self, forward: Placed, record: Callable[[Placed, Tensor], Recording] | None = None) -> None:
        self._forward, self._record = forward, record or recorded
        self._recordings: dict[tuple[int, ...], Recording] = {}
        self._one_at_a_time = threading.Lock()

    def __call__(self, x: Tensor) -> Output:
        with self._one_at_a_time, torch.inference_mode():
            recording = self._held(x)
            if recording is None:
                return self._forward(x)
            recording.x.copy_(x)
            recording.replay()
            # The next replay writes into the recording's own output.
            return Output(recording.output.logits_BKHW.clone())

    def _held(self, x: Tensor) -> Recording | None:
        shape = tuple(x.shape)
        if shape not in self._recordings and len(self._recordings) < SHAPES:
            self._recordings[shape] = self._record(self._forward, x)
        return self._recordings.get(shape)


def recorded(forward: Placed, x: Tensor) -> Recording:
    """A CUDA graph of the pass for inputs like x; `forward.device` is the GPU."""
    static = x.to(forward.device, copy=True)
    beside = torch.cuda.Stream(forward.device)
    beside.wait_stream(torch.cuda.current_stream(forward.device))
    # On a stream beside the current one, as torch.cuda's documentation asks of warm-ups before a capture.
    with torch.cuda.stream(beside):
        for _ in range(WARM_UPS):
            forward(static)
    torch.cuda.current_stream(forward.device).wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    # other threads may copy data meanwhile
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        output = forward(static)
    return Recording(static, output, graph.replay)
