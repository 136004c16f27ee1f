"""Post-processing of patches put together, and the runs that are pruned, on a small town of seven classes."""

from __future__ import annotations

import numpy as np
import pytest

from gee_export.datasets.dataset import Dataset
from reproduction.prunings import Pruning, costs
from reproduction.runs import Bench, Training
from reproduction.stitched import Stitched
from reproduction.study import Trial
from tests.support.covers import CLASSES, IMPERVIOUS, write_covers
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)
from training import evaluate

SMALL = {"model.widths": "4,8", "epochs": "2", "batch": "4"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Bench:
    """The town with its truth and with a product whose impervious ground is crossed by unseen lines."""
    folder = tmp_path_factory.mktemp("covers")
    write_covers(folder / "truth")

    def unseen(label):
        label = label.copy()
        label[::8] = 0
        return label

    write_covers(folder / "product", unseen)
    return Bench(folder / "out", {role: (str(folder / role),) for role in ("product", "truth")})


@pytest.fixture(scope="module")
def run(place):
    """A small U-Net trained on the product."""
    training = Training("unet-landcover3m-tiny", SMALL)
    folder = place.folder(training, 0)
    training.make(folder, place, 0)
    return folder


@pytest.fixture(scope="module")
def shown(place) -> tuple[str, ...]:
    return tuple(patch.id for patch in Dataset.open(place.data("truth")[0]).in_split("test"))


@pytest.fixture(scope="module")
def both(place, run, shown):
    """What is found without and with CLAHE."""
    trial = Trial(place, run, 0, "truth", shown)
    return Stitched()(trial), Stitched("clahe", "product")(trial)


def test_without_a_step_scores_are_those_of_evaluate(both, place, run):
    """Patches that do not overlap, put together, are what they are one by one."""
    assert both[0].values["oa"] == pytest.approx(evaluate(run, place.data("truth")).scores.oa, abs=1e-5)
    assert both[0].classes == CLASSES


def test_clahe_changes_pixels_only_to_or_from_impervious(both, shown):
    """docs/reference/networks.md, "CLAHE"'s invariant, over the maps of every test patch."""
    plain, weighted = (np.stack([found.maps[name] for name in shown]) for found in both)
    changed = plain != weighted
    assert changed.any()
    assert ((plain == IMPERVIOUS) | (weighted == IMPERVIOUS))[changed].all()


def test_maps_lie_where_their_patches_do(both, place, shown):
    """Counted over the patches' own labels, the maps give the same accuracy as the whole."""
    data = Dataset.open(place.data("truth")[0])
    for found in both:
        right = np.mean([found.maps[name] == data.read_label(name) for name in shown])
        assert right == pytest.approx(found.values["oa"], abs=1e-5)


def test_the_threshold_is_told_and_the_run_is_left_alone(both, run):
    assert 0 < both[1].values["threshold"] < 1
    assert "threshold" not in both[0].values
    from training.checkpoints import checkpoint as ck

    assert "clahe" not in ck.load(run).thresholds


def test_prunings_of_one_run_differ_by_all_that_decides_them(place):
    whole = Training("hrnet-tiny", {"epochs": "1"})
    runs = [Pruning(whole), Pruning(whole, "groups"), Pruning(whole, ratio=0.5), Pruning(whole, round_to=2)]
    runs.append(Pruning(whole, settings={"epochs": "3"}))
    runs.append(Pruning(Training("hrnet-tiny", {"epochs": "2"})))
    assert len({place.folder(run, seed) for run in runs for seed in (0, 1)}) == 2 * len(runs)


@pytest.mark.long
def test_a_pruned_run_is_smaller_and_says_by_how_much(place):
    whole = Training("hrnet-tiny", {"epochs": "1", "batch": "4"})
    pruned = Pruning(whole, "groups", round_to=2, settings={"epochs": "1"})
    for run in (*pruned.needs, pruned):
        run.make(place.folder(run, 0), place, 0)
    before, after = (costs(place.folder(run, 0)) for run in (whole, pruned))
    assert after["parameters"] < 0.6 * before["parameters"]
    assert after["megabytes"] < before["megabytes"]
    cut = after["cut_percent"] / 100
    assert after["acceleration_percent"] == pytest.approx(100 * cut / (1 - cut))
    assert "cut_percent" not in before
