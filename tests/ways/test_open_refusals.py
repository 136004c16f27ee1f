"""What cannot be had on public archives: one sentence that says what can, exit code 2, and nothing else is made.

The archives are a small town's on the loopback address (tests/support/open_town.py).
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from local_ee.open.hosts import Hosts
from local_ee.open.providers import DE_AFRICA, HOSTS

import isamap
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.earth_engine import archive_check
from isamap.gee_export.export.export import export_patches
from isamap.inference.mapping.map import map_region
from tests.support import open_town

BBOX = (114.1155, 30.5055, 114.1315, 30.5185)
PLACE = ("--bbox", *map(str, BBOX), "--month", "2023-06", "--catalog", "open")
PATCHES = ("--label", "none", "--size", "32", "--stride", "32")


@pytest.mark.long
@pytest.mark.parametrize("catalog", ["open", "world"])
def test_omnicloudmask_where_it_cannot_be_used_is_one_sentence(catalog, town, archive_home, tmp_path, capsys):
    words = ["export", *PLACE[:7], "--catalog", catalog, "--clouds", "omnicloudmask", "--out", str(tmp_path / "data")]
    assert isamap.main(words) == 2
    sentence = {"open": "OmniCloudMask is not installed", "world": "give --catalog open or a folder of images"}[catalog]
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--clouds", "cloud_score_plus"), "give clouds scl or"),
        (("--clouds", "qa60"), "give clouds scl or"),
        (("--set", "level=l1c"), "give level l2a"),
        (("--terrain", "volume"), "give terrain none"),
        (("--set", "sentinel1=users/me/radar"), "leave sentinel1 out of --sensors, or a collection of your own out"),
        (("--label", "gaia"), "download it and give it as --label FILE"),
        (("--label", "nlcd@2019"), "nlcd:FILE"),
        (("--label", "vida:CHN"), "no public archive holds"),
        (("--image", "COPERNICUS/S2_HARMONIZED"), "take COPERNICUS/S2_SR_HARMONIZED (level l2a)"),
    ],
)
def test_what_cannot_work_there_is_refused_with_what_can(words, sentence, town, archive_home, tmp_path, capsys):
    assert isamap.main(["export", *PLACE, *words, "--out", str(tmp_path / "data")]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (("--bbox", "-30", "0", "-29.98", "0.02", "--month", "2023-06"), "lies in the sea .* Sentinel-2 0 scenes"),
        (("--bbox", "10", "85", "10.1", "85.1", "--month", "2023-06"), "leaves 80 S to 84 N"),
        (("--bbox", "179.99", "-17", "-179.99", "-16.97", "--month", "2023-06"), "Sentinel-2 0 scenes"),
        (("--bbox", *map(str, BBOX), "--month", "2199-01"), "lies in the future .* choose"),
        (("--bbox", *map(str, BBOX), "--month", "2016-01"), "L2A begins 2017-03-28, choose a later month"),
        (("--project", "my-project", *PLACE[:7]), "the archives need no project, leave one of them out"),
        (("--admin", "China/Hubei", "--month", "2023-06"), "no public archive holds boundaries: .* --geometry FILE"),
    ],
)
def test_a_place_or_time_without_images_is_one_sentence(place, sentence, town, archive_home, tmp_path, capsys):
    assert isamap.main(["export", *place, "--catalog", "open", *PATCHES, "--out", str(tmp_path / "data")]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert re.search(sentence, printed) and printed.count("error:") == 1


@pytest.fixture
def overcast(town, tmp_path, monkeypatch) -> None:
    """Every class of every date is cloud."""
    cloud = open_town.as_tiff(np.full((open_town.SIDE // 2,) * 2, 9, np.uint8), 20, 0)
    covered = {address: cloud for address in town.archive.files if address.endswith("SCL.tif")}
    monkeypatch.setattr(town.archive, "files", {**town.archive.files, **covered})
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))


@pytest.mark.long
def test_only_clouds_are_said_of_a_dataset(overcast, tmp_path, capsys):
    assert isamap.main(["export", *PLACE, *PATCHES, "--out", str(tmp_path / "data")]) == 0
    assert "no valid pixel of B2 B3 B4 B8 in the train split: choose another month" in capsys.readouterr().out


def test_only_clouds_are_no_map(overcast, tmp_path, capsys):
    words = ["map", "--checkpoint", "starter", *PLACE, "--out", str(tmp_path / "map.tif")]
    assert isamap.main(words) == 1
    assert "as clouds or the scenes' edges hide them: choose a longer --period" in capsys.readouterr().err
    assert not (tmp_path / "map.tif").exists()


def test_a_month_without_scenes_says_so(town, archive_home, tmp_path, capsys):
    where = ("--bbox", *map(str, BBOX), "--month", "2021-01", "--catalog", "open")
    assert isamap.main(["export", *where, "--out", str(tmp_path / "data")]) == 2
    assert "Sentinel-2 0 scenes" in capsys.readouterr().err


@pytest.mark.long
def test_scenes_that_cannot_be_used_are_named(town, archive_home, tmp_path, monkeypatch, capsys):
    """One band's file is gone: its scene is left out before the graph is made, and the manifest says which."""
    gone = next(address for address in town.archive.files if "20230613" in address and address.endswith("B08.tif"))
    monkeypatch.delitem(town.archive.files, gone)
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    where = {"bbox": BBOX, "month": "2023-06", "catalog": "open", "label": "none", "sensors": "s2"}
    export_patches(**where, size=32, stride=32, out=tmp_path / "data", progress=False)
    ((facts,),) = [list(periods.values()) for periods in Dataset.open(tmp_path / "data").manifest.scenes.values()]
    assert facts["sentinel2"]["scenes"] == 2
    (left_out,) = facts["sentinel2"]["left_out"]
    assert left_out.startswith("20230613T") and left_out.endswith("no file of its band B8")


