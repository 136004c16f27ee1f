"""The processes of the service, by name: what each takes, gives and does (OGC API - Processes)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from isamap.inference.serve import (
    assess_request,
    export_request,
    first_network_request,
    map_request,
    publish_request,
    train_request,
)
from isamap.inference.serve.estimate import JobEstimate
from isamap.inference.serve.job import Job
from isamap.inference.serve.library import Library

VERSION = "1.0.0"


class Request(Protocol):
    """A checked request: its inputs, what decides its result, its commands in a folder, and what comes of them."""

    @property
    def inputs(self) -> dict[str, Any]: ...

    @property
    def identity(self) -> dict[str, Any]: ...

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]: ...

    def progress(self, folder: Path) -> tuple[int, str]: ...

    def results(self, job: Job, folder: Path) -> dict[str, Any]: ...

    def estimate(self) -> JobEstimate: ...


@dataclass(frozen=True)
class Process:
    """One process: its words, the schemas of its inputs and outputs, and what reads a request's inputs."""

    id: str
    title: str
    description: str
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    read: Callable[[Any, Library], Request]

    def summary(self) -> dict[str, Any]:
        """processSummary of OGC API - Processes."""
        links = [
            {"rel": "self", "href": f"/processes/{self.id}", "type": "application/json"},
            {
                "rel": "http://www.opengis.net/def/rel/ogc/1.0/execute",
                "href": f"/processes/{self.id}/execution",
                "type": "application/json",
            },
        ]
        return {
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "version": VERSION,
            "jobControlOptions": ["async-execute", "dismiss"],
            "outputTransmission": ["value", "reference"],
            "links": links,
        }

    def document(self) -> dict[str, Any]:
        """The whole description, with schemas."""
        return self.summary() | {"inputs": dict(self.inputs), "outputs": dict(self.outputs)}


_LINK = {"type": "object", "required": ["href"], "properties": {"href": {"type": "string"}}}
_VALUE = {"type": "object", "required": ["value"], "properties": {"value": {"type": "string"}}}
PROCESSES: dict[str, Process] = {
    process.id: process
    for process in (
        Process(
            "export",
            "Cut training patches",
            "Co-registered Sentinel-1, Sentinel-2 and label patches of a place and period.",
            export_request.INPUTS,
            {"dataset": {"title": "The dataset's name", "schema": _VALUE}},
            export_request.ExportJobRequest.of,
        ),
        Process(
            "train",
            "Train a network",
            "A network fitted to datasets of this service.",
            train_request.INPUTS,
            {"checkpoint": {"title": "The checkpoint's name", "schema": _VALUE}},
            train_request.TrainRequest.of,
        ),
        Process(
            "first-network",
            "Train a first network",
            "Patches of a place and period, and a small network fitted to them, as one job.",
            first_network_request.INPUTS,
            {
                "checkpoint": {"title": "The checkpoint's name", "schema": _VALUE},
                "dataset": {"title": "The dataset's name", "schema": _VALUE},
            },
            first_network_request.FirstNetworkRequest.of,
        ),
        Process(
            "map",
            "Map a place",
            "Impervious surface, or land cover, of a place and period with a checkpoint.",
            map_request.INPUTS,
            {"map": {"title": "The map", "schema": _LINK}},
            map_request.MapJobRequest.of,
        ),
        Process(
            "assess",
            "Assess a map",
            "A probability sample of a map and, with its answers, accuracies and areas with intervals.",
            assess_request.INPUTS,
            {
                "sample": {"title": "The points and their answer sheet", "schema": _LINK},
                "report": {"title": "Accuracies and areas", "schema": _LINK},
            },
            assess_request.AssessRequest.of,
        ),
        Process(
            "publish",
            "Publish a map to Earth Engine",
            "A map as an Earth Engine asset, with the lines that show it in the Code Editor.",
            publish_request.INPUTS,
            {
                "asset": {"title": "The asset", "schema": {"type": "string"}},
                "code": {"title": "Lines for the Code Editor; none of a local asset", "schema": {"type": "string"}},
                "python": {"title": "Lines for Python", "schema": {"type": "string"}},
            },
            publish_request.PublishRequest.of,
        ),
    )
}
