"""The commands of maps, as typed functions, thin over `inference`'s own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.imports import quick_imports
from isamap.gee_export.base.options import Option
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.command import command, command_with_file
from isamap.gee_export.command_line.report_output import show
from isamap.inference.assessment.request import Classes
from isamap.inference.mapping.request import MapRequest
from isamap.inference.plan.request import PlanRequest
from isamap.inference.serve.address import Address
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.service_options import ServiceOptions
from isamap.inference.student.request import StudentRequest
from isamap.inference.tiles.jobs import RunRequest

Project = Annotated[str | None, PROJECT]
Overwrite = Annotated[bool, Option("Replace what is there with other content.")]


@command_with_file()
def map(request: MapRequest) -> None:
    """Map a region and month, or a GeoTIFF, as cloud-optimised GeoTIFFs of classes and of probabilities."""
    with quick_imports():
        from isamap.inference.mapping.map import map_requested
        from isamap.training.runtimes.extra import preload

        preload(request.options.computing.runtime)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report repeats them
        report = map_requested(request)
    show(report)


@command_with_file()
def to_ee(request: StudentRequest) -> None:
    """Distil a checkpoint into an Earth Engine graph and one Code Editor script, with its accuracy beside it."""
    from isamap.inference.student.export import export

    show(export(request))


@command_with_file()
def plan(request: PlanRequest) -> None:
    """Print what maps of an area would take: tiles, requests, bytes, hours, storage and EECU; nothing is asked for."""
    from isamap.inference.plan.plan import plan_map

    show(plan_map(request))


@command_with_file(Option("Options by name; typed ones override them.", metavar="jobs.toml", positional=True))
def run(request: RunRequest) -> None:
    """Map places, periods and checkpoints as tiles, by processes, a Dask cluster or job arrays."""
    with quick_imports():
        from isamap.inference.runs.run import check_complete, run_requested

    status = run_requested(request)
    show(status)
    if not request.who.status:
        check_complete(status)


@command
def years(
    maps: Annotated[
        tuple[str, ...], Option("Maps of `isamap map`, one of each year.", metavar="MAP.tif", positional=True)
    ],
    out: Annotated[str, Option("Folder of the filtered maps, layers and page.")],
    by: Annotated[str | None, Option("Polygons, such as districts.", metavar="FILE")] = None,
    parameters: Annotated[str | None, Option("years.json of another folder; estimated if not given.")] = None,
    loss: Annotated[float, Option("Largest share of impervious ground that may become pervious a year.")] = 0.005,
    overwrite: Overwrite = False,
) -> None:
    """Make maps of several years agree, and write growth, first year, areas and a page."""
    from isamap.inference.years.run import map_years

    show(map_years(maps, out, by=by, parameters=parameters, loss=loss, overwrite=overwrite))


@command
def polygons(
    maps: Annotated[
        tuple[str, ...], Option("A map, its tiles, or a folder of `isamap run`.", metavar="MAP|RUN", positional=True)
    ],
    out: Annotated[str, Option("A .gpkg (with a style), .fgb or .parquet (GeoParquet).")],
    classes: Annotated[
        tuple[str, ...], Option("Becomes polygons; impervious by default.", metavar="NAME", flag="--class")
    ] = (),
    least: Annotated[
        str | None, Option("Smaller components vanish in the ground around them.", metavar="AREA", flag="--min")
    ] = None,
    simplify: Annotated[float, Option("Smooths borders, the same for both neighbours.", metavar="METRES")] = 0.0,
    names: Classes = (),
) -> None:
    """Write a map's areas as polygons, joined over its tiles, with area and mean probability."""
    from isamap.inference.polygons.polygons import PolygonOptions, map_polygons

    options = PolygonOptions(classes, least, simplify)
    show(map_polygons(maps, out, options, names=names))


