"""S002's per-pixel baselines, random forest and support vector machine, behind the face of a network.

scikit-learn fits them; what it found is kept as plain arrays in the module's state, so that a checkpoint holds it as
safetensors (never a pickle) and torch alone maps with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.models.layers import check_choice
from training.models.output import Output, check_bands, check_input

UNKNOWN = 255
KERNELS = ("rbf", "linear")
SVM_PIXELS = 50_000  # kernel machines take time with the square of the pixels (models.md 5)
CHUNK = 2**14  # pixels that are classified together
SURE = 1e-7  # a probability of 0 would be a logit of minus infinity


@dataclass(frozen=True)
class RandomForestConfig:
    """Trees, their greatest depth (0: until their leaves are pure), pixels in a leaf, pixels to fit on, seed."""

    classes: int = 2
    trees: int = 100
    depth: int = 0
    leaf: int = 1
    pixels: int = 200_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.classes < 2 or min(self.trees, self.leaf, self.pixels) < 1 or min(self.depth, self.seed) < 0:
            raise ValueError(f"{self}: expected two or more classes, positive trees, leaf and pixels, no minus sign")


@dataclass(frozen=True)
class SVMConfig:
    """Kernel ("rbf", or "linear" for many pixels), penalty c, folds of the calibration, pixels to fit on, seed."""

    classes: int = 2
    kernel: str = "rbf"
    c: float = 1.0
    folds: int = 3
    pixels: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("kernel", self.kernel, KERNELS)
        if self.classes < 2 or self.c <= 0 or self.folds < 2 or self.seed < 0 or self.pixels < 1:
            raise ValueError(
                f"{self}: expected two or more classes and folds, c and pixels above 0, a seed of 0 or more"
            )
        if self.kernel == "rbf" and self.pixels > SVM_PIXELS:
            raise ValueError(f"pixels {self.pixels}: a kernel machine takes {SVM_PIXELS} at most; use kernel linear")


class PixelClassifier(nn.Module, ABC):
    """Class probabilities of each pixel from its own bands, as logits; any size, no neighbours, no gradient.

    Before `fit` all classes are equally likely. What was fitted are buffers whose length comes with the data.
    """

    scale = 1
    window = 128
    lattice = 128
    halo = 0
    multiple = 1

    def __init__(self, bands: Sequence[str], config: Any) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config
        self._hold(self._untaught())

    def fit(self, pixels_NB: np.ndarray, labels_N: np.ndarray) -> None:
        """Learn from pixels (standardised, as the forward pass gets them) and their classes.

        ValueError: one class only, more pixels than the configuration allows, or numbers that are not finite.
        """
        pixels_NB, labels_N = np.ascontiguousarray(pixels_NB, dtype=np.float32), np.asarray(labels_N).astype(int)
        self._check(pixels_NB, labels_N)
        self._hold(self._taught(pixels_NB, labels_N))

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, 1)
        pixels_NB = x_BCHW.movedim(1, -1).reshape(-1, len(self.bands)).float()
        # float64 as in scikit-learn: a pixel on a tree's threshold must fall on the same side
        chances_NK = torch.cat([self.probabilities(part.double()) for part in pixels_NB.split(CHUNK)])
        logits_NK = chances_NK.clamp(min=SURE).log().to(x_BCHW.dtype)
        return Output(logits_NK.reshape(x_BCHW.shape[0], *x_BCHW.shape[2:], -1).movedim(-1, 1))

    @abstractmethod
    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        """Chance of each class (N, classes), of pixels in float64."""

    @abstractmethod
    def _untaught(self) -> dict[str, Tensor]:
        """Arrays by which all classes are equally likely."""

    @abstractmethod
    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray) -> dict[str, Tensor]:
        """Arrays of what scikit-learn fitted."""

    def _hold(self, arrays: Mapping[str, Tensor]) -> None:
        for name, array in arrays.items():
            self.register_buffer(name, array)

    def _check(self, pixels_NB: np.ndarray, labels_N: np.ndarray) -> None:
        if pixels_NB.shape != (labels_N.size, len(self.bands)) or not np.isfinite(pixels_NB).all():
            raise ValueError(f"pixels {pixels_NB.shape}: expected {labels_N.size} x {len(self.bands)} finite numbers")
        if labels_N.size > self.config.pixels:
            raise ValueError(f"{labels_N.size} pixels: {self.config.pixels} at most; draw fewer or set model.pixels")
        present = np.unique(labels_N)
        if present.size < 2 or present[0] < 0 or present[-1] >= self.config.classes:
            raise ValueError(
                f"labels {', '.join(map(str, present))}: expected two or more of 0 to {self.config.classes - 1}; "
                "use data that hold both classes"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Arrays come in the length they were stored with."""
        for name, held in list(self.named_buffers(recurse=False)):
            if (stored := state_dict.get(prefix + name)) is not None:
                self.register_buffer(name, torch.empty_like(stored, dtype=held.dtype, device=held.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class RandomForest(PixelClassifier):
    """Mean of the class shares in the leaves that a pixel falls into (Breiman, 2001)."""

    def __init__(self, bands: Sequence[str], config: RandomForestConfig | None = None) -> None:
        super().__init__(bands, config or RandomForestConfig())

    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        node_NT = self.roots.expand(len(pixels_NB), -1)
        for _ in range(int(self.depth)):
            value_NT = pixels_NB.gather(1, self.feature[node_NT])
            # a leaf is its own child, so shallow trees wait for the deep ones
            node_NT = torch.where(value_NT <= self.threshold[node_NT], self.left[node_NT], self.right[node_NT])
        return self.share[node_NT].mean(dim=1)

    def _untaught(self) -> dict[str, Tensor]:
        classes, zero = self.config.classes, torch.zeros(1, dtype=torch.int64)
        links = {name: zero.clone() for name in ("roots", "left", "right", "feature")}
        share = torch.full((1, classes), 1 / classes, dtype=torch.float64)
        return links | {"threshold": torch.zeros(1).double(), "share": share, "depth": torch.tensor(0)}

    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray) -> dict[str, Tensor]:
        from sklearn.ensemble import RandomForestClassifier

        config = self.config
        forest = RandomForestClassifier(
            config.trees, max_depth=config.depth or None, min_samples_leaf=config.leaf, random_state=config.seed
        )
        forest.fit(pixels_NB, labels_N)
        return _forest_arrays(forest, config.classes)


class SVM(PixelClassifier):
    """One calibrated machine per class against the rest (a single one for two classes), their chances scaled to 1."""

    def __init__(self, bands: Sequence[str], config: SVMConfig | None = None) -> None:
        super().__init__(bands, config or SVMConfig())

    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        distance_NM = self._kernel(pixels_NB) @ self.dual + self.intercept
        chance_NM = torch.sigmoid(-(self.slope * distance_NM + self.offset))
        if chance_NM.shape[1] == 1:
            chance_NM = torch.cat((1 - chance_NM, chance_NM), dim=1)
        chances_NK = chance_NM.new_zeros(len(pixels_NB), self.config.classes)
        chances_NK[:, self.present] = chance_NM / chance_NM.sum(dim=1, keepdim=True)
        return chances_NK

    def _kernel(self, pixels_NB: Tensor) -> Tensor:
        if self.config.kernel == "linear":
            return pixels_NB @ self.vectors.T
        lengths = pixels_NB.square().sum(dim=1, keepdim=True) + self.vectors.square().sum(dim=1)
        squared = torch.addmm(lengths, pixels_NB, self.vectors.T, alpha=-2).clamp_(min=0)
        return squared.mul_(-self.gamma).exp_()

    def _untaught(self) -> dict[str, Tensor]:
        classes = self.config.classes
        machines = classes if classes > 2 else 1
        sizes = {"vectors": (0, len(self.bands)), "dual": (0, machines)} | dict.fromkeys(_PER_MACHINE, (machines,))
        zeros = {name: torch.zeros(*size, dtype=torch.float64) for name, size in sizes.items()}
        return zeros | {"gamma": torch.tensor(1.0).double(), "present": torch.arange(classes)}

    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray) -> dict[str, Tensor]:
        from sklearn.multiclass import OneVsRestClassifier

        machines = OneVsRestClassifier(_calibrated(self.config)).fit(pixels_NB, labels_N)
        return _machine_arrays(machines, self.config.kernel)


