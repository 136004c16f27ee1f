"""The passport of a model file: a STAC item with the machine-learning extension, by which catalogues list models.

STAC 1.1.0 with the extensions mlm 1.5.0, raster 1.1.0, file 2.1.0, classification 1.1.0 and processing 1.1.0
(docs/reference/formats.md, "STAC of maps and models"). No clock times: the same checkpoint gives the same bytes.
The bands are the raster extension's: mlm 1.5.0 also takes STAC 1.1's own, but in a place where STAC 1.1 forbids them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.storage import write_whole
from isamap.training.checkpoints.checkpoint import CARD, DESCRIPTION, WEIGHTS, BandNorm, Checkpoint, load

PASSPORT = "model.stac.json"
SUFFIX = ".stac.json"  # of the passport beside NAME.onnx
LICENCE = "Apache-2.0"
LICENCE_PAGE = "https://www.apache.org/licenses/LICENSE-2.0"
_HOME = "https://stac-extensions.github.io"
EXTENSIONS = tuple(
    f"{_HOME}/{name}/schema.json"
    for name in ("mlm/v1.5.0", "raster/v1.1.0", "file/v2.1.0", "classification/v1.1.0", "processing/v1.1.0")
)
ALWAYS = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")  # as the extension's examples, where no period is recorded
SHA256_MULTIHASH = "1220"  # code 0x12, 0x20 bytes (https://github.com/multiformats/multicodec)
FREE = -1  # a side that the file leaves open


@dataclass(frozen=True)
class ModelFile:
    """A file with a checkpoint's network, and what goes into it and comes out of it.

    physical: it takes the bands' units and gives probabilities, else standardised values and logits. size: side of its
    input in pixels, FREE where any is taken.
    """

    path: Path
    media_type: str
    artifact: str
    framework: str
    physical: bool
    size: int


@dataclass(frozen=True)
class PassportReport:
    """Where the passport was written; printed as a line."""

    path: Path
    model: str
    parameters: int

    def __str__(self) -> str:
        return f"{self.path}: {self.model}, {self.parameters:,} parameters, STAC item with mlm 1.5.0"


def write_passport(
    checkpoint: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, session: Any = None
) -> PassportReport:
    """Write the passport of a checkpoint's weights beside them as model.stac.json, or as `out`; where it is.

    What is there is replaced: a passport follows from its checkpoint. ValueError: no checkpoint there, a name that
    does not end in .json, a checkpoint under gs:// without `out`. Fault: damaged weights.
    """
    if out is None and str(checkpoint).startswith("gs://"):
        raise ValueError(f"--checkpoint {checkpoint} is in a bucket: say with --out FILE.json where the passport goes")
    if out is not None and Path(out).suffix != ".json":
        raise ValueError(f"--out {out}: give a name that ends in .json")
    trained = load(checkpoint, session)
    folder = Path(trained.location)
    file = ModelFile(
        folder / WEIGHTS, "application/octet-stream", "safetensors.torch.save_file", "PyTorch", False, trained.window
    )
    return write(trained, file, Path(out) if out else folder / PASSPORT)


def write(trained: Checkpoint, file: ModelFile, out: Path) -> PassportReport:
    """Write the passport of one file of a checkpoint's network as `out`, with addresses relative to it."""
    parameters = sum(weight.numel() for weight in trained.build().parameters())
    text = json.dumps(document(trained, file, out.parent, parameters), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(out, (text + "\n").encode())
    return PassportReport(out, trained.model, parameters)


def document(trained: Checkpoint, file: ModelFile, folder: Path, parameters: int) -> dict[str, Any]:
    """The STAC item, as JSON holds it; folder: from which its addresses are relative."""
    start, end = _period(trained.dataset)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS),
        "id": f"{trained.model}-{trained.fingerprint[:16]}",
        "geometry": None,  # a checkpoint does not record the ground of its patches
        "properties": {
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            "title": f"{trained.model} for {', '.join(trained.classes)}",
            "description": _description(trained),
            "license": "other" if "backbone" in trained.origin else LICENCE,
            **_mlm(trained, file, parameters),
            "processing:software": {"isamap": trained.revision or "unknown revision"},
            "isamap:fingerprint": trained.fingerprint,
            "isamap:simulated": trained.simulated,
            "isamap:thresholds": dict(trained.thresholds),
            "isamap:dataset": str(trained.dataset.get("name", "unknown")),
        },
        "links": [{"rel": "license", "href": LICENCE_PAGE, "type": "text/html", "title": LICENCE}],
        "assets": _assets(trained, file, folder),
    }


def _description(trained: Checkpoint) -> str:
    truth = "SIMULATED data: its accuracy says nothing about real imagery" if trained.simulated else "real data"
    start = trained.origin.get("backbone")
    began = f" Its encoder started from {start['file']}, licence: {start['licence']}." if start else ""
    subject = f"composites of {', '.join(trained.band_names)} into {', '.join(trained.classes)}"
    return f"Segments {subject}; from {truth}.{began}"


