"""CroFuseNet's per-pixel baselines, random forest and support vector machine, behind the face of a network.

scikit-learn fits them; what it found is kept as plain arrays in the module's state, so that a checkpoint holds it as
safetensors (never a pickle) and torch alone maps with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isamap.training.models.layers import check_choice
from isamap.training.models.output import Network, Output, check_bands, check_input

KERNELS = ("rbf", "linear")
# Kernel machines take time with the square of the pixels (docs/reference/networks.md, "Other networks")
SVM_PIXELS = 50_000
CHUNK = 2**14  # pixels that are classified together
KERNEL_NUMBERS = 2**18  # kernel values at a time: they stay in the processor's cache
LEVELS = 6  # of a tree between two looks at which pixels are in a leaf already
SURE = 1e-7  # a probability of 0 would be a logit of minus infinity


@dataclass(frozen=True)
class RandomForestConfig:
    """Trees, their greatest depth (0: no limit), pixels in a leaf at least, pixels to fit on."""

    classes: int = 2
    trees: int = 100
    depth: int = 0
    # On the simulated west of Wuhan 5 to 20 pixels a leaf score alike at half the size of whole trees or less; 1 and 80
    # score less (training/LOG.md, 2026-11-21, "Leaves of the random forest").
    leaf: int = 10
    pixels: int = 100_000

    def __post_init__(self) -> None:
        if self.classes < 2 or min(self.trees, self.leaf, self.pixels) < 1 or self.depth < 0:
            raise ValueError(f"{self}: expected two or more classes, positive trees, leaf and pixels, no minus sign")


@dataclass(frozen=True)
class SVMConfig:
    """Kernel ("rbf", or "linear" for many pixels), penalty c, folds of the calibration, pixels to fit on."""

    classes: int = 2
    kernel: str = "rbf"
    # A penalty of 10 scored .003 more on 4,000 pixels (training/LOG.md, 2026-11-21): scikit-learn's own was kept.
    c: float = 1.0
    folds: int = 3
    pixels: int = 20_000

    def __post_init__(self) -> None:
        check_choice("kernel", self.kernel, KERNELS)
        if self.classes < 2 or self.c <= 0 or self.folds < 2 or self.pixels < 1:
            raise ValueError(f"{self}: expected two or more classes and folds, c and pixels above 0")
        if self.kernel == "rbf" and self.pixels > SVM_PIXELS:
            raise ValueError(f"pixels {self.pixels}: a kernel machine takes {SVM_PIXELS} at most; use kernel linear")


class PixelClassifier(Network, ABC):
    """Class probabilities of each pixel from its own bands, as logits; any size, no neighbours, no gradient.

    Before `fit` all classes are equally likely. What was fitted are buffers whose length comes with the data.
    """

    scale = 1
    window = 128
    lattice = 128
    halo = 0
    multiple = 1
    fitted_on = "train"  # the split whose pixels `fit` gets

    def __init__(self, bands: Sequence[str], config: Any) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config
        self._hold(self._untaught())

    def fit(self, pixels_NB: np.ndarray, labels_N: np.ndarray, *, seed: int = 0) -> None:
        """Learn from pixels (standardised, as the forward pass gets them) and their classes.

        ValueError: one class only, more pixels than the configuration allows, or numbers that are not finite.
        """
        # float32, as scikit-learn's trees compare: a pixel of another precision could fall on the other side of a node.
        pixels_NB, labels_N = np.ascontiguousarray(pixels_NB, dtype=np.float32), np.asarray(labels_N).astype(int)
        self._check(pixels_NB, labels_N)
        self._hold(self._taught(pixels_NB, labels_N, seed))

    def standardised_by(self, mean_B: Sequence[float], std_B: Sequence[float]) -> None:
        """Learn the bands' means and deviations, before `fit`: for those that need physical values."""

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, 1)
        pixels_NB = x_BCHW.movedim(1, -1).reshape(-1, len(self.bands)).float()
        probabilities_NK = torch.cat([self.probabilities(chunk_NB) for chunk_NB in pixels_NB.split(CHUNK)])
        logits_NK = probabilities_NK.clamp(min=SURE).log().to(x_BCHW.dtype)
        return Output(logits_NK.reshape(x_BCHW.shape[0], *x_BCHW.shape[2:], -1).movedim(-1, 1))

    @abstractmethod
    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        """Chance of each class, float64 (N, classes), of pixels in float32."""

    @abstractmethod
    def _untaught(self) -> dict[str, Tensor]:
        """Arrays by which all classes are equally likely."""

    @abstractmethod
    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray, seed: int) -> dict[str, Tensor]:
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

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *load_arguments: Any) -> None:
        """Arrays come in the length they were stored with."""
        for name, buffer in list(self.named_buffers(recurse=False)):
            if (stored := state_dict.get(prefix + name)) is not None:
                self.register_buffer(name, torch.empty_like(stored, dtype=buffer.dtype, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *load_arguments)


class RandomForest(PixelClassifier):
    """Mean of the class shares in the leaves that a pixel falls into (Breiman, 2001).

    Nodes of all trees lie one after another: `left` is a node's left child, the right one is the next; a leaf is its
    own left child and no number is above its threshold.
    """

    left: Tensor
    feature: Tensor
    threshold: Tensor
    share: Tensor
    roots: Tensor

    def __init__(self, bands: Sequence[str], config: RandomForestConfig | None = None) -> None:
        super().__init__(bands, config or RandomForestConfig())

    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        values = pixels_NB.contiguous().view(-1)
        link = (self.left.long() << _FEATURE_BITS) | self.feature  # one look-up a level instead of two
        total_NK = self.share.new_zeros(len(pixels_NB), self.share.shape[1])
        for root in self.roots.tolist():
            total_NK += self.share.index_select(0, self._leaves(values, link, root))
        return total_NK / len(self.roots)

    # Tree by tree, pixels in their leaf left out: 46 to 110 kpx/s of a core with 100 trees, against 4 to 15 for all
    # trees at once, level by level (training/LOG.md, 2026-11-21, "Walking a forest with torch").
    def _leaves(self, values: Tensor, link: Tensor, root: int) -> Tensor:
        """The leaf of one tree that each pixel falls into; pixels that are in theirs are not led any further."""
        first = torch.arange(0, len(values), len(self.bands), device=values.device)
        node = torch.full_like(first, root)
        leaf, pixel = node.clone(), torch.arange(len(first), device=values.device)
        while len(node):
            for _ in range(LEVELS):
                packed = link.index_select(0, node)
                value = values.index_select(0, (packed & _FEATURE_MASK).add_(first))
                node = (packed >> _FEATURE_BITS).add_(value > self.threshold.index_select(0, node))
            leaf.index_copy_(0, pixel, node)
            going = self.threshold.index_select(0, node).isfinite().nonzero()[:, 0]
            node, pixel, first = (indices.index_select(0, going) for indices in (node, pixel, first))
        return leaf

    def _untaught(self) -> dict[str, Tensor]:
        links = {name: torch.zeros(1, dtype=torch.int32) for name in ("roots", "left", "feature")}
        share = torch.full((1, self.config.classes), 1 / self.config.classes, dtype=torch.float64)
        return links | {"threshold": torch.full((1,), torch.inf), "share": share}

    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray, seed: int) -> dict[str, Tensor]:
        from sklearn.ensemble import RandomForestClassifier

        config = self.config
        forest = RandomForestClassifier(
            config.trees,
            max_depth=config.depth or None,
            min_samples_leaf=config.leaf,
            random_state=seed,
            n_jobs=torch.get_num_threads(),
        )
        forest.fit(pixels_NB, labels_N)
        return _forest_arrays(forest, config.classes)


