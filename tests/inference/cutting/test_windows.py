"""Windows with a halo: what the network gives on the whole image, and only where they are cheaper."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.grid import Window
from isamap.inference.cutting.lattice import Lattice, weight_sums
from isamap.inference.cutting.windows import LARGEST_PX, batch_of, cost, lattice_of
from isamap.inference.inputs.ground import Ground
from isamap.inference.mapping.predict import Predictor
from isamap.training.models import MODELS, build
from isamap.training.runtimes import eager
from isamap.training.runtimes.fold import folded
from isamap.training.runtimes.precisions import precision_of
from isamap.training.runtimes.probabilities import probabilities_of
from tests.inference.conftest import NAMES, small_network
from tests.inference.cutting.test_cuts import box_map, predictor, world
from tests.inference.mapping.test_predict import reader
from tests.support.one_thread import one_thread  # noqa: F401

P1 = {"widths": (8, 16, 32, 64)}  # docs/reference/performance.md, "P1"
P1_WINDOWS = {"window": 256, "lattice": 192}


def trained(name: str, config: dict | None = None, **changes) -> SimpleNamespace:
    """What a checkpoint of a network says of its geometry."""
    network = build(name, NAMES, {**(config or {}), "classes": 2})
    facts = {key: getattr(network, key) for key in ("window", "lattice", "halo", "multiple", "scale")}
    return SimpleNamespace(**facts | {"frames": 0} | changes)


def mapped(network: Predictor, lattice: Lattice, pixels: np.ndarray, box: Window) -> np.ndarray:
    """Probabilities of a box of an array, seen with the ground around it."""
    return box_map(network, lattice, reader(pixels, np.ones(pixels.shape[1:], bool)), box)


HALOS = {"unet": (64, 24), "bilinear_unet": (24, 4)}


@pytest.mark.parametrize("name", HALOS)
def test_middles_of_windows_are_the_whole_image(name):
    """docs/reference/performance.md, "P3": one pass over the image is the independent way.

    The last bit is the processor's: with AVX2 torch may add in another order for another width.
    """
    forward = eager.opened(folded(small_network(name)), precision_of("fp32"), "cpu")
    network = replace(predictor(name), network=probabilities_of(forward))
    side, halo = HALOS[name]
    lattice = Lattice(side, side - 2 * halo, halo=halo)
    shape = len(NAMES), 2 * halo + 64, 2 * halo + 48
    pixels = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    box = Window(halo + 3, halo + 1, 55, 40)
    fine = Window(box.row, box.col, box.height, box.width).times(network.scale)
    expected = network.probabilities(pixels)[:, *fine.slices]
    np.testing.assert_allclose(mapped(network, lattice, pixels, box), expected, rtol=0, atol=1e-6)


def test_a_smaller_halo_would_not_do():
    """A halo of 8 px for a network that looks 22 px far: the middles are not the whole image's."""
    network = predictor("unet")
    pixels = np.random.default_rng(1).normal(size=(len(NAMES), 112, 96)).astype(np.float32)
    box = Window(24, 24, 55, 40)
    expected = network.probabilities(pixels)[:, *box.slices]
    assert small_network("unet").halo == 22
    assert np.abs(mapped(network, Lattice(64, 48, halo=8), pixels, box) - expected).max() > 1e-6


boxes = st.tuples(*[st.integers(0, 90)] * 2, *[st.integers(1, 45)] * 2)


@pytest.mark.long
@pytest.mark.parametrize("name", HALOS)
@settings(max_examples=4, deadline=None)
@given(numbers=boxes)
def test_a_box_is_that_part_of_the_larger_map(name, numbers):
    """Although it sees less ground than windows hold: what lies beyond the halo changes no bit."""
    row, col, height, width = numbers
    side, halo = HALOS[name]
    lattice, (pixels, _) = Lattice(side, side - 2 * halo, halo=halo), world()
    box = Window(230 + row, 260 + col, height, width)
    fine = Window(row, col, height, width).times(predictor(name).scale)
    np.testing.assert_array_equal(mapped(predictor(name), lattice, pixels, box), large(name)[:, *fine.slices])


