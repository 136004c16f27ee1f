"""Random forest and SVM: what scikit-learn says, from plain arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC

from isamap.training.models.classical import SVM, RandomForest, RandomForestConfig, SVMConfig
from tests.support.one_thread import one_thread  # noqa: F401

BANDS = ("B2", "B3", "B4", "VV")


def pixels(count: int, classes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels whose class follows from a product of bands, with some noise."""
    rng = np.random.default_rng(seed)
    x_NB = rng.normal(size=(count, len(BANDS))).astype(np.float32)
    score_N = x_NB[:, 0] * x_NB[:, 1] + x_NB[:, 2] + 0.3 * rng.normal(size=count)
    return x_NB, np.digitize(score_N, np.linspace(-0.7, 0.7, classes + 1)[1:-1])


@pytest.fixture(params=[2, 4], scope="module")
def classes(request) -> int:
    return request.param


def probabilities(made, x_NB: np.ndarray) -> np.ndarray:
    return made.probabilities(torch.from_numpy(np.asarray(x_NB, np.float32))).numpy()


def test_the_forest_is_scikit_learns(classes):
    x_NB, y_N = pixels(800, classes)
    made = RandomForest(BANDS, RandomForestConfig(classes=classes, trees=15, leaf=2))
    made.fit(x_NB, y_N, seed=3)
    theirs = RandomForestClassifier(15, min_samples_leaf=2, random_state=3).fit(x_NB, y_N)
    unseen_NB, _ = pixels(2000, classes, seed=1)
    np.testing.assert_allclose(probabilities(made, unseen_NB), theirs.predict_proba(unseen_NB), atol=1e-14)


def test_a_pixel_on_a_threshold_falls_on_scikit_learns_side():
    """Pixels are float32, scikit-learn's thresholds float64 between them: next to and on each side of everyone."""
    x_NB, y_N = pixels(300, 2)
    made = RandomForest(BANDS, RandomForestConfig(trees=5, leaf=1))
    made.fit(x_NB, y_N)
    inner = made.left != torch.arange(len(made.left))
    theirs = RandomForestClassifier(5, random_state=0).fit(x_NB, y_N)
    nodes = [tree.tree_ for tree in theirs.estimators_]
    feature = np.concatenate([tree.feature[tree.feature >= 0] for tree in nodes])
    threshold = np.concatenate([tree.threshold[tree.feature >= 0] for tree in nodes]).astype(np.float32)
    assert len(feature) == int(inner.sum())
    for side in (threshold, np.nextafter(threshold, np.float32(9)), np.nextafter(threshold, np.float32(-9))):
        edges = np.zeros((len(feature), len(BANDS)), np.float32)
        edges[np.arange(len(edges)), feature] = side
        np.testing.assert_allclose(probabilities(made, edges), theirs.predict_proba(edges), atol=1e-14)


@pytest.mark.long
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_the_machines_are_scikit_learns(classes, kernel):
    x_NB, y_N = pixels(400, classes)
    made = SVM(BANDS, SVMConfig(classes=classes, kernel=kernel, c=2.0))
    made.fit(x_NB, y_N)
    core = SVC(C=2.0) if kernel == "rbf" else LinearSVC(C=2.0, random_state=0)
    theirs = OneVsRestClassifier(CalibratedClassifierCV(core, method="sigmoid", cv=3, ensemble=False)).fit(x_NB, y_N)
    unseen_NB, _ = pixels(1000, classes, seed=1)
    np.testing.assert_allclose(probabilities(made, unseen_NB), theirs.predict_proba(unseen_NB), atol=1e-9)


MADE = {
    "forest": lambda classes: RandomForest(BANDS, RandomForestConfig(classes=classes, trees=5)),
    "svm": lambda classes: SVM(BANDS, SVMConfig(classes=classes)),
    "linear svm": lambda classes: SVM(BANDS, SVMConfig(classes=classes, kernel="linear")),
}


