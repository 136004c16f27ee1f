"""The `isamap` commands of this package (export, coregister, regions, ...): typed functions, thin over its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from gee_export.base.errors import Fault
from gee_export.base.scheme import SCHEMES
from gee_export.export.image_options import ImageOptions
from gee_export.export.modes import MODES
from gee_export.images.frames import Frames
from gee_export.labelling.fusion import FUSIONS
from gee_export.patches.sampling import SAMPLINGS, Sampling
from gee_export.patches.split_rule import SplitRule
from gee_export.sentinel.clouds import CLOUDS
from gee_export.sentinel.sentinel2 import REDUCERS
from gee_export.sentinel.speckle import SPECKLE
from gee_export.sentinel.terrain import MODELS

_Project = Annotated[str | None, typer.Option("--project", help="Google Cloud project; without it the local engine.")]
_Catalog = Annotated[str, typer.Option("--catalog", help="The local engine's images: world (simulated), or a folder.")]


def _any_of(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def export(
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Names of `isamap regions`; each is exported in every period.")
    ] = None,
    month: Annotated[
        list[str] | None, typer.Option("--month", help="YYYY-MM, one or several; 2019-06 unless --period is given.")
    ] = None,
    period: Annotated[
        list[str] | None, typer.Option("--period", help="Months, seasons (2019-JJA), years, or first and last day.")
    ] = None,
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option("--bbox", help="W S E N in degrees; inside --region it keeps the region's grid."),
    ] = None,
    geometry: Annotated[
        list[str] | None, typer.Option("--geometry", help="GeoJSON outline (EPSG:4326); pixels outside are missing.")
    ] = None,
    epsg: Annotated[
        int | None, typer.Option("--epsg", help="UTM zone of the grid, such as 32650; by default the place's own.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Folder or gs://BUCKET/PREFIX; data/REGION-MONTH(-BOX) by default.")
    ] = None,
    label: Annotated[
        list[str], typer.Option("--label", help="Products of `isamap labels`, assets or files, or none.")
    ] = ["worldcover"],  # noqa: B006 typer copies it
    fusion: Annotated[str, typer.Option("--fusion", help=f"Of several labels: {_any_of(FUSIONS)}.")] = "single",
    scheme: Annotated[str, typer.Option("--scheme", help=f"Of the classes: {_any_of(SCHEMES)}.")] = "isa",
    share: Annotated[bool, typer.Option("--share", help="Also store impervious percents.")] = False,
    image: Annotated[
        str | None, typer.Option("--image", help="An asset id or raster file instead of Sentinel's composite.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", help="Metres of --image's pixels; by default its own grid is kept.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="Of --image's numbers: reflectance, dB, or NAME=SCALE[,OFFSET]."),
    ] = None,
    fine: Annotated[
        str | None, typer.Option("--fine", help="A finer image (asset id or raster) beside each patch, exactly nested.")
    ] = None,
    fine_scale: Annotated[float, typer.Option("--fine-scale", help="Metres of its pixels.")] = ImageOptions.fine_m,
    fine_bands: Annotated[list[str] | None, typer.Option("--fine-bands", help="Its bands, all by default.")] = None,
    fine_unit: Annotated[str | None, typer.Option("--fine-unit", help="Of its numbers, as --unit.")] = None,
    fine_label: Annotated[
        list[str] | None, typer.Option("--fine-label", help="Label sources of its pixels, those of --label by default.")
    ] = None,
    frames: Annotated[
        list[str] | None, typer.Option("--frames", help="Dated images beside the composite: scenes, months, or days.")
    ] = None,
    max_frames: Annotated[int, typer.Option("--max-frames", help="Dates of a region and period.")] = Frames.most,
    speckle: Annotated[str | None, typer.Option("--speckle", help=f"{_any_of(SPECKLE)} (lee if not given).")] = None,
    terrain: Annotated[
        str | None, typer.Option("--terrain", help=f"Of Sentinel-1: none or {_any_of(MODELS)} (gamma nought).")
    ] = None,
    clouds: Annotated[
        str | None, typer.Option("--clouds", help=f"{_any_of(CLOUDS)} (cloud_score_plus if not given).")
    ] = None,
    reducer: Annotated[
        str | None, typer.Option("--reducer", help=f"Of Sentinel-2's clear pixels: {_any_of(REDUCERS)}.")
    ] = None,
    bands: Annotated[
        list[str] | None, typer.Option("--bands", help="Sentinel-2 bands, B2 B3 B4 B8 by default; or --image's.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of any composite setting, e.g. kernel_px=5 clear=0.7.")
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Side of a patch in pixels.")] = 128,
    stride: Annotated[int, typer.Option("--stride", help="Pixels from one patch to the next.")] = 80,
    sample: Annotated[
        str, typer.Option("--sample", help=f"Which patches: {_any_of(SAMPLINGS)}; the last two go by the labels.")
    ] = Sampling.kind,
    distance_km: Annotated[
        float, typer.Option("--distance-km", help="Of --sample points: between any two patches' centres, at least.")
    ] = Sampling.distance_km,
    min_impervious: Annotated[
        float, typer.Option("--min-impervious", help="Of --sample impervious: share of known label pixels, 0 to 1.")
    ] = Sampling.min_impervious,
    strata: Annotated[
        list[float] | None,
        typer.Option("--strata", help="Of --sample strata: edges of shares (0 .1 .3 .6 1)."),
    ] = None,
    per_stratum: Annotated[
        list[int] | None, typer.Option("--per-stratum", help="Patches of each stratum, equally many by default.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="blocks (no pixel in two splits) or random (the paper's, which leaks).")
    ] = "blocks",
    ratios: Annotated[
        list[int] | None, typer.Option("--ratios", help="Of train, val and test: 8 1 1 by default, 7 2 1, ...")
    ] = None,
    guard_px: Annotated[
        int, typer.Option("--guard-px", help="Pixels between two splits at least; 0: they share none.")
    ] = SplitRule.guard_px,
    hold_out: Annotated[
        list[str] | None, typer.Option("--hold-out", help="Regions that are test whole; train and val are the others.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of sampling and split.")] = 0,
    max_patches: Annotated[
        int | None, typer.Option("--max-patches", help="At most so many, in whole blocks that fill all three splits.")
    ] = None,
    project: _Project = None,
    catalog: _Catalog = "world",
    mode: Annotated[
        str, typer.Option("--mode", help=f"How pixels are asked for: {_any_of(MODES)}; the dataset is the same.")
    ] = "stream",
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="For the files of --mode batch; by default that of --out gs://.")
    ] = None,
    keep_exports: Annotated[
        bool, typer.Option("--keep-exports", help="Leave the files of --mode batch in the bucket.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Requests at a time: 20 by default, on the local engine cores + 1.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print blocks, requests, bytes and patches; fetch nothing.")
    ] = False,
) -> None:
    """Cut co-registered Sentinel-1, Sentinel-2 and label patches of regions and periods."""
    from gee_export.export.export import export_patches

    report = export_patches(
        region=region,
        month=month,
        period=period,
        bbox=bbox,
        geometry=geometry,
        epsg=epsg,
        out=out,
        label=label,
        fusion=fusion,
        scheme=scheme,
        share=share,
        image=image,
        scale=scale,
        unit=unit,
        fine=fine,
        fine_scale=fine_scale,
        fine_bands=fine_bands,
        fine_unit=fine_unit,
        fine_label=fine_label,
        frames=frames,
        max_frames=max_frames,
        bands=bands,
        speckle=speckle,
        clouds=clouds,
        reducer=reducer,
        terrain=terrain,
        settings=set_ or (),
        size=size,
        stride=stride,
        sample=Sampling(
            sample,
            distance_km,
            min_impervious,
            strata=tuple(strata) if strata else Sampling.strata,
            per_stratum=tuple(per_stratum or ()),
        ),
        split=split,
        ratios=ratios or SplitRule.ratios,
        guard_px=guard_px,
        hold_out=hold_out or (),
        seed=seed,
        max_patches=max_patches,
        project=project,
        catalog=catalog,
        mode=mode,
        workers=workers,
        bucket=bucket,
        keep_exports=keep_exports,
        dry_run=dry_run,
    )
    print(report)


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
    elif fixed is None or moving is None or region is not None or bbox is not None:
        raise ValueError("two rasters are compared by --fixed and --moving, without --region or --bbox")
    else:
        done = coregister_region.coregister_files(fixed, moving, out)
        found = {moving: done}
    print(done)
    if plot is not None:
        from gee_export.coregistration import residuals

        residuals.draw(found, plot)
    if not any(one.applied for one in found.values()):
        raise Fault("nothing was corrected, for the reason above: use the images as they are")


def inspect(
    data: Annotated[str, typer.Argument(help="A dataset: folder or gs://BUCKET/PREFIX.")],
    out: Annotated[
        str | None, typer.Option("--out", help="Folder of the card; DATA/card by default, card-NAME of gs:// data.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are failures, too.")] = False,
    no_stac: Annotated[bool, typer.Option("--no-stac", help="Leave out the STAC collection in DATA/stac.")] = False,
    project: _Project = None,
) -> None:
    """Check a dataset and draw its card: counts, histograms, contact sheet, footprints, and a STAC collection."""
    from gee_export.card.inspection import inspect_place

    card = inspect_place(data, out=out, project=project, stac=not no_stac)
    print(card)
    failed = [
        finding.name for finding in card.findings if finding.verdict in (("fail", "warn") if strict else ("fail",))
    ]
    if failed:
        raise Fault(f"not sound: {', '.join(failed)} (see above)")


def regions() -> None:
    """List the named regions: name, UTM zone, box in degrees, what they are."""
    from gee_export.base.regions import described

    for row in described():
        west, south, east, north = row["bounds_wsen"]
        zone = f"EPSG:{row['epsg']}" if "epsg" in row else "several zones"
        box = f"{west:8.3f} {south:7.3f} {east:8.3f} {north:7.3f}"
        print(f"{row['name']:<14} {zone:<13} {box}  {row.get('title', '')}".rstrip())


def labels(
    name: Annotated[str | None, typer.Argument(help="A product, to see all about it.")] = None,
) -> None:
    """List the label products: name, years of imagery, schemes, licence; or everything about one."""
    from gee_export.labelling import label_table

    print(label_table.described(name) if name else label_table.overview())


def check(
    project: _Project = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="Cloud Storage bucket to export to and upload from.")
    ] = None,
) -> None:
    """Test login, Earth Engine API, asset folder, bucket and write rights, each with its remedy."""
    from gee_export.earth_engine import check as checks

    report = checks.check(project, bucket)
    print(report)
    if not report.ok:
        raise Fault("not ready: mend the lines marked FAILED, from the top")


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
