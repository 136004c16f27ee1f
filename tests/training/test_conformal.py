"""Prediction sets: limits by the definition, the promised coverage on new blocks, and the file beside a map."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import isamap
from isamap import inference, training
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.training.accuracy.conformal import Coverage, ShareCounts, share_counts
from isamap.training.accuracy.evaluation import source_for
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.conformal import STEPS, SetLimits, limits_of
from tests.inference.conftest import stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread
from tests.training.test_bad_input import kept  # noqa: F401


def test_steps_are_those_of_maps():
    assert STEPS == PROB_STEPS


def blocks(count: int, rng: np.random.Generator, pixels: int = 300) -> np.ndarray:
    """Counts of blocks whose pixels err together: each block's probabilities are shifted."""
    counted = []
    for _ in range(count):
        label = (rng.random(pixels) < 0.4).astype(np.uint8)
        logit = 1.5 * (2.0 * label - 1) + rng.standard_normal(pixels) + 1.2 * rng.standard_normal()
        counted.append(share_counts(1 / (1 + np.exp(-logit)), label))
    return np.stack(counted)


def missed_share(counts_B2N: np.ndarray, limit: int, label: int) -> float:
    """Mean over blocks of the share of a class below a limit, with one more block that is missed."""
    shares = []
    for block in counts_B2N:
        own = block[0][::-1] if label == 0 else block[1]
        shares.append(own[:limit].sum() / own.sum())
    return (sum(shares) + 1) / (len(shares) + 1)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_a_limit_is_the_largest_that_keeps_the_promise(alpha):
    counts_B2N = blocks(40, np.random.default_rng(0))
    actual = ShareCounts(counts_B2N).limits(alpha)
    for label, limit in enumerate(actual.least):
        assert missed_share(counts_B2N, limit, label) <= alpha < missed_share(counts_B2N, limit + 1, label)


@pytest.mark.long
def test_new_blocks_are_covered_as_promised():
    """200 times 15 blocks to choose and 40 new ones: on average 90 % of each class, and not everything."""
    rng, alpha = np.random.default_rng(1), 0.1
    shares = []
    for _ in range(200):
        limits = ShareCounts(blocks(15, rng)).limits(alpha)
        new_B2N = blocks(40, rng, 60)
        members = limits.members(np.arange(STEPS + 1))
        shares.append([np.mean([(b[k] * members[k]).sum() / max(b[k].sum(), 1) for b in new_B2N]) for k in (0, 1)])
    mean = np.mean(shares, axis=0)
    assert (mean >= 1 - alpha - 0.01).all() and (mean < 0.99).all()


def test_too_few_blocks_for_a_promise_are_refused():
    counts = ShareCounts(blocks(8, np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"8 spatial blocks hold pixels of class 0: alpha 0.1 needs 9 or more"):
        counts.limits(0.1)
    assert counts.limits(0.12).alpha == 0.12


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0])
def test_an_alpha_that_means_nothing_is_refused(alpha):
    with pytest.raises(ValueError, match=r"expected a share of errors between 0 and 0.5"):
        ShareCounts(blocks(8, np.random.default_rng(0))).limits(alpha)


def test_sets_have_numbers():
    """254 x 0.3 = 76.2: class 0 is in from a probability of impervious of 254 - 100 down."""
    limits = SetLimits(0.1, (100, 200))
    assert limits.sets(np.array([0, 154, 155, 199, 200, 254])).tolist() == [1, 1, 0, 0, 2, 2]
    assert SetLimits(0.1, (100, 50)).sets(np.array([0, 49, 50, 154, 155])).tolist() == [1, 1, 3, 3, 2]


def test_coverage_and_sizes_are_counted_pixel_by_pixel():
    rng = np.random.default_rng(3)
    p, label = rng.random((6, 500)).astype(np.float32), rng.choice([0, 1, 255], (6, 500)).astype(np.uint8)
    limits = SetLimits(0.1, (90, 120))
    actual = Coverage(
        limits, ShareCounts(np.stack([share_counts(*pair) for pair in zip(p, label, strict=True)])), ("a", "b")
    )
    listed, share = label != 255, np.rint(p * 254).astype(int)
    sets = limits.sets(share)
    for at, name in enumerate(("a", "b")):
        of_class = listed & (label == at)
        assert actual.shares[name] == pytest.approx(((sets[of_class] >> at) & 1).mean())
        low, high = actual.intervals[name]
        assert low < actual.shares[name] < high
    for name, numbers in (("one class", (1, 2)), ("both", (3,)), ("none", (0,))):
        assert actual.shares[name] == pytest.approx(np.isin(sets[listed], numbers).mean())


@pytest.fixture
def town(make) -> str:
    """Both classes in every split; for `kept` of test_bad_input too."""
    return make(spread(4, 8, 3), seed=3).storage.url


