"""A request as it is run by a checkpoint: what is known of its map before a source is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from isamap.inference.cutting.lattice import Lattice
from isamap.inference.cutting.windows import lattice_of
from isamap.inference.map_files import share_layer
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.output_place import OutputPlace
from isamap.inference.mapping.request import Computing, MapRequest, keep
from isamap.inference.postprocessing import prediction_sets
from isamap.inference.postprocessing.postprocess import UNPROCESSED, threshold_of
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.checkpoints.conformal import SetLimits
from isamap.training.checkpoints.ensemble import members_of
from isamap.training.runtimes.probabilities import Probabilities, Way, check_way
from isamap.training.runtimes.quantized import tags_of

FUNCTION = {"runtime": "function", "precision": "fp32"}  # what maps say of a function of Python (map_with.py)


@dataclass(frozen=True)
class MapRun:
    """A map that is made: what is asked, by which checkpoint, and what follows from both; made by `of`.

    lattice: the network's windows, counted from the origin of the ground. device: cpu, cuda or mps. threshold: of the
    step after the network. limits: of the map's sets, if any. network: in the place of the checkpoint's; judges:
    whether fp32 judges 8 bits.
    """

    request: MapRequest
    out: Path
    trained: Checkpoint
    lattice: Lattice
    device: str
    threshold: float
    limits: SetLimits | None
    progress: bool
    network: Probabilities | None
    judges: bool

    @classmethod
    def of(
        cls, request: MapRequest, trained: Checkpoint, *, out: Path, progress: bool,
        network: Probabilities | None = None, judges: bool = False,
    ) -> MapRun:  # fmt: skip
        """ValueError for a device, a threshold or sets that the checkpoint cannot have."""
        options, lattice = request.options, lattice_of(trained)
        computing = options.computing
        threshold = threshold_of(trained, computing.post)
        limits = prediction_sets.limits_for(trained, wanted=options.sets)
        dates = (trained.frames,) if trained.frames else ()
        image_shape = (*dates, len(trained.bands), lattice.side, lattice.side)
        device = "cpu"
        if network is None:
            device = check_way(trained, Way(**computing.forward, device=computing.device), image_shape)
        return cls(request, out, trained, lattice, device, threshold, limits, progress, network, judges)

    @property
    def computing(self) -> Computing:
        return self.request.options.computing

    @property
    def forward(self) -> dict[str, Any]:
        """What runs the network, as the map's tags say it."""
        return self.computing.forward if self.network is None else FUNCTION

    @cached_property
    def legend(self) -> Legend:
        return Legend.of(self.trained.classes, self.trained.thresholds)

    @cached_property
    def precision_tags(self) -> dict[str, str]:
        """What the map says of the numbers in which the network is run."""
        return tags_of(self.trained, self.forward["precision"])

    @property
    def network_tags(self) -> dict[str, str]:
        """What the map says of the network and of how it is run."""
        post = self.computing.post
        processed = {} if post == UNPROCESSED else {"post": post}
        members = members_of(self.trained)
        joined = {"members": ",".join(members)} if members else {}
        how = self.forward | self.precision_tags | joined | processed | share_layer.tags_of(self.trained)
        return {"model": self.trained.model, "checkpoint": self.trained.fingerprint} | how

    def place(self, tags: Mapping[str, str]) -> OutputPlace:
        """Where the map is written, which says this of itself."""
        sets = (prediction_sets.layer_of(self.out),) if self.limits else ()
        shares = (share_layer.layer_of(self.out),) if share_layer.tags_of(self.trained) else ()
        return OutputPlace(self.request, tags, sets + shares)

    def keep(self) -> None:
        """Writes the request beside the map, which a function of Python is no part of."""
        if self.network is None:
            keep(self.request)
