"""Training on imperfect labels where the truth is known: LandCover3m's chip filter beside robust losses, in one table.

    python benchmarks/noisy_labels.py --home FOLDER [--seeds 0 1] [--epochs 6] [--threads 1]

Everything is simulated: images, label products and truth are the local engine's world (docs/labels.md). Two sets of
labels are learned from: a product as it is, and the same with chips spoiled as maps spoil them (SPOILED). Every method
is judged against the truth of the test blocks. FOLDER keeps datasets, runs and table.json: a killed program goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

import training
from gee_export.base.scheme import SCHEMES
from gee_export.datasets.dataset import Band, Dataset, Sample, StoredLayer, write
from gee_export.export.export import export_patches
from gee_export.labelling import shares
from gee_export.labelling.fusion import majority
from training.imperfect.agreement import agreement
from training.imperfect.noise import read

BBOX_WSEN = (114.18, 30.46, 114.30, 30.66)  # the west of Wuhan: fields, lakes, towns, the city's edge
PLACE = {"bbox": BBOX_WSEN, "month": "2019-06", "size": 64, "stride": 64, "ratios": (7, 1, 2)}
TRUTH = "projects/local/assets/world/truth"
PRODUCTS = ("worldcover", "dynamicworld", "esri", "from_glc10", "gisa")  # the first is the product learned from
# share of the chips and what is wrong with them; chip by chip, every product for itself
SPOILED = {"coded the wrong way round": 0.10, "of another chip": 0.15, "all pervious (older than the town)": 0.15}
ISA = SCHEMES["isa"]
SHARES = StoredLayer((Band("share", "percent", 1.0, nodata=255),), "uint8")
RECIPE = "unet-tiny"


@dataclass(frozen=True)
class Method:
    """How a network is trained: labels are those of `data` with the set's name before it; least: chips' similarity."""

    title: str
    data: str = "product"
    settings: Mapping[str, str] = field(default_factory=dict)
    least: float | None = None


SHARED = {"target": "share", "loss": "soft_cross_entropy"}
METHODS: dict[str, Method] = {
    "plain": Method("cross entropy"),
    "filter20": Method("LandCover3m's filter at 20 %, cross entropy", least=0.2),
    "filter60": Method("the filter at 60 %, cross entropy", least=0.6),
    "symmetric": Method("symmetric cross entropy", settings={"loss": "symmetric_cross_entropy"}),
    "smooth": Method("label smoothing 0.1", settings={"loss.smoothing": "0.1"}),
    "majority": Method("majority of 5 products, cross entropy", "products"),
    "agreement": Method("share of 5 products, soft cross entropy", "products", SHARED),
}
SETS = ("as it is", "spoiled")
BOUND = Method("truth, cross entropy (the bound)", "truth")


@dataclass(frozen=True)
class Chips:
    """Labels of all chips (N, rows, columns) uint8 of a set: of the first product, most of all, share of all (%)."""

    product_NHW: np.ndarray
    most_NHW: np.ndarray
    share_NHW: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="folder for datasets, runs and the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    made(options.home / "data")
    table: dict[str, list] = {name: [] for name, _ in rows()}
    for seed in options.seeds:
        for name, row in rows():
            table[name].append(evaluated(options.home, row, seed, options.epochs))
    (options.home / "table.json").write_text(json.dumps(table, indent=1) + "\n")
    print(described(options.home, table, len(options.seeds), options.epochs))
    print("\n".join(["", *found_chips(options.home, options.seeds[0])]))
    draw(options.home, options.seeds[0])


def rows() -> Iterator[tuple[str, tuple[str, str]]]:
    """Name of every row with its set and method, the bound first."""
    yield "truth", ("", "truth")
    for labels in SETS:
        for method in METHODS:
            yield f"{labels}: {method}", (labels, method)


def made(home: Path) -> None:
    """The datasets: one export of images, one cheap export for each further product, labels put together here."""
    if (home / "spoiled products" / "manifest.json").exists():
        return
    export_patches(out=home / "images", label=PRODUCTS[0], **PLACE)
    truth_as_image = {"image": TRUTH, "unit": "class=1", "bands": ["impervious"], "scale": 10}
    for product in PRODUCTS[1:]:
        export_patches(out=home / product, label=product, **truth_as_image, **PLACE)
    images = Dataset.open(home / "images")
    truth = Dataset.open(home / PRODUCTS[1])
    truth_NHW = np.stack([truth.read_image(patch.id)[0].astype(np.uint8) for patch in images.patches])
    relabel(images, home / "truth", truth_NHW)
    for labels in SETS:
        chips = chips_of(home, labels == "spoiled")
        relabel(images, home / f"{labels} product", chips.product_NHW)
        relabel(images, home / f"{labels} products", chips.most_NHW, chips.share_NHW)


def chips_of(home: Path, spoil: bool) -> Chips:
    """Labels of the products, fused as `isamap export --fusion majority --share` fuses them."""
    images = Dataset.open(home / "images")
    learned = np.array([patch.split != "test" for patch in images.patches])
    labels = []
    for index, product in enumerate(PRODUCTS):
        dataset = Dataset.open(home / (product if index else "images"))
        label_NHW = np.stack([dataset.read_label(patch.id) for patch in images.patches])
        labels.append(spoiled(label_NHW, learned, np.random.default_rng(index)) if spoil else label_NHW)
    every = np.stack(labels)
    share = shares.mean(np.stack([shares.of_classes(label, ISA) for label in labels]))
    return Chips(labels[0], majority(every, ISA), share)


def spoiled(label_NHW: np.ndarray, learned_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The labels with chips of the train and validation splits replaced as SPOILED says; unknown stays unknown."""
    made_NHW, at = label_NHW.copy(), np.flatnonzero(learned_N)
    kind_N = kinds(len(at), rng)
    wrong = (lambda own, donor: 1 - own, lambda own, donor: donor, lambda own, donor: np.zeros_like(own))
    for case, change in enumerate(wrong):
        for chip in at[kind_N == case]:
            own, donor = label_NHW[chip], label_NHW[rng.choice(at)]
            made_NHW[chip] = np.where((own == 255) | (donor == 255), 255, change(own, donor))
    return made_NHW


