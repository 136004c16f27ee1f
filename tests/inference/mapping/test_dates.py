"""Maps of networks that look at several dates: which dates a window is given, and that cuts never change a pixel."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from isamap import inference
from isamap.gee_export.base.band_globs import DAY
from isamap.gee_export.base.grid import Raster, Window, crop
from isamap.gee_export.base.regions import Month, Period, Region
from isamap.gee_export.command_line import console
from isamap.gee_export.sentinel import composite as composites
from isamap.inference import cli
from isamap.inference.inputs import composite
from isamap.inference.inputs.composite import open_composite
from isamap.inference.mapping.dates import arranged, view
from isamap.training.checkpoints.checkpoint import BandNorm, load, of_network, save
from isamap.training.models import MODELS, build
from tests.inference.conftest import BANDS, LEGEND, NAMES
from tests.support import plot as plots
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401

SETTINGS = composites.Settings.of(speckle="none", clouds="scl")
JUNE = Month(2019, 6).period


def stack(shown: list[np.ndarray]) -> np.ndarray:
    """Two bands of each date that hold its number, then what each date shows."""
    planes = [np.full((2, 4, 4), index, np.float32) for index in range(len(shown))]
    return np.concatenate([*planes, np.stack(shown).astype(np.float32)])


def first_pixels(tile, dates: int, wanted: int) -> list[float]:
    actual = arranged(tile, dates, wanted)
    assert actual.shape == (wanted, 2, 4, 4) and actual.dtype == np.float32
    return actual[:, 1, 2, 3].tolist()


def half(rows: int) -> np.ndarray:
    shown = np.zeros((4, 4))
    shown[:rows] = 1
    return shown


def test_dates_that_show_less_than_half_of_a_window_are_left_out():
    """As an export leaves them out of a patch (docs/datasets.md, dated frames), so that training and maps agree."""
    assert first_pixels(stack([half(4), half(1), half(2), half(4)]), 4, 3) == [0, 2, 3]


def test_fewer_dates_are_repeated_in_their_order():
    assert first_pixels(stack([half(4), half(0), half(3)]), 3, 5) == [0, 2, 0, 2, 0]


def test_fewer_dates_than_a_network_of_days_wants_are_followed_by_missing_ones():
    actual = arranged(stack([half(4), half(0), half(3)]), 3, 4, repeat=False)
    assert actual.dtype == np.float32 and actual[:, 1, 2, 3].tolist() == [0, 2, 0, 0]
    assert actual[1].any() and not actual[2:].any()


def test_where_no_date_shows_enough_all_are_taken():
    """What any date shows is the whole; here each of three shows a third of it."""
    thirds = [np.zeros((4, 4)) for _ in range(3)]
    for index, shown in enumerate(thirds):
        shown[index] = 1
    assert first_pixels(stack(thirds), 3, 3) == [0, 1, 2]


def test_ground_outside_the_raster_takes_no_dates_share():
    """A window that lies half outside: a date that shows all there is counts as whole."""
    assert first_pixels(stack([half(2), half(0)]), 2, 2) == [0, 0]


@pytest.fixture(scope="module")
def plot(tmp_path_factory) -> plots.Plot:
    return plots.write(tmp_path_factory.mktemp("plot"))


@pytest.fixture
def dated(make_checkpoint):
    """A small JointSeg of two dates: ten output pixels per input pixel."""
    return make_checkpoint("jointseg", composite=SETTINGS.to_json(), frames=2, window=32, lattice=24)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(composite, "BLOCK_PX", 50)


def mapped(run, plot, out, **how) -> np.ndarray:
    region = Region("plot", 32650, (plots.LEFT, plots.TOP - 800, plots.LEFT + 900, plots.TOP), (plots.LEFT, plots.TOP))
    how = {"region": region, "month": "2019-06", "catalog": str(plot.folder), "progress": False} | how
    inference.map_region(run, out=out, **how)
    with rasterio.open(out) as stored:
        assert stored.res == (1.0, 1.0) and stored.shape == (800, 900) and stored.transform.f == plots.TOP
        return read_map(out)


@pytest.mark.long
def test_the_source_holds_the_days_one_after_another(plot, dated, home, reconnected, tmp_path):
    """Sentinel-2 by numpy, day by day, for clouds are masked by the scene's own classes."""
    trained = load(dated)
    source = open_composite(plots.REGION, JUNE, trained, project=None, catalog=str(plot.folder))
    source.keep_in(tmp_path / "blocks")
    days = source.tags["dates"].split()
    assert len(days) == 2 and source.bands == tuple(f"d{day}_{name}" for day in days for name in NAMES)
    raster = source.read(Window(0, 0, plots.HEIGHT, plots.WIDTH))
    for index, day in enumerate(days):
        scene = next(name for name in plot.dn if name.startswith(day))
        at = index * len(NAMES) + NAMES.index("B4")
        valid = raster.valid_BHW[at]
        expected = plot.dn[scene]["B4"] * 1e-4
        np.testing.assert_allclose(raster.values_BHW[at][valid], expected[valid], atol=1e-6)
        assert 0.05 < valid.mean() < 1


