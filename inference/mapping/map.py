"""The map of a region and month, or of a GeoTIFF, made with a checkpoint: two cloud-optimised files and a sidecar."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
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
from isamap.inference.cutting.windows import batch_of, lattice_of
from isamap.inference.inputs.checks import fill_warnings, input_warnings, step_warnings, why_empty
from isamap.inference.inputs.source import InputSource
from isamap.inference.map_files import cog, share_layer
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import SETTINGS_TAG, sidecar_of
from isamap.inference.map_files.share_layer import settle_shares
from isamap.inference.mapping import job
from isamap.inference.mapping.cleaning import Cleaning
from isamap.inference.mapping.dates import view
from isamap.inference.mapping.eight_bits import ClassChange, class_change, classes_of, kept_change, spread_windows
from isamap.inference.mapping.first_pass import FirstPass
from isamap.inference.mapping.map_input import loaded, opened
from isamap.inference.mapping.map_report import MapReport, report_of
from isamap.inference.mapping.predict import Predictor
from isamap.inference.mapping.request import MapOptions, MapRequest, check_keepable, keep
from isamap.inference.mapping.strips import PostprocessPass, Values
from isamap.inference.postprocessing.postprocess import POSTPROCESSING, UNPROCESSED, PixelOffset, threshold_of
from isamap.inference.postprocessing.prediction_sets import is_missing, limits_for, settle_sets
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.checkpoints.curve import calibrated
from isamap.training.checkpoints.ensemble import members_of
from isamap.training.cpu import tune_cpu
from isamap.training.runtimes.precisions import DEFAULT, INT8
from isamap.training.runtimes.probabilities import OPENVINO, Probabilities, Way, check_way, open_probabilities
from isamap.training.runtimes.quantized import tags_of

SENTINEL_STEP_M = 10.0  # of checkpoints that do not say on which step they were trained
# of the way maps are made: a map of another version is neither taken as already there nor continued; 2: batch
# normalisation folded, which changes last bits; 3: classes and probabilities in two files; 4: files compressed at
# cog.MAP_LEVEL, the same pixels in other bytes
VERSION = 4
REGION_VERSION = 5  # 4: ground beyond a region's edges is seen, windows lie where those of files do; 5: as above
OPENVINO_VERSION = 2  # of maps by OpenVINO; 2: NumPy's softmax, whose last bits differ from torch's
POST_VERSION = 1  # of the way they are post-processed
JUDGED_VERSION = 2  # of unfinished maps in 8 bits; 1: their first rows were wrong where a place had two rows of blocks
FUNCTION = {"runtime": "function", "precision": "fp32"}  # what maps say of a function of Python (map_with.py)


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
    out, options, computing = request.file, request.options, request.options.computing
    trained = loaded(request.checkpoint, options.pixels.project)
    # Refusals before the source is opened, which may ask a server for minutes.
    device = check_way(trained, Way(**computing.forward, device=computing.device), _image_shape(trained))
    run_options = MapRun(request, progress, device, judges=judges and computing.precision == INT8)
    threshold_of(trained, run_options.post)
    limits_for(trained, out, wanted=options.sets)
    job.check_replaceable(out, options.tags | _network_tags(trained, run_options), overwrite=run_options.overwrite)
    share_layer.check_free(share_layer.tags_of(trained), out)
    check_keepable(request, replaces=out.exists() or run_options.overwrite)
    with closing(opened(options, trained)) as source:
        return mapped(source, trained, out, run_options)


@dataclass(frozen=True)
class MapRun:
    """A request as it is run: on the device that computes; network: in the place of a checkpoint's; judges: by fp32."""

    request: MapRequest
    progress: bool
    device: str
    network: Probabilities | None = None
    judges: bool = False

    @property
    def workers(self) -> int:
        return self.request.options.computing.workers

    @property
    def overwrite(self) -> bool:
        return self.request.overwrite

    @property
    def post(self) -> str:
        return self.request.options.computing.post

    @property
    def forward(self) -> dict[str, Any]:
        """What runs the network, as the map's tags say it."""
        return self.request.options.computing.forward if self.network is None else FUNCTION

    def keep(self) -> None:
        """Writes the request beside the map, which a function of Python is no part of."""
        if self.network is None:
            keep(self.request)


