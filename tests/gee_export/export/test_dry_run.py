"""What a dry run finds without a pixel: whatever the run itself would refuse before it fetches one."""

from __future__ import annotations

import json

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.report import google_seconds
from tests.gee_export.export.test_export import contents
from tests.support import killed

ASKED = killed.ASKED | {"dry_run": True}


@pytest.fixture
def plan(plot_session, tmp_path):
    def planned(**changes):
        return export_patches(**({"out": tmp_path / "data"} | ASKED | changes), session=plot_session)

    return planned


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "missing.tif"}, "label file missing.tif was not found"),
        ({"label": "NOTES.tif"}, "no raster that can be read"),
        ({"label": "projects/none/assets/x"}, "projects/none/assets/x"),
        ({"image": "missing.tif", "speckle": None}, "missing.tif"),
        ({"fine": "missing.tif"}, "missing.tif"),
        ({"month": "2019-07"}, "2019-07"),
    ],
)
def test_what_a_run_would_refuse_is_refused(plan, tmp_path, change, words):
    (tmp_path / "notes.tif").write_text("no raster")
    change = {name: str(tmp_path / "notes.tif") if value == "NOTES.tif" else value for name, value in change.items()}
    with pytest.raises(ValueError, match=words):
        plan(**change)


def test_labels_of_another_continent_are_refused_before_anything_is_fetched(plan, tmp_path):
    box = {"type": "Polygon", "coordinates": [[[-1.65, 6.65], [-1.6, 6.65], [-1.6, 6.7], [-1.65, 6.65]]]}
    (tmp_path / "far.geojson").write_text(json.dumps(box))
    with pytest.raises(ValueError, match=r"the labels far\.geojson lie elsewhere than .*no patch would have a label"):
        plan(label=str(tmp_path / "far.geojson"))


def test_a_project_without_a_login_is_refused(tmp_path, monkeypatch):
    """As `ee` finds none: no network is asked for it."""
    from isamap.gee_export.earth_engine import session

    def refuse(project: str, patience: object) -> None:
        raise Fault("no Google login was found: run `earthengine authenticate`")

    monkeypatch.setattr(session, "_initialise_google", refuse)
    with pytest.raises(Fault, match="earthengine authenticate"):
        export_patches(**ASKED, project="my-project", out=tmp_path / "data")


@pytest.mark.long
def test_a_folder_of_other_settings_is_refused(plan, plot_session, tmp_path):
    out = tmp_path / "made"
    export_patches(**killed.ASKED | {"stride": 60}, out=out, session=plot_session)
    with pytest.raises(ValueError, match="stride is 60 there, 20 asked"):
        plan(out=out)


def test_a_folder_of_other_files_is_refused(plan, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="no export of this machine has begun"):
        plan()


def test_nothing_is_written(plan, tmp_path):
    plan()
    assert contents(tmp_path) == {}
    assert not (tmp_path / "data").exists()


def test_the_report_says_place_time_and_scenes(plan):
    report = plan()
    assert report.scenes == {"sentinel2": 2, "sentinel1": 3}
    lines = str(report).splitlines()
    assert any("place plot: centre 30." in line and "UTM zone 50N (EPSG:32650)" in line for line in lines)
    assert "  time: 2019-06" in lines


def test_the_time_of_a_small_export_has_its_start(plan):
    """One second was said of what took six."""
    assert "about 5 s (5 s to start; the local engine composites " in str(plan())


def test_a_period_without_scenes_is_named(plan):
    report = plan(month=["2019-06", "2019-07"])
    assert list(report.skipped) == ["plot_201907"]


@pytest.mark.parametrize(("size", "words"), [(32, "9 blocks"), (100, "1 block,")])
def test_one_block_is_one(plan, size, words, monkeypatch):
    from isamap.gee_export.requests import pixels

    if size == 32:
        monkeypatch.setattr(pixels, "REQUEST_LIMIT_BYTES", killed.SMALL_REQUEST)
    assert f"  {words}" in str(plan(size=size, stride=20, split="random"))


def test_a_box_whose_degrees_may_be_swapped_is_noted(session):
    """In the Arctic sea; swapped it lies in Ili."""
    report = export_patches(bbox=(43.0, 81.0, 43.1, 81.02), month="2019-06", size=32, dry_run=True, session=session)
    assert any("--bbox takes W S E N" in note for note in report.notes)


@pytest.mark.parametrize(("months", "seconds"), [(1.0, 20.0), (12.0, 240.0), (0.25, 5.0)])
def test_google_takes_longer_for_longer_periods(months, seconds):
    """As many more scenes as the period is longer; the largest request of one month is taken to last 20 s."""
    assert google_seconds(48 << 20, months) == pytest.approx(seconds)


def test_a_dry_run_says_what_computing_is_expected(plan):
    report = plan()
    assert report.eecu.hours == pytest.approx(report.eecu.effort * 124 / 3600) and report.eecu.effort > 0
    assert "hours, if 49 to 124 s make" in str(report) and "free hours a month, at most: Community" in str(report)


@pytest.mark.long
def test_a_period_three_times_as_long_is_expected_to_cost_three_times_as_much(plan):
    month, season = (plan(month=None, period=[words]) for words in ("2019-06", "2019-05-20..2019-08-17"))
    assert season.eecu.hours / month.eecu.hours == pytest.approx(90 / 30)
