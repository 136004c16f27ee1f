"""The map of a region and month, or of a GeoTIFF, made with a checkpoint: two cloud-optimised files and a sidecar."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.options import from_options, takes_options
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.cutting.frame import Read
from isamap.inference.cutting.windows import batch_of
from isamap.inference.inputs.checks import fill_warnings, input_warnings, step_warnings, why_empty
from isamap.inference.inputs.source import InputSource
from isamap.inference.map_files import cog
from isamap.inference.map_files.map_file import SETTINGS_TAG, sidecar_of
from isamap.inference.map_files.share_layer import settle_shares
from isamap.inference.mapping import job
from isamap.inference.mapping.cleaning import Cleaning
from isamap.inference.mapping.dates import view
from isamap.inference.mapping.eight_bits import ClassChange, class_change, classes_of, kept_change, spread_windows
from isamap.inference.mapping.first_pass import FirstPass
from isamap.inference.mapping.map_input import loaded, opened
from isamap.inference.mapping.map_report import MapReport, report_of
from isamap.inference.mapping.map_run import MapRun
from isamap.inference.mapping.predict import Predictor
from isamap.inference.mapping.request import MapOptions, MapRequest
from isamap.inference.mapping.strips import PostprocessPass, Values
from isamap.inference.postprocessing.postprocess import POSTPROCESSING, UNPROCESSED, PixelOffset
from isamap.inference.postprocessing.prediction_sets import settle_sets
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.checkpoints.curve import calibrated
from isamap.training.cpu import tune_cpu
from isamap.training.runtimes.precisions import DEFAULT, INT8
from isamap.training.runtimes.probabilities import OPENVINO, Way, open_probabilities

SENTINEL_STEP_M = 10.0  # of checkpoints that do not say on which step they were trained
# of the way maps are made: a map of another version is neither taken as already there nor continued; 2: batch
# normalisation folded, which changes last bits; 3: classes and probabilities in two files; 4: files compressed at
# cog.MAP_LEVEL, the same pixels in other bytes
VERSION = 4
REGION_VERSION = 5  # 4: ground beyond a region's edges is seen, windows lie where those of files do; 5: as above
OPENVINO_VERSION = 2  # of maps by OpenVINO; 2: NumPy's softmax, whose last bits differ from torch's
POST_VERSION = 1  # of the way they are post-processed
JUDGED_VERSION = 2  # of unfinished maps in 8 bits; 1: their first rows were wrong where a place had two rows of blocks


class EmptyMap(Fault):
    """No pixel of what was asked for has a value in every band."""


@takes_options(MapOptions)
def map_region(
    checkpoint: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    overwrite: bool = False,
    progress: bool = True,
    **options: Any,
) -> MapReport:
    """A COG of impervious surface, NAME.tif, one of its probability, NAME_prob.tif, and a report
    (docs/reference/formats.md, "Map").

    Either `input`, a GeoTIFF whose band descriptions hold the checkpoint's bands (a month or period then only says
    when it was taken), or an area (region, bbox, geometry; in UTM zone epsg if asked) and a month ("2020-06") or
    period (a season, a year, first and last day), composed by Earth Engine (`project`) or by the local engine
    (`catalog`) with the checkpoint's own settings.
    runtime and precision: what runs the network and in which numbers (training/runtimes); in another of them a map
    differs in the last bits, so it is another map. device: auto, cpu or gpu; a half-made map is begun again on another,
    a finished one is taken as it is. post: a step between probabilities and classes
    (inference/postprocessing/postprocess.py); the probabilities stay the network's.
    Interrupted, the same call continues; done, it does nothing; a map of other settings is replaced only with
    `overwrite`. Pixels with a missing band are 255. NAME.toml keeps the options that make the map again.

    ValueError: the user's mistakes, each with its remedy. Fault: server, disk or file, or no pixel has all bands.
    """
    values = {"checkpoint": checkpoint, "out": out, "overwrite": overwrite, **options}
    return map_requested(from_options(MapRequest, values), progress=checked_argument("progress", progress, bool))


def map_requested(request: MapRequest, *, progress: bool = True, judges: bool = True) -> MapReport:
    """The map that a request asks for; as `map_region`. judges: a map in 8 bits says what they change on it."""
    out, options = request.file, request.options
    trained = loaded(request.checkpoint, options.pixels.project)
    # Refusals before the source is opened, which may ask a server for minutes.
    judges = judges and options.computing.precision == INT8
    run = MapRun.of(request, trained, out=out, progress=progress, judges=judges)
    run.place(options.tags | run.network_tags).check()
    with closing(opened(options, trained)) as source:
        return mapped(source, run)


def mapped(source: InputSource, run: MapRun) -> MapReport:
    """The map of an open source by a checkpoint's network, or by the run's own."""
    begun, out, scale = time.monotonic(), run.out, run.trained.scale
    geobox = _finer(source.geobox, scale)
    cleaning = Cleaning.of(run.computing, geobox, run.legend)
    settings = _settings(source, run, cleaning)
    info = cog.MapInfo(geobox, run.legend, _tags(source, run, cleaning, settings))
    if run.place(info.tags).is_whole():
        job.forget(out)
        run.keep()
        return replace(report_of(info, out, _finished(info, out)), already_there=True)
    tune_cpu()
    notes = step_warnings(source.geobox, run.trained.dataset.get("step_m", SENTINEL_STEP_M))
    settings |= {"device": run.device}  # whose last bits differ
    settings |= {"judged": JUDGED_VERSION} if run.judges else {}
    with rasterio.Env(GDAL_CACHEMAX=source.cache_bytes), job.started(out, settings) as folder:
        source.keep_in(folder / job.BLOCKS)
        notes += _told(source, run) if source.foreign else []
        for text in notes:
            warnings.warn(text, stacklevel=4)
        second = _second(source, run)
        rows = cog.RowsFile(folder / job.ROWS, source.ground.mapped.width * scale, second.bands)
        first = FirstPass(source, run.lattice, scale, rows)
        judge = partial(_judged, source, run, second) if run.judges and not first.done else None
        change, resumed = kept_change(folder, judge), first.done
        if not first.is_done:
            predictor, read = _predictor(source, run, second)
            first.run(predictor, read, workers=run.computing.workers, progress=run.progress)
        processed = second.apply(rows, cog.RowsFile(folder / job.PROCESSED, geobox.shape[1]))
        reason = why_empty(source) if processed.is_unknown else ""
        if not reason:
            cleaned = cleaning.apply(processed, folder)
            layers = partial(settle_sets, cleaned, run.limits, info, out), partial(settle_shares, cleaned, info, out)
            counts = cog.write(cleaned, info, out, partial(_keep, layers, run), level=cog.MAP_LEVEL)
    if reason:
        raise EmptyMap(f"{out} was not written: {reason}")
    seconds = time.monotonic() - begun
    report = report_of(info, out, counts)
    return replace(report, seconds=seconds, resumed_rows=resumed, change=change, warnings=(*notes, *report.warnings))


def _told(source: InputSource, run: MapRun) -> list[str]:
    """Sentences about a foreign image; only a network of isamap's knows which values it learned from."""
    return input_warnings(source, run.trained) if run.network is None else fill_warnings(source)


