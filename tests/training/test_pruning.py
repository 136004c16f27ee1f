"""Filter pruning: sizes of docs/reference/networks.md, "Filter pruning", the score of LandCover3m eq. 1, silenced
equals removed, the whole command.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from isamap import training
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import MODELS, build, parameter_count
from isamap.training.models.cost import flop
from isamap.training.models.slim import Slim
from isamap.training.pruning.compact import compact
from isamap.training.pruning.fpgm import chosen, redundancy, remaining, zeroise
from isamap.training.pruning.groups import GROUPS, UNPRUNED, groups_of
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread

PLANET = ("B2", "B3", "B4", "B8")
SIX = (*PLANET, "VV", "VH")
WHOLE_FLOP = 228.034  # GFLOP at 513 px, docs/reference/networks.md, "HRNet"


def meta(**config):
    with torch.device("meta"):
        return build("hrnet", PLANET, {"classes": 10, **config})


@pytest.mark.long
@pytest.mark.parametrize(
    ("scheme", "ratio", "round_to", "parameters", "cut"),
    [
        ("inner", 0.4, 1, 10_891_330, 34.4),
        ("inner", 0.5, 1, 9_501_970, 41.6),
        ("groups", 0.4, 1, 5_993_629, 63.4),
    ],
)
def test_pruned_hrnets_have_the_sizes_of_the_table(scheme, ratio, round_to, parameters, cut):
    """docs/reference/networks.md, "Filter pruning": A, A 50 % and C; FLOP cut in percent. The others stand in
    test_listing.py.
    """
    network = meta(prune=scheme, ratio=ratio, round_to=round_to)
    assert parameter_count(network) == parameters
    assert 100 * (1 - flop(network, 513) / 1e9 / WHOLE_FLOP) == pytest.approx(cut, abs=0.06)


@pytest.mark.parametrize(
    ("slim", "filters", "kept"),
    [
        (Slim("inner", 0.4, 1), 24, 14),
        (Slim("inner", 0.4, 8), 24, 8),
        (Slim("literal", 0.4, 1), 24, 24 - int(0.4 * 24)),
        (Slim("inner", 0.9, 1), 10, 1),  # 1 - 0.9 is less than a tenth in binary numbers
        (Slim("inner", 0.4, 8), 6, 6),  # fewer than a multiple: all stay
        (Slim("inner", 0.9, 8), 16, 8),
        (Slim("groups", 0.99, 1), 5, 1),
        (Slim(), 24, 24),
        (Slim("inner", 0.4, 8, "nearest"), 24, 16),  # 14.4
        (Slim("inner", 0.4, 8, "nearest"), 48, 32),  # 28.8
        (Slim("inner", 0.4, 8, "nearest"), 192, 112),  # 115.2
        (Slim("inner", 0.5, 8, "nearest"), 24, 16),  # 12, half way: up
        (Slim("inner", 0.1, 8, "nearest"), 14, 14),  # 12.6, but 16 are not there
        (Slim("inner", 0.4, 1, "nearest"), 48, 29),  # 28.8
        (Slim("literal", 0.4, 1, "nearest"), 24, 15),
        (Slim("inner", 0.9, 8, "nearest"), 16, 8),
    ],
)
def test_how_many_filters_are_kept(slim, filters, kept):
    assert slim.kept(filters) == kept


@pytest.mark.parametrize(("scheme", "parameters"), [("inner", 10_866_386), ("groups", 6_029_714)])
def test_pruned_hrnets_of_the_nearest_multiples(scheme, parameters):
    """docs/reference/networks.md, "Filter pruning"."""
    network = meta(prune=scheme, ratio=0.4, round_to=8, rounding="nearest")
    assert parameter_count(network) == parameters


def test_redundancy_is_equation_1():
    """LandCover3m eq. 1, by scipy's distances of raw weights; a filter and its negative are far apart
    (docs/reference/networks.md, "Filter pruning").
    """
    weight = torch.randn(9, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    flat = weight.reshape(9, -1).double().numpy()
    np.testing.assert_allclose(redundancy(weight), cdist(flat, flat).sum(axis=1), rtol=1e-12)
    pair = torch.stack([weight[0], -weight[0]])
    assert redundancy(pair)[0] == pytest.approx(2 * float(weight[0].double().norm()))


def test_nearly_equal_filters_are_told_apart():
    """The matrix-product form of a distance loses them in float32."""
    weight = torch.full((40, 1, 3, 3), 1000.0)
    weight[7] += 1e-3
    assert int(redundancy(weight).argmax()) == 7


def lively(name: str, bands: tuple[str, ...], **config) -> nn.Module:
    """A network whose normalisations have learned something."""
    torch.manual_seed(3)
    network = build(name, bands, config).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return network


NETWORKS = {
    "hrnet inner": (("hrnet", PLANET, {"width": 6}), Slim("inner", 0.4, 1)),
    "hrnet inner by 8, original stem": (("hrnet", PLANET, {"width": 6, "stem": "hrnet"}), Slim("inner", 0.4, 8)),
    "hrnet literal": (("hrnet", PLANET, {"width": 6, "norm": "batch"}), Slim("literal", 0.4, 1)),
    "hrnet groups": (("hrnet", PLANET, {"width": 6, "classes": 2}), Slim("groups", 0.4, 1)),
    "hrnet groups, one convolution": (("hrnet", SIX, {"width": 4, "stem": "one"}), Slim("groups", 0.7, 2)),
    "unet": (("unet", SIX, {"widths": (8, 12, 16)}), Slim("inner", 0.4, 1)),
    "unet, bilinear": (("unet", SIX, {"widths": (8, 12, 16), "up": "bilinear"}), Slim("inner", 0.5, 4)),
    "crofusenet": (("crofusenet", SIX, {"widths": (8, 12, 16)}), Slim("inner", 0.4, 1)),
    "runetpp": (("runetpp", PLANET, {"base": 8, "aspp_mid": 8}), Slim("inner", 0.4, 1)),
    "deeplabv3plus": (("deeplabv3plus", PLANET, {"base": 8, "width": 8, "early": 4}), Slim("inner", 0.5, 2)),
    "fcn_resnet50": (("fcn_resnet50", PLANET, {"base": 8, "width": 8}), Slim("inner", 0.4, 1)),
    "bilinear_unet": (("bilinear_unet", PLANET, {"widths": (8, 12)}), Slim("inner", 0.4, 1)),
    "crofusenet, plain": (("crofusenet", SIX, {"widths": (8, 12), "cfm": "none"}), Slim("inner", 0.4, 1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_pruned_or_says_why_not(name):
    with torch.device("meta"):
        network = build(name, SIX, MODELS[name].small)
    if type(network) in GROUPS:
        assert all(group.kept < group.filters for group in groups_of(network, Slim("inner", 0.5, 1)))
        return
    with pytest.raises(ValueError, match=re.escape(f"cannot be pruned ({UNPRUNED[type(network)]})")):
        groups_of(network, Slim("inner", 0.5, 1))


@pytest.mark.long
def test_every_prunable_network_is_tested():
    with torch.device("meta"):
        assert {type(build(*arguments)) for arguments, _ in NETWORKS.values()} == set(GROUPS)


@pytest.mark.long
@pytest.mark.parametrize("case", NETWORKS)
def test_the_small_network_equals_the_silenced_one(case):
    """docs/reference/networks.md, "Filter pruning": 1e-5; with running statistics and shifts that are not 0."""
    (name, bands, config), slim = NETWORKS[case]
    network = lively(name, bands, **config)
    groups = groups_of(network, slim)
    kept = chosen(network, groups)
    x = torch.randn(1, len(bands), 32, 32)
    with torch.no_grad():
        before = network(x).logits_BKHW
        small = compact(network, name, slim, groups, kept)
        zeroise(network, groups, kept)
        silenced, removed = network(x).logits_BKHW, small(x).logits_BKHW
    torch.testing.assert_close(removed, silenced, atol=1e-5, rtol=0)
    assert (removed - before).abs().max() > 1e-4  # something was removed: ten times the tolerance
    assert parameter_count(small) < parameter_count(network)


def test_the_most_redundant_filters_go():
    network = lively("unet", SIX, widths=(8, 12))
    group, *_ = groups = groups_of(network, Slim("inner", 0.25, 1))
    conv = network.get_submodule(group.makers[0][0])
    with torch.no_grad():
        conv.weight[[2, 5]] = conv.weight.mean(dim=0)  # what is in the middle of all is nearest to all
    assert chosen(network, groups)[0].tolist() == [0, 1, 3, 4, 6, 7]


def test_silenced_filters_can_grow_again():
    """Soft pruning (LandCover3m Algorithm 1): training goes on from the zeroed filters; their gradients are not 0."""
    network = lively("unet", SIX, widths=(4, 8))
    groups = groups_of(network, Slim("inner", 0.5, 1))
    kept = chosen(network, groups)
    zeroise(network, groups, kept)
    assert [stay.tolist() for stay in remaining(network, groups)] == [stay.tolist() for stay in kept]
    network.train()(torch.randn(2, 6, 16, 16)).logits_BKHW.square().mean().backward()
    for group, stay in zip(groups, kept, strict=True):
        gone = [j for j in range(group.filters) if j not in stay.tolist()]
        for conv, _ in group.makers:
            assert network.get_submodule(conv).weight[gone].abs().sum() == 0
            assert network.get_submodule(conv).weight.grad[gone].abs().sum(dim=(1, 2, 3)).min() > 0


def test_the_last_end_before_a_fusion_and_the_stem_stay():
    """LandCover3m section 3.4: all layers but the latest ones before the multi-resolution fusion;
    docs/reference/networks.md, "Filter pruning": not stem.
    """
    network = meta(width=8)
    for scheme in ("inner", "literal"):
        makers = {conv for group in groups_of(network, Slim(scheme, 0.4, 1)) for conv, _ in group.makers}
        assert not [name for name in makers if name.startswith(("stem", "head", "first", "transitions"))]
        assert not [name for name in makers if "fusion" in name or ("branches" in name and name.endswith(".3.conv2"))]
    makers = {conv for group in groups_of(network, Slim("groups", 0.4, 1)) for conv, _ in group.makers}
    assert not [name for name in makers if name.startswith("stem")] and "head.3" not in makers


@pytest.mark.parametrize(
    ("network", "slim", "words"),
    [
        (lambda: build("fcn8s", PLANET, {"fc": 4, "base": 4}), Slim("inner", 0.4, 1), "FCN8s cannot be pruned"),
        (lambda: meta(width=8, prune="inner", ratio=0.4), Slim("inner", 0.4, 1), "was pruned before"),
        (lambda: build("unet", PLANET, {"widths": (4, 8)}), Slim("inner", 0.4, 64), "--round-to 1"),
        (lambda: build("unet", PLANET, {"widths": (4, 8)}), Slim("groups", 0.4, 1), "choose one of inner"),
    ],
)
def test_networks_that_cannot_be_pruned_are_refused(network, slim, words):
    with pytest.raises(ValueError, match=words):
        groups_of(network(), slim)


@pytest.mark.parametrize(
    ("slim", "words"),
    [
        (("outer", 0.4, 1), "choose one of none, inner"),
        (("inner", 1.0, 1), "below 1"),
        (("inner", 0.4, 0), "1 or more"),
    ],
)
def test_rules_that_remove_everything_or_nothing_are_refused(slim, words):
    with pytest.raises(ValueError, match=words):
        Slim(*slim)


@pytest.fixture(scope="module")
def trained(town, tmp_path_factory):
    """A small U-Net's run."""
    folder = tmp_path_factory.mktemp("unpruned") / "run"
    training.train(town, "unet-tiny", folder, settings={"epochs": "1", "batch": "8", "model.widths": "8,16"})
    return folder