class SVM(PixelClassifier):
    """One calibrated machine per class against the rest (a single one for two classes), their chances scaled to 1."""

    vectors: Tensor
    dual: Tensor
    intercept: Tensor
    slope: Tensor
    offset: Tensor
    present: Tensor
    gamma: Tensor

    def __init__(self, bands: Sequence[str], config: SVMConfig | None = None) -> None:
        super().__init__(bands, config or SVMConfig())

    def probabilities(self, pixels_NB: Tensor) -> Tensor:
        rows = max(1, KERNEL_NUMBERS // max(1, len(self.vectors)))
        distances = [self._kernel(chunk_NB.double()) @ self.dual for chunk_NB in pixels_NB.split(rows)]
        distance_NM = torch.cat(distances) + self.intercept
        chance_NM = torch.sigmoid(-(self.slope * distance_NM + self.offset))
        if chance_NM.shape[1] == 1:
            chance_NM = torch.cat((1 - chance_NM, chance_NM), dim=1)
        probabilities_NK = chance_NM.new_zeros(len(pixels_NB), self.config.classes)
        probabilities_NK[:, self.present] = chance_NM / chance_NM.sum(dim=1, keepdim=True)
        return probabilities_NK

    def _kernel(self, pixels_NB: Tensor) -> Tensor:
        if self.config.kernel == "linear":
            return pixels_NB @ self.vectors.T
        # -gamma |p - v|^2 as one product: (p, |p|^2, 1) times (2 gamma v, -gamma, -gamma |v|^2)
        ones_N1 = pixels_NB.new_ones(len(pixels_NB), 1)
        left = torch.cat((pixels_NB, pixels_NB.square().sum(dim=1, keepdim=True), ones_N1), dim=1)
        length = self.vectors.square().sum(dim=1, keepdim=True)
        right = self.gamma * torch.cat((2 * self.vectors, -torch.ones_like(length), -length), dim=1)
        return (left @ right.T).exp_()

    def _untaught(self) -> dict[str, Tensor]:
        classes = self.config.classes
        machines = classes if classes > 2 else 1
        sizes = {"vectors": (0, len(self.bands)), "dual": (0, machines)} | dict.fromkeys(_PER_MACHINE, (machines,))
        zeros = {name: torch.zeros(*size, dtype=torch.float64) for name, size in sizes.items()}
        return zeros | {"gamma": torch.tensor(1.0).double(), "present": torch.arange(classes)}

    def _taught(self, pixels_NB: np.ndarray, labels_N: np.ndarray, seed: int) -> dict[str, Tensor]:
        from sklearn.multiclass import OneVsRestClassifier

        machines = OneVsRestClassifier(_calibrated(self.config, seed)).fit(pixels_NB, labels_N)
        return _machine_arrays(machines, self.config.kernel)


# Both fit into one int64: the feature's number below, the link to the left child above.
_FEATURE_BITS = 16
_FEATURE_MASK = (1 << _FEATURE_BITS) - 1
_PER_MACHINE = ("intercept", "slope", "offset")


def _forest_arrays(forest: Any, classes: int) -> dict[str, Tensor]:
    """All trees' nodes one after another, renumbered so that siblings are neighbours."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    parts = [_tree_arrays(tree, root) for tree, root in zip(trees, roots, strict=True)]
    left, feature, threshold, value = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    share = np.zeros((len(left), classes))
    share[:, forest.classes_] = value / value.sum(axis=1, keepdims=True)
    links = {name: array.astype(np.int32) for name, array in (("roots", roots), ("left", left), ("feature", feature))}
    return {name: torch.from_numpy(array) for name, array in (links | {"threshold": threshold, "share": share}).items()}


def _tree_arrays(tree: Any, root: int) -> tuple[np.ndarray, ...]:
    """left, feature, threshold (float32) and class values of one tree whose first node gets the number `root`."""
    order = _breadth_first(tree)
    new_index = np.argsort(order)
    is_leaf, threshold = tree.children_left[order] < 0, _rounded_down(tree.threshold[order])
    left = np.where(is_leaf, np.arange(len(order)), new_index[tree.children_left[order]])
    feature = np.where(is_leaf, 0, tree.feature[order])
    return root + left, feature, np.where(is_leaf, np.float32(np.inf), threshold), tree.value[order, 0]


def _breadth_first(tree: Any) -> np.ndarray:
    """The tree's nodes from the root down, siblings beside each other and those that most pixels pass first."""
    levels = [np.zeros(1, np.int64)]
    while (inner := levels[-1][tree.children_left[levels[-1]] >= 0]).size:
        levels.append(np.stack((tree.children_left[inner], tree.children_right[inner]), axis=1).ravel())
    return np.concatenate(levels)


def _rounded_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 not above the float64 number, so that it divides float32 values as that number does."""
    nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _calibrated(config: SVMConfig, seed: int) -> Any:
    """A machine whose distances become chances by Platt's sigmoid, fitted on folds that it did not see."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC, LinearSVC

    machine = SVC(C=config.c, cache_size=1000) if config.kernel == "rbf" else LinearSVC(C=config.c, random_state=seed)
    # ensemble=False: one machine of all pixels; an ensemble would bring the support vectors of every fold to the map.
    return CalibratedClassifierCV(machine, method="sigmoid", cv=config.folds, ensemble=False)


def _dual(weights: Sequence[np.ndarray]) -> np.ndarray:
    """Weights of the vectors of all machines, one column a machine, 0 where the vectors are another machine's."""
    dual = np.zeros((sum(map(len, weights)), len(weights)))
    ends = np.cumsum([len(own) for own in weights])
    for column, (own, end) in enumerate(zip(weights, ends, strict=True)):
        dual[end - len(own) : end, column] = own
    return dual


def _machine_arrays(machines: Any, kernel: str) -> dict[str, Tensor]:
    """Support vectors (or normals) of all machines one below the other; each column of `dual` takes its own."""
    fitted = [machine.calibrated_classifiers_[0] for machine in machines.estimators_]
    cores, sigmoids = [machine.estimator for machine in fitted], [machine.calibrators[0] for machine in fitted]
    vectors = [core.support_vectors_ if kernel == "rbf" else core.coef_ for core in cores]
    numbers = {
        "vectors": np.concatenate(vectors),
        "dual": _dual([core.dual_coef_[0] if kernel == "rbf" else np.ones(len(core.coef_)) for core in cores]),
        "intercept": [float(core.intercept_[0]) for core in cores],
        "slope": [float(sigmoid.a_) for sigmoid in sigmoids],
        "offset": [float(sigmoid.b_) for sigmoid in sigmoids],
        "gamma": cores[0]._gamma if kernel == "rbf" else 1.0,
    }
    arrays = {name: torch.as_tensor(np.asarray(value), dtype=torch.float64) for name, value in numbers.items()}
    return arrays | {"present": torch.as_tensor(machines.classes_)}