@pytest.fixture
def of_days(tmp_path) -> Path:
    """A small network of dates with their days of year."""
    bands = (*BANDS, BandNorm(DAY, "day of year", 0.0, 1.0))
    network = build("utae", [band.name for band in bands], MODELS["utae"].small)
    further = {"composite": SETTINGS.to_json(), "frames": 3, "window": 32, "lattice": 24, "backscatter": "sigma0"}
    described = of_network(
        network, "utae", bands, classes=LEGEND.names, thresholds={"impervious": 0.5}, simulated=False, **further
    )
    save(described, network, tmp_path / "run")
    return tmp_path / "run"


def test_the_source_of_a_network_of_days_says_the_day_of_year(plot, of_days, home, reconnected, tmp_path):
    """The plot's dates are of June 2019; every pixel of a date, clouds too, holds its day."""
    source = open_composite(plots.REGION, JUNE, load(of_days), project=None, catalog=str(plot.folder))
    source.keep_in(tmp_path / "blocks")
    raster = source.read(Window(0, 0, plots.HEIGHT, plots.WIDTH))
    for day in source.tags["dates"].split():
        at = source.bands.index(f"d{day}_{DAY}")
        assert (raster.values_BHW[at] == date.fromisoformat(day).timetuple().tm_yday).all()
        assert raster.valid_BHW[at].all() and not raster.valid_BHW[at - len(NAMES)].all()


@pytest.mark.long
def test_a_network_of_days_maps(plot, of_days, home, reconnected, tmp_path):
    region = Region("plot", 32650, (plots.LEFT, plots.TOP - 800, plots.LEFT + 900, plots.TOP), (plots.LEFT, plots.TOP))
    how = {"month": "2019-06", "catalog": str(plot.folder), "progress": False}
    inference.map_region(of_days, out=tmp_path / "a.tif", region=region, **how)
    assert (read_map(tmp_path / "a.tif")[1] != 255).mean() > 0.5


@pytest.mark.long
def test_workers_and_blocks_never_change_a_map_of_dates(plot, dated, home, reconnected, tmp_path, monkeypatch):
    """docs/reference/performance.md, "P3"."""
    raster = mapped(dated, plot, tmp_path / "a.tif", workers=1)
    monkeypatch.setattr(composite, "BLOCK_PX", 37)
    np.testing.assert_array_equal(mapped(dated, plot, tmp_path / "b.tif", workers=3), raster)
    assert (raster[1] != 255).mean() > 0.5 and len(np.unique(raster[1])) > 3


class Days:
    """A source of two dates of two bands with known gaps."""

    bands = ("d1_B4", "d1_VV", "d2_B4", "d2_VV")

    def __init__(self, valid_TBHW: np.ndarray) -> None:
        self.valid_BHW = valid_TBHW.reshape(4, *valid_TBHW.shape[2:])

    def read(self, window: Window) -> Raster:
        values = np.full(self.valid_BHW.shape, 0.2, np.float32)
        return Raster(crop(plots.GRID, window), self.bands, values, self.valid_BHW)

    def wanted(self, window: Window) -> np.ndarray:
        return np.ones((window.height, window.width), bool)


def test_a_pixel_is_known_where_each_band_is_seen_on_some_date(dated):
    valid_TBHW = np.random.default_rng(0).random((2, 2, 6, 5)) > 0.4
    trained = load(dated)
    trained = replace(trained, bands=(trained.bands[2], trained.bands[4]))
    x_BHW, known_HW = view(Days(valid_TBHW), trained).read(Window(0, 0, 6, 5))
    np.testing.assert_array_equal(
        known_HW, (valid_TBHW[0, 0] | valid_TBHW[1, 0]) & (valid_TBHW[0, 1] | valid_TBHW[1, 1])
    )
    np.testing.assert_array_equal(x_BHW[4:], valid_TBHW[:, 0])
    gaps = ~valid_TBHW.reshape(4, 6, 5)
    assert (x_BHW[:4][gaps] == 0).all() and (x_BHW[:4][~gaps] != 0).all()


def test_one_image_cannot_be_mapped_by_a_network_of_dates(dated, scene, tmp_path, capsys):
    words = ("--checkpoint", str(dated), "--input", str(scene), "--out", str(tmp_path / "map.tif"))
    code = console.run_command(lambda: cli.map, words, prog="isamap map")
    error = capsys.readouterr().err
    assert code == console.USER_MISTAKE and error.count("\n") == 1
    assert "looks at 2 dates, --input is one image: map a region with a --period" in error


def test_a_period_without_days_is_refused(plot, dated, home, reconnected):
    with pytest.raises(ValueError, match="cannot be composed for"):
        open_composite(
            plots.REGION,
            Period.between("2019-09-01", "2019-09-30"),
            load(dated),
            project=None,
            catalog=str(plot.folder),
        )


def test_more_dates_than_there_are_do(plot, dated, home, reconnected, tmp_path):
    """The plot has three days in June; a network of five looks at some of them twice."""
    trained = replace(load(dated), frames=5)
    source = open_composite(plots.REGION, JUNE, trained, project=None, catalog=str(plot.folder))
    assert len(source.bands) in (2 * len(NAMES), 3 * len(NAMES))