@pytest.fixture
def copy(kept, town, tmp_path):  # noqa: F811
    words = ["calibrate", "--checkpoint", str(kept), "--data", town, "--out", str(tmp_path / "copy"), "--alpha", "0.4"]
    assert isamap.main(words) == 0
    return tmp_path / "copy"


@pytest.mark.long
def test_evaluate_measures_the_sets_of_a_checkpoint(copy, kept, town, capsys):  # noqa: F811
    report = training.evaluate(copy, town, "val")
    trained = ck.load(copy)
    source = source_for(trained, town)
    batches = list(predicted(trained, source, source.split("val")))
    p = np.concatenate([batch.probabilities_BKHW[:, 1] for batch in batches])
    label = np.concatenate([batch.label_BHW for batch in batches])
    sets = limits_of(trained).sets(np.rint(p * 254).astype(int))
    expected = ((sets[label == 1] >> 1) & 1).mean()
    assert report.coverage.shares["impervious"] == pytest.approx(expected) and expected >= 0.55
    assert isamap.main(["evaluate", "--checkpoint", str(copy), "--data", town]) == 0
    assert "sets meant to hold 60% of each class hold: pervious" in capsys.readouterr().out
    assert "sets" in report.to_json() and training.evaluate(kept, town, "val").coverage is None


@pytest.fixture
def scene(tmp_path):
    return write_tif(tmp_path / "scene.tif", stored_scene(70, 50))


@pytest.mark.long
def test_a_map_has_its_sets_beside_it(copy, scene, tmp_path, capsys):
    words = ["map", "--checkpoint", str(copy), "--input", str(scene), "--out", str(tmp_path / "map.tif"), "--sets"]
    assert isamap.main(words) == 0
    share_HW = read_map(tmp_path / "map.tif")[1]
    with rasterio.open(tmp_path / "map_set.tif") as file:
        set_HW, tags, profile = file.read(1), file.tags(), file.profile
    least = ck.load(copy).conformal["least"]
    first, second = 254 - share_HW.astype(int) >= least[0], share_HW >= least[1]
    expected = np.where(share_HW == 255, 255, first + 2 * second)
    np.testing.assert_array_equal(set_HW, expected)
    assert tags["alpha"] == "0.4" and profile["nodata"] == 255 and profile["blockxsize"] == 512
    assert "pervious or impervious" in (tmp_path / "map_set.tif.aux.xml").read_text()
    undecided = np.isin(set_HW, (0, 3)).sum() / (set_HW != 255).sum()
    assert f"undecided: {undecided:.1%} of the mapped area" in capsys.readouterr().out and 0 < undecided < 1


@pytest.mark.long
def test_sets_that_were_removed_are_made_again(copy, scene, tmp_path):
    options = {"input": scene, "sets": True, "progress": False}
    inference.map_region(copy, out=tmp_path / "map.tif", **options)
    data = (tmp_path / "map_set.tif").read_bytes()
    assert inference.map_region(copy, out=tmp_path / "map.tif", **options).already_there
    (tmp_path / "map_set.tif").unlink()
    assert not inference.map_region(copy, out=tmp_path / "map.tif", **options).already_there
    assert (tmp_path / "map_set.tif").read_bytes() == data


@pytest.mark.long
def test_sets_of_a_map_that_was_replaced_go(copy, scene, tmp_path):
    inference.map_region(copy, out=tmp_path / "map.tif", input=scene, sets=True, progress=False)
    inference.map_region(copy, out=tmp_path / "map.tif", input=scene, overwrite=True, progress=False)
    assert not list(tmp_path.glob("map_set*"))


def test_a_file_of_the_user_with_that_name_stays(copy, scene, tmp_path):
    (tmp_path / "map_set.tif").write_text("mine")
    inference.map_region(copy, out=tmp_path / "map.tif", input=scene, progress=False)
    with pytest.raises(ValueError, match="is no file of this map's sets"):
        inference.map_region(copy, out=tmp_path / "map.tif", input=scene, sets=True, overwrite=True, progress=False)
    assert (tmp_path / "map_set.tif").read_text() == "mine"


def test_a_checkpoint_without_sets_is_told(kept, scene, tmp_path, capsys):  # noqa: F811
    words = ["map", "--checkpoint", str(kept), "--input", str(scene), "--out", str(tmp_path / "map.tif"), "--sets"]
    assert isamap.main(words) == 2
    assert "has no prediction sets" in capsys.readouterr().err


def test_a_later_curve_takes_the_sets_away(copy, town, tmp_path):
    """They are of other probabilities."""
    words = ["calibrate", "--checkpoint", str(copy), "--data", town, "--out", str(tmp_path / "b"), "--curve", "beta"]
    assert isamap.main(words) == 0
    assert not ck.load(tmp_path / "b").conformal
