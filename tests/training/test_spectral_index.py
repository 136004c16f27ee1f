"""Indices: formulas by hand, the threshold by brute force, and the way through train, evaluate, compare and map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import isamap
from isamap import training
from isamap.gee_export.datasets.dataset import write
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build
from isamap.training.models.spectral_index import best_threshold
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import BANDS as TOWN
from tests.support.towns import manifest, samples, spread

ALL = ("B2", "B3", "B4", "B8", "B11", "B12")
PIXEL = (0.1, 0.12, 0.08, 0.3, 0.25, 0.2)


def made(index: str, bands=ALL):
    network = build("index", bands, {"index": index})
    network.standardised_by([0.1] * len(bands), [0.05] * len(bands))
    return network


def standard(*pixels) -> torch.Tensor:
    return torch.tensor((np.array(pixels) - 0.1) / 0.05, dtype=torch.float32)


# by a pocket calculator: B2 .1, B3 .12, B4 .08, B8 .3, B11 .25, B12 .2
BY_HAND = {
    "ndvi": 0.22 / 0.38,
    "ndbi": -0.05 / 0.55,
    "mndwi": -0.13 / 0.37,
    "ui": -0.1 / 0.5,
    "bui": -0.0909091 - 0.5789474,
    "pisi": 0.08192 - 0.17205 + 0.0750,
    "ibi": (0.9090909 - (1.375 + 0.6486486) / 2) / (0.9090909 + (1.375 + 0.6486486) / 2),
}


@pytest.mark.parametrize("index", BY_HAND)
def test_an_index_is_its_formula(index):
    assert float(made(index).values(standard(PIXEL))[0]) == pytest.approx(BY_HAND[index], abs=1e-5)


def test_endisi_makes_both_means_alike():
    """Chen et al. 2019, equation 4: alpha = 2 mean(blue) / (mean(SWIR1 / SWIR2) + mean(MNDWI^2))."""
    network, second = made("endisi"), (0.2, 0.1, 0.1, 0.2, 0.3, 0.4)
    pixels = standard(PIXEL, second)
    network.fit(pixels.numpy(), np.array([0, 1]))
    mndwi = np.array([-0.13 / 0.37, -0.2 / 0.4])
    alpha = 2 * 0.15 / (np.mean([1.25, 0.75]) + np.mean(mndwi**2))
    dry = np.array([1.25, 0.75]) + mndwi**2
    blue = np.array([0.1, 0.2])
    np.testing.assert_allclose(network.values(pixels), (blue - alpha * dry) / (blue + alpha * dry), atol=1e-5)


def test_ndisi_compares_stretched_bands():
    """RU-Net++ equation 1; kelvins and reflectances are stretched from their 2nd to their 98th percentile first."""
    rng = np.random.default_rng(0)
    kelvin, infrared = rng.normal(300, 5, 500), rng.uniform(0.05, 0.4, 500)
    network = build("index", ("B8", "T"), {"index": "ndisi"})
    network.standardised_by([0.2, 300.0], [0.1, 5.0])
    pixels = torch.tensor(np.column_stack(((infrared - 0.2) / 0.1, (kelvin - 300) / 5)), dtype=torch.float32)
    assert network.probabilities(pixels).eq(0.5).all()  # nothing is learned yet
    network.fit(pixels.numpy(), (kelvin > 300).astype(int))
    ends = [np.percentile(band, (2, 98)) for band in (kelvin, infrared)]
    t, n = (np.clip((b - low) / (high - low), 0, 1) for b, (low, high) in zip((kelvin, infrared), ends, strict=True))
    expected = np.where(t + n > 1e-6, (t - n) / np.maximum(t + n, 1e-6), 0)
    np.testing.assert_allclose(network.values(pixels), expected, atol=1e-3)


def test_a_band_of_one_value_makes_an_index_of_one_value():
    network = build("index", ("B8", "T"), {"index": "ndisi"})
    network.standardised_by([0.2, 300.0], [0.1, 5.0])
    network.fit(np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]))
    assert torch.isfinite(network.values(torch.zeros(4, 2))).all()


def test_dark_pixels_have_an_index_of_0():
    zeros = standard((0.0,) * 6)
    assert float(made("ndbi").values(zeros)[0]) == pytest.approx(0, abs=1e-6)


def miou(called, labels) -> float:
    ious = [((called == k) & (labels == k)).sum() / ((called == k) | (labels == k)).sum() for k in (0, 1)]
    return float(np.mean(ious))


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_best_of_all_cuts(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(60) < 0.3).astype(int)
    values = np.round(labels + rng.normal(0, 1.2, 60), 1)  # with ties
    threshold, best = best_threshold(values, labels)
    tried = [(cut, miou(values >= cut, labels)) for cut in np.unique(values)[1:]]
    assert best == pytest.approx(max(score for _, score in tried))
    assert miou(values >= threshold, labels) == pytest.approx(best)


def test_the_side_is_chosen_too():
    """NDVI is low on impervious ground, NDBI high."""
    green, grey = (0.05, 0.08, 0.04, 0.4, 0.15, 0.1), (0.15, 0.15, 0.16, 0.2, 0.3, 0.3)
    pixels, labels = standard(*[green] * 5, *[grey] * 5), np.repeat([0, 1], 5)
    for index in ("ndvi", "ndbi"):
        network = made(index)
        network.fit(pixels.numpy(), labels)
        np.testing.assert_array_equal(network.probabilities(pixels)[:, 1].numpy() > 0.5, labels == 1)


def test_an_index_without_its_bands_is_refused():
    with pytest.raises(ValueError, match="index ndbi needs B8, B11: B11 is not among the bands"):
        build("index", ("B2", "B8"), {"index": "ndbi"})
    with pytest.raises(ValueError, match="index 'nbdi' is not known: choose one of ndvi"):
        build("index", ALL, {"index": "nbdi"})
    with pytest.raises(ValueError, match="an index divides two classes"):
        build("index", ALL, {"classes": 7})


@pytest.fixture(scope="module")
def green(tmp_path_factory):
    """A town whose B8 tells all: 4 to train, 4 to validate, 4 to test, with other noise."""
    folder, splits = tmp_path_factory.mktemp("green") / "data", spread(4, 4, 4)
    write(folder, manifest(tuple(TOWN), 32, len(splits)), samples(tuple(TOWN), 32, splits))
    return folder


@pytest.mark.long
def test_an_index_is_trained_evaluated_and_compared(green, tmp_path, capsys):
    for name in ("pisi", "ndvi"):
        words = ["train", "--recipe", name, "--data", str(green), "--out", str(tmp_path / name)]
        assert isamap.main(words) == 0
    report = training.evaluate(tmp_path / "pisi", green)
    assert report.scores.miou > 0.6
    assert isamap.main(["compare", str(tmp_path / "pisi"), str(tmp_path / "ndvi"), "--data", str(green)]) == 0
    assert "pisi" in capsys.readouterr().out
    kept = ck.load(tmp_path / "ndvi")
    assert kept.halo == 0 and kept.band_names == ("B4", "B8") and kept.config["index"] == "ndvi"


def test_the_threshold_is_chosen_on_validation(green, tmp_path):
    """The same numbers by the patches themselves: physical reflectances, both sides, every cut."""
    from isamap.gee_export.datasets.dataset import Dataset

    run = training.train(green, "pisi", tmp_path / "run")
    dataset = Dataset.open(green)
    names = dataset.manifest.band_names
    images = [dataset.read_image(patch) * 1e-4 for patch in dataset.in_split("val")]
    labels = np.concatenate([dataset.read_label(patch).ravel() for patch in dataset.in_split("val")])
    blue, infrared = (np.concatenate([image[names.index(band)].ravel() for image in images]) for band in ("B2", "B8"))
    values = 0.8192 * blue.clip(0, 1) - 0.5735 * infrared.clip(0, 1) + 0.0750
    expected, best = best_threshold(values, labels)
    assert best > best_threshold(-values, labels)[1]
    assert float(ck.load(run.folder).build().threshold) == pytest.approx(expected, abs=1e-4)