def mapped(source: InputSource, trained: Checkpoint, out: Path, options: MapRun) -> MapReport:
    """The map of an open source by a checkpoint's network, or by the options' own."""
    begun = time.monotonic()
    legend = Legend.of(trained.classes, trained.thresholds)
    sets = limits_for(trained, out, wanted=options.request.options.sets)
    info = cog.MapInfo(_finer(source.geobox, trained.scale), legend, _tags(source, trained, options))
    is_whole = not is_missing(sets, out) and not share_layer.is_missing(info.tags, out)
    if job.is_there(out, info.tags, overwrite=options.overwrite) and is_whole:
        job.forget(out)
        options.keep()
        return replace(report_of(info, out, _finished(info, out)), already_there=True)
    tune_cpu()
    notes = step_warnings(source.geobox, trained.dataset.get("step_m", SENTINEL_STEP_M))
    settings = _settings(source, trained, options) | {"device": options.device}  # whose last bits differ
    settings |= {"judged": JUDGED_VERSION} if options.judges else {}
    with rasterio.Env(GDAL_CACHEMAX=source.cache_bytes), job.started(out, settings) as folder:
        source.keep_in(folder / job.BLOCKS)
        notes += _told(source, trained, options) if source.foreign else []
        for text in notes:
            warnings.warn(text, stacklevel=4)
        second = _second(source, trained, options)
        rows = cog.RowsFile(folder / job.ROWS, source.ground.mapped.width * trained.scale, second.bands)
        first = FirstPass(source, lattice_of(trained), trained.scale, rows)
        judge = partial(_judged, source, trained, options, second) if options.judges and not first.done else None
        change, resumed = kept_change(folder, judge), first.done
        if not first.is_done:
            predictor, read = _predictor(source, trained, options, second)
            first.run(predictor, read, workers=options.workers, progress=options.progress)
        processed = second.apply(rows, cog.RowsFile(folder / job.PROCESSED, info.geobox.shape[1]))
        reason = why_empty(source) if processed.is_unknown else ""
        if not reason:
            cleaned = _cleaning(source, trained, options).apply(processed, folder)
            layers = partial(settle_sets, cleaned, sets, info, out), partial(settle_shares, cleaned, info, out)
            counts = cog.write(cleaned, info, out, partial(_keep, layers, options), level=cog.MAP_LEVEL)
    if reason:
        raise EmptyMap(f"{out} was not written: {reason}")
    seconds = time.monotonic() - begun
    report = report_of(info, out, counts)
    return replace(report, seconds=seconds, resumed_rows=resumed, change=change, warnings=(*notes, *report.warnings))


def _told(source: InputSource, trained: Checkpoint, options: MapRun) -> list[str]:
    """Sentences about a foreign image; only a network of isamap's knows which values it learned from."""
    return input_warnings(source, trained) if options.network is None else fill_warnings(source)


def _keep(layers: Iterable[Callable[[], None]], options: MapRun) -> None:
    """Writes what else belongs to a map: its sets and shares if any, and its request."""
    for settle in layers:
        settle()
    options.keep()


def _finished(info: cog.MapInfo, out: Path) -> np.ndarray:
    """The numbers of pixels of each value in a map that is there; its sidecar is written where somebody removed it."""
    counts = cog.counts_of(out)
    if not sidecar_of(out).exists():
        cog.write_sidecar(info.legend, counts, out)
    return counts


def _cleaning(source: InputSource, trained: Checkpoint, options: MapRun) -> Cleaning:
    """The masks and the sieve that follow the classes."""
    legend = Legend.of(trained.classes, trained.thresholds)
    return Cleaning.of(options.request.options.computing, _finer(source.geobox, trained.scale), legend)


def _second(source: InputSource, trained: Checkpoint, options: MapRun) -> PostprocessPass:
    """The pass over the whole map that follows the network's, with blocks counted from the windows' origin."""
    legend, mapped, scale = Legend.of(trained.classes, trained.thresholds), source.ground.mapped, trained.scale
    offset = PixelOffset((source.origin[0] + mapped.row) * scale, (source.origin[1] + mapped.col) * scale)
    post, (height, width) = POSTPROCESSING[options.post], source.geobox.shape
    inner = Window(-mapped.row, -mapped.col, height, width).times(scale)
    return PostprocessPass(post, threshold_of(trained, options.post), legend, offset, inner)


