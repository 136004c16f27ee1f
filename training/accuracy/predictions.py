"""What a checkpoint says of a dataset's patches: class probabilities beside the labels, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.curve import calibrated
from isamap.training.cpu import tune_cpu
from isamap.training.memory import memory_for_batch
from isamap.training.models.output import Output
from isamap.training.recipes import DEVICES
from isamap.training.runtimes import open_forward
from isamap.training.samples.data import Patches, SampleSource, loader
from isamap.training.samples.patches import classes_of


@dataclass(frozen=True, eq=False)
class Predicted:
    """A batch's probabilities of every class, labels (255 unknown) of the same pixels, and numbers of its patches."""

    probabilities_BKHW: np.ndarray
    label_BHW: np.ndarray
    patch_B: np.ndarray


def predicted(
    checkpoint: ck.Checkpoint,
    source: SampleSource,
    patches: Patches | Subset[Any],
    *,
    forward: Callable[[Tensor], Output] | None = None,
    batch: int = 16,
    device: str = "auto",
) -> Iterator[Predicted]:
    """Class probabilities (float32) of all patches in order, after the checkpoint's curve if it has one.

    forward: what runs the network, by default isamap.training.runtimes.open_forward(checkpoint). Labels
    finer than the output: each output pixel is repeated over those it covers. ValueError: labels coarser than that, too
    little memory for a batch. Fault: numbers that are not finite.
    """
    if batch < 1:
        raise ValueError(f"batch {batch}: expected 1 or more")
    tune_cpu()
    target_device = device_named(device)
    forward = forward or open_forward(checkpoint, device=str(target_device))
    source = replace(source, bands=checkpoint.bands)
    impervious = checkpoint.classes.index("impervious")
    # A network that gives ten times the pixels along a side would need a hundred times the memory for its output.
    batches = loader(patches, max(1, batch // checkpoint.scale))
    for loaded in ProgressBar(batches, desc="predict", unit="batch", leave=False, disable=None):
        # not around the yield: a mode of the thread would be that of whoever asks for the next batch, too
        with torch.inference_mode(), memory_for_batch(batch):
            prepared = source.prepare(loaded.to(target_device))
            probabilities = forward(prepared.image_BCHW).logits_BKHW.float().softmax(dim=1)
            if not torch.isfinite(probabilities).all():
                raise Fault("the network gave numbers that are not finite: the checkpoint is damaged or diverged")
            label = classes_of(prepared.label_BHW).cpu()
            chances = calibrated(checkpoint, _at(probabilities.cpu(), label).numpy(), axis=1, impervious=impervious)
            prediction = Predicted(chances, label.numpy(), loaded.patch_B)
        yield prediction


class BlockSums:
    """Sums over a prediction's patches by spatial block, added up as its batches pass by: (blocks, ...).

    of_patch: a patch's sums from its probabilities of impervious and its labels, flat or in rows.
    """

    def __init__(
        self,
        block_of_patch: np.ndarray,
        impervious: int,
        of_patch: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        names, self._block_at = np.unique(block_of_patch, return_inverse=True)
        self._impervious, self._of_patch = impervious, of_patch
        # of a pixel, as bincount gives whole numbers where there is none
        sums = of_patch(np.zeros(1, np.float32), np.zeros(1, np.uint8))
        self.by_block = np.zeros((len(names), *sums.shape), sums.dtype)

    def watch(self, batches: Iterable[Predicted]) -> Iterator[Predicted]:
        """The same batches, counted."""
        for batch in batches:
            chance_BHW = batch.probabilities_BKHW[:, self._impervious]
            for chance_HW, label_HW, patch in zip(chance_BHW, batch.label_BHW, batch.patch_B, strict=True):
                self.by_block[self._block_at[patch]] += self._of_patch(chance_HW, label_HW)
            yield batch

    def of(self, batches: Iterable[Predicted]) -> np.ndarray:
        """The sums of all batches."""
        for _ in self.watch(batches):
            pass
        return self.by_block


def device_named(name: str) -> torch.device:
    """The torch device of auto, cpu or gpu; ValueError for another name, or a GPU that is not there."""
    if name not in DEVICES:
        raise ValueError(f"device {name!r}: expected one of {', '.join(DEVICES)}")
    if name == "gpu" and not torch.cuda.is_available():
        raise ValueError("device gpu: this machine has no GPU that torch can use; leave it out or choose cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _at(probabilities_BKHW: Tensor, label_BHW: Tensor) -> Tensor:
    """The probabilities at the label's pixels, which are as large as the output's or whole parts of them."""
    (height, width), (rows, cols) = probabilities_BKHW.shape[2:], label_BHW.shape[1:]
    if (height, width) == (rows, cols):
        return probabilities_BKHW
    if rows % height or cols % width or rows // height != cols // width:
        raise ValueError(
            f"labels of {rows} x {cols} pixels a patch, the network gives {height} x {width}: "
            "a network at 1 m is judged on fine labels (isamap export --fine), as evaluate does without --layer"
        )
    times = rows // height
    return probabilities_BKHW.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
