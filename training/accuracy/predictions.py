"""What a checkpoint says of a dataset's patches: class probabilities beside the labels, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from gee_export.base.errors import Fault
from gee_export.base.progress_bar import ProgressBar
from training.checkpoints import checkpoint as ck
from training.checkpoints.curve import calibrated
from training.cpu import tune_cpu
from training.devices import device_named
from training.memory import memory_for_batch
from training.models.output import Output
from training.runtimes import open_forward
from training.samples.data import Patches, SampleSource, loader
from training.samples.patches import classes_of


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

    forward: what runs the network, by default training.runtimes.open_forward(found). Labels
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
