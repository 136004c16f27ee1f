"""OpenVINO as a forward pass: as many streams as processors, one thread each."""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.training.cpu import cores
from isamap.training.runtimes.extra import imported
from isamap.training.runtimes.per_image import PerImage
from isamap.training.runtimes.precisions import DEFAULT, INT8, Precision, check_int8

if TYPE_CHECKING:
    from isamap.training.models.output import Network
    from isamap.training.runtimes.graph import GraphOf


def check(network: type[Network], precision: Precision, device: str) -> None:
    """ValueError: a network it does not run, a precision without instructions here, or it is not installed."""
    from isamap.training.runtimes.graph import check_exportable

    check_exportable(network, "runtime openvino")
    check_precision(precision)


def check_precision(precision: Precision) -> None:
    """ValueError: a precision without instructions here, or OpenVINO is not installed."""
    capabilities = imported("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision.name == INT8:
        check_int8()
    elif precision.name != DEFAULT and precision.name.upper() not in capabilities:
        raise ValueError(
            f"precision {precision.name}: OpenVINO finds no instructions for it in this processor; leave it out"
        )


def opened(network: Network, precision: Precision, device: str) -> PerImage:
    """The folded network run by OpenVINO on the CPU."""
    from isamap.training.runtimes.graph import graph_of

    return of_graph(graph_of(network), precision)


def of_graph(graph: GraphOf, precision: Precision) -> PerImage:
    """Graphs run by OpenVINO on the CPU; the precision is for layers that name none of their own."""
    core = imported("openvino").Core()
    return PerImage(graph, lambda data: Requests(_compiled(core, data, precision)))


def _compiled(core, graph: bytes, precision: Precision):
    settings = {
        "INFERENCE_PRECISION_HINT": precision.hint,
        # As many streams as threads, so that each image is computed by one thread alone (per_image.py).
        "NUM_STREAMS": cores(),
        "INFERENCE_NUM_THREADS": cores(),
    }
    return core.compile_model(core.read_model(io.BytesIO(graph)), "CPU", settings)


class Requests:
    """A compiled model with as many requests as threads call it at once.

    Making a request waits for a running one to end, so they are kept when their threads are gone.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._idle: deque[Any] = deque()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        try:
            request = self._idle.pop()
        except IndexError:  # all are at work
            request = self._model.create_infer_request()
        logits = request.infer({0: image}, share_inputs=True)[0]  # the image is not copied, the logits are
        self._idle.append(request)
        return logits
