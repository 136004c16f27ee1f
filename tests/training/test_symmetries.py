"""Test-time augmentation: the group, the mean by its definition, and the same map however the work is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import isamap
from isamap import inference, training
from isamap.inference.mapping.predict import Predictor
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runtimes import open_forward
from isamap.training.runtimes.probabilities import probabilities_of
from isamap.training.runtimes.symmetries import SYMMETRIES, SymmetryMean
from tests.inference.conftest import LEGEND, NAMES, small_network, stored_scene, write_tif
from tests.inference.mapping.test_predict import HEIGHT, LATTICE, whole
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread
from tests.training.test_bad_input import kept  # noqa: F401
from tests.training.test_runtimes import image_of, logits

GROUPS = {"none": 1, "flips": 4, "d4": 8}


@pytest.fixture
def town(make) -> str:
    """Both classes in every split; for `kept` of test_bad_input too."""
    return make(spread(4, 2, 1), seed=3).storage.url


@pytest.mark.parametrize("name", SYMMETRIES)
def test_every_symmetry_is_another_one_and_is_undone(name):
    x = torch.arange(2.0 * 3 * 5 * 5).reshape(2, 3, 5, 5)
    views = [symmetry.apply(x) for symmetry in SYMMETRIES[name]]
    assert len({view.numpy().tobytes() for view in views}) == GROUPS[name]
    assert all(torch.equal(s.undo(v), x) for s, v in zip(SYMMETRIES[name], views, strict=True))


def test_flips_turn_no_row_into_a_column():
    """A row stays a row: what matters to radar, which looks across the track."""
    x = torch.arange(4.0)[:, None].expand(4, 4)[None, None]
    assert all((symmetry.apply(x).diff(dim=-1) == 0).all() for symmetry in SYMMETRIES["flips"])


@pytest.mark.parametrize("name", ["flips", "d4"])
def test_the_probability_is_the_mean_over_the_group(name):
    """By NumPy, with its own flips and turns."""
    network, x = small_network("unet"), image_of("unet")
    actual = logits(SymmetryMean(network, SYMMETRIES[name]), x).softmax(1).numpy()

    def seen(image: np.ndarray) -> np.ndarray:
        return logits(network, torch.from_numpy(image.copy())).softmax(1).numpy()

    image = x.numpy()
    parts = [seen(image), seen(image[..., ::-1])[..., ::-1]]
    parts += [seen(image[..., ::-1, :])[..., ::-1, :], seen(image[..., ::-1, ::-1])[..., ::-1, ::-1]]
    if name == "d4":
        turned = image.swapaxes(-1, -2)
        parts += [
            seen(turned[(..., *flip)])[(..., *flip)].swapaxes(-1, -2)
            for flip in (
                (slice(None), slice(None)),
                (slice(None), slice(None, None, -1)),
                (slice(None, None, -1), slice(None)),
                (slice(None, None, -1), slice(None, None, -1)),
            )
        ]
    np.testing.assert_allclose(actual, np.mean(parts, axis=0), atol=1e-6)


@pytest.mark.long
def test_neither_workers_nor_cuts_change_a_pixel():
    """docs/reference/performance.md, "P3"."""
    predictor = Predictor(
        probabilities_of(SymmetryMean(small_network("unet"), SYMMETRIES["d4"])), len(NAMES), 1, LEGEND
    )
    mapped = whole(predictor, LATTICE, workers=1)
    np.testing.assert_array_equal(whole(predictor, LATTICE, workers=3), mapped)
    parts = [whole(predictor, LATTICE, rows=rows) for rows in (range(46), range(46, HEIGHT))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), mapped)


def test_a_certain_network_stays_certain():
    """Probabilities of 0 have no logarithm."""
    certain = torch.tensor([[[[-500.0]], [[500.0]]]])

    class Certain(torch.nn.Module):
        def forward(self, x):
            return training.models.output.Output(certain.expand(-1, -1, *x.shape[-2:]))

    output = logits(SymmetryMean(Certain(), SYMMETRIES["d4"]), torch.zeros(1, 1, 2, 2))
    assert torch.isfinite(output).all() and (output.softmax(1)[:, 1] == 1).all()


def test_an_unknown_group_is_one_sentence(kept):  # noqa: F811
    with pytest.raises(ValueError, match="tta 'turns' is not known: choose one of none, flips, d4"):
        open_forward(ck.load(kept), tta="turns")


@pytest.mark.long
def test_map_and_evaluate_take_it(kept, town, tmp_path, capsys):  # noqa: F811
    import rasterio

    scene = write_tif(tmp_path / "scene.tif", stored_scene(70, 50))
    plain = inference.map_region(kept, out=tmp_path / "plain.tif", input=scene, progress=False)
    words = f"map --checkpoint {kept} --input {scene} --out {tmp_path / 'map.tif'} --tta d4"
    assert isamap.main(words.split()) == 0
    with rasterio.open(plain.probability) as a, rasterio.open(tmp_path / "map_prob.tif") as b:
        assert b.tags()["tta"] == "d4" and "tta" not in a.tags()
        assert (a.read() != b.read()).any()
    assert isamap.main(f"evaluate --checkpoint {kept} --data {town} --split val --tta flips".split()) == 0
    report = training.evaluate(kept, town, "val", tta="flips")
    assert report.to_json()["tta"] == "flips" and "tta" not in training.evaluate(kept, town, "val").to_json()


def test_a_turned_image_gives_the_turned_map():
    """The network alone does not: that is what the mean is for."""
    network, x = small_network("unet"), image_of("unet")
    forward = SymmetryMean(network, SYMMETRIES["d4"])
    turned = torch.rot90(x, 1, (-2, -1))
    torch.testing.assert_close(logits(forward, turned), torch.rot90(logits(forward, x), 1, (-2, -1)))
    assert not torch.allclose(logits(network, turned), torch.rot90(logits(network, x), 1, (-2, -1)), atol=1e-3)