@cache
def large(name: str) -> np.ndarray:
    side, halo = HALOS[name]
    lattice = Lattice(side, side - 2 * halo, halo=halo)
    return mapped(predictor(name), lattice, world()[0], Window(230, 260, 140, 140))


def test_the_ground_around_a_box_is_that_of_the_halo():
    """A window of 352 px is not fetched where the network looks 22 px far."""
    lattice = Lattice(352, 304, 7, 7, halo=24)
    ground = Ground.around(100, 100, lattice)
    assert -24 >= ground.seen.row > -24 - 8 and 124 <= ground.seen.row_end < 124 + 8
    assert ground.reach_px == lattice.reach == 31


@pytest.mark.long
@pytest.mark.parametrize("name", ["crofusenet", "hrnet", "runetpp", "deeplabv3plus"])
def test_networks_that_see_whole_windows_are_blended(name):
    facts = trained(name)
    assert lattice_of(facts) == Lattice(facts.window, facts.lattice)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {}) for name in ("unet", "jointseg", "fcn8s", "random_forest")),
        ("unet", {"config": P1, **P1_WINDOWS}),
        ("unet", {"config": MODELS["unet"].small, "frames": 4}),
    ],
)
def test_where_a_halo_is_not_cheaper_windows_are_blended(name, changes):
    """Halos are large beside the largest window, or there are none; larger windows reach further over the edges. Dates
    are chosen by what a window shows of them.
    """
    facts = trained(name, **changes)
    assert lattice_of(facts) == Lattice(facts.window, facts.lattice)


@pytest.mark.parametrize(
    ("name", "config"), [("unet", MODELS["unet"].small), ("bilinear_unet", MODELS["bilinear_unet"].small)]
)
def test_windows_with_a_halo_are_cheaper_aligned_and_small_enough(name, config):
    facts = trained(name, config)
    lattice = lattice_of(facts)
    assert lattice.halo >= facts.halo and lattice.side <= LARGEST_PX
    assert not {side % facts.multiple for side in (lattice.halo, lattice.side, lattice.stride)} - {0}
    assert cost(lattice) < cost(Lattice(facts.window, facts.lattice)) / 1.1


lattices = st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(-200, 200)).map(
    lambda numbers: Lattice(numbers[1] + 2 * numbers[0], numbers[1], numbers[2], -numbers[2], halo=numbers[0])
)


@given(lattices, st.integers(1, 150), st.sampled_from([1, 3]))
def test_every_pixel_lies_in_one_middle(lattice, length, scale):
    starts = lattice.tops(length)
    sums = weight_sums(starts, length, lattice.weights(scale), scale)
    assert (sums == 1).all()
    assert all(lattice.touches(start, range(length)) for start in starts)
    assert all((start + lattice.halo + lattice.row) % lattice.stride == 0 for start in starts)


def test_a_halo_and_a_stride_that_leave_gaps_are_refused():
    with pytest.raises(ValueError, match="expected a stride of 24 px"):
        Lattice(64, 32, halo=20)


@pytest.mark.parametrize(
    ("side", "scale", "device", "windows"),
    [(128, 1, "cpu", 1), (128, 1, "cuda", 64), (512, 1, "cuda", 16), (64, 10, "cuda", 10), (512, 10, "cuda", 1)],
)
def test_a_gpu_gets_batches_of_some_million_pixels(side, scale, device, windows):
    assert batch_of(Lattice(side, side), scale, device) == windows


@pytest.mark.parametrize("lattice", [Lattice(256, 192), Lattice(128, 128), Lattice(464, 368, halo=48)])
def test_the_cost_is_the_mean_over_all_places_of_a_map(lattice):
    """Windows are counted for every place of the raster on the lattice."""
    counts = [len(lattice.at(row, 0).tops(3000)) for row in range(lattice.stride)]
    assert cost(lattice) == pytest.approx((np.mean(counts) * lattice.side / 3000) ** 2, rel=0.01)