def _predictor(
    source: InputSource, trained: Checkpoint, options: MapRun, second: PostprocessPass
) -> tuple[Predictor, Read]:
    """What maps windows of the source, and what reads them."""
    forward = options.network or open_probabilities(trained, Way(**options.forward, device=options.device))
    view_of, batch = view(source, trained), batch_of(lattice_of(trained), trained.scale, options.device)
    values = _values(second, trained)
    return Predictor(
        forward, view_of.channels, trained.scale, second.legend, view_of.arrange, values, batch
    ), view_of.read


def _judged(source: InputSource, trained: Checkpoint, options: MapRun, second: PostprocessPass) -> ClassChange:
    """What the precision changes; judged before any row is mapped, because none is read again later."""
    predictor, read = _predictor(source, trained, options, second)
    fp32 = Way(**options.forward | {"runtime": "torch", "precision": DEFAULT}, device=options.device)
    classes = replace(predictor, values=partial(classes_of, trained))
    windows = spread_windows(source.ground.mapped, lattice_of(trained).side)
    return class_change(classes, open_probabilities(trained, fp32), read, windows)


def _values(second: PostprocessPass, trained: Checkpoint) -> Values:
    """What the first pass keeps, of probabilities after the checkpoint's curve if it has one."""
    return lambda blended_KHW, legend: second.values(calibrated(trained, blended_KHW, axis=0), legend)


def _image_shape(trained: Checkpoint) -> tuple[int, ...]:
    side = lattice_of(trained).side
    dates = (trained.frames,) if trained.frames else ()
    return (*dates, len(trained.bands), side, side)


def _finer(geobox: GeoBox, scale: int) -> GeoBox:
    """The same ground with `scale` x `scale` pixels for each."""
    height, width = geobox.shape
    return GeoBox((height * scale, width * scale), geobox.affine * Affine.scale(1 / scale), geobox.crs)


def _settings(source: InputSource, trained: Checkpoint, options: MapRun) -> dict[str, Any]:
    """All that decides the map's file, its pixels and what it says of them: equal settings, equal map."""
    processed = {} if options.post == UNPROCESSED else {"post": options.post, "post_version": POST_VERSION}
    settings = {
        "version": VERSION if source.foreign else REGION_VERSION,
        "checkpoint": trained.fingerprint,
        "pixels": source.identity,
        "grid": [str(source.geobox.crs), list(source.geobox.affine)[:6], list(source.geobox.shape)],
        "origin": list(source.origin),
        # The tags too: files that differ in what they say of themselves are not the same bytes.
        "about": dict(source.tags),
    }
    further = tags_of(trained, options.forward["precision"]) | _cleaning(source, trained, options).settings
    further |= {"openvino": OPENVINO_VERSION} if options.forward["runtime"] == OPENVINO else {}
    further |= {"sets": True} if options.request.options.sets else {}
    lattice = lattice_of(trained)
    exact = {"windows": [lattice.side, lattice.stride, lattice.halo]} if lattice.halo else {}
    return settings | options.forward | further | processed | exact


def _tags(source: InputSource, trained: Checkpoint, options: MapRun) -> dict[str, str]:
    """The file's metadata (docs/reference/formats.md, "Map"), no clock times and no paths."""
    simulated = {"input": source.tags.get("simulated") == "true", "training": trained.simulated}
    parts = [name for name, so in simulated.items() if so]
    description = _network_tags(trained, options) | {
        "classes": ",".join(trained.classes),
        "backscatter": trained.backscatter,
        "simulated": "true" if parts else "false",
        "licence": source.tags.get("licence", "unknown: see the input's own"),
        SETTINGS_TAG: job.fingerprint(_settings(source, trained, options)),
    }
    description |= _cleaning(source, trained, options).tags
    if trained.calibration:
        description["calibration"] = trained.calibration["method"]
    if parts:
        description["simulated_parts"] = ", ".join(parts)
    if options.post != UNPROCESSED:
        description["post_threshold"] = f"{threshold_of(trained, options.post):g}"
    elif len(trained.classes) == 2:
        description["threshold"] = f"{Legend.of(trained.classes, trained.thresholds).threshold:g}"
    return dict(source.tags) | description


def _network_tags(trained: Checkpoint, how: MapRun) -> dict[str, str]:
    """What the map says of the network and of how it is run."""
    processed = {} if how.post == UNPROCESSED else {"post": how.post}
    members = members_of(trained)
    joined = {"members": ",".join(members)} if members else {}
    run = how.forward | tags_of(trained, how.forward["precision"]) | joined
    return {"model": trained.model, "checkpoint": trained.fingerprint} | run | processed | share_layer.tags_of(trained)
