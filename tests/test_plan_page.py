"""The figures of docs/plan.md: those of the shipped table of rates, and of the plans that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isamap.gee_export.export.eecu import TIERS
from isamap.gee_export.requests.meter import PUBLISHED_SECONDS, SECONDS_PER_MPX_MONTH
from isamap.inference.plan import rates
from isamap.inference.plan.plan import plan_map

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "plan.md").read_text(encoding="utf-8")
ROWS = {
    "jointseg lean": "JointSeg lean",
    "hrnet stem hrnet": "HRNet-W24, stem of the original",
    "crofusenet": "CroFuseNet",
    "unet 32": "U-Net 32",
}
WAYS = [("torch", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]


@pytest.mark.parametrize("network", ROWS)
def test_the_rates_are_those_of_the_table(network):
    rate_of = {(each.network, each.runtime, each.precision): each.km2_per_hour for each in rates.read()}
    row = re.search(rf"^\| {re.escape(ROWS[network])} \|[^|]*\|(.*)\|$", PAGE, re.MULTILINE).group(1)
    assert [float(cell.replace(",", "")) for cell in row.split("|")] == [rate_of[network, *way] for way in WAYS]


def test_the_papers_hours_stand_beside_ours():
    """LandCover3m section 5.3: 5 h on 64 GPUs; ours by the table of rates, over the same ground."""
    ground_km2 = float(re.search(r"ground inside \| (9,4[\d,]+) km2", PAGE).group(1).replace(",", ""))
    told = re.search(r"a GPU of the paper made ([\d,]+) km2 an hour, two cores make ([\d,]+) to ([\d,]+)", PAGE)
    paper, least, most = (float(number.replace(",", "")) for number in told.groups())
    ours = [each.km2_per_hour for each in rates.read() if each.network == "hrnet stem hrnet"]
    assert paper == pytest.approx(ground_km2 / (5 * 64), rel=0.002)
    assert (least, most) == (min(ours), max(ours))


def test_every_shipped_rate_stands_on_the_page():
    assert {rate.network for rate in rates.read()} == set(ROWS)


def test_the_example_of_a_table_is_read(tmp_path):
    (tmp_path / "rates.toml").write_text(PAGE.partition("```toml\n")[2].partition("```")[0])
    assert rates.read(tmp_path / "rates.toml")[0].network == "unet"


def test_the_free_hours_and_the_assumed_seconds_are_the_codes():
    for tier, hours in TIERS.items():
        assert f"{hours:,} ({tier})" in PAGE
    least_s, most_s = PUBLISHED_SECONDS
    assert f"take {least_s:g} to {most_s:g} EECU seconds" in PAGE and f"counts with {most_s:g} until" in PAGE
    assert f"count processor seconds, {SECONDS_PER_MPX_MONTH:g} before" in " ".join(PAGE.split())


@pytest.mark.long
def test_the_belt_at_1_m_is_planned_as_shown():
    text = str(plan_map(region="yreb", period="2023", step=1))
    shown = (
        "435,909",
        "2,830,000 km2",
        "1,930 GB",
        "128 h",
        "793 h",
        "10,500 to 26,500 hours",
        "7,560 GB",
        "1,560 h",
        "968 h",
    )
    assert not [figure for figure in shown if figure not in text or figure not in PAGE]


@pytest.mark.long
def test_china_at_3_m_is_planned_as_shown():
    text = str(plan_map(region="china", sensors="own", step=3))
    shown = ("23,959", "9,410,000 km2", "2,790 GB", "713 h", "445 h", "112 h")
    assert not [figure for figure in shown if figure not in text or figure not in PAGE]
