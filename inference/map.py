"""The map of a region and month, or of a GeoTIFF, made with a checkpoint: one file, cloud-optimised."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from tqdm import tqdm

from gee_export.base.regions import BoundsWSEN, Period, Region
from gee_export.base.scheme import UNKNOWN
from gee_export.base.storage import is_remote
from inference import cog, job
from inference.checks import range_warnings, step_m, step_warnings
from inference.dates import view
from inference.lattice import Lattice
from inference.legend import Legend
from inference.parallel import WriteBehind
from inference.postprocess import POSTPROCESSING, UNPROCESSED, PixelOffset, threshold_of
from inference.predict import Grid, Predictor, Rows, predict
from inference.source import InputSource, open_geotiff, period_tags
from inference.strips import PostprocessPass
from training.checkpoints.checkpoint import Checkpoint, load
from training.cpu import tune_cpu
from training.runtimes import DEFAULT, TORCH, check_forward, open_forward

SENTINEL_STEP_M = 10.0  # of checkpoints that do not say on which step they were trained
# of the way maps are made: a map of another version is neither taken as already there nor gone on with; 2: batch
# normalisation folded, which changes last bits
VERSION = 2
POST_VERSION = 1  # of the way they are post-processed


@dataclass(frozen=True)
class MapReport:
    """What a map holds and how it was made; printed as a few lines."""

    path: Path
    shape: tuple[int, int]
    step_m: float
    counts: Mapping[str, int]
    known_share: float
    impervious_share: float
    seconds: float
    resumed_rows: int
    simulated: bool
    already_there: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        height, width = self.shape
        km2 = self.counts["impervious"] * self.step_m**2 / 1e6
        how = "already there" if self.already_there else f"{self.seconds:.1f} s"
        if self.resumed_rows:
            how += f", {self.resumed_rows} rows were there from before"
        lines = [
            f"{self.path}: {height} x {width} px of {self.step_m:.4g} m, {self.known_share:.1%} mapped ({how})",
            f"impervious: {self.impervious_share:.1%} of the mapped area, {km2:.2f} km2",
        ]
        if self.simulated:
            lines.append("simulated input: this map says nothing about the real place")
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def map_region(
    checkpoint: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    region: str | Region | None = None,
    month: str | None = None,
    period: str | Sequence[str] | None = None,
    bbox: BoundsWSEN | None = None,
    geometry: str | os.PathLike[str] | None = None,
    epsg: int | None = None,
    input: str | os.PathLike[str] | None = None,
    project: str | None = None,
    catalog: str = "world",
    workers: int = 0,
    runtime: str = TORCH,
    precision: str = DEFAULT,
    device: str = "auto",
    post: str = UNPROCESSED,
    overwrite: bool = False,
    progress: bool = True,
) -> MapReport:
    """A COG of impervious surface and its probability (docs/reference/formats.md, "Map"), and a report.

    Either `input`, a GeoTIFF whose band descriptions hold the checkpoint's bands (a month or period then only says
    when it was taken), or an area (region, bbox, geometry; in UTM zone epsg if asked) and a month ("2020-06") or
    period (a season, a year, first and last day), composed by Earth Engine (`project`) or by the local engine
    (`catalog`) with the checkpoint's own settings.
    runtime and precision: what runs the network and in which numbers (training/runtimes); in another of them a map
    differs in the last bits, so it is another map. device: auto, cpu or gpu; a half-made map is made anew on another,
    a whole one is taken as it is. post: a step between probabilities and classes
    (inference/postprocess.py); the probability band stays the network's.
    Interrupted, the same call goes on; done, it does nothing; a map of other settings is replaced only with
    `overwrite`. Pixels with a missing band are 255.

    ValueError: the user's mistakes, each with its remedy. Fault: server, disk or file.
    """
    out = _checked_out(out)
    trained = _loaded(checkpoint, project)
    place = check_forward(trained, runtime=runtime, precision=precision, device=device)
    how = _RunOptions(workers, overwrite, progress, runtime, precision, place, post)
    threshold_of(trained, post)
    request = _Request(region, month, period, bbox, geometry, epsg, input, project, catalog)
    with closing(_opened(request, trained)) as source:
        return _mapped(source, trained, out, how)


@dataclass(frozen=True)
class _Request:
    """What to map, in the user's words."""

    region: str | Region | None
    month: str | None
    period: str | Sequence[str] | None
    bbox: BoundsWSEN | None
    geometry: str | os.PathLike[str] | None
    epsg: int | None
    input: str | os.PathLike[str] | None
    project: str | None
    catalog: str

    @property
    def area(self) -> Region:
        """The region on its lattice; ValueError where none or two are named."""
        from gee_export.export.places import where

        if self.region is None and self.bbox is None and self.geometry is None:
            raise ValueError("nothing to map: give --region NAME, --bbox W S E N, --geometry FILE or --input FILE")
        return where(self.region, bbox=self.bbox, geometry=self.geometry, epsg=self.epsg)

    @property
    def when(self) -> Period:
        """The composite's period; ValueError where none or two are named."""
        from gee_export.export.places import when

        found = when(self.month, self.period) if self.month or self.period else ()
        if len(found) != 1:
            raise ValueError(
                "give either --month YYYY-MM or --period (a season such as 2019-JJA, a year, or the first and last "
                "day), the time of the composite"
            )
        return found[0]


