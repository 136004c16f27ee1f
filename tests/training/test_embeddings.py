"""Satellite embeddings: the simulated asset, its export, the perceptron, and another year."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from local_ee.world.embeddings import BANDS, EMBEDDING, TURN_DEG, Embeddings, turned
from local_ee.world.fractions import CellCache
from local_ee.world.lattice import Cut

from isamap import training
from isamap.gee_export import export_patches
from isamap.gee_export.base.band_globs import expanded
from isamap.gee_export.datasets.dataset import Dataset
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build
from isamap.training.samples.data import open_source
from tests.support.one_thread import one_thread  # noqa: F401

CUT = Cut(32650, -338_100, 24_600, 24, 20)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return Embeddings(CellCache()).vectors(CUT, 2019)


@pytest.mark.long
def test_vectors_have_length_1_in_every_year(vectors):
    for year in (2017, 2021, 2025):
        np.testing.assert_allclose(np.linalg.norm(turned(vectors, year), axis=0), 1, atol=1e-12)


@pytest.mark.long
def test_years_turn_each_pair_of_bands_by_a_known_angle(vectors):
    """As a complex number of each pair, a year is a factor of exp(TURN_DEG i)."""
    first, fourth = (turned(vectors, year) for year in (2017, 2020))
    ratio = (fourth[::2] + 1j * fourth[1::2]) / (first[::2] + 1j * first[1::2])
    np.testing.assert_allclose(ratio, np.exp(1j * np.radians(3 * TURN_DEG)), atol=1e-9)


@pytest.mark.long
def test_a_cut_gives_the_pixels_of_the_whole(vectors):
    part = Embeddings(CellCache()).vectors(Cut(CUT.epsg, CUT.row + 5, CUT.col + 7, 9, 6), 2019)
    np.testing.assert_allclose(part, vectors[:, 5:14, 7:13], atol=1e-6)


def test_bands_are_named_by_globs():
    assert expanded(["A0*"], BANDS) == BANDS[:10]
    assert expanded(["A[0-6][0-9]", "A03"], ["B2", *BANDS]) == BANDS
    assert expanded(["B*", "VV"], ["B2", "B11", "VV"]) == ("B2", "B11", "VV")
    assert expanded(["C*"], BANDS) == ("C*",) and expanded([], BANDS) == ()


def test_a_perceptron_looks_at_its_own_pixel_only():
    network = build("mlp", BANDS[:4], {"hidden": (8, 8)}).eval()
    image = torch.randn(1, 4, 6, 6)
    other = image.clone()
    other[..., 2, 3] += 1
    with torch.no_grad():
        changed = (network(image).logits_BKHW != network(other).logits_BKHW).any(dim=1)[0]
    assert changed[2, 3] and changed.sum() == 1


def exported(folder, year: str) -> str:
    box = (114.300, 30.560, 114.318, 30.576)
    common = dict(image=EMBEDDING, unit="embedding", bands=("A0*", "A1*"), label="worldcover", split="random")
    report = export_patches(bbox=box, period=year, size=32, stride=32, out=folder / year, progress=False, **common)
    return report.out


@pytest.mark.long
def test_an_embedding_is_exported_learned_and_evaluated(session, tmp_path):
    data = exported(tmp_path, "2020")
    dataset = Dataset.open(data)
    assert dataset.manifest.band_names == BANDS[:20] and dataset.manifest.bands[0].unit == "embedding"
    norms = open_source([data], ["A0*"]).bands
    assert len(norms) == 10 and {(norm.mean, norm.std) for norm in norms} == {(0.0, 1.0)}
    settings = {"epochs": "30", "batch": "4", "device": "cpu"}
    run = training.train(data, "embedding-mlp", tmp_path / "run", settings=settings)
    assert ck.load(run.folder).band_names == BANDS[:20]
    assert training.evaluate(run.folder, data).scores.miou > 0.6
