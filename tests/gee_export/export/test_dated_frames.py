"""Exports of dated frames, end to end: single days, the user's own, by requests and by tasks, resumed."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import FolderStorage
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.manifest import NODATA
from tests.gee_export.export.test_export import contents


@pytest.mark.long
def test_frames_are_single_days_and_missing_ones_are_counted(export, plot, tmp_path):
    report = export(tmp_path / "data", frames=["scenes"], clouds="scl", size=32, stride=32, speckle="none", share=True)
    dataset = Dataset.open(tmp_path / "data")
    dates = dataset.manifest.layers["frames"].dates["plot"]["201906"]
    assert list(dates) == ["20190602", "20190612", "20190622"]
    assert report.patches["patches"] == len(dataset)
    present = dict.fromkeys(dates, 0)
    for patch in dataset.patches:
        days, frames = dataset.read_frames(patch)
        for day, frame in zip(days, frames, strict=True):
            key = f"{day:%Y%m%d}"
            present[key] += 1
            index = next(index for index in plot.dn if index.startswith(key))
            window = slice(patch.row, patch.row + 32), slice(patch.col, patch.col + 32)
            valid = frame[0] != NODATA
            assert valid.mean() >= 0.5
            np.testing.assert_array_equal(frame[0][valid], plot.dn[index]["B2"][window][valid])
    assert {day: facts["patches"] for day, facts in dates.items()} == present
    assert 0 < sum(present.values()) < 3 * len(dataset)
    assert report.scenes["dates of frames"] == 3
    assert not any("no patch shows half of itself" in note for note in report.notes)
    assert dataset.read_share(dataset.patches[0]).max() <= 255 and "shares" in dataset.manifest.layers


@pytest.mark.long
def test_days_that_no_patch_shows_are_named(export, tmp_path):
    """Every observation's Cloud Score+ is under 1 somewhere: at 1 no patch of 32 pixels is half clear."""
    report = export(tmp_path / "data", frames=["2019-06-02"], size=32, stride=32, settings=["clear=1"])
    assert any("no patch shows half of itself on 2019-06-02:" in note for note in report.notes)


@pytest.mark.long
def test_frames_of_the_users_own_days_by_requests_and_by_tasks(export, tmp_path, by_tasks):
    options = {"frames": ["2019-06-22", "2019-06-02"], "clouds": "scl", "size": 32, "stride": 32}
    export(tmp_path / "data", **options)
    export(tmp_path / "tasks", **options, **by_tasks)
    assert contents(tmp_path / "tasks") == contents(tmp_path / "data")
    dataset = Dataset.open(tmp_path / "data")
    assert list(dataset.manifest.layers["frames"].dates["plot"]["201906"]) == ["20190602", "20190622"]
    days = {day for patch in dataset.patches for day in dataset.read_frames(patch)[0]}
    assert days <= {date(2019, 6, 2), date(2019, 6, 22)}


@pytest.mark.long
def test_frames_resume_to_the_same_bytes(export, plot, tmp_path, monkeypatch):
    options = {"frames": ["months"], "clouds": "scl", "size": 32, "stride": 32}
    export(tmp_path / "whole", **options)

    def broken(storage, name, data):
        if name.startswith("frames/"):
            raise Fault("the disk is gone")
        return stored(storage, name, data)

    stored = FolderStorage.write_loose
    with monkeypatch.context() as patch:
        patch.setattr(FolderStorage, "write_loose", broken)
        with pytest.raises(Fault, match="the disk is gone"):
            export(tmp_path / "data", **options)
    assert export(tmp_path / "data", **options).requests == 0
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")
