"""Makes the networks that come with isamap: `python -m benchmarks.starter --out runs/starter`.

Exports patches of the simulated world, trains two small U-Nets on both processing levels, one of Sentinel-2 alone and
one of both sensors, and writes OUT/starter and OUT/starter-s2s1. Beside them a forest and two indices learn from the
same patches (OUT/forest, OUT/ndbi, OUT/ndvi). The same command continues where it was stopped. Nothing is downloaded
and no account is needed. docs/starter.md says how they did.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.starter_places import LEVELS, PLACES, PROCESSINGS, Box, boxes
from isamap import gee_export
from isamap.gee_export.sentinel.sentinel1 import POLARISATIONS
from isamap.training.accuracy.predictions import predicted
from isamap.training.accuracy.thresholds import BINS, best, histogram
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.fitting import pixels
from isamap.training.fitting.keeping import HISTORY
from isamap.training.fitting.loop import fit
from isamap.training.fitting.plan import FitPlan
from isamap.training.models import build
from isamap.training.recipes import Recipe, recipe
from isamap.training.runs.beginning import config_for
from isamap.training.runs.run import about_run
from isamap.training.runs.source import target_of
from isamap.training.samples.data import SampleSource, of_both_levels, open_source

BANDS = ("B2", "B3", "B4", "B8", "B11")
LABELS = ("worldcover", "esri", "wsf2019")
# after more of them real roofs are called impervious less and less, simulated ones ever better (docs/starter.md)
EPOCHS = 3
RECIPE = Recipe(
    "starter",
    "unet",
    config={"widths": (12, 24, 48, 96), "up": "bilinear"},
    loss="soft_cross_entropy",
    target="share",
    bands=BANDS,
    epochs=EPOCHS,
    batch=8,
    optimiser="adamw",
    lr=3e-3,
    schedule="cosine",
    warmup=0.5,
    weight_decay=1e-2,
    clip=1.0,
    ema=0.995,
    augment=("flip", "rotate", "blur", "radiometry", "drop"),
    crop=96,
    device="cpu",
)

NETWORKS = {
    "starter": RECIPE,
    "starter-s2s1": replace(
        RECIPE,
        name="starter-s2s1",
        bands=(*BANDS, *POLARISATIONS),
        augment=("flip", "rotate", "speckle", "blur", "radiometry", "drop", "sensor"),
    ),
}
RIVALS = {"forest": "random_forest-tiny", "ndbi": "ndbi", "ndvi": "ndvi"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/starter"), help="the same command goes on here")
    parser.add_argument("--places", type=int, default=len(PLACES), help="only the first so many, to try")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the schedule")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each kind: OUT/starter, OUT/starter-1, ...")
    parser.add_argument("--only-export", action="store_true", help="patches, and no network")
    options = parser.parse_args()
    exported = [export(box, options.out / "data") for box in boxes(PLACES[: options.places])]
    if options.only_export:
        return
    for name, learned in networks(options.seeds, options.epochs).items():
        source, run = source_of(exported, learned), options.out / "runs" / name
        train(source, learned, run)
        print(json.dumps({name: finished(source, run, options.out / name)}, indent=1), flush=True)
    for name in RIVALS:
        rival(name, exported, options.out / name)


def networks(seeds: int, epochs: int = EPOCHS) -> dict[str, Recipe]:
    """The recipes by the names of their folders; those of the first seed bear the plain names."""
    return {
        name if seed == 0 else f"{name}-{seed}": replace(learned, seed=seed, epochs=epochs)
        for seed in range(seeds)
        for name, learned in NETWORKS.items()
    }


def export(box: Box, data: Path) -> Path:
    """The folder of a box's patches; what is there whole is left alone."""
    folder = data / f"{box.name}-{box.processing}"
    if not (folder / "manifest.json").exists():
        gee_export.export_patches(
            bbox=box.bounds,
            name=box.name,
            month=box.town.month(box.level),
            sensors=["sentinel2", "sentinel1"],
            bands=list(BANDS),
            label=list(LABELS),
            fusion="majority",
            share=True,
            settings={"level": box.level, "speckle": box.speckle},
            stride=128,
            split="random",
            workers=1,
            out=folder,
            progress=False,
        )
        print(folder, flush=True)
    return folder


