"""Curves of calibration against scikit-learn's, and what the command does with them."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import rasterio
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

import isamap
from isamap import inference, training
from isamap.training.accuracy.curve_fits import METHODS, Counts, fitted, log_loss
from isamap.training.accuracy.reliability import Reliability, sums
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.curve import Curve, curve_of
from tests.inference.conftest import stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401
from tests.training.test_bad_input import kept  # noqa: F401
from tests.training.test_reliability import pixels, town  # noqa: F401

P = np.linspace(0.01, 0.99, 99)


def counts(seed: int = 0) -> tuple[Counts, np.ndarray, np.ndarray]:
    p, label = pixels(seed, 20_000)
    is_known = label != 255
    return Reliability(sums(p, label)[None]).counts, p[is_known].astype(float), label[is_known]


def logistic(features: np.ndarray, label: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=1e9, max_iter=5000, tol=1e-10).fit(features, label)


def test_platt_is_a_logistic_regression_on_the_log_odds():
    actual, p, label = counts()
    model = logistic(logit(np.clip(p, 1e-6, 1 - 1e-6))[:, None], label)
    expected = model.predict_proba(logit(P)[:, None])[:, 1]
    np.testing.assert_allclose(fitted("platt", actual)(P), expected, atol=4e-3)


def test_beta_is_a_logistic_regression_on_both_logarithms():
    """Kull et al. 2017, section 4."""
    actual, p, label = counts()
    inner = np.clip(p, 1e-6, 1 - 1e-6)
    model = logistic(np.stack([np.log(inner), -np.log(1 - inner)], axis=1), label)
    assert (model.coef_ > 0).all()
    expected = model.predict_proba(np.stack([np.log(P), -np.log(1 - P)], axis=1))[:, 1]
    np.testing.assert_allclose(fitted("beta", actual)(P), expected, atol=4e-3)


def test_temperature_is_the_best_of_all():
    actual, *_ = counts()
    mean = np.clip(actual.mean_N, 1e-6, 1 - 1e-6)
    tried = {t: log_loss(expit(logit(mean) / t), actual) for t in np.geomspace(0.2, 10, 400)}
    best = min(tried, key=tried.get)
    assert best > 1.5  # the pixels are twice as sure as they should be
    np.testing.assert_allclose(fitted("temperature", actual)(P), expit(logit(P) / best), atol=5e-3)


def test_isotonic_is_scikit_learns():
    actual, p, label = counts()
    model = IsotonicRegression(y_min=0, y_max=1).fit(p, label)
    difference = np.abs(fitted("isotonic", actual)(P) - model.predict(P))
    assert difference.mean() < 0.01  # steps and knots smooth the jumps


@pytest.mark.parametrize("method", METHODS)
def test_no_two_probabilities_fall_together(method):
    curve = fitted(method, counts()[0])
    assert (np.diff(curve.values) > 0).all()
    assert [curve.inverse(float(curve(t))) for t in P] == pytest.approx(P, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_knots_follow_the_function(method):
    """Straight lines between 257 knots: less than a step of a map's probability off."""
    actual = counts()[0]
    fine = np.linspace(0, 1, 20_001)
    exact = (1 - 1e-3) * np.maximum.accumulate(METHODS[method](actual)(fine)) + 1e-3 * fine
    limit = 0.06 if method == "isotonic" else 1 / 254  # it jumps
    assert np.abs(fitted(method, actual)(fine) - exact).max() < limit


@pytest.mark.parametrize(
    ("knots", "values"),
    [
        ((0, 1), (0.5, 0.5)),
        ((0, 0.5), (0, 1)),
        ((0, 0.5, 1), (0, 1)),
        ((0, 1), (0, 1.5)),
        ((0, 0.5, 0.4, 1), (0, 0.1, 0.2, 1)),
    ],
)
def test_what_is_no_curve_is_refused(knots, values):
    with pytest.raises(ValueError, match="curve"):
        Curve("beta", knots, values)


