"""Which cells share an Export task, and what it is called: decided before a server is asked."""

from __future__ import annotations

import time

import ee
import pytest

from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.requests.channel import Channel
from isamap.gee_export.requests.client import Cell
from isamap.gee_export.tasks import export_task
from isamap.gee_export.tasks.export_task import Known, file_dtype, formed, geobox_of, grid_json
from tests.gee_export.tasks.test_batch import CHANNELS, GRID, cells

pytestmark = pytest.mark.usefixtures("reconnected")


def test_cells_far_apart_do_not_drag_the_ground_between_them_along(session):
    corners = [crop(GRID, Window(row, col, 50, 50)) for row in (0, 5000) for col in (0, 5000)]
    far = [Cell(n, f"cell {n}", ee.Image(1), box, CHANNELS) for n, box in enumerate(corners)]
    assert [task.geobox.shape for task, _ in formed(far)] == [(50, 50)] * 4


def test_equal_work_has_equal_names_and_other_work_others(session):
    """docs/reference/wishes.md, "Wish 23": names made of content."""
    first, same = (formed(cells())[0][0] for _ in range(2))
    other_task = formed(cells(image=ee.Image("SMALL/ONE").multiply(2)))[0][0]
    fewer = formed(cells()[:2])[0][0]
    assert first.digest == same.digest and len({first.digest, other_task.digest, fewer.digest}) == 3


def test_what_is_left_forms_the_tasks_that_the_whole_would_have(session, monkeypatch):
    """A run that goes on must not cut the ground in another way."""
    monkeypatch.setattr(export_task, "TASK_PX", 230)
    whole = {cell.index: task.digest for task, _ in formed(cells(100)) for cell in task.cells}
    gone = {whole[cell.index] for cell in cells(100)[:7]}
    left = [cell for cell in cells(100) if whole[cell.index] not in gone]
    assert left and {cell.index: task.digest for task, _ in formed(left) for cell in task.cells} == {
        cell.index: whole[cell.index] for cell in left
    }


@pytest.mark.long
def test_thousands_of_cells_find_their_tasks_at_once(session):
    """A province: 10,000 cells of 640 pixels are recalled in seconds, whatever the number of tasks."""
    across = [(row, col) for row in range(100) for col in range(100)]
    boxes = [crop(GRID, Window(640 * row, 640 * col, 640, 640)) for row, col in across]
    image = ee.Image(1)
    many = [Cell(index, "cell", image, box, CHANNELS) for index, box in enumerate(boxes)]
    first = [task for task, _ in formed(many)]
    records = [Known(task.digest, task.image_digest, task.geobox, f"r{n}") for n, task in enumerate(first)]
    assert sum(len(task.cells) for task in first) == 10_000 and len(first) <= 100
    began = time.process_time()
    again = formed(many[5000:], records)
    assert time.process_time() - began < 5
    assert {task.digest for task, _ in again} <= {task.digest for task in first} and all(name for _, name in again)


def test_files_stay_below_16_gib(session):
    """mapbiomas-brazil/user-toolkit issue 16: the whole square counts."""
    many = tuple(Channel(f"b{index}", "float64") for index in range(200))
    task = formed([Cell(0, "cell", ee.Image(1), GRID, many)])[0][0]
    assert task.file_px % 256 == 0 and task.file_px**2 * 200 * 8 < 16 << 30


@pytest.mark.parametrize(("types", "one"), [(["uint8", "float32"], "float32"), (["uint8", "float64"], "float64")])
def test_one_type_holds_all_channels_exactly(types, one):
    assert file_dtype([Channel(f"b{index}", dtype) for index, dtype in enumerate(types)]) == one


def test_grids_come_back_from_the_ledger():
    assert geobox_of(grid_json(GRID)) == GRID
