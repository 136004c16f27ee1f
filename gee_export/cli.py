"""The `isamap` commands of this package (export, coregister, regions, ...): typed functions, thin over its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command, command_with_file
from isamap.gee_export.command_line.report_output import show
from isamap.gee_export.datasets.chip_options import ChipOptions
from isamap.gee_export.export.compose import ComposeRequest
from isamap.gee_export.export.coregister_request import RasterPair, RegionComposites
from isamap.gee_export.export.modes import Catalog, Project
from isamap.gee_export.export.request import ExportRequest

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.check import CheckReport


@command_with_file()
def export(request: ExportRequest) -> None:
    """Cut co-registered Sentinel-1, Sentinel-2 and label patches of regions and periods."""
    from isamap.gee_export.export.export import export_patches

    show(export_patches(request))


@command_with_file()
def composite(request: ComposeRequest) -> None:
    """Make the composites of regions and periods assets, each by one Export task; exports and maps then read them."""
    from isamap.gee_export.export.compose import compose

    show(compose(request))


@command
def convert(
    data: Annotated[str, Option("Patch dataset: a folder.")],
    out: Annotated[str, Option("Folder of the new files.")],
    to: Annotated[str, Option("The other program: terratorch.")] = "terratorch",
) -> None:
    """Write the split files and settings by which another program reads a dataset's own images and labels."""
    from isamap.gee_export.datasets.conversion import convert as convert_dataset

    show(convert_dataset(data, to=to, out=out))


@command
def chips(
    images: Annotated[str, Option("Folder of GeoTIFF, PNG or .npy files of one size.")],
    labels: Annotated[str, Option("Folder of labels of the same names.")],
    out: Annotated[str, Option("Folder of the patch dataset.")],
    options: ChipOptions,
) -> None:
    """Make a patch dataset of images and labels that say no place on the ground."""
    from isamap.gee_export.datasets.chips import import_chips

    show(import_chips(images, labels, out, options))


@command
def coregister(
    composites: RegionComposites,
    rasters: RasterPair,
    out: Annotated[
        str | None, Option("A JSON file for `isamap export --set displacement=FILE`; or the moved raster.")
    ] = None,
    plot: Annotated[str | None, Option("A PNG of the vectors and what is left of them.")] = None,
) -> None:
    """Find how far Sentinel-1 lies from Sentinel-2, orbit by orbit; or one raster from another, and correct it."""
    from isamap.gee_export.export import coregister_region as by_region

    if rasters.fixed is None or rasters.moving is None:
        registration = by_region.coregister_region(**vars(composites), out=out)
        show(registration)
        displacements = registration.titled
    elif composites.region is not None or composites.bbox is not None:
        raise ValueError("--fixed and --moving compare two rasters: leave out --region and --bbox")
    else:
        displacements = {rasters.moving: by_region.coregister_files(rasters.fixed, rasters.moving, out)}
        show(displacements[rasters.moving])
    if plot is not None:
        from isamap.gee_export.coregistration import residuals

        residuals.draw(displacements, plot)
    if not any(displacement.applied for displacement in displacements.values()):
        raise Fault("nothing was corrected, for the reason above: use the images as they are")


@command
def outline(
    name: Annotated[
        str, Option("Such as Hubei, or China/Hubei/Wuhan: country, first and second level.", positional=True)
    ],
    out: Annotated[str, Option("A .geojson file, which every command takes as its geometry.")],
    boundaries: Annotated[str, Option("The tables that are asked.")] = "gaul",
    project: Project = None,
    catalog: Catalog = "world",
) -> None:
    """Write the outline of an administrative unit, as Earth Engine's boundary tables have it."""
    from isamap.gee_export.earth_engine.administrative import write_outline

    show(write_outline(name, out, boundaries=boundaries, project=project, catalog=catalog))


@command
def inspect(
    data: Annotated[str, Option("A dataset: folder or gs://BUCKET/PREFIX.", positional=True)],
    out: Annotated[str | None, Option("Folder of the card; DATA/card by default, card-NAME of gs:// data.")] = None,
    strict: Annotated[bool, Option("Warnings are failures, too.")] = False,
    no_stac: Annotated[bool, Option("Write no DATA/stac and no DATA/croissant.json.")] = False,
    project: Project = None,
) -> None:
    """Check a dataset and draw its card: counts, histograms, contact sheet, footprints, and a STAC collection."""
    from isamap.gee_export.card.inspection import inspect_place

    card = inspect_place(data, out=out, project=project, stac=not no_stac)
    show(card)
    failed = [
        finding.name for finding in card.findings if finding.verdict in (("fail", "warn") if strict else ("fail",))
    ]
    if failed:
        raise Fault(f"not sound: {', '.join(failed)} (see above)")


@command
def check(
    bucket: Annotated[str | None, Option("Cloud Storage bucket to export to and upload from.")] = None,
    fix: Annotated[bool, Option("Also print the gcloud lines that bring what is missing.")] = False,
    catalog: Annotated[str | None, Option("open: which public archives answer, and how fast.")] = None,
    project: Project = None,
) -> None:
    """Test login, project, Earth Engine, bucket and their rights, or the public archives, each with its remedy."""
    from isamap.gee_export.earth_engine import check as checks

    report = checks.check(project, bucket) if catalog is None else _checked_archives(catalog, project or bucket)
    report = replace(report, with_fixes=fix)
    show(report)
    if not report.ok:
        raise Fault("not ready: fix what is marked FAILED, from the top")


def _checked_archives(catalog: str, of_google: str | None) -> CheckReport:
    from isamap.gee_export.earth_engine.archive_check import check_archives
    from isamap.gee_export.earth_engine.archives import is_open

    if not is_open(catalog):
        raise ValueError(f"--catalog {catalog}: only open, the public archives, is checked; other catalogs lie here")
    if of_google is not None:
        raise ValueError("--catalog open needs neither account nor bucket: leave --project and --bucket out")
    return check_archives()


@command
def engine_serve(
    port: Annotated[int, Option("Of 127.0.0.1; 0 takes a free one.")] = 8085,
    catalog: Catalog = "world",
    faults: Annotated[
        str | None, Option("A JSON file of what is to go wrong (local_ee/docs/engine.md), for tests.")
    ] = None,
    no_token: Annotated[bool, Option("Let every program and user of this machine in, at your own risk.")] = False,
) -> None:
    """Run the local Earth Engine until it is interrupted (Ctrl-C), for other programs' `ee` clients.

    ISAMAP_ENGINE_TOKEN fixes the token that requests must carry; otherwise a random one is printed.
    """
    from local_ee.faults import Faults

    from local_ee import serve

    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port}: expected 0 to 65535")
    planned = Faults.from_file(faults) if faults is not None else None
    serve(port, catalog, faults=planned, token="" if no_token else None)