@pytest.mark.parametrize("name", MADE)
def test_the_softmax_of_the_logits_is_the_chance(name):
    made = MADE[name](2)
    made.fit(*pixels(300, 2))
    x = torch.randn(2, len(BANDS), 5, 7)
    got = made(x).logits_BKHW.softmax(dim=1).movedim(1, -1).reshape(-1, 2)
    np.testing.assert_allclose(got, probabilities(made, x.movedim(1, -1).reshape(-1, 4).numpy()), atol=1e-5)


@pytest.mark.parametrize("name", MADE)
def test_what_was_fitted_survives_safetensors_into_a_fresh_module(name):
    made, fresh = MADE[name](2), MADE[name](2)
    made.fit(*pixels(300, 2))
    fresh.load_state_dict(safetensors.torch.load(safetensors.torch.save(made.state_dict())))
    x = torch.randn(1, len(BANDS), 9, 8)
    assert torch.equal(made(x).logits_BKHW, fresh(x).logits_BKHW)
    with pytest.raises(RuntimeError, match="Missing key"):
        MADE[name](2).load_state_dict({})


@pytest.mark.parametrize("name", MADE)
def test_before_fitting_all_classes_are_equally_likely(name):
    for count in (2, 3):
        logits = MADE[name](count)(torch.randn(1, len(BANDS), 3, 3)).logits_BKHW
        torch.testing.assert_close(logits.softmax(dim=1), torch.full((1, count, 3, 3), 1 / count))


@pytest.mark.parametrize("name", MADE)
def test_classes_that_never_came_get_no_chance(name):
    x_NB, y_N = pixels(300, 2)
    made = MADE[name](4)
    made.fit(x_NB, np.where(y_N == 1, 3, 1))
    got = probabilities(made, x_NB)
    assert (got[:, [0, 2]] == 0).all()
    assert ((got.argmax(axis=1) == 3) == (y_N == 1)).mean() > 0.7


def test_they_learn_what_one_line_cannot_separate():
    x_NB, y_N = pixels(2000, 2)
    unseen_NB, truth_N = pixels(1000, 2, seed=5)
    right = {}
    for name, make in MADE.items():
        made = make(2)
        made.fit(x_NB, y_N)
        right[name] = (probabilities(made, unseen_NB).argmax(axis=1) == truth_N).mean()
    assert min(right["forest"], right["svm"]) > right["linear svm"] + 0.03 > 0.65


@pytest.mark.parametrize(
    ("make", "x_NB", "y_N", "words"),
    [
        (MADE["forest"], np.zeros((4, 4)), np.zeros(4), "labels 0: expected two or more"),
        (MADE["forest"], np.zeros((4, 4)), np.array([0, 1, 2, 1]), "of 0 to 1"),
        (MADE["forest"], np.zeros((4, 3)), np.array([0, 1, 1, 1]), "expected 4 x 4"),
        (MADE["svm"], np.full((4, 4), np.nan), np.array([0, 1, 1, 1]), "finite"),
        (MADE["svm"], np.zeros((20_001, 4)), np.arange(20_001) % 2, "20000 at most"),
    ],
)
def test_wrong_pixels_are_refused(make, x_NB, y_N, words):
    with pytest.raises(ValueError, match=words):
        make(2).fit(x_NB, y_N)


def test_kernel_machines_refuse_more_pixels_than_they_can_take():
    with pytest.raises(ValueError, match="takes 50000 at most; use kernel linear"):
        SVMConfig(pixels=50_001)
    assert SVMConfig(kernel="linear", pixels=50_001).pixels == 50_001


def test_the_constructor_values_are_json():
    from isamap.training.models import build, constructor_values

    made = build("svm", BANDS, {"kernel": "linear", "c": 0.5})
    assert build("svm", BANDS, json.loads(json.dumps(constructor_values(made)))).config == made.config
