"""`training.quantize`: a copy of a checkpoint that also computes in 8 bits, with the accuracy that this costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gee_export.base.atomic import check_writable, local_path
from training.accuracy.evaluation import Data, check_fits, counted, source_for
from training.accuracy.metrics import scores
from training.accuracy.predictions import predicted
from training.checkpoints import checkpoint as ck
from training.models import model_named
from training.runtimes import RUNTIMES, Forward, folded, open_forward
from training.runtimes.graph import check_exportable
from training.runtimes.precisions import DEFAULT, INT8, PRECISIONS, check_int8
from training.runtimes.quantization import of_shape, quantized_graph
from training.runtimes.quantized import files_of
from training.samples.arguments import check_count
from training.samples.data import SampleSource, loader

PATCHES, MAX_LOSS = 64, 0.005
REFERENCE = f"torch {DEFAULT}"
MEASURES = {"miou": "MIoU", "f1_impervious": "F1 of impervious"}
Measured = Mapping[str, float | None]


@dataclass(frozen=True)
class QuantizationReport:
    """The checkpoint that also computes in 8 bits, and each way's accuracy on the split that judges.

    by_way: "torch fp32", "onnx int8", ... -> measure -> value, None where no pixel defines it.
    """

    folder: Path
    split: str
    patches: int
    judge: str
    by_way: Mapping[str, Measured]
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
    check_fits(trained, source)
    images = list(_images(trained, source, split, patches))
    graph = quantized_graph(folded(trained.build()), images)
    by_way = {name: _measured(trained, source, judge, way, batch) for name, way in _ways(trained, graph).items()}
    _check_loss(by_way, judge, max_loss)
    facts = {
        "calibration": {"dataset": source.fingerprint, "split": split, "patches": len(images)},
        "accuracy": {"dataset": source.fingerprint, "split": judge, "by_way": by_way},
    }
    files = files_of(trained, graph, facts)
    origin = {**trained.origin, "quantized": {"split": split, "dataset": source.fingerprint, "patches": len(images)}}
    ck.rewrite(replace(trained, origin=origin), folder, files)
    return QuantizationReport(folder, split, len(images), judge, by_way, len(graph), source.simulated)


def _check(checkpoint: ck.Checkpoint, folder: Path, split: str, judge: str) -> None:
    check_exportable(model_named(checkpoint.model).network, f"precision {INT8}")
    check_int8()
    for option, name in (("split", split), ("judge", judge)):
        if name not in ("train", "val"):
            raise ValueError(f"{option} {name!r}: choose 8 bits on train and val, so that test stays unseen")
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: choose another --out")
    check_writable(folder / ck.DESCRIPTION)


def _images(checkpoint: ck.Checkpoint, source: SampleSource, split: str, count: int) -> Iterator[Tensor]:
    """Standardised images of patches spread evenly over a split, each a batch of its own."""
    split_patches = source.split(split)
    if not len(split_patches):
        raise ValueError(f"the {split} split is empty: export a larger region or choose another split")
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
        except ValueError:
            continue
        ways[f"{name} {INT8}"] = runtime.of_graph(lambda shape: of_shape(graph, shape), PRECISIONS[INT8])
    return ways


def _measured(checkpoint: ck.Checkpoint, source: SampleSource, split: str, forward: Forward, batch: int) -> Measured:
    patches = source.split(split)
    if not len(patches):
        raise ValueError(f"the {split} split is empty: export a larger region or judge on another split")
    batches = predicted(checkpoint, source, patches, forward=forward, batch=batch, device="cpu")
    by_block, _ = counted(checkpoint, batches, source.blocks(split))
    named = scores(by_block.sum(axis=0)).to_json(checkpoint.classes)
    return {name: named[name] for name in MEASURES}


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
