"""`isamap map --image`: an asset's bands in the composite's place, with the pixels that a file of them would give."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from local_ee.catalog.folder import write_image

import isamap
from isamap import inference
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.inputs.image_source import MapImage, _tags, open_image
from isamap.inference.plan.plan import plan_map
from isamap.training.checkpoints import checkpoint
from tests.inference.conftest import LEGEND, NAMES, small_network, write_tif
from tests.support import plot as plots
from tests.support.map_files import read_map

ASSET, COLLECTION = "projects/mine/assets/tessera", "TESSERA/V1/ANNUAL"
INNER = Region("inner", 32650, (plots.LEFT + 600, plots.TOP - 1000, plots.LEFT + 1100, plots.TOP - 500),
               (plots.LEFT, plots.TOP))  # fmt: skip
YEAR = Period.parse("2020")


def bands(seed: int, low: float = -1, high: float = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(low, high, (plots.HEIGHT, plots.WIDTH)).astype(np.float32) for name in NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A catalog with an image of embeddings, a collection of two years, and one of whole numbers."""
    out = tmp_path_factory.mktemp("images")
    write_image(out, f"{COLLECTION}/y2019", bands(1), plots.GRID, properties={"system:time_start": 1546300800000})
    write_image(out, f"{COLLECTION}/y2020", bands(2), plots.GRID, properties={"system:time_start": 1577836800000})
    kelvin = {name: (values * 1000).astype(np.int16) for name, values in bands(3).items()}
    write_image(out, "WARM/LAND/one", kelvin, plots.GRID, properties={"system:time_start": 1577836800000})
    return out


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory):
    """A small U-Net's checkpoint of bands of a unit."""

    def make(unit: str, **changes):
        network = small_network("unet")
        norms = [checkpoint.BandNorm(name, unit, 0.0, 0.5) for name in NAMES]
        fields = {"classes": LEGEND.names, "thresholds": {"impervious": 0.4783}, "composite": {}, "backscatter": "",
                  "simulated": False, "window": 32, "lattice": 24} | changes  # fmt: skip
        made = tmp_path_factory.mktemp("network") / "run"
        checkpoint.save(checkpoint.of_network(network, "unet", norms, **fields), network, made)
        return made

    return make


@pytest.fixture(scope="module")
def embedded(trained_on):
    return trained_on("embedding")


@pytest.fixture
def asked(folder, embedded, reconnected):
    return {"checkpoint": embedded, "region": INNER, "period": ("2020",), "catalog": str(folder), "progress": False}


def test_the_map_is_that_of_a_file_of_the_same_bands(asked, tmp_path):
    """Away from the file's edges, beyond which it has nothing."""
    inference.map_region(**asked, image=COLLECTION, out=tmp_path / "asset.tif")
    stored = np.rint(np.stack(list(bands(2).values())).astype(np.float64) * 1e4).astype(np.int16)
    file = write_tif(tmp_path / "bands.tif", stored, scales=(1e-4,) * 6, transform=plots.GRID.affine)
    inference.map_region(asked["checkpoint"], input=file, out=tmp_path / "file.tif", progress=False)
    expected = read_map(tmp_path / "file.tif")[:, 50:100, 60:110]
    values = read_map(tmp_path / "asset.tif")
    assert values.shape == (2, 50, 50) and len(np.unique(values[1])) > 2
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(("asset", "server"), [(True, False), (False, True), (True, True), (False, False)])
def test_invented_pixels_are_told_whichever_side_invented_them(asset, server):
    """An asset of simulated pixels on Google, and any asset over the simulated world."""
    piece = SimpleNamespace(id="a/b")
    image = SimpleNamespace(simulated=asset, info={"name": "a"}, pieces=[piece])
    connected = SimpleNamespace(simulated=server, server="here")
    tags = _tags(image, INNER, YEAR, connected)
    assert (tags["simulated"] == "true") is (asset or server) and ("licence" in tags) is (asset or server)


