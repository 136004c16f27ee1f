"""Weights taken over by band name: what must stay the same stays the same, for every network of the registry."""

from __future__ import annotations

import json

import pytest
import torch

import isamap
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import MODELS, build
from isamap.training.runs.finetune import carry, recipe_of, stem_weights, stems_of
from tests.support import checkpoints
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread
from tests.training.test_networks_contract import TRAINED

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
TURNED = ("VH", "B8", "B2", "VV", "B4", "B3")
USUAL, LONG = ("crofusenet", "unet"), pytest.mark.long
WIDER = ("B2", "B3", "B11", "B4", "B8", "VV", "VH")


@pytest.fixture
def kept(tmp_path):
    """Writes a network of random weights and statistics as a checkpoint: kept(model, bands=..., **config)."""

    def write(model: str, bands=BANDS, **config) -> ck.Checkpoint:
        torch.manual_seed(1)
        network = build(model, bands, {**MODELS[model].small, **config})
        for name, tensor in network.state_dict().items():
            if name.endswith(("running_mean", "running_var")):
                tensor.uniform_(0.5, 1.5)
        norms = [ck.BandNorm(band, "reflectance", 0.1, 0.05) for band in bands]
        return checkpoints.kept(tmp_path / model, network, model, norms)

    return write


def fresh(model: str, bands, **config) -> torch.nn.Module:
    torch.manual_seed(2)
    return build(model, bands, {**MODELS[model].small, **config})


