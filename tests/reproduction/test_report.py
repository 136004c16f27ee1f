"""The table in words and numbers."""

from __future__ import annotations

import pytest
from gee_export.base.errors import Fault

from reproduction.report import Line, StudyReport, cell, encode, even, markdown, orderings
from reproduction.study import Measure

MIOU = Measure("miou", "MIoU")
CLASSES = ("pervious", "impervious")


def report(lines, *, measure=MIOU, **changes) -> StudyReport:
    values = {
        "name": "S",
        "title": "T",
        "paper": "P",
        "preset": "cpu",
        "date": "2026-11-21",
        "device": "CPU",
        "seeds": (0, 1, 2),
        "measures": (measure,),
        "order_by": measure.key,
        "paper_order": (),
        "lines": tuple(lines),
        "data": (),
    }
    return StudyReport(**values | changes)


def line(label: str, *values: float, paper: float | None = None, key: str = "miou", **rest) -> Line:
    return Line(label, {key: values}, paper={} if paper is None else {key: paper}, **rest)


def test_cell_of_several_seeds_is_mean_and_sample_deviation():
    """0.2, 0.4, 0.6: mean 0.4, deviation 0.2 with n - 1."""
    assert cell(line("A", 0.2, 0.4, 0.6), MIOU) == "0.4000 ± 0.2000"


def blocks(*right: int, size: int = 100) -> tuple:
    """Of one seed, counts of blocks of so many pixels a class, of which so many of each class are seen right."""
    return (tuple(((hit, size - hit), (size - hit, hit)) for hit in right),)


def measured(label: str, *right: int, **rest) -> Line:
    """A row of one seed with its accuracy."""
    counts = blocks(*right)
    return line(label, sum(right) / (100 * len(right)), key="oa", blocks=counts, classes=CLASSES, **rest)


def test_cell_of_one_seed_has_its_interval():
    """Blocks of .4 and .6: a quarter of the draws take either twice."""
    assert cell(measured("A", 40, 60), Measure("oa", "OA")) == "0.5000 [0.400, 0.600]"


def test_cell_of_what_no_seed_changes_has_no_spread():
    once = measured("A", 40, 60)
    twice = line("A", 0.5, 0.5, key="oa", blocks=once.blocks * 2, classes=CLASSES)
    assert cell(twice, Measure("oa", "OA")) == "0.5000 [0.400, 0.600]"


def test_equal_seeds_have_no_spread():
    """0.95 is no sum of powers of two: a mean of three must not leave a rest."""
    assert line("A", 0.95, 0.95, 0.95).spread("miou") == 0


def test_cell_without_a_value_is_a_dash():
    assert cell(line("A", None), MIOU) == "-"


def test_equal_orders_agree_in_every_pair():
    lines = [line("A", 0.9, 0.91, paper=0.95), line("B", 0.5, 0.51, paper=0.8), line("C", 0.1, 0.11, paper=0.7)]
    assert orderings(report(lines)) == (
        "By MIoU, the paper: A > B > C; ours: A > B > C. 3 of 3 pairs stand as in the paper.",
    )


def test_a_swap_of_neighbours_costs_one_pair():
    lines = [line("A", 0.9, 0.91, paper=0.95), line("B", 0.1, 0.11, paper=0.8), line("C", 0.5, 0.51, paper=0.7)]
    (said,) = orderings(report(lines))
    assert "ours: A > C > B" in said and "2 of 3 pairs" in said


def test_rows_within_their_spread_are_not_ranked():
    """Difference 0.01, root of summed squares of the deviations 0.14."""
    lines = [line("A", 0.5, 0.7, paper=0.9), line("B", 0.51, 0.67, paper=0.8)]
    (said,) = orderings(report(lines))
    assert "ours: A ≈ B" in said and "1 pair of ours cannot be told apart" in said


