"""A checkpoint's network as probabilities of its classes, NumPy in and out: what maps are made with.

By OpenVINO a network that ran here before is read from its kept graph, and torch is not loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.runtimes import kept_graphs, openvino
from isamap.training.runtimes.precisions import INT8, precision_of

if TYPE_CHECKING:
    from isamap.training.runtimes.forward import Forward

# standardised float32 images (images, ...) on the CPU, classes -> those classes' probabilities, float32 (images,
# classes, rows, columns)
Probabilities = Callable[[np.ndarray, Sequence[int]], np.ndarray]
OPENVINO, ALONE = "openvino", "none"


@dataclass(frozen=True)
class Way:
    """How a network is run: runtime, precision, symmetries and device, as `open_forward` takes them."""

    runtime: str
    precision: str
    tta: str = ALONE
    device: str = "cpu"

    @property
    def by_graph(self) -> bool:
        """Whether OpenVINO runs the network's graph as it is."""
        return self.runtime == OPENVINO and self.tta == ALONE


def check_way(checkpoint: Checkpoint, way: Way, shape: tuple[int, ...]) -> str:
    """The device that will be computed on, "cpu", "cuda" or "mps"; ValueError as `check_forward`. No weights are read.

    shape: of one image. A graph that was kept has passed the checks of its network.
    """
    if way.by_graph and way.device in ("auto", "cpu") and way.precision != INT8:
        numbers = precision_of(way.precision)
        if kept_graphs.is_kept(checkpoint, way.precision, shape):
            openvino.check_precision(numbers)
            return "cpu"
    from isamap.training.runtimes.forward import check_forward

    return check_forward(checkpoint, runtime=way.runtime, precision=way.precision, device=way.device, tta=way.tta)


def open_probabilities(checkpoint: Checkpoint, way: Way) -> Probabilities:
    """The network as it is run; safe to call from several threads. ValueError and Fault as `open_forward`."""
    if way.by_graph and way.device == "cpu":
        graph = kept_graphs.graph_of(checkpoint, way.precision)
        return softmax_of(openvino.of_graph(graph, precision_of(way.precision)).logits)
    from isamap.training.runtimes.forward import open_forward

    return probabilities_of(
        open_forward(checkpoint, runtime=way.runtime, precision=way.precision, device=way.device, tta=way.tta)
    )


def probabilities_of(forward: Forward) -> Probabilities:
    """torch's softmax of a forward pass's logits."""
    import torch

    def probabilities(images: np.ndarray, classes: Sequence[int]) -> np.ndarray:
        with torch.inference_mode():
            logits_NKHW = forward(torch.from_numpy(images)).logits_BKHW.float()
            return torch.softmax(logits_NKHW, 1)[:, list(classes)].cpu().numpy()

    return probabilities


def softmax_of(logits: Callable[[np.ndarray], np.ndarray]) -> Probabilities:
    """NumPy's softmax of logits; its last bits differ from torch's."""

    def probabilities(images: np.ndarray, classes: Sequence[int]) -> np.ndarray:
        logits_NKHW = logits(images)
        # Less the largest logit, or exp would overflow from 89 on.
        powers_NKHW = np.exp(logits_NKHW - logits_NKHW.max(axis=1, keepdims=True))
        of_classes_NKHW = powers_NKHW if len(classes) == powers_NKHW.shape[1] else powers_NKHW[:, list(classes)]
        return of_classes_NKHW / powers_NKHW.sum(axis=1, keepdims=True)

    return probabilities