@dataclass(frozen=True)
class _RunOptions:
    workers: int
    overwrite: bool
    progress: bool
    runtime: str
    precision: str
    device: str
    post: str

    @property
    def forward(self) -> dict[str, Any]:
        """What runs the network, as `open_forward` takes it and the map's tags say it."""
        return {"runtime": self.runtime, "precision": self.precision}


def _loaded(checkpoint: str | os.PathLike[str], project: str | None) -> Checkpoint:
    """The checkpoint, from Google's bucket or the local engine's where it lies under gs://."""
    if not is_remote(checkpoint):
        return load(checkpoint)
    from gee_export.earth_engine.session import connect

    with closing(connect(project)) as session:
        return load(checkpoint, session)


def _checked_out(out: str | os.PathLike[str]) -> Path:
    path = Path(out)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"--out {path}: a map is a GeoTIFF, give a name that ends in .tif")
    if path.is_dir():
        raise ValueError(f"--out {path} is a folder: give the name of a file in it, such as {path / 'map.tif'}")
    return path


def _opened(request: _Request, trained: Checkpoint) -> InputSource:
    if request.input is None:
        from inference.composite import open_composite

        area, when = request.area, request.when  # mistakes are told before a server is asked
        return open_composite(area, when, trained, project=request.project, catalog=request.catalog)
    if any(value is not None for value in (request.region, request.bbox, request.geometry, request.epsg)):
        raise ValueError("--input maps a file as it is: leave --region, --bbox, --geometry and --epsg out")
    if trained.frames:
        raise ValueError(
            f"the checkpoint looks at {trained.frames} dates, --input is one image: map a region and a --period, "
            "of which the dates are chosen, or take a checkpoint of composites (frames=0)"
        )
    source = open_geotiff(request.input, trained.bands, trained.backscatter)
    if request.month is not None or request.period is not None:
        source.tags |= period_tags(request.when)
    return source


def _mapped(source: InputSource, trained: Checkpoint, out: Path, how: _RunOptions) -> MapReport:
    begun = time.monotonic()
    legend = Legend.of(trained.classes, trained.thresholds)
    info = cog.MapInfo(_finer(source.geobox, trained.scale), legend, _tags(source, trained, how))
    if job.check_existing(out, info.tags, overwrite=how.overwrite):
        job.forget(out)
        return _report(info, out, cog.counts_of(out), already_there=True)
    found = step_warnings(source.geobox, trained.dataset.get("step_m", SENTINEL_STEP_M))
    settings = _settings(source, trained, how) | {"device": how.device}  # whose last bits differ
    with rasterio.Env(GDAL_CACHEMAX=source.cache_bytes), job.started(out, settings) as folder:
        source.keep_in(folder / job.BLOCKS)
        found += range_warnings(source, trained.bands) if source.foreign else []
        for text in found:
            warnings.warn(text, stacklevel=4)
        second = _second(source, trained, how)
        rows = cog.RowsFile(folder / job.ROWS, source.geobox.shape[1] * trained.scale, second.bands)
        resumed = _finish_rows(source, trained, rows, how, second)
        counts = cog.write(second.apply(rows, cog.RowsFile(folder / job.PROCESSED, rows.width)), info, out)
    seconds = time.monotonic() - begun
    return _report(info, out, counts, seconds=seconds, resumed_rows=resumed, warnings=tuple(found))


