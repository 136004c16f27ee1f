"""A network as an ONNX graph: what ONNX Runtime and OpenVINO run, and what `isamap onnx` writes for others."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network
from isamap.training.models.student import Student

OPSET = 17  # of ai.onnx, August 2022: every runtime that is still kept up reads it
GraphOf = Callable[[tuple[int, ...]], bytes]  # shape of one image -> its ONNX graph
_ONE_AT_A_TIME = threading.Lock()  # the exporter keeps state in torch's globals


class Logits(nn.Module):
    """A network reduced to its class logits; branches that only training looks at fall out of the graph."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).logits_BKHW


def graph_of(network: Network) -> GraphOf:
    """What makes the network's graph for one image of a shape: (bands, rows, columns), with dates first if any."""
    logits = Logits(network)

    def graph(shape: tuple[int, ...]) -> bytes:
        # outside inference mode: its tensors carry no trace that an exporter could follow
        with torch.inference_mode(False):
            return onnx_graph(logits, torch.zeros(1, *shape))

    return graph


def onnx_graph(
    module: nn.Module,
    example: Tensor,
    *,
    names: Sequence[str] = ("x", "logits"),
    free: Mapping[str, Mapping[int, str]] | None = None,
) -> bytes:
    """The module's ONNX graph (opset OPSET, weights inside) as it computes for an input like `example`.

    names: of its input and its output. free: axes of either that may have another size, by name. Written by torch's
    tracing exporter: the other one (dynamo) takes two to three times as long and needs one more library.
    """
    file = io.BytesIO()
    target: Any = file  # torch names paths only in its types; this exporter writes into files too
    with _ONE_AT_A_TIME, torch.no_grad(), warnings.catch_warnings():
        # it warns of what a trace cannot follow (our checks of sizes) and of its own age
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            target,
            dynamo=False,
            opset_version=OPSET,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes=dict(free or {}),
        )
    return file.getvalue()


def check_exportable(network: type[Network], product: str) -> None:
    """ValueError for classifiers of single pixels: trees and support vectors are no layers."""
    if issubclass(network, PixelClassifier):
        raise ValueError(
            f"{product}: {network.__name__} classifies single pixels by trees, support vectors or an index, "
            f"which only runtime torch computes; choose a network, or leave {product} out"
        )
    if issubclass(network, Student):
        raise ValueError(f"{product}: a student computes in float64, as Earth Engine; leave {product} out")
