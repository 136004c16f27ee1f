"""A checkpoint as one ONNX file for other programs: physical units in, probabilities out, all names inside."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isamap.gee_export.base.storage import write_whole
from isamap.training.checkpoints import passport
from isamap.training.checkpoints.checkpoint import BandNorm, Checkpoint, load
from isamap.training.checkpoints.curve import curve_of
from isamap.training.models import model_named
from isamap.training.models.output import Network
from isamap.training.runtimes.extra import imported
from isamap.training.runtimes.fold import folded
from isamap.training.runtimes.graph import OPSET, check_exportable, onnx_graph

VERSION = "1"  # of the file's metadata
SIDES_FREE = 0
INPUT, OUTPUT = "image", "probability"


@dataclass(frozen=True)
class OnnxReport:
    """What was written; printed as a few lines."""

    path: Path
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    size: int
    multiple: int
    window: int
    bytes: int

    def __str__(self) -> str:
        free = f"any multiple of {self.multiple} px, best {self.window} as trained"
        sides = f"{self.size} x {self.size} px, one at a time" if self.size else free
        stored = f"{self.bytes / 1e6:.1f} MB" if self.bytes >= 1e6 else f"{self.bytes / 1e3:.0f} kB"
        return "\n".join(
            [
                f"{self.path}: {stored}, ONNX opset {OPSET}",
                f"in: {', '.join(self.bands)} in their units, missing pixels as NaN; {sides}",
                f"out: probability of {', '.join(self.classes)}",
            ]
        )


def export_onnx(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    size: int = SIDES_FREE,
    overwrite: bool = False,
    session: Any = None,
) -> OnnxReport:
    """Write a checkpoint as `out`, an .onnx file, normalisation and names inside (docs/runtimes.md), and its passport
    beside it (checkpoints/passport.py).

    size: rows and columns of its only input size; 0 leaves them free (images of several dates have a fixed one, the
    training window). ValueError: a classifier of pixels, another name, a size that the network cannot take, a file
    that is there (unless `overwrite`).
    """
    path = _checked_out(Path(out), overwrite)
    trained = load(checkpoint, session)
    check_exportable(model_named(trained.model).network, "ONNX")
    size = size or (trained.window if trained.frames else SIDES_FREE)
    if size < 0 or size % trained.multiple:
        raise ValueError(f"size {size}: the network takes multiples of {trained.multiple} px; 0 leaves it free")
    data = _described(_graph(trained, size), trained, size or trained.window)
    passport_path = path.with_suffix(passport.SUFFIX)
    passport_path.unlink(missing_ok=True)  # of the file that is replaced
    write_whole(path, data)
    passport.write(
        trained,
        passport.ModelFile(path, "application/onnx", "onnx.save", "ONNX", True, size or passport.FREE),
        passport_path,
    )
    return OnnxReport(
        path, trained.band_names, trained.classes, size, trained.multiple, trained.window, bytes=len(data)
    )


class Physical(nn.Module):
    """Class probabilities (B, K, H, W) of images in the bands' own units, NaN where a value is missing."""

    low: Tensor
    high: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, bands: Sequence[BandNorm]) -> None:
        super().__init__()
        self.network = network
        most = torch.finfo(torch.float32).max
        limits = [
            (-most if b.clip_min is None else b.clip_min, most if b.clip_max is None else b.clip_max) for b in bands
        ]
        for name, numbers in {
            "low": [low for low, _ in limits],
            "high": [high for _, high in limits],
            "mean": [band.mean for band in bands],
            "std": [band.std for band in bands],
        }.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        clipped = torch.minimum(torch.maximum(image, self.low), self.high)
        standard = (clipped - self.mean) / self.std
        filled = torch.where(torch.isnan(image), torch.zeros_like(image), standard)
        return self.network(filled).logits_BKHW.softmax(dim=1)


def _checked_out(path: Path, overwrite: bool) -> Path:
    if path.suffix != ".onnx":
        raise ValueError(f"--out {path}: give a name that ends in .onnx")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists: choose another --out, or replace it with --overwrite")
    return path


def _graph(checkpoint: Checkpoint, size: int) -> bytes:
    side = size or checkpoint.window
    dates = (checkpoint.frames,) if checkpoint.frames else ()
    example = torch.zeros(1, *dates, len(checkpoint.bands), side, side)
    sides = {0: "batch", 2: "rows", 3: "columns"}
    free = {} if size else {INPUT: sides, OUTPUT: {0: "batch", 2: "output_rows", 3: "output_columns"}}
    return onnx_graph(Physical(folded(checkpoint.build()), checkpoint.bands), example, names=(INPUT, OUTPUT), free=free)


def _described(graph: bytes, source: Checkpoint, tile_px: int) -> bytes:
    onnx = imported("onnx")
    model = onnx.load_model_from_string(graph)
    model.producer_name, model.producer_version = "isamap", source.revision
    model.doc_string = (
        f"{source.model} for {', '.join(source.classes)}: {INPUT} holds {', '.join(source.band_names)} in their units, "
        f"NaN where missing; {OUTPUT} is the probability of each class."
    )
    onnx.helper.set_model_props(model, metadata(source, tile_px))
    return model.SerializeToString()


def metadata(checkpoint: Checkpoint, tile_px: int) -> dict[str, str]:
    """What a reader needs to know, as text or JSON; the second half are the keys of QGIS' Deepness plugin.

    tile_px: side of the input that the plugin is to give, the graph's only one where it is fixed.
    """
    step_m = checkpoint.dataset.get("step_m", 10.0)
    threshold, curve = checkpoint.thresholds.get("impervious", 0.5), curve_of(checkpoint)
    # the graph gives the network's own probability: the threshold of that, and the curve for who wants the calibrated
    calibration = {} if curve is None else {"calibration": json.dumps(curve.to_json())}
    threshold = threshold if curve is None else curve.inverse(threshold)
    bands = [{"name": band.name, "unit": band.unit} for band in checkpoint.bands]
    own = {
        "isamap": VERSION,
        "model": checkpoint.model,
        "checkpoint": checkpoint.fingerprint,
        "bands": json.dumps(bands),
        "classes": json.dumps(list(checkpoint.classes)),
        "threshold": json.dumps(threshold),
        "window": str(checkpoint.window),
        "lattice": str(checkpoint.lattice),
        "multiple": str(checkpoint.multiple),
        "scale": str(checkpoint.scale),
        "frames": str(checkpoint.frames),
        "step_m": json.dumps(step_m),
        "backscatter": checkpoint.backscatter,
        "simulated": json.dumps(checkpoint.simulated),
        "missing": "NaN",
    }
    return own | calibration | _deepness(checkpoint, tile_px, step_m, threshold)


def _deepness(checkpoint: Checkpoint, tile_px: int, step_m: float, threshold: float) -> dict[str, str]:
    """The plugin's keys.

    Deepness (docs/source/creators/creators_add_metadata_to_model of PUTvision/qgis-plugin-deepness) divides by 255
    before it standardises: mean 0 and deviation 1/255 undo that.
    """
    channels = len(checkpoint.bands)
    return {
        "model_type": json.dumps("Segmentor"),
        "class_names": json.dumps(dict(enumerate(checkpoint.classes))),
        "resolution": json.dumps(100 * step_m),
        "tile_size": json.dumps(tile_px),
        "tiles_overlap": json.dumps(round(100 * (1 - checkpoint.lattice / checkpoint.window))),
        "seg_thresh": json.dumps(threshold),
        "standardization_mean": json.dumps([0.0] * channels),
        "standardization_std": json.dumps([1 / 255] * channels),
    }