def _second(source: InputSource, trained: Checkpoint, how: _RunOptions) -> PostprocessPass:
    """The pass over the whole map that follows the network's, with blocks counted from the windows' origin."""
    legend = Legend.of(trained.classes, trained.thresholds)
    place = PixelOffset(*(number * trained.scale for number in source.origin))
    return PostprocessPass(POSTPROCESSING[how.post], threshold_of(trained, how.post), legend, place)


def _finish_rows(
    source: InputSource, trained: Checkpoint, rows: cog.RowsFile, how: _RunOptions, second: PostprocessPass
) -> int:
    """Maps the rows that are not there yet; how many were."""
    height, width = source.geobox.shape
    done = rows.settled // trained.scale
    rows.keep(done * trained.scale)
    if done < height:
        tune_cpu()
        forward = open_forward(trained, device=how.device, **how.forward)
        seen = view(source, trained)
        predictor = Predictor(forward, seen.channels, trained.scale, second.legend, seen.arrange, second.values)
        grid = Grid(height, width, Lattice(trained.window, trained.lattice, *source.origin))
        pieces = predict(predictor, seen.read, grid, rows=range(done, height), workers=how.workers)

        def write(piece: Rows) -> None:
            rows.append(piece.values_NHW)
            rows.settle()
            source.release(piece.row + piece.count - trained.window)

        bar = tqdm(total=height, initial=done, unit="row", desc="map", disable=not how.progress)
        with bar, closing(pieces), WriteBehind(write) as behind:
            for piece in pieces:
                behind.put(piece)
                bar.update(piece.count)
    return done


def _finer(geobox: GeoBox, scale: int) -> GeoBox:
    """The same ground with `scale` x `scale` pixels for each."""
    height, width = geobox.shape
    return GeoBox((height * scale, width * scale), geobox.affine * Affine.scale(1 / scale), geobox.crs)


def _settings(source: InputSource, trained: Checkpoint, how: _RunOptions) -> dict[str, Any]:
    """All that decides the map's file, its pixels and what it says of them: equal settings, equal map."""
    processed = {} if how.post == UNPROCESSED else {"post": how.post, "post_version": POST_VERSION}
    settings = {
        "version": VERSION,
        "checkpoint": trained.fingerprint,
        "pixels": source.identity,
        "grid": [str(source.geobox.crs), list(source.geobox.affine)[:6], list(source.geobox.shape)],
        "origin": list(source.origin),
        "about": dict(source.tags),
    }
    return settings | how.forward | processed


def _tags(source: InputSource, trained: Checkpoint, how: _RunOptions) -> dict[str, str]:
    """The file's metadata (docs/reference/formats.md, "Map"), no clock times and no paths."""
    simulated = {"input": source.tags.get("simulated") == "true", "training": trained.simulated}
    parts = [name for name, so in simulated.items() if so]
    about = {
        "model": trained.model,
        "checkpoint": trained.fingerprint,
        "classes": ",".join(trained.classes),
        "backscatter": trained.backscatter,
        "simulated": "true" if parts else "false",
        "licence": source.tags.get("licence", "unknown: see the input's own"),
        job.SETTINGS_TAG: job.fingerprint(_settings(source, trained, how)),
    }
    if parts:
        about["simulated_parts"] = ", ".join(parts)
    if how.post != UNPROCESSED:
        about |= {"post": how.post, "post_threshold": f"{threshold_of(trained, how.post):g}"}
    elif len(trained.classes) == 2:
        about["threshold"] = f"{Legend.of(trained.classes, trained.thresholds).threshold:g}"
    return dict(source.tags) | about | how.forward


def _report(info: cog.MapInfo, out: Path, counts: np.ndarray, **rest: Any) -> MapReport:
    known = int(counts.sum() - counts[UNKNOWN])
    impervious = int(counts[info.legend.impervious])
    values = {name: int(counts[value]) for value, name in enumerate(info.legend.names)}
    how: dict[str, Any] = {"seconds": 0.0, "resumed_rows": 0, "already_there": False, "warnings": ()} | rest
    return MapReport(
        path=out,
        shape=(info.geobox.shape[0], info.geobox.shape[1]),
        step_m=step_m(info.geobox),
        counts=values,
        known_share=known / max(int(counts.sum()), 1),
        impervious_share=impervious / max(known, 1),
        simulated=info.tags["simulated"] == "true",
        **how,
    )
