"""EECU that Google counted, by tag, instead of the published benchmark: in plans and in limits."""

from __future__ import annotations

import pytest

import isamap
from isamap.gee_export.earth_engine.session import Session
from isamap.gee_export.export import measured
from isamap.gee_export.export.measured import TagCost
from isamap.gee_export.export.modes import RunOptions
from isamap.gee_export.requests.client import Client
from isamap.gee_export.requests.meter import PUBLISHED_SECONDS
from isamap.gee_export.requests.quota import Quota, used
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.plan.plan import plan_map
from isamap.inference.prove.probe import MEASURED, Verdict
from isamap.inference.prove.record import Proof
from isamap.inference.tiles.jobs import Workers

COSTS = (
    TagCost("prove-cost-month", 10.0, 0.25),
    TagCost("prove-cost-year", 50.0, 2.75),
    TagCost("prove-cost-lee-sigma", 100.0, 0.25, "lee_sigma"),
)


@pytest.fixture
def table(tmp_path) -> str:
    path = tmp_path / "measured.toml"
    path.write_text(measured.encode(COSTS))
    return str(path)


def test_the_table_reads_back_and_rates_are_sums_by_sums(table):
    read = measured.read(table)
    assert read.costs == COSTS
    assert read.rate_s() == pytest.approx(60 / 3) == read.rate_s(Settings.of(speckle="lee"))
    assert read.rate_s(Settings.of(speckle="lee_sigma")) == pytest.approx(400)
    assert read.rate_s(Settings.of(terrain="volume")) == pytest.approx(20)  # not measured: the default's


def test_a_plan_takes_the_measured_rate_and_names_its_tags(table):
    plan, assumed = plan_map(region="wuhan", month="2019-06", measured=table), plan_map(region="wuhan", month="2019-06")
    assert plan.computing.hours == pytest.approx(assumed.computing.hours * 20 / 124)
    assert plan.computing.hours == plan.computing.least_hours and "at most:" not in str(plan)
    assert "prove-cost-month, prove-cost-year" in str(plan) and "Google's benchmark" not in str(plan)


def test_composing_once_is_the_rectangle_with_its_margin():
    """60.48 km and 2 x 2.56 km a side; six bands and two counts of two bytes."""
    plan = plan_map(region="wuhan", month="2019-06")
    px = 6560**2
    assert plan.once.hours == pytest.approx(px / 1e6 * 30 / 30.4375 * 124 / 3600)
    assert plan.once_bytes == px * 16 and "composed once (`isamap composite`): 0.577 to 1.46 EECU-hours" in str(plan)


def test_a_limit_on_google_counts_with_the_measured_rate(table):
    session = Session("p", "earth-engine", "x", "http://127.0.0.1:1")
    meter = RunOptions(measured=table, project="p").means
    assert Client.of(session, meter=meter.meter(type("Log", (), {"rows": lambda self: []})())).meter.rate == 20
    with used(Quota(measured_s=Workers(measured=table).measured_s).share(2)):
        assert Client.of(session).meter.rate == 20
    assert Client.of(session).meter.rate == PUBLISHED_SECONDS[1]


def test_a_proof_writes_the_table_once_monitoring_has_counted(tmp_path):
    answer = {"seconds": 1.0, "effort": 0.25, "of": "lee_sigma"}
    verdict = Verdict("cost.lee-sigma", "", "plan", MEASURED, answer=answer)
    Proof("earth-engine", "now", (verdict,)).write(tmp_path)
    assert not (tmp_path / measured.NAME).exists()
    counted = {"prove-cost-lee-sigma": 31.0, "prove-cost-month": 9.0}
    proof = Proof("earth-engine", "now", (verdict,), eecu_s=counted)
    proof.write(tmp_path)
    assert proof.costs == (TagCost("prove-cost-lee-sigma", 31.0, 0.25, "lee_sigma"),)
    assert "prove-cost-lee-sigma" in (tmp_path / measured.NAME).read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[measured]]\ntag = 1\n", "missing"),
        ('[[measured]]\ntag = "a"\neecu_s = -1\nmegapixel_months = 1\n', "expected a number above 0"),
        ("", 'no row of = "default"'),
        ("measured = 3", "not iterable"),
    ],
)
def test_a_damaged_table_is_a_sentence(tmp_path, text, words, capsys):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    assert isamap.main(["plan", "--region", "wuhan", "--month", "2019-06", "--measured", str(path)]) == 2
    error = capsys.readouterr().err
    assert words in error and "docs/plan.md" in error
