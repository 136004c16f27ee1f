"""What training and inference expect of every registered network, held over the registry in small sizes."""

from __future__ import annotations

import pytest
import torch

from isamap.training.checkpoints import checkpoint
from isamap.training.losses import build_loss
from isamap.training.models import MODELS, build
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.esrgan import Discriminator
from isamap.training.models.jointseg import JointSeg, JointSegConfig, with_block_means
from tests.support.checkpoints import kept
from tests.support.one_thread import one_thread  # noqa: F401

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
TRAINED = [name for name, model in MODELS.items() if not issubclass(model.network, PixelClassifier)]
ANY_SIZE = ("hrnet", "jointseg", "progesrgan", "random_forest", "svm")


def small(name: str, **changes):
    torch.manual_seed(0)
    return build(name, BANDS, {**MODELS[name].small, **changes})


def pixels(network) -> torch.Tensor:
    """Two small random patches; twice the smallest size, so that every normalisation has something to vary."""
    side = max(8, 2 * network.multiple)
    return torch.randn(2, len(BANDS), side, side)


def everything(output) -> list[torch.Tensor]:
    images = [output.image, getattr(output, "image_4x", None)]
    return [output.logits_BKHW, *output.side_logits, *(image for image in images if image is not None)]


@pytest.mark.parametrize("name", MODELS)
def test_logits_have_scale_times_the_input_size(name):
    network = small(name).eval()
    step = max(network.multiple, 8)
    with torch.no_grad():
        output = network(torch.randn(1, 6, step, 2 * step))
    shape = (1, network.config.classes, step * network.scale, 2 * step * network.scale)
    assert output.logits_BKHW.shape == shape
    assert all(torch.isfinite(piece).all() for piece in everything(output))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(33, 47), (21, 8)])
def test_odd_sizes_come_back_exactly_or_are_refused(name, size):
    """docs/reference/networks.md, "JointSeg": H to 4H to 10H also for odd sizes; others name what they can halve."""
    network = small(name).eval()
    try:
        with torch.no_grad():
            output = network(torch.randn(1, 6, *size))
    except ValueError as error:
        assert name not in ANY_SIZE and network.multiple > 1
        assert f"must be multiples of {network.multiple}" in str(error)
        return
    assert output.logits_BKHW.shape[2:] == tuple(side * network.scale for side in size)
    if output.image is not None:
        assert output.image.shape == (1, 3, *(10 * side for side in size))
        assert output.image_4x.shape == (1, 3, *(4 * side for side in size))
        assert output.image_1x.shape == (1, 3, *size)


