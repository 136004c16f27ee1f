"""Which rows are compared, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from reproduction.line import Line, counts_of
from reproduction.ranking import Ranking, sentences
from reproduction.study import Measure

OA = Measure("oa", "OA")
CLASSES = ("pervious", "impervious")
BLOCKS, SIZE = 31, 1000


def row(label: str, level: int, *, seeds: int = 3, rise: float = 0.0, data: str = "", trained: bool = True) -> Line:
    """A row whose accuracy is level / SIZE, and nearly so in every block."""
    rng = np.random.default_rng(sum(map(ord, label)))
    right_SN = level + rng.permuted(np.tile(np.arange(BLOCKS) - (BLOCKS - 1) / 2, (seeds, 1)), axis=1) * 2
    wrong_SN = SIZE - right_SN
    counts = np.stack([np.stack([right_SN, wrong_SN], -1), np.zeros((seeds, BLOCKS, 2), int)], -2)
    values = {"oa": tuple(float(value) / SIZE for value in right_SN.mean(axis=1))}
    made = tuple({"late_rise": rise} for _ in range(seeds)) if trained else ({},) * seeds
    return Line(label, values, data=data, blocks=counts_of(counts), classes=CLASSES, made=made)


def ranking(*lines: Line, **options) -> Ranking:
    return Ranking(lines, OA, **options)


def test_rows_that_differ_have_different_letters():
    assert ranking(row("A", 900), row("B", 800), row("C", 800)).letters == {"A": "a", "B": "b", "C": "b"}


def test_decided_pairs_are_compared_with_the_paper():
    """A above B stands, C above A does not; B and C cannot be told apart in a fourth."""
    found = ranking(row("A", 900), row("B", 800), row("C", 700))
    (words,) = sentences(found, {"A": 0.8, "B": 0.7, "C": 0.9})
    assert "3 of 3 pairs of rows differ" in words
    assert "1 of 3 decided pairs stand as in the paper; 0 of the paper's 3 pairs are undecided" in words


def test_undecided_pairs_are_no_agreement():
    (words,) = sentences(ranking(row("A", 900), row("B", 900)), {"A": 0.8, "B": 0.7})
    assert "0 of 0 decided pairs" in words and "1 of the paper's 1 pairs are undecided" in words


def test_smaller_is_better_where_the_measure_says_so():
    low = Ranking((row("A", 900), row("B", 800)), Measure("oa", "cost", best="low"))
    assert low.letters == {"B": "a", "A": "b"}
    assert "1 of 1 decided pairs stand" in sentences(low, {"A": -0.8, "B": -0.7})[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row("B", 800, rise=0.01), "not converged, validation MIoU still rose by 0.010"),
        (row("B", 800, seeds=1), "one seed does not tell what another would give"),
        (row("B", 600), "worse than the labels that it learned from"),
        (Line("B", {"oa": (0.5,)}), "no counts by block"),
    ],
)
def test_rows_that_cannot_be_compared_say_why(line, reason):
    found = ranking(row("A", 900), line, row("labels", 700, seeds=1, trained=False), teacher="labels")
    assert reason in found.excluded["B"]
    assert all("B" not in verdict.pair for verdict in found.verdicts)
    assert any(words.startswith("B takes no part") for words in sentences(found, {}))


def test_products_are_compared_though_they_have_one_seed():
    assert ranking(row("A", 900), row("product", 700, seeds=1, trained=False)).verdicts[0].decided


def test_other_pixels_of_one_ground_are_not_compared():
    easier = row("A", 900)
    easier = Line(easier.label, easier.values, blocks=tuple(seed[1:] for seed in easier.blocks), classes=CLASSES)
    assert not ranking(easier, row("B", 800)).verdicts


def test_only_the_pairs_asked_for_are_compared():
    found = ranking(row("A", 900), row("B", 800), row("C", 700), asked=(("A", "C"),))
    assert [verdict.pair for verdict in found.verdicts] == [("A", "C")] and not found.letters


def test_a_pair_asked_for_is_a_sentence_with_its_interval():
    (words,) = sentences(ranking(row("A", 900), row("B", 800), asked=(("B", "A"),)), {})
    assert words.startswith("B less A: OA -0.1000 [-0.1") and words.endswith("p below 0.001: B is worse.")


def test_an_undecided_pair_is_said_to_be_so():
    (words,) = sentences(ranking(row("A", 900), row("B", 900), asked=(("A", "B"),)), {})
    assert words.endswith(": undecided.")
