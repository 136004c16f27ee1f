"""The commands of maps, as typed functions, thin over `inference`'s own."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from gee_export.base.imports import quick_imports
from gee_export.command import command_of
from gee_export.command_line.report_output import show
from inference.plan.request import PlanRequest
from inference.request import MapRequest
from inference.student.request import StudentRequest
from inference.tiles.jobs import RunRequest

_Project = Annotated[str | None, typer.Option("--project", help="Google Cloud project; without it the local engine.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there with other content.")]


def map(request: MapRequest) -> None:
    """Map a region and month, or a GeoTIFF, as cloud-optimised GeoTIFFs of classes and of probabilities."""
    with quick_imports():
        from inference.map import map_requested

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report repeats them
        report = map_requested(request)
    show(report)


map = command_of(MapRequest, map)


def to_ee(request: StudentRequest) -> None:
    """Distil a checkpoint into an Earth Engine graph and one Code Editor script, with its accuracy beside it."""
    from inference.student.export import export

    show(export(request))


to_ee = command_of(StudentRequest, to_ee)


def plan(request: PlanRequest) -> None:
    """Print what maps of an area would take: tiles, requests, bytes, hours, storage and EECU; nothing is asked for."""
    from inference.plan.plan import plan_map

    show(plan_map(request))


plan = command_of(PlanRequest, plan)
_Jobs = Annotated[str | None, typer.Argument(metavar="jobs.toml", help="Options by name; typed ones override them.")]


def run(request: RunRequest) -> None:
    """Map places, periods and checkpoints as tiles, by processes, a Dask cluster or job arrays."""
    with quick_imports():
        from inference.tiles.run import check_complete, run_requested

    status = run_requested(request)
    show(status)
    if not request.who.status:
        check_complete(status)


run = command_of(RunRequest, run, config=_Jobs)


def calibrate(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    data: Annotated[list[str], typer.Option("--data", help="Patch dataset: a folder or gs://bucket/prefix.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the copy that maps with the better threshold.")],
    post: Annotated[str, typer.Option("--post", help="none: of the probability itself; clahe: of that step.")] = "none",
    curve: Annotated[
        str, typer.Option("--curve", help="beta, isotonic, platt or temperature: calibrate the probability itself.")
    ] = "none",
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Share of each class that prediction sets may miss: choose them.")
    ] = None,
    measure: Annotated[str, typer.Option("--measure", help="f1 of impervious, or miou (without --post).")] = "f1",
    split: Annotated[str, typer.Option("--split", help="val or train.")] = "val",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", help="Patches at once.")] = 16,
    project: _Project = None,
) -> None:
    """Choose a threshold, or fit a curve that calibrates probabilities, on a split; writes a checkpoint with it."""
    from inference.calibration import calibrate_step
    from training.accuracy.probability_calibration import calibrate_probabilities
    from training.accuracy.set_calibration import calibrate_sets
    from training.accuracy.thresholds import calibrate_checkpoint
    from training.cli import session_for

    options: dict[str, Any] = {"split": split, "device": device, "batch": batch}
    with session_for([*data, checkpoint], project) as session:
        if (curve != "none") + (post != "none") + (alpha is not None) > 1:
            raise ValueError("--curve, --post and --alpha: calibrate one after the other, the curve first")
        if alpha is not None:
            show(calibrate_sets(checkpoint, data, out, alpha=alpha, **options, session=session))
        elif curve != "none":
            show(calibrate_probabilities(checkpoint, data, out, method=curve, **options, session=session))
        elif post == "none":
            show(calibrate_checkpoint(checkpoint, data, out, measure=measure, **options, session=session))
        else:
            show(calibrate_step(checkpoint, data, out, post=post, **options, session=session))


def years(
    maps: Annotated[list[str], typer.Argument(metavar="MAP.tif ...", help="Maps of `isamap map`, one of each year.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the filtered maps, layers and page.")],
    by: Annotated[str | None, typer.Option("--by", help="Vector file of polygons, such as districts.")] = None,
    parameters: Annotated[
        str | None, typer.Option("--parameters", help="years.json of another folder; estimated if not given.")
    ] = None,
    loss: Annotated[
        float, typer.Option("--loss", help="Most impervious ground that is opened a year; 0: none.")
    ] = 0.005,
    overwrite: _Overwrite = False,
) -> None:
    """Make maps of several years agree, and write growth, first year, areas and a page."""
    from inference.years.run import map_years

    show(map_years(maps, out, by=by, parameters=parameters, loss=loss, overwrite=overwrite))


def publish(
    path: Annotated[
        str, typer.Argument(metavar="MAP.tif|FOLDER", help="Of `isamap map`; of `isamap run`, also gs://.")
    ],
    asset: Annotated[str, typer.Option("--asset", help="projects/PROJECT/assets/FOLDER/NAME.")],
    project: _Project = None,
    bucket: Annotated[str | None, typer.Option("--bucket", help="Where Google ingests from; needs --project.")] = None,
    collection: Annotated[
        bool, typer.Option("--collection", help="An image collection of the run's maps by time and zone.")
    ] = False,
    external: Annotated[
        str | None, typer.Option("--external", help="gs://BUCKET/NAME.tif where the map stays; nothing is ingested.")
    ] = None,
    overwrite: _Overwrite = False,
) -> None:
    """Upload a map, or the tiles of a run, as an Earth Engine asset and print the lines that show it."""
    from inference.asset import Target
    from inference.asset import publish as publish_map
    from inference.catalog.publication import publish_run
    from inference.external_asset import publish_external

    if external is not None:
        if bucket or collection or Path(path).is_dir() or path.startswith("gs://"):
            raise ValueError(
                f"--external {external} is of one map, which stays there: give a MAP.tif, no --bucket, no --collection"
            )
        show(publish_external(path, asset=asset, external=external, project=project, overwrite=overwrite))
        return
    if Path(path).is_dir() or path.startswith("gs://"):
        target = Target(asset, project=project, bucket=bucket, overwrite=overwrite)
        show(publish_run(path, target, collection=collection))
        return
    if collection:
        raise ValueError(f"--collection is of a run's folder, and {path} is no folder: leave it out")
    show(publish_map(path, asset=asset, project=project, bucket=bucket, overwrite=overwrite))


def stac(
    path: Annotated[str, typer.Argument(metavar="FOLDER|MAP.tif", help="Of `isamap run`, or what `isamap map` wrote.")],
    project: _Project = None,
) -> None:
    """Write the STAC collection of a run's tiles, or the item of a map: grid, classes, checksums, licence."""
    from inference.catalog.stac import write_stac

    show(write_stac(path, project=project))


