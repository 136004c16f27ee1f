"""`isamap map`, `calibrate`, `publish`, `view`: typed functions, thin over `inference`'s own."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import typer

_Project = Annotated[str | None, typer.Option("--project", help="Google Cloud project; without it the local engine.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there with other content.")]


def map(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    out: Annotated[str, typer.Option("--out", help="The map, a .tif; an interrupted map goes on.")],
    region: Annotated[str | None, typer.Option("--region", help="See `isamap regions`.")] = None,
    month: Annotated[str | None, typer.Option("--month", help="YYYY-MM.")] = None,
    period: Annotated[
        list[str] | None, typer.Option("--period", help="A season (2019-JJA), a year, or first and last day instead.")
    ] = None,
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option("--bbox", help="W S E N in degrees; inside --region it keeps the region's grid."),
    ] = None,
    geometry: Annotated[str | None, typer.Option("--geometry", help="GeoJSON outline.")] = None,
    epsg: Annotated[
        int | None, typer.Option("--epsg", help="UTM zone of the grid, such as 32650; by default the place's own.")
    ] = None,
    input: Annotated[
        str | None, typer.Option("--input", help="A GeoTIFF with named bands to map instead of a composite.")
    ] = None,
    project: _Project = None,
    catalog: Annotated[str, typer.Option("--catalog", help="Local engine's images: world, or a folder.")] = "world",
    workers: Annotated[int, typer.Option("--workers", help="Windows at once; 0: one for each core.")] = 0,
    runtime: Annotated[
        str, typer.Option("--runtime", help="What runs the network: torch, onnx or openvino (the last is fastest).")
    ] = "torch",
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, or bf16 or fp16 where the processor has it.")
    ] = "fp32",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    post: Annotated[
        str, typer.Option("--post", help="none, or clahe: impervious favoured where it stands out; see `calibrate`.")
    ] = "none",
    overwrite: _Overwrite = False,
) -> None:
    """Map a region and month, or a GeoTIFF, as a cloud-optimised GeoTIFF of classes and probabilities."""
    from inference.map import map_region

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report repeats them
        report = map_region(
            checkpoint,
            out=out,
            region=region,
            month=month,
            period=period,
            bbox=bbox,
            geometry=geometry,
            epsg=epsg,
            input=input,
            project=project,
            catalog=catalog,
            workers=workers,
            runtime=runtime,
            precision=precision,
            device=device,
            post=post,
            overwrite=overwrite,
        )
    print(report)


def calibrate(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    data: Annotated[list[str], typer.Option("--data", help="Patch dataset: a folder or gs://bucket/prefix.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the copy that maps with the better threshold.")],
    post: Annotated[str, typer.Option("--post", help="none: of the probability itself; clahe: of that step.")] = "none",
    measure: Annotated[str, typer.Option("--measure", help="f1 of impervious, or miou (without --post).")] = "f1",
    split: Annotated[str, typer.Option("--split", help="val or train.")] = "val",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", help="Patches at once.")] = 16,
    project: _Project = None,
) -> None:
    """Choose the threshold of impervious, or of a post-processing step, on a split; writes a checkpoint with it."""
    from inference.calibration import calibrate_step
    from training.accuracy.thresholds import calibrate_checkpoint
    from training.cli import session_for

    how: dict[str, Any] = {"split": split, "device": device, "batch": batch}
    with session_for([*data, checkpoint], project) as session:
        if post == "none":
            print(calibrate_checkpoint(checkpoint, data, out, measure=measure, **how, session=session))
        else:
            print(calibrate_step(checkpoint, data, out, post=post, **how, session=session))


def publish(
    path: Annotated[str, typer.Argument(metavar="MAP.tif", help="What `isamap map` wrote.")],
    asset: Annotated[str, typer.Option("--asset", help="projects/PROJECT/assets/FOLDER/NAME.")],
    project: _Project = None,
    bucket: Annotated[str | None, typer.Option("--bucket", help="Where Google ingests from; needs --project.")] = None,
    overwrite: _Overwrite = False,
) -> None:
    """Upload a map as an Earth Engine image asset and print the lines that show it."""
    from inference.asset import publish as publish_map

    print(publish_map(path, asset=asset, project=project, bucket=bucket, overwrite=overwrite))


def view(
    path: Annotated[str, typer.Argument(metavar="MAP.tif", help="What `isamap map` wrote.")],
    out: Annotated[str, typer.Option("--out", help="The picture, a .png.")],
) -> None:
    """Draw a map and its probabilities with legend, scale bar and coordinates."""
    from inference.picture import view as view_map

    print(view_map(path, out=out))
