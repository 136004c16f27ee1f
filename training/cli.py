"""The commands of `training`, such as `isamap train` and `isamap evaluate`: typed functions, thin over its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show, show_list

if TYPE_CHECKING:
    from isamap.training.runs.backbone import Backbone

Checkpoint = Annotated[str, Option("A run's folder, or one checkpoint in it.")]
Data = Annotated[tuple[str, ...], Option("Patch dataset: a folder or gs://bucket/prefix; may repeat.")]
Project = Annotated[str | None, replace(PROJECT, help="Google Cloud project, for gs:// on Google's servers.")]
Logger = Annotated[tuple[str, ...], Option("tensorboard, csv, mlflow or wandb; may repeat.")]
JsonFile = Annotated[str | None, Option("A file for all figures.")]
Device = Annotated[str, Option("What computes.")]
Batch = Annotated[int, Option("Patches at once.")]


@dataclass(frozen=True)
class RecipeOptions:
    """What is trained, and on how many devices."""

    GROUP: ClassVar[str] = "Network"
    recipe: Annotated[
        str | None, Option("See `isamap models`, or a .toml file; crofusenet-tiny, with --from its own.")
    ] = None
    from_: Annotated[str | None, Option("A checkpoint to fine-tune; bands are taken over by name.")] = None
    set_: Annotated[tuple[str, ...], Option("KEY=VALUE of the recipe, e.g. epochs=3 batch=16.")] = ()
    devices: Annotated[int | None, Option("GPUs (or CPU processes) that share every batch; 1 if not named.")] = None
    logger: Logger = ()

    @property
    def settings(self) -> dict[str, str | int]:
        """Changes of the recipe."""
        return {**pairs_of(self.set_), **({} if self.devices is None else {"devices": self.devices})}


@dataclass(frozen=True)
class BackboneOptions:
    """Published weights of the encoder."""

    GROUP: ClassVar[str] = "Pretrained encoder"
    backbone: Annotated[str | None, Option("Published weights of the encoder: .safetensors, or of torch.save.")] = None
    backbone_bands: Annotated[tuple[str, ...], Option("Bands of its first layer; B4 B3 B2 of three channels.")] = ()
    backbone_licence: Annotated[str, Option("Its licence, for the checkpoint's card; else as the file says.")] = ""

    def __post_init__(self) -> None:
        if self.backbone is None and (self.backbone_bands or self.backbone_licence):
            raise ValueError("--backbone-bands and --backbone-licence describe a file: name it with --backbone")

    @property
    def weights(self) -> Backbone | None:
        """As `isamap.training.train` takes it."""
        from isamap.training.runs.backbone import Backbone

        return None if self.backbone is None else Backbone(self.backbone, self.backbone_bands, self.backbone_licence)


@dataclass(frozen=True)
class LabelOptions:
    """Which labels are learned from."""

    GROUP: ClassVar[str] = "Labels"
    chips: Annotated[str | None, Option("What `isamap agreement` wrote: patches to leave out.")] = None
    answers: Annotated[
        str | None, Option("Filled-in points.gpkg of `isamap ask`: only these pixels are learned from.")
    ] = None
    label_weight: Annotated[float, Option("With --answers: weight of the data's own labels beside 1 of them.")] = 0.0


@dataclass(frozen=True)
class Judgement:
    """The patches and labels that a checkpoint is judged by."""

    split: Annotated[str, Option("Which patches.")] = "test"
    layer: Annotated[str, Option("Of fine ones 1 m; as fine as the network's output if not named.")] = ""


@dataclass(frozen=True)
class Computing:
    """What computes predictions."""

    GROUP: ClassVar[str] = "Computing"
    device: Device = "auto"
    batch: Batch = 16
    runtime: Annotated[str, Option("See docs/runtimes.md.")] = "torch"
    precision: Annotated[str, Option("fp32, bf16, fp16 or int8.")] = "fp32"
    tta: Annotated[str, Option("Mean over flips, or over flips and turns (d4).")] = "none"


@dataclass(frozen=True)
class Pruning:
    """Which filters go, and what follows: keywords of `isamap.training.prune`."""

    GROUP: ClassVar[str] = "Pruning"
    scheme: Annotated[str, Option("inner, literal or groups (docs/pruning.md).")] = "inner"
    ratio: Annotated[float, Option("Share of the filters that go.")] = 0.4
    round_to: Annotated[int | None, Option("Kept filters are a multiple of it: 8, and 1 for literal.")] = None
    tune_epochs: Annotated[
        int | None, Option("Epochs of the small network; as many as before, 0: none.", flag="--tune")
    ] = None
    split: Annotated[str, Option("Where accuracy is measured: test, val or train.")] = "test"


@command
def train(
    data: Data,
    out: Annotated[str, Option("The run's folder or gs:// prefix; an interrupted run goes on.")],
    network: RecipeOptions,
    encoder: BackboneOptions,
    labels: LabelOptions,
    project: Project = None,
) -> None:
    """Train a network on patch datasets; writes best/ and last/ checkpoints, logs and pictures."""
    from isamap import training

    with session_for([*data, out, network.from_ or ""], project) as session:
        settings: dict[str, Any] = {"settings": network.settings, "start": network.from_, "backbone": encoder.weights}
        settings |= {"loggers": network.logger, **vars(labels)}
        show(training.train(data, network.recipe, out, **settings, session=session))


@command
def evaluate(
    checkpoint: Checkpoint,
    data: Data,
    judgement: Judgement,
    computing: Computing,
    json_: JsonFile = None,
    diagram: Annotated[str | None, Option("A PNG: do probabilities mean what they say?")] = None,
    project: Project = None,
) -> None:
    """Print IoU, PA, UA and F1 per class, OA, MIoU and kappa of a checkpoint on a split, with 95 % intervals."""
    from isamap import training
    from isamap.training.accuracy.evaluation import EvaluationReport

    for target in (json_, diagram):
        if target is not None:
            EvaluationReport.check_target(target)
    with session_for([*data, checkpoint], project) as session:
        report = training.evaluate(checkpoint, data, **vars(judgement), **vars(computing), session=session)
    show(report)  # first: seen even where the file cannot be written
    if json_ is not None:
        report.write(json_)
    if diagram is not None and report.reliability is None:
        raise ValueError("--diagram is of probabilities, and this network learned shares: leave it out")
    if diagram is not None:
        report.reliability.draw(diagram, title=checkpoint)


@command
def compare(
    data: Data,
    judgement: Judgement,
    runs: Annotated[tuple[str, ...], Option("Runs' folders, or checkpoints.", metavar="RUN", positional=True)] = (),
    group: Annotated[tuple[str, ...], Option("NAME=RUN,RUN: runs of one recipe that differ in their seed.")] = (),
    json_: JsonFile = None,
    device: Device = "auto",
    project: Project = None,
) -> None:
    """Say which of several checkpoints is better on the same patches, and which cannot be distinguished."""
    from isamap import training
    from isamap.training.accuracy.comparison_report import ComparisonReport, named

    if json_ is not None:
        ComparisonReport.check_target(json_)
    runs_of_name = named(runs, _groups(group))
    with session_for([*data, *(run for of_name in runs_of_name.values() for run in of_name)], project) as session:
        report = training.compare(runs_of_name, data, **vars(judgement), device=device, session=session)
    show(report)  # first: seen even where the file cannot be written
    if json_ is not None:
        report.write(json_)


@command
def prune(
    checkpoint: Checkpoint,
    data: Data,
    out: Annotated[str, Option("Folder of the smaller checkpoint; interrupted, it goes on.")],
    pruning: Pruning,
    set_: Annotated[tuple[str, ...], Option("KEY=VALUE of the recipe, e.g. epochs=10 lr=1e-4.")] = (),
    project: Project = None,
) -> None:
    """Remove a network's redundant filters while it trains on; prints size, speed and accuracy before and after."""
    from isamap import training

    with session_for([*data, checkpoint], project) as session:
        show(training.prune(checkpoint, data, out, **vars(pruning), settings=pairs_of(set_), session=session))


