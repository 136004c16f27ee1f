"""Texture (apidocs ee-image-entropy, ee-image-glcmtexture), against SciPy and against whole co-occurrence matrices."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import stats

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(14, 16)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10)}, seed=3, hidden=2),))
LEVELS = 6


def gray() -> ee.Image:
    return ee.Image("C/a").mod(LEVELS).toByte()


def array() -> np.ma.MaskedArray:
    return pixels(gray(), CATALOG, GRID)


def around(row: int, col: int, reach: int) -> np.ma.MaskedArray:
    return array()[row - reach : row + reach + 1, col - reach : col + reach + 1]


SPOTS = [(5, 5), (6, 9), (8, 4), (7, 11)]


def shown(spots: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept = [spot for spot in spots if not np.ma.getmaskarray(array())[spot]]
    assert kept
    return kept


@pytest.mark.parametrize(("kernel", "cells"), [("square", np.ones((5, 5), bool)), ("plus", None)])
def test_entropy_is_that_of_the_values_under_the_kernel(kernel, cells):
    if cells is None:
        cells = np.zeros((5, 5), bool)
        cells[2], cells[:, 2] = True, True
    found = pixels(gray().entropy(getattr(ee.Kernel, kernel)(2)), CATALOG, GRID)
    for row, col in shown(SPOTS):
        own = around(row, col, 2)[cells].compressed()
        assert found[row, col] == pytest.approx(stats.entropy(np.bincount(own), base=2))


def test_one_value_has_no_entropy():
    assert np.array_equal(pixels(ee.Image(7).entropy(ee.Kernel.square(3)), CATALOG, GRID), np.zeros(GRID.shape))


def matrix(row: int, col: int, reach: int, offset: tuple[int, int]) -> np.ndarray:
    """The symmetric matrix of shares, by visiting all pairs of the square."""
    square = around(row, col, reach)
    counts = np.zeros((LEVELS, LEVELS))
    for r, c in np.ndindex(square.shape):
        other = r + offset[0], c + offset[1]
        if 0 <= other[0] < square.shape[0] and 0 <= other[1] < square.shape[1]:
            a, b = square[r, c], square[other]
            if a is not np.ma.masked and b is not np.ma.masked:
                counts[a, b] += 1
                counts[b, a] += 1
    return counts / counts.sum()


def entropy_of(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def haralick(p: np.ndarray) -> dict[str, float]:
    """The formulas of Haralick (1973, Appendix I) and Conners (1984), on the whole matrix."""
    i, j = np.indices(p.shape)
    px, py = p.sum(axis=1), p.sum(axis=0)
    mean_x, mean_y = (np.arange(LEVELS) * px).sum(), (np.arange(LEVELS) * py).sum()
    sd_x = np.sqrt(((np.arange(LEVELS) - mean_x) ** 2 * px).sum())
    sums = np.array([p[i + j == k].sum() for k in range(2 * LEVELS - 1)])
    gaps = np.array([p[abs(i - j) == k].sum() for k in range(LEVELS)])
    average, gap_mean = (np.arange(len(sums)) * sums).sum(), (np.arange(LEVELS) * gaps).sum()
    product = px[:, None] * py[None, :]
    hxy1 = -(p[product > 0] * np.log(product[product > 0])).sum()
    return {
        "asm": (p**2).sum(),
        "contrast": sum(k**2 * gaps[k] for k in range(LEVELS)),
        "corr": ((i * j * p).sum() - mean_x * mean_y) / sd_x**2,
        "var": ((i - mean_x) ** 2 * p).sum(),
        "idm": (p / (1 + (i - j) ** 2)).sum(),
        "savg": average,
        "svar": ((np.arange(len(sums)) - average) ** 2 * sums).sum(),
        "sent": entropy_of(sums),
        "ent": entropy_of(p),
        "dvar": ((np.arange(LEVELS) - gap_mean) ** 2 * gaps).sum(),
        "dent": entropy_of(gaps),
        "imcorr1": (entropy_of(p) - hxy1) / max(entropy_of(px), entropy_of(py)),
        "imcorr2": np.sqrt(1 - np.exp(-2 * (entropy_of(product) - entropy_of(p)))),
        "maxcorr": 0.0,  # "not computed" (apidocs ee-image-glcmtexture)
        "diss": (abs(i - j) * p).sum(),
        "inertia": ((i - j) ** 2 * p).sum(),
        "shade": ((i + j - mean_x - mean_y) ** 3 * p).sum(),
        "prom": ((i + j - mean_x - mean_y) ** 4 * p).sum(),
    }


DEFAULT = [(-1, -1), (-1, 0), (-1, 1), (0, -1)]  # rows and columns of (-1, -1), (0, -1), (1, -1) and (-1, 0)


def test_the_metrics_are_those_of_the_papers():
    asked = gray().glcmTexture(2)
    names = info(asked.bandNames(), CATALOG)
    for row, col in shown(SPOTS):
        sets = [haralick(matrix(row, col, 2, offset)) for offset in DEFAULT]
        expected = {f"x_{name}": np.mean([each[name] for each in sets]) for name in sets[0]}
        assert names == list(expected)
        found = {name: pixels(asked.select(name), CATALOG, GRID)[row, col] for name in ("x_asm", "x_corr")}
        assert found == {name: pytest.approx(expected[name]) for name in found}
        every = {name: pixels(asked, CATALOG, GRID, band=i)[row, col] for i, name in enumerate(names)}
        assert every == {name: pytest.approx(number, abs=1e-9) for name, number in expected.items()}


def test_directions_side_by_side():
    """East and west are one direction; without averaging every direction has its bands."""
    kernel = ee.Kernel.fixed(3, 3, [[0, 0, 0], [1, 0, 1], [0, 1, 0]])
    asked = gray().glcmTexture(1, kernel, False)
    names = info(asked.bandNames(), CATALOG)
    assert len(names) == 36 and names[0] == "x_asm_-1_0" and names[18] == "x_asm_0_1"
    row, col = shown(SPOTS)[0]
    below = haralick(matrix(row, col, 1, (1, 0)))
    assert pixels(asked, CATALOG, GRID, band=18)[row, col] == pytest.approx(below["asm"])


def test_neighbourhoods_as_arrays():
    """apidocs ee-image-neighborhoodtoarray: axes 0 and 1 are Y and X; masked pixels become the default."""
    asked = gray().neighborhoodToArray(ee.Kernel.rectangle(2, 1), 300)
    found = pixels(asked, CATALOG, GRID)
    for row, col in shown(SPOTS):
        expected = array()[row - 1 : row + 2, col - 2 : col + 3].filled(255)  # 300 within the range of bytes
        np.testing.assert_array_equal(found[row, col], expected)
    assert info(asked, CATALOG)["bands"][0]["data_type"]["dimensions"] == 2


@pytest.mark.parametrize("name", ["entropy", "glcm"])
def test_a_pixel_does_not_depend_on_the_window(name):
    asked = gray().entropy(ee.Kernel.square(2)) if name == "entropy" else gray().glcmTexture(1).select("x_ent")
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((5, 4), GRID.affine * Affine.translation(6, 3), GRID.crs))
    np.testing.assert_array_equal(part.filled(-9), whole[3:8, 6:10].filled(-9))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: gray().toFloat().entropy(ee.Kernel.square(1)), "Only 32-bit or smaller integer"),
        (lambda: gray().toFloat().glcmTexture(), "Only 32-bit or smaller integer"),
        (lambda: gray().glcmTexture(0), "at least 1, got 0"),
        (lambda: gray().glcmTexture(1, ee.Kernel.fixed(1, 1, [[1]])), "no cell but the pixel"),
        (lambda: gray().neighborhoodToArray(ee.Kernel.plus(1)), "Only fixed, square and rectangle"),
    ],
)
def test_what_cannot_be_computed_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, GRID)
