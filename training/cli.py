"""The commands of `training`, such as `isamap train` and `isamap evaluate`: typed functions, thin over its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from gee_export.command_line.report_output import show, show_list

_Data = Annotated[list[str], typer.Option("--data", help="Patch dataset: a folder or gs://bucket/prefix; may repeat.")]
_Project = Annotated[str | None, typer.Option("--project", help="Google Cloud project, for gs:// on Google's servers.")]


def train(
    data: _Data,
    out: Annotated[str, typer.Option("--out", help="The run's folder or gs:// prefix; an interrupted run goes on.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="See `isamap models`, or a .toml file; crofusenet-tiny, with --from its own."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="A checkpoint to fine-tune; bands are taken over by name.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="Published weights of the encoder: .safetensors, or of torch.save.")
    ] = None,
    backbone_bands: Annotated[
        list[str] | None, typer.Option("--backbone-bands", help="Bands of its first layer; B4 B3 B2 of three channels.")
    ] = None,
    backbone_licence: Annotated[
        str, typer.Option("--backbone-licence", help="Its licence, for the checkpoint's card; else as the file says.")
    ] = "",
    chips: Annotated[
        str | None, typer.Option("--chips", help="What `isamap agreement` wrote: patches to leave out.")
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option("--answers", help="Filled-in points.gpkg of `isamap ask`: only these pixels are learned from."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, e.g. epochs=3 batch=16.")
    ] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", help="GPUs (or CPU processes) that share every batch; 1 if not named.")
    ] = None,
    project: _Project = None,
) -> None:
    """Train a network on patch datasets; writes best/ and last/ checkpoints, TensorBoard logs and pictures."""
    import training
    from training.runs.backbone import Backbone

    if backbone is None and (backbone_bands or backbone_licence):
        raise ValueError("--backbone-bands and --backbone-licence describe a file: name it with --backbone")
    weights = None if backbone is None else Backbone(backbone, tuple(backbone_bands or ()), backbone_licence)
    recipe = recipe or (None if from_ else "crofusenet-tiny")
    with session_for([*data, out, from_ or ""], project) as session:
        settings = _pairs(set_ or []) | ({} if devices is None else {"devices": devices})
        options = {"settings": settings, "start": from_, "backbone": weights, "session": session}
        options |= {"chips": chips, "answers": answers}
        show(training.train(data, recipe, out, **options))


def evaluate(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    data: _Data,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "test",
    layer: Annotated[
        str, typer.Option("--layer", help="label or fine (1 m); as fine as the network's output if not named.")
    ] = "",
    json_: Annotated[str | None, typer.Option("--json", help="A file for all figures.")] = None,
    diagram: Annotated[
        str | None, typer.Option("--diagram", help="A PNG: do probabilities mean what they say?")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", help="Patches at once.")] = 16,
    runtime: Annotated[str, typer.Option("--runtime", help="See docs/runtimes.md.")] = "torch",
    precision: Annotated[str, typer.Option("--precision", help="fp32, bf16, fp16 or int8.")] = "fp32",
    tta: Annotated[str, typer.Option("--tta", help="Mean over flips, or over flips and turns (d4).")] = "none",
    project: _Project = None,
) -> None:
    """Print IoU, PA, UA and F1 per class, OA, MIoU and kappa of a checkpoint on a split, with 95 % intervals."""
    import training
    from training.accuracy.evaluation import EvaluationReport

    for target in (json_, diagram):
        if target is not None:
            EvaluationReport.check_target(target)
    options = {"layer": layer, "device": device, "batch": batch, "runtime": runtime, "precision": precision}
    options["tta"] = tta
    with session_for([*data, checkpoint], project) as session:
        report = training.evaluate(checkpoint, data, split, **options, session=session)
    show(report)  # first: seen even where the file cannot be written
    if json_ is not None:
        report.write(json_)
    if diagram is not None:
        report.reliability.draw(diagram, title=checkpoint)


def compare(
    data: _Data,
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Runs' folders, or checkpoints.")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="NAME=RUN,RUN: runs of one recipe that differ in their seed.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test, val or train.")] = "test",
    layer: Annotated[str, typer.Option("--layer", help="label or fine (1 m), as in `isamap evaluate`.")] = "",
    json_: Annotated[str | None, typer.Option("--json", help="A file for all figures.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    project: _Project = None,
) -> None:
    """Say which of several checkpoints is better on the same patches, and which cannot be distinguished."""
    import training
    from training.accuracy.comparison_report import ComparisonReport, named

    if json_ is not None:
        ComparisonReport.check_target(json_)
    asked = named(runs or [], _groups(group or []))
    with session_for([*data, *(run for of_name in asked.values() for run in of_name)], project) as session:
        report = training.compare(asked, data, split, layer=layer, device=device, session=session)
    show(report)  # first: seen even where the file cannot be written
    if json_ is not None:
        report.write(json_)


def prune(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    data: _Data,
    out: Annotated[str, typer.Option("--out", help="Folder of the smaller checkpoint; interrupted, it goes on.")],
    scheme: Annotated[str, typer.Option("--scheme", help="inner, literal or groups (docs/pruning.md).")] = "inner",
    ratio: Annotated[float, typer.Option("--ratio", help="Share of the filters that go.")] = 0.4,
    round_to: Annotated[
        int | None, typer.Option("--round-to", help="Kept filters are a multiple of it: 8, and 1 for literal.")
    ] = None,
    tune: Annotated[
        int | None, typer.Option("--tune", help="Epochs of the small network; as many as before, 0: none.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Where accuracy is measured: test, val or train.")] = "test",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, e.g. epochs=10 lr=1e-4.")
    ] = None,
    project: _Project = None,
) -> None:
    """Remove a network's redundant filters while it trains on; prints size, speed and accuracy before and after."""
    import training

    options = {"scheme": scheme, "ratio": ratio, "round_to": round_to, "tune_epochs": tune, "split": split}
    with session_for([*data, checkpoint], project) as session:
        show(training.prune(checkpoint, data, out, **options, settings=_pairs(set_ or []), session=session))