@command
def ensemble(
    runs: Annotated[
        tuple[str, ...], Option("Runs' folders, or checkpoints; two or more.", metavar="RUN", positional=True)
    ],
    out: Annotated[str, Option("Folder of the ensemble, a checkpoint like others.")],
    project: Project = None,
) -> None:
    """Join several checkpoints into one whose probability is the mean of theirs."""
    from isamap import training

    with session_for(runs, project) as session:
        show(training.ensemble(runs, out, session=session))


@command
def quantize(
    checkpoint: Checkpoint,
    data: Data,
    out: Annotated[str, Option("Folder of the copy, for precision int8.")],
    split: Annotated[str, Option("Where ranges are measured: train or val.")] = "train",
    patches: Annotated[int, Option("So many patches of it.")] = 64,
    judge: Annotated[str, Option("Where fp32 and int8 are compared: val or train.")] = "val",
    max_loss: Annotated[float, Option("By how much MIoU and F1 may fall; beyond it nothing is written.")] = 0.005,
    batch: Batch = 16,
    project: Project = None,
) -> None:
    """Write a copy of a checkpoint that also computes in 8 bits; prints what that costs in accuracy."""
    from isamap import training

    options = {"split": split, "patches": patches, "judge": judge, "max_loss": max_loss, "batch": batch}
    with session_for([*data, checkpoint], project) as session:
        show(training.quantize(checkpoint, data, out, **options, session=session))