def _keep(layers: Iterable[Callable[[], None]], run: MapRun) -> None:
    """Writes what else belongs to a map: its sets and shares if any, and its request."""
    for settle in layers:
        settle()
    run.keep()


def _finished(info: cog.MapInfo, out: Path) -> np.ndarray:
    """The numbers of pixels of each value in a map that is there; its sidecar is written where somebody removed it."""
    counts = cog.counts_of(out)
    if not sidecar_of(out).exists():
        cog.write_sidecar(info.legend, counts, out)
    return counts


def _second(source: InputSource, run: MapRun) -> PostprocessPass:
    """The pass over the whole map that follows the network's, with blocks counted from the windows' origin."""
    mapped, scale = source.ground.mapped, run.trained.scale
    offset = PixelOffset((source.origin[0] + mapped.row) * scale, (source.origin[1] + mapped.col) * scale)
    post, (height, width) = POSTPROCESSING[run.computing.post], source.geobox.shape
    inner = Window(-mapped.row, -mapped.col, height, width).times(scale)
    return PostprocessPass(post, run.threshold, run.legend, offset, inner)


def _predictor(source: InputSource, run: MapRun, second: PostprocessPass) -> tuple[Predictor, Read]:
    """What maps windows of the source, and what reads them."""
    trained, scale = run.trained, run.trained.scale
    forward = run.network or open_probabilities(trained, Way(**run.forward, device=run.device))
    view_of, batch = view(source, trained), batch_of(run.lattice, scale, run.device)
    values = _values(second, trained)
    return Predictor(forward, view_of.channels, scale, second.legend, view_of.arrange, values, batch), view_of.read