@pytest.mark.parametrize("name", MODELS)
def test_other_channels_are_refused(name):
    network = small(name)
    with pytest.raises(ValueError, match="5 channels"):
        network(torch.zeros(1, 5, network.multiple, network.multiple))


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_gets_a_finite_gradient(name):
    network = small(name)
    output = network(pixels(network))
    sum(piece.square().mean() for piece in everything(output)).backward()
    for path, parameter in network.named_parameters():
        if path.startswith("attention."):  # of one date: tests/training/test_temporal.py has several
            continue
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), path
        # a ReLU in the few units of a squeeze may be shut for both images
        assert parameter.grad.abs().sum() > 0 or ".squeeze" in path or ".excite" in path, path


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in TRAINED if name != "fcdensenet"])
def test_a_small_step_down_its_gradient_lowers_the_loss(name):
    network = small(name).train()
    loss = build_loss({"jointseg": "jointseg", "crofusenet": "crofuse"}.get(name, "dice_focal"))
    for module in network.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.eval()
    x = pixels(network)
    label = (torch.rand(2, x.shape[2] * network.scale, x.shape[3] * network.scale) > 0.6).to(torch.uint8)
    before = loss(network(x), label)
    before.backward()
    steepness = sum(parameter.grad.square().sum() for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.01 * before / steepness * parameter.grad
        assert loss(network(x), label) < before


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_a_network_survives_its_checkpoint(name, tmp_path):
    """The contract of networks: constructor values through JSON, weights through safetensors, the same bits out."""
    network = small(name)
    if name not in TRAINED:
        network.fit(torch.randn(60, len(BANDS)).numpy(), torch.arange(60).numpy() % 2)
    norms = [checkpoint.BandNorm(band, "1", 0.0, 1.0) for band in BANDS]
    kept(tmp_path / "best", network, name, norms)
    loaded = checkpoint.load(tmp_path / "best")
    again = loaded.build()
    assert again.config == network.config
    assert (loaded.scale, loaded.halo, loaded.multiple) == (network.scale, network.halo, network.multiple)
    x = pixels(network)
    with torch.no_grad():
        assert torch.equal(network.eval()(x).logits_BKHW, again(x).logits_BKHW)


@pytest.mark.parametrize("name", MODELS)
def test_geometry_is_stated(name):
    network = small(name)
    assert network.window % network.multiple == 0
    assert 0 < network.lattice <= network.window
    assert network.halo is None or network.halo >= 0
    assert network.scale in (1, 10)


@pytest.mark.parametrize("name", ["jointseg", "progesrgan"])
def test_sharpening_networks_need_their_visible_bands(name):
    with pytest.raises(ValueError, match="band B3 is missing"):
        build(name, ("B2", "B4", "VV"), MODELS[name].small)


def test_jointseg_takes_the_visible_bands_by_name():
    """The same bands in another order, with the same weights, give the same logits and image."""
    network, mixed = small("jointseg").eval(), ("VV", "B4", "B2", "VH", "B8", "B3")
    second = build("jointseg", mixed, MODELS["jointseg"].small).eval()
    state = network.state_dict()
    optical, radar = ([b for b in mixed if b.startswith(sort)] for sort in ("B", "V"))
    own = [b for b in BANDS if b.startswith("B")]
    state["optical.0.weight"] = state["optical.0.weight"][:, [own.index(b) for b in optical]]
    assert radar == ["VV", "VH"]
    second.load_state_dict(state)
    x = torch.randn(1, 6, 16, 16)
    with torch.no_grad():
        single, two = network(x), second(x[:, [BANDS.index(name) for name in mixed]])
    torch.testing.assert_close(single.logits_BKHW, two.logits_BKHW)
    torch.testing.assert_close(single.image, two.image)


def test_equal_dates_count_as_one():
    """Half the mean and half the maximum of equal features are the features."""
    network = small("jointseg").eval()
    x = torch.randn(2, 6, 16, 16)
    with torch.no_grad():
        single, many = network(x), network(x[:, None].expand(-1, 5, -1, -1, -1))
    torch.testing.assert_close(single.logits_BKHW, many.logits_BKHW, atol=1e-5, rtol=1e-5)


def test_the_order_of_dates_does_not_count_but_the_dates_do():
    network = small("jointseg").eval()
    x = torch.randn(1, 4, 6, 16, 16)
    with torch.no_grad():
        single, turned, fewer = network(x), network(x.flip(1)), network(x[:, :2])
    torch.testing.assert_close(single.logits_BKHW, turned.logits_BKHW, atol=1e-5, rtol=1e-5)
    assert (single.logits_BKHW - fewer.logits_BKHW).abs().max() > 1e-3


def test_jointseg_works_without_radar():
    network = JointSeg(("B4", "B3", "B2"), JointSegConfig(**MODELS["jointseg"].small)).eval()
    assert network(torch.randn(1, 3, 8, 8)).logits_BKHW.shape == (1, 2, 80, 80)


def test_kept_means_are_the_inputs_pixels():
    """SEN2SR's hard constraint: the 10 x 10 mean of the sharpened image is the input."""
    network = small("jointseg", keep_mean=True).eval()
    x = torch.randn(1, 6, 9, 7)
    output = network(x)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(output.image, 10), x[:, [2, 1, 0]], atol=1e-5, rtol=0)
    image = torch.randn(1, 1, 4, 4)
    assert torch.equal(with_block_means(image, image), image)


def test_the_discriminator_judges_every_pixel_and_learns():
    torch.manual_seed(0)
    discriminator = Discriminator(features=4)
    verdict = discriminator(torch.randn(1, 3, 40, 24))
    assert verdict.shape == (1, 1, 40, 24)
    verdict.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in discriminator.parameters())
    with pytest.raises(ValueError, match="multiples of 8"):
        discriminator(torch.zeros(1, 3, 20, 24))


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("runetpp", {"variant": "figure"}, "choose one of table, text, dilated"),
        ("runetpp", {"gates": ["dual"]}, "expected four gates"),
        ("runetpp", {"gates": ["dual", "x", "bem", "none"]}, "gate 'x' is not known"),
        ("runetpp", {"window": 100}, "multiple of 32"),
        ("hrnet", {"stem": "two"}, "choose one of paper, one, hrnet"),
        ("hrnet", {"norm": "group"}, "choose one of instance, batch"),
        ("jointseg", {"rgb": ["B4", "B4", "B2"]}, "three different bands"),
        ("jointseg", {"fine": 0}, "positive numbers"),
        ("progesrgan", {"widths": [4]}, "two to five positive numbers"),
        ("fcn8s", {"dropout": 1.0}, "dropout from 0 to below 1"),
        ("fcdensenet", {"size": "64"}, "choose one of 56, 67, 103"),
        ("deeplabv3plus", {"dilations": [0]}, "positive widths and dilations"),
    ],
)
def test_wrong_constructor_values_are_refused(name, config, words):
    with pytest.raises(ValueError, match=words):
        build(name, BANDS, config)


@pytest.mark.parametrize("name", TRAINED)
def test_default_sizes_take_a_patch(name):
    """The shapes of a whole forward pass of each network as it is trained by default, without its numbers."""
    side = 32 if name == "progesrgan" else 128
    with torch.device("meta"), torch.no_grad():
        network = build(name, BANDS).eval()
        output = network(torch.empty(1, 6, side, side))
    assert output.logits_BKHW.shape[2:] == (side * network.scale,) * 2
