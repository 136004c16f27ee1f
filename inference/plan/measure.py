"""Measures how much ground a checkpoint's network maps in an hour on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from isamap.gee_export.base.platform.machine import processor_name
from isamap.gee_export.base.regions import STEP_M
from isamap.inference.plan.rates import Rate

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

WARM_UP = 2  # passes that are not counted: memory is taken, kernels are chosen


def measured(checkpoint: Checkpoint, seconds: float, *, runtime: str = "torch", precision: str = "fp32") -> Rate:
    """The rate of the network's forward pass over single windows, for about `seconds`, at least one pass.

    On a CPU in processor time of one thread, times the processors: what else the machine does is left out, as in a map
    each processor has a window of its own. On a GPU on the clock. Reading, blending and writing are not in it.
    """
    import torch

    from isamap.training.cpu import tune_cpu
    from isamap.training.runtimes import check_forward, open_forward

    device = str(check_forward(checkpoint, runtime=runtime, precision=precision, device="auto"))
    tune_cpu()
    side, dates = checkpoint.window, (checkpoint.frames,) if checkpoint.frames else ()
    image = torch.zeros(1, *dates, len(checkpoint.bands), side, side)
    on_gpu = device != "cpu"
    clock = time.perf_counter if on_gpu else time.process_time
    with _one_thread(), torch.inference_mode():
        forward = open_forward(checkpoint, runtime=runtime, precision=precision, device=device)
        # item() waits for the GPU, whose passes end after the call has returned.
        window_s = _mean_seconds(lambda: forward(image).logits_BKHW.float().sum().item(), seconds, clock)
    step_m = float(checkpoint.dataset.get("step_m") or STEP_M)
    units = 1 if on_gpu else os.cpu_count() or 1
    return Rate(
        network=checkpoint.model,
        input_m=step_m,
        output_m=step_m / checkpoint.scale,
        km2_per_hour=float(f"{(checkpoint.lattice * step_m) ** 2 / 1e6 / window_s * 3600 * units:.4g}"),
        device=_gpu_name(device) if on_gpu else f"{units} cores of {processor_name()}",
        units=units,
        runtime=runtime,
        precision=precision,
        program="isamap plan --measure",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread of torch inside: a map gives each processor a window of its own."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _gpu_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "an Apple GPU"


def _mean_seconds(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    for _ in range(WARM_UP):
        call()
    began, count = clock(), 0
    while count == 0 or clock() - began < seconds:
        call()
        count += 1
    # Clocks have steps: a pass of no time would be an endless rate.
    return max((clock() - began) / count, 1e-9)
