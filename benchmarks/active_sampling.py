"""Labels that active sampling needs beside random points, where the truth of every pixel is known (simulated).

    python benchmarks/active_sampling.py --home FOLDER [--seeds 0 1 2]

Pool: the training patches of a place of the local engine's world, whose labels are hidden. Each round asks for points,
the truth answers, and a random forest learns from all answers so far; it is judged on all pixels of the test blocks.
Points are those that `isamap ask` would choose (inference/questions), or random ones. FOLDER keeps data and figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # works from an uninstalled clone too

import numpy as np
import torch

from benchmarks.noisy_labels import TRUTH, relabel
from gee_export.base.scheme import UNKNOWN
from gee_export.datasets.dataset import Dataset
from gee_export.datasets.manifest import NODATA
from gee_export.export.export import export_patches
from inference.questions.choice import candidates
from inference.questions.scores import SCORES
from training.models.classical import RandomForest, RandomForestConfig

BBOX_WSEN = (114.18, 30.50, 114.25, 30.60)  # the west of Wuhan: fields, lakes, towns, the city's edge
PLACE = {"bbox": BBOX_WSEN, "month": "2019-06", "size": 64, "stride": 64, "ratios": (6, 1, 3)}
BUDGETS = (25, 50, 100, 200, 400, 800)
EACH = 3  # points a patch and round at most, where that is enough
FOREST = RandomForestConfig(trees=50, leaf=1)
MEMBERS = 5

Choose = Callable[["Pool", RandomForest, np.ndarray, int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Pool:
    """Patches [N, band, row, column], their truth and the product's label [N, row, column], and where all is known."""

    image_NBHW: np.ndarray
    truth_NHW: np.ndarray
    label_NHW: np.ndarray
    valid_NHW: np.ndarray

    def pixels(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bands (pixels, B) and truth of pixels [number, (patch, row, column)]."""
        patch, row, col = at.T
        return self.image_NBHW[patch, :, row, col], self.truth_NHW[patch, row, col].astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="folder for the data and the figures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=[*methods()], help="further ones of the figures stay")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made(options.home)
    begun = time.process_time()
    pool, test = (opened(options.home, split) for split in ("train", "test"))
    for name, pixels in (("pool", pool), ("test", test)):
        print(f"{name}: {len(pixels.image_NBHW)} patches, {share(pixels):.1%} impervious; everything simulated")
    path = options.home / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    for name in [*([] if "random" in figures else ["random"]), *(name for name in options.methods if name != "random")]:
        figures[name] = [curve(pool, test, methods()[name], seed) for seed in options.seeds]
        path.write_text(json.dumps(figures, indent=1) + "\n")
    print(described(figures))
    print(f"CPU {time.process_time() - begun:.0f} s")


def made(home: Path) -> None:
    """The pool's images with a product's labels, and the same with the truth."""
    if (home / "truth" / "manifest.json").exists():
        return
    export_patches(out=home / "images", label="worldcover", **PLACE)
    truth_as_image = {"image": TRUTH, "unit": "class=1", "bands": ["impervious"], "scale": 10}
    export_patches(out=home / "answers", label="worldcover", **truth_as_image, **PLACE)
    images, answers = Dataset.open(home / "images"), Dataset.open(home / "answers")
    relabel(images, home / "truth", np.stack([answers.read_image(p.id)[0].astype(np.uint8) for p in images.patches]))


def opened(home: Path, split: str) -> Pool:
    """A split as arrays."""
    images, truth = Dataset.open(home / "images"), Dataset.open(home / "truth")
    patches = images.in_split(split)
    image_NBHW = np.stack([images.read_image(patch) for patch in patches]).astype(np.float32)
    truth_NHW = np.stack([truth.read_label(patch.id) for patch in patches])
    label_NHW = np.stack([images.read_label(patch) for patch in patches])
    valid_NHW = (image_NBHW != NODATA).all(axis=1) & (truth_NHW != UNKNOWN)
    return Pool(image_NBHW, truth_NHW, label_NHW, valid_NHW)


def share(pool: Pool) -> float:
    """Of impervious pixels."""
    return float(pool.truth_NHW[pool.valid_NHW].mean())


def methods() -> Mapping[str, Choose]:
    """How points are chosen, by name."""
    return {
        "random": at_random,
        "entropy": by("entropy", _alone),
        "label": by("label", _alone),
        "members": by("members", _several),
    }


def at_random(pool: Pool, _: RandomForest, answered: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pixels of the pool, all as likely, none twice."""
    free = pool.valid_NHW.copy()
    free[tuple(answered.T)] = False
    places = np.argwhere(free)
    return places[rng.choice(len(places), count, replace=False)]


def _alone(pool: Pool, forest: RandomForest, answered: np.ndarray) -> list[RandomForest]:
    return [forest]


def _several(pool: Pool, forest: RandomForest, answered: np.ndarray) -> list[RandomForest]:
    """Small forests that differ in their seed."""
    return [fitted(pool, answered, replace(FOREST, trees=FOREST.trees // MEMBERS), seed) for seed in range(MEMBERS)]


def fitted(pool: Pool, answered: np.ndarray, config: RandomForestConfig, seed: int) -> RandomForest:
    """A forest that knows the truth of the answered pixels."""
    forest = RandomForest([str(band) for band in range(pool.image_NBHW.shape[1])], config)
    forest.fit(*pool.pixels(answered), seed=seed)
    return forest


def by(score: str, members: Callable[[Pool, RandomForest, np.ndarray], list[RandomForest]]) -> Choose:
    """The pixels that `isamap ask --by SCORE` would choose of forests."""

    def choose(
        pool: Pool, forest: RandomForest, answered: np.ndarray, count: int, _: np.random.Generator
    ) -> np.ndarray:
        free = pool.valid_NHW.copy()
        free[tuple(answered.T)] = False
        pixels, forests = [], members(pool, forest, answered)
        each = max(EACH, -(-5 * count // (4 * len(free))))  # enough for the round, with some to spare
        for number, image in enumerate(pool.image_NBHW):
            chances = np.stack([predicted(each, image[None]) for each in forests])
            score_HW = SCORES[score](chances, pool.label_NHW[number][None])[0]
            pixels += [(area, number, row, col) for row, col, area in candidates(score_HW, free[number], each)]
        pixels.sort(reverse=True)
        return np.array([pixel[1:] for pixel in pixels[:count]])

    return choose


def curve(pool: Pool, test: Pool, choose: Choose, seed: int) -> list[float]:
    """F1 of impervious on the test pixels at every budget; the first points are random, the same for all methods."""
    rng = np.random.default_rng(seed)
    forest = RandomForest(["none"], FOREST)  # knows nothing yet
    answered, f1 = at_random(pool, forest, np.empty((0, 3), int), BUDGETS[0], rng), []
    for budget in BUDGETS:
        if budget > len(answered):
            answered = np.concatenate([answered, choose(pool, forest, answered, budget - len(answered), rng)])
        forest = fitted(pool, answered, FOREST, seed)
        f1.append(f1_of(forest, test))
    print(f"seed {seed}: " + " ".join(f"{value:.3f}" for value in f1), flush=True)
    return f1


def predicted(forest: RandomForest, image_NBHW: np.ndarray) -> np.ndarray:
    """Class probabilities [N, class, row, column]."""
    with torch.inference_mode():
        return forest(torch.from_numpy(image_NBHW)).logits_BKHW.softmax(dim=1).numpy()


def f1_of(forest: RandomForest, test: Pool) -> float:
    """Of the class impervious, over all pixels of the test blocks."""
    impervious = np.concatenate([predicted(forest, image[None])[:, 1] >= 0.5 for image in test.image_NBHW])
    said, true = impervious[test.valid_NHW], test.truth_NHW[test.valid_NHW] == 1
    return float(2 * (said & true).sum() / max(1, said.sum() + true.sum()))


def labels_needed(f1: np.ndarray, goal: float) -> float:
    """The budget at which a curve first reaches the goal, linear between budgets; infinite where it never does."""
    at = int(np.argmax(f1 >= goal))
    if not (f1 >= goal).any() or at == 0:
        return float(BUDGETS[0]) if (f1 >= goal).any() else float("inf")
    way = (goal - f1[at - 1]) / (f1[at] - f1[at - 1])
    return float(BUDGETS[at - 1] + way * (BUDGETS[at] - BUDGETS[at - 1]))


def described(figures: Mapping[str, list[list[float]]]) -> str:
    """The table: mean F1 and half the range over the seeds, and labels that reach random's last F1 in the mean."""
    curves = {name: np.array(values) for name, values in figures.items()}
    goal = float(curves["random"].mean(axis=0)[-1])
    lines = [
        "| points chosen by | " + " | ".join(map(str, BUDGETS)) + f" | labels to F1 {goal:.3f} |",
        "|---" * (len(BUDGETS) + 2) + "|",
    ]
    for name, f1 in curves.items():
        spread = np.ptp(f1, axis=0) / 2
        cells = [f"{value:.3f} ± {half:.3f}" for value, half in zip(f1.mean(axis=0), spread, strict=True)]
        needed = labels_needed(f1.mean(axis=0), goal)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {'never' if np.isinf(needed) else round(needed)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