@pytest.fixture(scope="module")
def pruned(trained, town, tmp_path_factory):
    """It pruned: the report."""
    folder = tmp_path_factory.mktemp("pruned") / "out"
    return training.prune(trained, town, folder, settings={"epochs": "1"}, tune_epochs=1)


@pytest.mark.long
def test_a_pruned_checkpoint_builds_itself(pruned, trained):
    full, small = ck.load(trained), ck.load(pruned.folder)
    network = small.build()
    config = network.config
    assert (config.prune, config.ratio, config.round_to, config.rounding) == ("inner", 0.4, 8, "nearest")
    assert parameter_count(network) == pruned.cost[1].parameters < pruned.cost[0].parameters
    assert (small.bands, small.classes, small.dataset) == (full.bands, full.classes, full.dataset)


def test_the_report_measures_both_networks(pruned, trained, town):
    before, after = pruned.cost
    assert (before.flop, after.flop) == (flop(ck.load(trained).build(), 64), flop(ck.load(pruned.folder).build(), 64))
    actual = training.evaluate(pruned.folder, town).scores
    assert (pruned.accuracy[1].oa, pruned.accuracy[1].miou) == (actual.oa, actual.miou)
    assert pruned.accuracy[0].oa == training.evaluate(trained, town).scores.oa
    assert pruned.flop_ratio == pytest.approx(1 / (1 - pruned.flop_cut))
    assert min(pruned.seconds) > 0
    text = str(pruned)
    for words in ("parameters", "FLOP cut", "FLOP ratio", "measured speed-up", "test split, after", "simulated"):
        assert words in text


