"""A network's ONNX graph with weights and activations of 8 bits, by static quantisation.

Jacob et al. 2018, CVPR, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference": the range of every activation is measured once on images, so each pixel is computed with the same numbers
whatever the map is cut into. Weights have one scale for each output channel, activations one for each tensor. ONNX
Runtime's `quantize_static` writes the steps as QuantizeLinear and DequantizeLinear, which OpenVINO reads too
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isamap.training.models.output import Network
from isamap.training.runtimes.extra import imported
from isamap.training.runtimes.graph import Logits, onnx_graph

INPUT, LOGITS = "x", "logits"
_SIDES = {2: "rows", 3: "columns"}
# layers of 8 bits. Products of two activations and concatenations stay in fp32: OpenVINO 2026.4 cannot compile the
# first (Prog-ESRGAN) and ends the process over the second (FC-DenseNet); neither is slower for it
_QUANTIZED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "MaxPool", "AveragePool", "Resize", "Relu")
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def quantized_graph(network: Network, images: Iterable[Tensor]) -> bytes:
    """The folded network as an ONNX graph of 8-bit weights and activations, with the ranges that these images show.

    images: standardised float32 (1, bands, rows, columns), or with dates (1, dates, bands, rows, columns), all of one
    shape. The graph takes other sizes where the network has no dates. The last layers with weights stay in fp32:
    logits of 8 bits would give probabilities in steps of several percent.
    """
    imported("onnxruntime")
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    pixels = iter(images)
    first = next(pixels)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(_float_graph(network, first))
        quantize_static(
            source,
            target,
            _Reader(first, pixels),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,  # with signed weights: what VNNI multiplies
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(_QUANTIZED),
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_last_layers(source),
        )
        return target.read_bytes()


def of_shape(graph: bytes, shape: tuple[int, ...]) -> bytes:
    """The graph for one image of this shape (bands, rows, columns): runtimes compile fixed sizes into faster code.

    ValueError: the graph has another size that cannot be changed.
    """
    onnx = imported("onnx")
    model = onnx.load_model_from_string(graph)
    for axis, length in zip(_axes(model.graph.input[0]), (1, *shape), strict=True):
        if axis.HasField("dim_value") and axis.dim_value != length:
            raise ValueError(
                f"precision int8: an image of {' x '.join(map(str, shape))} (bands, rows, columns), the quantized "
                f"network takes {_size(model.graph.input[0])}: quantize it on patches of that size"
            )
        axis.dim_value = length
    for axis in _axes(model.graph.output[0]):
        axis.ClearField("dim_param")
    del model.graph.value_info[:]  # of free sizes
    return model.SerializeToString()


class _Reader:
    """Images as onnxruntime.quantization asks for them: one dictionary after another, then None."""

    def __init__(self, first: Tensor, further: Iterator[Tensor]) -> None:
        self._first: Tensor | None = first
        self._further = further

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = self._first if self._first is not None else next(self._further, None)
        self._first = None
        return None if image is None else {INPUT: image.numpy()}


def _float_graph(network: Network, example: Tensor) -> bytes:
    """With free rows and columns; images of several dates keep their size, which their graphs hold fast."""
    free = {} if example.ndim == 5 else {INPUT: _SIDES, LOGITS: {2: "output_rows", 3: "output_columns"}}
    with torch.inference_mode(False):
        return onnx_graph(Logits(network), torch.zeros(example.shape), names=(INPUT, LOGITS), free=free)


def _last_layers(path: Path) -> list[str]:
    """Names of the nodes between the last layers with weights and the logits, those layers among them."""
    graph = imported("onnx").load(path).graph
    makers = {name: node for node in graph.node for name in node.output}
    waiting, names = [graph.output[0].name], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in names:
            continue
        names.add(node.name)
        if node.op_type not in _WEIGHTED:
            waiting += node.input
    return sorted(names)


def _axes(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


def _size(value: Any) -> str:
    return " x ".join(str(axis.dim_value) for axis in _axes(value)[1:])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the hints that the library logs for users of its own commands."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
