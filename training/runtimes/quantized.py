"""The 8-bit graph beside a checkpoint: what `isamap quantize` writes and `--precision int8` runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault
from isamap.training.checkpoints.checkpoint import FURTHER, Checkpoint

if TYPE_CHECKING:
    from isamap.training.runtimes.graph import GraphOf

VERSION = 1
DESCRIPTION, GRAPH = FURTHER


def files_of(checkpoint: Checkpoint, graph: bytes, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The two files beside a checkpoint; facts: how the graph was made, kept in the description."""
    head = {"version": VERSION, "network": network_digest(checkpoint), "graph_sha256": _sha256(graph)}
    text = json.dumps(head | dict(facts), indent=1, allow_nan=False) + "\n"
    return {DESCRIPTION: text.encode(), GRAPH: graph}


def network_digest(checkpoint: Checkpoint) -> str:
    """Hexadecimal SHA-256 of all that decides the logits: equal for a copy with another threshold."""
    bands = [asdict(band) for band in checkpoint.bands]
    values = [checkpoint.model, dict(checkpoint.config), bands, checkpoint.weights_sha256]
    return _sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def description_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """How the 8-bit graph beside a checkpoint was made; ValueError: there is none, or it is of another network."""
    folder = Path(checkpoint.location)
    try:
        facts = json.loads((folder / DESCRIPTION).read_bytes())
        network, version = facts["network"], facts["version"]
    except FileNotFoundError:
        raise ValueError(
            f"precision int8: {folder} has no 8-bit graph; make a checkpoint with one by `isamap quantize`"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"{folder / DESCRIPTION} is damaged; make it again with `isamap quantize`") from error
    if version != VERSION or network != network_digest(checkpoint):
        raise ValueError(
            f"precision int8: {folder / GRAPH} is of another network or isamap than {folder}; make it again with "
            "`isamap quantize`"
        )
    return facts


def graph_of(checkpoint: Checkpoint) -> GraphOf:
    """The 8-bit graph by the shape of an image. Fault: it is missing or damaged; else as `description_of`."""
    from isamap.training.runtimes.quantization import of_shape

    facts, path = description_of(checkpoint), Path(checkpoint.location) / GRAPH
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise Fault(f"{path} cannot be read ({error.strerror}); make it again with `isamap quantize`") from error
    if _sha256(graph) != facts.get("graph_sha256"):
        raise Fault(f"{path} is damaged (its hash differs from {DESCRIPTION}); make it again with `isamap quantize`")
    return partial(of_shape, graph)


def tags_of(checkpoint: Checkpoint, precision: str) -> dict[str, str]:
    """What a map says of its 8-bit graph beside the precision: the graph's digest; nothing for other precisions."""
    return {"int8": description_of(checkpoint)["graph_sha256"][:32]} if precision == "int8" else {}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
