"""What is missing is said to the network: dates, the validity channel, rotation; and what stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from isamap import training
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import MODELS, build, constructor_values
from isamap.training.models.validity import known_dates, maximum_of_dates, mean_of_dates, mean_of_values, with_validity
from isamap.training.runtimes.graph import onnx_graph
from isamap.training.samples.augment import CHANCES, Augmented, augment
from tests.support.one_thread import one_thread  # noqa: F401

SIX = ("B2", "B3", "B4", "B8", "VV", "VH")
WITH_VALIDITY = [name for name, model in MODELS.items() if "validity" in model.config.__dataclass_fields__]


def small(name: str, **changes):
    torch.manual_seed(0)
    return build(name, SIX, {**MODELS[name].small, **changes}).eval()


def ground(dates: int, side: int = 16) -> torch.Tensor:
    """The same ground on every date."""
    torch.manual_seed(1)
    return torch.randn(1, 1, 6, side, side).repeat(1, dates, 1, 1, 1)


@pytest.mark.parametrize("name", ["jointseg", "bilinear_unet"])
def test_clouded_dates_change_nothing_where_the_others_saw_the_same(name):
    network, clear = small(name), ground(8)
    clouded = clear.clone()
    clouded[:, ::2] = 0
    with torch.no_grad():
        expected, made = network(clear), network(clouded)
    torch.testing.assert_close(made.logits_BKHW, expected.logits_BKHW, atol=1e-5, rtol=1e-5)
    if made.image is not None:
        torch.testing.assert_close(made.image_1x, expected.image_1x)


def test_the_image_to_be_sharpened_is_the_mean_of_the_dates_that_saw_it():
    """Four of eight dates clouded over one half: the mean of the others there, of all elsewhere."""
    torch.manual_seed(2)
    x = torch.randn(1, 8, 6, 16, 16)
    x[:, :4, :4, :, :8] = 0
    with torch.no_grad():
        image = small("jointseg")(x).image_1x
    red_first = x[:, :, [2, 1, 0]]
    torch.testing.assert_close(image[..., :8], red_first[:, 4:, ..., :8].mean(dim=1))
    torch.testing.assert_close(image[..., 8:], red_first[..., 8:].mean(dim=1))


def test_without_a_hole_means_and_maxima_are_the_plain_ones_to_the_bit():
    """Maps of composites without clouds keep their bytes."""
    torch.manual_seed(3)
    x, features = torch.randn(2, 5, 4, 9, 9), torch.randn(2, 5, 7, 9, 9)
    listed = known_dates(x)
    assert torch.equal(mean_of_dates(features, listed), features.mean(dim=1))
    assert torch.equal(maximum_of_dates(features, listed), features.amax(dim=1))
    assert torch.equal(mean_of_values(x), x.mean(dim=1))


def test_a_pixel_that_no_date_saw_stays_finite():
    x = torch.zeros(1, 3, 6, 16, 16)
    assert known_dates(x).all() and not mean_of_values(x).any()
    with torch.no_grad():
        assert torch.isfinite(small("jointseg")(x).logits_BKHW).all()


@pytest.mark.long
def test_missing_dates_are_left_out_in_an_onnx_graph_too():
    import onnxruntime

    network, x = small("jointseg"), ground(3)
    x[:, 1, :, 3:9] = 0

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image):
            return self.network(image).logits_BKHW

    graph = onnx_graph(Logits(), torch.zeros(1, 3, 6, 16, 16))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(x).logits_BKHW.numpy()
    np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], expected, atol=1e-4)


def test_the_validity_channel_is_the_share_of_known_bands():
    x = torch.randn(1, 4, 2, 2)
    x[0, :, 0, 0], x[0, :1, 1, 1] = 0, 0
    assert with_validity(x, False) is x
    assert torch.equal(with_validity(x, True)[0, 4], torch.tensor([[0.0, 1.0], [1.0, 0.75]]))


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_VALIDITY)
def test_a_network_with_validity_tells_a_missing_pixel_from_an_average_one(name):
    """1e-30 in all bands is the mean and known; 0 is missing. Without the channel both give the same logits."""
    for validity in (True, False):
        network = small(name, **({"validity": True} if validity else {}))
        side = max(32, network.multiple)
        average = torch.full((1, 6, side, side), 1e-30)
        with torch.no_grad():
            same = torch.equal(network(average).logits_BKHW, network(torch.zeros_like(average)).logits_BKHW)
        assert same is not validity


@pytest.mark.parametrize("name", WITH_VALIDITY)
def test_a_network_without_validity_keeps_its_constructor_values(name):
    """Checkpoints of before keep their bytes and fingerprints."""
    assert not {"validity", "rounding"} & set(constructor_values(small(name)))
    assert constructor_values(small(name, validity=True))["validity"] is True


def test_a_run_with_validity_maps_with_it(hamlet, tmp_path):
    settings = {"model.validity": "yes", "model.widths": "4,8", "epochs": "1", "batch": "4", "device": "cpu"}
    run = training.train(hamlet, "unet-tiny", tmp_path / "run", settings=settings)
    kept = ck.load(run.folder)
    assert kept.config["validity"] is True and kept.build().encoder.blocks[0][0][0].weight.shape[1] == 7
    assert training.evaluate(run.folder, hamlet, "val").scores.oa > 0


@pytest.mark.parametrize("share", [0.03, 0.11, 0.37])
def test_a_turned_constant_stays_itself_beside_missing_pixels(share):
    """Interpolation divides by the weight of the valid pixels: 5 stays 5 up to the edge of a hole and of the image."""
    image = torch.full((1, 2, 20, 20), 5.0)
    valid = torch.ones_like(image, dtype=torch.bool)
    valid[..., 8:11, 5:15] = False
    batch = Augmented(image.masked_fill(~valid, 0.0), valid, torch.zeros(1, 20, 20, dtype=torch.uint8))
    chances = np.full((1, CHANCES), share)
    turned = augment(batch, chances, ["rotate"])
    inside = turned.valid_BCHW
    assert 0.3 < inside.float().mean() < 1
    torch.testing.assert_close(turned.image_BCHW[inside], torch.full((int(inside.sum()),), 5.0), atol=1e-4, rtol=0)
    assert not turned.image_BCHW[~inside].any()


def test_a_turned_image_without_holes_is_torchs_own_inside():
    image = torch.randn(1, 1, 21, 21)
    batch = Augmented(image, torch.ones_like(image, dtype=torch.bool), torch.zeros(1, 21, 21, dtype=torch.uint8))
    turned = augment(batch, np.full((1, CHANCES), 0.1), ["rotate"]).image_BCHW
    angle = torch.tensor(2 * np.pi * 0.1)
    cos, sin = float(angle.cos()), float(angle.sin())
    grid = F.affine_grid(torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]]), [1, 1, 21, 21], align_corners=False)
    expected = F.grid_sample(image, grid, align_corners=False)
    torch.testing.assert_close(turned[..., 6:15, 6:15], expected[..., 6:15, 6:15], atol=1e-5, rtol=1e-5)
