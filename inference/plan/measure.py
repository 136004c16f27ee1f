"""Measures how much ground a checkpoint's network maps in an hour on this machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gee_export.base.regions import STEP_M
from inference.plan.rates import Rate

if TYPE_CHECKING:
    from training.checkpoints.checkpoint import Checkpoint

WARM_UP = 2  # passes that are not counted: memory is taken, kernels are chosen


def measured(checkpoint: Checkpoint, seconds: float, *, runtime: str = "torch", precision: str = "fp32") -> Rate:
    """The rate of the network's forward pass over single windows, for about `seconds`, at least one pass.

    On a CPU in processor time of one thread, times the processors: what else the machine does is left out, as in a map
    each processor has a window of its own. On a GPU on the clock. Reading, blending and writing are not in it.
    """
    import torch

    from training.cpu import tune_cpu
    from training.runtimes import check_forward, open_forward

    device = check_forward(checkpoint, runtime=runtime, precision=precision, device="auto")
    tune_cpu()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        side, dates = checkpoint.window, (checkpoint.frames,) if checkpoint.frames else ()
        image = torch.zeros(1, *dates, len(checkpoint.bands), side, side)
        forward = open_forward(checkpoint, runtime=runtime, precision=precision, device=str(device))
        on_gpu = "cuda" in str(device)
        clock = time.perf_counter if on_gpu else time.process_time
        with torch.inference_mode():
            window_s = _mean_seconds(lambda: forward(image).logits_BKHW.float().sum().item(), seconds, clock)
    finally:
        torch.set_num_threads(threads)
    step_m = float(checkpoint.dataset.get("step_m") or STEP_M)
    units = 1 if on_gpu else os.cpu_count() or 1
    return Rate(
        network=checkpoint.model,
        input_m=step_m,
        output_m=step_m / checkpoint.scale,
        km2_per_hour=float(f"{(checkpoint.lattice * step_m) ** 2 / 1e6 / window_s * 3600 * units:.4g}"),
        device=torch.cuda.get_device_name() if on_gpu else f"{units} cores of {_processor()}",
        units=units,
        runtime=runtime,
        precision=precision,
        program="isamap plan --measure",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _mean_seconds(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    for _ in range(WARM_UP):
        call()
    began, count = clock(), 0
    while count == 0 or clock() - began < seconds:
        call()
        count += 1
    return max((clock() - began) / count, 1e-9)


def _processor() -> str:
    """The processor's name as the system has it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
