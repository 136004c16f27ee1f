"""Maps made by any function of an array: the windows, blending, files and exact cuts of `isamap map`, another model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.options import from_options
from isamap.gee_export.datasets.dataset import Dataset
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.mapping.map import mapped
from isamap.inference.mapping.map_input import opened
from isamap.inference.mapping.map_report import MapReport
from isamap.inference.mapping.map_run import MapRun
from isamap.inference.mapping.request import MapRequest
from isamap.training.checkpoints.checkpoint import BandNorm, Checkpoint
from isamap.training.runtimes.probabilities import Probabilities

PHYSICAL, STANDARDISED = "physical", "standardised"
CLASSES = ("pervious", "impervious")
RADAR = ("VV", "VH", "HH", "HV")
Function = Callable[[np.ndarray], Any]


def map_with(
    function: Function,
    *,
    out: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    bands: Sequence[str] = (),
    values: str = PHYSICAL,
    window: int = 256,
    overlap: int = 64,
    threshold: float = 0.5,
    version: str = "1",
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = True,
    **options: Any,
) -> MapReport:
    """NAME.tif and NAME_prob.tif as of `map_region`, made by a function in the place of a checkpoint's network.

    function: takes float32 (bands, rows, columns) of a window, 0 where a band is missing, and gives the probability of
    impervious, (rows, columns) of numbers from 0 to 1; a NumPy array or a tensor. It must give the same for the same
    window, and is called from `workers` threads.
    data: a dataset whose bands, composite settings and statistics describe the input; needed for regions and for
    values="standardised". bands: their names instead, for files: VV, VH, HH and HV in dB, others reflectance.
    values: "physical" (reflectance, dB) or "standardised" by the training patches' mean and standard deviation.
    window: side of the windows in pixels; overlap: pixels that neighbours share, blended.
    threshold: the probability from which a pixel is impervious. version: of the function; a map of another version is
    another map. options: where and when, as of `map_region` (input; or region, bbox, geometry, month, period ...).
    ValueError: the user's mistakes. Fault: the function gives another shape, or numbers that are no probabilities.
    """
    described = _described(function, _Input(data, tuple(bands), values), (window, overlap), threshold, version)
    identity = {"checkpoint": described.model, "out": out, "overwrite": overwrite, "workers": workers, **options}
    request = from_options(MapRequest, identity)
    shown = checked_argument("progress", progress, bool)
    run = MapRun.of(request, described, out=request.file, progress=shown, network=_probabilities(function))
    run.place(request.options.tags | {"model": described.model, "checkpoint": described.fingerprint}).check_map()
    with closing(opened(request.options, described)) as source:
        return mapped(source, run)


class _Input:
    """What the function is given: bands by name with their units, and the composite that they come from."""

    def __init__(self, data: str | os.PathLike[str] | None, bands: tuple[str, ...], values: str) -> None:
        if (data is None) == (not bands):
            raise ValueError("map_with needs data=DATASET, whose bands the function takes, or bands=[...] of a file")
        if values not in (PHYSICAL, STANDARDISED):
            raise ValueError(f"values={values!r}: expected {PHYSICAL!r} or {STANDARDISED!r}")
        if values == STANDARDISED and data is None:
            raise ValueError("values='standardised' needs data=DATASET, which has the statistics")
        self.head = None if data is None else Dataset.open(data).manifest
        self.values, self.names = values, bands

    @property
    def bands(self) -> tuple[BandNorm, ...]:
        """Bands as a checkpoint has them; physical values are those of mean 0 and standard deviation 1."""
        if self.head is None:
            return tuple(BandNorm(name, "dB" if name.upper() in RADAR else "reflectance", 0, 1) for name in self.names)
        norms = []
        for band in self.head.bands:
            statistics = self.head.statistics.get(band.name) if self.values == STANDARDISED else None
            mean, std = (0.0, 1.0) if statistics is None else (statistics.mean, statistics.std or 1.0)
            norms.append(BandNorm(band.name, band.unit, mean, std))
        return tuple(norms)

    @property
    def origin(self) -> dict[str, Any]:
        """The composite's settings, backscatter and whether the data were simulated."""
        if self.head is None:
            return {"composite": {}, "backscatter": "", "simulated": False}
        level = {"level": self.head.level.lower()} if self.head.level else {}
        composite = {**self.head.settings, **level}
        return {
            "composite": composite,
            "backscatter": self.head.backscatter or "",
            "simulated": self.head.simulated,
        }


def _described(
    function: Function, given: _Input, windows: tuple[int, int], threshold: float, version: str
) -> Checkpoint:
    window, overlap = windows
    if not (isinstance(window, int) and isinstance(overlap, int) and 8 <= window <= 4096 and 0 <= overlap < window):
        raise ValueError(f"window={window}, overlap={overlap}: expected 8 to 4096 pixels, and less of them shared")
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold}: expected a number between 0 and 1")
    if not callable(function):
        raise ValueError(f"{function!r} is no function: give one of an array (bands, rows, columns)")
    name = str(getattr(function, "__name__", type(function).__name__))
    return Checkpoint(
        model=f"function {name}", config={"version": str(version), "values": given.values}, bands=given.bands,
        classes=CLASSES, scale=1, window=window, lattice=window - overlap, halo=None, multiple=1,
        thresholds={"impervious": threshold}, **given.origin,
    )  # fmt: skip


def _probabilities(function: Function) -> Probabilities:
    """The function of one window as a network of batches and classes; Fault where it gives something else."""

    def probabilities(images: np.ndarray, classes: Sequence[int]) -> np.ndarray:
        return np.stack([_both(function, image_BHW) for image_BHW in images])[:, list(classes)]

    return probabilities


def _both(function: Function, image_BHW: np.ndarray) -> np.ndarray:
    """Probabilities of pervious and impervious, float32 (2, rows, columns)."""
    answer = function(image_BHW)
    share_HW = np.asarray(answer.detach().cpu() if hasattr(answer, "detach") else answer, np.float32)
    if share_HW.shape != image_BHW.shape[1:]:
        raise Fault(
            f"the function gave {share_HW.shape} for a window of {image_BHW.shape}: expected {image_BHW.shape[1:]}"
        )
    if not (share_HW.min() >= 0 and share_HW.max() <= 1):  # NaN fails too
        raise Fault(
            f"the function gave {share_HW.min():g} to {share_HW.max():g}: expected probabilities of 0 to 1 (a sigmoid "
            "makes them of logits)"
        )
    return np.stack([1 - share_HW, share_HW])