def app(
    asset: Annotated[str, typer.Argument(metavar="COLLECTION", help="What `isamap publish --collection` made.")],
    out: Annotated[str, typer.Option("--out", help="The script, a .js.")],
    geemap: Annotated[str | None, typer.Option("--geemap", help="The same App for notebooks, a .py.")] = None,
    project: _Project = None,
    overwrite: _Overwrite = False,
) -> None:
    """Write a Code Editor App of published maps: years, swipe, legend, area chart, probability on click."""
    from inference.catalog.app import write_app

    show(write_app(asset, out, geemap=geemap, project=project, overwrite=overwrite))


def view(
    maps: Annotated[list[str], typer.Argument(metavar="MAP.tif ...", help="What `isamap map` wrote.")],
    out: Annotated[str | None, typer.Option("--out", help="The picture of one map, a .png.")] = None,
    html: Annotated[
        str | None, typer.Option("--html", help="One page of the maps that needs no server, a .html.")
    ] = None,
) -> None:
    """Draw a map as a PNG, or one or several as an HTML page with years, swipe, legend and areas."""
    if out is None and html is None:
        raise ValueError("nothing to draw into: give --out FILE.png, --html FILE.html or both")
    if out is not None:
        from inference.picture import view as view_map

        if len(maps) > 1:
            raise ValueError(f"--out draws one map, and {len(maps)} are given: name one of them, or give --html")
        show(view_map(maps[0], out=out))
    if html is not None:
        from inference.web_map.view import view_html

        show(view_html(maps, html=html))