def _judged(source: InputSource, run: MapRun, second: PostprocessPass) -> ClassChange:
    """What the precision changes; judged before any row is mapped, because none is read again later."""
    predictor, read = _predictor(source, run, second)
    fp32 = Way(**run.forward | {"runtime": "torch", "precision": DEFAULT}, device=run.device)
    classes = replace(predictor, values=partial(classes_of, run.trained))
    windows = spread_windows(source.ground.mapped, run.lattice.side)
    return class_change(classes, open_probabilities(run.trained, fp32), read, windows)


def _values(second: PostprocessPass, trained: Checkpoint) -> Values:
    """What the first pass keeps, of probabilities after the checkpoint's curve if it has one."""
    return lambda blended_KHW, legend: second.values(calibrated(trained, blended_KHW, axis=0), legend)


def _finer(geobox: GeoBox, scale: int) -> GeoBox:
    """The same ground with `scale` x `scale` pixels for each."""
    height, width = geobox.shape
    return GeoBox((height * scale, width * scale), geobox.affine * Affine.scale(1 / scale), geobox.crs)


def _settings(source: InputSource, run: MapRun, cleaning: Cleaning) -> dict[str, Any]:
    """All that decides the map's file, its pixels and what it says of them: equal settings, equal map."""
    post, lattice = run.computing.post, run.lattice
    processed = {} if post == UNPROCESSED else {"post": post, "post_version": POST_VERSION}
    settings = {
        "version": VERSION if source.foreign else REGION_VERSION,
        "checkpoint": run.trained.fingerprint,
        "pixels": source.identity,
        "grid": [str(source.geobox.crs), list(source.geobox.affine)[:6], list(source.geobox.shape)],
        "origin": list(source.origin),
        # The tags too: files that differ in what they say of themselves are not the same bytes.
        "about": dict(source.tags),
    }
    further = run.precision_tags | cleaning.settings
    further |= {"openvino": OPENVINO_VERSION} if run.forward["runtime"] == OPENVINO else {}
    further |= {"sets": True} if run.limits else {}
    exact = {"windows": [lattice.side, lattice.stride, lattice.halo]} if lattice.halo else {}
    return settings | run.forward | further | processed | exact


def _tags(source: InputSource, run: MapRun, cleaning: Cleaning, settings: Mapping[str, Any]) -> dict[str, str]:
    """The file's metadata (docs/reference/formats.md, "Map"), no clock times and no paths."""
    trained = run.trained
    simulated = {"input": source.tags.get("simulated") == "true", "training": trained.simulated}
    parts = [name for name, so in simulated.items() if so]
    description = run.network_tags | {
        "classes": ",".join(trained.classes),
        "backscatter": trained.backscatter,
        "simulated": "true" if parts else "false",
        "licence": source.tags.get("licence", "unknown: see the input's own"),
        SETTINGS_TAG: job.fingerprint(settings),
    }
    description |= cleaning.tags
    if trained.calibration:
        description["calibration"] = trained.calibration["method"]
    if parts:
        description["simulated_parts"] = ", ".join(parts)
    if run.computing.post != UNPROCESSED:
        description["post_threshold"] = f"{run.threshold:g}"
    elif len(trained.classes) == 2:
        description["threshold"] = f"{run.legend.threshold:g}"
    return dict(source.tags) | description