def test_silenced_in_training_equals_removed(pruned, town):
    """The best epoch of soft pruning, as it was validated, and the network made of it score the same."""
    soft, small = (training.evaluate(pruned.folder / name, town, "val").scores for name in ("soft", "compact"))
    assert small.oa == pytest.approx(soft.oa, abs=1e-3)
    assert ck.load(pruned.folder / "soft").metrics["miou"] == pytest.approx(small.miou, abs=1e-3)


def test_a_finished_pruning_is_only_reported(pruned, trained, town):
    again = training.prune(trained, town, pruned.folder, settings={"epochs": "1"}, tune_epochs=1)
    assert again == pruned


@pytest.mark.long
def test_a_finished_pruning_tells_of_the_split_and_the_data_asked(pruned, trained, town, make, tmp_path):
    make(spread(24, 4, 4), size=64, seed=1)
    options = {"settings": {"epochs": "1"}, "tune_epochs": 1}
    told = training.prune(trained, town, pruned.folder, split="val", **options)
    assert told.split == "val" and told.accuracy[1].miou == training.evaluate(pruned.folder, town, "val").scores.miou
    with pytest.raises(ValueError, match="holds another run: data is"):
        training.prune(trained, tmp_path / "data" / "town", pruned.folder, **options)


@pytest.mark.long
def test_an_interrupted_pruning_goes_on(pruned, trained, town, tmp_path, monkeypatch):
    """Stopped after the soft epochs: the same call ends with the same weights as one that was not stopped."""
    from isamap.training.pruning import run as pruning

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pruning, "_remove", killed)
        with pytest.raises(KeyboardInterrupt):
            training.prune(trained, town, tmp_path / "out", settings={"epochs": "1"}, tune_epochs=1)
    history = (tmp_path / "out" / "soft" / "history.json").read_bytes()
    report = training.prune(trained, town, tmp_path / "out", settings={"epochs": "1"}, tune_epochs=1)
    assert (tmp_path / "out" / "soft" / "history.json").read_bytes() == history
    assert ck.load(report.folder).weights_sha256 == ck.load(pruned.folder).weights_sha256


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"scheme": "outer"}, "choose one of inner, literal, groups"),
        ({"scheme": "none"}, "choose one of inner, literal, groups"),
        ({"ratio": 1.5}, "below 1"),
        ({"settings": {"ema": "0.9"}}, "ema=0.9"),
        ({"settings": {"epoch": "1"}}, "did you mean epochs"),
        ({"split": "holdout"}, "choose one of train, val, test"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_written(trained, town, tmp_path, how, words):
    with pytest.raises(ValueError, match=words):
        training.prune(trained, town, tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "tune", "words"),
    [({"batch": "1000"}, None, "larger than the train split"), ({}, -1, "tune -1: expected epochs")],
)
def test_a_pruning_that_cannot_start_leaves_its_folder_free(trained, town, tmp_path, settings, tune, words):
    with pytest.raises(ValueError, match=words):
        training.prune(trained, town, tmp_path / "out", settings=settings, tune_epochs=tune)
    assert not (tmp_path / "out").exists()