def capsule(
    path: Annotated[str, typer.Argument(metavar="MAP.tif", help="What `isamap map` wrote.")],
    out: Annotated[str, typer.Option("--out", help="FILE.zip, or a new folder.")],
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="Where the map's checkpoint lies now.")] = "",
) -> None:
    """Keep all that made a map: scenes, graph, checkpoint, requests, versions, options and digests."""
    from inference.capsule.capsule import capsule as keep

    show(keep(path, out=out, checkpoint=checkpoint))


def replay(
    path: Annotated[str, typer.Argument(metavar="CAPSULE", help="What `isamap capsule` wrote.")],
    out: Annotated[str, typer.Option("--out", help="A new folder for the map.")],
    project: _Project = None,
    catalog: Annotated[str | None, typer.Option("--catalog", help="Local engine's images, if a folder.")] = None,
    input_: Annotated[str | None, typer.Option("--input", help="The file, of a capsule of a mapped file.")] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="Another checkpoint to try.")] = None,
    compare: Annotated[str | None, typer.Option("--compare", help="The original map, to count pixels.")] = None,
) -> None:
    """Make a capsule's map again: the same bytes, or a list of what differs (exit code 1)."""
    from gee_export.base.errors import Fault
    from inference.capsule.replay import replay as make_again

    options: dict[str, Any] = {"project": project, "catalog": catalog, "input": input_, "checkpoint": checkpoint}
    report = make_again(path, out=out, compare=compare, **options)
    if not report.same:
        raise Fault(str(report))
    show(report)


def serve(
    folder: Annotated[str, typer.Option("--folder", help="Of the service's jobs and maps; its own to write in.")],
    checkpoint: Annotated[
        list[str] | None, typer.Option("--checkpoint", help="Runs' folders or checkpoints that requests may name.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", help="Folders of datasets that training may name.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; others need --token-file.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0: any free one.")] = 8765,
    url: Annotated[str | None, typer.Option("--url", help="How browsers reach it: https://maps.example.org.")] = None,
    token_file: Annotated[
        str | None, typer.Option("--token-file", help="A token a line; requests must send one of them.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Jobs at once; 0: only answer.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="tcp://HOST:PORT of a Dask cluster that makes tiles.")
    ] = None,
    max_area: Annotated[float, typer.Option("--max-area", help="Most km2 of a place.")] = 10_000.0,
    max_jobs: Annotated[int, typer.Option("--max-jobs", help="Most open jobs of a token.")] = 20,
    database: Annotated[
        str | None,
        typer.Option("--database", help="postgresql://USER@HOST/NAME of the jobs; with a password: ISAMAP_DATABASE."),
    ] = None,
    maps: Annotated[
        str | None,
        typer.Option("--maps", help="Folder or gs://BUCKET/FOLDER of finished maps."),
    ] = None,
    max_cache: Annotated[
        float, typer.Option("--max-cache", help="Most GB of files made for downloads, and of copies of maps in gs://.")
    ] = 20.0,
    bucket: Annotated[str | None, typer.Option("--bucket", help="Where Google ingests from; needs --project.")] = None,
    project: _Project = None,
    catalog: Annotated[str, typer.Option("--catalog", help="Local engine's images: world, or a folder.")] = "world",
) -> None:
    """Serve jobs, maps and a page by HTTP, on this machine alone unless there are tokens."""
    from inference.serve.database import database_url
    from inference.serve.limits import Limits
    from inference.serve.server import Address
    from inference.serve.server import serve as run_server
    from inference.serve.settings import Settings
    from inference.tiles.jobs import Server

    settings = Settings(
        Path(folder),
        checkpoints=tuple(checkpoint or ()),
        datasets=tuple(data or ()),
        server=Server(project=project, catalog=catalog),
        bucket=bucket,
        scheduler=scheduler,
        limits=Limits(area_km2=max_area, jobs=max_jobs, cache_bytes=max_cache * 1e9),
        database=database_url(database, os.environ),
        maps_at=maps,
    )
    run_server(settings, Address(host, port, token_file, url), workers=workers)