def test_smaller_is_better_where_the_measure_says_so():
    size = Measure("mb", "MB", ".0f", best="low")
    lines = [line("big", 130, paper=130, key="mb"), line("small", 39, paper=39, key="mb")]
    assert "the paper: small > big; ours: small > big" in orderings(report(lines, measure=size))[0]


def test_an_order_told_without_numbers_is_compared_too():
    lines = [line("A", 0.1, 0.1), line("B", 0.9, 0.9)]
    (said,) = orderings(report(lines, paper_order=("A", "B")))
    assert "the paper: A > B; ours: B > A" in said and "0 of 1 pairs" in said


def test_rows_that_only_the_paper_has_are_left_out_of_the_comparison():
    lines = [line("A", 0.9, 0.9, paper=0.9), line("B", 0.8, 0.8, paper=0.8), line("C", None, paper=0.99)]
    assert "1 of 1 pairs" in orderings(report(lines))[0]


def test_blocks_that_are_hard_for_both_do_not_hide_which_row_is_better():
    """Accuracies of 0.1 to 0.9 a block, one row a point better in each: their own intervals overlap nearly whole."""
    better, worse = measured("A", 11, 31, 51, 71, 91), measured("B", 10, 30, 50, 70, 90)
    assert not even(better, worse, "oa") and not even(worse, better, "oa")


def test_rows_that_win_different_blocks_cannot_be_told_apart():
    assert even(measured("A", 90, 50, 90, 51), measured("B", 50, 90, 50, 90), "oa")


def test_rows_of_different_data_are_not_paired():
    """The same numbers as where the better row is told."""
    better, worse = measured("A", 11, 31, 51, 71, 91, data="city"), measured("B", 10, 30, 50, 70, 90)
    assert even(better, worse, "oa")


def test_rows_beyond_their_seeds_spread_need_blocks_to_agree_too():
    """Seeds differ by nothing, blocks do: +40, -38, +40, -38 points."""
    a, b = blocks(90, 50, 90, 50) * 3, blocks(50, 88, 50, 88) * 3
    rows = (line(name, *values, key="oa", blocks=counts, classes=CLASSES) for name, values, counts in (
        ("A", (0.7, 0.7, 0.7001), a), ("B", (0.69, 0.69, 0.6901), b),
    ))  # fmt: skip
    assert even(*rows, "oa")


def test_what_no_blocks_measure_is_ranked_by_its_number():
    assert even(line("A", 5), line("B", 5), "miou") and not even(line("A", 5), line("B", 6), "miou")


def test_a_table_without_an_order_does_not_explain_its_sign():
    share = Measure("oa", "OA", best="none")
    assert "≈" in markdown(report([measured("A", 40, 60), measured("B", 41, 61)], measure=Measure("oa", "OA")))
    assert "≈" not in markdown(report([measured("A", 40, 60), measured("B", 41, 61)], measure=share))


def test_json_comes_back_as_it_went():
    import json

    lines = [line("A", 0.9, 0.8, paper=0.95, blocks=blocks(3, 4) * 2, classes=CLASSES, made=({"steps": 3},))]
    told = report(lines, notes=("n",), differs=("d",))
    assert StudyReport.from_json(json.loads(encode(told))) == told


def test_counts_that_are_no_numbers_are_refused():
    document = report([measured("A", 40, 60)], measure=Measure("oa", "OA")).to_json()
    document["lines"][0]["blocks"] = [[[["many", 1], [2, 3]]]]
    with pytest.raises(Fault, match="garbles"):
        StudyReport.from_json(document)


def test_another_version_is_refused():
    with pytest.raises(Fault, match="version 1"):
        StudyReport.from_json(report([line("A", 0.5)]).to_json() | {"version": 1})


def test_markdown_rows_have_as_many_cells_as_the_head():
    text = markdown(report([line("A", 0.9, 0.8, paper=0.95), line("B", 0.2, 0.3)]))
    table = [row for row in text.splitlines() if row.startswith("|")]
    assert len(table) == 4 and len({row.count("|") for row in table}) == 1
    assert len({len(row) for row in table}) == 1