def kinds(count: int, rng: np.random.Generator) -> np.ndarray:
    """What is wrong with each chip: its place in SPOILED, len(SPOILED) where nothing is."""
    return rng.choice(len(SPOILED) + 1, size=count, p=[*SPOILED.values(), 1 - sum(SPOILED.values())])


def relabel(images: Dataset, folder: Path, label_NHW: np.ndarray, share_NHW: np.ndarray | None = None) -> None:
    """The dataset with other labels (and shares)."""
    layers = {} if share_NHW is None else {"shares": SHARES}
    head = replace(images.manifest, name=folder.name, label={"product": folder.name}, layers=layers)

    def samples() -> Iterator[Sample]:
        for at, patch in enumerate(images.patches):
            share = {} if share_NHW is None else {"shares": share_NHW[at][None]}
            position = (patch.region, patch.period, patch.row, patch.col, patch.split)
            yield Sample(*position, images.read_image(patch), label_NHW[at], share)

    write(folder, head, samples())


def evaluated(home: Path, row: tuple[str, str], seed: int, epochs: int) -> dict[str, Any]:
    """Scores of a row's network against the truth of the test split, trained first where it is not yet."""
    labels, name = row
    method = METHODS.get(name, BOUND)
    run, data = home / "runs" / f"{labels or 'truth'} {name} {seed}", home / "data" / f"{labels} {method.data}".strip()
    note = run.with_suffix(".json")
    if note.exists():
        return json.loads(note.read_text())
    settings = {"epochs": str(epochs), "seed": str(seed)} | dict(method.settings)
    left_out, chips = 0, None
    if method.least is not None:
        preliminary = evaluated(home, (labels, "plain"), seed, epochs)
        chips = home / "runs" / f"{labels} {seed} chips.json"
        result = agreement(home / "runs" / f"{labels} plain {seed}", data, chips).found
        left_out, settings["min_agreement"] = result.below(method.least), str(method.least)
        if not left_out:
            return preliminary  # the same run
    training.train(data, RECIPE, run, settings=settings, chips=chips)
    result = training.evaluate(run, home / "data" / "truth")
    scores = result.scores.to_json(result.classes) | {"left_out": left_out}
    note.write_text(json.dumps(scores) + "\n")
    print(f"{run.name}: MIoU {scores['miou']:.4f} against the truth, {left_out} chips left out", flush=True)
    return scores


