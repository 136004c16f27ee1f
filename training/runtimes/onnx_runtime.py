"""ONNX Runtime as a forward pass: each image on one thread of its own."""

from __future__ import annotations

from functools import partial

import numpy as np

from isamap.training.models.output import Network
from isamap.training.runtimes.extra import imported
from isamap.training.runtimes.graph import GraphOf, check_exportable, graph_of
from isamap.training.runtimes.per_image import PerImage, Program
from isamap.training.runtimes.precisions import DEFAULT, INT8, Precision, check_int8

ERRORS_ONLY = 3


def check(network: type[Network], precision: Precision, device: str) -> None:
    """ValueError: a network or precision that it does not run, or the library is not installed."""
    check_exportable(network, "runtime onnx")
    if precision.name == INT8:
        check_int8()
    elif precision.name != DEFAULT:
        raise ValueError(
            f"precision {precision.name}: ONNX Runtime's layers for the CPU compute in {DEFAULT} and {INT8}; "
            "choose runtime openvino or torch for it, or leave it out"
        )
    imported("onnxruntime")


def opened(network: Network, precision: Precision, device: str) -> PerImage:
    """The folded network run by ONNX Runtime on the CPU."""
    return of_graph(graph_of(network), precision)


def of_graph(graph: GraphOf, precision: Precision) -> PerImage:
    """Graphs run by ONNX Runtime on the CPU, in the numbers that they name."""
    return PerImage(graph, _session)


def _session(graph: bytes) -> Program:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread an image: sums split among threads would make last bits depend on the machine (per_image.py).
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return partial(_logits, session, session.get_inputs()[0].name)


def _logits(session, name: str, image: np.ndarray) -> np.ndarray:
    return session.run(None, {name: image})[0]