_PER_MACHINE = ("intercept", "slope", "offset")


def sample_pixels(
    batches: Iterable[tuple[Tensor, Tensor]], count: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """At most `count` known pixels (N, bands) and labels of all batches, each equally likely to be drawn.

    batches: network inputs x_BCHW with label_BHW, 255 unknown. Memory: `count` pixels and one batch.
    """
    rng = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    for x_BCHW, label_BHW in batches:
        known = (label_BHW != UNKNOWN).numpy()
        pixels, labels = x_BCHW.movedim(1, -1).numpy()[known], label_BHW.numpy()[known]
        fresh = (rng.random(labels.size), pixels, labels)
        kept = [np.concatenate(pair) for pair in zip(kept, fresh, strict=True)] if kept else list(fresh)
        # the smallest of random keys are a uniform sample, however many pixels are still to come
        first = np.argsort(kept[0], kind="stable")[:count]
        kept = [array[first] for array in kept]
    if not kept or not kept[2].size:
        raise ValueError("no pixel of the data has a known label: nothing to fit on")
    return kept[1], kept[2].astype(np.int64)


def _forest_arrays(forest: Any, classes: int) -> dict[str, Tensor]:
    """All trees' nodes one after another; links count from the first node of all."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    own = [root + np.arange(tree.node_count) for root, tree in zip(roots, trees, strict=True)]

    def links(child: Callable[[Any], np.ndarray]) -> np.ndarray:
        every = zip(roots, trees, own, strict=True)
        return np.concatenate([np.where(child(tree) < 0, self_, root + child(tree)) for root, tree, self_ in every])

    share = np.zeros((sum(tree.node_count for tree in trees), classes))
    share[:, forest.classes_] = np.concatenate([tree.value[:, 0] for tree in trees])
    return {
        "roots": torch.from_numpy(roots),
        "left": torch.from_numpy(links(lambda tree: tree.children_left)),
        "right": torch.from_numpy(links(lambda tree: tree.children_right)),
        "feature": torch.from_numpy(np.concatenate([tree.feature for tree in trees]).clip(min=0)).long(),
        "threshold": torch.from_numpy(np.concatenate([tree.threshold for tree in trees])),
        "share": torch.from_numpy(share / share.sum(axis=1, keepdims=True)),
        "depth": torch.tensor(max(tree.max_depth for tree in trees)),
    }


def _calibrated(config: SVMConfig) -> Any:
    """A machine whose distances become chances by Platt's sigmoid, fitted on folds that it did not see."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC, LinearSVC

    machine = (
        SVC(C=config.c, cache_size=1000) if config.kernel == "rbf" else LinearSVC(C=config.c, random_state=config.seed)
    )
    return CalibratedClassifierCV(machine, method="sigmoid", cv=config.folds, ensemble=False)


def _machine_arrays(machines: Any, kernel: str) -> dict[str, Tensor]:
    """Support vectors (or normals) of all machines one below the other; each column of `dual` takes its own."""
    fitted = [one.calibrated_classifiers_[0] for one in machines.estimators_]
    cores, sigmoids = [one.estimator for one in fitted], [one.calibrators[0] for one in fitted]
    vectors = [core.support_vectors_ if kernel == "rbf" else core.coef_ for core in cores]
    dual = np.zeros((sum(map(len, vectors)), len(cores)))
    row = 0
    for column, (core, own) in enumerate(zip(cores, vectors, strict=True)):
        dual[row : row + len(own), column] = core.dual_coef_[0] if kernel == "rbf" else 1.0
        row += len(own)
    numbers = {
        "vectors": np.concatenate(vectors),
        "dual": dual,
        "intercept": [float(core.intercept_[0]) for core in cores],
        "slope": [float(sigmoid.a_) for sigmoid in sigmoids],
        "offset": [float(sigmoid.b_) for sigmoid in sigmoids],
        "gamma": cores[0]._gamma if kernel == "rbf" else 1.0,
    }
    arrays = {name: torch.as_tensor(np.asarray(value), dtype=torch.float64) for name, value in numbers.items()}
    return arrays | {"present": torch.as_tensor(machines.classes_)}
