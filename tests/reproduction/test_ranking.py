"""Which rows are compared, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.reproduction.labels import AREA, with_areas
from isamap.reproduction.line import ReportLine, counts_of
from isamap.reproduction.ranking import Ranking, sentences
from isamap.reproduction.study import StudyMeasure

OA = StudyMeasure("oa", "OA")
CLASSES = ("pervious", "impervious")
BLOCKS, SIZE = 31, 1000


def row(
    label: str, level: int, *, seeds: int = 3, rise: float = 0.0, data: str = "", trained: bool = True
) -> ReportLine:
    """A row whose accuracy is level / SIZE, and nearly so in every block."""
    rng = np.random.default_rng(sum(map(ord, label)))
    right_SN = level + rng.permuted(np.tile(np.arange(BLOCKS) - (BLOCKS - 1) / 2, (seeds, 1)), axis=1) * 2
    wrong_SN = SIZE - right_SN
    counts = np.stack([np.stack([right_SN, wrong_SN], -1), np.zeros((seeds, BLOCKS, 2), int)], -2)
    values = {"oa": tuple(float(value) / SIZE for value in right_SN.mean(axis=1))}
    made = tuple({"late_rise": rise} for _ in range(seeds)) if trained else ({},) * seeds
    return ReportLine(label, values, data=data, blocks=counts_of(counts), classes=CLASSES, made=made)


def ranking(*lines: ReportLine, **options) -> Ranking:
    return Ranking(lines, OA, **options)


def test_rows_that_differ_have_different_letters():
    assert ranking(row("A", 900), row("B", 800), row("C", 800)).letters == {"A": "a", "B": "b", "C": "b"}


def test_decided_pairs_are_compared_with_the_paper():
    """A above B stands, C above A does not; B and C cannot be told apart in a fourth."""
    ranks = ranking(row("A", 900), row("B", 800), row("C", 700))
    (words,) = sentences(ranks, {"A": 0.8, "B": 0.7, "C": 0.9})
    assert "3 of 3 pairs of rows differ" in words
    assert "1 of 3 decided pairs stand as in the paper; 0 of the paper's 3 pairs are undecided" in words


def test_undecided_pairs_are_no_agreement():
    (words,) = sentences(ranking(row("A", 900), row("B", 900)), {"A": 0.8, "B": 0.7})
    assert "0 of 0 decided pairs" in words and "1 of the paper's 1 pairs are undecided" in words


def test_smaller_is_better_where_the_measure_says_so():
    low = Ranking((row("A", 900), row("B", 800)), StudyMeasure("oa", "cost", best="low"))
    assert low.letters == {"B": "a", "A": "b"}
    assert "1 of 1 decided pairs stand" in sentences(low, {"A": -0.8, "B": -0.7})[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row("B", 800, rise=0.01), "still rose over the last fifth of the epochs (+0.010 ± 0.000)"),
        (row("B", 800, seeds=1), "one seed does not tell what another would give"),
        (row("B", 600), "worse than the labels that it learned from"),
        (ReportLine("B", {"oa": (0.5,)}), "no counts by block"),
    ],
)
def test_rows_that_cannot_be_compared_say_why(line, reason):
    ranks = ranking(row("A", 900), line, row("labels", 700, seeds=1, trained=False), teacher="labels")
    assert reason in ranks.excluded["B"]
    assert all("B" not in verdict.pair for verdict in ranks.verdicts)
    assert any(words.startswith("No part in comparisons: B (") for words in sentences(ranks, {}))


def test_products_are_compared_though_they_have_one_seed():
    assert ranking(row("A", 900), row("product", 700, seeds=1, trained=False)).verdicts[0].decided


def test_other_pixels_of_one_ground_are_not_compared():
    easier = row("A", 900)
    easier = ReportLine(easier.label, easier.values, blocks=tuple(seed[1:] for seed in easier.blocks), classes=CLASSES)
    assert not ranking(easier, row("B", 800)).verdicts


def test_only_the_pairs_asked_for_are_compared():
    ranks = ranking(row("A", 900), row("B", 800), row("C", 700), pairs=(("A", "C"),))
    assert [verdict.pair for verdict in ranks.verdicts] == [("A", "C")] and not ranks.letters


def test_a_pair_asked_for_is_a_sentence_with_its_interval():
    (words,) = sentences(ranking(row("A", 900), row("B", 800), pairs=(("B", "A"),)), {})
    assert words.startswith("B less A: OA -0.1000 [-0.1") and words.endswith("p below 0.001: the first is worse.")


def test_an_undecided_pair_is_said_to_be_so():
    (words,) = sentences(ranking(row("A", 900), row("B", 900), pairs=(("A", "B"),)), {})
    assert words.endswith(": undecided.")


def wide(label: str, excess: int) -> ReportLine:
    """A product whose impervious ground is so many percent too large, a little more or less in each block."""
    more_N = excess * 10 + np.random.default_rng(excess).permutation(np.arange(BLOCKS) - (BLOCKS - 1) // 2)
    counts = [[[[SIZE - int(more), int(more)], [0, SIZE]] for more in more_N]]
    return ReportLine(label, {AREA: (float(excess),)}, blocks=counts_of(counts), classes=CLASSES)


def test_areas_are_compared_too():
    """20 % too large less 5 % too large: 15 points, decided, and neither is called better."""
    areas = StudyMeasure(AREA, "area too large, %", ".1f", "none")
    (words,) = sentences(Ranking((wide("A", 20), wide("B", 5)), areas, pairs=(("A", "B"),)), {})
    assert words.startswith("A less B: area too large, % +15.0 [+14.")
    assert words.endswith("p below 0.001: the first is larger.")


def test_areas_of_many_matrices_are_those_of_each():
    """80 seen of 100 are 20 % too few, 150 of 100 half too many; where there is nothing no share is defined."""
    counts = np.array([[[300, 10], [30, 70]], [[240, 60], [10, 90]], [[400, 0], [0, 0]]])
    values, defined = with_areas(counts, CLASSES)[AREA]
    assert values[:2] == pytest.approx([-20, 50]) and defined.tolist() == [True, True, False]
