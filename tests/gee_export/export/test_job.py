"""Jobs, plans, blocks and the ledger: what is asked for, what is fetched, what survives a crash."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.blocks import Block, BlockStore, cut
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.layers import composite_layer, quantised
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.export.places import where
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.export.report import ExportReport
from isamap.gee_export.labelling.label_asset import OnServer
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels
from isamap.gee_export.patches.split_rule import SplitRule
from isamap.gee_export.requests import pixels
from tests.support import plot as plots

JUNE = regions.Month(2019, 6).period
KEY = "plot_201906/image"


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(40, 300),
    width=st.integers(40, 300),
    size=st.integers(8, 40),
    stride=st.integers(4, 60),
    most=st.none() | st.integers(3, 60),
    side=st.integers(20, 120),
)
def test_every_patch_is_covered_by_its_requests_and_nothing_is_fetched_twice(height, width, size, stride, most, side):
    region = Region("any", 32650, (0, -10 * height, 10 * width, 0), (0, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "REQUEST_LIMIT_BYTES", 36 * side * side)
        plan = ExportPlan.of(job_of(region, size=size, stride=stride, rule=SplitRule(max_patches=most)))
    fetched = np.zeros((height, width), int)
    for window in (request.window for request in plan.requests):
        assert window.height <= side and window.width <= side
        fetched[window.slices] += 1
    assert fetched.max() == 1
    for place in plan.patches:
        covered = sum(o.height * o.width for n in place.needs if (o := plan.requests[n].window.overlap(place.window)))
        assert covered == size * size


def job_of(*places, **options):
    return ExportJob(tuple(RegionGrid.of(location) for location in places), (JUNE,), **options)


@pytest.mark.parametrize(("server", "blocks"), [("local-engine", 100), ("earth-engine", 36)])
def test_wuhan_is_36_requests_of_1008_pixels_and_smaller_ones_in_this_machines_memory(server, blocks):
    """docs/reference/performance.md, "P9"; positions of docs/reference/formats.md, "Patch dataset"."""
    job = job_of(regions.named("wuhan"), server=server)
    report = ExportReport.planned(job, ExportPlan.of(job), "data/wuhan")
    assert (report.positions, report.blocks) == (5625, blocks)
    assert report.patches["patches"] == 5625 - report.left_out


WUHAN_BOX = (114.25, 30.53, 114.31, 30.58)


@pytest.mark.parametrize("asked", [{"region": "wuhan"}, {"bbox": WUHAN_BOX}, {"region": "wuhan", "bbox": WUHAN_BOX}])
def test_another_zone_holds_the_same_ground_on_a_ten_metre_lattice(asked):
    """docs/reference/formats.md, "Patch dataset": the region's UTM zone, or the one asked for; origin a multiple of the
    step.
    """
    own, second = where(**{"region": None} | asked), where(**{"region": None} | asked, epsg=32649)
    assert (own.epsg, second.epsg) == (32650, 32649)
    assert all(edge % 10 == 0 for edge in (*second.bounds_m, *second.origin_m))
    region_grid, wider = (shapely.box(*region.bounds_wsen) for region in (own, second))
    assert wider.buffer(1e-9).covers(region_grid if "bbox" not in asked else shapely.box(*WUHAN_BOX))


def test_an_outline_goes_along_into_another_zone(tmp_path):
    outline = shapely.box(*WUHAN_BOX)
    (tmp_path / "town.geojson").write_text(shapely.to_geojson(outline))
    actual = where(None, geometry=tmp_path / "town.geojson", epsg=32649)
    assert actual.epsg == 32649 and actual.outline.equals(outline)
    region_grid = RegionGrid.of(actual)
    share = region_grid.inside(region_grid.window).mean()
    assert share == pytest.approx(
        region_grid.outline.area / (100 * region_grid.window.height * region_grid.window.width), rel=1e-3
    )


@pytest.mark.parametrize("epsg", [4326, 32600, 32661, 3857])
def test_a_zone_that_is_not_utm_is_refused(epsg):
    with pytest.raises(ValueError, match=f"--epsg {epsg}: expected a UTM zone"):
        where("wuhan", epsg=epsg)


def structured(height, width, **values):
    pixels_HW = np.zeros(
        (height, width), [("B2", "f4"), ("VV", "f4"), ("label_0", "u1"), ("s2_count", "u1"), ("s1_count", "u1")]
    )
    for name, value in values.items():
        pixels_HW[name] = value
    return pixels_HW


def test_numbers_are_rounded_half_to_even_and_missing_is_no_data():
    values = np.array([[0.5, 1.5, 2.5, -0.5, pixels.FILL, np.nan, 99999.0, -1250.4]], np.float32)
    assert quantised(structured(1, 8, B2=values), ["B2"], None)[0, 0].tolist() == [
        0,
        2,
        2,
        0,
        -32768,
        -32768,
        32767,
        -1250,
    ]


def test_outside_the_outline_nothing_is_counted():
    inside = np.array([[True, False]])
    layer = composite_layer(["B2"], LabelRequest())
    opened = OpenPart({}, OpenLabels(LabelRequest(), (OnServer({}, "lazy", None),), {}), {}, None, False)
    arrays, observed = layer.settle(structured(1, 2, B2=7, label_0=1, s2_count=5), None, inside, opened)
    assert arrays["image"][0, 0].tolist() == [7, -32768] and arrays["label"].tolist() == [[[1, 255]]]
    assert observed["s2_count"] == {"pixels": 1, "min": 5, "max": 5, "total": 5}


def block_of(window: Window, canvas: np.ndarray) -> Block:
    image = canvas[:, window.row : window.row_end, window.col : window.col_end]
    arrays = {"image": image, "label": (image[:1] % 2).astype(np.uint8)}
    return Block(window, arrays, {"s2_count": {"pixels": 1}})


@pytest.mark.long
@given(row=st.integers(0, 44), col=st.integers(0, 44))
def test_a_patch_across_four_blocks_equals_the_whole(row, col):
    canvas = np.arange(2 * 60 * 60, dtype=np.int16).reshape(2, 60, 60)
    blocks = [block_of(Window(r, c, 30, 30), canvas) for r in (0, 30) for c in (0, 30)]
    window = Window(row, col, 16, 16)
    patch = cut(window, [block for block in blocks if block.window.overlap(window)])
    np.testing.assert_array_equal(patch["image"], canvas[:, window.slices[0], window.slices[1]])
    np.testing.assert_array_equal(patch["label"], patch["image"][:1] % 2)


def test_block_files_come_back_and_damage_is_seen(tmp_path):
    store, window = BlockStore(tmp_path / "blocks"), Window(10, 20, 30, 40)
    block = block_of(Window(0, 0, 30, 40), np.arange(2400, dtype=np.int16).reshape(2, 30, 40))
    store.write(3, KEY, Block(window, block.arrays, block.observed))
    opened = store.open(3)
    for name, array in block.arrays.items():
        np.testing.assert_array_equal(opened.arrays[name], array)
        assert opened.arrays[name].dtype == array.dtype
    assert store.observed(3, KEY, window) == block.observed
    assert store.observed(3, KEY, Window(0, 0, 30, 40)) is None  # of another plan
    assert store.observed(3, "plot_201907/image", window) is None  # of another part
    data = bytearray(store.path(3).read_bytes())
    data[-1] ^= 1
    store.path(3).write_bytes(data)
    assert store.observed(3, KEY, window) is None
    store.path(3).write_bytes(data[:20])
    assert store.observed(3, KEY, window) is None


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path):
    progress_log = ProgressLog(tmp_path)
    progress_log.add([{"block": 1}])
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"patch": {"id": "plot_2019')
    progress_log.add([{"block": 2}])
    assert progress_log.rows() == [{"block": 1}, {"block": 2}]


def test_the_head_of_the_manifest_is_plain_json_and_comes_back():
    head = job_of(plots.REGION).head()
    assert type(head).from_json(json.loads(json.dumps(head.to_json()))) == head