def _mlm(trained: Checkpoint, file: ModelFile, parameters: int) -> dict[str, Any]:
    return {
        "mlm:name": f"isamap {trained.model}",
        "mlm:architecture": trained.model,
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": file.framework,
        "mlm:total_parameters": parameters,
        "mlm:pretrained": True,
        "mlm:pretrained_source": str(trained.dataset["name"]) if "name" in trained.dataset else None,
        "mlm:hyperparameters": _settings(trained),
        "mlm:input": [_input(trained, file)],
        "mlm:output": [_output(trained, file)],
    }


def _input(trained: Checkpoint, file: ModelFile) -> dict[str, Any]:
    dates, names = ([trained.frames], ["time"]) if trained.frames else ([], [])
    units = "physical units, NaN where missing" if file.physical else "(clipped value - mean) / std, 0 where missing"
    normalise = {"format": "python", "expression": "isamap.training.checkpoints.checkpoint:normalise"}
    scaled = {} if file.physical else {"value_scaling": _scaling(trained), "pre_processing_function": normalise}
    return {
        "name": "image",
        "description": f"{', '.join(trained.band_names)}: {units}; sides are multiples of {trained.multiple} px",
        "bands": list(trained.band_names),
        "input": {
            "shape": [FREE, *dates, len(trained.bands), file.size, file.size],
            "dim_order": ["batch", *names, "bands", "height", "width"],
            "data_type": "float32",
        },
        **scaled,
    }


def _output(trained: Checkpoint, file: ModelFile) -> dict[str, Any]:
    side = file.size * trained.scale if file.size > 0 else FREE
    softmax = {"post_processing_function": {"format": "python", "expression": "torch.nn.functional:softmax"}}
    return {
        "name": "probability" if file.physical else "logits",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [FREE, len(trained.classes), side, side],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": [
            {"value": value, "name": name, "description": name.replace("_", " ")}
            for value, name in enumerate(trained.classes)
        ],
        **({} if file.physical else softmax),
    }


def _scaling(trained: Checkpoint) -> list[dict[str, Any]]:
    return [{"type": "z-score", "mean": band.mean, "stddev": band.std} for band in trained.bands]


def _settings(trained: Checkpoint) -> dict[str, Any]:
    """What a program needs besides the network to map as isamap does."""
    values = {
        "window": trained.window,
        "lattice": trained.lattice,
        "multiple": trained.multiple,
        "scale": trained.scale,
        "backscatter": trained.backscatter,
        "composite": dict(trained.composite),
        "config": dict(trained.config),
    }
    return {name: value for name, value in values.items() if value != {}}


def _band(band: BandNorm) -> dict[str, Any]:
    """Name, unit, and what the training data hold: mean and deviation, and the limits to which values are clipped."""
    limits = {"minimum": band.clip_min, "maximum": band.clip_max}
    numbers = {"mean": band.mean, "stddev": band.std, **limits}
    statistics = {name: statistic for name, statistic in numbers.items() if statistic is not None}
    return {"name": band.name, "data_type": "float32", "unit": band.unit, "statistics": statistics}


def _assets(trained: Checkpoint, file: ModelFile, folder: Path) -> dict[str, Any]:
    model = {
        "href": _relative(file.path, folder),
        "type": file.media_type,
        "title": f"{file.path.name} of {trained.model}",
        "roles": ["mlm:model", "mlm:weights", "data"],
        "mlm:artifact_type": file.artifact,
        "raster:bands": [_band(band) for band in trained.bands],
        **_file(file.path),
    }
    assets = {"model": model}
    for key, name, media_type in (("description", DESCRIPTION, "application/json"), ("card", CARD, "text/markdown")):
        path = file.path.with_name(name)
        if path.is_file() and file.path.name == WEIGHTS:
            metadata = {"href": _relative(path, folder), "type": media_type, "roles": ["metadata"]}
            assets[key] = metadata | _file(path)
    return assets


def _relative(path: Path, folder: Path) -> str:
    address = Path(os.path.relpath(path, folder)).as_posix()
    return address if address.startswith("../") else f"./{address}"


def _file(path: Path) -> dict[str, Any]:
    """The file extension's fields; the checksum is a multihash."""
    content = path.read_bytes()
    return {"file:size": len(content), "file:checksum": SHA256_MULTIHASH + hashlib.sha256(content).hexdigest()}


def _period(dataset: Mapping[str, Any]) -> tuple[str, str]:
    """First and last moment of the training images, RFC 3339 in UTC; the end of a period is exclusive there."""
    periods = [period for period in dataset.get("periods", ()) if "start" in period and "end" in period]
    if not periods:
        return ALWAYS
    start, end = min(period["start"] for period in periods), max(period["end"] for period in periods)
    return f"{start}T00:00:00Z", f"{end}T00:00:00Z"
