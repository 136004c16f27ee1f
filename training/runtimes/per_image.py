"""Compiled graphs behind the face of a network: one program per image shape, images of a batch side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from isamap.training.cpu import cores

if TYPE_CHECKING:
    from torch import Tensor

    from isamap.training.models.output import Output
    from isamap.training.runtimes.graph import GraphOf

Program = Callable[[np.ndarray], np.ndarray]  # one image (1, ...) float32 -> its logits (1, K, H, W) float32


class PerImage:
    """Runs each image alone on one thread, so that its logits depend neither on its batch nor on the threads.

    A program is compiled when the first image of its shape comes: graph_of gives the shape's ONNX graph, of which
    `compiled` makes a program that may be called from several threads at once. A batch is spread over the processors.
    """

    def __init__(self, graph_of: GraphOf, compiled: Callable[[bytes], Program]) -> None:
        self._graph_of, self._compiled = graph_of, compiled
        self._programs: dict[tuple[int, ...], Program] = {}
        self._compiling = threading.Lock()

    def __call__(self, x: Tensor) -> Output:
        import torch

        from isamap.training.models.output import Output

        logits = self.logits(np.ascontiguousarray(x.detach().float().cpu().numpy()))
        return Output(torch.from_numpy(logits).to(x.device))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (images, K, H, W) of standardised float32 images (images, ...)."""
        program = self._program(images.shape[1:])
        alone = [images[i : i + 1] for i in range(len(images))]
        # A pool for one image would only cost its start.
        if len(alone) == 1:
            return program(alone[0])
        with ThreadPoolExecutor(min(cores(), len(alone))) as pool:
            return np.concatenate(list(pool.map(program, alone)))

    def _program(self, shape: tuple[int, ...]) -> Program:
        with self._compiling:
            if shape not in self._programs:
                program = self._compiled(self._graph_of(shape))
                # once by one thread alone: the first calls of two at a time wait for each other for ever in OpenVINO's
                # Python binding (one holds the guard of its numpy interface, the other the interpreter)
                program(np.zeros((1, *shape), np.float32))
                self._programs[shape] = program
            return self._programs[shape]
