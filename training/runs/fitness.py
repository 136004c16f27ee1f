"""Checks that data can train a network, made before any folder is claimed; each names one remedy."""

from __future__ import annotations

from isamap.gee_export.base.class_balance import unlike_note
from isamap.gee_export.datasets.composite_rules import behind, version_of
from isamap.training.gpu import MPS, gpu_of
from isamap.training.models.output import Network
from isamap.training.recipes import Recipe
from isamap.training.recipes.optimisers import check_layers, is_in, rate_of
from isamap.training.samples.data import Patches, SampleSource, label_shares


def check_device(recipe: Recipe) -> None:
    """Raises ValueError for a GPU that is requested and absent, or a precision that needs one."""
    gpu = gpu_of() if recipe.device != "cpu" else ""
    if recipe.device == "gpu" and not gpu:
        raise ValueError("device=gpu: this machine has no GPU that torch can use; leave device out or set device=cpu")
    if gpu == MPS and recipe.precision != "fp32":
        raise ValueError(f"precision={recipe.precision}: an Apple GPU is used in fp32 alone; leave it out")
    if recipe.precision == "fp16" and not gpu:
        raise ValueError("precision=fp16 needs a GPU; on the CPU use fp32, or bf16 where the CPU has it")


def check_recipe_layers(recipe: Recipe, network: Network) -> None:
    """ValueError: layers with a rate of their own, or frozen ones, that the network does not have; all frozen."""
    check_layers(network, tuple(rate_of(word)[0] for word in recipe.rates))
    check_layers(network, recipe.freeze)
    frozen = [any(is_in(name, layer) for layer in recipe.freeze) for name, _ in network.named_parameters()]
    if frozen and all(frozen):
        raise ValueError(f"freeze={','.join(recipe.freeze)}: nothing is left to learn, leave a layer out")


def check_size(source: SampleSource, network: Network, crop: int) -> None:
    """ValueError: sides that the network cannot halve often enough, labels coarser or finer than its output, dates."""
    size, multiple = source.datasets[0].manifest.size, network.multiple
    if size % multiple:
        raise ValueError(
            f"patches of {size} px: this network halves its input down to a {multiple}th; "
            f"export with --size {max(1, size // multiple) * multiple}"
        )
    if crop > size or crop % multiple:
        raise ValueError(f"crop={crop}: expected a multiple of {multiple} up to the patches' {size} px, or 0")
    if network.scale != source.ratio:
        raise ValueError(
            f"the network gives {network.scale} output pixels per input pixel, the labels have {source.ratio}: "
            f"{'export with fine labels and set target=fine' if network.scale > 1 else 'set target=label'}"
        )
    if source.target.frames and not getattr(network, "dates", False):
        raise ValueError(f"frames={source.target.frames}: this network looks at one image a patch, leave frames out")


def check_splits(training: Patches, validation: Patches, *, batch: int, classes: tuple[str, ...]) -> None:
    """ValueError: too few patches for a batch, nothing to validate on, labels unknown or of one class."""
    if len(training) < batch:
        raise ValueError(
            f"batch={batch} is larger than the train split of {len(training)} patches: "
            f"use --set batch={max(1, len(training) // 2)} or export a larger region"
        )
    if not len(validation):
        raise ValueError("the validation split is empty: export a larger region, or with --split random")
    for name, patches in (("train", training), ("validation", validation)):
        *shares, unknown = label_shares(patches)
        if unknown == 1:
            raise ValueError(
                f"all labels of the {name} split are unknown: export with a label product of that place or, where "
                "labels are few and far between, with --split random, another --seed or other --ratios"
            )
        if name == "train":
            _check_classes(shares, classes)


def _check_classes(shares: list[float], classes: tuple[str, ...]) -> None:
    present = [label for label, share in zip(classes, shares, strict=True) if share]
    if len(present) > 1:
        return
    if len(classes) > 2:
        raise ValueError(
            f"the train split holds {present[0]} only: a network needs two classes; check the label's codes, or export "
            "another region"
        )
    missing = next(label for label in classes if label not in present)
    raise ValueError(
        f"the train split holds no {missing} pixel: a network needs both; check that the export took the label's "
        f"right codes (--label FILE#BAND=CODES names those of impervious), or export a region with {missing} ground"
    )


def former_rules(source: SampleSource) -> str | None:
    """A sentence where the datasets' composites were made by an earlier isamap's rules; all share one version."""
    if (words := behind(version_of(source.datasets[0].manifest.settings))) is None:
        return None
    return f"composites of {words}: the network maps by the older rules; export the data again for the present ones"


def unlike_splits(training: Patches, validation: Patches, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A warning where validation is much more or less impervious than what is learned from; labels by classes only."""
    if "impervious" not in classes:
        return ()
    at, share_of = classes.index("impervious"), {}
    for split, patches in (("train", training), ("val", validation)):
        *shares, unknown = label_shares(patches)
        share_of[split] = shares[at] / (1 - unknown) if unknown < 1 else float("nan")
    note = unlike_note(share_of)
    return () if note is None else (f"warning: {note}",)
