"""Pixels of two versions of the simulated world never meet in one dataset."""

from __future__ import annotations

import pytest

from isamap.gee_export.export.export import export_patches
from local_ee import catalogs


@pytest.mark.long
def test_an_export_of_another_version_of_the_world_is_refused(session, tmp_path, monkeypatch):
    options = {"bbox": (114.30, 30.55, 114.31, 30.56), "month": "2019-06", "size": 32, "stride": 32, "label": "none"}
    options |= {"speckle": "none", "clouds": "none", "out": tmp_path / "data", "session": session, "progress": False}
    monkeypatch.setattr(catalogs, "WORLD_VERSION", "1")
    export_patches(**options)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=rf'source.world is "1" there, "{catalogs.WORLD_VERSION}" asked'):
        export_patches(**options, dry_run=True)
