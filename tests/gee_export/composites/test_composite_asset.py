"""A composite that is made an asset once and read ever after: the same pixels, refusals, and no second task."""

from __future__ import annotations

from dataclasses import replace

import ee
import numpy as np
import pytest

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.regions import Month, Region
from isamap.gee_export.composites import writing
from isamap.gee_export.composites.reading import composed
from isamap.gee_export.composites.stored import StoredComposite
from isamap.gee_export.datasets.composite_rules import COMPOSITE_VERSION
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.progress_log import ProgressLog, run_folder
from isamap.gee_export.export import compose as composing
from isamap.gee_export.export.compose import compose
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Settings
from isamap.gee_export.tasks.task_queue import State, TaskQueue
from tests.support import plot as plots

JUNE = Month(2019, 6).period
BANDS = (*plots.BANDS, "VV", "VH")
ASSET = "projects/local/assets/composites"
SMALL = Region("plot", 32650, tuple(map(float, plots.REGION.bounds_m)), plots.REGION.origin_m)


@pytest.fixture(scope="module")
def asked(plot):
    return {
        "region": SMALL, "month": "2019-06", "speckle": "none", "asset": ASSET, "margin": 20,
        "catalog": str(plot.folder),
    }  # fmt: skip


@pytest.fixture(scope="module")
def stored(asked, plot, reconnected, tmp_path_factory):
    """The plot's composite as an asset."""
    isamap.connect(catalog=plot.folder, home=tmp_path_factory.mktemp("home"))
    return compose(**asked)


@pytest.fixture(autouse=True)
def _connected(stored, plot):
    isamap.connect(catalog=plot.folder)


SETTINGS = Settings.of(speckle="none")


def fetched(made: composite.Composite):
    return pixels.fetch(made.packed, plots.GRID, BANDS)


@pytest.mark.long
def test_the_asset_holds_the_composite_rounded_half_to_even():
    direct, read = composite.build(SMALL, JUNE, SETTINGS), composed(SMALL, JUNE, SETTINGS, ASSET)
    expected, actual = fetched(direct), fetched(read)
    np.testing.assert_array_equal(actual.valid_BHW, expected.valid_BHW)
    np.testing.assert_array_equal(actual.values_BHW, np.where(expected.valid_BHW, np.rint(expected.values_BHW), 0))
    halves = expected.valid_BHW & (np.abs(expected.values_BHW % 1 - 0.5) < 1e-9)
    assert halves.any() and (actual.values_BHW[halves] % 2 == 0).all()


def test_counts_and_facts_are_those_of_the_composite():
    direct, read = composite.build(SMALL, JUNE, SETTINGS), composed(SMALL, JUNE, SETTINGS, ASSET)
    counts = [pixels.fetch(made.counts, plots.GRID, ("s2_count", "s1_count")).values_BHW for made in (direct, read)]
    np.testing.assert_array_equal(*counts)
    for name in ("bands", "scenes", "backscatter", "level", "simulated"):
        assert getattr(read, name) == getattr(direct, name)
    assert read.info["sentinel2"]["ids"] == direct.info["sentinel2"]["ids"]


@pytest.mark.long
def test_the_dataset_of_the_asset_is_that_of_the_server(asked, plot, tmp_path):
    common = {
        "region": SMALL, "month": "2019-06", "speckle": "none", "size": 32, "stride": 32, "split": "random",
        "catalog": str(plot.folder), "progress": False,
    }  # fmt: skip
    datasets = []
    for name, options in (("direct", {}), ("asset", {"composite_asset": ASSET})):
        export_patches(**common, **options, out=tmp_path / name)
        datasets.append(Dataset.open(tmp_path / name))
    direct, read = datasets
    assert len(direct.patches) == len(read.patches) > 10
    for left, right in zip(direct.patches, read.patches, strict=True):
        np.testing.assert_array_equal(direct.read_image(left), read.read_image(right))
    assert read.manifest.asked["composite_asset"] == ASSET
    assert read.manifest.scenes["plot"]["201906"]["sentinel2"] == direct.manifest.scenes["plot"]["201906"]["sentinel2"]


def test_the_same_call_again_starts_no_task(stored, asked, monkeypatch):
    monkeypatch.setattr(TaskQueue, "submit", lambda *_: pytest.fail("a second task"))
    again = compose(**asked)
    assert again.names == stored.names and again.made == ()


