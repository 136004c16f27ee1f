"""OlmoEarth's encoder: bands at their places, the package's own answer, published files, training and maps."""

from __future__ import annotations

import sys

import pytest
import torch
from olmoearth_pretrain_minimal import OlmoEarthPretrain_v1
from olmoearth_pretrain_minimal.olmoearth_pretrain_v1.utils.datatypes import MaskedOlmoEarthSample

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.training import plugins
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.foundation.olmoearth import OlmoEarth, OlmoEarthConfig
from isamap.training.runs.backbone import Backbone
from tests.support.one_thread import one_thread  # noqa: F401

SIX = ("B2", "B3", "B4", "B8", "VV", "VH")


@pytest.fixture(scope="module")
def network() -> OlmoEarth:
    torch.manual_seed(1)
    return OlmoEarth(SIX).eval()


def logits(network, image):
    with torch.no_grad():
        return network(image).logits_BKHW


def test_the_order_of_bands_does_not_matter(network):
    second = OlmoEarth(SIX[::-1]).eval()
    second.load_state_dict(network.state_dict())
    image = torch.randn(1, 6, 16, 24)
    torch.testing.assert_close(logits(second, image.flip(1)), logits(network, image))


def test_tokens_are_those_of_the_package_fed_by_hand(network):
    """docs of olmoearth-pretrain-minimal 0.1.5, "Expected Band Orders": B02 B03 B04 B08 first, vv vh."""
    image = torch.randn(2, 6, 16, 16)
    optical = torch.zeros(2, 16, 16, 1, 12)
    optical[..., 0, :4] = (image[:, :4] / 4 + 0.5).permute(0, 2, 3, 1)
    radar = (image[:, 4:] / 4 + 0.5).permute(0, 2, 3, 1).unsqueeze(3)
    masks = torch.zeros(2, 16, 16, 1, 1, dtype=torch.long)
    sample = MaskedOlmoEarthSample(
        timestamps=torch.tensor([[[14, 6, 2020]]] * 2), sentinel2_l2a=optical, sentinel2_l2a_mask=masks,
        sentinel1=radar, sentinel1_mask=masks,
    )  # fmt: skip
    with torch.no_grad():
        tokens = network.encoder(sample, patch_size=4, input_res=10, fast_pass=True)["tokens_and_masks"]
        expected = network.head((tokens.sentinel2_l2a[:, :, :, 0, 0] + tokens.sentinel1[:, :, :, 0, 0]) / 2)
    torch.testing.assert_close(logits(network, image), expected)


def published(folder):
    """A file as the authors publish it: the state of the whole model, all its sensors, from other random weights."""
    torch.manual_seed(7)
    model = OlmoEarthPretrain_v1("nano", "v1.2").model
    torch.save(model.state_dict(), folder / "weights.pth")
    return folder / "weights.pth", model.encoder.state_dict()


def test_every_tensor_of_a_published_encoder_is_taken_over(tmp_path):
    path, state = published(tmp_path)
    network = OlmoEarth(SIX)
    start = Backbone(path, licence="OlmoEarth Artifact License").into(network)
    for name, tensor in network.encoder.state_dict().items():
        torch.testing.assert_close(tensor, state[name])
    assert start.taken == len(network.encoder.state_dict()) and start.kept == SIX
    assert start.inflated == () and start.licence == "OlmoEarth Artifact License"


def test_a_file_of_another_size_is_refused(tmp_path):
    path, _ = published(tmp_path)
    with pytest.raises(ValueError, match="in the network: give weights of an encoder of that size"):
        Backbone(path).into(OlmoEarth(SIX, OlmoEarthConfig(size="tiny")))


def test_a_band_without_a_place_is_refused():
    with pytest.raises(ValueError, match="OlmoEarth has no place for band A00: choose bands among B2, B3, B4, B8"):
        OlmoEarth(("B2", "A00"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": "huge"}, "size 'huge': expected one of nano"),
        ({"version": "v1"}, "expected v1.1, v1.2"),
        ({"patch": 3}, "patches of 3 px: expected 1, 2, 4 or 8"),
        ({"size": "small", "version": "v1.1"}, "small as v1.2 only"),
    ],
    ids=str,
)
def test_other_values_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        OlmoEarthConfig(**values)


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "olmoearth_pretrain_minimal", None)
    with pytest.raises(Fault, match=r"pip install 'isamap\[foundation\]'"):
        OlmoEarth(SIX)


def test_its_name_needs_no_consent():
    assert plugins.load("network", plugins.address("network", "olmoearth")) is OlmoEarth


@pytest.mark.parametrize("name", ["training.foundation_of_others:X", "isamap.training.runs.run:X"])
def test_no_other_code_does(name):
    with pytest.raises(ValueError, match="only with your consent"):
        plugins.load("network", name)


@pytest.mark.long
def test_a_start_from_a_file_goes_the_whole_way(town, tmp_path):
    """The command: train with --backbone, evaluate; the checkpoint names file, licence and address."""
    path, _ = published(tmp_path)
    words = ["--set", "epochs=1", "device=cpu", "batch=2", "model.patch=8"]
    words += ["--backbone", str(path), "--backbone-licence", "OlmoEarth Artifact License"]
    run = str(tmp_path / "run")
    assert isamap.main(["train", "--recipe", "olmoearth", "--data", str(town), "--out", run, *words]) == 0
    trained = ck.load(run)
    assert trained.origin["backbone"]["licence"] == "OlmoEarth Artifact License"
    assert isamap.main(["evaluate", "--checkpoint", run, "--data", str(town)]) == 0


def test_a_checkpoint_that_names_it_as_before_one_package_was_installed_still_loads():
    assert plugins.load("network", "training.foundation.olmoearth:OlmoEarth") is OlmoEarth
