"""One export of several regions and periods: parts of one dataset, skipped where there is nothing, resumable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.regions import Period
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export import run_header
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels
from tests.gee_export.export.test_export import contents
from tests.support import killed

pytestmark = pytest.mark.usefixtures("small_requests")

SUPPORT = Path(__file__).parents[2] / "support"
WEST, EAST = killed.PARTS["region"]


@pytest.fixture
def export(plot_session):
    def call(out, **changes):
        return export_patches(**(killed.PARTS | changes), out=out, session=plot_session)

    return call


@pytest.fixture(scope="module")
def done(plot_session, tmp_path_factory):
    """The report of an export that nothing disturbed."""
    out = tmp_path_factory.mktemp("parts") / "data"
    return export_patches(**killed.PARTS, out=out, session=plot_session)


@pytest.fixture
def whole(done):
    return Path(done.out)


@pytest.mark.long
def test_every_region_is_there_in_every_period_on_the_same_patches_and_splits(whole):
    dataset = Dataset.open(whole)
    dataset.verify()
    places = defaultdict(set)
    for patch in dataset.patches:
        places[patch.region, patch.period].add((patch.row, patch.col, patch.split))
    assert set(places) == {(region, period) for region in ("west", "east") for period in ("201906", "201905p02")}
    assert places["west", "201906"] == places["west", "201905p02"]
    assert places["east", "201906"] == places["east", "201905p02"]
    assert set(dataset.manifest.grids) == {"west", "east"} and len(dataset.manifest.periods) == 2


@pytest.mark.long
def test_a_part_has_the_pixels_of_an_export_of_its_own(whole, export, tmp_path):
    export(tmp_path / "alone", region=EAST, period=["2019-05-20..2019-06-10"])
    mine, alone = Dataset.open(whole), Dataset.open(tmp_path / "alone")
    assert {patch.id for patch in alone.patches} <= {patch.id for patch in mine.patches}
    for patch in alone.patches:
        np.testing.assert_array_equal(mine.read_image(patch.id), alone.read_image(patch))
        np.testing.assert_array_equal(mine.read_label(patch.id), alone.read_label(patch))
    facts = mine.manifest.scenes["east"]["201905p02"]
    assert facts == alone.manifest.scenes["east"]["201905p02"]


@pytest.mark.long
def test_a_dry_run_counts_what_all_parts_will_send(export, tmp_path, done, whole):
    """docs/reference/wishes.md, "Wish 1": requests and bytes before the start."""
    planned = export(tmp_path / "none", dry_run=True)
    assert planned.parts == 4 and "about" in planned.estimate and "east_201905p02: " in str(planned)
    assert (planned.blocks, planned.request_bytes) == (done.fetched, done.request_bytes)
    assert done.requests == planned.blocks
    assert planned.patches == Dataset.open(whole).manifest.counts


@pytest.mark.long
def test_a_killed_export_of_parts_goes_on_to_the_same_bytes(whole, export, plot, tmp_path):
    out = tmp_path / "data"
    environment = {**os.environ, "ISAMAP_HOME": str(tmp_path / "home"), "PYTHONPATH": f"{SUPPORT}:{SUPPORT.parents[1]}"}
    command = [sys.executable, str(SUPPORT / "killed.py"), str(plot.folder), str(out), "in a patch", "parts"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == -9, result.stderr
    fetched = sum("block" in row for row in ProgressLog(out / ".run").rows())
    report = export(out)
    assert report.requests <= report.blocks - fetched
    assert contents(out) == contents(whole)


@pytest.mark.long
def test_a_period_without_scenes_is_skipped_and_told(export, tmp_path):
    """docs/reference/wishes.md, "Wish 8": "no scenes in the month" is an outcome, not the end of everything."""
    report = export(tmp_path / "data", region=WEST, period=["2019-06", "2019-07"])
    assert list(report.skipped) == ["west_201907"] and "skipped west_201907: region 'west' cannot" in str(report)
    dataset = Dataset.open(tmp_path / "data")
    dataset.verify()
    assert {patch.period for patch in dataset.patches} == {"201906"}
    assert "found Sentinel-2 0 scenes" in dataset.manifest.skipped["west"]["201907"]
    assert export(tmp_path / "data", region=WEST, period=["2019-06", "2019-07"]).requests == 0


def test_nothing_at_all_is_an_error(export, tmp_path):
    """docs/reference/wishes.md, "Wish 8": exit code not 0 where nothing of what was asked is there."""
    with pytest.raises(ValueError, match=r"2019-07.*2019-08"):
        export(tmp_path / "data", region=WEST, period=["2019-07", "2019-08"])


@pytest.mark.long
def test_the_command_repeats_its_options(plot, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    for region in (WEST, EAST):
        left, bottom, right, top = region.bounds_m
        box = shapely.box(left + 50, bottom + 50, right - 50, top - 50)
        turned = shapely.transform(box, lambda points: np.column_stack(to_degrees.transform(*points.T)))
        (tmp_path / f"{region.name}.geojson").write_text(shapely.to_geojson(turned))
    words = f"export --geometry {tmp_path}/west.geojson {tmp_path}/east.geojson --period 2019-06 2019-05-20 2019-06-10"
    options = f"--catalog {plot.folder} --size 32 --stride 20 --hold-out east --set kernel_px=5 --ratios 7 2 1"
    assert isamap.main([*words.split(), *options.split(), "--out", str(tmp_path / "data")]) == 0
    assert "of 4 regions and periods" in capsys.readouterr().out
    dataset = Dataset.open(tmp_path / "data")
    assert {patch.region for patch in dataset.in_split("test")} == {"east"}
    assert dataset.manifest.settings["kernel_px"] == 5 and dataset.manifest.split["ratios"] == [7, 2, 1]


@pytest.mark.long
def test_another_isamap_is_noticed_in_a_run_that_goes_on(export, tmp_path, monkeypatch, whole):
    out = tmp_path / "data"

    def dies(*_):
        raise Fault("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("isamap.gee_export.export.runner.revision", lambda: "older")
        patch.setattr("isamap.gee_export.export.runner.dataset.finish", dies)
        with pytest.raises(Fault):
            export(out)
    report = export(out)
    assert report.requests == 0 and "begun by isamap older" in str(report)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"region": [WEST, WEST]}, "region 'west' is given 2 times"),
        ({"period": ["2019-06", "2019-06-01", "2019-06-20"]}, "period '201906' is given 2 times"),
        ({"period": ["2019-06-01"]}, "expected a second day"),
        ({"hold_out": "easst"}, "did you mean east"),
        ({"hold_out": ["west", "east"]}, "leave one to train on"),
        ({"region": ["wuhan", "beijing"], "bbox": (114.0, 30.0, 114.1, 30.1)}, "take a part of one region"),
        ({"max_patches": 1}, "--max-patches 1: 2 periods"),
        ({"ratios": (1, 2)}, "three numbers"),
        ({"region": "sichuan", "stride": 8}, "take a larger one"),
    ],
)
def test_what_cannot_be_asked_of_parts_is_a_sentence(export, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        export(tmp_path / "data", **change)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("sigma0", "gamma0", "L2A", "L2A"), r"kind of backscatter.*gamma0 in east_201906 and sigma0 in west_201906"),
        (("sigma0", "sigma0", "L2A", "L1C"), r"Sentinel-2 level.*L1C in east_201906 and L2A in west_201906"),
    ],
)
def test_parts_that_one_model_cannot_read_together_are_refused(kinds, words):
    request = ExportJob((RegionGrid.of(WEST), RegionGrid.of(EAST)), (Period.parse("2019-06"),), size=32, stride=20)
    opened = {}
    for index in (0, 1):
        facts = {"sentinel2": {"level": kinds[2 + index], "collection": "any"}}
        opened[index] = OpenPart({}, OpenLabels(LabelRequest(()), (), None), facts, kinds[index], False)
    with pytest.raises(ValueError, match=words):
        run_header.whole(request, ExportPlan.of(request), opened, {})
