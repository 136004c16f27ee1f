"""`isamap.quantize`: a copy of a checkpoint that also computes in 8 bits, with the accuracy that this costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base.atomic import local_path
from isamap.training.accuracy.evaluation import Data, classify, counted, source_for
from isamap.training.accuracy.metrics import scores
from isamap.training.accuracy.predictions import Predicted, predicted
from isamap.training.accuracy.thresholds import check_copy
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import model_named
from isamap.training.runtimes import RUNTIMES, Forward, folded, open_forward
from isamap.training.runtimes.graph import check_exportable
from isamap.training.runtimes.precisions import DEFAULT, INT8, PRECISIONS, check_int8
from isamap.training.runtimes.quantization import of_shape, quantized_graph
from isamap.training.runtimes.quantized import files_of
from isamap.training.samples.arguments import check_count
from isamap.training.samples.data import SampleSource, loader

PATCHES, MAX_LOSS = 64, 0.005
REFERENCE = f"torch {DEFAULT}"
MEASURES = {"miou": "MIoU", "f1_impervious": "F1 of impervious"}
Measured = Mapping[str, float | None]


@dataclass(frozen=True)
class QuantizationReport:
    """The checkpoint that also computes in 8 bits, and each way's accuracy on the split that judges.

    by_way: "torch fp32", "onnx int8", ... -> measure -> value, None where no pixel defines it. changed: of each 8-bit
    way, the share of the split's pixels, labelled or not, that get another class than in fp32: what a map shows of it.
    """

    folder: Path
    split: str
    patches: int
    judge: str
    by_way: Mapping[str, Measured]
    changed: Mapping[str, float]
    bytes: int
    simulated: bool

    @property
    def loss(self) -> float:
        """The largest fall of any measure by any runtime; below 0 where 8 bits are better throughout."""
        return max(fall for _, _, fall in _falls(self.by_way))

    def __str__(self) -> str:
        names = list(MEASURES)
        lines = [
            f"8 bits: ranges from {self.patches} patches of the {self.split} split, graph of {self.bytes / 1e3:.0f} kB",
            f"{self.judge + ' split':<16}" + "".join(f" {MEASURES[name]:<18}" for name in names).rstrip(),
        ]
        for way, measured in self.by_way.items():
            cells = [_cell(measured[name], self.by_way[REFERENCE][name], way) for name in names]
            lines.append(f"{way:<16}" + "".join(f" {cell:<18}" for cell in cells).rstrip())
        lines += [f"{way} gives {share:.2%} of the pixels another class" for way, share in self.changed.items()]
        if self.simulated:
            lines.append("The data are simulated: this says nothing about real imagery.")
        return "\n".join([*lines, f"checkpoint: {self.folder}"])


def quantize(
    checkpoint: str | Path,
    data: Data,
    out: str | Path,
    *,
    split: str = "train",
    patches: int = PATCHES,
    judge: str = "val",
    max_loss: float = MAX_LOSS,
    batch: int = 16,
    session: Any = None,
) -> QuantizationReport:
    """A copy of the checkpoint with an 8-bit graph beside its weights, for `--precision int8`.

    split, patches: where the activations' ranges are measured, on so many patches spread over it. judge: the split on
    which fp32 and int8 are compared. max_loss: by how much MIoU and F1 of impervious may fall (0 to 1) with any
    runtime that is installed. ValueError: they fall by more (nothing is written), a classifier of pixels, `out` is
    taken, no such split, a processor without instructions for 8 bits.
    """
    trained, folder = ck.load(checkpoint, session), local_path(out)
    _check(trained, folder, split, judge)
    check_count("patches", patches)
    source = source_for(trained, data, session=session)
    images = list(_images(trained, source, split, patches))
    # Folded first: a batch normalisation of its own would have ranges and rounding of its own.
    graph = quantized_graph(folded(trained.build()), images)
    by_way, changed = _judged(trained, source, judge, _ways(trained, graph), batch)
    _check_loss(by_way, judge, max_loss)
    facts = {
        "calibration": {"dataset": source.fingerprint, "split": split, "patches": len(images)},
        "accuracy": {"dataset": source.fingerprint, "split": judge, "by_way": by_way, "changed": changed},
    }
    files = files_of(trained, graph, facts)
    origin = {**trained.origin, "quantized": {"split": split, "dataset": source.fingerprint, "patches": len(images)}}
    ck.rewrite(replace(trained, origin=origin), folder, files)
    return QuantizationReport(folder, split, len(images), judge, by_way, changed, len(graph), source.simulated)


def _check(checkpoint: ck.Checkpoint, folder: Path, split: str, judge: str) -> None:
    check_exportable(model_named(checkpoint.model).network, f"precision {INT8}")
    check_int8()
    check_copy(folder, split=split, judge=judge)


def _images(checkpoint: ck.Checkpoint, source: SampleSource, split: str, count: int) -> Iterator[Tensor]:
    """Standardised images of patches spread evenly over a split, each a batch of its own."""
    split_patches = source.filled(split)
    rows = np.unique(np.linspace(0, len(split_patches) - 1, count).round().astype(int))
    source = replace(source, bands=checkpoint.bands)
    with torch.inference_mode():
        for row in rows.tolist():
            (batch,) = loader(split_patches, 1, range(row, row + 1))
            yield source.prepare(batch).image_BCHW


def _ways(checkpoint: ck.Checkpoint, graph: bytes) -> dict[str, Forward]:
    """Name -> forward pass: torch in fp32, then every runtime that is installed in 8 bits."""
    ways: dict[str, Forward] = {REFERENCE: open_forward(checkpoint)}
    network = model_named(checkpoint.model).network
    for name, runtime in RUNTIMES.items():
        if runtime.of_graph is None:
            continue
        try:
            runtime.check(network, PRECISIONS[INT8], "cpu")
        # What is not installed or has no instructions for 8 bits here takes no part in the comparison.
        except ValueError:
            continue
        ways[f"{name} {INT8}"] = runtime.of_graph(lambda shape: of_shape(graph, shape), PRECISIONS[INT8])
    return ways


def _judged(
    checkpoint: ck.Checkpoint, source: SampleSource, split: str, ways: Mapping[str, Forward], batch: int
) -> tuple[dict[str, Measured], dict[str, float]]:
    """Each way's measures, and the share of pixels whose class differs from the reference's."""
    by_way, classes = {}, {}
    for name, way in ways.items():
        by_way[name], classes[name] = _measured(checkpoint, source, split, way, batch)
    reference = classes.pop(REFERENCE)
    return by_way, {name: float((of_way != reference).mean()) for name, of_way in classes.items()}


def _measured(
    checkpoint: ck.Checkpoint, source: SampleSource, split: str, forward: Forward, batch: int
) -> tuple[Measured, np.ndarray]:
    """The measures, and the class of every pixel, uint8 (pixels,)."""
    patches = source.filled(split)
    seen: list[np.ndarray] = []

    def noted() -> Iterator[Predicted]:
        for each in predicted(checkpoint, source, patches, forward=forward, batch=batch, device="cpu"):
            classes = classify(each.probabilities_BKHW, checkpoint.thresholds["impervious"])
            seen.append(classes.astype(np.uint8).ravel())
            yield each

    by_block, _ = counted(checkpoint, noted(), source.blocks(split))
    named = scores(by_block.sum(axis=0)).to_json(checkpoint.classes)
    return {name: named[name] for name in MEASURES}, np.concatenate(seen)


def _falls(by_way: Mapping[str, Measured]) -> Iterator[tuple[str, str, float]]:
    """Way, measure and by how much it is below the reference's; 0 where neither defines it, 1 where one does."""
    reference = by_way[REFERENCE]
    for way, measured in by_way.items():
        for name in MEASURES if way != REFERENCE else ():
            before, after = reference[name], measured[name]
            yield way, name, float(before is not after) if before is None or after is None else before - after


def _check_loss(by_way: Mapping[str, Measured], judge: str, limit: float) -> None:
    way, name, fall = max(_falls(by_way), key=lambda entry: entry[2])
    if fall > limit:
        raise ValueError(
            f"8 bits lower {MEASURES[name]} by {fall:.4f} on the {judge} split with {way}, the limit is --max-loss "
            f"{limit:g}: measure the ranges on more patches (--patches), or raise the limit; nothing was written"
        )


def _cell(value: float | None, reference: float | None, way: str) -> str:
    if value is None:
        return "-"
    change = "" if way == REFERENCE or reference is None else f" ({value - reference:+.4f})"
    return f"{value:.4f}{change}"