def test_pruning_into_a_bucket_is_refused(trained, town):
    with pytest.raises(ValueError, match="prune into a folder"):
        training.prune(trained, town, "gs://bucket/pruned")


def test_the_better_of_the_small_network_and_the_tuned_one_is_kept(pruned):
    actual = {name: ck.load(pruned.folder / name).metrics["miou"] for name in ("compact", "tuned", "best")}
    assert actual["best"] == max(actual["compact"], actual["tuned"])
    assert actual["compact"] != actual["tuned"]


def test_a_pruned_network_is_fine_tuned_like_any_other(pruned, town, tmp_path):
    report = training.train(town, None, tmp_path / "run", start=pruned.folder, settings={"epochs": "1", "batch": "8"})
    assert report.parameters == pruned.cost[1].parameters


def test_the_command_prints_the_report(pruned, trained, town, capsys):
    import isamap

    words = f"prune --checkpoint {trained} --data {town} --out {pruned.folder} --tune 1 --set epochs=1"
    assert isamap.main(words.split()) == 0
    assert str(pruned) in capsys.readouterr().out


def test_a_damaged_report_is_a_fault(pruned, trained, town, tmp_path):
    import shutil

    from isamap.gee_export.base.errors import Fault

    folder = tmp_path / "out"
    shutil.copytree(pruned.folder, folder)
    values = json.loads((folder / "report.json").read_text())
    del values["cost"]
    (folder / "report.json").write_text(json.dumps(values))
    with pytest.raises(Fault, match="damaged"):
        training.prune(trained, town, folder, settings={"epochs": "1"}, tune_epochs=1)


def test_every_channel_that_goes_is_read_by_nobody():
    """Groups: each convolution's input channels are covered by at most one group and never by half."""
    network = meta(width=8)
    for scheme in ("inner", "groups"):
        covered = {}
        for group in groups_of(network, Slim(scheme, 0.4, 1)):
            for reader in group.readers:
                covered.setdefault(reader.conv, []).append((reader.first, reader.first + group.filters))
        for conv, spans in covered.items():
            spans.sort()
            assert all(left[1] <= right[0] for left, right in pairwise(spans))
            assert spans[-1][1] <= network.get_submodule(conv).in_channels