@command
def agreement(
    checkpoint: Annotated[str, Option("A preliminary model: a run on the same data.")],
    data: Data,
    out: Annotated[str, Option("JSON file for `isamap train --chips`.")],
    device: Device = "auto",
    batch: Batch = 16,
    project: Project = None,
) -> None:
    """Count on how much of each training patch a preliminary model and the label agree, to leave out bad labels."""
    from isamap.training.imperfect.agreement import agreement as find

    with session_for([*data, checkpoint], project) as session:
        show(find(checkpoint, data, out, batch=batch, device=device, session=session))


@command
def onnx(
    checkpoint: Checkpoint,
    out: Annotated[str, Option("The file, an .onnx.")],
    size: Annotated[int, Option("Pixels of its only input size; 0: any.")] = 0,
    overwrite: Annotated[bool, Option("Replace what is there.")] = False,
    project: Project = None,
) -> None:
    """Write a checkpoint as one ONNX file for other programs: bands in their units in, probabilities out."""
    from isamap import training

    with session_for([checkpoint], project) as session:
        show(training.export_onnx(checkpoint, out, size=size, overwrite=overwrite, session=session))


@command
def passport(
    checkpoint: Checkpoint,
    out: Annotated[str | None, Option("The file, a .json; else model.stac.json beside it.")] = None,
    project: Project = None,
) -> None:
    """Write the STAC item by which catalogues list a checkpoint: inputs, outputs, classes, licence, checksum."""
    from isamap.training.checkpoints.passport import write_passport

    with session_for([checkpoint], project) as session:
        show(write_passport(checkpoint, out, session=session))


@command
def publish_model(
    checkpoint: Checkpoint,
    to: Annotated[str, Option("A folder, gs://BUCKET/PREFIX, or hf://ORG/NAME (needs HF_TOKEN).")],
    public: Annotated[bool, Option("A hub shows a new model to everybody.")] = False,
    project: Project = None,
) -> None:
    """Put a checkpoint's safetensors, card and passport where others find them: a folder, a bucket, a model hub."""
    from isamap.training.checkpoints.publication import publish_model as publish

    with session_for([checkpoint, to], project) as session:
        show(publish(checkpoint, to, public=public, session=session))


def models() -> None:
    """List the recipes and their networks with exact sizes for the paper's six bands."""
    from isamap.training import model_table, plugins

    show_list(model_table.rows, lambda: "\n\n".join(filter(None, (model_table.table(), plugins.listing()))))


def _groups(words: Sequence[str]) -> dict[str, list[str]]:
    """`unet=runs/a,runs/b` words as a dictionary."""
    groups: dict[str, list[str]] = {}
    for word in words:
        name, equals, addresses = word.partition("=")
        if not (name and equals and addresses):
            raise ValueError(f"--group {word}: expected NAME=RUN,RUN, such as unet=runs/unet-0,runs/unet-1")
        groups[name] = [address for address in addresses.split(",") if address]
    return groups


def pairs_of(words: Sequence[str]) -> dict[str, str]:
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
    from isamap.gee_export.earth_engine.session import connect

    session = connect(project)
    try:
        yield session
    finally:
        session.close()
