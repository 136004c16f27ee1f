"""Networks' ONNX graphs under ISAMAP_HOME, so that a map by OpenVINO starts without torch where its network ran before.

A graph is named by all that decides it: the network and its weights, the shape of an image, the source of the networks
and of their export, and torch's version. Graphs of networks of other packages, whose source is not known, and large
ones, for which torch's second is nothing, are not kept.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import write_whole
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.home import cache_home
from isamap.training.runtimes import quantized
from isamap.training.runtimes.precisions import INT8

if TYPE_CHECKING:
    from isamap.training.runtimes.graph import GraphOf

VERSION = 1
# Larger graphs are made each time: MOST_GRAPHS of them would fill the home's disk.
MOST_BYTES = 64 << 20
MOST_GRAPHS = 16  # the others, which were made earliest, are removed
# Of SHA-256 in hexadecimal, before the graph's own bytes.
_DIGEST_CHARS = 64
_SOURCES = ("models/*.py", "runtimes/fold.py", "runtimes/graph.py", "runtimes/quantization.py")


def graph_of(checkpoint: Checkpoint, precision: str) -> GraphOf:
    """The network's graph by the shape of an image, kept or made (and then kept). Fault: weights missing or damaged."""

    def graph(shape: tuple[int, ...]) -> bytes:
        file = _file(checkpoint, precision, shape)
        content = _read(file)
        if content is None:
            content = _made(checkpoint, precision, shape)
            _keep(file, content)
        return content

    return graph


def is_kept(checkpoint: Checkpoint, precision: str, shape: tuple[int, ...]) -> bool:
    """Whether a graph is there and whole."""
    return _read(_file(checkpoint, precision, shape)) is not None


def _made(checkpoint: Checkpoint, precision: str, shape: tuple[int, ...]) -> bytes:
    from isamap.training.runtimes.fold import folded
    from isamap.training.runtimes.graph import graph_of as exported

    if precision == INT8:
        return quantized.graph_of(checkpoint)(shape)
    return exported(folded(checkpoint.build()))(shape)


def _file(checkpoint: Checkpoint, precision: str, shape: tuple[int, ...]) -> Path | None:
    """Where the graph is kept; None for a network of another package."""
    models = [checkpoint.model, *(member["model"] for member in checkpoint.config.get("members", ()))]
    if any(":" in model for model in models):
        return None
    numbers = quantized.tags_of(checkpoint, precision)
    facts = [VERSION, quantized.network_digest(checkpoint), numbers, list(shape), _sources(), metadata.version("torch")]
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return cache_home() / "graphs" / f"{name}.onnx"


@cache
def _sources() -> str:
    """A digest of the programs that make a graph of a checkpoint."""
    home = Path(__file__).resolve().parents[1]
    # Another release may build the same checkpoint into another graph: its sources are part of the name.
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _SOURCES for path in home.glob(pattern)):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _read(file: Path | None) -> bytes | None:
    """The graph, or None where there is none or it is damaged."""
    if file is None:
        return None
    # A home that cannot be read costs a second, not the map: the graph is made again.
    with suppress(OSError):
        content = file.read_bytes()
        digest, graph = content[:_DIGEST_CHARS], content[_DIGEST_CHARS:]
        if digest == hashlib.sha256(graph).hexdigest().encode():
            return graph
    return None


def _keep(file: Path | None, graph: bytes) -> None:
    """Writes a graph, if it can be: a full disk or a folder of somebody else stops no map."""
    if file is None or len(graph) > MOST_BYTES:
        return
    with suppress(OSError, Fault):
        write_whole(file, hashlib.sha256(graph).hexdigest().encode() + graph)
        graphs = sorted(file.parent.glob("*.onnx"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in graphs[MOST_GRAPHS:]:
            path.unlink(missing_ok=True)
