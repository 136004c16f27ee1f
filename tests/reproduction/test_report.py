"""The table in words and numbers."""

from __future__ import annotations

import pytest

from gee_export.console import Fault
from reproduction.report import Line, StudyReport, cell, encode, even, markdown, orderings
from reproduction.study import Measure

MIOU = Measure("miou", "MIoU")


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


def test_cell_of_one_seed_has_its_interval():
    assert cell(line("A", 0.5, intervals={"miou": (0.41, 0.58)}), MIOU) == "0.5000 [0.410, 0.580]"


def test_cell_of_what_no_seed_changes_has_no_spread():
    assert cell(line("A", 0.5, 0.5, intervals={"miou": (0.41, 0.58)}), MIOU) == "0.5000 [0.410, 0.580]"


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


def test_intervals_decide_where_there_is_one_seed():
    wide = line("A", 0.5, intervals={"miou": (0.4, 0.6)})
    assert even(wide, line("B", 0.59), "miou") and not even(wide, line("B", 0.61), "miou")


def test_json_comes_back_as_it_went():
    import json

    lines = [line("A", 0.9, 0.8, paper=0.95, intervals={"miou": (0.7, 0.99)}, made=({"steps": 3},))]
    told = report(lines, notes=("n",), differs=("d",))
    assert StudyReport.from_json(json.loads(encode(told))) == told


def test_another_version_is_refused():
    with pytest.raises(Fault, match="version 2"):
        StudyReport.from_json(report([line("A", 0.5)]).to_json() | {"version": 2})


def test_markdown_rows_have_as_many_cells_as_the_head():
    text = markdown(report([line("A", 0.9, 0.8, paper=0.95), line("B", 0.2, 0.3)]))
    table = [row for row in text.splitlines() if row.startswith("|")]
    assert len(table) == 4 and len({row.count("|") for row in table}) == 1
    assert len({len(row) for row in table}) == 1
