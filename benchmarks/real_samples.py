"""Real pixels through the whole way: `python benchmarks/real_samples.py --data ../shared/data --out runs/real`.

TerraMind's patch 433D is exported, trained on, mapped, published and read back; WorldCereal's twelve months are
exported one by one. Nothing is downloaded and no account is needed. Figures go to OUT/figures.json, pictures beside
it; docs/real-samples.md says what they can and cannot show. With `--judge CHECKPOINT ...` these checkpoints are mapped
and judged on all samples of known ground instead, into OUT/judged.json and a table (docs/starter.md).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # works from an uninstalled clone too

import numpy as np

from benchmarks import real_catalogs as catalogs
from benchmarks import real_ground, real_rivals
from benchmarks import real_pictures as pictures
from benchmarks.real_ground import KnownGround
from isamap import gee_export, inference, training
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.manifest import NODATA
from isamap.training.accuracy.metrics import scores
from isamap.training.checkpoints.judged import judged_table

ASSET = "projects/local/assets/real/terramind_433d"
JUDGED_ON = ("leipzig", "eolearn_slovenia", "terramind", "beijing_thu")
DB_TOLERANCE = 0.005 + 5e-6  # half of the stored step of 0.01 dB, and the rounding of float32


@dataclass(frozen=True)
class Ground:
    """Stored pixels put together from a dataset's patches, and which of them lie in a train or val patch."""

    image_BHW: np.ndarray
    label_HW: np.ndarray | None
    seen_HW: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds terramind/ and worldcereal/")
    parser.add_argument("--out", type=Path, default=Path("runs/real"), help="the same command goes on here")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--judge", type=Path, nargs="+", default=(), help="checkpoints' folders, judged instead")
    parser.add_argument("--note", action="store_true", help="write the judgement into the first of them and its card")
    options = parser.parse_args()
    if options.note and not options.judge:
        parser.error("--note is of --judge: name the checkpoint whose card is to say it")
    for needed in JUDGED_ON if options.judge else ("terramind", "worldcereal"):
        if not (options.data / needed).is_dir():
            parser.error(f"--data {options.data}: holds no folder {needed}")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.judge:
        grounds = real_ground.known_grounds(options.data, options.out / "ground")
        bare = real_rivals.nothing_built(options.out / "bare")
        radar = real_ground.beijing(options.data, options.out / "ground")
        judge(options.judge, grounds, bare, radar, options.out, noted=options.judge[:1] if options.note else ())
        return
    os.environ["ISAMAP_HOME"] = str(options.out / "home")  # a catalog, assets and buckets of its own
    figures = {
        "terramind": terramind(options.data, options.out / "terramind", epochs=options.epochs),
        "worldcereal": worldcereal(options.data, options.out / "worldcereal"),
    }
    text = json.dumps(figures, indent=1)
    (options.out / "figures.json").write_text(text + "\n")
    print(text)


def judge(
    checkpoints: Sequence[Path],
    grounds: Sequence[KnownGround],
    bare: Sequence[KnownGround],
    radar: KnownGround,
    out: Path,
    *,
    noted: Sequence[Path] = (),
) -> None:
    """Every checkpoint on every sample of known ground: OUT/judged.json, a printed table, and cards of some."""
    figures = {checkpoint.name: real_ground.judged(checkpoint, grounds, out, bare) for checkpoint in checkpoints}
    own = {ground.name: real_rivals.of_own_points(ground) for ground in grounds}
    figures[real_rivals.OWN_POINTS] = real_ground.figures_of(own, 0.5, grounds)
    further = {
        "threshold_of_the_best_f1_over_all": {
            each.name: round(real_ground.best_threshold_of(each, [*grounds, *bare], out), 3) for each in checkpoints
        },
        "share_called_built_where_nothing_is": {
            each.name: real_rivals.called_built(each, bare, out) for each in checkpoints
        },
        "with_a_band_missing": {
            each.name: real_rivals.with_bands_missing(each, grounds, out)
            for each in checkpoints
            if real_rivals.may_lack_a_band(each)
        },
        "radar_alone": {
            each.name: real_rivals.of_radar_alone(each, radar, out)
            for each in checkpoints
            if real_rivals.knows_radar(each)
        },
    }
    (out / "judged.json").write_text(json.dumps({"grounds": figures} | further, indent=1) + "\n")
    by_ground = real_ground.by_ground(figures, grounds)
    for checkpoint in noted:
        real_ground.note(checkpoint, by_ground, date.today().isoformat())
    print(judged_table(by_ground))
    print(json.dumps(further, indent=1))