def ensemble(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Runs' folders, or checkpoints; two or more.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the ensemble, a checkpoint like others.")],
    project: _Project = None,
) -> None:
    """Join several checkpoints into one whose probability is the mean of theirs."""
    import training

    with session_for(runs, project) as session:
        show(training.ensemble(runs, out, session=session))


def quantize(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    data: _Data,
    out: Annotated[str, typer.Option("--out", help="Folder of the copy, for precision int8.")],
    split: Annotated[str, typer.Option("--split", help="Where ranges are measured: train or val.")] = "train",
    patches: Annotated[int, typer.Option("--patches", help="So many patches of it.")] = 64,
    judge: Annotated[str, typer.Option("--judge", help="Where fp32 and int8 are compared: val or train.")] = "val",
    max_loss: Annotated[
        float, typer.Option("--max-loss", help="By how much MIoU and F1 may fall; beyond it nothing is written.")
    ] = 0.005,
    batch: Annotated[int, typer.Option("--batch", help="Patches at once.")] = 16,
    project: _Project = None,
) -> None:
    """Write a copy of a checkpoint that also computes in 8 bits; prints what that costs in accuracy."""
    import training

    options = {"split": split, "patches": patches, "judge": judge, "max_loss": max_loss, "batch": batch}
    with session_for([*data, checkpoint], project) as session:
        show(training.quantize(checkpoint, data, out, **options, session=session))


def agreement(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A preliminary model: a run on the same data.")],
    data: _Data,
    out: Annotated[str, typer.Option("--out", help="JSON file for `isamap train --chips`.")],
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", help="Patches at once.")] = 16,
    project: _Project = None,
) -> None:
    """Count on how much of each training patch a preliminary model and the label agree, to leave out bad labels."""
    from training.imperfect.agreement import agreement as find

    with session_for([*data, checkpoint], project) as session:
        show(find(checkpoint, data, out, batch=batch, device=device, session=session))


def onnx(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    out: Annotated[str, typer.Option("--out", help="The file, an .onnx.")],
    size: Annotated[int, typer.Option("--size", help="Pixels of its only input size; 0: any.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    project: _Project = None,
) -> None:
    """Write a checkpoint as one ONNX file for other programs: bands in their units in, probabilities out."""
    import training

    with session_for([checkpoint], project) as session:
        show(training.export_onnx(checkpoint, out, size=size, overwrite=overwrite, session=session))


def passport(
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="A run's folder, or one checkpoint in it.")],
    out: Annotated[str | None, typer.Option("--out", help="The file, a .json; else model.stac.json beside it.")] = None,
    project: _Project = None,
) -> None:
    """Write the STAC item by which catalogues list a checkpoint: inputs, outputs, classes, licence, checksum."""
    from training.checkpoints.passport import write_passport

    with session_for([checkpoint], project) as session:
        show(write_passport(checkpoint, out, session=session))


def models() -> None:
    """List the recipes and their networks with exact sizes for the paper's six bands."""
    from training import model_table, plugins

    show_list(model_table.rows, lambda: "\n\n".join(filter(None, (model_table.table(), plugins.listing()))))


def _groups(words: Sequence[str]) -> dict[str, list[str]]:
    """`unet=runs/a,runs/b` words as a dictionary."""
    for word in words:
        name, equals, addresses = word.partition("=")
        if not (name and equals and addresses):
            raise ValueError(f"--group {word}: expected NAME=RUN,RUN, such as unet=runs/unet-0,runs/unet-1")
    parted = [word.partition("=") for word in words]
    return {name: [address for address in addresses.split(",") if address] for name, _, addresses in parted}


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """`a=1` words as a dictionary."""
    for word in words:
        if "=" not in word.strip("="):
            raise ValueError(f"--set {word}: expected KEY=VALUE, such as epochs=3")
    return dict(word.split("=", 1) for word in words)


@contextmanager
def session_for(addresses: Sequence[str | Path], project: str | None) -> Iterator[Any]:
    """A session for gs:// addresses, closed at the end; None where all data lie in folders."""
    if not any(str(address).startswith("gs://") for address in addresses):
        yield None
        return
    from gee_export.earth_engine.session import connect

    session = connect(project)
    try:
        yield session
    finally:
        session.close()