def source_of(folders: Sequence[Path], learned: Recipe = RECIPE) -> SampleSource:
    """All patches as one source; maps are said to be of the first processing, L2A with filtered radar."""
    alike = [[folder for folder in folders if folder.name.endswith(processing)] for processing in PROCESSINGS]
    bands, target = learned.bands or BANDS, target_of(learned)
    return of_both_levels([open_source(group, bands, target=target) for group in alike if group])


def rival(name: str, folders: Sequence[Path], out: Path) -> None:
    """A classifier of single pixels of the same patches, as OUT/best; what is there is left alone."""
    if (out / ck.BEST / ck.DESCRIPTION).exists():
        return
    learned = recipe(RIVALS[name])
    source = source_of(folders, learned)
    network = build(learned.model, source.band_names, config_for(learned, source))
    out.mkdir(parents=True, exist_ok=True)
    description = about_run(source, network, learned) | {"dataset": about_data(source)}
    pixels.fit(FitPlan(network, source, source.split("train"), source.split("val"), learned, out, description))


def train(source: SampleSource, learned: Recipe, folder: Path) -> None:
    """Train in `folder`, from its last finished epoch on."""
    torch.manual_seed(learned.seed)
    network = build(learned.model, source.band_names, config_for(learned, source))
    folder.mkdir(parents=True, exist_ok=True)
    description = about_run(source, network, learned) | {
        "dataset": about_data(source),
        "origin": {"levels": list(LEVELS)},
    }
    fit(FitPlan(network, source, source.split("train"), source.split("val"), learned, folder, description))


def epochs_of(folder: Path) -> int:
    """Finished epochs of a run."""
    history = folder / HISTORY
    return len(json.loads(history.read_bytes())) if history.exists() else 0


def about_data(source: SampleSource) -> dict[str, Any]:
    """What the checkpoint says of its data, in few words."""
    names = sorted({dataset.manifest.name for dataset in source.datasets})
    periods = {period["label"]: dict(period) for each in source.datasets for period in each.manifest.periods}
    return {
        "name": f"{len(names)} exports of the simulated world at {len(PLACES)} places, levels L2A and L1C",
        "fingerprint": hashlib.sha256(source.fingerprint.encode()).hexdigest(),
        "split": "random",
        "periods": [periods[label] for label in sorted(periods)],
        "label": {"product": f"share of {', '.join(LABELS)} that say impervious"},
        "step_m": 10.0,
    }


def finished(source: SampleSource, run: Path, out: Path) -> dict[str, Any]:
    """The last epoch's network of a run as the folder `out`, which says that it learned classes of any bands.

    So `isamap evaluate` and fine-tuning take datasets without shares and of other bands; on classes the loss is the
    cross entropy. The threshold stays .5, where half of the products say impervious (docs/starter.md).
    """
    last = ck.load(run / ck.LAST)
    kept = replace(last, target="label", recipe={**last.recipe, "target": "label", "bands": []})
    ck.rewrite(kept, out)
    counts = np.zeros((2, BINS), np.int64)
    for prediction in predicted(last, source, source.split("val"), device="cpu"):
        counts += histogram(prediction.probabilities_BKHW[:, 1], prediction.label_BHW)
    size = (out / ck.WEIGHTS).stat().st_size
    best_on_validation = dict(zip(("threshold", "f1"), best(counts, "f1"), strict=True))
    network_facts = {"fingerprint": kept.fingerprint, "epochs": epochs_of(run), "weights_bytes": size}
    return network_facts | {"patches": patch_counts(source), "best_on_validation": best_on_validation}


def patch_counts(source: SampleSource) -> dict[str, int]:
    """Patches of each split."""
    return {name: len(source.split(name)) for name in ("train", "val", "test")}


if __name__ == "__main__":
    main()
