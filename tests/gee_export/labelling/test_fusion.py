"""Fusion of labels and shares: properties over any labels, against plain Python pixel by pixel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from isamap.gee_export.base.scheme import SCHEMES
from isamap.gee_export.labelling import fusion, shares
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels

ISA, SEVEN = SCHEMES["isa"], SCHEMES["landcover3m"]
SHAPE = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))


@dataclass(frozen=True)
class _Known:
    """A source on this machine, of which the shares are known."""

    percent: np.ndarray
    label: str | None = None
    share: None = None

    def read(self, geobox):
        return np.where(self.percent == 255, 255, self.percent > 50).astype(np.uint8), self.percent


def labels_of(numbers):
    return arrays(np.uint8, SHAPE, elements=st.sampled_from([*numbers, 255]))


two, seven = labels_of([0, 1]), labels_of(range(7))


def pixels(labels: np.ndarray):
    return labels.reshape(len(labels), -1).T.tolist()


@given(seven)
def test_intersection_is_what_all_say(labels):
    expected = [votes[0] if len(set(votes)) == 1 else 255 for votes in pixels(labels)]
    np.testing.assert_array_equal(fusion.intersection(labels, SEVEN).ravel(), expected)


@given(two)
def test_union_is_impervious_where_any_says_so(labels):
    expected = [1 if 1 in votes else 0 if 0 in votes else 255 for votes in pixels(labels)]
    np.testing.assert_array_equal(fusion.union(labels, ISA).ravel(), expected)


@given(seven)
def test_majority_is_what_most_of_those_that_know_say(labels):
    def most(votes):
        counts = Counter(vote for vote in votes if vote != 255).most_common(2)
        if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
            return 255
        return counts[0][0]

    np.testing.assert_array_equal(fusion.majority(labels, SEVEN).ravel(), [most(votes) for votes in pixels(labels)])


@given(two)
def test_one_source_is_itself_under_every_fusion(labels):
    for fuse in fusion.FUSIONS.values():
        np.testing.assert_array_equal(fuse(labels[:1], ISA), labels[0])


def test_a_share_of_sources_is_the_mean_of_those_that_know():
    given_shares = np.array([[[10, 255, 255, 1]], [[20, 40, 255, 2]]], np.uint8)
    np.testing.assert_array_equal(shares.mean(given_shares), [[15, 40, 255, 2]])


@given(two.filter(lambda labels: 2 <= len(labels) <= 4))
def test_the_share_of_class_products_is_how_many_of_them_say_impervious(labels):
    """Label smoothing by product agreement is what `--fusion majority --share` stores."""
    names = ("worldcover", "esri", "from_glc10", "dynamicworld")[: len(labels)]
    on_server = _Known(labels[0], label="an image there")
    fetched = {f"label_{index}": label for index, label in enumerate(labels)}
    label, share = OpenLabels(LabelRequest(names, "majority", share=True), (on_server,) * len(labels), {}).fuse(
        fetched, None
    )
    expected = [
        round(100 * votes.count(1) / listed) if (listed := len(votes) - votes.count(255)) else 255
        for votes in pixels(labels)
    ]
    np.testing.assert_array_equal(share.ravel(), expected)
    np.testing.assert_array_equal(label, fusion.majority(labels, ISA))


def test_a_share_of_a_union_is_the_largest_of_those_that_know():
    """Buildings and roads in two files: a pixel under a roof is built, though no road runs there."""
    given_shares = np.array([[[100, 255, 255, 1]], [[0, 40, 255, 2]]], np.uint8)
    np.testing.assert_array_equal(shares.most(given_shares), [[100, 40, 255, 2]])
    label_request = LabelRequest(sources=("a.gpkg", "b.gpkg"), fusion="union", share=True)
    opened = tuple(_Known(share) for share in given_shares)
    label, share = OpenLabels(label_request, opened, {}).fuse({}, None)
    np.testing.assert_array_equal(share, [[100, 40, 255, 2]])
    np.testing.assert_array_equal(label, [[1, 0, 255, 0]])


@given(arrays(np.uint8, (12, 9), elements=st.sampled_from([0, 100, 37, 255])), st.sampled_from([1, 3]))
def test_a_share_of_finer_pixels_is_their_mean_where_half_is_known(fine, side):
    actual = shares.of_blocks(fine, side)
    for (row, col), share in np.ndenumerate(actual):
        block = fine[row * side : (row + 1) * side, col * side : (col + 1) * side].ravel()
        listed = block[block != 255]
        assert share == (round(listed.mean()) if 2 * len(listed) >= side * side else 255)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sources": ("worldcover", "esri")}, "single takes one label source, not 2: give --fusion intersection"),
        ({"sources": ("worldcover", "esri"), "fusion": "union", "scheme": "landcover3m"}, "7 classes"),
        ({"fusion": "vote"}, "expected one of single, intersection, union, majority"),
        ({"scheme": "seven"}, "expected one of isa, landcover3m"),
        ({"sources": ("esri", "esri"), "fusion": "majority"}, "names a source twice"),
        ({"sources": (), "share": True}, "--share needs a --label"),
        ({"sources": ("esri", "none"), "fusion": "majority"}, "none stands alone"),
    ],
)
def test_what_cannot_be_fused_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        LabelRequest(**options)


def test_labels_survive_json():
    label_request = LabelRequest(("worldcover", "roads.gpkg#width=6"), "majority", share=True)
    assert LabelRequest.from_json(label_request.to_json()) == label_request and hash(label_request)
    with pytest.raises(ValueError, match="not what this version writes"):
        LabelRequest.from_json({"sources": ["esri"], "shares": True})
