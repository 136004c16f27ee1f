"""Tiled prediction: constant in, constant out; equal to brute force; the same bits however the work is cut."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.errors import Fault
from isamap.inference.cutting.cut import WindowGrid
from isamap.inference.cutting.lattice import Lattice, hann
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.predict import Predictor, predict, quantise
from isamap.training.models import MODELS
from isamap.training.models.output import Output
from isamap.training.runtimes.probabilities import probabilities_of
from tests.inference.conftest import LEGEND, NAMES, Constant, small_network

HEIGHT, WIDTH = 77, 61  # neither divides by window, stride or pooling
SIDE, LATTICE = 32, Lattice(32, 24, 5, -7)


def data(height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Network input, 0 where unknown, and what is known."""
    rng = np.random.default_rng(3)
    known_HW = rng.random((height, width)) > 0.02
    known_HW[30:75, :45] = False  # whole windows without data
    x_BHW = rng.normal(size=(len(NAMES), height, width)).astype(np.float32)
    return x_BHW * known_HW, known_HW


def reader(x_BHW: np.ndarray, known_HW: np.ndarray):
    def read(window):
        rows, cols = window.slices
        return x_BHW[:, rows, cols], known_HW[rows, cols]

    return read


def whole(predictor: Predictor, lattice: Lattice, pixels=None, **how) -> np.ndarray:
    x_BHW, known_HW = pixels or data()
    grid = WindowGrid(*known_HW.shape, lattice)
    pieces = list(predict(predictor, reader(x_BHW, known_HW), grid, **how))
    return np.concatenate([piece.values_NHW for piece in pieces], axis=1)


def predictor_of(name: str) -> Predictor:
    network = small_network(name)
    return Predictor(probabilities_of(network), len(NAMES), network.scale, LEGEND)


def constant(chance: float, scale: int = 1) -> Predictor:
    return Predictor(probabilities_of(Constant(chance, scale)), len(NAMES), scale, LEGEND)


@cache
def mapped_once(name: str) -> np.ndarray:
    """The map of a model with two workers in one go."""
    return whole(predictor_of(name), LATTICE, workers=2)


