"""`export_patches`: co-registered Sentinel-1, Sentinel-2 and label patches of regions and periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gee_export.base.regions import BoundsWSEN, Region
from gee_export.base.storage import bucket_of, provide
from gee_export.export import modes
from gee_export.export.image_options import ImageOptions
from gee_export.export.job import Job
from gee_export.export.label_survey import Survey
from gee_export.export.modes import Means
from gee_export.export.places import places, several, when
from gee_export.export.plan import Plan
from gee_export.export.report import ExportReport
from gee_export.images.frames import Frames
from gee_export.images.imagery import Imagery
from gee_export.labelling.label_request import LabelRequest
from gee_export.patches.sampling import Sampling
from gee_export.patches.split_rule import SplitRule

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session


def export_patches(
    *,
    region: str | Region | Sequence[str | Region] | None = None,
    month: str | Sequence[str] | None = None,
    period: str | Sequence[str] | None = None,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | Sequence[str | Path] | None = None,
    epsg: int | None = None,
    out: str | Path | None = None,
    label: str | Sequence[str] = LabelRequest.sources,
    fusion: str = LabelRequest.fusion,
    scheme: str = LabelRequest.scheme,
    share: bool = LabelRequest.share,
    image: str | Path | None = None,
    scale: float | None = None,
    unit: str | None = None,
    fine: str | Path | None = None,
    fine_scale: float = ImageOptions.fine_m,
    fine_bands: Sequence[str] | None = None,
    fine_unit: str | None = None,
    fine_label: str | Sequence[str] | None = None,
    frames: str | Sequence[str] | None = None,
    max_frames: int = Frames.most,
    bands: Sequence[str] | None = None,
    speckle: str | None = None,
    terrain: str | None = None,
    clouds: str | None = None,
    reducer: str | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    size: int = Job.size,
    stride: int = Job.stride,
    sample: str | Sampling = Sampling.kind,
    split: str = Job.split,
    ratios: Sequence[int] = SplitRule.ratios,
    guard_px: int = SplitRule.guard_px,
    hold_out: str | Sequence[str] = (),
    seed: int = SplitRule.seed,
    max_patches: int | None = None,
    project: str | None = None,
    catalog: str | Path = "world",
    mode: str = "stream",
    workers: int | None = None,
    bucket: str | None = None,
    keep_exports: bool = False,
    dry_run: bool = False,
    progress: bool = True,
    session: Session | None = None,
) -> ExportReport:
    """A dataset of patches in `out` (a folder or gs:// prefix; data/NAME by default), and a report of what was done.

    The same call goes on where an interrupted one stopped, and does nothing where it had finished.

    Where: region, names of `isamap regions` or Regions; bbox (W S E N, degrees) and geometry (GeoJSON files) take a
    part of one or stand alone; epsg, another UTM zone than the places' own. When: month, YYYY-MM (2019-06 by default),
    or period, each a month, season or year (Period.parse) or a pair of ISO days, the last one included. Every region
    is exported in every period, on the same patches.

    What: label, one or several sources (source.py) fused as `fusion` says, or none; scheme and share, see truth.LabelRequest;
    settings, of the composite by name (composite.Settings), of which bands, speckle, terrain, clouds and reducer are
    the usual ones. image, an asset id or a raster file, takes the composite's place on its own grid or on steps of
    `scale` metres, with its `bands` and the `unit` of its numbers (packing.Unit); fine, such an image too, stands
    beside it in pixels of fine_scale metres with labels of its own (fine_label; by default `label`); frames, `scenes`,
    `months` or days, at most max_frames, stand beside a composite (frames.Frames).

    Which patches: size and stride in pixels; sample, see sampling.Sampling; split, ratios, guard_px, hold_out, seed
    and max_patches, see division.SplitRule.

    From: project, a Google project, without which the local engine serves `catalog`, the simulated world or a folder
    of images; mode, a way of modes.MODES to get pixels; workers, requests at a time; bucket, for the files of mode
    batch (by default that of `out`), removed in the end unless keep_exports; session, an open connection.

    ValueError for what cannot be asked, Fault where a server or a disk fails.
    """
    if out == "":
        raise ValueError("--out is empty: give a folder or gs://BUCKET/PREFIX, or leave it out for data/NAME")
    means = Means(workers, bucket or bucket_of(out or ""), keep_exports)
    modes.check(mode, means)
    usual = {"speckle": speckle, "terrain": terrain, "clouds": clouds, "reducer": reducer}
    if image is not None:
        _refuse_composite(settings, usual)
    elif unit is not None:
        raise ValueError(f"--unit {unit} is of an --image: Sentinel's bands are reflectance and decibels")
    if fine is None and (fine_bands or fine_unit):
        raise ValueError("--fine-bands and --fine-unit are of a --fine image: give one, or leave them out")
    if frames is None and max_frames != Frames.most:
        raise ValueError(f"--max-frames {max_frames} is of --frames: say which dates, or leave it out")
    label_request = LabelRequest(_sources(label), fusion, scheme, share)
    image_options = ImageOptions(
        image=_imagery(image, bands, unit),
        scale_m=scale,
        fine=_imagery(fine, fine_bands, fine_unit),
        fine_m=fine_scale,
        fine_label_request=None if fine_label is None else _fine_truth(label_request, fine_label),
        frames=Frames.parse(several(frames), max_frames) if frames else None,
    )
    source, periods = _source(project, catalog, session), when(month, period)
    if region is None and bbox is None and geometry is None:
        region = image_options.footprint
    where = places(region, bbox=bbox, geometry=geometry, epsg=epsg)
    if image_options.asks_server:
        session = session or _connect(project, catalog, means.bucket)
    region_grids, extra_images = image_options.open(where, periods, label_request)
    job = Job(
        region_grids=region_grids,
        periods=periods,
        settings=settings.chosen(settings, bands=tuple(bands) if bands and image is None else None, **usual),
        label_request=label_request,
        extra_images=extra_images,
        size=size,
        stride=stride,
        split=split,
        rule=SplitRule(tuple(ratios), seed, max_patches, guard_px=guard_px, hold_out=several(hold_out)),
        sampling=sample if isinstance(sample, Sampling) else Sampling(sample),
        **source,
    )
    place = str(out if out is not None else Path("data") / _folder(job, bbox))
    if dry_run:
        return _planned(job, place, workers)
    from gee_export.export import runner

    return runner.run(
        job,
        place,
        lambda: session or _connect(project, catalog, means.bucket),
        supply=lambda opened, progress_log: modes.MODES[mode](opened, progress_log, means),
        progress=progress,
    )


def _planned(job: Job, place: str, workers: int | None) -> ExportReport:
    """What the export would do; where it goes by the labels, what it would do at most."""
    report = ExportReport.planned(job, Plan.of(job), place, workers)
    if not job.sampling.method.needs_share:
        return report
    count = len(Survey.of(job).windows)
    return report.noting(f"{count} blocks of labels are asked for first; of all positions they choose the patches")


def _folder(job: Job, bbox: BoundsWSEN | None) -> str:
    """The job's name and, where a box cuts it out, the box: two boxes of one region are two datasets."""
    return job.name if bbox is None else f"{job.name}-{'_'.join(f'{degrees:g}' for degrees in bbox)}"


def _imagery(source: str | Path | None, bands: Sequence[str] | None, unit: str | None) -> Imagery | None:
    return None if source is None else Imagery(str(source), several(bands), unit)


def _fine_truth(label_request: LabelRequest, label: str | Sequence[str]) -> LabelRequest:
    """The same fusion and classes of other sources."""
    sources = _sources(label)
    return LabelRequest(
        sources, label_request.fusion if len(sources) > 1 else LabelRequest.fusion, label_request.scheme
    )


def _refuse_composite(settings: Any, usual: Mapping[str, Any]) -> None:
    """ValueError for settings of a composite where there is none."""
    given = [name for name, value in usual.items() if value is not None] + ["set"] * bool(settings)
    if given:
        raise ValueError(f"--image takes the place of Sentinel's composite: leave out --{' --'.join(given)}")


def _sources(label: str | Sequence[str]) -> tuple[str, ...]:
    """The label sources; none for `none`, which stands alone."""
    sources = several(label)
    return () if sources == ("none",) else sources


def _source(project: str | None, catalog: str | Path, session: Session | None) -> dict[str, Any]:
    """Server and catalog for the manifest; a folder by its name only, since bytes must not depend on the machine."""
    if session is not None:
        return {"server": session.server, "catalog": Path(session.catalog).name}
    if project not in (None, "", "local"):
        return {"server": "earth-engine", "catalog": "earth-engine"}
    return {"server": "local-engine", "catalog": Path(catalog).name}


def _connect(project: str | None, catalog: str | Path, bucket: str | None) -> Session:
    """A connection; the local engine has the bucket then."""
    from gee_export.earth_engine.session import connect

    session = connect(project, catalog=catalog)
    if bucket is not None:
        provide(bucket, session)
    return session