def terramind(data: Path, out: Path, *, epochs: int) -> dict[str, Any]:
    """Export, train, map, publish and read back patch 433D; what came out, in figures."""
    sample = catalogs.terramind(data, out / "catalog")
    request = {"bbox": catalogs.box_of(sample.grid), "month": sample.months[0], "catalog": str(sample.catalog)}
    seconds = {}
    with timed(seconds, "export"):
        gee_export.export_patches(
            **request, size=64, stride=16, clouds="none", speckle="none", out=out / "patches", progress=False
        )
    with timed(seconds, "train"):
        settings = {"epochs": epochs, "batch": 8, "patience": epochs}
        trained = training.train(out / "patches", "crofusenet-tiny", out / "run", settings=settings)
    with timed(seconds, "map"):
        inference.map_region(out / "run", **request, out=out / "map.tif", progress=False)
    with timed(seconds, "publish"):
        inference.publish(out / "map.tif", asset=ASSET, progress=False)
    dataset = Dataset.open(out / "patches")
    ground = gather(dataset)
    isa, prob = catalogs.read_map(out / "map.tif")
    pictures.four_panels(
        ground.image_BHW, ground.label_HW, isa, prob, ~ground.seen_HW, out=out.parent / "terramind.png"
    )
    lattice = catalogs.nearest_lattice(sample.grid)
    return {
        "moved_m": [lattice.affine.c - sample.grid.affine.c, lattice.affine.f - sample.grid.affine.f],
        "backscatter": dataset.manifest.backscatter,
        "patches": dict(dataset.manifest.counts),
        "split": dict(dataset.manifest.split),
        "impervious_share": float((ground.label_HW == 1).mean()),
        "source": against_source(ground, dataset, *catalogs.terramind_source(data)),
        "training": {"epochs": trained.epochs, "best_epoch": trained.best_epoch, "val_miou": trained.best_miou},
        "accuracy": {
            "test_split": evaluated(out),
            "pixels_no_train_or_val_patch_holds": accuracy(ground, isa, ~ground.seen_HW),
            "pixels_of_train_and_val_patches": accuracy(ground, isa, ground.seen_HW),
        },
        "asset_equals_map": bool(np.array_equal(catalogs.read_asset(ASSET, lattice), np.stack([isa, prob]))),
        "seconds": seconds,
    }


def worldcereal(data: Path, out: Path) -> dict[str, Any]:
    """Each month exported by itself: compared with the source, or the sentence that says why there is nothing."""
    sample = catalogs.worldcereal(data, out / "catalog")
    box, months = catalogs.box_of(sample.grid), {}
    for index, month in enumerate(sample.months):
        folder = out / month
        try:
            gee_export.export_patches(
                bbox=box,
                month=month,
                size=100,
                stride=100,
                clouds="none",
                speckle="none",
                label="none",
                catalog=str(sample.catalog),
                out=folder,
                progress=False,
            )
        except ValueError as error:
            months[month] = {"refused": str(error)}
            continue
        dataset = Dataset.open(folder)
        ground = gather(dataset)
        months[month] = against_source(ground, dataset, *catalogs.worldcereal_source(data, index))
        months[month] |= pictures.medians(ground.image_BHW, dataset.manifest.band_names)
    pictures.year(months, out=out.parent / "worldcereal.png")
    return months


def gather(dataset: Dataset) -> Ground:
    """The dataset's grid filled from its patches; overlapping patches must agree."""
    (grid,) = dataset.manifest.grids.values()
    shape, size = grid.shape, dataset.manifest.size
    image = np.full((len(dataset.manifest.bands), *shape), NODATA, np.int16)
    label = np.full(shape, 255, np.uint8) if dataset.manifest.label else None
    seen, filled = np.zeros(shape, bool), np.zeros(shape, bool)
    for patch in dataset.patches:
        rows, cols = slice(patch.row - grid.row, patch.row - grid.row + size), slice(patch.col, patch.col + size)
        cols = slice(cols.start - grid.col, cols.stop - grid.col)
        pixels = dataset.read_image(patch)
        if (image[:, rows, cols] != pixels)[:, filled[rows, cols]].any():
            raise ValueError(f"{patch.id}: its pixels differ from those of a patch that overlaps it")
        image[:, rows, cols] = pixels
        if label is not None:
            label[rows, cols] = dataset.read_label(patch)
        filled[rows, cols] = True
        seen[rows, cols] |= patch.split in ("train", "val")
    return Ground(image, label, seen)


def against_source(ground: Ground, dataset: Dataset, s2: dict, s1_db: dict) -> dict[str, Any]:
    """Largest difference from the source over pixels that both have: Sentinel-2 in stored numbers, Sentinel-1 in dB."""
    stored = dict(zip(dataset.manifest.band_names, ground.image_BHW, strict=True))
    both = {**s2, **s1_db}
    valid = {band: (stored[band] != NODATA) & ~np.ma.getmaskarray(both[band]) for band in both}
    s2_off = max(int(np.abs(stored[b].astype(int) - s2[b])[valid[b]].max()) for b in s2)
    s1_off = max(float(np.abs(stored[b] * 0.01 - s1_db[b])[valid[b]].max()) for b in s1_db)
    return {
        "pixels": int(min(mask.sum() for mask in valid.values())),
        "masks_agree": all(bool(((stored[b] != NODATA) == ~np.ma.getmaskarray(both[b])).all()) for b in both),
        "s2_largest_difference": s2_off,
        "s1_largest_difference_db": round(s1_off, 6),
        "s1_within_tolerance": s1_off <= DB_TOLERANCE,
    }


def accuracy(ground: Ground, isa: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    """Scores of the map against the label over some pixels (those valid in both)."""
    valid = where & (ground.label_HW != 255) & (isa != 255)
    counts = np.bincount(ground.label_HW[valid].astype(int) * 2 + isa[valid], minlength=4).reshape(2, 2)
    return {"pixels": int(valid.sum()), **scores(counts).to_json(("pervious", "impervious"))}


def evaluated(out: Path) -> dict[str, Any]:
    """The scores that `isamap evaluate --split test` gives."""
    report = training.evaluate(checkpoint=out / "run", data=out / "patches", split="test")
    return {"pixels": int(report.confusion.sum()), **report.scores.to_json(("pervious", "impervious"))}


class timed:
    """Notes the seconds that a block took under a name."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.name] = round(time.perf_counter() - self.begun, 1)


if __name__ == "__main__":
    main()