def logits(network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.eval()(image).logits_BKHW


@pytest.mark.long
@pytest.mark.parametrize("model", [name if name in USUAL else pytest.param(name, marks=LONG) for name in TRAINED])
def test_bands_are_taken_over_by_name(model, kept):
    """docs/reference/wishes.md, "Wish 14". The same bands, another order, or an empty one beside them: the
    same logits.
    """
    actual = kept(model)
    side = max(16, 2 * actual.multiple)
    old, image = actual.build(), torch.randn(1, len(BANDS), side, side)
    same, turned, wider = (fresh(model, bands) for bands in (BANDS, TURNED, WIDER))
    for network in (same, turned, wider):
        carry(actual, network)
    expected = logits(old, image)
    assert torch.equal(logits(same, image), expected)
    torch.testing.assert_close(
        logits(turned, image[:, [BANDS.index(band) for band in TURNED]]), expected, atol=1e-5, rtol=1e-4
    )
    with_empty = torch.cat((image[:, :2], torch.zeros_like(image[:, :1]), image[:, 2:]), dim=1)
    torch.testing.assert_close(logits(wider, with_empty), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.long
def test_stems_are_found_where_the_networks_say():
    """CroFuseNet has one for each kind of bands, one for all without fusion; JointSeg two; the others one."""
    assert stems_of(fresh("crofusenet", TURNED)) == {
        "optical_encoder.blocks.0.0.0": ("B8", "B2", "B4", "B3"),
        "sar_encoder.blocks.0.0.0": ("VH", "VV"),
    }
    assert stems_of(fresh("crofusenet", BANDS, cfm="none"))["shared_encoder.blocks.0.0.0"] == BANDS
    assert stems_of(fresh("crofusenet", ("B2", "VV")))["sar_encoder.blocks.0.0.0"] == ("VV",)
    assert list(stems_of(fresh("jointseg", BANDS)).values()) == [BANDS[:4], BANDS[4:]]
    assert stems_of(fresh("bilinear_unet", TURNED)).popitem()[1] == TURNED
    assert stems_of(fresh("progesrgan", BANDS)) == {"first.first": ("B4", "B3", "B2")}


def test_new_bands_weigh_what_the_dropped_ones_did():
    """The rule: the mean of the copied filters, scaled; with nothing dropped 0."""
    old = torch.randn(5, 3, 3, 3)
    actual = stem_weights(old, ("B2", "B3", "B4"), ("B4", "B11", "B2", "B12"))
    assert torch.equal(actual[:, 0], old[:, 2]) and torch.equal(actual[:, 2], old[:, 0])
    assert float(actual.square().sum()) == pytest.approx(float(old.square().sum()), rel=1e-5)
    mean = (old[:, 0] + old[:, 2]) / 2
    assert torch.nn.functional.cosine_similarity(actual[:, 1].flatten(), mean.flatten(), dim=0) == pytest.approx(1)
    assert not stem_weights(old, ("B2", "B3", "B4"), ("B2", "B3", "B4", "B8"))[:, 3].any()


def test_dropped_bands_leave_the_others_as_they_were():
    old = torch.randn(5, 3, 3, 3)
    assert torch.equal(stem_weights(old, ("B2", "B3", "B4"), ("B4", "B2")), old[:, [2, 0]])


@pytest.mark.long
def test_bands_all_new_to_a_branch_start_from_its_mean(kept):
    network = fresh("crofusenet", ("B2", "B3", "B4", "B8", "HH"))
    taken = carry(kept("crofusenet"), network)
    assert (taken.added, taken.dropped) == (("HH",), ("VV", "VH"))
    assert network.sar_encoder.blocks[0][0][0].weight.any()


@pytest.mark.long
@pytest.mark.parametrize("model", ["unet", "crofusenet", "jointseg"])
def test_other_classes_start_anew_and_the_rest_stays(model, kept):
    actual, network = kept(model), fresh(model, BANDS, classes=5)
    random = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    taken, stored = carry(actual, network), actual.build().state_dict()
    for name, tensor in network.state_dict().items():
        expected = random if name.rpartition(".")[0] in taken.anew and tensor.shape != stored[name].shape else stored
        assert torch.equal(tensor, expected[name]), name
    assert 0 < len(taken.anew) < 12 and "start anew" in " ".join(taken.sentences())


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "bands", "config", "words"),
    [
        ("hrnet", BANDS, {}, "the checkpoint is a unet, the recipe trains a HRNet: choose its recipe"),
        ("unet", BANDS, {"widths": (4, 8)}, "the checkpoint has widths .4, 6, 8., the recipe .4, 8.: leave --recipe"),
        ("unet", ("B11", "B12"), {}, "knows bands B2, B3, B4, B8, VV, VH, the data hold B11, B12: none in common"),
        ("svm", BANDS, {}, "pixel classifiers are fitted from scratch"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_in_one_sentence(model, bands, config, words, kept):
    with pytest.raises(ValueError, match=words):
        carry(kept("unet"), fresh(model, bands, **config))


def test_a_network_without_radar_is_another_one(kept):
    with pytest.raises(ValueError, match="is built otherwise than the checkpoint's"):
        carry(kept("jointseg"), fresh("jointseg", BANDS[:4]))


def test_a_checkpoint_without_a_recipe_says_so(kept):
    with pytest.raises(ValueError, match=r"says no recipe to go on with .*: name one with --recipe"):
        recipe_of(kept("unet"))


FAST = ["--set", "model.widths=4,8", "epochs=1", "batch=4", "device=cpu"]


@pytest.mark.long
def test_fine_tuning_by_the_command(make, tmp_path, capfd):
    """`isamap train --from` across band sets; the recipe and the network are the checkpoint's own."""
    four = make(spread(4, 1, 1), bands=("B2", "B3", "B4", "VV"), name="four").storage.url
    five = make(spread(4, 1, 1), bands=("B3", "B4", "B8", "VV", "VH"), name="five", seed=5).storage.url
    first, tuned = str(tmp_path / "first"), str(tmp_path / "tuned")
    assert isamap.main(["train", "--data", four, "--recipe", "unet-tiny", "--out", first, *FAST]) == 0
    again = ["train", "--data", five, "--from", first, "--out", tuned]
    assert isamap.main([*again, "--set", "epochs=1", "lr=1e-9"]) == 0
    printed = capfd.readouterr().out
    assert "bands B3, B4, VV taken over; B8, VH added; B2 dropped." in printed
    actual, start = ck.load(tuned), ck.load(first)
    assert (actual.recipe["name"], actual.config) == ("unet-tiny", start.config)
    assert actual.origin["start"] == start.fingerprint and actual.band_names == ("B3", "B4", "B8", "VV", "VH")
    stored, made = (c.build().state_dict()["encoder.blocks.0.0.0.weight"] for c in (start, actual))
    torch.testing.assert_close(made[:, [0, 1, 3]], stored[:, [1, 2, 3]], atol=1e-6, rtol=0)
    assert json.loads((tmp_path / "tuned" / "run.json").read_text())["start"] == start.fingerprint
    assert isamap.main(["train", "--data", five, "--recipe", "unet-tiny", "--out", tuned, *FAST]) == 2
    assert "holds another run" in capfd.readouterr().err
