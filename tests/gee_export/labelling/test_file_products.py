"""Downloaded files of known products: their codes, what the manifest says of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from local_ee.testing.folder_files import tiff

from isamap.gee_export.base.regions import Period
from isamap.gee_export.labelling.file_products import FILE_PRODUCTS
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels, open_labels
from isamap.gee_export.labelling.label_source import LabelSource
from tests.support.codes import GRID, REGION

JUNE = Period.parse("2019-06")
# Codes that a file of the product holds, in a column of 16; the rest of the patch repeats them.
HELD = {"imperviousness": range(0, 101), "nlcd": range(0, 101), "clcplus": range(1, 12)}


def opened(name: str, folder: Path, extra: tuple[int, ...] = (), **options) -> tuple[OpenLabels, np.ndarray]:
    values = np.resize(np.array([*HELD[name], *extra], np.uint8), (16, 16))
    path = tiff(folder / "product.tif", [values], GRID)
    return open_labels(LabelRequest((f"{name}:{path}",), **options), REGION, JUNE), values


def test_every_product_is_tested_here():
    assert HELD.keys() == FILE_PRODUCTS.keys()


@pytest.mark.parametrize("name", ["imperviousness", "nlcd"])
def test_more_than_half_of_a_percent_product_is_impervious(name, tmp_path):
    labels, values = opened(name, tmp_path, extra=(255,), share=True)
    label, share = labels.fuse({}, GRID)
    np.testing.assert_array_equal(label, np.where(values == 255, 255, values > 50))
    np.testing.assert_array_equal(share, values)


def test_sealed_ground_of_clc_plus_is_impervious_and_the_sea_unknown(tmp_path):
    labels, values = opened("clcplus", tmp_path, extra=(253, 254, 255))
    np.testing.assert_array_equal(labels.fuse({}, GRID)[0], np.where(values > 11, 255, values == 1))


@pytest.mark.parametrize("name", FILE_PRODUCTS)
def test_the_manifest_has_definition_licence_and_source_and_no_folder(name, tmp_path):
    labels, _ = opened(name, tmp_path)
    product = FILE_PRODUCTS[name]
    assert labels.info is not None and labels.info["product"] == f"{name}:product.tif"
    for key in ("title", "counts", "licence", "citation"):
        assert labels.info[key] == getattr(product, key)
    assert str(tmp_path) not in str(labels.info)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clcplus:", "expected clcplus:FILE.tif"),
        ("clcplus:a.tif#1=1", "says what its codes mean: leave #1=1 out"),
        ("imperviousness:a.gpkg", r"expected a raster \(\.tif \.tiff \.vrt\) after the colon"),
    ],
)
def test_what_is_no_file_of_a_product_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        LabelSource.parse(text)


def test_the_name_leads_back_to_the_same_product():
    """A dataset's export.toml holds names without folders."""
    name = LabelSource.parse("nlcd:/data/Annual_NLCD.tif").name
    assert name == "nlcd:Annual_NLCD.tif" and LabelSource.parse(name).of is FILE_PRODUCTS["nlcd"]