def test_a_dry_run_makes_nothing_and_says_what_it_costs(asked):
    report = compose(**asked | {"month": "2019-07", "dry_run": True})
    assert report.made and "would be made" in str(report) and "EECU" in str(report)
    assert len(ee.data.listAssets(ASSET)["assets"]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": Settings.of(speckle="lee")}, "speckle is none there, lee asked"),
        ({"settings": Settings.of(speckle="none", bands=("B2", "B11"))}, "it has no band B11"),
        (
            {"settings": Settings.of(speckle="none", composite_version=1)},
            f"composite_version is {COMPOSITE_VERSION} there, 1 asked",
        ),
        ({"period": Month(2019, 7).period}, "it has no composite of 2019-07"),
        ({"region": replace(SMALL, bounds_m=(212750.0, 3414660.0, 214510.0, 3416360.0))}, "80 m of the ground"),
        ({"region": replace(SMALL, epsg=32649)}, "no composite of 2019-06 in EPSG:32649"),
        ({"asset": "projects/local/assets/other"}, "is no image collection that this identity may read"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_command_that_makes_it(changes, words):
    wanted = {"region": SMALL, "period": JUNE, "settings": SETTINGS, "asset": ASSET} | changes
    with pytest.raises(ValueError, match="isamap composite") as refusal:
        composed(**wanted)
    assert words in str(refusal.value)


def test_bands_of_one_sensor_are_read_from_an_asset_of_two():
    some = Settings.of(bands=("B8", "B2"), sensors=("sentinel2",))
    read = composed(SMALL, JUNE, some, ASSET)
    assert read.bands == ("B8", "B2") and read.backscatter is None and set(read.scenes) == {"sentinel2"}


def test_facts_that_another_program_wrote_are_a_sentence():
    name = ee.data.listAssets(ASSET)["assets"][0]["name"]
    before = ee.data.getAsset(name)["properties"]
    ee.data.updateAsset(name, {"properties": {"isamap_facts_00": "AAAA"}}, ["properties.isamap_facts_00"])
    try:
        with pytest.raises(Fault, match=r"is damaged.*delete it and make it again"):
            composed(SMALL, JUNE, SETTINGS, ASSET)
    finally:
        ee.data.updateAsset(name, {"properties": before}, ["properties"])


class Lost(TaskQueue):
    """A queue whose task of an earlier run still runs when it is looked at first."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.states = [state]

    def look(self):
        return {self.description: self.states[0]}

    def submit(self, request, config):
        pytest.fail("a second task")


def part() -> writing.CompositePart:
    composite = StoredComposite.of(SMALL, JUNE, SETTINGS, {"server": "local-engine"})
    return writing.CompositePart(SMALL, composite, ASSET)


def test_a_task_of_an_interrupted_run_is_found_by_its_description(monkeypatch):
    piece, queue = part(), Lost(State("RUNNING"))
    queue.description = f"{piece.description}-0123abcd"
    monkeypatch.setattr(writing, "is_there", lambda part: True)
    writer = writing.Writer(queue, sleep=lambda seconds: queue.states.__setitem__(0, State("SUCCEEDED", "", 12.0)))
    writer.make([piece])
    assert writer.eecu_s == {piece.name: 12.0}


def test_a_task_that_fails_is_named_with_the_words_of_the_server(monkeypatch):
    piece, queue = part(), Lost(State("RUNNING"))
    queue.description = f"{piece.description}-0123abcd"
    monkeypatch.setattr(writing, "is_there", lambda part: False)
    writer = writing.Writer(queue, sleep=lambda seconds: queue.states.__setitem__(0, State("FAILED", "Out of quota.")))
    with pytest.raises(Fault, match=r"composites/plot_201906_\w+ failed: Out of quota\."):
        writer.make([piece])


def test_thousands_of_scenes_become_their_number_and_digest():
    ids = tuple(f"S1A_IW_GRDH_1SDV_{at:032x}" for at in np.random.default_rng(0).integers(0, 2**62, 40_000))
    facts = replace(part().stored, scenes={"sentinel1": ids}, info={"sentinel1": {"ids": list(ids), "level": "x"}})
    read = StoredComposite.from_properties(facts.properties())
    assert read.scenes["sentinel1"][0].startswith("40000 scenes, sha256 ") and read.info["sentinel1"]["level"] == "x"
    assert all(len(str(value)) <= 1000 for value in facts.properties().values())


def test_mistakes_are_sentences(capsys):
    base = ["composite", "--region", "wuhan", "--month", "2019-06"]
    assert isamap.main(base) == 2 and "--asset is missing" in capsys.readouterr().err
    assert isamap.main([*base, "--asset", "projects/p/assets/c"]) == 2
    assert "add --project p, or try it in the local engine" in capsys.readouterr().err
    assert (
        isamap.main([*base, "--asset", ASSET, "--margin", "15"]) == 2 and "a multiple of 10" in capsys.readouterr().err
    )
    export = ["export", "--region", "wuhan", "--month", "2019-06", "--composite-asset", ASSET, "--image", "x.tif"]
    assert isamap.main(export) == 2 and "--image x.tif is another image" in capsys.readouterr().err


@pytest.fixture
def export(plot, monkeypatch):
    """An export of the plot that reads a collection; composites are made with a narrow margin."""
    monkeypatch.setattr(composing, "MARGIN_M", 20.0)
    common = {
        "region": SMALL, "month": "2019-06", "speckle": "none", "size": 32, "stride": 32, "split": "random",
        "catalog": str(plot.folder), "progress": False,
    }  # fmt: skip
    return lambda **options: export_patches(**common | options)


@pytest.mark.long
def test_an_export_makes_what_its_collection_lacks_and_says_so(export, tmp_path, monkeypatch, capsys):
    collection = "projects/local/assets/exported"
    export(composite_asset=collection, out=tmp_path / "first")
    told = capsys.readouterr().err
    assert f"--composite-asset {collection} has no plot in 2019-06: composed now, once" in told
    assert len(ee.data.listAssets(collection)["assets"]) == 1
    # no row of a block: the export's own meter goes on from there
    assert ProgressLog(run_folder(tmp_path / "first")).rows()[0].keys() == {"eecu"}
    monkeypatch.setattr(TaskQueue, "submit", lambda *_: pytest.fail("a second task"))
    export(composite_asset=collection, out=tmp_path / "second")
    assert "composed now" not in capsys.readouterr().err
    export(out=tmp_path / "direct")
    first, second, direct = (Dataset.open(tmp_path / name) for name in ("first", "second", "direct"))
    for one, two, three in zip(first.patches, second.patches, direct.patches, strict=True):
        np.testing.assert_array_equal(first.read_image(one), direct.read_image(three))
        np.testing.assert_array_equal(first.read_image(one), second.read_image(two))


def test_a_dry_run_of_an_export_says_what_is_lacking_and_makes_nothing(export, tmp_path):
    collection = "projects/local/assets/unmade"
    report = export(composite_asset=collection, out=tmp_path / "data", dry_run=True)
    assert f"{collection} lacks 1 of the composites: they are made first" in str(report)
    left, bottom, right, top = SMALL.bounds_m
    pixels_asked = (right - left + 2 * 20) / 10 * (top - bottom + 2 * 20) / 10
    assert report.eecu.effort == pytest.approx(pixels_asked / 1e6 * JUNE.mean_months)
    with pytest.raises(ee.EEException, match="not found"):
        ee.data.getAsset(collection)
    assert export(composite_asset=ASSET, out=tmp_path / "data", dry_run=True).eecu is None


def test_composing_counts_for_the_exports_own_limit(export, tmp_path):
    collection = "projects/local/assets/costly"
    with pytest.raises(Fault, match=r"--eecu-hours 1e-09 would be exceeded"):
        export(composite_asset=collection, out=tmp_path / "data", eecu_hours=1e-9)
    assert not ee.data.listAssets(collection)["assets"]


def test_an_export_by_other_settings_makes_no_second_composite_of_the_ground(export, tmp_path, monkeypatch):
    """It may be a slip, and to compose costs money: `isamap composite` makes it where it is meant."""
    monkeypatch.setattr(TaskQueue, "submit", lambda *_: pytest.fail("a task"))
    with pytest.raises(ValueError, match="speckle is none there, lee asked"):
        export(composite_asset=ASSET, speckle="lee", out=tmp_path / "data")


def test_nothing_is_written_to_another_projects_collection(export, tmp_path, monkeypatch):
    monkeypatch.setattr(TaskQueue, "submit", lambda *_: pytest.fail("a task"))
    with pytest.raises(ValueError, match="is no image collection that this identity may read"):
        export(composite_asset="projects/theirs/assets/composites", out=tmp_path / "data")
