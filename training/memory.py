"""Out of memory, as one sentence with the batch that would fit, estimated from what a step keeps."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from isamap.gee_export.base.platform import machine
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network
from isamap.training.recipes import Recipe

# gradients and the optimiser's two averages beside the weights; what a step needs beside what backward keeps
COPIES, OVERHEAD, SPARE = 4, 1.5, 0.8
AMPLE = 2**14  # bytes for each pixel of a batch that no network here needs: less memory than that is looked into
CGROUP = Path("/sys/fs/cgroup")
# torch raises a plain RuntimeError where memory of CPU or Apple GPU is short: only its words tell it from others.
_WORDS = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory", "MPS backend out of memory")


@dataclass(frozen=True)
class StepMemory:
    """Bytes that training holds whatever the batch, and bytes for each patch of a batch."""

    fixed: int
    per_patch: int

    def fitting(self, available: int) -> int:
        """The largest batch for so many bytes; 0 where not even one patch fits."""
        return max(0, int((SPARE * available - self.fixed) / max(1, self.per_patch)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python could not get the memory it asked for."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


@contextmanager
def memory_for(network: Network, recipe: Recipe, size_px: int) -> Iterator[None]:
    """Turn "out of memory" into a ValueError that names a batch that would fit.

    Linux promises memory that it lacks and then kills the process, so a batch that cannot fit is refused at once.
    """
    available = available_bytes("cuda" if _on_gpus(recipe) else "cpu")
    if _cannot_fit(network, recipe, size_px, available):
        raise ValueError(_sentence(network, recipe, size_px, available))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        gc.collect()
        raise ValueError(_sentence(network, recipe, size_px, available)) from error


@contextmanager
def memory_for_batch(batch: int) -> Iterator[None]:
    """Turns "out of memory" during inference into a ValueError that proposes half the batch."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        remedy = f"use --batch {batch // 2}" if batch > 1 else "use a machine with more memory"
        raise ValueError(f"out of memory with {batch} patches at once: {remedy}") from error


def _sentence(network: Network, recipe: Recipe, size_px: int, available: int) -> str:
    if isinstance(network, PixelClassifier):
        pixels = network.config.pixels
        return f"out of memory with model.pixels={pixels}: use --set model.pixels={max(1, pixels // 2)}"
    fitting = min(_estimated(network, recipe, size_px, available), recipe.batch // 2)
    fitting -= fitting % recipe.devices
    shortage = f"out of memory with batch={recipe.batch} in {available / 2**30:.1f} GiB"
    if fitting:
        parts = next((parts for parts in range(1, recipe.batch + 1) if _is_part(recipe, parts, fitting)), 0)
        remedy = f", or accumulate={parts}" if parts > 1 and not recipe.loss_values.get("adversarial") else ""
        return f"{shortage}: batch={fitting} would fit, use --set batch={fitting}{remedy}"
    crop = max(network.multiple, (recipe.crop or size_px) // 2 // network.multiple * network.multiple)
    return f"{shortage}: not even one patch fits, use --set crop={crop}, a -tiny recipe, or a machine with more memory"


def _is_part(recipe: Recipe, parts: int, fitting: int) -> bool:
    """Whether a batch can be cut into so many equal parts, none larger than what fits."""
    return recipe.batch % (parts * recipe.devices) == 0 and recipe.batch // parts <= fitting


def _cannot_fit(network: Network, recipe: Recipe, size_px: int, available: int) -> bool:
    """Whether what backward keeps, nothing else, is more than there is."""
    side, batch = recipe.crop or size_px, recipe.batch // _sharing(recipe) // recipe.accumulate
    if isinstance(network, PixelClassifier) or batch * max(1, recipe.frames) * side**2 * AMPLE < available:
        return False
    try:
        kept = batch * step_memory(network, (recipe.frames, side)).per_patch / OVERHEAD
    except RuntimeError:
        return False
    # counted in fp32; with mixed precision at least half of it is kept
    return kept * (1 if recipe.precision == "fp32" else 0.5) > available


def _estimated(network: Network, recipe: Recipe, size_px: int, available: int) -> int:
    """The batch that should fit by what a step keeps; half of the one that did not, where that is unknown."""
    try:
        return step_memory(network, (recipe.frames, recipe.crop or size_px)).fitting(available) * _sharing(recipe)
    except RuntimeError:
        return recipe.batch // 2


def _on_gpus(recipe: Recipe) -> bool:
    return torch.cuda.is_available() and recipe.device != "cpu"


def _sharing(recipe: Recipe) -> int:
    """The number of memories that share a batch: each GPU has its own, processes of a CPU have one."""
    return recipe.devices if _on_gpus(recipe) else 1


def step_memory(network: Network, frames_and_side: tuple[int, int]) -> StepMemory:
    """What a training step on patches of that many dates (0: none) and pixels holds, counted without computing."""
    frames, side = frames_and_side
    # Two images: of one, a crop as small as the network's multiple ends as a single value, which batch normalisation
    # refuses in training.
    shape = (2, *([frames] if frames else []), len(network.bands), side, side)
    sketch = copy.deepcopy(network).to("meta").train()
    own = {tensor.untyped_storage()._cdata for tensor in (*sketch.parameters(), *sketch.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
            alive.append(tensor)  # or its place in memory would be another tensor's
        return tensor

    alive: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        sketch(torch.empty(shape, device="meta"))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in sketch.parameters())
    return StepMemory(COPIES * weights, int(OVERHEAD * sum(kept.values()) / shape[0]))


def available_bytes(device: str) -> int:
    """Memory that this process may still take: of the GPU, or of the machine and its limits."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    limits = [machine.available_bytes(), *_available_in_container()]
    if (left := machine.address_space_left()) is not None:
        limits.append(left)
    return max(0, min(limits))


def _available_in_container() -> list[int]:
    """What the control group leaves, the files it caches not counted; nothing where there is no limit (cgroups(7))."""
    try:
        most = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        counts = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return [] if most == "max" else [int(most) - used + int(counts.get("inactive_file", 0))]
    except (OSError, ValueError):
        return []
