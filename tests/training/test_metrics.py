"""Metrics against the papers' printed tables and against definitions written another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.metrics import confusion_counts, scores

# S003 Tables 2 and 3: rows predicted, columns reference; cropland, woodland, grassland, water, impervious, bare, snow
TEN_METRES = [
    [263, 34, 32, 3, 36, 1, 0],
    [27, 373, 30, 0, 2, 0, 0],
    [32, 17, 188, 1, 12, 32, 0],
    [0, 3, 1, 89, 1, 3, 2],
    [9, 1, 2, 2, 132, 1, 0],
    [5, 9, 49, 2, 8, 526, 3],
    [0, 0, 1, 0, 0, 3, 5],
]
THREE_METRES = [
    [282, 27, 20, 3, 20, 1, 0],
    [21, 391, 26, 2, 6, 0, 1],
    [22, 10, 223, 1, 7, 19, 0],
    [1, 1, 0, 84, 2, 2, 0],
    [8, 1, 2, 4, 150, 2, 0],
    [2, 7, 32, 3, 6, 542, 6],
    [0, 0, 0, 0, 0, 0, 3],
]


@pytest.mark.parametrize(
    ("wrong", "pervious", "impervious", "kappa"),
    [(2, 188, 10, 0.9038), (3, 190, 7, 0.8160), (2, 189, 9, 0.8948), (2, 153, 45, 0.9718), (2, 166, 32, 0.9637)],
)
def test_kappa_of_the_five_regions(wrong, pervious, impervious, kappa):
    """S001 Table 5 (rows predicted; it cuts kappa to .903 .815 .894 .971 .963 instead of rounding, models.md 3.3)."""
    found = scores(np.array([[pervious, wrong], [0, impervious]]).T)
    assert found.kappa == pytest.approx(kappa, abs=5e-5)
    assert found.oa == pytest.approx(1 - wrong / 200)


@pytest.mark.parametrize(
    ("table", "oa", "kappa", "ua", "pa"),
    [
        (
            TEN_METRES,
            81.24,
            0.7636,
            [71.27, 86.34, 66.67, 89.90, 89.80, 87.38, 55.56],
            [78.27, 85.35, 62.05, 91.75, 69.11, 92.93, 50.00],
        ),
        (
            THREE_METRES,
            86.34,
            0.8278,
            [79.89, 87.47, 79.08, 93.33, 89.82, 90.64, 100.00],
            [83.93, 89.47, 73.60, 86.60, 78.53, 95.76, 30.00],
        ),
    ],
)
def test_accuracies_of_the_land_cover_maps(table, oa, kappa, ua, pa):
    """S003 Tables 2 and 3, 1,940 samples: overall, user's and producer's accuracies as printed."""
    found = scores(np.array(table).T)
    assert np.sum(table) == 1940
    assert round(100 * found.oa, 2) == oa
    assert found.kappa == pytest.approx(kappa, abs=5e-5)
    assert [round(100 * c.ua, 2) for c in found.classes] == ua
    assert [round(100 * c.pa, 2) for c in found.classes] == pa


@pytest.mark.parametrize(
    ("pa", "ua", "iou", "f1"),
    [
        (83.67, 83.31, 0.7165, 0.8349),
        (78.58, 79.93, 0.6563, 0.7925),
        (90.18, 91.20, 0.8297, 0.9069),
        (92.73, 93.71, 0.8730, 0.9322),
        (94.67, 96.15, 0.9122, 0.9541),
        (96.14, 96.72, 0.9310, 0.9641),
    ],
)
def test_iou_and_f1_follow_from_the_printed_accuracies(pa, ua, iou, f1):
    """S002 Table III, impervious: RF, SVM, FCN, DeepLabv3+, UNet, CroFuseNet (HRNet's row contradicts itself)."""
    found = scores(_counts(pa, ua)).classes[1]
    assert found.iou == pytest.approx(iou, abs=2e-4)
    assert found.f1 == pytest.approx(f1, abs=2e-4)


def test_mean_f1_of_crofusenet_is_not_the_abstracts():
    """S002 Table IV prints .974 = (.9641 + .9838) / 2; the abstract and Table II print .9770 (models.md 1.4)."""
    found = scores(_counts(96.14, 96.72))
    assert found.mean_f1 == pytest.approx(0.974, abs=5e-4)
    assert found.miou == pytest.approx(0.9495, abs=5e-4)
    assert found.oa == pytest.approx(0.9777, abs=5e-4)


def _counts(pa: float, ua: float, impervious_share: float = 0.315) -> np.ndarray:
    """Ten million pixels with these accuracies in percent of impervious (31.5 % of S002's test set)."""
    total, reference = 10_000_000, round(10_000_000 * impervious_share)
    hit = round(reference * pa / 100)
    false = round(hit / ua * 100) - hit
    return np.array([[total - reference - false, false], [reference - hit, hit]])


@given(hnp.arrays(np.uint8, 60, elements=st.integers(0, 2)), hnp.arrays(np.uint8, 60, elements=st.integers(0, 2)))
@settings(max_examples=40, deadline=None)
def test_scores_are_the_definitions_on_pixel_sets(label, predicted):
    counts = confusion_counts(torch.from_numpy(predicted), torch.from_numpy(label), 3)
    found = scores(counts)
    for k, c in enumerate(found.classes):
        a, b = set(np.flatnonzero(label == k)), set(np.flatnonzero(predicted == k))
        assert c.iou == (len(a & b) / len(a | b) if a | b else None)
        assert c.pa == (len(a & b) / len(a) if a else None)
        assert c.ua == (len(a & b) / len(b) if b else None)
    assert found.oa == (label == predicted).mean()


def test_unknown_labels_are_not_counted():
    label = torch.tensor([0, 1, 255, 255], dtype=torch.uint8)
    counts = confusion_counts(torch.tensor([1, 1, 0, 1]), label, 2)
    assert counts.tolist() == [[0, 1], [0, 1]]


def test_a_label_beyond_the_classes_is_refused():
    with pytest.raises(ValueError, match="label 4 in the data: the network knows classes 0 to 1"):
        confusion_counts(torch.tensor([1]), torch.tensor([4], dtype=torch.uint8), 2)


def test_counts_are_exact_beyond_float_and_int32():
    """60 km x 60 km of patches hold more pixels than float32 can count one by one."""
    counts = np.array([[3_000_000_000, 1], [0, 3_000_000_000]])
    found = scores(counts)
    assert found.classes[1].ua == 3_000_000_000 / 3_000_000_001
    assert found.kappa == pytest.approx(1 - 2 / 6_000_000_001, abs=1e-12)


def test_a_class_that_never_occurs_is_left_out_of_the_means():
    found = scores(np.array([[10, 0, 0], [2, 8, 0], [0, 0, 0]]))
    assert found.classes[2].iou is None and found.classes[2].pa is None
    assert found.miou == pytest.approx((10 / 12 + 8 / 10) / 2)


def test_no_counts_at_all():
    found = scores(np.zeros((2, 2), dtype=int))
    assert (found.oa, found.miou, found.kappa) == (0.0, 0.0, None)


@pytest.mark.parametrize("wrong", [np.ones((2, 3), dtype=int), np.ones((2, 2)), np.array([[1, -1], [0, 1]])])
def test_what_is_no_confusion_is_refused(wrong):
    with pytest.raises(ValueError, match="confusion"):
        scores(wrong)
