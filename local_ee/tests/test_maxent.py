"""Maximum entropy models (apidocs ee-classifier-amnhmaxent) by the conditions that define them: Phillips, Anderson and
Schapire (2006): the model's mean of each feature is within its bound of the mean over presences."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from tests.support.training import NAMES, features

pytestmark = pytest.mark.usefixtures("session")

CHANCE = np.random.default_rng(3)
PRESENT = CHANCE.normal([60, 40, 50], 8, (40, 3))
BACKGROUND = CHANCE.uniform(0, 100, (200, 3))
TABLE = np.concatenate([PRESENT, BACKGROUND])
LABELS = np.repeat([1, 0], [40, 200])
LINEAR = {"autoFeature": False, "quadratic": False, "product": False, "hinge": False, "addSamplesToBackground": False}


def model(**options) -> ee.Classifier:
    return ee.Classifier.amnhMaxent(**options).train(features(TABLE, LABELS), "label", NAMES)


def probabilities(classifier: ee.Classifier, table: np.ndarray, name: str = "probability") -> np.ndarray:
    rows = features(table, np.zeros(len(table), int)).classify(classifier)
    return np.array(info(rows.aggregate_array(name)))


def test_raw_probabilities_of_the_background_sum_to_one():
    assert probabilities(model(outputFormat="raw", **LINEAR), BACKGROUND).sum() == pytest.approx(1)


def test_means_of_the_model_are_within_their_bounds():
    raw = probabilities(model(outputFormat="raw", **LINEAR), BACKGROUND)
    low, span = TABLE.min(axis=0), np.ptp(TABLE, axis=0)
    present, background = (PRESENT - low) / span, (BACKGROUND - low) / span
    factor = np.interp(len(PRESENT), (10, 30, 100), (1.0, 0.2, 0.05))
    bound = factor * present.std(axis=0) / np.sqrt(len(PRESENT))
    assert (np.abs(raw @ background - present.mean(axis=0)) <= bound * 1.01 + 1e-5).all()


def test_a_large_multiplier_leaves_an_even_distribution():
    raw = probabilities(model(outputFormat="raw", betaMultiplier=1e6, **LINEAR), BACKGROUND)
    assert raw == pytest.approx(1 / len(BACKGROUND))


def test_presences_are_more_probable():
    own = model()
    assert probabilities(own, PRESENT).mean() > 2 * probabilities(own, BACKGROUND).mean()


@pytest.mark.parametrize(("form", "most"), [("cloglog", 1), ("logistic", 1), ("cumulative", 100.001)])
def test_output_formats_are_bounded_and_rise_together(form, most):
    own, raw = (probabilities(model(outputFormat=each), BACKGROUND) for each in (form, "raw"))
    assert own.min() >= 0 and own.max() <= most
    order = np.argsort(raw)
    assert (np.diff(own[order]) >= -1e-9).all()


def test_cloglog_of_raw():
    raw = probabilities(model(outputFormat="raw", **LINEAR), BACKGROUND)
    entropy = -(raw * np.log(raw)).sum()
    own = probabilities(model(**LINEAR), BACKGROUND)
    assert own == pytest.approx(1 - np.exp(-np.exp(entropy) * raw))


def test_outside_the_training_the_value_is_that_of_the_edge():
    top = TABLE.max(axis=0)
    inside, outside = probabilities(model(**LINEAR), np.stack([top, top + 50]))
    assert inside == pytest.approx(outside)


def test_the_band_clamp_is_the_change_by_clamping():
    outside = TABLE.max(axis=0)[None] + 50
    free, clamped = (probabilities(model(doClamp=clamp, **LINEAR), outside)[0] for clamp in (False, True))
    assert probabilities(model(**LINEAR), outside, "clamp")[0] == pytest.approx(abs(free - clamped))


def test_bands_of_a_map_of_probability():
    image = ee.Image.constant(PRESENT[0].tolist()).rename(NAMES).classify(model())
    assert info(image.bandNames()) == ["probability", "clamp"]
    assert 0 < pixels(image)[0, 0] <= 1


def test_presences_alone_are_not_enough():
    alone = ee.Classifier.amnhMaxent().train(features(PRESENT, np.ones(40, int)), "label", NAMES)
    with pytest.raises(EngineError, match="it needs both"):
        info(alone.explain())