@command
def publish(
    path: Annotated[
        str, Option("Of `isamap map`; of `isamap run`, also gs://.", metavar="MAP.tif|FOLDER", positional=True)
    ],
    asset: Annotated[str, Option("projects/PROJECT/assets/FOLDER/NAME.")],
    project: Project = None,
    bucket: Annotated[str | None, Option("Where Google ingests from; needs --project.")] = None,
    collection: Annotated[bool, Option("An image collection of the run's maps by time and zone.")] = False,
    external: Annotated[str | None, Option("gs://BUCKET/NAME.tif where the map stays; nothing is ingested.")] = None,
    public: Annotated[bool, Option("Let everybody read it, as an App needs it.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Upload a map, or the tiles of a run, as an Earth Engine asset and print the lines that show it."""
    from isamap.inference.catalog.publication import publish_run
    from isamap.inference.publishing.asset import Target, share
    from isamap.inference.publishing.asset import publish as publish_map
    from isamap.inference.publishing.external_asset import publish_external

    if external is not None:
        if bucket or collection or Path(path).is_dir() or path.startswith("gs://"):
            raise ValueError(
                f"--external {external} is of one map, which stays there: give a MAP.tif, no --bucket, no --collection"
            )
        report: Any = publish_external(path, asset=asset, external=external, project=project, overwrite=overwrite)
    elif Path(path).is_dir() or path.startswith("gs://"):
        target = Target(asset, project=project, bucket=bucket, overwrite=overwrite)
        report = publish_run(path, target, collection=collection)
    elif collection:
        raise ValueError(f"--collection is of a run's folder, and {path} is no folder: leave it out")
    else:
        report = publish_map(path, asset=asset, project=project, bucket=bucket, overwrite=overwrite)
    if public:
        share(asset)
    show(report)


@command
def prove(
    project: Project = None,
    bucket: Annotated[str | None, Option("For exports and assets; needs --project.")] = None,
    out: Annotated[str, Option("Folder of answers.json and proof.md.")] = "proof",
    eecu_hours: Annotated[float, Option("A step that could exceed them is not tried.")] = 1.0,
    steps: Annotated[tuple[str, ...], Option("Only these; may repeat.")] = (),
    replay: Annotated[str | None, Option("Compare a recorded proof's folder with the local engine, offline.")] = None,
) -> None:
    """Ask a server whatever isamap assumes of it, clean up, and report: confirmed, refuted, measured or not tried."""
    from isamap.inference.prove import run

    if replay is not None and (project or bucket or steps):
        raise ValueError("--replay compares with the local engine: leave --project, --bucket and --steps out")
    report = (
        run.replay(replay)
        if replay is not None
        else run.prove(project=project, bucket=bucket, out=out, eecu_hours_most=eecu_hours, steps=steps)
    )
    show(report)
    if not report.ok:
        raise Fault("not as assumed: see what is refuted or left behind above")


@command
def stac(
    path: Annotated[
        str, Option("Of `isamap run`, or what `isamap map` wrote.", metavar="FOLDER|MAP.tif", positional=True)
    ],
    project: Project = None,
) -> None:
    """Write the STAC collection of a run's tiles, or the item of a map: grid, classes, checksums, licence."""
    from isamap.inference.catalog.stac import write_stac

    show(write_stac(path, project=project))


@command
def app(
    asset: Annotated[str, Option("What `isamap publish --collection` made.", metavar="COLLECTION", positional=True)],
    out: Annotated[str, Option("The script, a .js.")],
    geemap: Annotated[str | None, Option("The same App for notebooks, a .py.")] = None,
    project: Project = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a Code Editor App of published maps: years, swipe, legend, area chart, probability on click."""
    from isamap.inference.catalog.app import write_app

    show(write_app(asset, out, geemap=geemap, project=project, overwrite=overwrite))


@command
def view(
    maps: Annotated[tuple[str, ...], Option("What `isamap map` wrote.", metavar="MAP.tif", positional=True)],
    out: Annotated[str | None, Option("The picture of one map, a .png.")] = None,
    html: Annotated[str | None, Option("One page of the maps that needs no server, a .html.")] = None,
) -> None:
    """Draw a map as a PNG, or one or several as an HTML page with years, swipe, legend and areas."""
    if out is None and html is None:
        raise ValueError("nothing to draw into: give --out FILE.png, --html FILE.html or both")
    if out is not None:
        from isamap.inference.web_map.static_picture import view as view_map

        if len(maps) > 1:
            raise ValueError(f"--out draws one map, and {len(maps)} are given: name one of them, or give --html")
        show(view_map(maps[0], out=out))
    if html is not None:
        from isamap.inference.web_map.view import view_html

        show(view_html(maps, html=html))


def doctor() -> None:
    """Print what this machine has of what isamap needs, without secrets, as text to paste into an issue."""
    from isamap.gee_export.base.offline import is_offline
    from isamap.inference.machine.doctor import doctor as look

    show(look(offline=is_offline()))


@command
def serve(service: ServiceOptions, address: Address, limits: Limits) -> None:
    """Serve jobs, maps and a page by HTTP, on this machine alone unless there is a file of tokens."""
    from isamap.inference.serve.server import serve as run_server

    run_server(service.settings(limits), address, workers=service.workers)