def calibrated(kept, town, out, *words: str) -> int:  # noqa: F811
    return isamap.main(["calibrate", "--checkpoint", str(kept), "--data", town, "--out", str(out), *words])


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_a_copy_says_better_probabilities_and_the_same_classes(kept, town, tmp_path, capsys, method):  # noqa: F811
    assert calibrated(kept, town, tmp_path / "copy", "--curve", method) == 0
    assert f"{method} curve; impervious from" in capsys.readouterr().out
    before, after = (training.evaluate(run, town, "val") for run in (kept, tmp_path / "copy"))
    losses = [log_loss(r.reliability.counts.mean_N, r.reliability.counts) for r in (before, after)]
    assert losses[1] < losses[0] and after.reliability.values["brier"] < before.reliability.values["brier"]
    assert np.abs(after.by_block - before.by_block).sum() <= 0.001 * before.by_block.sum()  # ties in float32
    card = (tmp_path / "copy" / "card.md").read_text()
    assert f"calibrated by a {method} curve on the val split" in card


@pytest.fixture
def copy(kept, town, tmp_path):  # noqa: F811
    assert calibrated(kept, town, tmp_path / "copy", "--curve", "beta") == 0
    return tmp_path / "copy"


def test_a_map_has_the_curves_probabilities_and_the_same_classes(copy, kept, tmp_path):  # noqa: F811
    """docs/reference/formats.md, "Map": prob = round(254 p), here of the calibrated p."""
    scene = write_tif(tmp_path / "scene.tif", stored_scene(70, 50))
    plain, actual = (
        read_map(inference.map_region(run, out=tmp_path / f"{run.name}.tif", input=scene, progress=False).path)
        for run in (kept, copy)
    )
    assert (actual[0] != plain[0]).mean() < 0.001  # ties in float32: the untrained network's curve is almost level
    with rasterio.open(tmp_path / "copy.tif") as stored:
        assert stored.tags()["calibration"] == "beta"
        assert float(stored.tags()["threshold"]) == pytest.approx(ck.load(copy).thresholds["impervious"], abs=1e-6)
    curve, listed = curve_of(ck.load(copy)), plain[0] != 255
    low, high = (254 * curve(np.clip((plain[1] + shift) / 254, 0, 1)) for shift in (-0.51, 0.51))
    assert ((actual[1] >= np.floor(low)) & (actual[1] <= np.ceil(high)))[listed].all()
    assert (actual[1] != plain[1])[listed].any()


def test_a_curve_is_part_of_the_fingerprint(copy, kept):  # noqa: F811
    before, after = ck.load(kept), ck.load(copy)
    assert before.fingerprint != after.fingerprint and before.calibration == {}


def test_a_second_curve_replaces_the_first(copy, town, tmp_path):  # noqa: F811
    """Fitted to the network's own probabilities, not on top of the other."""
    assert calibrated(copy, town, tmp_path / "again", "--curve", "beta") == 0
    first, again = ck.load(copy), ck.load(tmp_path / "again")
    assert again.calibration == first.calibration
    assert again.thresholds["impervious"] == pytest.approx(first.thresholds["impervious"], abs=1e-6)


def test_an_onnx_file_has_the_threshold_of_its_own_probability(copy, tmp_path):
    training.export_onnx(copy, tmp_path / "a.onnx")
    words = {entry.key: entry.value for entry in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert float(words["threshold"]) == pytest.approx(0.5, abs=1e-6)
    assert json.loads(words["calibration"])["method"] == "beta"


def test_calibrated_members_are_no_ensemble(copy, kept, tmp_path, capsys):  # noqa: F811
    assert isamap.main(["ensemble", str(kept), str(copy), "--out", str(tmp_path / "out")]) == 2
    assert "join the networks first, then calibrate the mean" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--curve", "spline"], "choose one of temperature, platt, beta, isotonic"),
        (["--curve", "beta", "--split", "test"], "so that test stays unseen"),
        (["--curve", "beta", "--post", "clahe"], "one after the other, the curve first"),
    ],
)
def test_wrong_words_are_one_sentence(kept, town, tmp_path, capsys, words, sentence):  # noqa: F811
    assert calibrated(kept, town, tmp_path / "out", *words) == 2
    assert sentence in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_makes_other_pixels_of_the_place_reliable(method):
    """Fitted to some pixels, judged on others: most of the error goes."""
    curve = fitted(method, counts(0)[0])
    p, label = pixels(1, 20_000)
    before, after = (Reliability(sums(values, label)[None]).values for values in (p, curve(p)))
    assert before["ece"] > 0.05 and after["ece"] < 0.02 and after["brier"] < before["brier"]