def test_a_checkpoint_of_other_backscatter_is_refused_with_the_remedy(town, archive_home, make_checkpoint, tmp_path):
    from isamap.gee_export.sentinel.composite import Settings as Composite

    bands = make_checkpoint(composite=Composite.of(speckle="none").to_json(), window=32, lattice=24)
    with pytest.raises(ValueError, match=r"holds gamma0 .* trained on sigma0: .* `isamap export --catalog open`"):
        map_region(bands, bbox=BBOX, month="2023-06", catalog="open", out=tmp_path / "map.tif", progress=False)


def test_every_archive_that_answers_is_listed_with_its_speed(town, monkeypatch):
    monkeypatch.setitem(archive_check.LOOKED_FOR, "datetime", "2023-06-01T00:00:00Z/2023-06-30T23:59:59Z")
    report = archive_check.check_archives(Hosts(HOSTS, town.archive.loopback))
    rows = {row.name: row for row in report.rows}
    assert rows["earth-search-c1"].ok and rows["planetary-computer-rtc"].ok
    assert "kB of a file in" in rows["earth-search-c1"].detail and report.ok
    bodies = {request.host: request.body for request in town.archive.asked if request.method == "POST"}
    assert bodies[DE_AFRICA]["bbox"] == archive_check.MAIDUGURI  # it has nothing of Wuhan
    assert rows["worldcover-2021"].ok and not rows["alphaearth"].ok
    assert not rows["earth-search-old"].ok and "no item" in rows["earth-search-old"].detail


def test_without_sentinel_2_the_check_fails(town, monkeypatch):
    monkeypatch.setattr(town.archive, "items", [i for i in town.archive.items if i["collection"] == "sentinel-1-rtc"])
    monkeypatch.setitem(archive_check.LOOKED_FOR, "datetime", "2023-06-01T00:00:00Z/2023-06-30T23:59:59Z")
    report = archive_check.check_archives(Hosts(HOSTS, town.archive.loopback))
    assert not report.ok and {row.name: row.ok for row in report.rows}["planetary-computer-rtc"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--catalog", "world"), "only open, the public archives, is checked"),
        (("--catalog", "open", "--project", "my-project"), "needs neither account nor bucket"),
        (("--catalog", "open", "--offline"), "the check asks the archives, leave --offline out"),
    ],
)
def test_what_cannot_be_checked_is_refused(words, sentence, capsys):
    assert isamap.main(["check", *words]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_the_command_checks_and_fails_where_sentinel_2_is_down(town, monkeypatch, capsys):
    monkeypatch.setitem(archive_check.LOOKED_FOR, "datetime", "2023-06-01T00:00:00Z/2023-06-30T23:59:59Z")
    assert isamap.main(["check", "--catalog", "open"]) == 0
    assert "ok         earth-search-c1" in capsys.readouterr().out
    monkeypatch.setitem(archive_check.LOOKED_FOR, "datetime", "1999-06-01T00:00:00Z/1999-06-30T23:59:59Z")
    assert isamap.main(["check", "--catalog", "open"]) == 1
