"""The fit of classifiers of single pixels: pixels drawn from the train split, one fit, one validation.

There are no epochs: the run has one, and an interrupted one starts over. Neither the network's order of batches nor
augmentation plays a part: flips and turns change no pixel, blur would make pixels that no map holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.accuracy.evaluation import classify
from isamap.training.accuracy.metrics import Scores, confusion_counts, scores
from isamap.training.fitting.keeping import Records
from isamap.training.fitting.plan import FitPlan, Fitted
from isamap.training.losses import cross_entropy
from isamap.training.models.classical import PixelClassifier
from isamap.training.samples.data import Batch, Patches, loader

_PATCHES = 32  # read at once


def fit(plan: FitPlan) -> Fitted:
    """Fit on up to `config.pixels` known pixels, validate, write best/, last/, history.json and a picture.

    Every known pixel of the train split (for an index, of the validation split) is equally likely to be drawn, so
    classes come in their shares (CroFuseNet says neither how many pixels its RF and SVM had nor how they were drawn); a
    pixel is known where its label is and no band is missing. The recipe's seed decides the draw and the fit.
    ValueError: a target that has no classes or dates, one class only.
    """
    _check(plan)
    begun_s = time.perf_counter()
    classifier = plan.network
    if not isinstance(classifier, PixelClassifier):
        raise TypeError(
            f"{type(classifier).__name__} is trained in steps: only classifiers of pixels are fitted at once"
        )
    norms = plan.source.bands
    # Before the fit, so that thresholds of trees and distances of the SVM are of standardised bands.
    classifier.standardised_by([band.mean for band in norms], [band.std for band in norms])
    patches = plan.validation if classifier.fitted_on == "val" else plan.train
    pixels_NB, labels_N = sample_pixels(_known(plan, patches), classifier.config.pixels, seed=plan.recipe.seed)
    classifier.fit(pixels_NB, labels_N, seed=plan.recipe.seed)
    spent_s = time.perf_counter() - begun_s
    records, (validation, loss) = Records(plan), validated(plan)
    records.note(_loss_of(classifier, pixels_NB, labels_N), loss, validation)
    records.write(classifier, validation)
    records.draw(classifier)
    plan.saved()
    return Fitted(tuple(records.history), records.best_epoch, records.best_miou, len(plan.train) / spent_s)


def sample_pixels(
    batches: Iterable[tuple[Tensor, Tensor]], count: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """At most `count` known pixels (N, bands) and labels of all batches, each equally likely to be drawn.

    batches: network inputs x_BCHW with label_BHW, 255 unknown. Memory: `count` pixels and one batch.
    """
    rng = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    for x_BCHW, label_BHW in batches:
        labelled_BHW = (label_BHW != UNKNOWN).numpy()
        key = rng.random(int(labelled_BHW.sum()))
        # the smallest of random keys are a uniform sample, however many pixels are still to come
        low = key < (kept[0][-1] if kept and len(kept[0]) == count else 1.0)
        fresh = (key[low], x_BCHW.movedim(1, -1).numpy()[labelled_BHW][low], label_BHW.numpy()[labelled_BHW][low])
        kept = [np.concatenate(pair) for pair in zip(kept, fresh, strict=True)] if kept else list(fresh)
        first = np.argsort(kept[0], kind="stable")[:count]
        # Never more than `count` are held, whatever the size of the split.
        kept = [array[first] for array in kept]
    if not kept or not kept[2].size:
        raise ValueError("no pixel of the data has a known label: nothing to fit on")
    return kept[1], kept[2].astype(np.int64)


def validated(plan: FitPlan) -> tuple[Scores, float]:
    """Accuracies on the validation split and the mean cross entropy of its known pixels."""
    classes = plan.network.config.classes
    counts, losses, labelled_px = torch.zeros((classes, classes), dtype=torch.int64), 0.0, 0
    for batch in loader(plan.validation, _PATCHES):
        logits = plan.network(plan.source.prepare(batch).image_BCHW).logits_BKHW
        # as evaluation and maps decide: an even vote of the trees is common
        called = classify(logits.softmax(dim=1).numpy(), plan.description["thresholds"].get("impervious", 0.5))
        counts += confusion_counts(torch.from_numpy(called), batch.label_BHW, classes)
        here = int((batch.label_BHW != UNKNOWN).sum())
        losses, labelled_px = losses + here * float(cross_entropy(logits, batch.label_BHW)), labelled_px + here
    return scores(counts), losses / max(1, labelled_px)


def _known(plan: FitPlan, patches: Patches) -> Iterator[tuple[Tensor, Tensor]]:
    """Network inputs and labels of a split; unknown too where a band is missing."""
    batch: Batch
    for batch in loader(patches, _PATCHES):
        prepared = plan.source.prepare(batch)
        yield prepared.image_BCHW, prepared.label_BHW.masked_fill(~prepared.valid_BCHW.all(dim=1), UNKNOWN)


def _loss_of(classifier: PixelClassifier, pixels_NB: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean cross entropy on the pixels that were fitted."""
    image = torch.from_numpy(pixels_NB).T[None, :, :, None]
    return float(cross_entropy(classifier(image).logits_BKHW, torch.from_numpy(labels_N)[None, :, None]))


def _check(plan: FitPlan) -> None:
    recipe = plan.recipe
    if recipe.target != "label" or recipe.frames:
        raise ValueError(
            f"target={recipe.target} with frames={recipe.frames}: {recipe.model} learns a composite's pixels from its "
            "labels; leave target and frames out"
        )