def brute_force(name: str, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Blended chance in float64 by the definition, window after window on a padded copy; and what is known."""
    (x_BHW, known_HW), network = data(), small_network(name)
    pad, scale = lattice.side, network.scale
    padded = np.pad(x_BHW, ((0, 0), (pad, pad), (pad, pad)))
    total, weight = np.zeros((2, *(side * scale for side in padded.shape[1:])))
    line = hann(pad * scale).astype(float)
    for window in lattice.windows(HEIGHT, WIDTH):
        rows = slice(window.row + pad, window.row_end + pad)
        cols = slice(window.col + pad, window.col_end + pad)
        with torch.no_grad():
            logits = network(torch.from_numpy(padded[:, rows, cols].copy())[None]).logits_BKHW
        fine = (slice(rows.start * scale, rows.stop * scale), slice(cols.start * scale, cols.stop * scale))
        total[fine] += logits.softmax(1)[0, 1].numpy() * np.outer(line, line)
        weight[fine] += np.outer(line, line)
    inner = slice(pad * scale, -pad * scale)
    return (total / np.maximum(weight, 1e-30))[inner, inner], known_HW.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_the_map_is_the_weighted_mean_of_its_windows(name):
    chance_HW, known_HW = brute_force(name, LATTICE)
    mapped = mapped_once(name)
    assert (mapped[:, ~known_HW] == 255).all()
    near = np.abs(mapped[1, known_HW] - 254 * chance_HW[known_HW])
    assert near.max() < 0.501
    sure = np.abs(chance_HW - 0.5) > 1e-5
    np.testing.assert_array_equal(mapped[0][known_HW & sure], (chance_HW > 0.5)[known_HW & sure])


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("cut", [1, 46])
def test_neither_workers_nor_cutting_the_job_change_a_pixel(name, cut):
    """docs/reference/performance.md, "P3": two jobs of any rows by one worker give the map of one by two."""
    predictor = predictor_of(name)
    upper, lower = (whole(predictor, LATTICE, rows=rows, workers=1) for rows in (range(cut), range(cut, HEIGHT)))
    np.testing.assert_array_equal(np.concatenate([upper, lower], axis=1), mapped_once(name))


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_torch_threads_never_change_a_pixel_and_come_back(name):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        mapped = whole(predictor_of(name), LATTICE)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(mapped, mapped_once(name))


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_overlapping_rasters_agree_where_their_windows_hold_the_same_data(name):
    """The lattice lies on the ground: away from the edges a part is mapped as the whole is."""
    predictor = predictor_of(name)
    x_BHW, known_HW = data()
    piece = (x_BHW[:, 10:, 7:], known_HW[10:, 7:])
    mapped = whole(predictor, Lattice(SIDE, 24, 15, 0), piece)
    inner, scale = SIDE * predictor.scale, predictor.scale
    expected = mapped_once(name)[:, 10 * scale + inner :, 7 * scale + inner :]
    assert expected.size > 1000 * scale
    np.testing.assert_array_equal(mapped[:, inner:, inner:], expected)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([(16, 16), (16, 11), (9, 5)]), st.integers(-40, 40))
def test_a_constant_network_gives_a_constant_map_up_to_the_borders(height, width, cut, offset):
    """docs/reference/wishes.md, "Wish 18"; NRCan/geo-deep-learning issue 299: blending biased the borders."""
    pixels = (np.zeros((len(NAMES), height, width), np.float32), np.ones((height, width), bool))
    mapped = whole(constant(0.7), Lattice(*cut, offset, -offset), pixels)
    assert mapped.shape == (2, height, width)
    assert (mapped[0] == 1).all() and (mapped[1] == round(0.7 * 254)).all()


class WindowMean(torch.nn.Module):
    """A network that answers with a statistic of its window: neighbouring windows differ, as with instance norms."""

    scale = 1

    def forward(self, x_BCHW: torch.Tensor) -> Output:
        logits = torch.zeros_like(x_BCHW[:, :2])
        logits[:, 1] = x_BCHW[:, :1].mean(dim=(2, 3))
        return Output(logits)


@pytest.mark.parametrize(("stride", "change"), [(16, np.pi / 32), (24, 0.25)])
def test_windows_that_disagree_leave_no_seam(stride, change):
    """docs/reference/wishes.md, "Wish 18": a map changes by no more in a pixel than its weights do.

    On a slope of stride / 16 logits a window, neighbours differ by at most tanh(stride / 64); side by side they would
    jump by that. change: the greatest of a share w / (w + w') of weights sin^2 from a pixel to the next: pi / side
    where windows overlap by half, and 1/4 where by 8 of 32 pixels (there w is as t^2, w' as (8 - t)^2).
    """
    slope = np.broadcast_to((np.arange(192, dtype=np.float32) - 96) / 16, (len(NAMES), 64, 192)).copy()
    predictor = Predictor(probabilities_of(WindowMean()), len(NAMES), 1, LEGEND)
    mapped = whole(predictor, Lattice(32, stride), (slope, np.ones((64, 192), bool)))[1].astype(int)
    inner = mapped[:, 32:-32]  # windows that reach over the edge see less than a window
    jump = 254 * np.tanh(stride / 64)
    assert np.ptp(inner) > 2 * jump
    assert np.abs(np.diff(inner, axis=1)).max() <= jump * change + 1


def test_a_finer_network_fills_every_fine_pixel():
    """Ten output pixels for each input pixel: the unknown ones cover theirs exactly."""
    known_HW = np.ones((21, 17), bool)
    known_HW[3, 5] = False
    mapped = whole(constant(0.3, 10), Lattice(8, 6), (np.zeros((len(NAMES), 21, 17), np.float32), known_HW))
    assert mapped.shape == (2, 210, 170)
    unknown = np.zeros((210, 170), bool)
    unknown[30:40, 50:60] = True
    np.testing.assert_array_equal(mapped[1], np.where(unknown, 255, round(0.3 * 254)))


def test_each_row_is_read_once_from_top_to_bottom():
    x_BHW, known_HW = data()
    rows = []

    def read(window):
        rows.extend(range(window.row, window.row_end))
        return reader(x_BHW, known_HW)(window)

    list(predict(constant(0.5), read, WindowGrid(HEIGHT, WIDTH, Lattice(32, 24, 5, 5))))
    assert rows == list(range(HEIGHT))


def test_an_error_of_the_reader_arrives():
    def read(window):
        raise Fault("block 7 is damaged")

    with pytest.raises(Fault, match="block 7"):
        list(predict(constant(0.5), read, WindowGrid(50, 50, Lattice(32, 24))))


def test_a_network_that_gives_nan_is_a_fault():
    """docs/reference/wishes.md, "Wish 22": one pixel that is not a number poisoned whole patches."""
    with pytest.raises(Fault, match="not finite"):
        whole(constant(float("nan")), Lattice(32, 24))


def test_many_classes_are_mapped_by_the_most_probable():
    legend = Legend(("cropland", "water", "impervious"))
    probabilities_KHW = np.array([0.2, 0.5, 0.3], np.float32).reshape(3, 1, 1)
    assert legend.blended == (0, 1, 2) and legend.band == "class"
    np.testing.assert_array_equal(quantise(probabilities_KHW, legend).ravel(), [1, round(0.3 * 254)])


def test_the_threshold_decides_between_two_classes():
    probabilities_KHW = np.array([0.39, 0.4, 0.41], np.float32).reshape(1, 1, 3)
    strict = Legend(LEGEND.names, threshold=0.4)
    np.testing.assert_array_equal(quantise(probabilities_KHW, strict)[0, 0], [0, 1, 1])
    np.testing.assert_array_equal(quantise(probabilities_KHW, LEGEND)[0, 0], [0, 0, 0])
