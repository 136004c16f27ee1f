"""Random forest and SVM in pixels per second of one core, beside scikit-learn on the same fit.

    python benchmarks/pixel_models.py [--pixels 65536] [--svm-pixels 5000]

CPU time of one thread. The pixels are drawn, not imagery: two overlapping classes in six bands, 8 % of labels wrong.
The chances are scikit-learn's to the last digits (the difference is printed).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from training.models.classical import SVM, PixelClassifier, RandomForest, RandomForestConfig, SVMConfig
from training.recipes import PAPER_BANDS

SHIFTS = np.array([0.6, 0.5, 0.7, -0.7, 1.0, 0.8])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=2**16, help="mapped")
    parser.add_argument("--svm-pixels", type=int, default=5_000, help="the machine is fitted on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("model                                    fit s    kpx/s   scikit-learn kpx/s   largest difference")
    for leaf in (1, 10):
        forest(RandomForestConfig(leaf=leaf), options.pixels)
    machine(SVMConfig(pixels=options.svm_pixels), options.pixels)


def forest(config: RandomForestConfig, count: int) -> None:
    """One row for a forest of the recipe's trees."""
    x_NB, y_N = drawn(config.pixels, 0)
    made = RandomForest(PAPER_BANDS, config)
    spent_s = seconds(lambda: made.fit(x_NB, y_N))
    theirs = RandomForestClassifier(config.trees, min_samples_leaf=config.leaf, random_state=0).fit(x_NB, y_N)
    row(f"random forest, {config.trees} trees, leaves of {config.leaf}", made, spent_s, theirs, count)


def machine(config: SVMConfig, count: int) -> None:
    """One row for a support vector machine."""
    x_NB, y_N = drawn(config.pixels, 0)
    made = SVM(PAPER_BANDS, config)
    spent_s = seconds(lambda: made.fit(x_NB, y_N))
    row(f"SVM, {len(made.vectors):,} support vectors", made, spent_s, _machine_of(config, x_NB, y_N), count)


def row(name: str, made: PixelClassifier, spent_s: float, theirs: Any, count: int) -> None:
    """Print our pace over `count` pixels, scikit-learn's over the first 2,000, and how far the chances differ there."""
    x_NB, few = drawn(count, 1)[0], min(count, 2000)
    image = torch.from_numpy(x_NB).T[None, :, :, None].contiguous()
    with torch.inference_mode():
        made(image[:, :, :few])
        ours_s = seconds(lambda: made(image))
        probabilities = made.probabilities(torch.from_numpy(x_NB[:few])).numpy()
    theirs_s = seconds(lambda: theirs.predict_proba(x_NB[:few]))
    apart = abs(probabilities - theirs.predict_proba(x_NB[:few])).max()
    print(f"{name:<38} {spent_s:>7.1f} {count / ours_s / 1e3:>8.1f} {few / theirs_s / 1e3:>20.1f} {apart:>20.1e}")


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (count, 6) float32 and their labels."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(count) < 0.33).astype(np.int64)
    x_NB = rng.standard_normal((count, 6)) + truth[:, None] * SHIFTS
    return x_NB.astype(np.float32), np.where(rng.random(count) < 0.08, 1 - truth, truth)


def seconds(work: Callable[[], Any]) -> float:
    """CPU time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _machine_of(config: SVMConfig, x_NB: np.ndarray, y_N: np.ndarray) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    calibrated = CalibratedClassifierCV(
        SVC(C=config.c, cache_size=1000), method="sigmoid", cv=config.folds, ensemble=False
    )
    return OneVsRestClassifier(calibrated).fit(x_NB, y_N)


if __name__ == "__main__":
    main()
