"""The table in words and numbers."""

from __future__ import annotations

import pytest

from gee_export.base.errors import Fault
from reproduction.line import Line
from reproduction.report import StudyReport, cell, encode, headroom_shares, markdown
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


def test_json_comes_back_as_it_went():
    import json

    lines = [line("A", 0.9, 0.8, paper=0.95, blocks=blocks(3, 4) * 2, classes=CLASSES, made=({"steps": 3},))]
    told = report(lines, notes=("n",), differs=("d",), headroom=("A", "B"), contrasts=(("A", "B"),))
    assert StudyReport.from_json(json.loads(encode(told))) == told


def test_counts_that_are_no_numbers_are_refused():
    document = report([measured("A", 40, 60)], measure=Measure("oa", "OA")).to_json()
    document["lines"][0]["blocks"] = [[[["many", 1], [2, 3]]]]
    with pytest.raises(Fault, match="garbles"):
        StudyReport.from_json(document)


def test_another_version_is_refused():
    with pytest.raises(Fault, match="version 2"):
        StudyReport.from_json(report([line("A", 0.5)]).to_json() | {"version": 2})


def test_markdown_rows_have_as_many_cells_as_the_head():
    text = markdown(report([line("A", 0.9, 0.8, paper=0.95), line("B", 0.2, 0.3)]))
    table = [row for row in text.splitlines() if row.startswith("|")]
    assert len(table) == 4 and len({row.count("|") for row in table}) == 1
    assert len({len(row) for row in table}) == 1


def test_gains_are_shares_of_the_way_from_the_baseline_to_the_oracle():
    lines = [line("baseline", 0.8), line("oracle", 0.9), line("ours", 0.84)]
    shares = headroom_shares(report(lines, headroom=("baseline", "oracle")))
    assert shares == pytest.approx({"baseline": 0, "oracle": 100, "ours": 40})


def test_an_oracle_below_the_baseline_leaves_no_headroom():
    text = markdown(report([line("baseline", 0.8), line("oracle", 0.7)], headroom=("baseline", "oracle")))
    assert "so no share of it is printed" in text


@pytest.mark.parametrize(("rise", "words"), [(0.004, "yes"), (0.006, "no, +0.006")])
def test_every_row_says_whether_it_converged(rise, words):
    text = markdown(report([line("A", 0.5, made=({"late_rise": rise},))]))
    assert f" {words} |" in text


def test_a_row_says_how_many_seeds_it_has():
    text = markdown(report([line("A", 0.5, 0.6, made=({"steps": 3}, {"steps": 3}))]))
    row = next(row for row in text.splitlines() if row.startswith("| A"))
    assert [cell.strip() for cell in row.split("|")][3] == "2"
