"""Each walk of docs/extend.md, done as written at run time and undone afterwards."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from isamap.gee_export import export_patches
from isamap.gee_export.base import regions

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extend.md").read_text(encoding="utf-8")
BOX = (114.30, 30.56, 114.307, 30.566)


def block(language: str, name: str) -> str:
    return re.search(rf"^```{language} {name}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]


def done(name: str, monkeypatch, *tables: tuple[dict, str]) -> SimpleNamespace:
    """The names of a Python block; entries that it adds to the tables go when the test ends."""
    for table, key in tables:
        monkeypatch.setitem(table, key, None)
        del table[key]
    # dataclasses look their module up by name: the block's names live in this one's namespace copy
    names: dict = {"__name__": __name__}
    exec(block("python", name), names)
    return SimpleNamespace(**names)


def test_a_region_of_one_line_has_a_grid(monkeypatch):
    feature = json.loads(block("json", "region"))
    monkeypatch.setitem(regions._table(), feature["properties"]["name"], feature)
    region = regions.named("xiangyang")
    assert region.epsg == 32649 and all(edge % 10 == 0 for edge in region.bounds_m)


@pytest.mark.long
def test_a_label_product_labels_patches(monkeypatch, tmp_path, session):
    from isamap.gee_export.labelling.label_products import LABELS

    done("label", monkeypatch, (LABELS, "settlements"))
    common = dict(bbox=BOX, month="2019-06", size=32, stride=32, progress=False)
    ours = export_patches(label="settlements", out=tmp_path / "ours", **common)
    theirs = export_patches(label="wsf2019", out=tmp_path / "theirs", **common)
    labels = [sorted((Path(each.out) / "labels").iterdir()) for each in (ours, theirs)]
    assert labels[0] and [path.read_bytes() for path in labels[0]] == [path.read_bytes() for path in labels[1]]


def test_a_speckle_filter_gives_the_median_of_the_window(monkeypatch, session):
    import ee
    import numpy as np
    from local_ee.testing.evaluating import pixels
    from scipy.ndimage import median_filter

    from isamap.gee_export.sentinel.speckle import SPECKLE, check

    done("filter", monkeypatch, (SPECKLE, "median"))
    check("median", 5)
    power = ee.Image.pixelCoordinates("EPSG:32650").select("x").multiply(7).mod(11).rename("VV")
    actual = pixels(SPECKLE["median"].apply(power, 3))
    expected = median_filter(np.asarray(pixels(power)), 3)
    assert np.array_equal(actual[1:-1, 1:-1], expected[1:-1, 1:-1]) and actual.std() > 0


@pytest.mark.long
def test_a_network_trains_and_maps(monkeypatch, tmp_path, session):
    from isamap import inference, training
    from isamap.training.models import MODELS
    from isamap.training.recipes import RECIPES

    done("network", monkeypatch, (MODELS, "plain"), (RECIPES, "plain"))
    data = export_patches(
        bbox=(114.30, 30.56, 114.33, 30.585), month="2019-06", size=32, stride=32, out=tmp_path / "data", progress=False
    )
    training.train(data=data.out, recipe="plain", out=tmp_path / "run")
    mapped = inference.map_region(checkpoint=tmp_path / "run", bbox=BOX, month="2020-06", out=tmp_path / "map.tif")
    assert mapped.known_share > 0


@pytest.mark.parametrize(
    "contract", ["every_parameter_gets_a_finite_gradient", "a_small_step_down_its_gradient_lowers_the_loss"]
)
def test_a_network_is_under_contract_by_its_entry_alone(monkeypatch, contract):
    """The tests of all networks take a new one from the registry, small, without a table of their own."""
    from isamap.training.models import MODELS, parameter_count
    from isamap.training.recipes import RECIPES
    from tests.training import test_networks_contract

    done("network", monkeypatch, (MODELS, "plain"), (RECIPES, "plain"))
    assert parameter_count(test_networks_contract.small("plain")) < 1000
    getattr(test_networks_contract, f"test_{contract}")("plain")


def test_an_algorithm_answers_the_client(monkeypatch, session):
    import ee
    from local_ee.evaluation import registry
    from local_ee.testing.evaluating import number

    registry.names()  # loads the algorithms that the engine has
    done("algorithm", monkeypatch, (registry._ALGORITHMS, "Image.erf"))
    assert number(ee.Image(0.5).erf()) == pytest.approx(math.erf(0.5))