def test_the_map_says_which_images_it_is_of(asked, tmp_path):
    inference.map_region(**asked, image=COLLECTION, out=tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        tags = file.tags()
    assert (tags["image"], tags["scenes"]) == (COLLECTION, f"{COLLECTION}: y2020")
    assert (tags["period_start"], tags["resampling"]) == ("2020-01-01", "none")


def test_the_same_call_again_does_nothing_and_another_year_is_another_map(asked, tmp_path):
    options = asked | {"image": COLLECTION, "out": tmp_path / "map.tif"}
    inference.map_region(**options)
    assert inference.map_region(**options).already_there
    with pytest.raises(ValueError, match="holds a map of other settings"):
        inference.map_region(**options | {"period": ("2019",)})


def test_whole_numbers_have_their_scale_and_offset(folder, trained_on, reconnected, tmp_path):
    trained = checkpoint.load(trained_on("kelvin"))
    image = MapImage("WARM/LAND", "kelvin=0.01,273.15")
    source = open_image(INNER, YEAR, trained, image, project=None, catalog=str(folder))
    source.keep_in(tmp_path)
    values_BHW = source.read(Window(0, 0, 50, 50)).values_BHW
    source.close()
    stored = np.stack([(values * 1000).astype(np.int16) for values in bands(3).values()])[:, 50:100, 60:110]
    np.testing.assert_allclose(values_BHW, stored * 0.01 + 273.15, rtol=1e-6)


@pytest.fixture
def call(folder, embedded, reconnected, tmp_path) -> list[str]:
    """The words of a map of a box."""
    box = [str(side) for side in INNER.bounds_wsen]
    where = ["--bbox", *box, "--epsg", "32650", "--period", "2020", "--catalog", str(folder)]
    return ["map", "--checkpoint", str(embedded), *where, "--out", str(tmp_path / "map.tif")]


def test_the_file_beside_the_map_makes_it_again(call, tmp_path):
    assert isamap.main([*call, "--image", COLLECTION, "--unit", "embedding"]) == 0
    again = ["map", "--config", str(tmp_path / "map.toml"), "--out", str(tmp_path / "again.tif")]
    assert isamap.main(again) == 0
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "projects/mine/assets/absent"], "is neither a file on this machine nor an asset"),
        (["--image", "bands.tif"], "--image bands.tif is a file: map it with --input bands.tif"),
        (["--image", COLLECTION, "--unit", "dB"], "of the checkpoint is in embedding: give a unit of that name"),
        (["--image", COLLECTION, "--input", "bands.tif"], "are two images: give one of them"),
        (["--unit", "dB"], "--unit dB is of an --image"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(call, words, sentence, capsys):
    assert isamap.main([*call, *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_missing_band_is_one_sentence(folder, trained_on, reconnected, asked, tmp_path):
    write_image(folder, "FEW/BANDS/one", {"B2": bands(4)["B2"]}, plots.GRID)
    with pytest.raises(ValueError, match="FEW/BANDS has no band B3, B4, B8, VV, VH: expected some of B2"):
        inference.map_region(**asked, image="FEW/BANDS", out=tmp_path / "map.tif")


@pytest.mark.parametrize(
    ("unit", "changes", "sentence"),
    [
        ("reflectance", {}, "bands are in reflectance, and nothing says how .* give --unit as `isamap export` had it"),
        ("embedding", {"dataset": {"step_m": 30}}, "laid on 10 m, and the checkpoint was trained at 30 m: export"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(asked, trained_on, tmp_path, unit, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        inference.map_region(
            **asked | {"checkpoint": trained_on(unit, **changes)}, image=COLLECTION, out=tmp_path / "map.tif"
        )


def test_its_plan_has_the_requests_of_a_composite_of_as_many_bands(embedded, make_checkpoint):
    """And the hours of one month, whatever the period."""
    composite = make_checkpoint(composite=Settings.of().to_json(), window=32, lattice=24)
    planned = plan_map(checkpoint=str(embedded), image=COLLECTION, region="wuhan", period=["2020"])
    month = plan_map(checkpoint=str(composite), region="wuhan", month="2020-06")
    assert planned.requests == month.requests > 0 and planned.request_bytes == month.request_bytes
    assert list(planned.fetch_hours.values()) == pytest.approx(list(month.fetch_hours.values()), rel=0.05)
    assert f"{COLLECTION}, each map as if it were a composite of one month" in str(planned)


def test_a_plan_of_an_image_needs_a_checkpoint():
    with pytest.raises(ValueError, match="--image X/Y is mapped by a checkpoint, whose bands are fetched"):
        plan_map(image="X/Y", region="wuhan", period=["2020"])
