"""`isamap export`, `regions`, `labels`, `check` and `engine serve`: typed functions, thin over this package's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from gee_export.clouds import CLOUDS
from gee_export.console import Fault
from gee_export.fusion import FUSIONS
from gee_export.modes import MODES
from gee_export.scheme import SCHEMES
from gee_export.sentinel2 import REDUCERS
from gee_export.speckle import SPECKLE

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
        list[str] | None, typer.Option("--period", help="First and last day, YYYY-MM-DD, both included; may repeat.")
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
        str | None, typer.Option("--out", help="Folder or gs://BUCKET/PREFIX; data/REGION-MONTH by default.")
    ] = None,
    label: Annotated[
        list[str], typer.Option("--label", help="Products of `isamap labels`, assets or files, or none.")
    ] = ["worldcover"],  # noqa: B006 typer copies it
    fusion: Annotated[str, typer.Option("--fusion", help=f"Of several labels: {_any_of(FUSIONS)}.")] = "single",
    scheme: Annotated[str, typer.Option("--scheme", help=f"Of the classes: {_any_of(SCHEMES)}.")] = "isa",
    share: Annotated[bool, typer.Option("--share", help="Also store impervious percents.")] = False,
    speckle: Annotated[str, typer.Option("--speckle", help=f"{_any_of(SPECKLE)}.")] = "lee",
    clouds: Annotated[str, typer.Option("--clouds", help=f"{_any_of(CLOUDS)}.")] = "cloud_score_plus",
    reducer: Annotated[
        str, typer.Option("--reducer", help=f"Of Sentinel-2's clear pixels: {_any_of(REDUCERS)}.")
    ] = "mean",
    bands: Annotated[
        list[str] | None, typer.Option("--bands", help="Sentinel-2 bands, B2 B3 B4 B8 by default.")
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Side of a patch in pixels.")] = 128,
    stride: Annotated[int, typer.Option("--stride", help="Pixels from one patch to the next.")] = 80,
    split: Annotated[
        str, typer.Option("--split", help="blocks (no pixel in two splits) or random (the paper's, which leaks).")
    ] = "blocks",
    seed: Annotated[int, typer.Option("--seed", help="Of the split.")] = 0,
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
    workers: Annotated[
        int | None, typer.Option("--workers", help="Requests at a time: 20 by default, on the local engine cores + 1.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print blocks, requests, bytes and patches; fetch nothing.")
    ] = False,
) -> None:
    """Cut co-registered Sentinel-1, Sentinel-2 and label patches of a region and month."""
    from gee_export.export import export_patches

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
        bands=bands,
        speckle=speckle,
        clouds=clouds,
        reducer=reducer,
        size=size,
        stride=stride,
        split=split,
        seed=seed,
        max_patches=max_patches,
        project=project,
        catalog=catalog,
        mode=mode,
        workers=workers,
        bucket=bucket,
        dry_run=dry_run,
    )
    print(report)


def regions() -> None:
    """List the named regions: name, UTM zone, box in degrees, what they are."""
    from gee_export.regions import described

    for row in described():
        west, south, east, north = row["bounds_wsen"]
        zone = f"EPSG:{row['epsg']}" if "epsg" in row else "several zones"
        box = f"{west:8.3f} {south:7.3f} {east:8.3f} {north:7.3f}"
        print(f"{row['name']:<14} {zone:<13} {box}  {row.get('title', '')}".rstrip())


def labels(
    name: Annotated[str | None, typer.Argument(help="A product, to see all about it.")] = None,
) -> None:
    """List the label products: name, years of imagery, schemes, licence; or everything about one."""
    from gee_export import labeltable

    print(labeltable.described(name) if name else labeltable.overview())


def check(
    project: _Project = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="Cloud Storage bucket to export to and upload from.")
    ] = None,
) -> None:
    """Test login, Earth Engine API, asset folder, bucket and write rights, each with its remedy."""
    from gee_export import check as checks

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
) -> None:
    """Run the local Earth Engine until it is interrupted (Ctrl-C), for other programs' `ee` clients."""
    from gee_export.engine import serve
    from gee_export.engine.faults import Faults

    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port}: expected 0 to 65535")
    serve(port, catalog, faults=Faults.from_file(faults) if faults is not None else None)