def described(home: Path, table: Mapping[str, Sequence[Mapping[str, float]]], seeds: int, epochs: int) -> str:
    """The table in Markdown with mean and spread (half the range over seeds), then what the labels are worth."""
    lines = [
        f"{RECIPE}, {epochs} epochs, {seeds} seeds; everything simulated, judged against the truth of the test blocks.",
        "| labels | method | chips left out | MIoU | F1 impervious | OA |",
        "|---|---|---|---|---|---|",
    ]
    for name, (labels, key) in rows():
        method, evaluations = METHODS.get(key, BOUND), table[name]
        cells = [_spread([scores[score] for scores in evaluations]) for score in ("miou", "f1_impervious", "oa")]
        left_out = f"{mean(scores['left_out'] for scores in evaluations):.0f}" if method.least is not None else ""
        lines.append(f"| {labels or 'truth'} | {method.title} | {left_out} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_worth(home / "data")])


def _worth(home: Path) -> Iterator[str]:
    """How often the labels that are learned from are right."""
    truth = _labels(home / "truth", "train")
    yield f"{len(truth)} chips to train on; share of their pixels that the labels call as the truth does:"
    for name in [f"{labels} {data}" for labels in SETS for data in ("product", "products")]:
        yield f"- {name}: {(_labels(home / name, 'train') == truth).mean():.3f}"


def found_chips(home: Path, seed: int) -> Iterator[str]:
    """How many of the spoiled chips of each kind, and of the others, the filter leaves out at its limits."""
    images = Dataset.open(home / "data" / "images")
    learned = [patch.id for patch in images.patches if patch.split != "test"]
    kind_of = dict(zip(learned, kinds(len(learned), np.random.default_rng(0)).tolist(), strict=True))
    chips = read(home / "runs" / f"spoiled {seed} chips.json").chips
    yield f"| chips (seed {seed}) | in all | left out at 20 % | at 60 % |\n|---|---|---|---|"
    for case, name in enumerate([*SPOILED, "not spoiled"]):
        similar = np.array([chip.similarity for chip in chips if kind_of[chip.id] == case])
        yield f"| {name} | {len(similar)} | {(similar < 0.2).sum()} | {(similar < 0.6).sum()} |"


def _labels(folder: Path, split: str) -> np.ndarray:
    data = Dataset.open(folder)
    return np.stack([data.read_label(patch) for patch in data.in_split(split)])


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.4f} +- {(max(values) - min(values)) / 2:.4f}"


def draw(home: Path, seed: int) -> None:
    """panel.png: test patches with truth, the product and what networks of the spoiled labels make of them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.colors import ListedColormap

    runs = {"plain": "cross entropy", "filter60": "filter 60 %", "symmetric": "symmetric", "agreement": "5 products"}
    maps = {title: predictions(home, f"spoiled {key} {seed}") for key, title in runs.items()}
    maps["learned on truth"] = predictions(home, f"truth truth {seed}")
    data = Dataset.open(home / "data" / "truth")
    product = Dataset.open(home / "data" / "images")
    views = {
        "true colour": lambda patch: _colours(data, patch),
        "truth": data.read_label,
        "product": lambda patch: product.read_label(patch.id),
    }
    patches = sorted(data.in_split("test"), key=lambda patch: abs((patch.impervious_share or 0) - 0.5))[:40:8]
    figure, axes = pyplot.subplots(len(patches), len(views) + len(maps), figsize=(13, 1.75 * len(patches)))
    for row, patch in zip(axes, patches, strict=True):
        shown = [view(patch) for view in views.values()] + [classes[patch.id] for classes in maps.values()]
        for axis, picture, title in zip(row, shown, [*views, *maps], strict=True):
            axis.imshow(picture, cmap=ListedColormap(["#e2ecda", "#b22234"]), vmin=0, vmax=1)
            axis.set_axis_off()
            if patch is patches[0]:
                axis.set_title(title, fontsize=9)
    figure.suptitle("Simulated world, test blocks; networks of the spoiled labels", fontsize=9)
    figure.tight_layout()
    figure.savefig(home / "panel.png", dpi=90)


def _colours(data: Dataset, patch: Any) -> np.ndarray:
    names = data.manifest.band_names
    image = data.read_image(patch)[[names.index(band) for band in ("B4", "B3", "B2")]].astype(float) * 1e-4
    return np.clip(image.transpose(1, 2, 0) / 0.25, 0, 1)


@cache
def predictions(home: Path, run: str) -> dict[str, np.ndarray]:
    """Class of every pixel of the test split by patch id."""
    from training.accuracy.evaluation import classify, source_for
    from training.accuracy.predictions import predicted
    from training.checkpoints import checkpoint as ck

    model = ck.load(home / "runs" / run)
    source = source_for(model, home / "data" / "truth")
    classes = [classify(batch.probabilities_BKHW, 0.5) for batch in predicted(model, source, source.split("test"))]
    return {patch.id: label for (_, patch), label in zip(source.patches("test"), np.concatenate(classes), strict=True)}


if __name__ == "__main__":
    main()
