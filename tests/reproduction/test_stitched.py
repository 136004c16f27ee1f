"""Post-processing of patches put together, and the runs that are pruned, on a small town of seven classes."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.datasets.dataset import Dataset
from isamap.reproduction.prunings import Pruning
from isamap.reproduction.runs import Bench, Training
from isamap.reproduction.stitched import Stitched
from isamap.reproduction.study import Trial
from isamap.training import evaluate
from tests.support.covers import CLASSES, IMPERVIOUS, write_covers
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)

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


@pytest.mark.long
def test_without_a_step_scores_are_those_of_evaluate(both, place, run):
    """Patches that do not overlap, put together, are what they are one by one."""
    assert both[0].values["oa"] == pytest.approx(evaluate(run, place.data("truth")).scores.oa, abs=1e-5)
    assert both[0].classes == CLASSES


def test_clahe_changes_pixels_only_to_or_from_impervious(both, shown):
    """docs/reference/networks.md, "CLAHE"'s invariant, over the maps of every test patch."""
    plain, weighted = (np.stack([actual.maps[name] for name in shown]) for actual in both)
    changed = plain != weighted
    assert changed.any()
    assert ((plain == IMPERVIOUS) | (weighted == IMPERVIOUS))[changed].all()


def test_maps_lie_where_their_patches_do(both, place, shown):
    """Counted over the patches' own labels, the maps give the same accuracy as the whole."""
    data = Dataset.open(place.data("truth")[0])
    for actual in both:
        right = np.mean([actual.maps[name] == data.read_label(name) for name in shown])
        assert right == pytest.approx(actual.values["oa"], abs=1e-5)


def test_heat_maps_show_the_chance_before_and_after(both, shown):
    """LandCover3m Figure 9: doubled, at most certain, where the step favours impervious ground, else halved."""
    before, after = (np.stack([actual.heats[name] for name in shown]).astype(int) for actual in both)
    doubled, halved = np.abs(after - np.minimum(2 * before, 255)) <= 1, np.abs(2 * after - before) <= 2
    assert (doubled | halved).all() and (doubled & ~halved).any() and (halved & ~doubled).any()


def test_the_threshold_is_told_and_the_run_is_left_alone(both, run):
    assert 0 < both[1].values["threshold"] < 1
    assert "threshold" not in both[0].values
    from isamap.training.checkpoints import checkpoint as ck

    assert "clahe" not in ck.load(run).thresholds


def test_prunings_of_one_run_differ_by_all_that_decides_them(place):
    full = Training("hrnet-tiny", {"epochs": "1"})
    runs = [Pruning(full), Pruning(full, "groups"), Pruning(full, ratio=0.5), Pruning(full, round_to=2)]
    runs.append(Pruning(full, settings={"epochs": "3"}))
    runs.append(Pruning(Training("hrnet-tiny", {"epochs": "2"})))
    assert len({place.folder(run, seed) for run in runs for seed in (0, 1)}) == 2 * len(runs)
