"""The `isamap` commands of this package (export, coregister, regions, ...): typed functions, thin over its own."""

from __future__ import annotations

from typing import Annotated

import typer

from gee_export.base.errors import Fault
from gee_export.command import command_of
from gee_export.command_line.report_output import show
from gee_export.export.request import ExportRequest

_Project = Annotated[str | None, typer.Option("--project", help="Google Cloud project; without it the local engine.")]
_Catalog = Annotated[str, typer.Option("--catalog", help="The local engine's images: world (simulated), or a folder.")]


def _export(request: ExportRequest) -> None:
    """Cut co-registered Sentinel-1, Sentinel-2 and label patches of regions and periods."""
    from gee_export.export.export import export_patches

    show(export_patches(request))


export = command_of(ExportRequest, _export)


def coregister(
    region: Annotated[str | None, typer.Option("--region", help="A name of `isamap regions`.")] = None,
    month: Annotated[str | None, typer.Option("--month", help="YYYY-MM whose composites are compared.")] = None,
    period: Annotated[
        list[str] | None,
        typer.Option("--period", help="A season, a year, or first and last day instead."),
    ] = None,
    bbox: Annotated[
        tuple[float, float, float, float] | None, typer.Option("--bbox", help="W S E N in degrees.")
    ] = None,
    epsg: Annotated[int | None, typer.Option("--epsg", help="UTM zone, such as 32650.")] = None,
    fixed: Annotated[str | None, typer.Option("--fixed", help="A raster that stays, instead of a region.")] = None,
    moving: Annotated[str | None, typer.Option("--moving", help="The raster to be moved onto --fixed.")] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", help="A JSON file for `isamap export --set displacement=FILE`; or the moved raster."),
    ] = None,
    plot: Annotated[str | None, typer.Option("--plot", help="A PNG of the vectors and what is left of them.")] = None,
    project: _Project = None,
    catalog: _Catalog = "world",
) -> None:
    """Find how far Sentinel-1 lies from Sentinel-2, orbit by orbit; or one raster from another, and correct it."""
    from gee_export.export import coregister_region

    done: object
    if fixed is None and moving is None:
        done = coregister_region.coregister_region(
            region, month=month, period=period, bbox=bbox, epsg=epsg, out=out, project=project, catalog=catalog
        )
        found = done.titled
    elif fixed is None or moving is None:
        missing = "--fixed" if fixed is None else "--moving"
        raise ValueError(f"two rasters are compared by --fixed and --moving: give {missing}, too")
    elif region is not None or bbox is not None:
        raise ValueError("--fixed and --moving compare two rasters: leave out --region and --bbox")
    else:
        done = coregister_region.coregister_files(fixed, moving, out)
        found = {moving: done}
    show(done)
    if plot is not None:
        from gee_export.coregistration import residuals

        residuals.draw(found, plot)
    if not any(one.applied for one in found.values()):
        raise Fault("nothing was corrected, for the reason above: use the images as they are")


def outline(
    name: Annotated[str, typer.Argument(help="Such as Hubei, or China/Hubei/Wuhan: country, first and second level.")],
    out: Annotated[str, typer.Option("--out", help="A .geojson file, which every command takes as its geometry.")],
    boundaries: Annotated[str, typer.Option("--boundaries", help="The tables that are asked.")] = "gaul",
    project: _Project = None,
    catalog: _Catalog = "world",
) -> None:
    """Write the outline of an administrative unit, as Earth Engine's boundary tables have it."""
    from gee_export.earth_engine.administrative import write_outline

    show(write_outline(name, out, boundaries=boundaries, project=project, catalog=catalog))


def inspect(
    data: Annotated[str, typer.Argument(help="A dataset: folder or gs://BUCKET/PREFIX.")],
    out: Annotated[
        str | None, typer.Option("--out", help="Folder of the card; DATA/card by default, card-NAME of gs:// data.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are failures, too.")] = False,
    no_stac: Annotated[bool, typer.Option("--no-stac", help="Write no DATA/stac and no DATA/croissant.json.")] = False,
    project: _Project = None,
) -> None:
    """Check a dataset and draw its card: counts, histograms, contact sheet, footprints, and a STAC collection."""
    from gee_export.card.inspection import inspect_place

    card = inspect_place(data, out=out, project=project, stac=not no_stac)
    show(card)
    failed = [
        finding.name for finding in card.findings if finding.verdict in (("fail", "warn") if strict else ("fail",))
    ]
    if failed:
        raise Fault(f"not sound: {', '.join(failed)} (see above)")


def check(
    project: _Project = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="Cloud Storage bucket to export to and upload from.")
    ] = None,
) -> None:
    """Test login, Earth Engine API, asset folder, bucket and write rights, each with its remedy."""
    from gee_export.earth_engine import check as checks

    report = checks.check(project, bucket)
    show(report)
    if not report.ok:
        raise Fault("not ready: fix what is marked FAILED, from the top")


def engine_serve(
    port: Annotated[int, typer.Option("--port", help="Of 127.0.0.1; 0 takes a free one.")] = 8085,
    catalog: _Catalog = "world",
    faults: Annotated[
        str | None, typer.Option("--faults", help="A JSON file of what is to go wrong (docs/engine.md), for tests.")
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let every program and user of this machine in, at your own risk.")
    ] = False,
) -> None:
    """Run the local Earth Engine until it is interrupted (Ctrl-C), for other programs' `ee` clients.

    ISAMAP_ENGINE_TOKEN fixes the token that requests must carry; otherwise a random one is printed.
    """
    from local_ee import serve
    from local_ee.faults import Faults

    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port}: expected 0 to 65535")
    planned = Faults.from_file(faults) if faults is not None else None
    serve(port, catalog, faults=planned, token="" if no_token else None)
