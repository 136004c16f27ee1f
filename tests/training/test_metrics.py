"""Metrics against the papers' printed tables and against definitions written another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isamap.training.accuracy.metrics import confusion_counts, scores

# LandCover3m Tables 2 and 3: rows predicted, columns reference; cropland, woodland, grassland, water, impervious, bare,
# snow
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
    """RU-Net++ Table 5 (rows predicted; it cuts kappa to .903 .815 .894 .971 .963 instead of rounding,
    docs/reference/networks.md, "Losses and measures").
    """
    measures = scores(np.array([[pervious, wrong], [0, impervious]]).T)
    assert measures.kappa == pytest.approx(kappa, abs=5e-5)
    assert measures.oa == pytest.approx(1 - wrong / 200)


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
    """LandCover3m Tables 2 and 3, 1,940 samples: overall, user's and producer's accuracies as printed."""
    measures = scores(np.array(table).T)
    assert np.sum(table) == 1940
    assert round(100 * measures.oa, 2) == oa
    assert measures.kappa == pytest.approx(kappa, abs=5e-5)
    assert [round(100 * c.ua, 2) for c in measures.classes] == ua
    assert [round(100 * c.pa, 2) for c in measures.classes] == pa


# CroFuseNet Tables II to IV: impervious IoU, PA, UA, F1, pervious IoU, PA, UA, F1, MIoU, OA, mean F1; but for three
# misprints (below) and HRNet's row, which contradicts itself
ROWS = {
    "RF": (0.7165, 83.67, 83.31, 0.8349, 0.8614, 92.46, 92.64, 0.9255, 0.7890, 89.74, 0.8802),
    "SVM": (0.6563, 78.58, 79.93, 0.7925, 0.8264, 90.85, 90.14, 0.9050, 0.7413, 86.96, 0.8487),
    "FCN": (0.8297, 90.18, 91.20, 0.9069, 0.9185, 96.00, 95.51, 0.9575, 0.8741, 94.17, 0.9322),
    "DeepLabv3+": (0.8730, 92.73, 93.71, 0.9322, 0.9400, 97.14, 96.68, 0.9691, 0.9065, 95.75, 0.9506),
    "UNet": (0.9122, 94.67, 96.15, 0.9541, 0.9588, 98.25, 97.55, 0.9790, 0.9355, 97.12, 0.9665),
    "Case 1": (0.9153, 95.21, 95.95, 0.9558, 0.9606, 98.16, 97.82, 0.9799, 0.9379, 97.23, 0.9678),
    "Case 2": (0.9287, 96.02, 96.59, 0.9630, 0.9670, 98.45, 98.19, 0.9832, 0.9479, 97.69, 0.9731),
    "Case 3": (0.9220, 95.53, 96.36, 0.9594, 0.9637, 98.35, 97.96, 0.9815, 0.9429, 97.46, 0.9705),
    "Case 4": (0.9290, 96.20, 96.44, 0.9632, 0.9672, 98.39, 98.28, 0.9833, 0.9481, 97.70, 0.9732),
    "CroFuseNet": (0.9310, 96.14, 96.72, 0.9641, 0.9680, 98.51, 98.24, 0.9838, 0.9495, 97.77, 0.9740),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_printed_row_follows_from_three_of_its_numbers(name):
    """CroFuseNet: PA and UA of impervious and PA of pervious decide the matrix, and so the other eight as printed."""
    iou, pa, ua, f1, iou_rest, pa_rest, ua_rest, f1_rest, miou, oa, mean_f1 = ROWS[name]
    measures = scores(_counts(pa, ua, pa_rest))
    rest, impervious = measures.classes
    assert (impervious.iou, impervious.f1) == (pytest.approx(iou, abs=2e-4), pytest.approx(f1, abs=2e-4))
    assert (rest.iou, rest.f1) == (pytest.approx(iou_rest, abs=4e-4), pytest.approx(f1_rest, abs=4e-4))
    assert (100 * rest.pa, 100 * rest.ua) == (pytest.approx(pa_rest, abs=0.01), pytest.approx(ua_rest, abs=0.06))
    assert (measures.miou, measures.mean_f1) == (pytest.approx(miou, abs=3e-4), pytest.approx(mean_f1, abs=3e-4))
    assert 100 * measures.oa == pytest.approx(oa, abs=0.05)
    assert impervious.f1 == pytest.approx(2 * pa * ua / (pa + ua) / 100, abs=1e-6)
    assert impervious.iou == pytest.approx(impervious.f1 / (2 - impervious.f1), abs=1e-12)


@pytest.mark.parametrize(
    ("pa", "ua", "pa_rest", "measure", "printed"),
    [
        (78.58, 79.93, 90.85, lambda found: found.classes[0].f1, 0.9079),
        (96.14, 96.72, 98.51, lambda found: found.mean_f1, 0.9770),
        (93.78, 90.19, 95.89, lambda found: found.classes[1].f1, 0.9226),
    ],
)
def test_misprints_are_not_copied(pa, ua, pa_rest, measure, printed):
    """CroFuseNet: SVM's pervious F1 (its IoU .8264 gives .9050, as does the mean .8487), CroFuseNet's mean F1 of Table
    II and the abstract (the classes give .9740), HRNet's impervious F1, which its PA and UA do not give
    (docs/reference/papers.md, "crofusenet").
    """
    assert abs(measure(scores(_counts(pa, ua, pa_rest))) - printed) > 2e-3


def _counts(pa: float, ua: float, pa_rest: float) -> np.ndarray:
    """A hundred million pixels with these accuracies in percent: PA and UA of impervious, PA of the rest."""
    total = 100_000_000
    false_share, lost = pa * (100 / ua - 1) / 100, 1 - pa_rest / 100
    reference = round(total * lost / (lost + false_share))
    hit, false = round(reference * pa / 100), round(reference * false_share)
    return np.array([[total - reference - false, false], [reference - hit, hit]])


@pytest.mark.long
@given(hnp.arrays(np.uint8, 60, elements=st.integers(0, 2)), hnp.arrays(np.uint8, 60, elements=st.integers(0, 2)))
@settings(max_examples=40, deadline=None)
def test_scores_are_the_definitions_on_pixel_sets(label, predicted):
    counts = confusion_counts(torch.from_numpy(predicted), torch.from_numpy(label), 3)
    measures = scores(counts)
    for k, c in enumerate(measures.classes):
        a, b = set(np.flatnonzero(label == k)), set(np.flatnonzero(predicted == k))
        assert c.iou == (len(a & b) / len(a | b) if a | b else None)
        assert c.pa == (len(a & b) / len(a) if a else None)
        assert c.ua == (len(a & b) / len(b) if b else None)
    assert measures.oa == (label == predicted).mean()


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
    measures = scores(counts)
    assert measures.classes[1].ua == 3_000_000_000 / 3_000_000_001
    assert measures.kappa == pytest.approx(1 - 2 / 6_000_000_001, abs=1e-12)


def test_a_class_that_never_occurs_is_left_out_of_the_means():
    measures = scores(np.array([[10, 0, 0], [2, 8, 0], [0, 0, 0]]))
    assert measures.classes[2].iou is None and measures.classes[2].pa is None
    assert measures.miou == pytest.approx((10 / 12 + 8 / 10) / 2)


def test_no_counts_at_all():
    measures = scores(np.zeros((2, 2), dtype=int))
    assert (measures.oa, measures.miou, measures.kappa) == (0.0, 0.0, None)


@pytest.mark.parametrize("wrong", [np.ones((2, 3), dtype=int), np.ones((2, 2)), np.array([[1, -1], [0, 1]])])
def test_what_is_no_confusion_is_refused(wrong):
    with pytest.raises(ValueError, match="confusion"):
        scores(wrong)
